"""Selections in the formats of other tools, opened by those tools: the same images and pixels, and nothing else."""

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blosc2
import datasets
import lmdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
import stores
import webdataset
from builders import collection, contribution
from dwca.read import DwCAReader
from test_warehouse import REMOTE
from third_party import run_with

import aqqua_dataset
from aqqua_dataset import cli, privacy
from aqqua_dataset.compute import open_executor
from aqqua_dataset.export import FORMATS, aqqua, ecotaxa, huggingface
from aqqua_dataset.export import webdataset as tars
from aqqua_dataset.export.folder import ExportRefused
from aqqua_dataset.export.target import Target
from aqqua_dataset.export.write import export
from aqqua_dataset.images.decode import decode
from aqqua_dataset.pipeline import manifest, run_contribution
from aqqua_dataset.reader.release import OpenRelease, SelectionRefused
from aqqua_dataset.warehouse import Warehouse

WHERE = "width_px > 40 and contribution_id <> 'net-two'"
CREDITED = {"cast", "net-one", "net-two"}  # net-two delivered two images that net-one's copies stand for
ADDRESS = re.compile(privacy.EMAIL.pattern.encode(), re.IGNORECASE)
Array = npt.NDArray[Any]

#: webdataset leaves files open until Python finds them.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def rows(released: Path) -> pd.DataFrame:
    """Rows of the chosen images by id, read by pandas alone."""
    tables = [pd.read_parquet(p) for p in sorted((released / "metadata").rglob("*.parquet"))]
    return pd.concat(tables).query("width_px > 40 and contribution_id != 'net-two'").set_index("image_id")


@pytest.fixture(scope="module")
def files(released: Path, rows: pd.DataFrame) -> dict[str, bytes]:
    """Image files of the chosen images by id, read by tarfile alone."""
    found = {}
    for path in (released / "images").rglob("*.tar"):
        with tarfile.open(path) as archive:
            for one in archive:
                stream = archive.extractfile(one)
                assert stream is not None
                found[one.name.partition(".")[0]] = stream.read()
    return {i: found[i] for i in rows.index}


@pytest.fixture(scope="module")
def pixels(files: dict[str, bytes]) -> dict[str, Array]:
    return {image_id: decode(data).pixels for image_id, data in files.items()}


@pytest.fixture(scope="module")
def release(released: Path) -> OpenRelease:
    return aqqua_dataset.open_release(str(released))


@pytest.fixture(scope="module")
def exports(release: OpenRelease, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one export in each format."""
    folder = tmp_path_factory.mktemp("exports")
    for name in FORMATS:
        export(release.select(WHERE), name, Warehouse(str(folder / name)))
    return folder


def same(found: dict[str, Any], expected: dict[str, Array]) -> None:
    assert sorted(found) == sorted(expected)
    for image_id, array in expected.items():
        assert np.asarray(found[image_id]).dtype == array.dtype
        assert np.array_equal(found[image_id], array), image_id


# --- each opened by those who use it


def test_webdataset(exports: Path, files: dict[str, bytes], rows: pd.DataFrame) -> None:
    (archive,) = (exports / "webdataset").glob("*.tar")
    found, told = {}, {}
    for sample in webdataset.WebDataset(str(archive), shardshuffle=False):
        found[sample["__key__"]] = sample.get("png") or sample["jpg"]
        told[sample["__key__"]] = json.loads(sample["json"])
    assert found == files
    for image_id, row in told.items():
        assert {k: row[k] for k in ("pixel_size_um", "taxon_name", "width_px", "contribution_id")} == {
            k: None if pd.isna(rows.loc[image_id, k]) else rows.loc[image_id, k]
            for k in ("pixel_size_um", "taxon_name", "width_px", "contribution_id")
        }
        assert row["credited_contributions"] == list(rows.loc[image_id, "credited_contributions"])
        assert pd.Timestamp(row["datetime_utc"]) == rows.loc[image_id, "datetime_utc"]
        assert not {"shard", "offset", "length"} & set(row)


def test_hugging_face(exports: Path, pixels: dict[str, Array], files: dict[str, bytes], tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(exports / "huggingface"), split="train", cache_dir=str(tmp_path))
    assert isinstance(loaded.features["image"], datasets.Image)
    assert len(loaded) == len(files)
    found = {row["image_id"]: np.asarray(row["image"]) for row in loaded}
    same(found, pixels)
    raw = loaded.cast_column("image", datasets.Image(decode=False))
    assert {row["image_id"]: row["image"]["bytes"] for row in raw} == files
    assert loaded.features["credited_contributions"] == datasets.List(datasets.Value("string"))
    assert "license: other" in (exports / "huggingface/README.md").read_text()  # a rehearsal grants none


def arrays(folder: Path) -> Iterator[tuple[int, Any]]:
    for database in sorted(folder.glob("*-images-*.lmdb")):
        with lmdb.open(str(database), readonly=True, lock=False, max_dbs=2) as environment:
            images = environment.open_db(b"image_data", integerkey=True, create=False)
            with environment.begin(images) as transaction:
                for key, value in transaction.cursor():
                    yield int.from_bytes(key, "little"), blosc2.ndarray_from_cframe(value, True)


def test_aqqua_data_format(exports: Path, pixels: dict[str, Array], rows: pd.DataFrame) -> None:
    folder = exports / "aqqua"
    keyed = dict(arrays(folder))
    assert list(keyed) == list(range(len(pixels)))
    same({array.meta["image-uuid"]: array[:] for array in keyed.values()}, pixels)
    for array in keyed.values():
        assert len(array.meta["image-channels"]) == rows.loc[array.meta["image-uuid"], "channels"]
        taxon = rows.loc[array.meta["image-uuid"], "taxon_name"]
        assert dict(array.meta).get("class", "none") == ("none" if pd.isna(taxon) else taxon)
    meta = pd.concat(map(pd.read_parquet, folder.glob("*-meta-*.parquet"))).set_index("image-uuid")
    assert [keyed[k].meta["image-uuid"] for k in meta["image-key"]] == meta.index.tolist()
    together = meta.join(rows, suffixes=(" in the export", ""))
    assert (together["image-altitude-meters"] == -together["depth_m"]).all()  # at sea
    for theirs, ours in {
        "image-depth": "depth_m",
        "image-pixel-magnitude": "pixel_size_um",
        "image-latitude": "latitude",
        "image-sensor": "instrument_id",
        "image-hash-sha256": "image_sha256",
        "width-px": "width_px",
    }.items():
        assert (together[theirs] == together[ours]).all(), theirs
    raw = pd.concat(map(pd.read_parquet, folder.glob("*-raw-*.parquet"))).set_index("image-uuid")
    assert sorted(raw.index) == sorted(pixels)
    delivered = json.loads(raw.loc[rows.index[0], "delivered"])
    assert delivered["object_id"] == rows["source_object_id"].iloc[0]
    described = tomllib.loads((folder / "image-set.toml").read_text())
    assert described["meta"]["image-axes"] == "YXS"
    assert described["image-defaults"]["image-license"] == "none: see LICENSE"


def test_axes_can_be_switched_and_large_images_are_cut_into_chunks(
    release: OpenRelease, pixels: dict[str, Array], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aqqua, "CHUNK", 500)
    export(release.select(WHERE), "aqqua", Warehouse(str(tmp_path)), axes="CYX")
    found = {a.meta["image-uuid"]: a for _, a in arrays(tmp_path)}
    assert tomllib.loads((tmp_path / "image-set.toml").read_text())["meta"]["image-axes"] == "CYX"
    expected = {i: a if a.ndim == 2 else np.moveaxis(a, 2, 0) for i, a in pixels.items()}
    same({i: a[:] for i, a in found.items()}, expected)
    assert all(np.prod(a.chunks) * a.dtype.itemsize <= 500 < a.nbytes for a in found.values())


PIXEL_PATROL = """
import sys, json, hashlib
from pathlib import Path
import numpy as np
from pixel_patrol_aqqua.plugins.loaders.lmdb_loader import LmdbLoader

found = {}
for folder in sorted(Path(sys.argv[1]).glob("*.lmdb")):
    assert LmdbLoader.is_folder_supported(folder)
    header = LmdbLoader.read_header(folder)
    for key, record in LmdbLoader.load_range(folder, 0, header.n_images):
        array, meta = np.asarray(record.data), record.meta
        found[meta["image-uuid"]] = [hashlib.sha256(array.tobytes()).hexdigest(), list(array.shape), str(array.dtype),
                                     meta["image-latitude"], meta["image-pixel-magnitude"]]
print(json.dumps(found))
"""


def test_pixel_patrol_loads_every_image_with_its_metadata(
    exports: Path, pixels: dict[str, Array], rows: pd.DataFrame
) -> None:
    found = json.loads(run_with("pixel-patrol-aqqua", PIXEL_PATROL, exports / "aqqua"))
    assert found == {
        i: [
            hashlib.sha256(a.tobytes()).hexdigest(), list(a.shape), str(a.dtype),
            rows.loc[i, "latitude"], rows.loc[i, "pixel_size_um"],
        ]
        for i, a in pixels.items()
    }  # fmt: skip


def test_ecotaxa_import_comes_back_as_the_same_images(
    exports: Path, files: dict[str, bytes], rows: pd.DataFrame, tmp_path: Path
) -> None:
    found = {}
    for path in (exports / "ecotaxa").glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            (table,) = (n for n in archive.namelist() if n.endswith(".tsv"))
            text = archive.read(table).decode("utf-8-sig")
            lines = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
            assert set(lines[0].values()) == {"[t]", "[f]"}
            for line in lines[1:]:
                found[line["object_aqqua_image_id"]] = archive.read(line["img_file_name"])
                row = rows.loc[line["object_aqqua_image_id"]]
                assert (line["object_id"], float(line["object_lat"])) == (row["source_object_id"], row["latitude"])
                labelled = row["label_status"] in ("validated", "predicted", "dubious")
                assert line["object_annotation_status"] == (row["label_status"] if labelled else "")
                assert line["object_annotation_category"] == (row["label_verbatim"] if labelled else "")
    assert found == files
    (cast,) = (exports / "ecotaxa").glob("*_cast_*.zip")
    shutil.copy(cast, tmp_path / "cast.zip")
    again = collection(tmp_path, contribution("cast", tmp_path / "cast.zip"))
    with open_executor("serial") as (workers, count):
        run_contribution(again, "cast", workers, count, lambda _: None)
    packed = manifest(again.warehouse, "cast", "images")
    assert packed is not None
    index = pd.concat(map(pd.read_parquet, Path(again.warehouse.root, packed["folder"]).glob("shard-*.parquet")))
    expected = rows[rows["contribution_id"] == "cast"]["pixel_hash"].to_dict()
    assert index.set_index("image_id")["pixel_hash"].to_dict() == expected


def test_darwin_core_archive(exports: Path, released: Path, rows: pd.DataFrame, pixels: dict[str, Array]) -> None:
    (path,) = (exports / "dwca").glob("*.dwca.zip")
    labelled = rows[rows["taxon_name"].notna() & rows["label_status"].isin(["validated", "predicted", "dubious"])]
    objects = labelled.sort_values("source_image_rank").groupby(["contribution_id", "source_object_id"])
    assert len(objects) < len(labelled)  # an object with two images is one occurrence
    dwc = "http://rs.tdwg.org/dwc/terms/"
    media = {}
    with DwCAReader(str(path)) as archive:
        assert archive.descriptor.core.type == f"{dwc}Occurrence"
        assert archive.metadata is not None
        assert archive.metadata.find("dataset/title").text.startswith("[REHEARSAL")
        occurrences = {row.data[f"{dwc}occurrenceID"].removeprefix("urn:uuid:"): row.data for row in archive}
        for row in archive:
            for extension in row.extensions:
                media[extension.data["http://purl.org/dc/terms/identifier"].removeprefix("urn:uuid:")] = extension.data
    assert sorted(occurrences) == sorted(objects.head(1).index)
    for image_id, told in occurrences.items():
        row = rows.loc[image_id]
        assert told[f"{dwc}scientificName"] == row["taxon_name"]
        assert told[f"{dwc}scientificNameID"] == f"urn:lsid:marinespecies.org:taxname:{row['aphia_id']:.0f}"
        assert float(told[f"{dwc}decimalLatitude"]) == row["latitude"]
        assert float(told[f"{dwc}minimumDepthInMeters"]) == row["depth_min_m"]
        assert pd.Timestamp(told[f"{dwc}eventDate"]) == row["datetime_utc"]
        status = {"validated": "ValidatedByHuman", "predicted": "PredictedByMachine", "dubious": ""}
        assert told[f"{dwc}identificationVerificationStatus"] == status[row["label_status"]]
    assert sorted(media) == sorted(labelled.index)
    for image_id, told in media.items():  # the bytes that a row speaks of are the image
        first, last = (int(w) for w in told["http://purl.org/dc/terms/description"].split(" of ")[0].split()[1::2])
        data = (released / told["http://purl.org/dc/terms/source"]).read_bytes()[first : last + 1]
        assert np.array_equal(decode(data).pixels, pixels[image_id])


def test_the_archive_keeps_to_lines_whatever_a_label_holds(release: OpenRelease, tmp_path: Path) -> None:
    copy = tmp_path / "release"
    shutil.copytree(release.warehouse.url(""), copy)
    (table,) = (copy / "metadata/contribution=cast").glob("*.parquet")
    changed = pq.read_table(table)
    odd = ['a "quoted"\tlabel\r\nof two lines, Ærø; x'] * len(changed)
    place = changed.schema.get_field_index("label_verbatim")
    pq.write_table(changed.set_column(place, changed.schema.field(place), [odd]), table)
    chosen = aqqua_dataset.open_release(str(copy)).select("contribution_id = 'cast'")
    for name in ("dwca", "ecotaxa"):
        export(chosen, name, Warehouse(str(tmp_path / name)))
    (path,) = (tmp_path / "dwca").glob("*.zip")
    with DwCAReader(str(path)) as archive:
        found = {row.data["http://rs.tdwg.org/dwc/terms/verbatimIdentification"] for row in archive}
    assert found == {'a "quoted" label of two lines, Ærø; x'}
    (path,) = (tmp_path / "ecotaxa").glob("*.zip")
    with zipfile.ZipFile(path) as archive:
        text = archive.read("ecotaxa_cast.tsv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t"))
    assert len(rows) == len(chosen) + 1
    assert {r["object_annotation_category"] for r in rows[1:]} <= {"", odd[0]}


# --- what travels with all of them


@pytest.mark.parametrize("name", list(FORMATS))
def test_licence_credit_and_checksums_travel(exports: Path, released: Path, rows: pd.DataFrame, name: str) -> None:
    folder = exports / name
    assert (folder / "LICENSE").read_bytes() == (released / "LICENSE").read_bytes()
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "manifest-sha256.txt"], cwd=folder, check=True)
    exported = json.loads((folder / "EXPORTED.json").read_text())
    assert exported["manifest_sha256"] == hashlib.sha256((folder / "manifest-sha256.txt").read_bytes()).hexdigest()
    assert exported["release"]["version"] == "0.1.0-rehearsal"
    chosen = rows if name != "dwca" else rows[(rows["label_kind"] == "taxon") & (rows["label_status"] != "discarded")]
    assert exported["images"] == len(chosen)
    credited = chosen["credited_contributions"].explode().value_counts().to_dict()
    attribution = pd.read_csv(folder / "attribution.csv").set_index("contribution_id")["images_credited"]
    assert attribution.to_dict() == credited
    assert set(credited) <= CREDITED
    assert all(f"- Contribution: {c}\n" in (folder / "ATTRIBUTION.md").read_text() for c in credited)
    assert "REHEARSAL" in (folder / "README.md").read_text()
    listed = {line.split("  ")[1] for line in (folder / "manifest-sha256.txt").read_text().splitlines()[1:]}
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert present - listed == {"manifest-sha256.txt", "EXPORTED.json"}


def test_no_contribution_is_named_that_has_no_image_in_the_export(release: OpenRelease, tmp_path: Path) -> None:
    export(release.select("contribution_id = 'cast'"), "webdataset", Warehouse(str(tmp_path)))
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "data-dictionary.md":
            assert b"net-" not in path.read_bytes(), path


def test_no_address_is_in_an_export(exports: Path) -> None:
    for path in exports.rglob("*"):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                opened = [io.BytesIO(archive.read(n)) for n in archive.namelist()]
            assert not [a for stream in opened for a in ADDRESS.findall(stream.read())]
        elif path.suffix == ".parquet":
            assert list(privacy.table_leaks(pq.read_table(path))) == []
        elif path.is_file():
            assert ADDRESS.findall(path.read_bytes()) == []


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_second_export_has_the_same_bytes(exports: Path, release: OpenRelease, name: str, tmp_path: Path) -> None:
    export(release.select(WHERE), name, Warehouse(str(tmp_path)))
    first = {p.relative_to(exports / name): p.read_bytes() for p in (exports / name).rglob("*") if p.is_file()}
    assert {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == first


def test_large_exports_are_cut_into_files(
    release: OpenRelease, pixels: dict[str, Array], files: dict[str, bytes], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("aqqua_dataset.reader.stream.READ", 4_000)
    for module, limit in ((tars, "ARCHIVE"), (huggingface, "FILE"), (ecotaxa, "UPLOAD"), (aqqua, "DATABASE")):
        monkeypatch.setattr(module, limit, 8_000)
    for name in ("webdataset", "huggingface", "ecotaxa", "aqqua"):
        export(release.select(WHERE), name, Warehouse(str(tmp_path / name)))
    archives = sorted((tmp_path / "webdataset").glob("*.tar"))
    assert len(archives) > 2
    samples = webdataset.WebDataset([str(p) for p in archives], shardshuffle=False)
    assert {s["__key__"]: s.get("png") or s["jpg"] for s in samples} == files
    tables = sorted((tmp_path / "huggingface/data").glob("*.parquet"))
    assert len(tables) > 2
    assert sum(pq.read_metadata(t).num_rows for t in tables) == len(files)
    assert len(list((tmp_path / "ecotaxa").glob("*.zip"))) > 3
    assert len(list((tmp_path / "aqqua").glob("*-images-*.lmdb"))) > 2
    same({a.meta["image-uuid"]: a[:] for _, a in arrays(tmp_path / "aqqua")}, pixels)
    for number in range(1, 3):
        of_meta, of_raw = (
            set(pd.read_parquet(next((tmp_path / "aqqua").glob(f"*-{kind}-{number}.parquet")))["image-uuid"])
            for kind in ("meta", "raw")
        )
        assert of_meta == of_raw


@REMOTE
def test_an_object_store_gets_the_same_bytes(
    exports: Path, release: OpenRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stores.KEYS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "bucket").mkdir()
    with stores.s3(tmp_path) as address:
        options = {"config_kwargs": stores.LENIENT, "endpoint_url": address}
        for name in FORMATS:
            export(release.select(WHERE), name, Warehouse(f"s3://bucket/{name}", options))
    for path in (p for p in exports.rglob("*") if p.is_file()):
        assert (tmp_path / "bucket" / path.relative_to(exports)).read_bytes() == path.read_bytes(), path


def test_the_licence_of_a_release_that_grants_one_is_told(released: Path, tmp_path: Path) -> None:
    copy = tmp_path / "release"
    shutil.copytree(released, copy)
    facts = json.loads((copy / "RELEASED.json").read_text())
    (copy / "RELEASED.json").write_text(json.dumps(facts | {"rehearsal": False, "version": "1.0.0"}))
    chosen = aqqua_dataset.open_release(str(copy)).select()
    for name in ("aqqua", "huggingface", "dwca"):
        export(chosen, name, Warehouse(str(tmp_path / name)))
    described = tomllib.loads((tmp_path / "aqqua/image-set.toml").read_text())
    assert described["image-defaults"]["image-license"] == "CC-BY-NC-4.0"
    assert "\nlicense: cc-by-nc-4.0\n" in (tmp_path / "huggingface/README.md").read_text()
    with DwCAReader(str(tmp_path / "dwca/aqqua-1.0.0.dwca.zip")) as archive:
        licences = {row.data["http://purl.org/dc/terms/license"] for row in archive}
    assert licences == {"https://creativecommons.org/licenses/by-nc/4.0/legalcode"}


# --- refusals


def test_a_folder_with_something_in_it_is_refused_and_left_alone(release: OpenRelease, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ExportRefused, match="the folder isn't empty"):
        export(release.select(), "webdataset", Warehouse(str(tmp_path)))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("where", ["width_px = 1", "label_kind = 'nonliving'"])
def test_nothing_chosen_is_refused(release: OpenRelease, tmp_path: Path, where: str) -> None:
    with pytest.raises(ExportRefused, match="no image was chosen"):
        export(release.select(where), "dwca", Warehouse(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_what_to_install(
    release: OpenRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    monkeypatch.delitem(sys.modules, "aqqua_dataset.export.aqqua")
    with pytest.raises(ExportRefused, match=r"needs lmdb; install aqqua-dataset\[export\]"):
        export(release.select(), "aqqua", Warehouse(str(tmp_path)))


def test_an_export_that_stops_is_not_complete(
    release: OpenRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "write_attribution", None)
    with pytest.raises(TypeError):
        export(release.select(), "webdataset", Warehouse(str(tmp_path)))
    assert not (tmp_path / "EXPORTED.json").exists()


def test_the_command(released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", "webdataset", "--release", str(released), "--to", str(tmp_path / "a")]
    assert cli.main([*command, "--where", "contribution_id = 'cast'"]) == 0
    assert "9 images in 10 files" in capsys.readouterr().out
    assert cli.main([*command, "--where", "colour = 'red'"]) == 1
    assert "colour" in capsys.readouterr().out
    assert cli.main(["export", "webdataset", "--release", str(tmp_path), "--to", str(tmp_path / "b")]) == 1
    assert "no release at" in capsys.readouterr().out
    with pytest.raises(SelectionRefused):
        aqqua_dataset.open_release(str(released)).select("colour = 'red'")
