"""Search for near duplicates over millions of fingerprints: rows/s, memory, disk, and recall of planted pairs.

    python bench/dedup_near.py --rows 10000000 --real FOLDER --work FOLDER
    env/bin/python bench/dedup_near_peers.py FOLDER         # faiss and imagededup on the same fingerprints

``--real`` makes the bits as dependent on each other as those of real images: normal numbers with the correlations of
the fingerprints of all pictures in the folder, cut at each bit's share. Without it bits are independent. Pairs are
planted across contributions at fixed distances; which bits are turned follows the shares measured when real images
are re-encoded and scaled (2 % of the lowest frequencies, 12 % of the highest), or is even (``even``).
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import builders

from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup import near
from aqqua_dataset.images import content
from aqqua_dataset.images.decode import BadImage, decode
from aqqua_dataset.images.fingerprint import near_hashes, thumbnail
from aqqua_dataset.images.normalise import without_frame
from aqqua_dataset.pipeline import Collection

DISTANCES = (8, 16, 24, 31, 40)
PLANTED = 1_000
CONTRIBUTIONS = 20
_PIECE = 100_000
Bits = npt.NDArray[np.bool_]


def main() -> None:
    """Makes the fingerprints unless they are there, searches, and prints what it cost and found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--real", type=Path, help="folder of real images")
    parser.add_argument("--work", type=Path, required=True, help="folder for the fingerprints and the warehouse")
    options = parser.parse_args()
    if not (options.work / "planted.json").exists():
        make(options.work, options.rows, options.real)
    collection = opened(options.work)
    collection.warehouse.remove("dedup")
    with open_executor(f"processes:{options.workers}") as (executor, workers), Watch() as watch:
        numbers = near.search(collection, executor, workers)
    print(json.dumps(numbers))
    files = collection.warehouse.find(near.FOLDER)
    disk = sum(collection.warehouse.size(f) for f in files) / 2**30
    rows, wall, cpu = numbers["images"], watch.wall, watch.cpu
    print(
        f"{rows:,} fingerprints: {wall:,.0f} s ({rows / wall:,.0f}/s), "
        f"{cpu:,.0f} s CPU ({rows / cpu:,.0f} per CPU second)"
    )
    print(f"peak memory of all processes {watch.memory / 2**30:.2f} GiB; {disk:.2f} GiB on disk afterwards")
    recall(collection, options.work)


class Watch:
    """Wall time, processor time and memory of this process and all below it, looked at ten times a second."""

    def __init__(self) -> None:
        self.wall = self.memory = 0.0
        self._used: dict[str, float] = {}
        self._ended = threading.Event()

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._look)
        self._started, self._before = time.perf_counter(), time.process_time()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._started
        self._ended.set()
        self._thread.join()

    @property
    def cpu(self) -> float:
        return sum(self._used.values()) - self._before

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            family, resident = {str(os.getpid())}, 0
            stats = {}
            for path in Path("/proc").glob("[0-9]*/stat"):
                with contextlib.suppress(OSError):
                    stats[path.parent.name] = path.read_text().rpartition(")")[2].split()
            for pid in sorted(stats, key=int):
                if stats[pid][1] in family:
                    family.add(pid)
            for pid in family & stats.keys():
                self._used[pid] = (int(stats[pid][11]) + int(stats[pid][12])) / os.sysconf("SC_CLK_TCK")
                resident += int(stats[pid][21]) * os.sysconf("SC_PAGE_SIZE")
            self.memory = max(self.memory, resident)


def opened(work: Path) -> Collection:
    """The collection that ``make`` wrote."""
    return builders.collection(work, *(builders.contribution(f"bench-{n:02d}", None) for n in range(CONTRIBUTIONS)))


def make(work: Path, rows: int, real: Path | None) -> None:
    """Writes fingerprints as contributions whose core and index have the columns that a search reads."""
    rng = np.random.default_rng(1)
    work.mkdir(parents=True, exist_ok=True)
    draw = dependent(real, rng) if real else lambda count: rng.random((count, 256)) < 0.5
    each = rows // CONTRIBUTIONS
    planted: dict[str, list[tuple[str, str]]] = {}
    waiting: list[tuple[str, str, Bits]] = []
    warehouse = opened(work).warehouse
    with (work / "hashes.bin").open("wb") as plain:
        for number in range(CONTRIBUTIONS):
            bits = np.concatenate([draw(min(_PIECE, each - start)) for start in range(0, each, _PIECE)])
            ids = near._texts(rng.integers(0, 1 << 63, (each, 2), np.uint64)).to_pylist()
            for place, (kind, other, turned) in enumerate(waiting):
                bits[place] = turned
                planted.setdefault(kind, []).append((ids[place], other))
            last = bits[-2 * len(DISTANCES) * PLANTED // 10 :]
            waiting = plant(last, ids, rng) if number % 2 == 0 else []
            packed = np.packbits(bits, axis=1)
            plain.write(packed.tobytes())
            save(warehouse.url(f"contributions/bench-{number:02d}"), ids, packed, number)
            for stage in ("core", "images"):
                folder = f"contributions/bench-{number:02d}/{stage}-1"
                made = {"key": "1", "folder": folder, "parts": [each]}
                warehouse.write_json(f"contributions/bench-{number:02d}/{stage}.json", made)
    (work / "planted.json").write_text(json.dumps(planted))


def plant(bits: Bits, ids: list[str], rng: np.random.Generator) -> list[tuple[str, str, Bits]]:
    """Copies of the last rows with some bits turned: what kind, of which image, and the bits."""
    row, column = np.divmod(np.arange(256), 16)
    shares = 0.02 + 0.10 * (row + column) / 30
    found = []
    last = ids[-len(bits) :]
    for place, (image_id, one) in enumerate(zip(last, bits, strict=True)):
        distance = DISTANCES[place % len(DISTANCES)]
        even = place // len(DISTANCES) % 2
        turned = rng.choice(256, distance, False, None if even else shares / shares.sum())
        copy = one.copy()
        copy[turned] = ~copy[turned]
        found.append((f"{distance} {'even' if even else 'real'}", image_id, copy))
    return found


def save(folder: str, ids: list[str], packed: npt.NDArray[np.uint8], number: int) -> None:
    """Core and index of one contribution: events of 500 images."""
    place = np.arange(len(ids))
    digits = packed.tobytes().hex()
    columns = {
        "core-1/core-00000.parquet": {
            "image_id": ids,
            "event_id": [f"{number} {p // 500}" for p in place],
            "datetime_utc": pa.array(place * 2000, pa.timestamp("ms", tz="UTC")),
        },
        "images-1/shard-00000.parquet": {
            "image_id": ids, "near_hash": [digits[i : i + 64] for i in range(0, len(digits), 64)],
        },
    }  # fmt: skip
    for name, values in columns.items():
        (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(values), Path(folder) / name, compression="zstd")


def dependent(folder: Path, rng: np.random.Generator) -> Callable[[int], Bits]:
    """Draws bits with the shares and correlations of the fingerprints of real images."""
    thumbnails = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".png", ".jpg", ".tif"):
            try:
                image = decode(path.read_bytes(), small_enough)
            except BadImage:
                continue
            thumbnails.append(thumbnail(without_frame(content.greys(image.pixels, image.grey).pixels)))
    hashes = sorted(set(near_hashes(thumbnails)))
    print(f"{len(hashes)} distinct fingerprints of real images")
    bits = np.unpackbits(np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32), axis=1)
    shares = bits.mean(axis=0).clip(0.02, 0.98)
    seen = np.nan_to_num(np.corrcoef(bits.T.astype(float)))
    # A few hundred images: correlations are drawn towards none, so that the matrix stays one of correlations.
    values, vectors = np.linalg.eigh(0.8 * np.sin(np.pi / 2 * seen) + 0.2 * np.eye(256))
    mix = (vectors * np.sqrt(values.clip(1e-4))).astype(np.float32)
    mix /= np.sqrt((mix**2).sum(axis=1, keepdims=True))
    cut = np.array([statistics.NormalDist().inv_cdf(s) for s in shares], np.float32)
    return lambda count: rng.standard_normal((count, 256), np.float32) @ mix.T < cut


def small_enough(width: int, height: int) -> None:
    """Leaves whole scans out."""
    if width * height > 4_000_000:
        raise BadImage("image_too_large")


def recall(collection: Collection, work: Path) -> None:
    """Prints which share of the planted pairs was found, and how many others were proposed."""
    planted = json.loads((work / "planted.json").read_text())
    table = collection.warehouse.read_parquet(near.CANDIDATES, ["image_id", "other_image_id"])
    found = set(zip(*(table[c].to_pylist() for c in table.column_names), strict=True))
    for kind, pairs in sorted(planted.items(), key=lambda item: (item[0].split()[1], int(item[0].split()[0]))):
        hits = sum((min(p), max(p)) in found for p in pairs)
        distance, spread = kind.split()
        print(f"planted, {spread} bits, distance {distance:>2}: {hits:,} of {len(pairs):,} ({hits / len(pairs):.3f})")
    others = found - {(min(p), max(p)) for pairs in planted.values() for p in pairs}
    print(f"other candidates: {len(others):,}")


if __name__ == "__main__":
    main()
