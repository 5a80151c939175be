"""Workers that die, decoders that crash or hang, and the same bytes from every executor."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import deaths
import hostile
import numpy as np
import pytest
from builders import collection, contribution
from test_release import REHEARSAL, TODAY, deliver

from aqqua_dataset import pipeline
from aqqua_dataset.compute import Clock, LocalPool, WorkerDied, map_chunks, open_executor
from aqqua_dataset.config import Config
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.demo import write_deliveries
from aqqua_dataset.demo.draw import encode, organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.images import pack, suspects
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.release.build import build_release
from aqqua_dataset.sources import rows
from aqqua_dataset.workflow import open_collection, run_all, update_ledger

ROOT = Path(__file__).parent.parent
DASK = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


# --- executors


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    with LocalPool(2) as opened:
        yield opened


def test_a_chunk_whose_worker_died_is_run_again(pool: LocalPool, tmp_path: Path) -> None:
    marks = [str(tmp_path / f"{kind}{i}") for i, kind in enumerate(["once", "fine", "once", "fine", "fine"])]
    assert sorted(map_chunks(deaths.die_once, marks, pool, 2)) == [(m, m) for m in sorted(marks)]


def test_a_chunk_that_ends_every_worker_goes_to_the_last_resort_and_no_other_does(
    pool: LocalPool, tmp_path: Path
) -> None:
    marks = [str(tmp_path / name) for name in ("always", "fine1", "fine2", "fine3")]
    found = dict(map_chunks(deaths.die_once, marks, pool, 2, deaths.name_of))
    assert found == {m: m for m in marks[1:]} | {marks[0]: "carefully always"}


@pytest.mark.parametrize("last_resort", [None, deaths.die_once])
def test_a_chunk_that_nothing_helps_is_named(pool: LocalPool, tmp_path: Path, last_resort: object) -> None:
    with pytest.raises(WorkerDied, match=r"always ended [34] workers"):
        list(map_chunks(deaths.die_once, [str(tmp_path / "always")], pool, 2, last_resort))


def test_an_error_of_the_work_is_not_tried_again(pool: LocalPool) -> None:
    with pytest.raises(OSError, match="no space for 7"):
        list(map_chunks(deaths.fail, [7], pool, 2))


def test_chunks_are_taken_as_workers_get_free(pool: LocalPool) -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = map_chunks(deaths.double, source(), pool, 2)
    next(results)
    assert len(taken) <= 16  # eight in flight, and no more than that again while the first was waited for
    assert sum(1 for _ in results) == 99


def test_a_closed_pool_cancels_what_has_not_begun() -> None:
    began = threading.Event()
    pool = LocalPool(1)
    futures = [pool.submit(time.sleep, 0.3) for _ in range(3)]
    futures[0].add_done_callback(lambda _: began.set())
    pool.shutdown()
    assert began.wait(10)
    assert [f.cancelled() for f in futures] == [False, True, True]
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(deaths.double, 1)


@pytest.mark.parametrize("spec", ["threads", "processes:0", "processes:x", "tcp"])
def test_an_unknown_executor_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="expected serial, processes:N"), open_executor(spec):
        pass


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[]", "one of"), ("a: 1", "one of"), ("processes: 0", "expected"), ("slurm: {queue: x}", "needs jobs"),
     ("slurm: {jobs: 0}", "needs jobs"), ("{processes: 1, dask: tcp://a}", "one of")],
)  # fmt: skip
def test_a_wrong_yaml_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "compute.yaml").write_text(text)
    with pytest.raises(ValueError, match=problem), open_executor(str(tmp_path / "compute.yaml")):
        pass


def test_a_yaml_file_names_the_local_pool(tmp_path: Path) -> None:
    (tmp_path / "compute.yaml").write_text("processes: 1\n")
    with open_executor(str(tmp_path / "compute.yaml")) as (pool, workers):
        assert workers == 1
        assert dict(map_chunks(deaths.double, [1, 2], pool, workers)) == {1: 2, 2: 4}


def test_the_clock_tells_first_last_and_seldom_between() -> None:
    told: list[str] = []
    clock = Clock("net", 1000, told.append)
    for _ in range(100):
        clock.count(10)
    assert len(told) == 2
    assert told[0].startswith("net: 10 of 1,000 images, ")
    assert told[1].startswith("net: 1,000 of 1,000 images, ")
    assert told[1].endswith("/s, 0 s left")


# --- decoders that crash or hang


@pytest.fixture
def hostile_delivery(tmp_path: Path) -> Collection:
    names = ["a.png", "aborts.png", "b.png", "hangs.png", "c.png", "d.png"]
    rng = np.random.default_rng(3)
    write_files(tmp_path / "net", {"ecotaxa_n.tsv": ecotaxa_tsv([net_row("n", i, n) for i, n in enumerate(names)])})
    write_files(tmp_path / "net", {n: encode(organism(rng, 40, 30), "PNG") for n in names})
    return collection(tmp_path, contribution("net", tmp_path / "net"))


def test_only_the_image_that_crashes_or_hangs_a_decoder_is_lost(
    hostile_delivery: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hostile_delivery
    monkeypatch.setattr(rows, "ROWS_PER_PART", 2)  # three parts of one shard, with the two images in different ones
    monkeypatch.setattr(pack, "pack_shard", hostile.pack_shard)  # how workers get it: by reference
    monkeypatch.setattr(suspects, "pack_carefully", hostile.pack_carefully)
    with LocalPool(1) as pool:
        reports = pipeline.run_contribution(made, "net", pool, 1, lambda _: None)
    assert {r.stage: r.outcome for r in reports}["images"] == "done"
    folder = made.warehouse.read_json("contributions/net/images.json")["folder"]
    lost = made.warehouse.read_parquet(pack.rejected_path(folder, 0)).to_pylist()
    assert [(r["source_image_file"], r["reason"], r["value"]) for r in lost] == [
        ("aborts.png", "image_decoder_crashed", "the process ended with code -6"),
        ("hangs.png", "image_decoder_crashed", "no end within 5 s"),
    ]
    assert made.warehouse.read_parquet(pack.index_path(folder, 0)).num_rows == 4
    balance = update_ledger(made).to_pylist()[0]
    assert (balance["received"], balance["rejected"]) == (6, 2)


# --- the same bytes from every executor


def release_with(folder: Path, deliveries: Path, executor: str) -> dict[str, bytes]:
    """The rehearsal of the demo collection."""
    config = Config(ROOT / "contributor_registry", str(deliveries), str(folder / "warehouse"), executor)
    made, findings = open_collection(config)
    with open_executor(executor) as (workers, count):
        for _ in run_all(made, workers, count, progress=lambda _: None):
            pass
        find_duplicates(made)
        release = build_release(made, findings, REHEARSAL, TODAY, workers, count, lambda _: None)
    return {p: made.warehouse.open(p).read() for p in made.warehouse.find(release.folder)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """The demo's deliveries and the release that one process makes of them."""
    folder = tmp_path_factory.mktemp("demo")
    write_deliveries(folder / "deliveries")
    found = release_with(folder, folder / "deliveries", "serial")
    assert sum(p.endswith(".tar") for p in found) >= 6
    return folder / "deliveries", found


def test_two_processes_give_the_same_release(demo: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    deliveries, expected = demo
    assert release_with(tmp_path, deliveries, "processes:2") == expected


@DASK
def test_a_dask_cluster_gives_the_same_release(demo: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    from distributed import LocalCluster

    deliveries, expected = demo
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        assert release_with(tmp_path, deliveries, cluster.scheduler_address) == expected


@pytest.fixture
def slurm() -> Iterator[None]:
    """A real SLURM of one node (AQQUA_SLURM_START, or ../shared/slurm/start-slurm beside the checkout)."""
    starter = Path(os.environ.get("AQQUA_SLURM_START", ROOT.parent / "shared/slurm/start-slurm"))
    if not starter.exists():
        pytest.skip(f"no {starter}: set AQQUA_SLURM_START to a program that starts SLURM")
    if shutil.which("slurmctld") is None or os.geteuid() != 0:
        pytest.skip("SLURM isn't installed (slurmctld, slurmd, slurm-client, munge), or this isn't root")
    subprocess.run([starter], check=True, stdout=subprocess.DEVNULL, timeout=120)
    yield
    subprocess.run([starter, "stop"], check=True, timeout=60)


@DASK
def test_slurm_with_a_cancelled_job_gives_the_same_release(
    demo: tuple[Path, dict[str, bytes]], tmp_path: Path, slurm: None
) -> None:
    deliveries, expected = demo
    block = {
        "jobs": 2, "queue": "debug", "cores": 1, "processes": 1, "memory": "1GB", "interface": "lo",
        "walltime": "00:10:00", "local_directory": str(tmp_path), "log_directory": str(tmp_path / "logs"),
    }  # fmt: skip
    (tmp_path / "compute.yaml").write_text(json.dumps({"slurm": block}))
    cancelled: list[str] = []
    done = threading.Event()

    def cancel_one() -> None:
        shards = tmp_path / "warehouse/contributions"
        while not done.wait(0.05):
            running = subprocess.run(
                ["squeue", "-h", "-t", "R", "-o", "%i"], capture_output=True, text=True, check=True
            )
            # Whichever runs: where the machine is busy, the second worker joins after half of the work is done.
            if running.stdout.split() and any(shards.rglob("shard-*.tar")):
                cancelled.append(running.stdout.split()[0])
                subprocess.run(["scancel", cancelled[0]], check=True)
                return

    thread = threading.Thread(target=cancel_one)
    thread.start()
    try:
        found = release_with(tmp_path, deliveries, str(tmp_path / "compute.yaml"))
    finally:
        done.set()
        thread.join()
    assert len(cancelled) == 1
    assert found == expected


# --- incremental


def shards_of(made: Collection) -> list[Path]:
    folder = made.warehouse.read_json("contributions/net/images.json")["folder"]
    return sorted((Path(made.warehouse.root) / folder).glob("shard-*.tar"))


def pack_net(made: Collection, executor: str = "serial") -> None:
    with open_executor(executor) as (workers, count):
        pipeline.read_rows(made, "net")
        assert pipeline.pack_images(made, "net", workers, count, lambda _: None).outcome == "done"


def test_a_changed_image_packs_only_its_own_shard_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_PER_PART", 2)
    deliver(tmp_path / "net", 5, 40, "n")
    made = collection(tmp_path, contribution("net", tmp_path / "net"))
    pack_net(made)
    before = [p.stat().st_ino for p in shards_of(made)]
    (tmp_path / "net/n_25.png").write_bytes(encode(organism(np.random.default_rng(9), 33, 44), "PNG"))
    pack_net(made)
    after = [p.stat().st_ino for p in shards_of(made)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True]
    fresh = collection(tmp_path / "fresh", contribution("net", tmp_path / "net"))
    pack_net(fresh)
    base, other = Path(made.warehouse.root), Path(fresh.warehouse.root)
    files = {p.relative_to(base): p.read_bytes() for p in base.rglob("*") if p.is_file()}
    assert files == {p.relative_to(other): p.read_bytes() for p in other.rglob("*") if p.is_file()}


def test_a_shard_of_another_version_is_packed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(tmp_path / "net", 5, 4, "n")
    made = collection(tmp_path, contribution("net", tmp_path / "net"))
    pack_net(made)
    before = shards_of(made)[0].stat().st_ino
    monkeypatch.setitem(pipeline.VERSIONS, "images", 99)
    pack_net(made)
    assert shards_of(made)[0].stat().st_ino != before
