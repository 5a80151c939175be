"""What a task costs in itself: one process, the local pool, Dask; with small references and with lists of rows.

    python bench/executors.py [--tasks 400] [--rounds 5] [--workers 2]

The task does nothing. Each executor is open before the clock starts and all take turns, round after round; printed
are medians. A chunk of 1,000 images at 1,650 images/s takes 606 ms, of which the last column is the task's share.
"""

import argparse
import contextlib
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from aqqua_dataset.compute import map_chunks, open_executor

CHUNK_MS = 606


def nothing(_: Any) -> int:
    return 0


@contextlib.contextmanager
def dask(workers: int) -> Iterator[str]:
    """A scheduler with worker processes on this machine; yields its address."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def main() -> None:
    """Prints one line per executor and kind of chunk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kinds = {
        "reference": [(f"contributions/one/rows-{n}", n) for n in range(options.tasks)],
        "1,000 rows": [
            [(f"folder/of/a/delivery/image_{n}_{i}.png", n, i, "some metadata") for i in range(1000)]
            for n in range(options.tasks // 10)
        ],
    }
    times: dict[tuple[str, str], list[float]] = {}
    with contextlib.ExitStack() as opened:
        address = opened.enter_context(dask(options.workers))
        specs = {"serial": "serial", f"processes:{options.workers}": f"processes:{options.workers}", "Dask": address}
        executors = {name: opened.enter_context(open_executor(spec)) for name, spec in specs.items()}
        for turn in range(options.rounds + 1):
            for name, (executor, workers) in executors.items():
                for kind, chunks in kinds.items():
                    started = time.perf_counter()
                    done = sum(1 for _ in map_chunks(nothing, chunks, executor, workers))
                    if turn:  # the first starts the workers
                        times.setdefault((name, kind), []).append((time.perf_counter() - started) / done)
    print(f"{'executor':14}{'chunk':14}{'ms/task':>10}{'of a chunk':>12}")
    for (name, kind), values in times.items():
        each = statistics.median(values) * 1e3
        print(f"{name:14}{kind:14}{each:10.3f}{each / CHUNK_MS:12.2%}")


if __name__ == "__main__":
    main()
