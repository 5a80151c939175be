"""Pairs of 256-bit fingerprints that differ in few bits, without comparing all with all; arrays in, arrays out.

Two fingerprints are compared only if they agree in ``PREFIX_BITS + SHARED_BITS`` chosen bits, for one of
``PARTITIONS * BANDS`` choices (locality-sensitive hashing by bit sampling, Indyk and Motwani 1998). The bits are
those of low frequencies: re-encoding and scaling turn 1 to 5 % of them and 8 to 14 % of the high ones, measured on
real images (docs/duplicates.md), so that far fewer choices find the same pairs. The prefix of a partition is shared by
its bands and cuts the collection into 256 slices that can be searched independently of each other.

What many images share says nothing and could cost the square of their number: a fingerprint of more than
``MOST_EQUAL`` images is left out, and a row is compared with the ``WINDOW`` next ones of its bucket at most, those
first that agree in most of the bits that follow. Both are counted, never silent.
"""

import functools
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import xxhash

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PARTITIONS, PREFIX_BITS = 5, 8
BANDS, SHARED_BITS, ORDER_BITS = 10, 12, 12
MOST_EQUAL, WINDOW = 20, 128
SLICES = 1 << PREFIX_BITS
_SIDE, _PREFIX_FREQUENCY, _BAND_FREQUENCY = 16, 8, 12
#: Nearly the same in all images, for the object stands in the middle of the square.
_SKEWED = {(0, 0), (0, 2), (2, 0), (2, 2)}


class Neighbours(NamedTuple):
    """Pairs of rows and the bits in which each pair differs; how many rows stood in buckets above the window."""

    left: Rows
    right: Rows
    distance: npt.NDArray[np.int32]
    crowded: int


def prefixes(hashes: Words, partition: int) -> Words:
    """The slice of each row, 0 to 255, in one of the partitions."""
    return _key(hashes, _prefix_bits(partition))


def common(hashes: Words, salt: Words | None = None) -> Mask:
    """Which rows have a fingerprint that more than ``MOST_EQUAL`` rows have (of the same salt)."""
    mixed = np.zeros(len(hashes), np.uint64) if salt is None else salt * np.uint64(0x9E3779B97F4A7C15)
    for word, factor in enumerate((0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)):
        mixed = (mixed ^ hashes[:, word]) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(32)
    values, counts = np.unique(mixed, return_counts=True)
    return np.isin(mixed, values[counts > MOST_EQUAL])


def neighbours(
    hashes: Words, most: int, partition: int, *,
    owner: npt.NDArray[np.int32] | None = None, fresh: Mask | None = None, salt: Words | None = None,
) -> Neighbours:  # fmt: skip
    """Pairs of rows that differ in at most ``most`` bits, found by the bands of one partition.

    Args:
        hashes: n x 4 words, most significant first.
        most: bits.
        partition: 0 to ``PARTITIONS`` - 1.
        owner: pairs of rows with the same owner are left out.
        fresh: pairs without a fresh row are left out.
        salt: only rows of equal salt are compared; numbers below the number of rows.
    """
    found: list[tuple[Rows, Rows, npt.NDArray[np.int32]]] = []
    crowded = 0
    for band in range(BANDS):
        order, bucket = _sorted(hashes, partition, band, salt)
        order, bucket, full = _useful(order, bucket, owner, fresh)
        crowded += full
        found.append(_close(np.ascontiguousarray(hashes[order, :4]), order, bucket, most))
    left, right, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    keep = np.ones(len(left), bool)
    if owner is not None:
        keep &= owner[left] != owner[right]
    if fresh is not None:
        keep &= fresh[left] | fresh[right]
    _, first = np.unique((left[keep] << 32) | right[keep], return_index=True)
    return Neighbours(left[keep][first], right[keep][first], distance[keep][first], crowded)


def _sorted(hashes: Words, partition: int, band: int, salt: Words | None) -> tuple[Rows, Words]:
    """Rows in the order of a band's key, and the bucket of each; the row breaks ties, so any sort gives this order."""
    row_bits = max(1, (len(hashes) - 1).bit_length())
    spare = ORDER_BITS if salt is None else 0  # a salt takes their place in the 64 bits
    bits = (*_prefix_bits(partition), *_band_bits(partition, band)[: SHARED_BITS + spare])
    value = (_key(hashes, bits) << np.uint64(row_bits)) | np.arange(len(hashes), dtype=np.uint64)
    if salt is not None:
        value |= salt << np.uint64(row_bits + len(bits))
    value.sort()
    order = (value & np.uint64((1 << row_bits) - 1)).astype(np.int64)
    return order, value >> np.uint64(row_bits + spare)


def _useful(
    order: Rows, bucket: Words, owner: npt.NDArray[np.int32] | None, fresh: Mask | None
) -> tuple[Rows, Words, int]:
    """The rows of buckets that can hold a pair, and how many of them stand in buckets above the window."""
    if not len(order):
        return order, bucket, 0
    starts = np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))
    sizes = np.diff(np.append(starts, len(order)))
    kept = sizes > 1
    if owner is not None:
        owners = owner[order]
        kept &= np.minimum.reduceat(owners, starts) != np.maximum.reduceat(owners, starts)
    if fresh is not None:
        kept &= np.logical_or.reduceat(fresh[order], starts)
    chosen = np.repeat(kept, sizes)
    return order[chosen], bucket[chosen], int(sizes[kept & (sizes > WINDOW)].sum())


@numba.njit(cache=True, nogil=True)
def _close(
    hashes: Words, order: Rows, bucket: Words, most: int
) -> tuple[Rows, Rows, npt.NDArray[np.int32]]:  # fmt: skip
    """Compares each row with the next ones of its bucket; ``hashes`` are in the order of ``order``."""
    count, room = 0, 1024
    left, right = np.empty(room, np.int64), np.empty(room, np.int64)
    distance = np.empty(room, np.int32)
    for one in range(len(order)):
        for other in range(one + 1, min(one + WINDOW + 1, len(order))):
            if bucket[other] != bucket[one]:
                break
            differing = 0
            for word in range(4):
                differing += _ones(hashes[one, word] ^ hashes[other, word])
                if differing > most:
                    break
            if differing > most:
                continue
            if count == room:
                room *= 2
                left, right = _grown(left, room), _grown(right, room)
                distance = _grown(distance, room)
            left[count] = min(order[one], order[other])
            right[count] = max(order[one], order[other])
            distance[count] = differing
            count += 1
    return left[:count], right[:count], distance[:count]


@numba.njit(cache=True, nogil=True)
def _grown(values: npt.NDArray[Any], room: int) -> npt.NDArray[Any]:
    larger = np.empty(room, values.dtype)
    larger[: len(values)] = values
    return larger


@numba.njit(cache=True, nogil=True)
def _ones(word: np.uint64) -> int:
    """Bits set in a word (Warren, Hacker's Delight, 5-1)."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


def _key(hashes: Words, bits: tuple[int, ...]) -> Words:
    """The chosen bits of each row as one number, the first one most significant."""
    return _gathered(hashes, np.array(bits))


@numba.njit(cache=True, nogil=True)
def _gathered(hashes: Words, bits: Rows) -> Words:
    keys = np.empty(len(hashes), np.uint64)
    for row in range(len(hashes)):
        key = np.uint64(0)
        for bit in bits:
            key = (key << np.uint64(1)) | ((hashes[row, bit >> 6] >> np.uint64(63 - (bit & 63))) & np.uint64(1))
        keys[row] = key
    return keys


@functools.cache
def _prefix_bits(partition: int) -> tuple[int, ...]:
    """Bits of a partition's prefix: partitions share none, since one turned bit is to spoil one partition only."""
    pool = _shuffled(_PREFIX_FREQUENCY, "prefix")
    return pool[partition * PREFIX_BITS : (partition + 1) * PREFIX_BITS]


@functools.cache
def _band_bits(partition: int, band: int) -> tuple[int, ...]:
    """Bits of a band, none of them in the partition's prefix."""
    pool = [b for b in _shuffled(_BAND_FREQUENCY, f"{partition} {band}") if b not in _prefix_bits(partition)]
    return tuple(pool[: SHARED_BITS + ORDER_BITS])


def _shuffled(highest: int, words: str) -> tuple[int, ...]:
    """Bits of the frequencies up to ``highest`` (rows + columns), in an order that is the same everywhere."""
    pool = [
        _SIDE * row + column
        for row in range(_SIDE)
        for column in range(_SIDE)
        if row + column <= highest and (row, column) not in _SKEWED
    ]
    return tuple(sorted(pool, key=lambda bit: xxhash.xxh3_64_intdigest(f"{words} {bit}".encode())))
