"""Tables and folders as laboratories send them, taken through the pipeline: what is understood, what is refused."""

import datetime as dt
import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from builders import collection, contribution
from PIL import Image

from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup.exact import TABLE, find_duplicates
from aqqua_dataset.harmonise.supplement import supplement
from aqqua_dataset.pipeline import Collection, StageReport, manifest, run_contribution
from aqqua_dataset.registry.models import Contribution, Declared, FolderValues, Quantity, Source
from aqqua_dataset.warehouse import Warehouse

RNG = np.random.default_rng(11)
FORM = Declared(
    instrument="ISIIS", pixel_size=Quantity(value=60, unit="um"), latitude=54.0, longitude=11.0, depth_min_m=1,
    depth_max_m=2, time_zone="UTC",
)  # fmt: skip


def png(width: int = 12, height: int = 9) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (height, width), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def lay(folder: Path, files: dict[str, bytes | str]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def run(made: Collection, name: str = "lab") -> dict[str, StageReport]:
    with open_executor("serial") as (executor, workers):
        return {r.stage: r for r in run_contribution(made, name, executor, workers, lambda _: None)}


def rows_of(made: Collection, table: str, name: str = "lab") -> list[dict[str, Any]]:
    stage = manifest(made.warehouse, name, "core")
    assert stage is not None
    parts = (f"{stage['folder']}/{table}-{p:05d}.parquet" for p in range(len(stage["parts"])))
    return [row for part in parts for row in made.warehouse.read_parquet(part).to_pylist()]


def lab(folder: Path, declared: Declared = FORM, **source: Any) -> Contribution:
    source.setdefault("location", str(folder / "in"))
    return contribution("lab", None, source=Source(**({"format": "table"} | source)), declared=declared)


def findings(reports: dict[str, StageReport]) -> dict[str, int]:
    return {f.rule: f.count for r in reports.values() for f in r.findings}


def test_images_without_a_table_get_everything_from_their_paths(tmp_path: Path) -> None:
    lay(tmp_path / "in", {
        "tow1/a/20190614_133015_7.png": png(), "tow1/b/20190614_133016_7.png": png(),
        "tow2/20190615_000000_1.tif": png(), "tow2/notes.docx": b"x",
    })  # fmt: skip
    given = lab(
        tmp_path, Declared(instrument="ISIIS", pixel_size=FORM.pixel_size, time_zone="UTC"),
        tables="none", names=r"(?P<tow>tow\d+)/.*?(?P<date>\d{8})_(?P<time>\d{6})",
        mapping={"event_id": {"column": "name.tow"}, "date": {"column": "name.date"}, "time": {"column": "name.time"}},
        folders=[
            {"path": "tow1/a", "holds": {"latitude": 54.5, "longitude": 11.5, "depth_min": 5, "depth_max": 6}},
            {"path": "tow*", "holds": {"latitude": "55", "longitude": "12", "depth": "7"}},
        ],
    )  # fmt: skip
    made = collection(tmp_path, given)
    assert findings(run(made)) == {}
    core = sorted(rows_of(made, "core"), key=lambda r: r["source_object_id"])
    assert [r["source_object_id"] for r in core] == [
        "tow1/a/20190614_133015_7", "tow1/b/20190614_133016_7", "tow2/20190615_000000_1"
    ]  # fmt: skip
    assert [(r["event_id"], r["latitude"], r["depth_m"]) for r in core] == [
        ("tow1", 54.5, 5.5), ("tow1", 55.0, 7.0), ("tow2", 55.0, 7.0)
    ]  # fmt: skip
    assert core[0]["datetime_utc"] == dt.datetime(2019, 6, 14, 13, 30, 15, tzinfo=dt.UTC)


def test_tables_are_joined_one_through_the_other(tmp_path: Path) -> None:
    lay(tmp_path / "in", {
        "objects.csv": "id,file,sample\n1,1.png,s1\n2,2.png,s2\n3,3.png,s3\n4,4.png,s4\n",
        "samples.csv": "sample,station,when\ns1,A,2019-06-14T10:00:00Z\ns2,B,2019-06-14T11:00:00Z\n"
        "s3,A,2019-06-14T12:00:00Z\ns4,C,2019-06-14T12:00:00Z\n",
        "st/a.tsv": "name\tlat\tlon\nA\t54.5\t11.5\nB\t55,5\t12,5\nC\t1\t2\nC\t3\t4\n",
        **{f"{n}.png": png() for n in (1, 2, 3, 4)},
    })  # fmt: skip
    joins = [
        {"id": "samples", "tables": "samples.csv", "key": ["sample"], "to": ["sample"],
         "mapping": {"datetime": {"column": "when"}}},
        {"id": "stations", "tables": "st/*.tsv", "key": ["name"], "to": ["samples.station"],
         "mapping": {"latitude": {"column": "lat"}, "longitude": {"column": "lon"}}},
    ]  # fmt: skip
    no_position = FORM.model_copy(update={"latitude": None, "longitude": None})
    mapping = {"object_id": {"column": "id"}, "image_file": {"column": "file"}}
    made = collection(tmp_path, lab(tmp_path, no_position, mapping=mapping, joins=joins))
    reports = run(made)
    assert findings(reports) == {"join_key_repeated": 1, "join_without_row": 1}
    core = {r["source_object_id"]: r for r in rows_of(made, "core")}
    assert {k: (r["latitude"], r["longitude"], r["datetime_utc"].hour) for k, r in core.items()} == {
        "1": (54.5, 11.5, 10), "2": (55.5, 12.5, 11), "3": (54.5, 11.5, 12)
    }  # fmt: skip
    assert [(r["source_object_id"], r["reason"]) for r in rows_of(made, "rejected")] == [("4", "position_missing")]


def test_a_side_table_that_arrives_later_frees_the_images_without_reading_them_again(tmp_path: Path) -> None:
    lay(tmp_path / "in", {"t.csv": "id,file,cast\n1,1.png,c1\n2,2.png,c2\n", "1.png": png(), "2.png": png()})
    given = lab(
        tmp_path, FORM.model_copy(update={"latitude": None, "longitude": None}),
        mapping={"object_id": {"column": "id"}, "image_file": {"column": "file"}},
        joins=[{
            "id": "casts", "location": str(tmp_path / "side"), "key": ["cast"], "to": ["cast"],
            "mapping": {
                "latitude": {"column": "lat"}, "longitude": {"column": "lon"},
                "datetime": {"column": "when", "format": "%d.%m.%Y %H:%M"},
            },
        }],
    )  # fmt: skip
    made = collection(tmp_path, given)
    assert findings(run(made)) == {"delivery_missing": 1, "join_without_row": 2}
    assert rows_of(made, "core") == []
    lay(
        tmp_path / "side",
        {"casts.csv": "cast;lat;lon;when\nc1;54,5;11,5;14.06.2019 13:30\nc2;54,6;11,6;14.06.2019 14:30\n"},
    )
    reports = run(made)
    assert {s: r.outcome for s, r in reports.items()} == {
        "rows": "unchanged", "core": "done", "images": "unchanged", "quality": "done",
    }  # fmt: skip
    assert [r["latitude"] for r in rows_of(made, "core")] == [54.5, 54.6]


def test_images_lie_in_nested_archives_and_in_several_folders(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as made:
        made.writestr("deep/1.png", png())
    outer = io.BytesIO()
    with tarfile.open(fileobj=outer, mode="w") as packed:
        for name, data in {"in.zip": inner.getvalue(), "2.png": png()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    lay(tmp_path / "in", {
        "t.csv": "id,file,when\n1,1.png,2019-06-14\n2,2.png,2019-06-14\n3,3,2019-06-14\n4,4.png,2019-06-14\n",
        "pics/x.tar.gz": gzip.compress(outer.getvalue()), "pics/b/3.jpg": png(), "pics/c/0.png": png(),
    })  # fmt: skip
    mapping = {"object_id": {"column": "id"}, "image_file": {"column": "file"}, "datetime": {"column": "when"}}
    made_of = collection(tmp_path, lab(tmp_path, mapping=mapping, images="pics/*"))
    reports = run(made_of)
    assert reports["images"].numbers == {"stored": 3, "listed": 4}
    assert findings(reports) == {"image_without_row": 1}
    with open_executor("processes:2") as (executor, workers):
        again = collection(tmp_path / "again", lab(tmp_path, mapping=mapping, images="pics/*"))
        run_contribution(again, "lab", executor, workers, lambda _: None)
    assert manifest(again.warehouse, "lab", "images") == manifest(made_of.warehouse, "lab", "images")


def test_row_names_without_a_header_of_their_own_are_understood(tmp_path: Path) -> None:
    lay(tmp_path / "in", {"t.csv": '"file","when"\n"1","1.png","2019-06-14"\n"2","2.png","2019-06-15"\n',
                          "1.png": png(), "2.png": png()})  # fmt: skip
    mapping = {"object_id": {"column": "row_names"}, "image_file": {"column": "file"}, "datetime": {"column": "when"}}
    made = collection(tmp_path, lab(tmp_path, mapping=mapping))
    run(made)
    assert [(r["source_object_id"], r["datetime_utc"].day) for r in rows_of(made, "core")] == [("1", 14), ("2", 15)]


def test_whole_camera_frames_are_refused(tmp_path: Path) -> None:
    frames = {f"{n}.png": png(1200, 900) for n in range(12)}
    frames["12.png"] = b"damaged"
    lay(tmp_path / "in", frames)
    made = collection(tmp_path, lab(tmp_path, tables="none", folders=[{"path": "*", "holds": {"date": "20190614"}}]))
    reports = run(made)
    assert [f.rule for f in reports["rows"].findings] == ["full_frames"]
    assert "1200 x 900" in reports["rows"].findings[0].message
    assert {r["reason"] for r in rows_of(made, "rejected")} == {"image_full_frame"}
    assert reports["images"].numbers["stored"] == 0


@pytest.mark.parametrize(
    "sizes", [[(1200, 900)] * 9, [(1200 + n, 900) for n in range(12)], [(224, 224)] * 12], ids=["few", "cut", "small"]
)
def test_objects_that_were_cut_out_are_no_frames(tmp_path: Path, sizes: list[tuple[int, int]]) -> None:
    lay(tmp_path / "in", {f"{n}.png": png(*size) for n, size in enumerate(sizes)})
    made = collection(tmp_path, lab(tmp_path, tables="none"))
    assert "full_frames" not in findings(run(made))


def test_the_format_is_recognised_and_an_unclear_one_is_asked_for(tmp_path: Path) -> None:
    header = "img_file_name\tobject_id\tobject_date\n"
    lay(tmp_path / "in", {"ecotaxa_x.tsv": header + "1.png\to1\t20190614\n", "1.png": png()})
    made = collection(tmp_path, lab(tmp_path, format="auto"))
    run(made)
    [row] = rows_of(made, "core")
    assert row["source_system"] == "ecotaxa"
    lay(tmp_path / "in", {"D20220522T000439_IFCB134.hdr": "x: 1"})
    reports = run(made)
    assert [(r.stage, r.outcome) for r in reports.values()] == [("rows", "refused")]
    assert [f.rule for f in reports["rows"].findings] == ["format_not_recognised"]
    assert "ifcb" in reports["rows"].findings[0].message
    assert "ecotaxa" in reports["rows"].findings[0].message
    lay(tmp_path / "none", {"readme.docx": "x"})
    reports = run(collection(tmp_path, lab(tmp_path, format="auto", location=str(tmp_path / "none"))))
    assert reports["rows"].findings[0].rule == "format_not_recognised"


def test_the_raw_image_stands_for_its_processed_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aqqua_dataset.sources import table

    lay(tmp_path / "in", {
        "t.csv": "id,file,when,kind\n1,1p.png,2019-06-14,processed\n1,1r.png,2019-06-14,raw\n"
        "2,2p.png,2019-06-14,processed\n2,gone.png,2019-06-14,raw\n3,3p.png,2019-06-14,processed\n",
        **{f"{n}.png": png() for n in ("1p", "1r", "2p", "3p")},
    })  # fmt: skip
    located = table.with_locator
    monkeypatch.setattr(table, "with_locator", lambda rows: located(rows.assign(aqqua_variant=rows["kind"])))
    mapping = {"object_id": {"column": "id"}, "image_file": {"column": "file"}, "datetime": {"column": "when"}}
    made = collection(tmp_path, lab(tmp_path, mapping=mapping))
    run(made)
    assert find_duplicates(made) == 1
    core = {r["image_id"]: r for r in rows_of(made, "core")}
    [row] = made.warehouse.read_parquet(TABLE).to_pylist()
    assert core[row["image_id"]]["source_image_file"] == "1p.png"
    assert core[row["kept_image_id"]]["source_image_file"] == "1r.png"
    assert row["duplicate_kind"] == "variant"


def test_delivered_columns_may_be_called_like_the_pipelines_own(tmp_path: Path) -> None:
    header = "image_id;rank;images;reason;part;row;file;when"
    lay(tmp_path / "in", {"t.csv": f"{header}\n7;3;2;because;1;1;1.png;2019-06-14\n", "1.png": png()})
    mapping = {"object_id": {"column": "image_id"}, "image_file": {"column": "file"}, "datetime": {"column": "when"},
               "label": {"column": "reason"}}  # fmt: skip
    made = collection(tmp_path, lab(tmp_path, mapping=mapping))
    run(made)
    [row] = rows_of(made, "core")
    assert (row["source_object_id"], row["label_verbatim"], row["source_image_rank"]) == ("7", "because", 0)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_titles_and_comments_may_stand_above_the_columns_names(tmp_path: Path, kind: str) -> None:
    above = [['Plankton of the bay, "2019"'], [], ["/* ship: Alkor; cast 5 */"], ["", "metres"]]
    rows = [["ID", "File", "When", "Depth"], ["a", "1.png", "2019-06-14", "5"], ["b", "2.png", "2019-06-15", "x"]]
    lay(tmp_path / "in", {"1.png": png(), "2.png": png()})
    if kind == "csv":
        text = "\n".join(";".join(row) for row in above + rows) + "\n"
        lay(tmp_path / "in", {"t.csv": text})
    else:
        book = openpyxl.Workbook()
        for row in above + rows:
            book.worksheets[0].append(row)
        book.save(tmp_path / "in" / "t.xlsx")
    mapping = {"object_id": {"column": "ID"}, "image_file": {"column": "File"}, "datetime": {"column": "When"},
               "depth": {"column": "Depth"}}  # fmt: skip
    made = collection(tmp_path, lab(tmp_path, mapping=mapping))
    assert findings(run(made)) == {}
    assert [(r["source_object_id"], r["depth_m"]) for r in rows_of(made, "core")] == [("a", 5.0)]
    [bad, _] = rows_of(made, "rejected")
    assert (bad["source_object_id"], bad["source_line"], bad["reason"]) == ("b", 7, "depth_unparsable")


def test_rows_without_any_usable_path_are_no_traceback() -> None:
    rows = pd.DataFrame({"aqqua_path": pd.Series([None, None], dtype="str")})
    folders = (FolderValues(path="a/*", holds={"depth": 5}),)
    source = Source(format="table", location="x", folders=folders)
    found, _ = supplement(Warehouse("memory://none"), "x", rows, source)
    assert found["folder.depth"].isna().all()
