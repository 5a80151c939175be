"""CytoClus exports: what names and EXIF comments of images become, and the list of particles beside them."""

from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reading import formats_that_fit, read, rules
from writers import cytoclus as writer

from aqqua_dataset import schema
from aqqua_dataset.sources import cytoclus
from aqqua_dataset.sources.cytoclus import comment_entries, run_key, time_in

RUN = writer.RUN


def test_every_image_becomes_a_row(tmp_path: Path) -> None:
    writer.write(tmp_path, 3)
    rows, found = read(tmp_path, "cytoclus")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == [f"{RUN}_1", f"{RUN}_3", f"{RUN}_5"]
    assert rows["aqqua_path"].tolist() == [f"{RUN}_Cropped_{n}.jpg" for n in (1, 3, 5)]
    assert rows["aqqua_path"].tolist() == rows["aqqua_image_file"].tolist()
    assert rows[["aqqua_offset", "aqqua_reason", "aqqua_variant"]].isna().all(axis=None)
    assert set(rows["exif_date"]) == {writer.DATE}
    assert set(rows["exif_cytosense"]) == {"CS-2022-114"}
    assert set(rows["exif_process"]) == {"Cropped"}
    assert set(rows["name_time"]) == {"2025-02-13T14:27"}
    assert set(rows["instrument_name"]) == {"CytoSense"}
    assert set(schema.mapping("cytoclus")["column"]) <= set(rows.columns)
    assert [f.format for f in formats_that_fit(tmp_path)] == ["cytoclus"]


def test_the_data_file_is_named_without_its_folders(tmp_path: Path) -> None:
    writer.write(tmp_path, 1)
    rows, _ = read(tmp_path, "cytoclus")
    assert rows["exif_datafile"].tolist() == [f"{RUN}.cyz"]
    assert not rows.apply(lambda column: column.astype("str").str.contains("Jane")).any(axis=None)


def test_the_list_of_particles_is_joined(tmp_path: Path) -> None:
    writer.write(tmp_path, 3)
    rows, _ = read(tmp_path, "cytoclus")
    assert rows["listmode_fws_length"].tolist() == ["1.25", "3.25", "5.25"]
    table = next(tmp_path.glob("*.csv"))
    table.write_text('"Particle ID";"FWS Length"\n3;0,5\n3;0,6\n5;0,7', encoding="utf-8-sig")
    rows, _ = read(tmp_path, "cytoclus")
    assert rows["listmode_fws_length"].fillna("").tolist() == ["", "0,5", "0,7"]
    table.rename(tmp_path / "other run.csv")
    assert "listmode_fws_length" not in read(tmp_path, "cytoclus")[0]


def test_images_without_a_comment_or_with_anothers(tmp_path: Path) -> None:
    writer.write(tmp_path, 4)
    writer.save(tmp_path / f"{RUN}_Cropped_1.jpg", 1, None)
    writer.save(tmp_path / f"{RUN}_Cropped_3.jpg", 3, writer.comment(77))
    (tmp_path / f"{RUN}_Cropped_5.jpg").write_bytes(b"no picture")
    rows, found = read(tmp_path, "cytoclus")
    assert rows["aqqua_object_id"].tolist() == [f"{RUN}_{n}" for n in (1, 3, 5, 7)]
    assert rows["exif_date"].notna().tolist() == [False, True, False, True]
    assert [(f.rule, f.file, f.count) for f in found] == [
        ("cytoclus_comment_missing", f"{RUN}_Cropped_1.jpg", 2),
        ("cytoclus_particle_differs", f"{RUN}_Cropped_3.jpg", 1),
    ]


def test_a_delivery_without_any_comment_is_read(tmp_path: Path) -> None:
    for number in (1, 2):
        writer.save(tmp_path / f"{RUN}_Cropped_{number}.jpg", number, None)
    rows, found = read(tmp_path, "cytoclus")
    assert (len(rows), rules(found)) == (2, ["cytoclus_comment_missing"])


def test_the_description_serves_where_the_comment_is_missing(tmp_path: Path) -> None:
    image = Image.new("L", (24, 24))
    exif = image.getexif()
    exif[270] = writer.comment(1)
    image.save(tmp_path / f"{RUN}_Cropped_1.jpg", exif=exif)
    assert read(tmp_path, "cytoclus")[0]["exif_date"].tolist() == [writer.DATE]


def test_other_names_are_no_export(tmp_path: Path) -> None:
    for name in ("a_Cropped_1.jpg", f"{RUN}_Cropped_x.jpg", f"{RUN}.jpg", f"{RUN}-2_Cropped_1.png"):
        writer.save(tmp_path / name, 1, writer.comment(1))
    assert read(tmp_path, "cytoclus")[0].empty
    assert [f.format for f in formats_that_fit(tmp_path)] == ["table"]


def test_runs_in_folders_and_zips_and_small_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cytoclus, "_ROWS_PER_CHUNK", 2)
    writer.write(tmp_path / "a", 3)
    with ZipFile(tmp_path / "b.zip", "w") as made:
        for file in sorted((tmp_path / "a").iterdir()):
            made.write(file, file.name)
    rows, found = read(tmp_path, "cytoclus")
    assert found == []
    assert rows["aqqua_path"].str.partition("/")[0].tolist() == ["a"] * 3 + ["b.zip!"] * 3
    assert rows["listmode_fws_length"].tolist() == ["1.25", "3.25", "5.25"] * 2


@pytest.mark.parametrize(
    ("run", "time"),
    [
        ("a-2023-05-24-11h50", "2023-05-24T11:50"),
        ("algjes machteld 2010-11-22 11u33", "2010-11-22T11:33"),
        ("2023-05-24 2024-01-02 00H00", "2024-01-02T00:00"),
        ("a-2023-05-24-24h00", None),
        ("a-2023-05-24", None),
        ("", None),
    ],
)
def test_the_time_in_a_runs_name(run: str, time: str | None) -> None:
    assert time_in(run) == time


def test_spellings_of_one_run_have_one_key() -> None:
    spellings = ["Sea A-2010-11-22-11h33", "Sea A 2010-11-22 11u33", "sea_a 2010-11-22 11H33"]
    assert {run_key(s) for s in spellings} == {"seaa2010112211h33"}
    assert run_key("sea a 2010-11-22 11h34") not in {run_key(s) for s in spellings}


words = st.text(st.characters(codec="ascii", categories=["Lu", "Ll", "Nd"]), min_size=1, max_size=8)
entries = st.dictionaries(words.map(str.lower), words, max_size=5)


@given(made=entries.filter(lambda e: "datafile" not in e))
def test_comments_come_back_as_they_were_written(made: dict[str, str]) -> None:
    comment = "".join(f"{key}: {value}\r\n" for key, value in made.items())
    assert comment_entries(comment) == {f"exif_{key}": value for key, value in made.items()}


@given(comment=st.text(max_size=80) | st.text("ab:\n\r\0\\/ =[]", max_size=80))
def test_arbitrary_comments_invent_nothing(comment: str) -> None:
    assert all(value in comment.replace("\0", "") for value in comment_entries(comment).values())


@settings(deadline=None, max_examples=40)
@given(share=st.floats(0, 1))
def test_an_image_cut_off_anywhere_is_still_a_row(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    folder = tmp_path_factory.getbasetemp() / "cut"
    writer.write(folder, 1)
    path = folder / f"{RUN}_Cropped_1.jpg"
    data = path.read_bytes()
    path.write_bytes(data[: round(share * len(data))])
    rows, found = read(folder, "cytoclus")
    assert rows["aqqua_object_id"].tolist() == [f"{RUN}_1"]
    assert set(rules(found)) <= {"cytoclus_comment_missing"}
