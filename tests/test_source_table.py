"""Free tables: every file kind, every delimiter, mapped columns, and images that never lie outside the delivery."""

import datetime as dt
import io
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Column, Source
from aqqua_dataset.sources import LOCATOR, table
from aqqua_dataset.transfer.delivery import Delivery

MAPPED = {"object_id": "ID", "image_file": "Datei"}
Read = tuple[pd.DataFrame, list[Finding]]


def source(mapping: Mapping[str, str] = MAPPED, tables: str = "*", images: str = "") -> Source:
    columns = {name: Column(column=column) for name, column in mapping.items()}
    return Source(format="table", location="x", mapping=columns, tables=tables, images=images)


def read(folder: Path, described: Source | None = None) -> Read:
    found: list[Finding] = []
    with Delivery(str(folder)) as delivery:
        chunks = list(table.read(delivery, described or source(), found.append))
    for chunk in chunks:
        assert list(chunk.columns[: len(LOCATOR)]) == list(LOCATOR)
        assert {str(t) for t in chunk.dtypes[len(LOCATOR) :]} == {"str"}
    return (pd.concat(chunks, ignore_index=True) if chunks else pd.DataFrame()), found


def write(folder: Path, **files: str | bytes) -> None:
    """Files by name, ``__`` standing for ``/`` and ``_`` before the last part for ``.``."""
    for name, data in files.items():
        stem, _, ending = name.replace("__", "/").rpartition("_")
        path = folder / f"{stem}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "txt"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_the_delimiter_is_found_whatever_the_file_is_called(
    tmp_path: Path, delimiter: str, ending: str, encoding: str
) -> None:
    rows = [[" ID ", "Datei", "Größe, mit; Einheit"], ["a-1", "1.png", "1,5"]]
    data = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    (tmp_path / f"t.{ending}").write_bytes(data.encode(encoding))
    write(tmp_path, **{"1_png": b"x"})
    read_rows, found = read(tmp_path)
    assert found == []
    [row] = read_rows.to_dict("records")
    assert (row["ID"], row["Datei"], row["Größe, mit; Einheit"]) == ("a-1", "1.png", "1,5")
    assert (row["aqqua_object_id"], row["aqqua_image_file"], row["aqqua_path"]) == ("a-1", "1.png", "1.png")
    assert (row["aqqua_table"], row["aqqua_line"], row["aqqua_flags"]) == (f"t.{ending}", 2, "")
    assert pd.isna(row["aqqua_reason"])
    assert pd.isna(row["aqqua_rank"])


def test_the_delimiter_is_the_one_that_finds_the_mapped_columns(tmp_path: Path) -> None:
    write(tmp_path, t_csv="a,b,c,d;ID;Datei\nx;1;1.png\n")
    rows, found = read(tmp_path)
    assert found == []
    assert rows["a,b,c,d"].tolist() == ["x"]


def test_ragged_blank_and_incomplete_rows(tmp_path: Path) -> None:
    body = [
        "1;1.png;x",
        "2;2.png",
        "3;3.png;x;y",
        ";;",
        "",
        " ; ; ",
        ";4.png;x",
        "5;;x",
        '"6\n6";6.png;x',
        "7;7.png;x;",
    ]
    write(tmp_path, t_csv="ID;Datei;c\n" + "\n".join(body) + "\n;;\n")
    rows, found = read(tmp_path)
    assert found == []
    rows = rows.sort_values("aqqua_line").fillna({"aqqua_reason": "", "aqqua_column": "", "aqqua_value": ""})
    told = ["aqqua_line", "aqqua_flags", "aqqua_reason", "aqqua_column", "aqqua_value"]
    assert rows[told].to_numpy().tolist() == [
        [2, "", "", "", ""],
        [3, "ROW_SHORT", "", "", ""],
        [4, "", "row_has_extra_cells", "", "y"],
        [8, "", "object_id_missing", "ID", ""],
        [9, "", "image_file_missing_in_row", "Datei", ""],
        [10, "", "", "", ""],
        [12, "", "", "", ""],
    ]


def test_columns_that_stand_twice_are_reported_and_the_first_is_taken(tmp_path: Path) -> None:
    write(tmp_path, t_csv="ID,Datei,ID,\n1,1.png,9,z\n")
    rows, found = read(tmp_path)
    assert [(f.rule, f.value) for f in found] == [("column_repeated", "ID.2")]
    assert rows[["aqqua_object_id", "ID", "ID.2", "column_4"]].to_numpy().tolist() == [["1", "1", "9", "z"]]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"image_file": "Datei"}, ["sub/cop.1", "b"]),
        ({"object_id": "ID"}, ["1", "2"]),
        ({"object_id": "ID", "image_file": "Datei"}, ["1", "2"]),
    ],
)
def test_either_object_or_image_is_enough(tmp_path: Path, mapping: dict[str, str], expected: list[str]) -> None:
    write(tmp_path, t_csv="ID,Datei,Rang\n1,sub\\cop.1.png,0\n2,b.tif,1\n")
    rows, found = read(tmp_path, source(mapping | {"image_rank": "Rang"}))
    assert found == []
    assert rows["aqqua_object_id"].tolist() == expected
    assert rows["aqqua_rank"].tolist() == [0, 1]


def test_images_named_as_the_objects_are_found(tmp_path: Path) -> None:
    write(
        tmp_path, t_csv="ID\nA-1\nA-2\nA-3.x\n", **{"img__a-1_PNG": b"x", "img__A-2_jpg": b"x", "img__A-3.x_tif": b"x"}
    )
    rows, _ = read(tmp_path, source({"object_id": "ID"}, images="img"))
    assert rows["aqqua_path"].tolist() == ["img/a-1.PNG", "img/A-2.jpg", "img/A-3.x.tif"]


@pytest.mark.parametrize("mapping", [{}, {"latitude": "lat"}])
def test_a_mapping_without_object_and_image_is_refused(tmp_path: Path, mapping: dict[str, str]) -> None:
    write(tmp_path, t_csv="lat\n1\n")
    rows, found = read(tmp_path, source(mapping))
    assert rows.empty
    assert [(f.rule, f.severity, f.key) for f in found] == [("mapping_incomplete", "error", "source.mapping")]


def test_a_mapped_column_that_is_missing_is_named_with_those_there_are(tmp_path: Path) -> None:
    write(tmp_path, a_csv="ID,Datei,Lat\n1,1.png,3\n", b_csv="ID,File,lat\n1,1.png,3\n")
    rows, found = read(tmp_path, source(MAPPED | {"latitude": "Lat"}))
    assert rows["aqqua_table"].tolist() == ["a.csv"]
    [finding] = found
    assert (finding.rule, finding.severity, finding.file) == ("mapped_column_missing", "error", "b.csv")
    assert finding.value == "Datei, Lat"
    assert "ID, File, lat" in finding.message


def test_only_tables_of_the_pattern_are_read(tmp_path: Path) -> None:
    write(
        tmp_path, data__a_csv="ID,Datei\n1,1.png\n", data__b_csv="", data__c_csv="ID,Datei\n", readme_txt="hello\n",
        data__d_doc="ID,Datei\n1,1.png\n",
    )  # fmt: skip
    rows, found = read(tmp_path, source(tables="data/*"))
    assert rows["aqqua_table"].tolist() == ["data/a.csv"]
    assert [(f.rule, f.severity, f.file) for f in found] == [
        ("table_empty", "warning", "data/b.csv"),
        ("table_without_rows", "warning", "data/c.csv"),
    ]
    assert [(f.rule, f.severity) for f in read(tmp_path, source(tables="*.xlsx"))[1]] == [("table_missing", "error")]


@pytest.mark.parametrize(
    ("images", "file", "expected"),
    [
        ("pics", "1.png", "pics/1.png"),
        ("pics/", "1.PNG", "pics/1.png"),
        ("", "pics/1.png", "pics/1.png"),
        ("pics", "sub\\2.png", "pics/sub/2.png"),
        ("pics", "./sub/../1.png", "pics/1.png"),
        ("pics", "3.png", "tab/3.png"),  # not in the folder, so beside the table
        ("pics", "4.png", "pics/4.png"),  # nowhere: the image stage says so
        ("pics", "Case.png", "pics/Case.png"),  # the exact name wins over another case of letters
        ("pics", "case.png", "pics/case.png"),
        ("pics", "CASE.png", "pics/case.png"),
        ("", "../secret.png", "secret.png"),  # beside the table this is the delivery's root
        ("pics", "../../secret.png", None),
        ("../", "secret.png", "tab/secret.png"),
        ("pics", "/etc/passwd", None),
        ("pics", "a!/b.png", "pics/a!/b.png"),
        ("pics", "sub/..", "pics"),
        ("", "..", None),
        ("pics.zip", "1.png", "pics.zip!/1.png"),
        ("pics.zip", "../1.png", "1.png"),
        ("pics.zip!/", "SUB/1.png", "pics.zip!/SUB/1.png"),
    ],
)
def test_where_an_image_lies(tmp_path: Path, images: str, file: str, expected: str | None) -> None:
    folder = tmp_path / "delivery"
    names = {"pics__1_png": b"x", "pics__sub__2_png": b"x", "tab__3_png": b"x"}
    write(folder, tab__t_csv=f"ID,Datei\n1,{file}\n", **names)
    write(folder, pics__Case_png=b"x", pics__case_png=b"x")
    write(tmp_path, secret_png=b"x")
    with ZipFile(folder / "pics.zip", "w") as made:
        made.writestr("1.png", b"x")
    rows, found = read(folder, source(images=images, tables="tab/*"))
    assert found == []
    [path] = rows["aqqua_path"]
    assert path == expected if expected else pd.isna(path)


def test_a_table_in_a_zip_finds_the_images_beside_it(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with ZipFile(inner, "w") as made:
        made.writestr("t.csv", "ID,Datei\n1,1.png\n2,2.png\n")
        made.writestr("pics/2.PNG", b"x")
        made.writestr("__MACOSX/t.csv", "ID,Datei\n9,9.png\n")
    with ZipFile(tmp_path / "outer.zip", "w") as made:
        made.writestr("inner.zip", inner.getvalue())
    rows, found = read(tmp_path / "outer.zip", source(images="pics"))
    assert found == []
    assert rows["aqqua_table"].tolist() == ["outer.zip!/inner.zip!/t.csv"] * 2
    assert rows["aqqua_path"].tolist() == ["pics/1.png", "outer.zip!/inner.zip!/pics/2.PNG"]  # the first is nowhere


def workbook(rows: list[list[object]], formats: Mapping[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for place, pattern in (formats or {}).items():
        sheet[place].number_format = pattern
    book.create_sheet("second").append(["not", "read"])
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def test_a_spreadsheet_is_read_as_text(tmp_path: Path) -> None:
    noon, midnight = dt.datetime(2021, 6, 1, 12, 30), dt.datetime(2021, 6, 1)  # noqa: DTZ001 - sheets know no zone
    rows: list[list[object]] = [
        ["ID", " Datei ", "number", "date", "time", "moment", None],
        [1, "1.png", 2.0, dt.date(2021, 6, 1), dt.time(12, 30), noon, None],
        [2, "2.png", 0.125, midnight, "12:30", midnight, None],
        [None, None, None, None, None, None, None],
        ["=1+1", "4.png", True, None, None, None, None, "stray"],
    ]
    (tmp_path / "t.xlsx").write_bytes(workbook(rows, {"D3": "dd.mm.yyyy", "F3": "dd.mm.yyyy hh:mm"}))
    read_rows, found = read(tmp_path)
    assert found == []
    assert read_rows["aqqua_line"].tolist() == [2, 3, 5]
    told = read_rows[["ID", "Datei", "number", "date", "time", "moment"]].fillna("").to_numpy().tolist()
    assert told == [
        ["1", "1.png", "2", "2021-06-01", "12:30:00", "2021-06-01T12:30:00"],
        ["2", "2.png", "0.125", "2021-06-01", "12:30", "2021-06-01T00:00:00"],
        ["", "4.png", "True", "", "", ""],  # a formula that was never calculated
    ]
    assert read_rows["aqqua_reason"].fillna("").tolist() == ["", "", "row_has_extra_cells"]
    assert read_rows["aqqua_value"].tolist()[2] == "stray"


def test_a_spreadsheet_that_lies_about_its_size_is_read_whole(tmp_path: Path) -> None:
    data = workbook([["ID", "Datei"], *([n, f"{n}.png"] for n in range(20))])
    with ZipFile(io.BytesIO(data)) as before, ZipFile(tmp_path / "t.xlsx", "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "xl/worksheets/sheet1.xml":
                assert b'ref="A1:B21"' in content
                content = content.replace(b'ref="A1:B21"', b'ref="A1"')
            after.writestr(name, content)
    assert len(read(tmp_path)[0]) == 20


def test_parquet_is_streamed_and_cast_to_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_ROWS_PER_CHUNK", 2)
    columns = {
        "ID": pa.array([1, 2, None]),
        "Datei": pa.array(["1.png", "2.png", "3.png"]).dictionary_encode(),
        "lat": pa.array([54.5, None, -0.1]),
        "when": pa.array([dt.datetime(2021, 6, 1, 12, tzinfo=dt.UTC)] * 3, pa.timestamp("s", "UTC")),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    rows, found = read(tmp_path)
    assert found == []
    assert rows["aqqua_object_id"].fillna("").tolist() == ["1", "2", ""]
    assert rows["lat"].fillna("").tolist() == ["54.5", "", "-0.1"]
    assert rows["when"].iloc[0].startswith("2021-06-01 12:00:00")
    assert rows["aqqua_line"].tolist() == [2, 3, 4]
    assert rows["aqqua_reason"].fillna("").tolist() == ["", "", "object_id_missing"]
    pq.write_table(pa.table({"ID": [[1]], "Datei": [{"path": "1.png"}]}), tmp_path / "t.parquet")
    assert [(f.rule, f.severity) for f in read(tmp_path)[1]] == [("table_unreadable", "error")]


def test_chunks_are_of_some_thousand_rows_and_a_second_reading_is_equal(tmp_path: Path) -> None:
    write(tmp_path, t_csv="ID,Datei\n" + "".join(f"{n},{n}.png\n" for n in range(12_000)))
    pd.testing.assert_frame_equal(read(tmp_path)[0], read(tmp_path)[0])
    (tmp_path / "t.csv").unlink()
    (tmp_path / "t.xlsx").write_bytes(workbook([["ID", "Datei"], *([n, f"{n}.png"] for n in range(6_000))]))
    with Delivery(str(tmp_path)) as delivery:
        sizes = [len(chunk) for chunk in table.read(delivery, source(), lambda _: None)]
    assert sizes == [5_000, 1_000]


@pytest.fixture(scope="module")
def whole_tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    rows = [["ID", "Datei", "note"], *([f"{n}", f"{n}.png", 'é "x" \n y'] for n in range(30))]
    quoted = "\n".join(",".join('"' + c.replace('"', '""') + '"' for c in row) for row in rows).encode()
    parquet = tmp_path_factory.mktemp("p") / "t.parquet"
    pq.write_table(pa.Table.from_pylist([dict(zip(rows[0], row, strict=True)) for row in rows[1:]]), parquet)
    return {"csv": quoted, "xlsx": workbook([list(r) for r in rows]), "parquet": parquet.read_bytes()}


@settings(deadline=None, max_examples=80)
@given(kind=st.sampled_from(["csv", "xlsx", "parquet"]), share=st.floats(0, 1), spoilt=st.booleans())
def test_damage_anywhere_is_a_finding_or_fewer_rows(
    tmp_path_factory: pytest.TempPathFactory, whole_tables: dict[str, bytes], kind: str, share: float, spoilt: bool
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    data = whole_tables[kind]
    place = round(share * len(data))
    damaged = (
        data[:place] + bytes(b ^ 0xFF for b in data[place : place + 8]) + data[place + 8 :] if spoilt else data[:place]
    )
    (folder / f"t.{kind}").write_bytes(damaged)
    rows, found = read(folder)
    assert len(rows) <= 31
    assert {f.rule for f in found} <= {"table_unreadable", "table_empty", "table_without_rows", "mapped_column_missing"}
    if kind != "csv" and not spoilt and place < len(data):
        assert found
        assert all(f.file == f"t.{kind}" for f in found)
