"""The contact sheet: a few images, evenly over the contribution and its labels, and the same ones every time.

Image ids are hashes, so the first ids of each label are a fair sample of it. Bytes are read by range from the shards.
"""

import io
import warnings
from itertools import chain, zip_longest

import duckdb
import numpy as np
from PIL import Image

from aqqua_dataset.report.facts import Thumbnail
from aqqua_dataset.report.views import places
from aqqua_dataset.warehouse import Warehouse

MOST = 24
_SIDE_PX = 96
_PNG_BYTES = 6_000


def thumbnails(ask: duckdb.DuckDBPyConnection, warehouse: Warehouse, usable: int) -> tuple[Thumbnail, ...]:
    """At most ``MOST`` small pictures of the usable images, or of all that are stored where none is usable."""
    ids = (
        _chosen(ask)
        if usable
        else [r[0] for r in ask.sql(f"select image_id from shards order by 1 limit {MOST}").fetchall()]
    )
    if not ids:
        return ()
    found = ask.sql(
        """select shards.image_id, shard, "offset", "length", width_px, coalesce(label_verbatim, ''), pixel_size_um
        from shards left join (from base where list_contains($ids, image_id)) using (image_id)
        where list_contains($ids, shards.image_id)""",
        params={"ids": ids},
    ).fetchall()
    stored, where = {row[0]: row[1:] for row in found}, places(ask, ids)
    made = []
    for image_id in ids:
        shard, offset, length, width, label, um = stored[image_id]
        picture = small(warehouse.read_range(shard, offset, length))
        width_mm = None if um is None else width * um / 1000
        made.append(Thumbnail(*picture, where.get(image_id, ("", None, ""))[2], label, width_mm))
    return tuple(made)


def _chosen(ask: duckdb.DuckDBPyConnection) -> list[str]:
    """The first image of each label, commonest label first, then the second ones, until there are enough."""
    lists = ask.sql(
        f"""select min(image_id, {MOST}) from usable group by label_verbatim
        order by count(*) desc, label_verbatim limit {MOST}"""
    ).fetchall()
    turns = zip_longest(*(ids for (ids,) in lists))
    return [image_id for image_id in chain.from_iterable(turns) if image_id is not None][:MOST]


def small(data: bytes, side_px: int = _SIDE_PX) -> tuple[bytes, str, int, int]:
    """Bytes, media type, width and height of the picture at no more than ``side_px`` pixels on a side."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a large picture was accepted when it was packed
        image: Image.Image = Image.open(io.BytesIO(data))
        image.draft(None, (2 * side_px, 2 * side_px))
        image.load()
    image = _eight_bit(image)
    image.thumbnail((side_px, side_px))
    png = _encoded(image, "PNG", optimize=True)
    if len(png) <= _PNG_BYTES:
        return png, "image/png", image.width, image.height
    flat = image.convert("RGB") if image.mode not in ("L", "RGB") else image
    return _encoded(flat, "JPEG", quality=80), "image/jpeg", image.width, image.height


def _eight_bit(image: Image.Image) -> Image.Image:
    """The picture with 8 bit per channel; 16 bit are spread from the darkest to the brightest pixel."""
    if image.mode.startswith("I") or image.mode == "F":
        pixels = np.asarray(image).astype("float64")
        low, high = float(pixels.min()), float(pixels.max())
        return Image.fromarray(((pixels - low) * (255 / max(high - low, 1))).astype("uint8"))
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    return image.convert("L") if image.mode == "1" else image


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.info = {}
    image.save(stream, kind, **options)
    return stream.getvalue()
