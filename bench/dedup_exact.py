"""Cost of finding exact copies among fingerprints: rows per second, peak memory, what spills to disk.

    python bench/dedup_exact.py [--rows 5000000] [--contributions 10] [--buckets 1 16] [--memory 4GB]

Fingerprints are made as contributions of equal size would have left them; every tenth image is a copy of one in another
contribution, which is more than any collection is expected to hold. ``make`` is the bench's own cost of writing them
and isn't counted. ``buckets`` is the pass over all buckets, each a task; ``decide`` the one process that follows:
links, the sorted table of copies, the links between units; ``splits`` the split of all units. Peak memory is that of
one worker, and spilled bytes are what lies in its folder of temporary files at most, looked at ten times a second.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from aqqua_dataset.pipeline import Collection

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

EVENT = 3_000  # images of one haul or bin


def main() -> None:
    """Prints one line per step and number of buckets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--contributions", type=int, default=10)
    parser.add_argument("--buckets", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--folder", help="keep the fingerprints here, and take those that are there")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        step, folder, buckets = options.child
        print(json.dumps(child(step, Path(folder), int(buckets), options.memory)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.folder or scratch)
        if not (folder / "made").exists():
            started = time.perf_counter()
            make(folder, options.rows, options.contributions)
            print(f"make: {time.perf_counter() - started:.0f} s", flush=True)
        size = sum(f.stat().st_size for f in (folder / "warehouse/dedup/fingerprints").rglob("images-*.parquet"))
        print(f"{options.rows:,} fingerprints, {size / options.rows:.1f} bytes each on disk, memory {options.memory}")
        print("step      buckets        rows    seconds   CPU s     rows/s  rows/CPU s   peak MB  spilled MB")
        for buckets in options.buckets:
            for step in ("buckets", "decide", "splits"):
                report(step, buckets, options.rows, run(step, folder, buckets, options.memory))


def run(step: str, folder: Path, buckets: int, memory: str) -> dict[str, float]:
    """One step in a process of its own, so that peaks of memory don't mix, with its spilled bytes watched."""
    spill = folder / "tmp"
    spill.mkdir(exist_ok=True)
    command = [sys.executable, __file__, "--memory", memory, "--child", step, str(folder), str(buckets)]
    most, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            most[0] = max(most[0], _bytes_under(spill))

    watcher = threading.Thread(target=watch)
    watcher.start()
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(spill)})
    done.set()
    watcher.join()
    found: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return found | {"spilled": most[0]}


def _bytes_under(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:  # DuckDB has removed it meanwhile
            continue
    return total


def report(step: str, buckets: int, rows: int, found: dict[str, float]) -> None:
    """One line of the table."""
    seconds, cpu = found["seconds"], found["cpu"]
    print(
        f"{step:10}{buckets:7}{rows:12,}{seconds:11.1f}{cpu:8.1f}{rows / seconds:11,.0f}{rows / cpu:12,.0f}"
        f"{found['peak'] / 1024:10,.0f}{found['spilled'] / 1e6:12,.0f}",
        flush=True,
    )


def child(step: str, folder: Path, buckets: int, memory: str) -> dict[str, float]:
    """Runs one step and measures it from inside."""
    from aqqua_dataset import warehouse
    from aqqua_dataset.dedup import exact, fingerprints, groups, splits

    warehouse.DUCKDB_MEMORY = memory
    made = bench_collection(folder)
    manifests = fingerprints.present(made)
    if step == "buckets":
        terms = dict.fromkeys(made.registry.contributions, 0)
        exact._write_plan(made, manifests, terms, buckets)
        made.warehouse.remove(groups.FOLDER)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    if step == "buckets":
        for bucket in range(buckets):
            groups.group_bucket(groups.BucketTask(made.warehouse, exact._PLAN, bucket))
    elif step == "decide":
        exact._decide(made, buckets)
    else:
        made.warehouse.remove("dedup/splits.json")
        splits.write_splits(made)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu": cpu, "peak": after.ru_maxrss}


def bench_collection(folder: Path) -> "Collection":
    """A collection with the contributions that ``make`` made."""
    from builders import collection, contribution

    names = json.loads((folder / "made").read_text()) if (folder / "made").exists() else []
    return collection(folder, *(contribution(name, ".") for name in names))


def make(folder: Path, rows: int, contributions: int) -> None:
    """Writes fingerprints: of every ten images of a contribution one has the key of an image of the one before it."""
    from aqqua_dataset.dedup import fingerprints

    made = bench_collection(folder)
    each = rows // contributions
    names = [f"c{number:04d}" for number in range(contributions)]
    for number, name in enumerate(names):
        with duckdb.connect() as connection:
            connection.execute("set threads = 2; set memory_limit = '6GB'")
            connection.execute(f"set temp_directory = '{folder / 'make'}'")
            connection.execute(
                f"""create temp table images as
                with keyed as (
                    select i, case when i % 10 = 0 and {number} > 0 then {(number - 1) * each} + i + 1
                                   else {number * each} + i end as picture
                    from range({each}) r(i)
                )
                select concat_ws('-', substr(h, 1, 8), substr(h, 9, 4), '5' || substr(h, 14, 3),
                                 'a' || substr(h, 18, 3), substr(h, 21, 12)) as image_id,
                       '{name}' as contribution_id, hash(picture) as key_high,
                       hash(picture, 1) as key_low, hash(picture, 2) as pixel_head,
                       hash(picture, i % 3, 3) as bytes_head, (hash(i) % 4096)::int as standing,
                       hash('{name}', i // {EVENT}) as unit_key, null::varchar as variant_of,
                       false as stands_for_variants
                from (select *, md5('{name}/' || i) as h from keyed)"""
            )
            home = f"{fingerprints.FOLDER}/{name}/bench"
            counts = fingerprints._write_files(made.warehouse, connection, home, "images", fingerprints.FILE_ROWS)
        manifest = {"contribution": name, "key": "bench", "folder": home, "images": counts, "ids": [0]}
        made.warehouse.write_json(f"{fingerprints.FOLDER}/{name}/fingerprints.json", manifest)
    (folder / "made").write_text(json.dumps(names))


if __name__ == "__main__":
    main()
