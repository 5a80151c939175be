"""faiss and imagededup on the fingerprints of ``dedup_near.py``; needs an environment of its own with both.

    env/bin/python bench/dedup_near_peers.py FOLDER --rows 1000000

Each looks for 1,000 fingerprints of which 31 bits were turned, as when images are encoded again, and all within that
distance. imagededup knows 64 bits only: it gets the lowest frequencies, 8 bits turned and 20,000 rows, all with all.
"""

import argparse
import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

QUERIES, DISTANCE = 1_000, 31
Bytes = npt.NDArray[np.uint8]


def main() -> None:
    """Prints time and recall of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    rows: Bytes = np.fromfile(options.folder / "hashes.bin", np.uint8, options.rows * 32).reshape(-1, 32)
    faiss.omp_set_num_threads(1)
    queries = turned(rows[:QUERIES])
    flat = faiss.IndexBinaryFlat(256)
    several = faiss.IndexBinaryMultiHash(256, 16, 16)
    several.nflip = 1
    graph = faiss.IndexBinaryHNSW(256, 16)
    for name, index, taken in (("flat", flat, 100), ("multi-hash 16 x 16, 1 flip", several, QUERIES)):
        report(name, index, rows, functools.partial(within, index, queries[:taken]))
    report("HNSW 16", graph, rows[:100_000], lambda: nearest(graph, queries))
    deduplicate(rows[:20_000])
    sys.stdout.flush()


def turned(rows: Bytes) -> Bytes:
    """Copies with ``DISTANCE`` bits turned, high frequencies sooner."""
    rng = np.random.default_rng(1)
    row, column = np.divmod(np.arange(256), 16)
    shares = 0.02 + 0.10 * (row + column) / 30
    bits = np.unpackbits(rows, axis=1)
    for one in bits:
        one[rng.choice(256, DISTANCE, False, shares / shares.sum())] ^= 1
    return np.packbits(bits, axis=1)


def within(index: faiss.IndexBinary, queries: Bytes) -> tuple[int, int]:
    """Queries asked, and those whose original was among all within the distance."""
    ends, _, found = index.range_search(queries, DISTANCE + 1)
    return len(queries), sum(n in found[ends[n] : ends[n + 1]] for n in range(len(queries)))


def nearest(index: faiss.IndexBinary, queries: Bytes) -> tuple[int, int]:
    """The same by the ten nearest, for an index that knows no distance."""
    _, found = index.search(queries, 10)
    return len(queries), sum(n in found[n] for n in range(len(queries)))


def report(name: str, index: faiss.IndexBinary, rows: Bytes, ask: Callable[[], tuple[int, int]]) -> None:
    """Builds, asks, and prints processor seconds."""
    started = time.process_time()
    index.add(rows)
    built, started = time.process_time() - started, time.process_time()
    asked, hits = ask()
    used = time.process_time() - started
    print(
        f"{name}: {len(rows):,} rows, built in {built:.1f} s CPU; {asked / used:,.0f} queries per CPU second, "
        f"{hits:,} of {asked:,} found; all with all {built + len(rows) * used / asked:,.0f} s CPU",
        flush=True,
    )


def deduplicate(rows: Bytes) -> None:
    """imagededup's search over 64-bit hashes."""
    from imagededup.methods import PHash

    low = np.unpackbits(rows, axis=1).reshape(-1, 16, 16)[:, :8, :8].reshape(-1, 64)
    hashes = {str(n): np.packbits(one).tobytes().hex() for n, one in enumerate(low)}
    started = sum(os.times()[:4])  # it starts processes of its own
    found = PHash(verbose=False).find_duplicates(encoding_map=hashes, max_distance_threshold=10)
    used = sum(os.times()[:4]) - started
    flagged = sum(1 for others in found.values() if others)
    print(f"imagededup, 64 bits, distance 10: {len(rows):,} rows, {used:,.1f} s CPU; {flagged:,} distinct ones flagged")


if __name__ == "__main__":
    main()
