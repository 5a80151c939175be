"""Small pictures for the writers: 24 x 24 grey pixels, different for every number, the same in every run."""

import functools
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 24


def pixels(number: int) -> npt.NDArray[np.uint8]:
    """Grey pixels of picture ``number``."""
    return np.random.default_rng(number % 97).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


@functools.cache
def _encoded(number: int, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels(number)).save(stream, kind)
    return stream.getvalue()


def picture(number: int, kind: str = "PNG") -> bytes:
    """Picture ``number`` as a file; only 97 differ, which is enough for benchmarks and quick to make."""
    return _encoded(number % 97, kind)
