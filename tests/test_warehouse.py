"""The warehouse on a disk and on object stores: commits, conditions, checksums, what check finds and gc removes."""

import datetime as dt
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import stores
from builders import collection, contribution

from aqqua_dataset import cli, maintenance
from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.definitions import build_definitions
from aqqua_dataset.demo.draw import encode, organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.findings import Finding
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import Collection, manifest, run_contribution
from aqqua_dataset.release.build import build_release
from aqqua_dataset.release.gate import ReleaseRequest
from aqqua_dataset.storage import StorageRefused, load
from aqqua_dataset.transfer.delivery import Delivery
from aqqua_dataset.warehouse import CommitConflict, Warehouse

REHEARSAL = ReleaseRequest("0.1.0", "public", dt.date(2027, 7, 15), rehearsal=True)
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
AT_ONCE = dt.timedelta(0)
LATER = dt.timedelta(hours=-1)  # a store's clock and ours differ by less

#: aiohttp closes its connections later than pytest looks.
REMOTE = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder behind an S3 server, with a bucket ``warehouse``."""
    (tmp_path / "store/warehouse").mkdir(parents=True)
    for name, value in stores.KEYS.items():
        monkeypatch.setenv(name, value)
    with stores.s3(tmp_path / "store") as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield tmp_path / "store"


def remote(place: str = "s3://warehouse/test", **options: object) -> Warehouse:
    # fsspec keeps opened stores by their options, not by the environment.
    return Warehouse(
        place, {"config_kwargs": stores.LENIENT, "endpoint_url": os.environ["AWS_ENDPOINT_URL"], **options}
    )


def deliver(folder: Path, count: int = 6) -> None:
    rng = np.random.default_rng(3)
    rows = [net_row("n1", i, f"n1_{i}.png") for i in range(count)]
    write_files(folder, {"ecotaxa_n1.tsv": ecotaxa_tsv(rows)})
    write_files(folder, {f"n1_{i}.png": encode(organism(rng, 40, 30), "PNG") for i in range(count)})


def walk(made: Collection) -> str:
    """Takes the collection to a rehearsal; returns the release's folder."""
    with open_executor("serial") as (workers, count):
        for name in made.registry.contributions:
            run_contribution(made, name, workers, count, lambda _: None)
        find_duplicates(made)
        return build_release(made, [], REHEARSAL, NOW, workers, count, lambda _: None).folder


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("walked")
    deliver(folder / "d")
    collected = collection(folder, contribution("one", folder / "d"))
    walk(collected)
    return collected


@pytest.fixture
def made(walked: Collection, tmp_path: Path) -> Collection:
    """A small collection with a rehearsed release on a local disk."""
    shutil.copytree(walked.warehouse.root, tmp_path / "warehouse")
    return replace(walked, warehouse=Warehouse(str(tmp_path / "warehouse")))


def file(made: Collection, path: str) -> Path:
    return Path(made.warehouse.root, path)


def shard(made: Collection) -> str:
    folder = manifest(made.warehouse, "one", "images")
    assert folder is not None
    return f"{folder['folder']}/shard-00000.tar"


def errors(made: Collection, deep: bool = False) -> list[Finding]:
    return [f for f in maintenance.check(made, deep) if f.severity == "error"]


def age(made: Collection, path: str, hours: float) -> None:
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)).timestamp()
    os.utime(file(made, path), (past, past))


# --- check


def test_a_sound_warehouse_has_no_findings_and_no_orphans(made: Collection) -> None:
    assert maintenance.check(made, deep=True) == []
    assert maintenance.orphans(made) == []
    before = {p: file(made, p).read_bytes() for p in made.warehouse.find("")}
    assert maintenance.gc(made, older_than=AT_ONCE) == []
    assert {p: file(made, p).read_bytes() for p in made.warehouse.find("")} == before


def test_a_flipped_byte_of_an_image_is_found_deep_with_its_id_and_both_hashes(made: Collection) -> None:
    path = shard(made)
    index = made.warehouse.read_parquet(path.replace(".tar", ".parquet")).to_pylist()
    data = bytearray(file(made, path).read_bytes())
    data[index[2]["offset"] + 20] ^= 1
    file(made, path).write_bytes(bytes(data))
    assert errors(made) == []
    (found,) = errors(made, deep=True)
    assert (found.file, found.key, found.contribution) == (path, index[2]["image_id"], "one")
    assert f"expected SHA-256 {index[2]['image_sha256']}" in found.message


def test_a_damaged_shard_is_packed_again_to_the_same_bytes(made: Collection) -> None:
    path = file(made, shard(made))
    whole, index = path.read_bytes(), path.with_suffix(".parquet").read_bytes()
    path.write_bytes(whole[:600] + bytes([whole[600] ^ 1]) + whole[601:])
    path.with_suffix(".parquet").unlink()
    file(made, "contributions/one/images.json").unlink()
    with open_executor("serial") as (workers, count):
        run_contribution(made, "one", workers, count, lambda _: None)
    assert (path.read_bytes(), path.with_suffix(".parquet").read_bytes()) == (whole, index)
    assert errors(made, deep=True) == []


def test_a_flipped_byte_of_a_header_is_found_without_reading_images(made: Collection) -> None:
    path = shard(made)
    first = made.warehouse.read_parquet(path.replace(".tar", ".parquet")).to_pylist()[0]
    data = bytearray(file(made, path).read_bytes())
    data[first["offset"] - 512 + 100] ^= 1
    file(made, path).write_bytes(bytes(data))
    assert [(f.rule, f.key) for f in errors(made)] == [("image_bytes", first["image_id"])]


def test_a_truncated_shard_is_found_with_both_sizes(made: Collection) -> None:
    path = shard(made)
    data = file(made, path).read_bytes()
    last = made.warehouse.read_parquet(path.replace(".tar", ".parquet")).to_pylist()[-1]
    file(made, path).write_bytes(data[: last["offset"] - 600])
    size, image = errors(made)
    assert (size.rule, size.message) == ("shard_size", f"expected {len(data)} bytes, found {last['offset'] - 600}")
    assert (image.key, image.rule) == (last["image_id"], "image_bytes")
    assert "end of the file" in image.message


def test_swapped_offsets_are_found_at_both_images(made: Collection) -> None:
    path = shard(made).replace(".tar", ".parquet")
    index = made.warehouse.read_parquet(path)
    offsets = index["offset"].to_pylist()
    offsets[0], offsets[1] = offsets[1], offsets[0]
    changed = index.set_column(index.schema.get_field_index("offset"), index.schema.field("offset"), [offsets])
    made.warehouse.write_parquet(path, changed, index.schema)
    found = errors(made)
    assert {f.key for f in found} == set(index["image_id"].to_pylist()[:2])
    other = index["image_id"][1].as_py()
    assert any(f"found '{other}.png'" in f.message for f in found)


@pytest.mark.parametrize("stage", ["rows", "core", "images", "quality"])
def test_a_deleted_part_is_found(made: Collection, stage: str) -> None:
    found = manifest(made.warehouse, "one", stage)  # type: ignore[arg-type]
    assert found is not None
    name = {"images": "shard"}.get(stage, stage)
    file(made, f"{found['folder']}/{name}-00000.parquet").unlink()
    (finding,) = errors(made)
    assert (finding.rule, finding.file) == ("part_unreadable", f"{found['folder']}/{name}-00000.parquet")
    assert "found none" in finding.message


def test_a_deleted_shard_and_a_wrong_row_count_are_found(made: Collection) -> None:
    file(made, shard(made)).unlink()
    told = manifest(made.warehouse, "one", "rows")
    assert told is not None
    made.warehouse.write_json("contributions/one/rows.json", {**told, "parts": [7]})
    assert {(f.rule, f.message) for f in errors(made)} == {
        ("shard_missing", "expected a shard, found none"),
        ("part_rows", "expected 7 rows as in contributions/one/rows.json, found 6"),
    }


def test_a_flipped_byte_in_any_table_is_found_deep(made: Collection) -> None:
    for stage in ("rows", "core", "images", "quality"):
        found = manifest(made.warehouse, "one", stage)  # type: ignore[arg-type]
        assert found is not None
        path = file(made, f"{found['folder']}/{ {'images': 'shard'}.get(stage, stage) }-00000.parquet")
        whole = path.read_bytes()
        path.write_bytes(whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
        assert [f.rule for f in errors(made, deep=True)] == ["part_unreadable"], stage
        path.write_bytes(whole)


def test_a_release_is_compared_with_its_checksums(made: Collection) -> None:
    folder = "releases/public/v0.1.0-rehearsal"
    names = made.warehouse.find(folder)
    table = next(p for p in names if "/metadata/" in p)
    tar = next(p for p in names if p.endswith(".tar"))
    file(made, f"{folder}/LICENSE").unlink()
    file(made, f"{folder}/extra.txt").write_text("?")
    file(made, f"{folder}/README.md").write_bytes(b"changed")
    said = {(f.file.removeprefix(f"{folder}/"), f.message.partition(" ")[0]) for f in errors(made)}
    assert said == {("LICENSE", "expected"), ("extra.txt", "no"), ("README.md", "expected")}
    data = bytearray(file(made, tar).read_bytes())
    data[600] ^= 1
    file(made, tar).write_bytes(bytes(data))
    assert tar not in {f.file for f in errors(made)}
    assert tar in {f.file for f in errors(made, deep=True)}
    data[600] ^= 1
    data[10] ^= 1
    file(made, tar).write_bytes(bytes(data))
    assert [f.rule for f in errors(made) if f.file == tar] == ["image_bytes"]
    assert table not in {f.file for f in errors(made)}
    with file(made, f"{folder}/manifest-sha256.txt").open("a") as stream:
        stream.write("#\n")
    assert [f.file for f in errors(made)] == [f"{folder}/manifest-sha256.txt"]


def test_a_manifest_that_is_no_json_is_a_finding(made: Collection) -> None:
    file(made, "contributions/one/core.json").write_text("{")
    assert [(f.rule, f.file) for f in errors(made)] == [("manifest_unreadable", "contributions/one/core.json")]
    assert maintenance.gc(made, older_than=AT_ONCE) == []  # what it named can't be known


# --- orphans


def test_gc_removes_what_nothing_uses_and_nothing_else(made: Collection) -> None:
    keep = set(made.warehouse.find(""))
    used = manifest(made.warehouse, "one", "images")
    assert used is not None
    planted = [
        "contributions/one/images-0123/shard-00000.tar",
        f"{used['folder']}/.unfinished-abc",
        "dedup/.unfinished-abc",
        "releases/public/v9.9.9/images/x.tar",
    ]
    for path in planted:
        file(made, path).parent.mkdir(parents=True, exist_ok=True)
        file(made, path).write_bytes(b"x")
    assert maintenance.orphans(made) == sorted(planted)
    assert sorted(f.file for f in maintenance.check(made)) == sorted(planted)
    assert maintenance.gc(made) == []  # too young: a run may still write them
    age(made, planted[0], 30)
    age(made, planted[1], 30)
    file(made, "contributions/one/images-0123/shard-00001.tar").write_bytes(b"x")  # the run goes on
    assert maintenance.gc(made) == [planted[1]]
    old = sorted([*(p for p in planted if p != planted[1]), "contributions/one/images-0123/shard-00001.tar"])
    assert maintenance.gc(made, dry_run=True, older_than=AT_ONCE) == old
    assert file(made, planted[0]).exists()
    assert maintenance.gc(made, older_than=AT_ONCE) == old
    assert set(made.warehouse.find("")) == keep
    assert not file(made, "contributions/one/images-0123").exists()
    assert maintenance.orphans(made) == []


def test_gc_leaves_a_folder_that_was_committed_after_it_was_listed(
    made: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = manifest(made.warehouse, "one", "images")
    assert told is not None
    made.warehouse.remove("contributions/one/images.json")
    assert len(maintenance.orphans(made)) == 5
    listed = maintenance._orphans(made.warehouse)
    monkeypatch.setattr(maintenance, "_orphans", lambda _: listed)
    made.warehouse.write_json("contributions/one/images.json", told)
    assert maintenance.gc(made, older_than=AT_ONCE) == []
    assert errors(made, deep=True) == []


def test_the_command_line_checks_and_cleans(made: Collection, capsys: pytest.CaptureFixture[str]) -> None:
    registry = str(Path(__file__).parent.parent / "contributor_registry")
    places = ["--registry", registry, "--warehouse", made.warehouse.root]
    assert cli.main(["warehouse", "check", "--deep", *places]) == 0
    assert "0 errors, 0 orphans" in capsys.readouterr().out
    path = "contributions/one/images-0123/shard-00000.tar"
    file(made, path).parent.mkdir()
    file(made, path).write_bytes(b"x")
    file(made, shard(made)).unlink()
    assert cli.main(["warehouse", "check", *places]) == 1
    assert f"{shard(made)} expected a shard, found none" in capsys.readouterr().out
    assert cli.main(["warehouse", "gc", "--dry-run", "--older-than", "0", *places]) == 0
    assert path in capsys.readouterr().out
    assert cli.main(["warehouse", "gc", *places]) == 0
    assert file(made, path).exists()
    assert cli.main(["warehouse", "gc", "--older-than", "0", *places]) == 0
    assert not file(made, path).exists()


def test_the_jobs_check_and_list(made: Collection) -> None:
    resource = CollectionResource(
        registry=str(Path(__file__).parent.parent / "contributor_registry"), warehouse=made.warehouse.root
    )
    definitions = build_definitions(resource)

    def run(name: str) -> dg.ExecuteInProcessResult:
        return definitions.resolve_job_def(name).execute_in_process(raise_on_error=False)

    made.warehouse.write_bytes("dedup/.unfinished-abc", b"x")
    assert run("check_warehouse").success
    assert run("clean_warehouse").success
    assert maintenance.orphans(made) == ["dedup/.unfinished-abc"]
    file(made, shard(made)).unlink()
    assert not run("check_warehouse").success


# --- commits


def test_two_writers_cannot_both_commit(tmp_path: Path) -> None:
    first, second = Warehouse(str(tmp_path)), Warehouse(str(tmp_path))
    for value in ({"n": 1}, {"n": 2}):  # a first commit, and one that replaces it
        first.watch("a/m.json")
        second.watch("a/m.json")
        first.commit_json("a/m.json", value)
        with pytest.raises(CommitConflict, match="replaced by another run"):
            second.commit_json("a/m.json", {"n": 0})
        assert first.read_json("a/m.json") == value
    assert first.find("") == ["a/m.json"]


@REMOTE
def test_a_store_with_conditional_writes_decides_between_writers_that_saw_the_same(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stores.door(os.environ["AWS_ENDPOINT_URL"], store) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.address)
        first, second = remote(), remote()
        assert first.conditional_writes
        assert second.conditional_writes
        for value in ({"n": 1}, {"n": 2}):
            second.watch("a/m.json")
            stale = second._watched["a/m.json"]
            first.commit_json("a/m.json", value)
            told: list[str | None] = [stale, first._state("a/m.json")]
            # The second looks before the first has written and writes after it: only the store can tell.
            with monkeypatch.context() as patched:
                patched.setattr(second, "_state", lambda _, told=told: told.pop(0))
                with pytest.raises(CommitConflict):
                    second.commit_json("a/m.json", {"n": 0})
            assert json.loads((store / "warehouse/test/a/m.json").read_text()) == value
    assert [p for p in (store / "warehouse/test").iterdir() if p.is_file()] == []  # the probes are gone


@REMOTE
def test_a_store_without_conditions_still_refuses_what_it_can_see(store: Path) -> None:
    first, second = remote(), remote()
    assert not first.conditional_writes
    second.watch("m.json")
    first.commit_json("m.json", {"n": 1})
    with pytest.raises(CommitConflict):
        second.commit_json("m.json", {"n": 2})
    assert first.read_json("m.json") == {"n": 1}


@REMOTE
def test_large_files_are_sent_in_parts_and_a_failed_one_leaves_nothing(store: Path) -> None:
    warehouse, piece = remote(), os.urandom(1 << 20)
    with warehouse.create("big.bin") as stream:
        for _ in range(40):
            stream.write(piece)
    assert warehouse.size("big.bin") == 40 << 20
    assert warehouse.read_range("big.bin", 39 << 20, 1 << 20) == piece

    def fail() -> None:
        with warehouse.create("failed.bin") as stream:
            for _ in range(40):
                stream.write(piece)
            raise ValueError("the disk of the delivery broke")

    with pytest.raises(ValueError, match="broke"):
        fail()
    assert warehouse.find("") == ["big.bin"]
    begun = warehouse._fs.call_s3("list_multipart_uploads", Bucket="warehouse").get("Uploads", [])
    assert begun == []


@REMOTE
def test_gc_ends_an_upload_that_a_killed_writer_left(store: Path, made: Collection) -> None:
    away = replace(made, warehouse=remote())
    away.warehouse._fs.call_s3("create_multipart_upload", Bucket="warehouse", Key="test/contributions/x/shard.tar")
    assert maintenance.gc(away) == []
    assert maintenance.gc(away, older_than=LATER, dry_run=True) == ["contributions/x/shard.tar (upload)"]
    assert maintenance.gc(away, older_than=LATER) == ["contributions/x/shard.tar (upload)"]
    assert maintenance.gc(away, older_than=LATER) == []


@REMOTE
def test_check_and_gc_on_an_object_store(store: Path, tmp_path: Path) -> None:
    deliver(tmp_path / "d")
    away = replace(collection(tmp_path, contribution("one", tmp_path / "d")), warehouse=remote())
    walk(away)
    assert maintenance.check(away, deep=True) == []
    path = shard(away)
    whole = away.warehouse.open(path).read()
    away.warehouse.write_bytes(path, whole[:600] + bytes([whole[600] ^ 1]) + whole[601:])
    assert [f.rule for f in errors(away, deep=True)] == ["image_bytes"]
    away.warehouse.write_bytes(path, whole[:-2000])
    assert [f.rule for f in errors(away)] == ["shard_size"]
    away.warehouse.write_bytes(path, whole)
    away.warehouse.write_bytes("contributions/one/core-0123/core-00000.parquet", b"x")
    assert maintenance.gc(away) == []
    assert maintenance.gc(away, older_than=LATER) == ["contributions/one/core-0123/core-00000.parquet"]
    assert maintenance.check(away, deep=True) == []


# --- storage settings


@REMOTE
def test_the_checksum_setting_is_what_such_a_store_needs(store: Path) -> None:
    strict = Warehouse("s3://warehouse/test", {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]})
    strict.write_bytes("a.bin", bytes(range(256)))  # sends a checksum, which the server keeps
    assert remote().read_range("a.bin", 10, 5) == bytes(range(10, 15))
    with pytest.raises(Exception, match=r"checksum|Checksum"):
        strict.read_range("a.bin", 10, 5)


@REMOTE
def test_options_and_secrets_by_name_reach_workers_and_duckdb(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = os.environ["AWS_ENDPOINT_URL"]
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("OUR_KEY", "key")
    monkeypatch.setenv("OUR_SECRET", "secret")
    block = {"endpoint_url": address, "key_env": "OUR_KEY", "secret_env": "OUR_SECRET", "config_kwargs": stores.LENIENT}
    settings = tmp_path / "storage.yaml"
    settings.write_text(json.dumps({"warehouse": block, "deliveries": block}))
    monkeypatch.setenv("AQQUA_STORAGE", str(settings))
    deliver(store / "deliveries/d", 3)
    storage = Config.from_environment().storage
    config = Config(tmp_path, "s3://deliveries", "s3://warehouse/test", "processes:2", storage)
    away = collection(tmp_path, contribution("one", "d"))
    away = replace(away, config=config, warehouse=Warehouse(config.warehouse, storage.warehouse))
    with open_executor(config.executor) as (workers, count):
        for report in run_contribution(away, "one", workers, count, lambda _: None):
            assert report.outcome == "done", report
    assert find_duplicates(away) == 0
    told = pickle.dumps((away.warehouse, storage))
    assert b"OUR_SECRET" in told
    assert b"secret_env" in told
    assert told.count(b"secret") == told.count(b"secret_env")
    with Delivery("s3://deliveries/d", storage.deliveries) as opened:
        assert len(list(opened.files())) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("warehouse: {secret: abc}", "secret_env: NAME_OF_A_VARIABLE"),
        ("deliveries: {client_kwargs: {aws_secret_access_key: abc}}", "never stands in a file"),
        ("warehouse: s3", "expected options"),
        ("warehuose: {}", "expected the blocks warehouse and deliveries"),
        ("a: [", "can't be read"),
    ],
)
def test_a_wrong_storage_file_is_refused_with_what_to_do(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "storage.yaml").write_text(text)
    with pytest.raises(StorageRefused, match=told):
        load(tmp_path / "storage.yaml")


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageRefused, match="no variable NOT_SET_ANYWHERE"):
        Warehouse(str(tmp_path), {"key_env": "NOT_SET_ANYWHERE"})
