"""Plankton Imager PI-10: one TIFF per object, named after its ten minutes, with its second and position in EXIF.

Layout: ``pia1.YYYY-MM-DD.HHMM+N<8 digits>.tif`` (HHMM is the start of the ten minutes; published sets have ``Pia1`` and
suffixes such as ``_hc``), RGB with 8 bit, uncompressed. The TIFF tag DateTime is the second of capture by the ship's
clock, the resolution is in pixels per cm or inch, the GPS directory holds the position; units without GPS write 0, 0
there, which is kept and recognised as a placeholder later. Folders above the image may name classes; they are kept
as a column and mean nothing until the contribution's mapping says so. Checked against nine images of Cefas.
"""

import datetime as dt
import math
import posixpath
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import pandas as pd
from PIL import Image, TiffImagePlugin

from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, with_locator
from aqqua_dataset.transfer.delivery import Delivery

_NAME = (
    r"(?P<unit>pia\d*)\.(?P<day>\d{4}-\d{2}-\d{2})\.(?P<minute>\d{4})\+(?P<mark>[A-Z])(?P<number>\d+)(?P<suffix>_\w+)?"
)
TELLING = re.compile(re.sub(r"\?P<\w+>", "?:", _NAME) + r"\.tiff?", re.IGNORECASE | re.ASCII)
COVERS: tuple[str, ...] = ()
_ROWS_PER_CHUNK = 2_000
_DATETIME, _MODEL, _X_RESOLUTION, _RESOLUTION_UNIT, _GPS = 306, 272, 282, 296, 0x8825
_PADDING = "\x00 "
_PER_MM = {2: 1 / 25.4, 3: 1 / 10}  # TIFF 6.0, p. 38: resolution unit 2 is the inch, 3 the centimetre


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: images named as the PI-10 names them."""
    return f"{telling.count} image(s) named as the Plankton Imager names them, first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, one per image, in the order of their paths."""
    paths = (f.path for f in delivery.files() if TELLING.fullmatch(posixpath.basename(f.path)))
    while group := list(islice(paths, _ROWS_PER_CHUNK)):
        yield _rows(delivery, group)


def _rows(delivery: Delivery, paths: list[str]) -> pd.DataFrame:
    path = pd.Series(paths, dtype="str")
    base = path.str.rsplit("/", n=1).str[-1]
    named = base.str.extract(re.compile(_NAME, re.IGNORECASE | re.ASCII)).astype("str")
    tags = pd.DataFrame([_tags(delivery, p) for p in paths], columns=list(_NO_TAGS), dtype="str")
    rows = pd.concat([named, tags], axis=1)
    rows["instrument_name"] = pd.array(["PI-10"], dtype="str").repeat(len(rows))
    rows["bin"] = rows["unit"] + "." + rows["day"] + "." + rows["minute"]
    rows["folder"] = path.str.rsplit("/", n=1).str[0].astype("str").where(path.str.contains("/"))
    rows["aqqua_object_id"] = path.str.replace(r"\.[A-Za-z]+$", "", regex=True)
    rows["aqqua_image_file"] = base
    rows["aqqua_path"] = path
    return with_locator(rows)


_NO_TAGS: dict[str, str | None] = dict.fromkeys(
    ("captured", "software_version", "resolution_px_per_mm", "gps_latitude", "gps_longitude")
)


def _tags(delivery: Delivery, path: str) -> dict[str, str | None]:
    """What the TIFF's tags say; nothing where they can't be read, since packing names a damaged image."""
    with suppress(Exception), delivery.open(path) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(stream, formats=("TIFF",))
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            return read_tags(image)
    return _NO_TAGS


def read_tags(image: TiffImagePlugin.TiffImageFile) -> dict[str, str | None]:
    """Second of capture (ISO 8601 by the ship's clock), version, pixels per mm and position as text."""
    found = dict(_NO_TAGS)
    tags = image.tag_v2
    with suppress(ValueError):
        captured = dt.datetime.strptime(str(tags.get(_DATETIME, "")), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - ship's clock
        found["captured"] = captured.isoformat()
    found["software_version"] = str(tags.get(_MODEL, "")).strip(_PADDING) or None
    resolution, per_mm = tags.get(_X_RESOLUTION), _PER_MM.get(tags.get(_RESOLUTION_UNIT, 2))
    if resolution is not None and per_mm and math.isfinite(resolution):  # 0/0 is no number
        found["resolution_px_per_mm"] = f"{float(resolution) * per_mm:.6g}"
    gps = image.getexif().get_ifd(_GPS)
    found["gps_latitude"] = _degrees(gps.get(2), gps.get(1), "S")
    found["gps_longitude"] = _degrees(gps.get(4), gps.get(3), "W")
    return found


def _degrees(parts: object, hemisphere: object, negative: str) -> str | None:
    """Decimal degrees of EXIF's degrees, minutes and seconds (Exif 2.32, 4.6.6)."""
    if not isinstance(parts, tuple) or len(parts) != 3:
        return None
    degrees = sum(float(part) / 60**power for power, part in enumerate(parts))
    if not math.isfinite(degrees):
        return None
    return f"{-degrees if str(hemisphere).strip(_PADDING).upper() == negative else degrees:.7g}"
