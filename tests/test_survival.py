"""Killed processes and a full disk: the same bytes in the end, and nothing half-written is ever read."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from builders import collection, contribution
from disks import mount
from disks import small_disk as small_disk
from test_release import deliver

from aqqua_dataset import pipeline
from aqqua_dataset.compute import open_executor
from aqqua_dataset.images import pack as packing
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.sources import rows
from aqqua_dataset.space import NoSpace
from aqqua_dataset.warehouse import Warehouse

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("store", ["local", "s3"])
def test_killed_packing_ends_with_the_same_bytes_and_nothing_left_over(store: str) -> None:
    command = [sys.executable, "bench/kills.py", "--kills", "10", "--images", "30", "--store", store]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert f"{store}: 10 kills" in run.stdout


def pack(made: Collection, executor: str) -> str:
    with open_executor(executor) as (workers, count):
        pipeline.read_rows(made, "net")
        return pipeline.pack_images(made, "net", workers, count, lambda _: None).outcome


def files(made: Collection) -> dict[str, bytes]:
    base = Path(made.warehouse.root)
    return {p.relative_to(base).as_posix(): p.read_bytes() for p in base.rglob("*") if p.is_file()}


@pytest.mark.parametrize("executor", ["serial", "processes:2"])
def test_a_full_disk_is_said_and_packing_goes_on_when_there_is_space(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    monkeypatch.setattr(rows, "ROWS_PER_PART", 10)
    monkeypatch.setattr(packing, "PARTS_PER_SHARD", 2)
    deliver(tmp_path / "net", 7, 160, "n")
    plain = collection(tmp_path, contribution("net", tmp_path / "net"))
    assert pack(plain, "serial") == "done"
    whole = files(plain)
    tight = replace(plain, warehouse=Warehouse(str(small_disk / "warehouse")))
    with pytest.raises(NoSpace, match="free some and start again"):
        pack(tight, executor)
    written = files(tight)
    assert "contributions/net/images.json" not in written
    assert {n: d for n, d in written.items() if whole.get(n) != d} == {}  # nothing is there under its name but whole
    assert any(n.endswith(".tar") for n in written)  # whichever of two workers was first
    assert mount("-o", "remount,size=64m", str(small_disk))
    assert pack(tight, executor) == "done"
    assert files(tight) == whole
