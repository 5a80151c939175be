"""Several parts of rows to a shard: order, bytes, memory, resuming, releases that hash nothing twice."""

import hashlib
import itertools
import shutil
import subprocess
import tarfile
import uuid
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from builders import collection, contribution, registry
from test_release import REHEARSAL, TODAY, deliver

from aqqua_dataset import maintenance, pipeline, warehouse
from aqqua_dataset.checksums import listed_files
from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.demo.draw import encode, organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.images import pack, search
from aqqua_dataset.pipeline import Collection, Stage
from aqqua_dataset.release.build import Release, build_release
from aqqua_dataset.sources import rows, tables
from aqqua_dataset.warehouse import Warehouse

IMAGES = 33  # seven parts of five rows, the last of three: two shards
PART = 5


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "ROWS_PER_PART", PART)
        yield


@pytest.fixture(scope="module")
def walked(small_parts: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delivery and a warehouse with one contribution, taken as far as its quality."""
    folder = tmp_path_factory.mktemp("walked")
    deliver(folder / "net", 11, IMAGES, "n1")
    run(collection(folder, contribution("net", "net")))
    return folder


@pytest.fixture
def made(walked: Path, tmp_path: Path) -> Collection:
    shutil.copytree(walked, tmp_path / "home")
    return collection(tmp_path / "home", contribution("net", "net"))


def run(made: Collection, name: str = "net") -> None:
    with open_executor("serial") as (workers, count):
        for report in pipeline.run_contribution(made, name, workers, count, lambda _: None):
            assert report.outcome in ("done", "unchanged")
    find_duplicates(made)


def read_and_pack(made: Collection, executor: str = "serial") -> None:
    with open_executor(executor) as (workers, count):
        pipeline.read_rows(made, "net")
        assert pipeline.pack_images(made, "net", workers, count, lambda _: None).outcome == "done"


def stage(made: Collection, name: Stage) -> dict[str, object]:
    found = pipeline.manifest(made.warehouse, "net", name)
    assert found is not None
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return [n.partition(".")[0] for n in archive.getnames()]


def id_of(sample_object: str, rank: int = 0) -> str:
    """RFC 9562 version 5, by Python's own implementation."""
    return str(uuid.uuid5(rows.IMAGE_NAMESPACE, f"net\x1f{sample_object}\x1f{rank}"))


def object_ids(made: Collection) -> list[str]:
    folder = stage(made, "rows")["folder"]
    return [
        str(value)
        for part in range(7)
        for value in made.warehouse.read_parquet(f"{folder}/rows-{part:05d}.parquet")["aqqua_object_id"].to_pylist()
    ]


# --- packing


def test_seven_parts_of_rows_give_two_shards_in_the_order_of_the_rows(made: Collection) -> None:
    images = stage(made, "images")
    assert [stage(made, s)["parts"] for s in ("rows", "core", "quality")] == [[5, 5, 5, 5, 5, 5, 3]] * 3
    assert (images["parts"], images["parts_per_shard"]) == ([25, 8], 5)
    assert images["numbers"] == {"stored": IMAGES, "listed": IMAGES}
    packed = []
    for shard in range(2):
        index = made.warehouse.read_parquet(f"{images['folder']}/shard-{shard:05d}.parquet")
        assert index["image_id"].to_pylist() == names(
            Path(made.warehouse.root, f"{images['folder']}/shard-{shard:05d}.tar")
        )
        assert index["offset"].to_pylist() == sorted(index["offset"].to_pylist())
        packed += index["image_id"].to_pylist()
    assert packed == [id_of(o) for o in object_ids(made)]
    assert len(set(packed)) == IMAGES
    assert maintenance.check(made, deep=True) == []


def test_the_bytes_depend_neither_on_workers_nor_on_the_readers_chunks(
    made: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_ROWS_PER_CHUNK", 7)
    other = replace(made, warehouse=Warehouse(str(tmp_path / "other")))
    read_and_pack(other, "processes:2")
    found = files(Path(other.warehouse.root))
    assert len([n for n in found if n.endswith(".tar")]) == 2
    before = files(Path(made.warehouse.root))
    assert found == {n: before[n] for n in before if n.startswith(("contributions/net/rows", "contributions/net/im"))}


def test_ids_are_cut_as_the_rows_are_and_ranks_reach_over_parts(tmp_path: Path) -> None:
    named = [f"{'twice' if i in (1, 22) else f'o{i}'}" for i in range(IMAGES)]
    write_files(
        tmp_path / "net",
        {"ecotaxa_n.tsv": ecotaxa_tsv([net_row("n", i, f"n_{i}.png", object_id=o) for i, o in enumerate(named)])},
    )
    rng = np.random.default_rng(1)
    write_files(tmp_path / "net", {f"n_{i}.png": encode(organism(rng, 40, 30), "PNG") for i in range(IMAGES)})
    made = collection(tmp_path, contribution("net", tmp_path / "net"))
    pipeline.read_rows(made, "net")
    folder = str(stage(made, "rows")["folder"])
    parts = [made.warehouse.read_parquet(f"{folder}/ids-{p:05d}.parquet").to_pylist() for p in range(7)]
    assert [(r["part"], r["row"]) for part in parts for r in part] == [(i // PART, i % PART) for i in range(IMAGES)]
    expected = [id_of(o, int(i == 22)) for i, o in enumerate(named)]
    assert [r["image_id"] for part in parts for r in part] == expected
    loaded = [rows.load_rows(made.warehouse, folder, p) for p in range(7)]
    assert [str(v) for part in loaded for v in part["aqqua_image_id"]] == expected
    assert [i for part in loaded for i in part.loc[part["aqqua_images"] == 2, "aqqua_object_id"]] == ["twice", "twice"]


def test_a_shard_is_packed_with_no_more_than_two_parts_of_rows_at_hand(
    made: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[pd.DataFrame]] = []
    most = 0
    load = rows.load_rows

    def counting(*args: object) -> pd.DataFrame:
        nonlocal most
        found = load(*args)  # type: ignore[arg-type]
        alive.append(weakref.ref(found))
        most = max(most, sum(ref() is not None for ref in alive))
        return found

    monkeypatch.setattr(pack, "load_rows", counting)
    other = replace(made, warehouse=Warehouse(str(tmp_path / "other")))
    read_and_pack(other)
    assert len(alive) == 14  # what a shard is made of, then the images of its rows
    assert most <= 2
    assert stage(other, "images")["parts"] == [25, 8]


def test_other_shard_sizes_are_another_result(made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build(made)
    monkeypatch.setattr(pack, "PARTS_PER_SHARD", 3)
    after = build(made)  # of shards packed in fives: the manifest says so
    assert [r.facts.images for r in (before, after)] == [{"net": IMAGES}] * 2
    run(made)
    assert (stage(made, "images")["parts"], stage(made, "images")["parts_per_shard"]) == ([15, 15, 3], 3)
    assert build(made).facts.images == {"net": IMAGES}


# --- releasing


def build(made: Collection, executor: str = "serial") -> Release:
    with open_executor(executor) as (workers, count):
        return build_release(made, [], REHEARSAL, TODAY, workers, count, lambda _: None)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the files that are read to be hashed, in this process."""
    seen: list[str] = []
    plain = Warehouse.sha256

    def seeing(self: Warehouse, path: str) -> str:
        seen.append(path)
        return plain(self, path)

    def searching(stream: IO[bytes]) -> tuple[str, tuple[str, ...]]:
        seen.append(str(stream.name).partition("/warehouse/")[2])
        return search.hashed_and_searched(stream)

    monkeypatch.setattr(Warehouse, "sha256", seeing)
    monkeypatch.setattr(pack, "hashed_and_searched", searching)
    return seen


def shards(paths: list[str]) -> list[str]:
    """The shards among them, without the small archive to look at."""
    return [p for p in paths if p.endswith(".tar") and "/sample/" not in p]


def sums_hold(folder: Path, names: str) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "--strict", names], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_each_shard_of_a_release_has_tables_of_all_its_parts(made: Collection) -> None:
    release = build(made)
    folder = Path(made.warehouse.url(release.folder))
    assert (release.shards_untouched, release.shards_rewritten) == (2, 0)
    tables = {k: sorted(folder.glob(f"{k}/*/*.parquet")) for k in ("metadata", "verbatim")}
    assert [p.name for k in tables for p in tables[k]] == ["part-00000.parquet", "part-00001.parquet"] * 2
    expected = {id_of(o): o for o in object_ids(made)}
    for metadata, verbatim, archive in zip(*tables.values(), sorted((folder / "images").rglob("*.tar")), strict=True):
        images, delivered = pd.read_parquet(metadata), pd.read_parquet(verbatim)
        assert list(images["image_id"]) == list(delivered["image_id"]) == sorted(names(archive))
        assert set(images["shard"]) == {archive.relative_to(folder).as_posix()}
        data = archive.read_bytes()
        for image, row in zip(images.itertuples(), delivered.itertuples(), strict=True):
            assert image.source_object_id == row.object_id == expected.pop(image.image_id)
            assert hashlib.sha256(data[image.offset : image.offset + image.length]).hexdigest() == image.image_sha256
    assert expected == {}


def test_a_look_up_by_id_needs_one_row_group_of_a_released_table(
    made: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse, "ROW_GROUP_ROWS", 10)
    table = pq.ParquetFile(next(Path(made.warehouse.url(build(made).folder)).glob("metadata/*/part-00000.parquet")))
    column = table.schema_arrow.get_field_index("image_id")
    groups = [table.metadata.row_group(g).column(column).statistics for g in range(table.num_row_groups)]
    assert [g.num_values for g in groups] == [10, 10, 5]
    assert all(a.max < b.min for a, b in itertools.pairwise(groups))


def test_no_shard_of_a_release_is_read_to_be_hashed_but_new_ones_once(made: Collection, hashed: list[str]) -> None:
    images = str(stage(made, "images")["folder"])
    release = build(made)
    folder = Path(made.warehouse.url(release.folder))
    assert shards(hashed) == [f"{images}/shard-{s:05d}.tar" for s in range(2)]
    assert {f"{release.folder}/LICENSE", f"{release.folder}/ledger.parquet"} < set(hashed)
    assert len(hashed) == len(set(hashed))
    listed = listed_files(made.warehouse, f"{release.folder}/")
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(listed) == there - {"manifest-sha256.txt", "RELEASED.json"}
    sums_hold(folder, "manifest-sha256.txt")
    for shard in range(2):
        sums_hold(Path(made.warehouse.root, images), f"shard-{shard:05d}.tar.sha256")
    before = files(folder)
    hashed.clear()
    build(made)
    assert shards(hashed) == []
    assert files(folder) == before


def test_a_shard_that_is_written_again_is_hashed_while_it_is_written(
    made: Collection, tmp_path: Path, hashed: list[str]
) -> None:
    deliver(tmp_path / "home/apart", 12, 6, "c")
    shutil.copy(tmp_path / "home/net/n1_30.png", tmp_path / "home/apart/c_5.png")
    made = collection(tmp_path / "home", contribution("net", "net"), contribution("apart", "apart"))
    run(made, "apart")
    release = build(made)  # the copy in "apart" stands for the one in the second shard of "net"
    assert (release.shards_untouched, release.shards_rewritten) == (2, 1)
    assert len(shards(hashed)) == 2
    assert not any(p.endswith("shard-00001.tar") for p in hashed)
    sums_hold(Path(made.warehouse.url(release.folder)), "manifest-sha256.txt")
    withdrawn = replace(made, registry=registry(made.registry.contributions["net"]))
    find_duplicates(withdrawn)
    assert build(withdrawn).shards_rewritten == 0
    sums_hold(Path(made.warehouse.url(release.folder)), "manifest-sha256.txt")


def test_workers_seal_the_same_release(made: Collection) -> None:
    folder = Path(made.warehouse.url(build(made).folder))
    alone = files(folder)
    build(made, "processes:2")
    assert files(folder) == alone


def test_a_shard_taken_over_keeps_its_hash_and_a_changed_one_has_none(
    made: Collection, tmp_path: Path, hashed: list[str]
) -> None:
    build(made)
    (tmp_path / "home/net/n1_31.png").write_bytes(encode(organism(np.random.default_rng(9), 33, 44), "PNG"))
    run(made)
    folder = str(stage(made, "images")["folder"])
    assert [made.warehouse.exists(pack.digest_path(folder, s)) for s in range(2)] == [True, False]
    hashed.clear()
    release = build(made)
    assert shards(hashed) == [f"{folder}/shard-00001.tar"]
    sums_hold(Path(made.warehouse.url(release.folder)), "manifest-sha256.txt")


# --- checking


@pytest.fixture
def released(made: Collection) -> tuple[Collection, Path]:
    """A released collection and its first shard, which the release doesn't share."""
    build(made)
    shard = Path(made.warehouse.root, pack.shard_path(str(stage(made, "images")["folder"]), 0))
    data = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(data)
    return made, shard


def test_a_byte_that_no_index_describes_is_found_by_the_hash_of_the_whole(released: tuple[Collection, Path]) -> None:
    made, shard = released
    data = shard.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    shard.write_bytes(data[:-1] + b"\1")  # the end of the archive belongs to no image
    assert maintenance.check(made) == []
    (found,) = maintenance.check(made, deep=True)
    assert (found.rule, found.contribution) == ("shard_bytes", "net")
    assert f"expected SHA-256 {digest}" in found.message


def test_a_damaged_image_is_named_once_not_with_the_whole_shard(released: tuple[Collection, Path]) -> None:
    made, shard = released
    data = bytearray(shard.read_bytes())
    data[512 + 50] ^= 1
    shard.write_bytes(bytes(data))
    assert [f.rule for f in maintenance.check(made, deep=True)] == ["image_bytes"]


def test_a_shard_packed_again_after_damage_forgets_the_hash_of_the_damaged_one(
    released: tuple[Collection, Path],
) -> None:
    made, shard = released
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + b"\1")
    Path(f"{shard}.sha256").write_text(f"{hashlib.sha256(shard.read_bytes()).hexdigest()}  {shard.name}\n")
    shard.with_suffix(".parquet").unlink()
    made.warehouse.remove("contributions/net/images.json")
    run(made)
    assert shard.read_bytes() == whole
    assert not Path(f"{shard}.sha256").exists()
    assert maintenance.check(made, deep=True) == []


def test_a_missing_part_of_ids_is_found(released: tuple[Collection, Path]) -> None:
    made, _ = released
    path = f"{stage(made, 'rows')['folder']}/ids-00003.parquet"
    made.warehouse.remove(path)
    (found,) = maintenance.check(made)
    assert (found.rule, found.file) == ("part_unreadable", path)
