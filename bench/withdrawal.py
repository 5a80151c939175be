"""What it costs to take one contribution of many back: bytes and time of the next release, and that it is the same
as one built from nothing.

    python bench/withdrawal.py [--contributions 1000] [--images 20]

One contribution goes all the way from its delivery; the others are packed like it, with pictures (about 10 kB) and ids
of their own. Every tenth shares a picture with the one before it. One process; times are CPU seconds.
"""

import argparse
import datetime as dt
import hashlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from builders import collection, contribution
from small import PUBLIC, build, changed, deliver, multiply, with_core_team, withdrawn

from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.demo.draw import organism
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.release.absence import proof_of_absence
from aqqua_dataset.release.build import Release
from aqqua_dataset.warehouse import Warehouse

Result = TypeVar("Result")

MINOR = replace(PUBLIC, version="1.1.0", date=dt.date(2027, 10, 1))
LATER = dt.datetime(2027, 10, 2, 12, tzinfo=dt.UTC)


def main() -> None:
    """Prints one line per step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contributions", type=int, default=1000)
    parser.add_argument("--images", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        made = timed("packed", lambda: packed(home, options.contributions, options.images))
        gone = f"haul-{options.contributions // 20 * 10 - 1:05}"  # its last picture is also in the next one
        first = released(made, "1.0.0", lambda: build(made, PUBLIC))
        after = changed(made, withdrawn(made.registry.contributions[gone]))
        second = released(after, "1.1.0", lambda: build(after, MINOR, LATER))
        shards(made, first, second)
        proof = timed("proof of absence", lambda: proof_of_absence(after, second.folder, gone, SerialExecutor(), 1))
        print(
            f"  {proof.files:,} files, {sum(proof.looked_for.values()):,} traces looked for, {len(proof.found)} found"
        )
        compare(home, after, first, second)


def packed(home: Path, contributions: int, images: int) -> Collection:
    """The collection before the first release."""
    rng = np.random.default_rng(7)
    given: dict[str, list[bytes]] = {}
    last: list[bytes] = []
    for number in range(contributions):
        pictures = [picture(rng) for _ in range(images)]
        if number and number % 10 == 0:
            pictures[0] = last[-1]
        given[f"haul-{number:05}"] = last = pictures
    made = collection(home, *(contribution(n, home / n) for n in given))
    made = replace(made, registry=with_core_team(*made.registry.contributions.values()))
    template = next(iter(given))
    deliver(home / template, template, given[template])
    run_contribution(made, template, SerialExecutor(), 1, lambda _: None)
    multiply(made, template, {n: p for n, p in given.items() if n != template})
    return made


def picture(rng: np.random.Generator) -> bytes:
    """A drawn organism with noise, about 10 kB as PNG."""
    pixels = organism(rng, 120, 110).astype(np.int16)
    pixels += rng.normal(0, 6, pixels.shape).astype(np.int16)
    stream = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def timed(what: str, step: Callable[[], Result]) -> Result:
    """Runs a step and prints its CPU and wall time."""
    cpu, wall = time.process_time(), time.monotonic()
    result = step()
    print(f"{what}: {time.process_time() - cpu:,.1f} CPU s, {time.monotonic() - wall:,.1f} s", flush=True)
    return result


def released(made: Collection, what: str, step: Callable[[], Release]) -> Release:
    """Builds, and prints what was written of how much."""
    before = made.warehouse.bytes_written
    release = timed(f"release {what}", step)
    written = made.warehouse.bytes_written - before
    files = [p for p in Path(made.warehouse.url(release.folder)).rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in files)
    print(
        f"  {release.facts.image_count:,} images; {len(files):,} files of {size:,} bytes, of these "
        f"{release.facts.image_bytes:,} in shards; written {written:,}; rewritten shards: {release.shards_rewritten}",
        flush=True,
    )
    return release


def shards(made: Collection, first: Release, second: Release) -> None:
    """Prints how many shards of the second release are the same files as those of the first."""
    old, new = (
        {p.relative_to(folder): p.stat().st_ino for p in folder.rglob("*.tar")}
        for folder in (Path(made.warehouse.url(r.folder)) for r in (first, second))
    )
    same = sum(old.get(path) == inode for path, inode in new.items())
    print(f"  shards: {len(old):,} before, {len(new):,} after, {same:,} the same file", flush=True)


def compare(home: Path, made: Collection, first: Release, second: Release) -> None:
    """Builds the second release again where nothing of the first is but its records, and compares every file."""
    fresh = Warehouse(str(home / "fresh"))
    for path in made.warehouse.find("contributions"):
        fresh.write_bytes(path, made.warehouse.open(path).read())
    for name in ("RELEASED.json", "ledger.parquet", "attribution.parquet"):
        fresh.write_bytes(f"{first.folder}/{name}", made.warehouse.open(f"{first.folder}/{name}").read())
    again = replace(made, warehouse=fresh)
    find_duplicates(again)
    rebuilt = released(again, "1.1.0 from nothing", lambda: build(again, MINOR, LATER))
    one, two = (digests(w, r) for w, r in ((made.warehouse, second), (fresh, rebuilt)))
    print(
        f"  files: {len(one):,}; different: {sum(one.get(n) != d for n, d in two.items()) + len(set(one) - set(two))}"
    )


def digests(warehouse: Warehouse, release: Release) -> dict[str, str]:
    """SHA-256 of every file by its path inside the release."""
    paths = warehouse.find(release.folder)
    return {p.removeprefix(release.folder): hashlib.sha256(warehouse.open(p).read()).hexdigest() for p in paths}


if __name__ == "__main__":
    main()
