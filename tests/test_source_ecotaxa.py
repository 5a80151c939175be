"""EcoTaxa tables: import files, exports, zips in zips, and what contributors do to them."""

import io
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import LOCATOR, ecotaxa
from aqqua_dataset.sources.rows import report_broken_archives
from aqqua_dataset.transfer.delivery import Delivery

HEADER = "img_file_name\timg_rank\tobject_id\tobject_lat\n"
TYPES = "[t]\t[f]\t[t]\t[f]\n"
Read = tuple[pd.DataFrame, list[Finding]]


def read(location: Path) -> Read:
    found: list[Finding] = []
    with Delivery(str(location)) as delivery:
        report_broken_archives(delivery, found.append)
        chunks = list(ecotaxa.read(delivery, Source(format="ecotaxa", location=str(location)), found.append))
    for chunk in chunks:
        assert list(chunk.columns[: len(LOCATOR)]) == list(LOCATOR)
        assert {str(t) for t in chunk.dtypes[len(LOCATOR) :]} == {"str"}
    return (pd.concat(chunks, ignore_index=True) if chunks else pd.DataFrame()), found


def read_table(folder: Path, content: str | bytes, name: str = "ecotaxa_x.tsv") -> Read:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read(folder)


def rules(found: list[Finding]) -> list[str]:
    return [f.rule for f in found]


def test_a_row_says_who_it_is_and_where_its_image_lies(tmp_path: Path) -> None:
    folder = tmp_path / "net 1"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "IMG 1.PNG").write_bytes(b"x")
    rows, found = read_table(folder, HEADER.upper() + TYPES + " sub/img 1.png \t0\t o1 \t54,5\nsub\\2.png\t\to1\t\n")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == ["o1", "o1"]
    assert rows["aqqua_image_file"].tolist() == ["sub/img 1.png", "sub\\2.png"]
    assert rows["aqqua_path"].tolist() == ["sub/IMG 1.PNG", "sub/2.png"]
    assert rows["aqqua_rank"].fillna(-1).tolist() == [0, -1]
    assert rows["aqqua_line"].tolist() == [3, 4]
    assert rows["aqqua_table"].tolist() == ["ecotaxa_x.tsv"] * 2
    assert rows["object_lat"].fillna("").tolist() == ["54,5", ""]
    assert rows["aqqua_reason"].isna().all()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    content = HEADER + TYPES + "Rhône.png\t0\tn°1\t43°0 0\n"
    rows, found = read_table(tmp_path, content.replace("\n", end).encode(encoding))
    assert found == []
    told = ["aqqua_image_file", "aqqua_object_id", "object_lat", "aqqua_line"]
    assert rows[told].to_numpy().tolist() == [["Rhône.png", "n°1", "43°0 0", 3]]


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        ("[t]\t[f]\t[t]\t[f]", 0),
        ("[T]\t\t [t] \t[f]", 0),
        ("[t]\t[f]", 0),  # short as the row may be
        ("1.png\t0\t[t]\t1", 1),
        ("\t\t\t", 0),  # blank, as spreadsheets leave behind
    ],
)
def test_the_row_of_types_is_no_image(tmp_path: Path, second: str, kept: int) -> None:
    rows, found = read_table(tmp_path, HEADER + second + "\n2.png\t0\to2\t1\n")
    assert rows["aqqua_line"].tolist() == [2, 3][1 - kept :]
    assert found == []


def test_types_further_down_are_data(tmp_path: Path) -> None:
    rows, _ = read_table(tmp_path, HEADER + "1.png\t0\to1\t1\n" + TYPES)
    assert rows["aqqua_object_id"].tolist() == ["o1", "[t]"]


def test_ragged_quoted_and_incomplete_rows(tmp_path: Path) -> None:
    body = [
        '"a\tb.png"\t0\t"line\nbreak"\t1', "2.png\t0\to2", "3.png\t0\to3\t1\t\t", "4.png\t0\to4\t1\tstray\tcell",
        "5.png\t0\t\t1", "\t0\to6\t1", "", "\t\t \t", "../../7.png\t0\to7\t1", "8.png\t1e12\to8\t1",
    ]  # fmt: skip
    rows, found = read_table(tmp_path, HEADER + TYPES + "\n".join(body))
    assert found == []
    rows = rows.sort_values("aqqua_line")
    told = ["aqqua_line", "aqqua_object_id", "aqqua_flags", "aqqua_reason", "aqqua_column", "aqqua_value"]
    assert rows[told].fillna("").to_numpy().tolist() == [
        [3, "line\nbreak", "", "", "", ""],
        [5, "o2", "ROW_SHORT", "", "", ""],
        [6, "o3", "", "", "", ""],
        [7, "o4", "", "row_has_extra_cells", "", "stray\tcell"],
        [8, "", "", "object_id_missing", "object_id", ""],
        [9, "o6", "", "image_file_missing_in_row", "img_file_name", ""],
        [12, "o7", "", "", "", ""],
        [13, "o8", "", "", "", ""],
    ]
    assert rows["aqqua_image_file"].iloc[0] == "a\tb.png"
    assert rows["aqqua_path"].fillna("").tolist()[-3:] == ["", "", "8.png"]  # never outside the delivery
    assert rows["aqqua_rank"].isna().iloc[-1]


@pytest.mark.parametrize(
    "file", ["../x.png", "/etc/passwd", "..", ".", "a/../../x.png", "..\\x.png", "../../x.zip!/x.png"]
)
def test_no_name_leads_out_of_the_delivery_or_the_zip(tmp_path: Path, file: str) -> None:
    with ZipFile(tmp_path / "d.zip", "w") as made:
        made.writestr("ecotaxa_x.tsv", f"img_file_name\tobject_id\n{file}\to1\n")
        made.writestr("../x.png", "a member may be named so; it is not read either")
    (tmp_path / "x.png").write_bytes(b"x")
    for location in (tmp_path, tmp_path / "d.zip"):
        rows, _ = read(location)
        assert rows["aqqua_path"].isna().tolist() == [True]


def test_names_with_a_bang_or_a_file_as_folder_are_just_missing(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"x")
    names = ["a!/b/c.png", "1.png/2.png", "1.png!/2.png", "x" * 300 + "/1.png", "\0/1.png"]
    rows, found = read_table(tmp_path, "img_file_name\tobject_id\n" + "".join(f"{n}\to\n" for n in names))
    assert found == []
    assert rows["aqqua_path"].tolist() == names


def test_of_two_names_that_differ_in_case_the_exact_one_is_taken(tmp_path: Path) -> None:
    for name in ("A.png", "a.png", "B.PNG"):
        (tmp_path / name).write_bytes(b"x")
    rows, _ = read_table(tmp_path, "img_file_name\tobject_id\nA.png\t1\na.png\t2\nb.png\t3\n")
    assert rows["aqqua_path"].tolist() == ["A.png", "a.png", "B.PNG"]


@pytest.mark.parametrize(
    ("content", "rule", "value"),
    [
        ("", "table_empty", ""),
        (HEADER, "table_without_rows", ""),
        (HEADER + TYPES + "\n\t\t\t\n", "table_without_rows", ""),
        ("object_id\tobject_lat\n1\t2\n", "not_an_image_table", ""),
        ("\n" + HEADER, "not_an_image_table", ""),
        (HEADER.replace("object_lat", "Object_ID") + "1.png\t0\to1\to2\n", "column_repeated", "object_id.2"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_once(tmp_path: Path, content: str, rule: str, value: str) -> None:
    _, found = read_table(tmp_path, content)
    assert [(f.rule, f.severity, f.file, f.value) for f in found] == [(rule, "warning", "ecotaxa_x.tsv", value)]


def test_an_unreadable_table_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / "ecotaxa_a.tsv").write_bytes((HEADER + "1.png\t0\to1\t1\n").encode("utf-16")[:-1])
    rows, found = read_table(tmp_path, HEADER + "2.png\t0\to2\t1\n", "ecotaxa_b.tsv")
    assert [(f.rule, f.severity, f.file) for f in found] == [("table_unreadable", "error", "ecotaxa_a.tsv")]
    assert rows["aqqua_object_id"].tolist() == ["o2"]


def bundle() -> bytes:
    """A zip as it comes from a Mac, with a zip inside."""
    inner = io.BytesIO()
    with ZipFile(inner, "w", ZIP_DEFLATED) as made:
        made.writestr("deep/ecotaxa_in.tsv", HEADER + TYPES + "".join(f"{n}.png\t0\tin{n}\t1\n" for n in range(50)))
        made.writestr("deep/1.PNG", b"x")
    outer = io.BytesIO()
    with ZipFile(outer, "w", ZIP_DEFLATED) as made:
        made.writestr("ecotaxa_out.tsv", HEADER + "1.png\t0\tout1\t1\n")
        made.writestr("x_Images.zip", inner.getvalue())
        for junk in (
            "__MACOSX/._ecotaxa_out.tsv",
            "__MACOSX/ecotaxa_out.tsv",
            "._ecotaxa_out.tsv",
            ".~lock.ecotaxa_out.tsv#",
        ):
            made.writestr(junk, HEADER + "9.png\t0\tjunk\t1\n")
    return outer.getvalue()


def test_zip_in_zip_without_junk(tmp_path: Path) -> None:
    (tmp_path / "all.ZIP").write_bytes(bundle())
    rows, found = read(tmp_path)
    assert found == []
    assert rows["aqqua_object_id"].tolist() == ["out1", *(f"in{n}" for n in range(50))]
    assert rows["aqqua_table"].unique().tolist() == [
        "all.ZIP!/ecotaxa_out.tsv",
        "all.ZIP!/x_Images.zip!/deep/ecotaxa_in.tsv",
    ]
    assert rows["aqqua_path"].iloc[0] == "all.ZIP!/1.png"
    assert rows["aqqua_path"].iloc[2] == "all.ZIP!/x_Images.zip!/deep/1.PNG"


def test_damaged_zips_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(bundle()[:-30])
    (tmp_path / "b.zip").write_bytes(b"")
    with ZipFile(tmp_path / "c.zip", "w") as made:
        made.writestr("broken.zip", b"PK nothing")
        made.writestr("ecotaxa_c.tsv", HEADER + "1.png\t0\tc1\t1\n")
    rows, found = read(tmp_path)
    assert [(f.rule, f.severity, f.file) for f in found] == [
        ("archive_unreadable", "error", "a.zip"),
        ("archive_unreadable", "error", "b.zip"),
        ("archive_unreadable", "error", "c.zip!/broken.zip"),
    ]
    assert rows["aqqua_object_id"].tolist() == ["c1"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


@settings(deadline=None, max_examples=80)
@given(share=st.floats(0, 1), spoilt=st.binary(max_size=6))
def test_a_zip_damaged_anywhere_is_a_finding_or_fewer_rows(scratch: Path, share: float, spoilt: bytes) -> None:
    whole = bundle()
    place = round(share * len(whole))
    data = whole[:place] + spoilt + whole[place + len(spoilt) :] if spoilt else whole[:place]
    (scratch / "d.zip").write_bytes(data)
    rows, found = read(scratch / "d.zip")
    assert len(rows) <= 51
    if not spoilt and place < len(whole):
        assert rules(found) == ["archive_unreadable"]
        assert rows.empty


@settings(deadline=None)
@given(share=st.floats(0, 1), encoding=st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"]))
def test_a_table_cut_off_anywhere_keeps_its_whole_rows(scratch: Path, share: float, encoding: str) -> None:
    lines = [HEADER, TYPES, *(f"{n}.png\t0\tRhône {n}\t1\n" for n in range(4))]
    whole = "".join(lines).encode(encoding)
    cut = whole[: round(share * len(whole))]
    (scratch / "d.zip").unlink(missing_ok=True)
    rows, found = read_table(scratch, cut)
    (scratch / "ecotaxa_x.tsv").unlink()
    complete = sum(cut.startswith("".join(lines[: n + 1]).encode(encoding)) for n in range(2, len(lines)))
    if "table_unreadable" not in rules(found):
        assert complete <= len(rows) <= complete + 1
    assert bool(found) == (len(rows) == 0)


COUNTS = {
    "import_test": 11, "import_test.zip": 8, "UVP6_example.zip": 15, "import_uvp6_zip_in_dir": 15,
    "import de categories ambigues": 6, "import_sparse": 6, "import_test_plus": 15, "ref_exports/doi": 12,
    "ref_exports/tsv_by_acquisition": 13, "ref_exports/tsv_by_taxon": 12, "ref_exports/bak_all_images": 12,
}  # fmt: skip


@pytest.mark.realdata
@pytest.mark.parametrize(("folder", "count"), COUNTS.items())
def test_real_tables_give_their_rows(real_data: Path, folder: str, count: int) -> None:
    rows, found = read(real_data / "ecotaxa/ecotaxa_back" / folder)
    assert len(rows) == count
    assert found == []
    assert rows["aqqua_reason"].isna().all()
    assert rows["aqqua_object_id"].notna().all()


BROKEN: dict[str, tuple[int, list[str], list[str]]] = {
    "import_issues/tsv_issues": (6, ["object_id_missing"], []),
    "import_issues/extra_data_without_header": (1, ["row_has_extra_cells"], []),
    "import_issues/empty_tsv": (0, [], ["table_without_rows"]),
    "import_issues/empty_tsv2": (0, [], ["table_empty"]),
    "import_issues/no_relevant_file": (0, [], []),
    "import_issues/duplicate_in_tsv": (2, [], []),
    "ref_exports/tsv_with_ids": (0, [], ["not_an_image_table"] * 3),
    "ref_exports/abundances_by_sample": (0, [], []),
}


@pytest.mark.realdata
@pytest.mark.parametrize(("folder", "expected"), BROKEN.items())
def test_real_broken_tables_say_what_is_wrong(
    real_data: Path, folder: str, expected: tuple[int, list[str], list[str]]
) -> None:
    rows, found = read(real_data / "ecotaxa/ecotaxa_back" / folder)
    reasons = rows["aqqua_reason"].dropna().tolist() if len(rows) else []
    assert (len(rows), reasons, rules(found)) == expected


@pytest.mark.realdata
@pytest.mark.parametrize("folder", ["import_test", "import_test.zip", "UVP6_example.zip", "ref_exports/doi"])
def test_real_rows_find_their_images(real_data: Path, folder: str) -> None:
    location = real_data / "ecotaxa/ecotaxa_back" / folder
    rows, _ = read(location)
    with Delivery(str(location)) as delivery:
        assert [path for path in rows["aqqua_path"] if not delivery.exists(path)] == []


@pytest.mark.realdata
def test_real_latin_1_coordinates_are_read_as_written(real_data: Path) -> None:
    rows, _ = read(real_data / "ecotaxa/ecotaxa_back/UVP6_example.zip")
    assert set(rows["object_lat"]) == {"43°0 0"}
    assert rows["aqqua_table"].str.contains(r"zip!/.*zip!/", regex=True).all()
