"""Truncated copies of every real file: reading never crashes and never invents a row.

Each delivery is copied once; then one file after the other is cut at many points and the delivery read again. What
is read must be a subset of what the whole delivery gives, and image files that were cut must be refused or decode
to the very same picture.
"""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from reading import read
from real_deliveries import REAL, RealDelivery

from aqqua_dataset.images.inspect import BadImage, inspect_file
from aqqua_dataset.sources import IMAGE_ENDINGS

pytestmark = pytest.mark.realdata

_LARGEST = 2_500_000  # bytes; beyond it a cut shows nothing new
_FILES_PER_ENDING = 3
_CUTS = 11


def cuts(size: int) -> list[int]:
    """Ends that matter (nothing, one byte, all but one and two) and points in between."""
    between = (round(size * n / (_CUTS - 1)) for n in range(1, _CUTS - 1))
    return sorted({0, 1, *between, size - 2, size - 1} & set(range(size)))


def chosen(folder: Path) -> list[Path]:
    """A few files of each ending, the largest left out."""
    found: dict[str, list[Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and 0 < p.stat().st_size <= _LARGEST):
        found.setdefault(path.suffix.lower(), []).append(path)
    return [path for group in found.values() for path in group[:_FILES_PER_ENDING]]


def identities(rows: pd.DataFrame) -> set[tuple[object, ...]]:
    """What says which image a row is about, and where its pixels lie, of the rows that have no reject reason."""
    place = ["aqqua_offset", "aqqua_x", "aqqua_y", "aqqua_width", "aqqua_height"]
    told = rows.loc[rows["aqqua_reason"].isna(), ["aqqua_object_id", "aqqua_image_file", *place]]
    return set(told.astype("object").where(told.notna(), None).itertuples(index=False, name=None))


@pytest.mark.parametrize("delivery", REAL, ids=lambda d: d.name)
def test_cut_deliveries_never_crash_and_never_invent_rows(
    delivery: RealDelivery, real_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "delivery"
    delivery.copy(real_data, folder)
    whole, _ = read(folder, delivery.format, **delivery.source)
    known = identities(whole)
    for path in chosen(folder):
        data = path.read_bytes()
        picture = path.suffix.lower() in IMAGE_ENDINGS
        for cut in cuts(len(data))[:: 4 if picture else 1]:
            path.write_bytes(data[:cut])
            rows, _ = read(folder, delivery.format, **delivery.source)
            invented = identities(rows) - known
            assert not invented, (path.name, cut, sorted(map(str, invented))[:3])
        path.write_bytes(data)
    shutil.rmtree(folder)


def test_cut_images_are_refused_or_are_the_same_picture(real_data: Path) -> None:
    checked = 0
    files = sorted(p for p in real_data.rglob("*") if p.suffix.lower() in IMAGE_ENDINGS and p.stat().st_size <= 100_000)
    for path in files[::7]:
        data = path.read_bytes()
        try:
            whole = inspect_file(data).pixel_hash
        except BadImage:
            continue
        for cut in cuts(len(data)):
            try:
                assert inspect_file(data[:cut]).pixel_hash == whole, (path.name, cut)
            except BadImage as bad:
                assert bad.reason in ("image_empty", "image_unreadable", "image_format_unsupported"), (path.name, cut)
        checked += 1
    assert checked >= 20
