"""A release as users open it: chosen by SQL, one image by one request, streamed for training, wherever it lies."""

import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import stores
from released import IMAGES
from test_warehouse import REMOTE
from third_party import ROOT, run_with

import aqqua_dataset
from aqqua_dataset.images.decode import decode
from aqqua_dataset.images.read import StoredImage
from aqqua_dataset.reader import stream as streaming
from aqqua_dataset.reader.release import OpenRelease, SelectionRefused


@pytest.fixture(scope="module")
def frame(released: Path) -> pd.DataFrame:
    """All rows of the release, read by pandas alone."""
    return pd.concat([pd.read_parquet(p) for p in sorted((released / "metadata").rglob("*.parquet"))])


@pytest.fixture
def release(released: Path) -> OpenRelease:
    return aqqua_dataset.open_release(str(released))


def test_importing_the_package_is_cheap() -> None:
    script = "import sys, aqqua_dataset; print(sorted(m for m in ('numpy', 'pandas', 'duckdb') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_open_release_says_what_it_is(release: OpenRelease, released: Path, frame: pd.DataFrame) -> None:
    assert release.version == "0.1.0-rehearsal"
    assert len(release) == sum(IMAGES.values()) == len(frame)
    assert release.columns == list(frame.columns)
    assert release.text("LICENSE") == (released / "LICENSE").read_text()
    assert frame["image_id"].iloc[0] in release
    with pytest.raises(FileNotFoundError, match="no release at"):
        aqqua_dataset.open_release(str(released.parent))


@pytest.mark.parametrize(
    ("where", "same"),
    [
        ("instrument_id = 'flowcam' and depth_min_m < 100", "instrument_id == 'flowcam' and depth_min_m < 100"),
        ("width_px > 42 or channels = 3 -- a comment", "width_px > 42 or channels == 3"),
        ("label_status in ('validated', 'dubious')", "label_status in ['validated', 'dubious']"),
        ("datetime_utc >= '2020-03-01 04:20:00'", "datetime_utc >= '2020-03-01 04:20:00+00:00'"),
        ("false", "width_px < 0"),
    ],
)
def test_a_selection_holds_what_pandas_finds(release: OpenRelease, frame: pd.DataFrame, where: str, same: str) -> None:
    chosen, expected = release.select(where), frame.query(same).sort_values("image_id")
    assert len(chosen) == len(expected)
    table = chosen.to_pandas(["image_id", "depth_m"])
    assert table["image_id"].tolist() == expected["image_id"].tolist()
    assert table["depth_m"].tolist() == expected["depth_m"].tolist()
    assert sorted(i.row["image_id"] for i in chosen.stream()) == expected["image_id"].tolist()


@pytest.mark.parametrize(
    "where",
    ["colour = 'red'", "width_px >", "true) or (true; select 1", "drop table x", "width_px = 'wide'", "x = $y", ""],
)
def test_a_condition_that_makes_no_sense_is_refused_with_a_reason(release: OpenRelease, where: str) -> None:
    with pytest.raises(SelectionRefused, match="expected a condition in SQL over the columns"):
        release.select(where)


def test_pixels_and_rows_are_those_of_the_image(release: OpenRelease, frame: pd.DataFrame) -> None:
    columns = ["width_px", "height_px", "channels", "bit_depth", "image_id"]
    seen = 0
    for image in release.select().stream(columns, verify=True):
        pixels = image.pixels()
        row = frame.set_index("image_id").loc[image.row["image_id"]]
        assert pixels.shape[:2] == (row["height_px"], row["width_px"])
        assert (1 if pixels.ndim == 2 else pixels.shape[2]) == row["channels"] == image.row["channels"]
        assert pixels.dtype.itemsize * 8 == row["bit_depth"]
        assert hashlib.sha256(image.data).hexdigest() == row["image_sha256"]
        assert np.array_equal(release.pixels(image.row["image_id"]), decode(image.data).pixels)
        seen += 1
    assert seen == len(frame)


def ids(images: object) -> list[str]:
    return [i.row["image_id"] for i in images]  # type: ignore[attr-defined]


def test_the_same_seed_and_epoch_give_the_same_order(release: OpenRelease, frame: pd.DataFrame) -> None:
    def order(seed: int, epoch: int) -> list[str]:
        stream = release.select().stream(shuffle=True, seed=seed, buffer=8)
        stream.set_epoch(epoch)
        return ids(stream)

    orders = [order(*choice) for choice in ((1, 0), (1, 1), (2, 0))]
    assert order(1, 0) == orders[0]
    assert len({tuple(o) for o in orders}) == 3
    everything = sorted(frame["image_id"])
    assert all(sorted(o) == everything for o in orders)
    # Mixed: neighbours in a shard aren't neighbours in the stream.
    assert orders[0] not in (everything, ids(release.select().stream()))


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_ranks_share_the_images_and_travel_to_other_processes(release: OpenRelease, ranks: int) -> None:
    streams = [release.select("width_px > 41").stream(shuffle=True, rank=r, ranks=ranks) for r in range(ranks)]
    shares = [ids(pickle.loads(pickle.dumps(s))) for s in streams]
    together = [i for share in shares for i in share]
    assert len(together) == len(set(together))
    assert sorted(together) == release.select("width_px > 41").table(["image_id"])["image_id"].to_pylist()
    assert sum(bool(share) for share in shares) == min(ranks, len(IMAGES))


def size(image: StoredImage) -> int:
    return len(image.data)


def test_a_transform_takes_the_place_of_the_image(release: OpenRelease, frame: pd.DataFrame) -> None:
    assert sum(release.select().stream(transform=size)) == frame["length"].sum()


def test_a_changed_byte_and_a_short_shard_are_errors(release: OpenRelease, released: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", "--dereference", released, copy], check=True)
    row = release.select("contribution_id = 'cast'").to_pandas().sort_values("offset").iloc[-1]
    shard = copy / row["shard"]
    shard.chmod(0o644)
    whole = shard.read_bytes()
    broken = aqqua_dataset.open_release(str(copy)).select("contribution_id = 'cast'")
    shard.write_bytes(whole[: row["offset"] + 9] + b"?" + whole[row["offset"] + 10 :])
    assert len(ids(broken.stream())) == IMAGES["cast"]
    with pytest.raises(OSError, match=f"{row['image_id']}: expected SHA-256"):
        ids(broken.stream(verify=True))
    shard.write_bytes(whole[: row["offset"] + 9])
    with pytest.raises(OSError, match=r"expected .* bytes of .*, found"):
        ids(broken.stream())


def test_shards_are_read_in_pieces_and_wide_gaps_are_skipped(
    release: OpenRelease, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[tuple[str, int, int]] = []
    read_range = type(release.warehouse).read_range

    def logged(self: object, path: str, offset: int, length: int) -> bytes:
        pieces.append((path, offset, length))
        return read_range(self, path, offset, length)  # type: ignore[arg-type]

    monkeypatch.setattr(type(release.warehouse), "read_range", logged)
    assert len(ids(release.select().stream())) == len(frame)
    assert len(pieces) == len(IMAGES)  # small shards: one read each
    monkeypatch.setattr(streaming, "READ", 8_000)
    monkeypatch.setattr(streaming, "GAP", 600)  # less than an image with its header
    pieces.clear()
    few = frame.sort_values("offset").groupby("contribution_id").nth([0, 1, 5])
    chosen = release.select(f"image_id in {tuple(few['image_id'])}")
    assert sorted(ids(chosen.stream(verify=True))) == sorted(few["image_id"])
    assert pieces == sorted(pieces)  # front to back
    assert all(length < 8_000 + few["length"].max() for _, _, length in pieces)
    assert len(pieces) >= 2 * len(IMAGES)


def test_the_page_about_exports_reads_as_it_says(released: Path) -> None:
    page = (ROOT / "docs/exports.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    block = block.replace("work/warehouse/releases/public/v0.1.0-rehearsal", str(released))
    script = f"{block}\nassert (image.pixels() == pixels).all() and taxon == image.row['taxon_name']"
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# --- elsewhere than on a disk


def check_remote(away: OpenRelease, release: OpenRelease, between: stores.Door) -> None:
    """The same selection, the same stream, and one range request for each image."""
    where = "channels = 1 and contribution_id <> 'cast'"
    rows = release.select(where).table()
    assert away.select(where).table().equals(rows)
    assert sorted(ids(away.select(where).stream(verify=True))) == rows["image_id"].to_pylist()
    first = rows["image_id"][0].as_py()
    assert away.image(first).data == away.read(first)  # the index is there now
    between.log.clear()
    for image_id in rows["image_id"].to_pylist():
        assert hashlib.sha256(away.read(image_id)).hexdigest() == release.image(image_id).row["image_sha256"]
    expected = [f"bytes={r['offset']}-{r['offset'] + r['length'] - 1}" for r in rows.to_pylist()]
    assert [(method, asked) for method, _, asked in between.log] == [("GET", r) for r in expected]


@REMOTE
def test_on_a_web_server(release: OpenRelease, released: Path, tmp_path: Path) -> None:
    with stores.rclone("http", released) as port, stores.door(f"http://127.0.0.1:{port}") as between:
        away = aqqua_dataset.open_release(between.address, cache=tmp_path)
        assert len(away.select()) == len(release)
        # Each table's size is asked for once, and no file is read whole.
        asked = [(method, path, part) for method, path, part in between.log if path.startswith("/metadata/")]
        assert len([a for a in asked if a[0] == "HEAD"]) == len(release.tables)
        assert all(part for method, _, part in asked if method == "GET")
        check_remote(away, release, between)


@REMOTE
def test_on_an_object_store(
    release: OpenRelease, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stores.KEYS.items():
        monkeypatch.setenv(name, value)
    with stores.s3(released.parent) as address, stores.door(address) as between:
        options = {"config_kwargs": stores.LENIENT, "endpoint_url": between.address}
        check_remote(aqqua_dataset.open_release(f"s3://{released.name}", options, tmp_path), release, between)


# --- PyTorch

DATA_LOADER = """
import sys, json, torch
import aqqua_dataset
from torch.utils.data import DataLoader

def image_id(image):
    return image.row["image_id"]

selection = aqqua_dataset.open_release(sys.argv[1]).select("width_px > 40")
found = []
for epoch in (0, 0, 1):
    stream = selection.stream(shuffle=True, seed=3, transform=image_id)
    assert isinstance(stream, torch.utils.data.IterableDataset)
    stream.set_epoch(epoch)
    loader = DataLoader(stream, batch_size=4, num_workers=2)
    found.append([i for batch in loader for i in batch])
print(json.dumps(found))
"""


def test_a_data_loader_with_two_workers_sees_every_image_once(released: Path, release: OpenRelease) -> None:
    first, again, next_epoch = json.loads(run_with("torch", DATA_LOADER, released, ours=True))
    assert sorted(first) == sorted(next_epoch) == release.select("width_px > 40").table()["image_id"].to_pylist()
    assert first == again != next_epoch
