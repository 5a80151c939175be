"""Writes a VPR delivery: 16-bit colour regions of one tow, 1,000 to an hour, and the CTD of each hour, not sorted."""

import functools
import io
from pathlib import Path

import numpy as np
import tifffile

from writers.pictures import pixels

CRUISE, DAY, FIRST_HOUR = "IML2018051", 286, 10
_PER_HOUR = 1_000
_UTC_OFFSET_H = 3  # the folder's hour is local, three hours behind


def milliseconds(number: int) -> int:
    """Time of day in UTC of a region."""
    hour, place = divmod(number, _PER_HOUR)
    return (FIRST_HOUR + hour + _UTC_OFFSET_H) * 3_600_000 + place * 3_000


@functools.cache
def _region(number: int) -> bytes:
    stream = io.BytesIO()
    grey = pixels(number).astype(np.uint16) * 256
    tifffile.imwrite(stream, np.stack([grey] * 3, axis=-1), photometric="rgb")
    return stream.getvalue()


def write(folder: Path, objects: int) -> None:
    """A delivery of so many objects, at most 10,000, one image each."""
    tow = folder / CRUISE / "rois" / "vpr1" / f"d{DAY}"
    for start in range(0, objects, _PER_HOUR):
        hour = tow / f"h{FIRST_HOUR + start // _PER_HOUR:02}"
        hour.mkdir(parents=True)
        lines = []
        for number in range(start, min(start + _PER_HOUR, objects)):
            ms = milliseconds(number)
            (hour / f"roi.{ms:08}00.tif").write_bytes(_region(number % 97))
            lines.append(f"ctd{ms:08}:3.043600,7.398000,{number % 90}.406000,29.369900,695.0,109.0,700.0,43.0,0.0\n")
        (tow / f"{hour.name}ctd.dat").write_text("".join(reversed(lines)))
