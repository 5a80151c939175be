"""FlowCam runs: what every row of a list becomes, and that broken or missing files are findings."""

import csv
import io
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reading import formats_that_fit, read, rules
from writers import flowcam as writer

from aqqua_dataset import schema
from aqqua_dataset.privacy import is_personal
from aqqua_dataset.sources import flowcam
from aqqua_dataset.sources.flowcam_run import Class, parse_classes

RUN = writer.RUN
LIST = f"{RUN}.lst"
COLLAGE = f"{RUN}_images_000001.tif"
FIRST_LINE = len(writer.FIELDS) + 3


def cla(*groups: tuple[str, int, list[int]], name: str = RUN) -> str:
    """A .cla with one classification of classes (name, filters, ids)."""
    lines = ["v3", "1", name, str(len(groups))]
    for title, filters, ids in groups:
        lines += [title, "OR", str(filters), *(f"filter {n}" for n in range(filters)), str(len(ids)), *map(str, ids)]
    return "\n".join(lines) + "\n"


def test_every_row_becomes_a_rectangle_of_its_collage(tmp_path: Path) -> None:
    writer.write(tmp_path, 3)
    rows, found = read(tmp_path, "flowcam")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == [f"{RUN}_1", f"{RUN}_2", f"{RUN}_3"]
    assert rows["aqqua_line"].tolist() == [FIRST_LINE, FIRST_LINE + 1, FIRST_LINE + 2]
    assert rows["aqqua_x"].tolist() == [2, 28, 54]
    assert rows["aqqua_y"].tolist() == [2, 2, 2]
    assert set(rows["aqqua_width"]) == set(rows["aqqua_height"]) == {24}
    assert set(rows["aqqua_path"]) == set(rows["aqqua_image_file"]) == {COLLAGE}
    assert set(rows["aqqua_table"]) == {LIST}
    assert rows["aqqua_reason"].isna().all()
    assert rows[["aqqua_offset", "aqqua_length", "aqqua_variant"]].isna().all(axis=None)
    assert rows["cal_const"].tolist() == ["1.813"] * 3
    assert not {"image_id", "rank", "images", "reason"} & set(rows.columns)  # the data set's own names
    assert formats_that_fit(tmp_path)[0].format == "flowcam"


def test_the_time_of_analysis_is_no_sampling_time(tmp_path: Path) -> None:
    writer.write(tmp_path, 1)
    rows, _ = read(tmp_path, "flowcam")
    assert rows["analysis_time"].tolist() == ["2023-05-22T12:46:00.875"]
    assert "timestamp" not in rows
    mapped = schema.mapping("flowcam")
    assert not set(mapped["input"]) & {"datetime", "date", "time"}


def test_settings_and_run_summary_are_columns(tmp_path: Path) -> None:
    writer.write(tmp_path, 1)
    row = read(tmp_path, "flowcam")[0].iloc[0]
    assert row["ctx_fluid_calibrationconstant"] == "1.8130"
    assert row["ctx_fluid_fluidvolumeimaged_ml"] == "0.0000"
    assert row["summary_fluid_volume_imaged"] == "289.6065 ml"
    assert row["fluid_volume_imaged_ml"] == "289.6065"
    assert "ctx_general_locationlatitude" not in row  # present but blank
    assert [c for c in row.index if is_personal(c)] == ["ctx_general_technicianname", "summary_operator"]


@pytest.mark.parametrize(
    ("ctx", "summary", "expected"),
    [
        ("0.1234", "Fluid Volume Imaged:\t289.6 ml", "0.1234"),
        ("0.0000", "Fluid Volume Imaged:\t289.6 uL", None),
        ("0.0000", "FluidVolumeImaged_ml:\t0,25", "0,25"),
        ("0.0000", "FluidVolumeImaged:\t0.25", None),
        ("-1", "", None),
        ("", "Fluid Volume Imaged\t0.5 ML", "0.5"),
    ],
)
def test_the_volume_imaged_is_a_volume_in_millilitres(
    tmp_path: Path, ctx: str, summary: str, expected: str | None
) -> None:
    writer.write_list(tmp_path / LIST, 1)
    (tmp_path / f"{RUN}.ctx").write_text(f"[Fluid]\r\nFluidVolumeImaged_ml={ctx}\r\n")
    (tmp_path / f"{RUN}_run_summary.txt").write_text(summary)
    assert read(tmp_path, "flowcam")[0].iloc[0].get("fluid_volume_imaged_ml") == expected


@pytest.mark.parametrize("count", [6, 57, 65])
def test_fields_go_by_name_and_their_number_is_free(tmp_path: Path, count: int) -> None:
    fields = list(writer.FIELDS)
    if count < len(fields):
        fields = [
            "collage_file|string",
            *(f for f in fields if f.startswith(("id|", "image_x", "image_y", "image_w", "image_h"))),
        ]
    fields += [f"ch{n}_peak|double" for n in range(count - len(fields))]
    writer.write_list(tmp_path / LIST, 2, fields)
    writer.write_collages(tmp_path, 2)
    rows, found = read(tmp_path, "flowcam")
    assert found == []
    assert rows["aqqua_x"].tolist() == [2, 28]
    assert rows["aqqua_line"].tolist() == [count + 3, count + 4]


@pytest.mark.parametrize("count", [0, 50, 54, 999])
def test_a_wrong_count_of_fields_is_reported(tmp_path: Path, count: int) -> None:
    writer.write(tmp_path, 2)
    (tmp_path / LIST).write_text(writer.header(count=count) + writer.row(0) + writer.row(1))
    rows, found = read(tmp_path, "flowcam")
    assert rules(found) == ["flowcam_header_count"]
    assert rows["aqqua_object_id"].tolist() == [f"{RUN}_1", f"{RUN}_2"]


def test_a_renamed_list_takes_its_run_from_the_collages(tmp_path: Path) -> None:
    writer.write(tmp_path, 2)
    (tmp_path / LIST).rename(tmp_path / "metadata.lst")
    rows, found = read(tmp_path, "flowcam")
    assert found == []
    assert rows["run"].tolist() == [RUN, RUN]
    assert rows["fluid_volume_imaged_ml"].tolist() == ["289.6065"] * 2


def test_one_run_in_two_folders_and_twice_in_one(tmp_path: Path) -> None:
    writer.write(tmp_path / "a", 1)
    writer.write(tmp_path / "b", 1)
    shutil.copy(tmp_path / "b" / LIST, tmp_path / "b" / "copy.lst")
    writer.write_list(tmp_path / LIST, 1)
    rows, found = read(tmp_path, "flowcam")
    assert rows["aqqua_object_id"].tolist() == [f"{RUN}_1", f"a/{RUN}_1", f"b/{RUN}_1"]
    assert [(f.rule, f.file) for f in found] == [
        ("flowcam_collage_missing", COLLAGE),
        ("flowcam_list_repeated", "b/copy.lst"),
    ]


@pytest.mark.parametrize("name", [COLLAGE.upper(), f"{RUN}_000001.tif"])
def test_collages_of_another_spelling_are_found(tmp_path: Path, name: str) -> None:
    writer.write(tmp_path, 2)
    (tmp_path / COLLAGE).rename(tmp_path / name)
    rows, found = read(tmp_path, "flowcam")
    assert found == []
    assert set(rows["aqqua_path"]) == {name}
    assert set(rows["aqqua_image_file"]) == {COLLAGE}


def test_missing_collages_are_named_and_masks_left_out(tmp_path: Path) -> None:
    writer.write(tmp_path, writer.PER_COLLAGE + 3)
    (tmp_path / f"{RUN}_000001_bin.tif").write_bytes(b"mask")
    second = f"{RUN}_images_000002.tif"
    (tmp_path / second).unlink()
    rows, found = read(tmp_path, "flowcam")
    assert rows["aqqua_path"].value_counts().to_dict() == {COLLAGE: writer.PER_COLLAGE, second: 3}
    assert [(f.rule, f.severity, f.file, f.count) for f in found] == [
        ("flowcam_collage_missing", "error", second, 3),
        ("flowcam_masks_left_out", "note", "", 1),
    ]
    (tmp_path / COLLAGE).unlink()
    found = read(tmp_path, "flowcam")[1]
    assert [(f.rule, f.file, f.count) for f in found[:1]] == [("flowcam_collage_missing", LIST, len(rows))]


def test_classes_become_labels(tmp_path: Path) -> None:
    writer.write(tmp_path, 5)
    text = cla(("Cyclops", 0, [1]), ("blank images", 1, [2, 3]), ("empty", 0, []), ("a", 0, [4]), ("b", 0, [4]))
    (tmp_path / f"{RUN}.cla").write_text(text)
    rows, found = read(tmp_path, "flowcam")
    assert rows["class_name"].fillna("").tolist() == ["Cyclops", "blank images", "blank images", "", ""]
    assert rows["class_status"].fillna("").tolist() == ["validated", "predicted", "predicted", "", ""]
    assert rows[f"classification_{RUN.lower()}"].fillna("").tolist()[3:] == ["a|b", ""]
    assert [(f.rule, f.count) for f in found] == [("flowcam_particle_in_several_classes", 1)]


@pytest.mark.parametrize("auto", [None, "1"])
def test_a_status_needs_the_settings_to_say_so(tmp_path: Path, auto: str | None) -> None:
    writer.write(tmp_path, 2)
    (tmp_path / f"{RUN}.ctx").write_text(f"[CaptureReport]\nAutoClassify={auto}\n" if auto else "[Fluid]\nA=1\n")
    (tmp_path / f"{RUN}.cla").write_text(cla(("Cyclops", 0, [1]), ("by rule", 2, [2])))
    rows, _ = read(tmp_path, "flowcam")
    assert rows["class_status"].fillna("").tolist() == ["", "predicted"]


def test_of_several_classifications_the_one_named_as_the_run_counts(tmp_path: Path) -> None:
    writer.write(tmp_path, 1)
    (tmp_path / f"{RUN}.cla").write_text(f"v3\n2\ntest\n1\nx\nOR\n0\n1\n1\n{RUN}_lab\n1\ny\nAND\n0\n1\n1\n")
    rows, found = read(tmp_path, "flowcam")
    assert (rows["class_name"].tolist(), rows["classification_test"].tolist(), found) == (["y"], ["x"], [])
    (tmp_path / f"{RUN}.cla").write_text("v3\n2\ntest\n1\nx\nOR\n0\n1\n1\nother\n1\ny\nOR\n0\n1\n1\n")
    rows, found = read(tmp_path, "flowcam")
    assert "class_name" not in rows
    assert rules(found) == ["flowcam_classifications_several"]


@pytest.mark.parametrize("text", ["v2\n0\n", "v3\n1\nname\n1\nx\nOR\n0\n5\n1\n", "v3\n1\nname\n0\nmore\n", "\xff"])
def test_a_class_file_that_is_none_leaves_the_rows(tmp_path: Path, text: str) -> None:
    writer.write(tmp_path, 1)
    (tmp_path / f"{RUN}.cla").write_text(text, encoding="latin-1")
    rows, found = read(tmp_path, "flowcam")
    assert len(rows) == 1
    assert rules(found) == ["flowcam_cla_unreadable"]


@pytest.mark.parametrize(
    ("old", "new", "reason", "column"),
    [
        ("2|54|2|24", "3|54|2|24", None, None),
        ("\n2|28|2", "\n|28|2", "object_id_missing", "id"),
        ("\n2|28|2", "\n1|28|2", "object_id_repeated", "id"),
        ("\n2|28|2", "\n2|2.5|2", "image_rectangle_unreadable", "image_x"),
        ("\n2|28|2", "\n2||2", "image_rectangle_unreadable", "image_x"),
        ("\n2|28|2", "\n2|99999999999|2", "image_rectangle_unreadable", "image_x"),
        ("12:46:01.875|AQQUA", "12:46:01.875|AQ|QUA", "row_has_extra_cells", None),
        (f"12:46:01.875|{COLLAGE}", "12:46:01.875|", "image_file_missing_in_row", "collage_file"),
    ],
)
def test_a_row_that_cant_be_used_says_why(
    tmp_path: Path, old: str, new: str, reason: str | None, column: str | None
) -> None:
    writer.write(tmp_path, 3)
    text = (tmp_path / LIST).read_text()
    (tmp_path / LIST).write_text(text.replace(old, new, 1))
    rows, _ = read(tmp_path, "flowcam")
    assert len(rows) == 3
    assert rows["aqqua_reason"].isna().tolist() == [True, reason is None, True]
    if reason is not None:
        assert rows.loc[1, "aqqua_reason"] == reason
        assert rows.loc[1, "aqqua_column"] == column if column else rows["aqqua_column"].isna().all()
        assert reason in set(schema.vocabulary("reasons.csv")["reason"])


def test_short_rows_blank_lines_and_line_ends(tmp_path: Path) -> None:
    writer.write(tmp_path, 3)
    lines = (tmp_path / LIST).read_text().splitlines()
    lines[-2] = "|".join(lines[-2].split("|")[:-1])
    (tmp_path / LIST).write_bytes("\r\n".join([*lines[:-1], "", lines[-1], ""]).encode())
    rows, found = read(tmp_path, "flowcam")
    assert found == []
    assert rows["aqqua_line"].tolist() == [FIRST_LINE, FIRST_LINE + 1, FIRST_LINE + 3]
    assert rows["aqqua_flags"].tolist() == ["", "ROW_SHORT", ""]
    assert rows["aqqua_reason"].isna().all()


def test_other_lists_are_left_out_and_broken_ones_reported(tmp_path: Path) -> None:
    (tmp_path / "a.lst").write_text("some other\nlist\n")
    (tmp_path / "b.lst").write_bytes(b"")
    (tmp_path / "c.lst").write_text(writer.header(["id|int32", "image_x|int32"]) + "1|2|3\n")
    (tmp_path / "d.lst").write_text(writer.header())
    (tmp_path / "e.lst").write_text(writer.header([*writer.FIELDS, "shape|blob"]) + writer.row(0))
    rows, found = read(tmp_path, "flowcam")
    assert len(rows) == 1
    assert rules(found) == [
        "flowcam_not_a_list", "flowcam_header_unreadable", "flowcam_fields_missing", "table_without_rows",
        "flowcam_type_unknown", "flowcam_collage_missing",
    ]  # fmt: skip
    assert found[2].value == "image_y, image_w, image_h, collage_file"
    (tmp_path / "only").mkdir()
    shutil.copy(tmp_path / "a.lst", tmp_path / "only/a.lst")
    assert formats_that_fit(tmp_path / "only") == []


def test_runs_in_a_zip(tmp_path: Path) -> None:
    writer.write(tmp_path / "run", 2)
    with ZipFile(tmp_path / "run.zip", "w") as made:
        for file in sorted((tmp_path / "run").iterdir()):
            made.write(file, f"x/{file.name}")
    rows, found = read(tmp_path / "run.zip", "flowcam")
    assert found == []
    assert set(rows["aqqua_path"]) == {f"run.zip!/x/{COLLAGE}"}
    assert set(rows["fluid_volume_imaged_ml"]) == {"289.6065"}


def test_chunks_continue_ids_lines_and_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flowcam, "_ROWS_PER_CHUNK", 3)
    writer.write(tmp_path, 8)
    with (tmp_path / LIST).open("a") as out:
        out.write(writer.row(0))
    (tmp_path / f"{RUN}.cla").write_text(cla(("Cyclops", 0, [8])))
    rows, _ = read(tmp_path, "flowcam")
    assert rows["aqqua_line"].tolist() == list(range(FIRST_LINE, FIRST_LINE + 9))
    assert rows["aqqua_reason"].dropna().to_dict() == {8: "object_id_repeated"}
    assert rows["class_name"].dropna().to_dict() == {7: "Cyclops"}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    writer.write_collages(folder, 5)
    return folder


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0, 1))
def test_a_list_cut_off_anywhere_invents_no_row(scratch: Path, share: float) -> None:
    whole = writer.header() + "".join(writer.row(n) for n in range(5))
    cut = whole[: round(share * len(whole))]
    (scratch / LIST).write_text(cut)
    rows, _ = read(scratch, "flowcam")
    good = rows[rows["aqqua_reason"].isna()]
    complete = [line for line in cut.splitlines()[len(writer.FIELDS) + 2 :] if line + "\n" in whole]
    assert len(good) == len(complete)
    assert good["aqqua_object_id"].tolist() == [f"{RUN}_{n}" for n in range(1, len(good) + 1)]
    assert set(rows["aqqua_reason"].dropna()) <= {"row_cut_off"}
    assert len(rows) - len(good) <= 1


@settings(deadline=None, max_examples=30)
@given(data=st.binary(max_size=300) | st.text("|0123456789\n\r.aidx", max_size=300).map(str.encode))
def test_no_bytes_are_a_traceback(scratch: Path, data: bytes) -> None:
    (scratch / LIST).write_bytes(b"017\nnum-fields|6\n" + data)
    assert len(read(scratch, "flowcam")[0]) <= data.count(b"\n") + data.count(b"\r") + 1
    (scratch / LIST).write_text(writer.header() + writer.row(0))
    for ending in (".ctx", ".cla", "_run_summary.txt"):
        (scratch / f"{RUN}{ending}").write_bytes(data)
    rows, _ = read(scratch, "flowcam")
    for ending in (".ctx", ".cla", "_run_summary.txt"):
        (scratch / f"{RUN}{ending}").unlink()
    assert rows["aqqua_object_id"].tolist() == [f"{RUN}_1"]


names = (
    st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=9).map(str.strip).filter(bool)
)
groups = st.lists(st.tuples(names, st.integers(0, 2), st.lists(st.integers(1, 999), max_size=4)), max_size=4)


@given(made=groups, title=names)
def test_class_files_come_back_as_they_were_written(made: list[tuple[str, int, list[int]]], title: str) -> None:
    expected = [Class(name, bool(filters), tuple(map(str, ids))) for name, filters, ids in made]
    assert parse_classes(cla(*made, name=title)) == {title: expected}


@given(text=st.text(max_size=200) | st.text("v3\n012OR", max_size=60).map("v3\n".__add__))
def test_arbitrary_text_invents_no_class(text: str) -> None:
    lines = {line.strip() for line in text.replace("\r", "\n").split("\n")}
    for group in (g for members in (parse_classes(text) or {}).values() for g in members):
        assert {group.name, *group.ids} <= lines


@pytest.mark.realdata
def test_the_real_run_is_read_whole(real_data: Path) -> None:
    [path] = (real_data / "flowcam/nerc_ceh").glob("*/metadata.lst")
    table = list(csv.reader(io.StringIO(path.read_text()), delimiter="|"))
    named, expected = [cells[0] for cells in table[2:55]], table[55:]
    rows, found = read(real_data / "flowcam/nerc_ceh", "flowcam")
    assert found == []
    assert len(rows) == len(expected) == 475
    for name in ("id", "image_x", "cal_const", "elapsed_time"):
        assert rows[name].tolist() == [cells[named.index(name)] for cells in expected]
    assert rows["analysis_time"].tolist() == [cells[named.index("timestamp")] for cells in expected]
    assert rows["image_guid"].tolist() == [cells[named.index("image_id")] for cells in expected]
    assert set(rows["cal_const"]) == {"9.25"}
    assert rows["aqqua_line"].tolist() == list(range(56, 531))
    assert rows["aqqua_object_id"].iloc[-1] == "MicrobialMethane_MESO_Tank10_54.0143_-2.7770_04052023_1_475"


@pytest.mark.realdata
def test_the_real_rectangles_hold_one_particle_each(real_data: Path) -> None:
    rows, _ = read(real_data / "flowcam/nerc_ceh", "flowcam")
    [path] = set(rows["aqqua_path"])
    with Image.open(real_data / "flowcam/nerc_ceh" / path) as collage:
        pixels = np.asarray(collage)
    used = np.zeros(pixels.shape[:2], int)
    for row in rows.itertuples():
        left, upper = int(row.aqqua_x), int(row.aqqua_y)
        used[upper : upper + int(row.aqqua_height), left : left + int(row.aqqua_width)] += 1
    assert used.sum() == sum(int(w) * int(h) for w, h in zip(rows["image_w"], rows["image_h"], strict=True))
    assert used.max() == 1  # none outside, no overlap
    background = pixels[used == 0]
    assert (background == background[0]).all()  # every pixel that isn't background lies in a rectangle


@pytest.mark.realdata
def test_the_real_settings_and_classes_are_joined(real_data: Path, tmp_path: Path) -> None:
    for ending in (".ctx", ".cla"):
        shutil.copy(real_data / f"flowcam/bigelow/201-045311{ending}", tmp_path)
    rows = "".join(writer.row(n, run="201-045311") for n in range(172))
    (tmp_path / "201-045311.lst").write_text(writer.header() + rows)
    read_rows, found = read(tmp_path, "flowcam")
    assert rules(found) == ["flowcam_collage_missing"]
    first = read_rows.iloc[0]
    assert first["ctx_software_cameramagnification"] == "4"
    assert first["ctx_general_runstarttime"] == "2014-07-20 04:53:25"
    assert first["ctx_capturestats_rawimagetotal"] == "473"
    assert "fluid_volume_imaged_ml" not in read_rows  # 0.0000 in the .ctx
    counts = {"9B": 53, "8B": 59, "2C02": 4}  # numbers above the ids in the .cla
    assert {name: (read_rows["class_name"] == name).sum() for name in counts} == counts
    assert set(read_rows["class_status"]) == {"validated"}
    assert read_rows["classification_test"].notna().sum() == 17 + 5
