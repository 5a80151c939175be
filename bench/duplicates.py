"""Precision and recall of meeting the same picture again, per way of changing it, with counts.

Real vignettes (AQQUA_REAL_DATA) and generated ones. The table is of the real pictures of odd numbers; ``--tuning``
takes the even ones. Run: python bench/duplicates.py
"""

import argparse
import hashlib
import itertools
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "bench")]

from generated import vignette
from known_duplicates import KEPT, REDRAWN, real_vignettes

from aqqua_dataset.dedup.verify import compare_cutouts, prepare
from aqqua_dataset.images import content, fingerprint
from aqqua_dataset.images.decode import Pixels
from aqqua_dataset.images.normalise import normal_hash, without_frame

#: Different bits of 256 up to which a near hash proposes a pair, in the table.
BITS = (31, 64)
#: Shorter side (px) from which on a picture is counted again as a large one.
LARGE = 40
#: Real pictures that are known to show what another one shows: PNGs of regions, a vignette published again.
COPIES = (
    "ifcb-new/7",
    "ifcb-new/8",
    "ifcb-new/9",
    "ifcb-new/10",
    "ifcb-new/11",
    "ifcb-new/12",
    "ifcb-new/13",
    "ecotaxa-doi/8",
)


def pixel_hash(pixels: Pixels) -> str:
    found = xxhash.xxh3_128(f"{pixels.shape}{pixels.dtype.str}".encode())
    found.update(np.ascontiguousarray(pixels).data)
    return str(found.hexdigest())


def near_bits(pictures: Sequence[Pixels]) -> npt.NDArray[np.uint8]:
    hashes = fingerprint.near_hashes([fingerprint.thumbnail(without_frame(content.greys(p).pixels)) for p in pictures])
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)


def distance(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return np.asarray(np.bitwise_count(one ^ other).sum(axis=-1, dtype=np.int64))


def recall(real: Sequence[tuple[str, Pixels]]) -> None:
    """One line per kind: how many of the changed pictures each fingerprint meets again."""
    pictures = [p for _, p in real]
    normal, near, cut = [normal_hash(p) for p in pictures], near_bits(pictures), [prepare(p) for p in pictures]
    print(f"{len(real)} pictures, {normal.count(None)} without normal_hash, {cut.count(None)} too small to compare")
    near_heads = [f"near <= {bits}" for bits in BITS]
    print("|", " | ".join(["kind", "pairs", "pixels", "normal_hash; large ones", *near_heads, "compare"]), "|")
    print("|---|---|---|---|---|---|---|")
    for kind, change in (KEPT | REDRAWN).items():
        changed = [change(p, np.random.default_rng(i)) for i, p in enumerate(pictures)]
        pixels = sum(pixel_hash(a) == pixel_hash(b) for a, b in zip(pictures, changed, strict=True))
        has = [(h, normal_hash(b)) for h, b in zip(normal, changed, strict=True) if h is not None]
        away = distance(near, near_bits(changed))
        said = Counter(
            compare_cutouts(a, prepare(b)).verdict for a, b in zip(cut, changed, strict=True) if a is not None
        )
        met = sum(a == b for a, b in has)
        sizes = [min(p.shape[:2]) for p in pictures]
        large = [a == normal_hash(b) for a, b, n in zip(normal, changed, sizes, strict=True) if a and n >= LARGE]
        print(
            f"| {kind} | {len(real)} | {pixels} "
            f"| {met} of {len(has)} ({met / len(has):.1%}); {sum(large)} of {len(large)} | "
            + " | ".join(f"{int((away <= bits).sum())}" for bits in BITS)
            + f" | {said['same']} / {said['unsure']} / {said['different']} |",
            flush=True,
        )


def precision(name: str, pictures: Sequence[Pixels], labels: Sequence[str], judged: int) -> None:
    """All pairs by their hashes, and the ``judged`` pairs with the nearest near hashes by their pixels."""
    groups: dict[str, dict[str, list[int]]] = {"pixels": defaultdict(list), "normal_hash": defaultdict(list)}
    for i, picture in enumerate(pictures):
        groups["pixels"][pixel_hash(picture)].append(i)
        found = normal_hash(picture)
        if found is not None:
            groups["normal_hash"][found].append(i)
    pairs = len(pictures) * (len(pictures) - 1) // 2
    print(f"\n{name}: {len(pictures)} distinct pictures, {pairs:,} pairs")
    for kind, by_hash in groups.items():
        merged = [g for g in by_hash.values() if len(g) > 1]
        wrong = sum(len(g) * (len(g) - 1) // 2 for g in merged)
        print(f"  {kind}: {wrong} pairs merged", [[labels[i] for i in g] for g in merged][:10])
    near = near_bits(pictures)
    one, other = np.triu_indices(len(pictures), 1)
    away = np.concatenate(
        [distance(near[a], near[b]) for a, b in zip(np.array_split(one, 64), np.array_split(other, 64), strict=True)]
    )
    print("  near hash:", ", ".join(f"{int((away <= bits).sum()):,} pairs within {bits}" for bits in BITS))
    hardest = np.argsort(away, kind="stable")[:judged]
    cut = [prepare(p) for p in pictures]
    said: Counter[str] = Counter()
    same = []
    start = time.process_time()
    for i, j in zip(one[hardest], other[hardest], strict=True):
        found_ = compare_cutouts(cut[i], cut[j])
        said[found_.verdict] += 1
        if found_.verdict == "same":
            same.append((labels[i], labels[j], found_.correlation, found_.residual, found_.rmse))
    took = (time.process_time() - start) / max(1, len(hardest))
    print(f"  compare on the {len(hardest):,} nearest: {dict(said)}, {1000 * took:.2f} ms of CPU a pair")
    for line in same:
        print("   same:", *line)


def speed(pictures: Sequence[Pixels]) -> None:
    """CPU time of one normal_hash and of one prepare."""
    normal_hash(pictures[0])
    for call in (normal_hash, prepare):
        start = time.process_time()
        for picture in pictures:
            call(picture)
        took = (time.process_time() - start) / len(pictures)
        print(
            f"{call.__name__}: {1e6 * took:.0f} us an image, mean of {np.mean([p.size for p in pictures]):,.0f} values"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, default=Path(os.environ.get("AQQUA_REAL_DATA", "")))
    parser.add_argument("--generated", type=int, default=3000, help="generated pictures, all pairs of them count")
    parser.add_argument("--judged", type=int, default=20_000, help="nearest pairs compared by pixels")
    parser.add_argument("--tuning", action="store_true", help="the other half of the real pictures")
    given = parser.parse_args()
    real = [(name, p) for name, p in real_vignettes(given.real) if min(p.shape[:2]) >= 2]
    half = real[0 if given.tuning else 1 :: 2]
    recall(half)
    distinct = [(name, p) for name, p in (half if given.tuning else real) if name not in COPIES]
    precision("real", [p for _, p in distinct], [n for n, _ in distinct], given.judged)
    random = np.random.default_rng(41)
    drawn = list(itertools.islice((p for p in _vignettes(random) if p.size < 60_000), given.generated))
    precision("generated", drawn, [hashlib.sha1(p).hexdigest()[:8] for p in drawn], given.judged)
    speed([p for _, p in real])
    speed(drawn)


def _vignettes(random: np.random.Generator) -> Iterator[npt.NDArray[np.uint8]]:
    while True:
        yield vignette(random, 10_500)


if __name__ == "__main__":
    main()
