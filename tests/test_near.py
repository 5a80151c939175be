"""The search for near fingerprints: what it finds against comparing all with all, and that nothing else changes it."""

import contextlib
import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import simplejpeg
from builders import collection as built
from builders import contribution
from PIL import Image

from aqqua_dataset import schema
from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup import hamming, near
from aqqua_dataset.images import content
from aqqua_dataset.images.decode import BadImage, decode
from aqqua_dataset.images.fingerprint import near_hashes, thumbnail
from aqqua_dataset.images.normalise import without_frame
from aqqua_dataset.pipeline import Collection

Bits = npt.NDArray[np.bool_]
NOON = dt.datetime(2021, 6, 1, 12, tzinfo=dt.UTC)


def words(bits: Bits) -> npt.NDArray[np.uint64]:
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64)


def turned(bits: Bits, distance: int, rng: np.random.Generator) -> Bits:
    """Copies with so many bits turned, high frequencies sooner than low ones, as measured on real images."""
    row, column = np.divmod(np.arange(256), 16)
    shares = 0.02 + 0.10 * (row + column) / 30
    copies = bits.copy()
    for copy in copies:
        which = rng.choice(256, distance, False, shares / shares.sum())
        copy[which] = ~copy[which]
    return copies


def found_by_bands(hashes: npt.NDArray[np.uint64], most: int) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for partition in range(hamming.PARTITIONS):
        pairs = hamming.neighbours(hashes, most, partition)
        found |= {(int(a), int(b)): int(d) for a, b, d in zip(*pairs[:3], strict=True)}
    return found


def all_with_all(bits: Bits, most: int) -> dict[tuple[int, int], int]:
    """Every pair within a distance, by the plain definition."""
    one, other = np.triu_indices(len(bits), 1)
    numbers = bits.astype(np.float32)
    distance = (numbers.sum(1)[:, None] + numbers.sum(1)[None] - 2 * numbers @ numbers.T)[one, other]
    close = np.flatnonzero(distance <= most)
    return {(int(one[k]), int(other[k])): round(float(distance[k])) for k in close}


#: Least share found of pairs at each distance, below what was measured (docs/duplicates.md).
RECALL = {8: 0.99, 16: 0.98, 24: 0.97, 31: 0.93, 40: 0.82}


def test_most_of_what_comparing_all_with_all_finds_is_found() -> None:
    rng = np.random.default_rng(5)
    singles = rng.random((1500, 256)) < 0.5
    copies = [turned(singles[n * 300 : (n + 1) * 300], distance, rng) for n, distance in enumerate(RECALL)]
    bits = np.concatenate([singles, *copies])
    expected, found = all_with_all(bits, 40), found_by_bands(words(bits), 40)
    assert len(expected) == 1500
    assert found.items() <= expected.items()  # nothing too far away, and every distance right
    for distance, least in RECALL.items():
        at = [pair for pair, d in expected.items() if d == distance]
        assert len(at) == 300
        assert sum(pair in found for pair in at) / len(at) >= least, distance


def real_greys(folder: Path) -> list[npt.NDArray[np.uint8]]:
    """Some hundred real vignettes as grey pixels."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".tif")):
        with contextlib.suppress(BadImage):
            image = decode(path.read_bytes(), small_enough)
            found.append(content.greys(image.pixels, image.grey).pixels)
    return found


def small_enough(width: int, height: int) -> None:
    if width * height > 200_000 or min(width, height) < 16:
        raise BadImage("not wanted here")


@pytest.mark.realdata
def test_recall_on_real_images_that_were_encoded_again_and_scaled(real_data: Path) -> None:
    greys = real_greys(real_data)
    made = list(greys)
    for quality in (90, 75, 50):
        made += [simplejpeg.decode_jpeg(jpeg(g, quality), colorspace="GRAY")[..., 0] for g in greys]
    for share in (0.75, 0.5):
        made += [np.asarray(shrunk(g, share)) for g in greys]
    hashes = sorted(set(near_hashes([thumbnail(without_frame(content.greys(g).pixels)) for g in made])))
    bits = np.unpackbits(np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32), axis=1).astype(bool)
    expected, found = all_with_all(bits, 40), found_by_bands(words(bits), 40)
    assert len(expected) > 500
    assert found.items() <= expected.items()
    near_ones = [pair for pair, distance in expected.items() if distance <= 31]
    assert sum(pair in found for pair in near_ones) / len(near_ones) >= 0.97
    assert sum(pair in found for pair in expected) / len(expected) >= 0.94


def jpeg(grey: npt.NDArray[np.uint8], quality: int) -> bytes:
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(grey[..., None]), quality, "GRAY")
    return encoded


def shrunk(grey: npt.NDArray[np.uint8], share: float) -> Image.Image:
    height, width = grey.shape
    return Image.fromarray(grey).resize((round(width * share), round(height * share)), Image.Resampling.LANCZOS)


def image_id(number: int) -> str:
    text = f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def save(
    made: Collection, name: str, bits: Bits, first: int = 0, *, key: str = "1",
    events: Iterable[str | None] | None = None, seconds: Iterable[float] | None = None,
) -> list[str]:  # fmt: skip
    """Stored results of a contribution as far as the search reads them; returns the image ids."""
    digits = np.packbits(bits, axis=1).tobytes().hex()
    ids = [image_id(first + n) for n in range(len(bits))]
    times = [NOON + dt.timedelta(seconds=s) for s in seconds or [0.0] * len(bits)]
    core = {"image_id": ids, "event_id": list(events or ["e"] * len(bits)), "datetime_utc": times}
    index = {"image_id": ids, "near_hash": [digits[64 * n : 64 * n + 64] for n in range(len(bits))]}
    for stage, values, file in (("core", core, "core-00000"), ("images", index, "shard-00000")):
        folder = f"contributions/{name}/{stage}-{key}"
        table = schema.arrow("core" if stage == "core" else "shard_index")
        target = Path(made.warehouse.url(f"{folder}/{file}.parquet"))
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(values, pa.schema([table.field(c) for c in values])), target)
        made.warehouse.write_json(
            f"contributions/{name}/{stage}.json", {"key": key, "folder": folder, "parts": [len(bits)]}
        )
    return ids


def search(made: Collection, workers: str = "serial") -> dict[str, int]:
    with open_executor(workers) as (executor, count):
        return near.search(made, executor, count)


def candidates(made: Collection) -> dict[tuple[str, str], int]:
    rows = made.warehouse.read_parquet(near.CANDIDATES).to_pylist()
    assert all(r["image_id"] < r["other_image_id"] for r in rows)
    return {(r["image_id"], r["other_image_id"]): r["hamming_distance"] for r in rows}


NAMES = ("baltic", "arctic", "celtic")


def three(folder: Path) -> tuple[Collection, list[Bits]]:
    """Three contributions that share pictures, each also with a few of its own; nothing is stored yet."""
    rng = np.random.default_rng(3)
    shared = rng.random((200, 256)) < 0.5
    made = built(folder, *(contribution(name, None) for name in NAMES))
    return made, [np.concatenate([turned(shared, d, rng), rng.random((300, 256)) < 0.5]) for d in (0, 6, 12)]


def stored(made: Collection) -> bytes:
    with made.warehouse.open(near.CANDIDATES) as stream:
        return stream.read()


def save_all(made: Collection, pictures: list[Bits]) -> None:
    for number, bits in enumerate(pictures):
        save(made, NAMES[number], bits, 1000 * number, events=[f"e{n}" for n in range(len(bits))])


def test_the_same_bytes_by_any_number_of_workers_and_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for number, (workers, rows) in enumerate((("serial", 1 << 22), ("processes:2", 1 << 22), ("serial", 100))):
        made, pictures = three(tmp_path / str(number))
        save_all(made, pictures)
        monkeypatch.setattr(near, "SLICE_ROWS", rows)
        numbers = search(made, workers)
        results.append((stored(made), numbers))
    assert results[0] == results[1] == results[2]
    assert results[0][1]["candidates"] >= 590  # 200 pictures in three contributions are 600 pairs
    assert results[0][1]["images"] == 1500


def test_the_order_of_arrival_changes_nothing(tmp_path: Path) -> None:
    made, pictures = three(tmp_path / "together")
    save_all(made, pictures)
    search(made)
    for order in ((0, 1, 2), (2, 0, 1)):
        later, _ = three(tmp_path / f"{order}")
        for number in order:
            save(later, NAMES[number], pictures[number], 1000 * number, events=[f"e{n}" for n in range(500)])
            search(later)
        assert stored(later) == stored(made), order


def test_what_is_new_is_searched_without_images_and_what_is_not_isn_t(tmp_path: Path) -> None:
    made, pictures = three(tmp_path)
    save(made, NAMES[0], pictures[0], 0)
    search(made)
    before = {p: t for p, t in made.warehouse.times(near.FOLDER).items() if NAMES[0] in p}
    first = made.warehouse.read_json(f"contributions/{NAMES[0]}/images.json")
    made.warehouse.remove(first["folder"])  # prepared once, it isn't needed again
    save(made, NAMES[1], pictures[1], 1000)
    assert search(made)["candidates"] >= 190
    assert {p: t for p, t in made.warehouse.times(near.FOLDER).items() if NAMES[0] in p} == before
    times = made.warehouse.times(near.FOLDER)
    search(made)
    assert made.warehouse.times(near.FOLDER) == times


def test_a_withdrawn_or_changed_contribution_leaves_nothing_behind(tmp_path: Path) -> None:
    made, pictures = three(tmp_path / "a")
    save_all(made, pictures)
    search(made)
    two, _ = three(tmp_path / "b")
    save(two, NAMES[0], pictures[0], 0, events=[f"e{n}" for n in range(500)])
    changed = pictures[1][::-1].copy()
    save(two, NAMES[1], changed, 1000, events=[f"e{n}" for n in range(500)])
    search(two)
    made.warehouse.remove(f"contributions/{NAMES[2]}/images.json")
    save(made, NAMES[1], changed, 1000, key="2", events=[f"e{n}" for n in range(500)])
    search(made)
    assert stored(made) == stored(two)
    left = made.warehouse.names(near.FOLDER)
    assert not [name for name in left if name.startswith((NAMES[2], "search-"))]
    assert len([name for name in left if name.startswith(NAMES[1])]) == 1


def test_within_a_contribution_only_the_same_event_and_the_same_minute(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    bits = np.repeat(rng.random((1, 256)) < 0.5, 6, axis=0)
    made = built(tmp_path, contribution("baltic", None))
    ids = save(made, "baltic", bits, events=["a", "a", "a", "b", None, None], seconds=[0, 30, 95, 0, 0, 10])
    search(made)
    expected = {(0, 1), (4, 5)}  # 30 s apart, or 10 s where no event is known; not 65 s, not another event
    assert candidates(made) == {tuple(sorted((ids[a], ids[b]))): 0 for a, b in expected}


def test_across_contributions_neither_time_nor_event_has_to_agree(tmp_path: Path) -> None:
    bits = np.random.default_rng(9).random((1, 256)) < 0.5
    made = built(tmp_path, contribution("baltic", None), contribution("arctic", None))
    [one] = save(made, "baltic", bits, 0, events=[None], seconds=[0])
    [other] = save(made, "arctic", bits, 1, events=["x"], seconds=[1e7])
    search(made)
    assert candidates(made) == {(min(one, other), max(one, other)): 0}


def test_what_thousands_share_is_left_out_and_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    blank = np.zeros((3000, 256), bool)
    made = built(tmp_path, contribution("baltic", None), contribution("arctic", None))
    pair = rng.random((1, 256)) < 0.5
    save(made, "baltic", np.concatenate([blank, pair]), 0)
    save(made, "arctic", np.concatenate([blank, turned(pair, 5, rng)]), 5000)
    numbers = search(made)
    assert numbers["candidates"] == 1
    assert numbers["common_images"] == 6000 + 6000  # within each contribution, and across
    [finding] = near.findings(made)
    assert finding.rule == "near_common_images"
    assert "12,000 images" in finding.message


def test_very_many_that_look_alike_cost_a_bounded_number_of_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    base = np.repeat(rng.random((1, 256)) < 0.5, 4000, axis=0)
    bits = base ^ (rng.random(base.shape) < 0.04)
    monkeypatch.setattr(hamming, "BANDS", 2)
    found = hamming.neighbours(words(bits), 40, 0)
    assert 0 < len(found.left) <= 2 * hamming.WINDOW * len(bits)
    assert found.crowded > 0
    again = hamming.neighbours(words(bits), 40, 0)
    assert np.array_equal(np.stack(found[:3]), np.stack(again[:3]))


def test_an_image_keeps_its_nearest_partners_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    one = rng.random((1, 256)) < 0.5
    bits = np.concatenate([turned(one, distance, rng) for distance in range(12)])
    made = built(tmp_path, contribution("baltic", None), contribution("arctic", None))
    ids = save(made, "baltic", bits[::2], 0, events=[f"e{n}" for n in range(6)])
    ids += save(made, "arctic", bits[1::2], 100, events=[f"e{n}" for n in range(6)])
    search(made)
    everything = candidates(made)
    assert len(everything) == 36
    nearest = {
        pair for one in ids
        for pair in sorted((p for p in everything if one in p), key=lambda p: (everything[p], p[one == p[0]]))[:2]
    }  # fmt: skip
    monkeypatch.setattr(near, "MOST_PARTNERS", 2)
    made.warehouse.remove(near.FOLDER)
    numbers = search(made)
    assert set(candidates(made)) == nearest
    assert numbers["cut_candidates"] == 36 - len(nearest) > 0
    assert [f.rule for f in near.findings(made)] == ["near_cut_candidates"]


def test_nothing_at_all_and_a_contribution_alone(tmp_path: Path) -> None:
    made = built(tmp_path, contribution("baltic", None), contribution("arctic", None))
    assert search(made)["candidates"] == 0
    save(made, "baltic", np.random.default_rng(1).random((3, 256)) < 0.5)
    assert search(made) == json.loads(
        '{"images": 3, "common_images": 0, "crowded_comparisons": 0, "candidates": 0, "cut_candidates": 0}'
    )


def test_ids_and_fingerprints_survive_as_numbers() -> None:
    ids = [image_id(n) for n in (0, 1, 2, 77)]
    assert near._texts(near._words(pa.array(ids), 16)).to_pylist() == ids
    hexes = pa.array([f"{n:064x}" for n in (0, 1, (1 << 256) - 1)])
    assert near._words(hexes, 32).tolist() == [[0] * 4, [0, 0, 0, 1], [(1 << 64) - 1] * 4]
    assert near._words(hexes[1:], 32).tolist() == [[0, 0, 0, 1], [(1 << 64) - 1] * 4]
