"""What exports hold: the delivered pixels, each item's licence, nothing that was withdrawn; read over HTTP as well."""

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small
import stores
from builders import collection, contribution
from dwca.read import DwCAReader
from PIL import Image
from test_export import arrays
from test_warehouse import REMOTE
from unpacking import unpacked

import aqqua_dataset
from aqqua_dataset.export import FORMATS
from aqqua_dataset.export.sample import write_sample
from aqqua_dataset.export.write import export
from aqqua_dataset.warehouse import Warehouse

Array = npt.NDArray[Any]
DC = "http://purl.org/dc/terms"

#: webdataset leaves files open until Python finds them.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def delivered(released: Path) -> dict[str, Array]:
    """Pixels of the published images' delivered files by image id, decoded by Pillow alone."""
    home, found = released.parents[3], {}
    for path in sorted((released / "verbatim").rglob("*.parquet")):
        rows = pd.read_parquet(path)
        folder = home / {"net-one": "one", "net-two": "two", "cast": "cast"}[path.parent.name.split("=")[1]]
        for image_id, name in zip(rows["image_id"], rows["img_file_name"], strict=True):
            found[image_id] = np.asarray(Image.open(folder / name))
    return found


@pytest.fixture(scope="module")
def places(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the whole release in each format, and as a sample."""
    folder, opened = tmp_path_factory.mktemp("places"), aqqua_dataset.open_release(str(released))
    for name in FORMATS:
        export(opened.select(), name, Warehouse(str(folder / name)))
    write_sample(opened, Warehouse(str(folder / "sample")), 10**9)
    (folder / "release").symlink_to(released)
    return folder


def of_file(data: bytes) -> Array:
    return np.asarray(Image.open(io.BytesIO(data)))


def in_tars(folder: Path) -> Iterator[tuple[str, Array]]:
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                if not member.name.endswith(".json"):
                    stream = archive.extractfile(member)
                    assert stream is not None
                    yield member.name.partition(".")[0], of_file(stream.read())


def in_table(folder: Path) -> Iterator[tuple[str, Array]]:
    loaded = datasets.load_dataset(str(folder), split="train", cache_dir=str(folder.parent / "cache"))
    yield from ((row["image_id"], np.asarray(row["image"])) for row in loaded)


def in_zips(folder: Path) -> Iterator[tuple[str, Array]]:
    for path in folder.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if not name.endswith(".tsv"):
                    yield name.partition(".")[0], of_file(archive.read(name))


def in_lmdb(folder: Path) -> Iterator[tuple[str, Array]]:
    yield from ((array.meta["image-uuid"], array[:]) for _, array in arrays(folder))


def referred_to(folder: Path) -> Iterator[tuple[str, Array]]:
    (path,) = folder.glob("*.dwca.zip")
    with DwCAReader(str(path)) as archive:
        for row in archive:
            for media in (e.data for e in row.extensions):
                first, last = (int(w) for w in media[f"{DC}/description"].split(" of ")[0].split()[1::2])
                data = (folder.parent / "release" / media[f"{DC}/source"]).read_bytes()[first : last + 1]
                yield media[f"{DC}/identifier"].removeprefix("urn:uuid:"), of_file(data)


READERS: dict[str, Callable[[Path], Iterator[tuple[str, Array]]]] = {
    "release": lambda folder: in_tars(folder / "images"), "sample": lambda folder: in_tars(folder / "images"),
    "webdataset": in_tars, "huggingface": in_table, "ecotaxa": in_zips, "aqqua": in_lmdb, "dwca": referred_to,
}  # fmt: skip


@pytest.mark.parametrize("place", READERS)
def test_pixels_are_those_that_were_delivered(place: str, places: Path, delivered: dict[str, Array]) -> None:
    found = dict(READERS[place](places / place))
    assert place == "dwca" or sorted(found) == sorted(delivered)
    kinds = set()
    for image_id, array in found.items():
        expected = delivered[image_id]
        assert array.dtype == expected.dtype, image_id
        assert np.array_equal(array, expected), image_id
        kinds.add((array.dtype.name, array.ndim))
    assert kinds == {("uint16", 2), ("uint8", 2), ("uint8", 3)}
    chosen = aqqua_dataset.open_release(str(places / "release")).select()
    rows = chosen.to_pandas(["image_id", "image_format", "channels"])
    of_found = rows[rows["image_id"].isin(found)]
    assert set(zip(of_found["image_format"], of_found["channels"], strict=True)) == {
        ("png", 1), ("png", 3), ("jpeg", 1), ("jpeg", 3),
    }  # fmt: skip


@REMOTE
def test_duckdb_reads_release_and_export_from_a_web_server(places: Path, delivered: dict[str, Array]) -> None:
    with (
        stores.rclone("http", places, "--copy-links") as port,
        Warehouse(f"http://127.0.0.1:{port}").connect() as connection,
    ):
        (table,) = (places / "huggingface/data").glob("*.parquet")
        address = f"http://127.0.0.1:{port}"
        rows = connection.execute(
            "select image_id, image.bytes from read_parquet($file) where channels = 3",
            {"file": f"{address}/huggingface/data/{table.name}"},
        ).fetchall()
        assert {i for i, _ in rows} == {i for i, a in delivered.items() if a.ndim == 3}
        assert all(np.array_equal(of_file(data), delivered[i]) for i, data in rows)
        listed = [p.relative_to(places).as_posix() for p in (places / "release/metadata").rglob("*.parquet")]
        counted = connection.execute(
            "select count(*) from read_parquet($files)", {"files": [f"{address}/{p}" for p in listed]}
        ).fetchall()
        assert counted == [(len(delivered),)]


def test_items_keep_their_licence_in_every_format(released: Path, tmp_path: Path) -> None:
    copy, by = tmp_path / "release", "https://creativecommons.org/licenses/by/4.0/legalcode"
    shutil.copytree(released, copy)
    facts = json.loads((copy / "RELEASED.json").read_text())
    (copy / "RELEASED.json").write_text(json.dumps(facts | {"rehearsal": False, "version": "1.0.0"}))
    (table,) = (copy / "metadata/contribution=cast").glob("*.parquet")
    for path, column, value, where in (
        (table, "license", "CC-BY-4.0", None),
        (copy / "attribution.parquet", "licence_spdx", "CC-BY-4.0", "cast"),
        (copy / "attribution.parquet", "licence_url", by, "cast"),
    ):
        read = pq.read_table(path)
        cells = [value if where is None or row["contribution_id"] == where else row[column] for row in read.to_pylist()]
        place = read.schema.get_field_index(column)
        path.unlink()  # the copy may share its bytes with the release
        pq.write_table(read.set_column(place, read.schema.field(place), pa.array(cells, pa.string())), path)
    chosen = aqqua_dataset.open_release(str(copy)).select()
    for name in FORMATS:
        export(chosen, name, Warehouse(str(tmp_path / name)))
    expected = dict(chosen.to_pandas(["image_id", "license"]).to_numpy())
    assert set(expected.values()) == {"CC-BY-4.0", "CC-BY-NC-4.0"}
    (archive,) = (tmp_path / "webdataset").glob("*.tar")
    with tarfile.open(archive) as tar:
        told = [json.loads(tar.extractfile(m).read()) for m in tar if m.name.endswith(".json")]  # type: ignore[union-attr]
    assert {t["image_id"]: t["license"] for t in told} == expected
    hub = pd.concat(map(pd.read_parquet, (tmp_path / "huggingface/data").glob("*.parquet")))
    assert dict(hub[["image_id", "license"]].to_numpy()) == expected
    assert "\nlicense: cc-by-nc-4.0\n" in (tmp_path / "huggingface/README.md").read_text()
    (meta,) = (tmp_path / "aqqua").glob("*-meta-1.parquet")
    ifdo = pd.read_parquet(meta)
    column = next(c for c in ifdo.columns if "license" in c)
    assert dict(ifdo[["image-uuid", column]].to_numpy()) == expected
    with zipfile.ZipFile(next((tmp_path / "ecotaxa").glob("*_cast_*.zip"))) as zipped:
        lines = pd.read_csv(zipped.open("ecotaxa_cast.tsv"), sep="\t", skiprows=[1], encoding="utf-8-sig")
    assert set(lines["object_aqqua_license"]) == {"CC-BY-4.0"}
    with DwCAReader(str(next((tmp_path / "dwca").glob("*.zip")))) as read:
        of_row = {r.data["http://rs.tdwg.org/dwc/terms/datasetID"]: r.data[f"{DC}/license"] for r in read}
    assert of_row == {"cast": by} | dict.fromkeys(("net-one", "net-two"), by.replace("/by/", "/by-nc/"))
    for name in FORMATS:
        attribution = pd.read_csv(tmp_path / name / "attribution.csv").set_index("contribution_id")
        assert attribution.loc["cast", "licence_spdx"] == "CC-BY-4.0"


def test_what_was_withdrawn_is_in_no_export_of_a_newer_release(tmp_path: Path) -> None:
    names = ("stays", "leaves")
    for seed, name in enumerate(names):
        small.deliver(tmp_path / name, name, small.pictures(seed, 4))
    made = collection(tmp_path, *(contribution(n, tmp_path / n) for n in names))
    small.pack(made)
    first = small.build(made, replace(small.PUBLIC, version="0.1.0", rehearsal=True))
    old = aqqua_dataset.open_release(made.warehouse.url(first.folder))
    gone = old.select("contribution_id = 'leaves'").to_pandas(["image_id", "image_sha256"])
    assert len(gone) == 4
    later = small.changed(made, small.withdrawn(made.registry.contributions["leaves"]))
    second = small.build(later, replace(small.PUBLIC, version="0.2.0", rehearsal=True))
    newer = aqqua_dataset.open_release(made.warehouse.url(second.folder))
    for name in FORMATS:
        export(newer.select(), name, Warehouse(str(tmp_path / "exports" / name)))
    everything = b"\n".join(data for _, data in unpacked(tmp_path / "exports"))
    assert b"stays_1" in everything
    for trace in ("leaves_", "contribution leaves", *gone["image_id"], *gone["image_sha256"]):
        assert trace.encode() not in everything, trace
