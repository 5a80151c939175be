"""Pictures whose duplicates are known: real vignettes, and one function for each way of changing one without redrawing it.

A change takes pixels and a generator of random numbers, so that the same seed gives the same duplicate.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from reading import read
from real_deliveries import REAL

from aqqua_dataset.images.content import greys
from aqqua_dataset.images.decode import BadImage, Pixels, decode
from aqqua_dataset.images.inspect import PackedImage, inspect_file
from aqqua_dataset.images.normalise import grey8
from aqqua_dataset.images.pack import Sheets, locators, look_at, outcome_of
from aqqua_dataset.transfer.delivery import Delivery

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
    for path in sorted((real_data / "vpr").rglob("*.tif")):  # without tables of their own
        with contextlib.suppress(BadImage):
            image = inspect_file(path.read_bytes())
            if image.pixel_hash not in seen:
                seen.add(image.pixel_hash)
                yield f"vpr/{path.name}", decode(image.data).pixels


# --- changes that leave the picture as it is


def inverted(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Dark for bright, in grey."""
    return np.asarray(255 - grey8(pixels), np.uint8)


def stretched(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Darkest to 0, brightest to 255, as IFCB dashboards and ClassiPyR show regions."""
    grey = grey8(pixels).astype(np.int32)
    low, high = int(grey.min()), int(grey.max())
    return np.asarray(np.rint((grey - low) * (255 / (high - low))), np.uint8)


def saturated(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Stretched with 0.35 % of the pixels beyond black or white, half at either end: ImageJ's "Enhance contrast"."""
    grey = grey8(pixels)
    low, high = np.quantile(grey, [0.00175, 0.99825], method="inverted_cdf").astype(np.int32)
    if low == high:
        return grey
    return np.asarray(np.rint((np.clip(grey.astype(np.int32), low, high) - low) * (255 / (high - low))), np.uint8)


def brightened(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Any rising map that keeps the levels apart: the levels that occur, spread at random over 0 to 255."""
    grey = grey8(pixels)
    levels = np.unique(grey)
    table = np.zeros(256, np.uint8)
    table[levels] = np.sort(random.choice(256, levels.size, replace=False))
    return table[grey]


def padded(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """A plain frame of 1 to 40 pixels on each side, as bright as the background."""
    grey = grey8(pixels)
    sides = [int(n) for n in random.integers(1, 41, 4)]
    return np.asarray(cv2.copyMakeBorder(grey, *sides, cv2.BORDER_CONSTANT, value=float(greys(grey).background)))


def cropped(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Any part of the margin cut off, but for two pixels around what differs from the background.

    What differs by a tenth of the largest difference belongs to the object: who cuts into that makes another picture.
    """
    grey = grey8(pixels)
    away = cv2.absdiff(grey, np.full_like(grey, greys(grey).background))
    rows, columns = np.nonzero(away >= max(8, int(away.max()) // 10))
    height, width = grey.shape
    free = (rows.min(), height - 1 - rows.max(), columns.min(), width - 1 - columns.max())
    top, bottom, left, right = (int(random.integers(0, max(0, int(side) - 2) + 1)) for side in free)
    return np.ascontiguousarray(grey[top : height - bottom, left : width - right])


def footed(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """A white footer of 31 rows with a scale bar and its caption, as EcoTaxa's and ZooProcess's vignettes have."""
    grey = grey8(pixels)
    width = max(grey.shape[1], 72)
    paper, ink = (255, 0) if greys(grey).polarity == "dark_on_light" else (0, 255)
    footer = np.full((FOOTER_ROWS, width), paper, np.uint8)
    cv2.putText(footer, "1 mm", (8, 13), cv2.FONT_HERSHEY_PLAIN, 0.8, ink, 1, cv2.LINE_AA)
    footer[20:22, 8 : 8 + int(random.integers(20, 60))] = ink
    body = cv2.copyMakeBorder(grey, 0, 0, 0, width - grey.shape[1], cv2.BORDER_CONSTANT, value=float(paper))
    return np.vstack([body, footer])


def deepened(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Stored as 16 bit: 8-bit levels in the upper byte, noise of a deeper sensor in the lower one."""
    grey = grey8(pixels)
    return np.asarray(grey.astype(np.uint16) * 256 + random.integers(0, 256, grey.shape), np.uint16)


def republished(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Several at once: cropped, stretched, inverted and with a footer of its own."""
    return footed(inverted(stretched(cropped(pixels, random), random), random), random)


# --- changes that draw it anew


def turned(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """By 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(grey8(pixels), int(random.integers(1, 4))))


def mirrored(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Left for right."""
    return np.ascontiguousarray(grey8(pixels)[:, ::-1])


def rescaled(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Enlarged or made smaller, 0.6 to 1.6 times."""
    factor = float(random.choice([0.6, 0.75, 1.25, 1.6]))
    grey = grey8(pixels)
    size = [max(1, round(side * factor)) for side in grey.shape[::-1]]
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC))


def _jpeg(quality: int) -> Change:
    def encoded(pixels: Pixels, random: np.random.Generator) -> Pixels:
        stream = io.BytesIO()
        Image.fromarray(grey8(pixels)).save(stream, "JPEG", quality=quality)
        return np.asarray(Image.open(stream))

    return encoded


def gamma(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Gamma of 0.7 or 1.5, which merges levels."""
    table = np.rint(255 * (np.arange(256) / 255) ** float(random.choice([0.7, 1.5]))).astype(np.uint8)
    return table[grey8(pixels)]


def enlarged_for_display(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """As EcoTaxa draws UVP6 vignettes: inverted, gamma, enlarged by cubic interpolation, with a footer."""
    drawn = rescaled(gamma(inverted(grey8(pixels), random), random), random)
    return footed(drawn, random)


#: What normal_hash is for.
KEPT: dict[str, Change] = {
    "inversion": inverted,
    "contrast stretch": stretched,
    "rising map": brightened,
    "saturating stretch": saturated,
    "padding": padded,
    "crop": cropped,
    "footer": footed,
    "8 bit as 16": deepened,
    "crop, stretch, inversion, footer": republished,
}
#: What compare is for.
REDRAWN: dict[str, Change] = {
    "turned": turned,
    "mirrored": mirrored,
    "rescaled": rescaled,
    "JPEG quality 90": _jpeg(90),
    "JPEG quality 75": _jpeg(75),
    "JPEG quality 50": _jpeg(50),
    "gamma": gamma,
    "UVP6 vignette": enlarged_for_display,
}
