"""Recognises deliveries of whole camera frames: such an image holds any number of objects and isn't one.

One known frame size is refused where each image is read (vocabularies/camera_frames.csv); here a delivery is
refused as a whole when nearly all of a sample of its images have one and the same large size, since objects that
were cut out differ in size.
"""

import warnings
from collections import Counter
from contextlib import suppress

import numpy as np
import pandas as pd
from PIL import Image

from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import Report
from aqqua_dataset.transfer.delivery import Delivery

_SAMPLE = 40
_FEWEST = 10
_SHARE = 0.9
_LEAST_PIXELS = 1_000_000  # smaller equal sizes come from resizing for training


def report_full_frames(delivery: Delivery, paths: pd.Series, report: Report) -> bool:
    """Reports it and returns True when a sample of the images looks like whole camera frames."""
    known = paths.dropna().unique()
    sample = known[np.unique(np.linspace(0, len(known) - 1, min(_SAMPLE, len(known))).astype(int))]
    sizes = Counter(size for path in sample if (size := _size(delivery, path)) is not None)
    if not sizes:
        return False
    (width, height), times = sizes.most_common(1)[0]
    readable = sum(sizes.values())
    if readable < _FEWEST or times < _SHARE * readable or width * height < _LEAST_PIXELS:
        return False
    message = (
        f"{times} of {readable} images looked at are {width} x {height} pixels: these are whole camera frames; "
        "deliver the objects cut out of them, one per image"
    )
    report(Finding("full_frames", "error", message, file=str(sample[0])))
    return True


def _size(delivery: Delivery, path: str) -> tuple[int, int] | None:
    # Unreadable images are named when they are packed; here they only don't count.
    with suppress(Exception), delivery.open(path) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(stream).size
    return None


def refuse(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the reason that their images are whole frames, where they have no other."""
    return rows.assign(aqqua_reason=rows["aqqua_reason"].fillna("image_full_frame"))
