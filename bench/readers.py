"""Reading cost of every format: images per second, peak memory at 1x and 10x the size, and a yardstick.

    python bench/readers.py [--objects 1000] [format ...]

Deliveries are made by the tests' writers. ``read`` is the time to turn the delivery into rows, image bytes not
included; ``pack`` adds reading, verifying and storing every image. The yardstick in the same run is the time to list
the delivery and read all its files' bytes once: ``x bytes`` says how many times that long reading the rows takes.
Memory is the peak of the whole process above an idle process that has imported the same modules; flat memory shows
as equal numbers at 1x and 10x.
"""

import argparse
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


def main() -> None:
    """Prints one line per format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*")
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(*options.child)))
        return
    from aqqua_dataset.sources import READERS

    print("format          images   read/s 1x  read/s 10x  x bytes   MB 1x  MB 10x   pack/s")
    for name in options.formats or READERS:
        with tempfile.TemporaryDirectory() as folder:
            small, large = Path(folder, "1x"), Path(folder, "10x")
            writer = importlib.import_module(f"writers.{name}")
            writer.write(small, options.objects)
            writer.write(large, 10 * options.objects)
            one, ten = child(name, small, "read"), child(name, large, "read")
            packed = child(name, small, "pack")
        rates = one["rows"] / one["read"], ten["rows"] / ten["read"], packed["rows"] / packed["pack"]
        print(
            f"{name:14}{ten['rows']:8,}{rates[0]:12,.0f}{rates[1]:12,.0f}{ten['read'] / ten['bytes']:9.1f}"
            f"{one['peak']:8.0f}{ten['peak']:8.0f}{rates[2]:9,.0f}",
            flush=True,
        )


def child(name: str, folder: Path, what: str) -> dict[str, float]:
    """Measures in a process of its own, so that peaks of memory don't mix."""
    command = [sys.executable, __file__, "--child", name, str(folder), what]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(name: str, folder: str, what: str) -> dict[str, float]:
    """Seconds for the bytes and the rows (and packing), number of rows, peak memory in MB above the idle process."""
    from aqqua_dataset.images import pack
    from aqqua_dataset.registry.models import Source
    from aqqua_dataset.sources import reader, rows
    from aqqua_dataset.transfer.delivery import Delivery
    from aqqua_dataset.warehouse import Warehouse

    module = importlib.import_module(f"writers.{name}")
    source = Source(format=name, location=folder, **getattr(module, "SOURCE", {}))
    reader(name)
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    with Delivery(folder) as delivery:
        for file in delivery.files():
            with delivery.open(file.path) as stream:
                while stream.read(1 << 20):
                    pass
    found = {"bytes": time.perf_counter() - started}
    started = time.perf_counter()
    with Delivery(folder) as delivery:
        found["rows"] = sum(len(chunk) for chunk in reader(name).read(delivery, source, lambda _: None))
    found["read"] = time.perf_counter() - started
    found["peak"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) / 1024
    if what == "pack":
        with tempfile.TemporaryDirectory() as scratch:
            warehouse = Warehouse(scratch)
            with Delivery(folder) as delivery:
                parts = rows.write_rows(warehouse, "rows", delivery, source, "bench", lambda _: None)
            started = time.perf_counter()
            for shard, inside in enumerate(pack.shard_parts(len(parts), pack.PARTS_PER_SHARD)):
                pack.pack_shard(pack.PackTask(scratch, {}, folder, "bench", "rows", "images", shard, inside))
            found["pack"] = time.perf_counter() - started
    return found


if __name__ == "__main__":
    main()
