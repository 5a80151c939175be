"""Pictures whose duplicates are known: real vignettes, and one function for each way of changing one without redrawing it.

A change takes pixels and a generator of random numbers, so that the same seed gives the same duplicate.
"""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from reading import read
from real_deliveries import REAL

from aqqua_dataset.images.content import greys
from aqqua_dataset.images.decode import BadImage, Pixels, decode
from aqqua_dataset.images.inspect import PackedImage
from aqqua_dataset.images.pack import Sheets, locators, look_at, outcome_of
from aqqua_dataset.transfer.delivery import Delivery

Grey = npt.NDArray[np.uint8]
Change = Callable[[Pixels, np.random.Generator], Pixels]

#: Height of a footer as EcoTaxa draws it, and of its bar.
FOOTER_ROWS = 31


def real_vignettes(real_data: Path) -> Iterator[tuple[str, Pixels]]:
    """Name and pixels of every distinct picture in the real deliveries; equal pixels come once."""
    seen: set[str] = set()
    folders = {(d.format, d.folder): d for d in REAL}
    for delivery_of in folders.values():
        folder = real_data / delivery_of.folder
        rows, _ = read(folder, delivery_of.format, **delivery_of.source)
        with Delivery(str(folder)) as delivery:
            sheets = Sheets(delivery)
            for number, (_, place) in enumerate(locators(rows.assign(aqqua_image_id=""))):
                found = outcome_of(look_at, delivery, sheets, place)
                if isinstance(found, PackedImage) and found.pixel_hash not in seen:
                    seen.add(found.pixel_hash)
                    yield f"{delivery_of.name}/{number}", decode(found.data).pixels
