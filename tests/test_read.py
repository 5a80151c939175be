"""One image by its id: what it costs on a disk, an object store and a web server, and that it is the right one."""

import hashlib
import os
import pickle
import subprocess
import tarfile
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import stores
from builders import collection, contribution
from test_warehouse import REMOTE, deliver, walk

from aqqua_dataset.images import read
from aqqua_dataset.images.read import ReleaseReader, read_image
from aqqua_dataset.images.shards import ShardDamaged, ShardWriter, members
from aqqua_dataset.warehouse import Warehouse

FOLDER = "releases/public/v0.1.0-rehearsal"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a warehouse that holds a rehearsed release of two contributions."""
    folder = tmp_path_factory.mktemp("home")
    deliver(folder / "d", 6)
    made = collection(folder, contribution("one", folder / "d"), contribution("two", folder / "d"))
    walk(made)
    return folder


@pytest.fixture
def reader(home: Path, tmp_path: Path) -> ReleaseReader:
    return ReleaseReader(Warehouse(str(home / "warehouse")), FOLDER, tmp_path / "cache")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def published(reader: ReleaseReader) -> dict[str, str]:
    """Image id -> SHA-256, from the release's tables."""
    tables = [reader._warehouse.read_parquet(f"{FOLDER}/{p}") for p in reader.files() if p.startswith("metadata/")]
    return {r["image_id"]: r["image_sha256"] for t in tables for r in t.to_pylist()}


def test_every_image_is_read_by_its_id_and_in_sequence(reader: ReleaseReader) -> None:
    expected = published(reader)
    assert len(reader) == len(expected) == 6
    for image_id, digest in expected.items():
        assert image_id in reader
        assert hashlib.sha256(reader.read(image_id)).hexdigest() == digest
        assert reader.image(image_id).data == reader.read(image_id)
    assert {i: hashlib.sha256(d).hexdigest() for i, d in reader.stream()} == expected


@pytest.mark.parametrize("wrong", [str(uuid.UUID(int=1)), "no id", "", "f" * 33, "0" * 32, "f" * 32])
def test_an_unknown_image_is_a_key_error(reader: ReleaseReader, wrong: str) -> None:
    assert wrong not in reader
    with pytest.raises(KeyError):
        reader.read(wrong)


def test_a_reader_travels_and_its_index_is_made_once(reader: ReleaseReader, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = published(reader)
    assert len(reader) == 6
    monkeypatch.setattr(ReleaseReader, "_make_index", None)
    again = pickle.loads(pickle.dumps(reader))
    for image_id in expected:
        assert again.read(image_id) == reader.read(image_id)
    assert [p for p in reader._cache.iterdir() if p.name.startswith(".")] == []


def test_files_stay_open_up_to_a_limit_and_are_closed_with_the_reader(
    reader: ReleaseReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(read, "OPEN_SHARDS", 2)
    len(reader)  # opens the index
    before = open_files()
    names = [f"images/{n}.tar" for n in range(5)]
    for name in names:
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    index = reader._index
    assert index is not None
    index.shards = [os.path.relpath(tmp_path / n, reader._warehouse.url(FOLDER)) for n in names]
    for number in range(5):
        assert os.pread(reader._shard(number).handle, 1, 0) == b"x"
    assert open_files() == before + 2
    reader._shards.clear()
    assert open_files() == before


def test_a_short_shard_and_changed_bytes_are_errors(home: Path, tmp_path: Path, reader: ReleaseReader) -> None:
    image_id, _ = sorted(published(reader).items())[0]
    row = reader.row(image_id)
    shard = home / "warehouse" / FOLDER / row["shard"]
    whole = shard.read_bytes()
    try:
        shard.write_bytes(whole[: row["offset"] + 5])
        with pytest.raises(OSError, match=f"expected {row['length']} bytes of .*, found 5"):
            reader.read(image_id)
        shard.write_bytes(whole[: row["offset"]] + b"?" + whole[row["offset"] + 1 :])
        with pytest.raises(OSError, match="expected SHA-256"):
            reader.image(image_id)
    finally:
        shard.write_bytes(whole)


def test_no_release_and_duplicates_say_so(home: Path, reader: ReleaseReader) -> None:
    warehouse = Warehouse(str(home / "warehouse"))
    with pytest.raises(FileNotFoundError, match="no release at"):
        ReleaseReader(warehouse, "releases/public/v9")
    copy = warehouse.read_parquet(f"{FOLDER}/duplicates.parquet").to_pylist()[0]
    with pytest.raises(KeyError, match=copy["kept_image_id"]):
        read_image(warehouse, FOLDER, copy["image_id"])


def test_halves_of_ids_that_share_a_half_are_told_apart(tmp_path: Path) -> None:
    ids = [
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-0000-ffff-ffffffffffff",
        "7fffffff-ffff-ffff-8000-000000000000",
        "80000000-0000-0000-0000-000000000001",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ]
    rows = pa.table({"image_id": ids, "offset": range(5), "length": [1] * 5, "shard": [0] * 5}, read._PLACES)
    read._write_arrays(tmp_path, rows.to_reader())
    (tmp_path / "shards.txt").write_text("a.tar\n")
    index = read._Index(tmp_path)
    assert [index.find(i) for i in ids] == [0, 1, 2, 3, 4]
    assert index.find("80000000-0000-0000-0000-000000000002") is None
    assert index.find(ids[2].upper()) == 2


def test_a_stream_that_is_no_shard_is_damaged(tmp_path: Path) -> None:
    shard = tmp_path / "s.tar"
    with shard.open("wb") as stream:
        writer = ShardWriter(stream)
        writer.add(str(uuid.UUID(int=1)), "png", b"a" * 700)
        writer.add(str(uuid.UUID(int=2)), "jpeg", b"")
        size = writer.finish()
    whole = shard.read_bytes()
    assert size == len(whole)
    with shard.open("rb") as stream:
        assert list(members(stream)) == [(str(uuid.UUID(int=1)), b"a" * 700), (str(uuid.UUID(int=2)), b"")]
    for broken in (whole[:300], whole[:900], whole[:1536], b"\xff" * 512):
        shard.write_bytes(broken)
        with shard.open("rb") as stream, pytest.raises(ShardDamaged, match="expected"):
            list(members(stream))


def test_tar_and_tarfile_read_the_same_names_and_bytes(home: Path, reader: ReleaseReader, tmp_path: Path) -> None:
    expected = dict(reader.stream())
    for path in (p for p in reader.files() if p.startswith("images/")):
        shard = home / "warehouse" / FOLDER / path
        subprocess.run(["tar", "-xf", str(shard), "-C", str(tmp_path)], check=True)
        with tarfile.open(shard) as archive:
            for member in archive:
                opened = archive.extractfile(member)
                assert opened is not None
                image_id = member.name.partition(".")[0]
                assert opened.read() == expected.pop(image_id) == (tmp_path / member.name).read_bytes()
                assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o444)
    assert expected == {}


def test_released_tables_are_sorted_by_image_id_and_prune(reader: ReleaseReader) -> None:
    for path in (p for p in reader.files() if p.startswith("metadata/")):
        ids = reader._warehouse.read_parquet(f"{FOLDER}/{path}")["image_id"].to_pylist()
        assert ids == sorted(ids)


# --- one request each


def count_requests(reader: ReleaseReader, between: stores.Door, ids: list[str]) -> list[tuple[str, str, str]]:
    """Requests of one read of each image, in random order, once the index is open."""
    len(reader)
    between.log.clear()
    for image_id in np.random.default_rng(1).permutation(ids):
        reader.read(str(image_id))
    return list(between.log)


@REMOTE
def test_one_request_per_image_on_a_web_server(home: Path, reader: ReleaseReader, tmp_path: Path) -> None:
    expected = published(reader)
    with stores.rclone("http", home / "warehouse") as port, stores.door(f"http://127.0.0.1:{port}") as between:
        web = ReleaseReader(Warehouse(between.address), FOLDER, tmp_path / "web")
        log = count_requests(web, between, sorted(expected))
        assert len(log) == len(expected)
        assert {method for method, _, _ in log} == {"GET"}
        rows = [reader.row(i) for i in expected]
        assert {r for _, _, r in log} == {f"bytes={r['offset']}-{r['offset'] + r['length'] - 1}" for r in rows}
        for image_id, digest in expected.items():
            assert hashlib.sha256(web.read(image_id)).hexdigest() == digest
        first = min(expected)
        assert read_image(Warehouse(f"{between.address}/{FOLDER}"), "", first).data == reader.read(first)
        assert dict(web.stream()) == dict(reader.stream())


@REMOTE
def test_one_request_per_image_on_an_object_store(
    home: Path, reader: ReleaseReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stores.KEYS.items():
        monkeypatch.setenv(name, value)
    with stores.s3(home) as address, stores.door(address) as between:
        away = Warehouse("s3://warehouse", {"config_kwargs": stores.LENIENT, "endpoint_url": between.address})
        s3 = ReleaseReader(away, FOLDER, tmp_path / "s3")
        expected = published(reader)
        log = count_requests(s3, between, sorted(expected))
        assert [method for method, _, _ in log] == ["GET"] * len(expected)
        assert all(r.startswith("bytes=") for _, _, r in log)
        for image_id, digest in expected.items():
            assert hashlib.sha256(s3.read(image_id)).hexdigest() == digest
        assert dict(s3.stream()) == dict(reader.stream())
