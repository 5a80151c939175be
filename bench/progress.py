"""The progress site over many contributions: the first night, a night on which nothing changed, and one with ten new.

Contributions are copies of a packed one under other ids, with as many images as it has.
"""

import argparse
import datetime as dt
import resource
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from builders import collection, contribution
from small import deliver, pack, pictures

from aqqua_dataset import schema
from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.progress import build, cells, ledger

PART_ROWS = 20_000
NIGHT = dt.datetime(2026, 11, 21, 1, 0, tzinfo=dt.UTC)


def copies(made: Collection, names: list[str]) -> None:
    """Manifests under new ids that point to the tables of the one that was packed; the ledger counts them all."""
    warehouse = made.warehouse
    for name in names:
        for stage in ("rows", "core", "images", "quality"):
            told = warehouse.read_json(f"contributions/template/{stage}.json")
            warehouse.write_json(f"contributions/{name}/{stage}.json", {**told, "key": f"{told['key']}-{name}"})
    rows = [
        dict.fromkeys(schema.arrow("ledger").names, 100)
        | {"contribution_id": name, "state": "received", "instrument": "zooscan", "withheld_reason": None}
        for name in sorted(made.registry.contributions)
    ]
    table = pa.Table.from_pylist(rows, schema.arrow("ledger"))
    warehouse.write_parquet(ledger.TABLE, table, table.schema)


def large(made: Collection, rows: int) -> cells.CellTask:
    """One task over generated tables: full parts of core and quality, full shards."""
    warehouse, random = made.warehouse, np.random.default_rng(1)
    task = cells.CellTask(warehouse, "large", [], [], [])
    for part in range(rows // PART_ROWS):
        ids = pa.array([f"{uuid.UUID(int=part * PART_ROWS + n)}" for n in range(PART_ROWS)])
        flags = pa.array([["ON_LAND"] if n % 50 == 0 else [] for n in range(PART_ROWS)], pa.list_(pa.string()))
        places = {
            name: pa.array(random.uniform(-most, most, PART_ROWS))
            for name, most in (("longitude", 180), ("latitude", 90))
        }
        columns = {"image_id": ids, "instrument_id": pa.array(["ifcb"] * PART_ROWS), **places}
        core, quality = pa.table(columns), pa.table({"image_id": ids, "qc_flags": flags})
        for path, table, urls in ((f"core-{part}", core, task.core), (f"quality-{part}", quality, task.quality),
                                  (f"index-{part}", core.select(["image_id"]), task.shards)):  # fmt: skip
            warehouse.write_parquet(f"large/{path}.parquet", table, table.schema)
            urls.append(warehouse.url(f"large/{path}.parquet"))
    return task


def measured(what: str, run: Callable[[], object]) -> None:
    """Runs once and prints wall and CPU seconds of this process."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    run()
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"| {what} | {wall:.2f} | {cpu:.2f} | {after.ru_maxrss / 1024:.0f} |", flush=True)


def main() -> None:
    """Builds the collection in a folder that is thrown away and measures three nights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contributions", type=int, default=300)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large task")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    names = [f"c{n:05d}" for n in range(options.contributions)]
    try:
        deliver(folder / "template", "template", pictures(1, options.images))
        wanted = [contribution(name, folder / "template") for name in names]
        only = collection(folder, contribution("template", folder / "template"))
        pack(only)
        made = collection(folder, *wanted)
        copies(made, names)
        print(f"{options.contributions} contributions of {options.images} images\n")
        print("| night | s | CPU s | MB |\n|---|---:|---:|---:|")
        measured("first", lambda: build.update(made, SerialExecutor(), 1, NIGHT))
        measured("nothing changed", lambda: build.update(made, SerialExecutor(), 1, NIGHT + dt.timedelta(days=1)))
        for name in names[:10]:
            made.warehouse.remove(f"{cells.FOLDER}/{name}.json")
        measured("ten changed", lambda: build.update(made, SerialExecutor(), 1, NIGHT + dt.timedelta(days=2)))
        measured("  of it the cells", lambda: cells.refresh(made, SerialExecutor(), 1))
        task = large(made, options.rows)
        measured(f"one task of {options.rows:,} images", lambda: cells.count_task(task))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
