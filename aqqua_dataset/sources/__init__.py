"""One reader per delivery format. A new format is one new module and one line in ``READERS``.

A reader turns a delivery into chunks of rows, one row per image, in a stable order. Each row keeps
every delivered column as text and says where the image's bytes lie (``LOCATOR``); readers decide
nothing about meaning. A row that can't be used goes on with a reject reason; a file that can't be
used becomes a finding. Readers stream: a chunk holds thousands of rows, never a contribution.

A reader module holds::

    TELLING: re.Pattern[str]   # basenames of the files that tell the format
    COVERS: tuple[str, ...]    # other formats whose files it reads as well
    def detect(delivery: Delivery, telling: Telling) -> str | None
    def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]

``detect`` is called when at least one basename matches ``TELLING`` fully, may look into those files, and
returns its evidence in words, or None. What the delivered columns mean stands in schemas/mappings/<format>.csv.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, cast

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.transfer.delivery import Delivery

#: Module of each format, the most telling first; ``sources.identify`` asks them in this order.
READERS: Mapping[str, str] = MappingProxyType(
    {
        "ifcb": "aqqua_dataset.sources.ifcb",
        "uvp": "aqqua_dataset.sources.uvp",
        "zooscan": "aqqua_dataset.sources.zooscan",
        "zooimage": "aqqua_dataset.sources.zooimage",
        "flowcam": "aqqua_dataset.sources.flowcam",
        "cytosense": "aqqua_dataset.sources.cytosense",
        "cytoclus": "aqqua_dataset.sources.cytoclus",
        "vpr": "aqqua_dataset.sources.vpr",
        "pi10": "aqqua_dataset.sources.pi10",
        "loki": "aqqua_dataset.sources.loki",
        "spc": "aqqua_dataset.sources.spc",
        "planktoscope": "aqqua_dataset.sources.planktoscope",
        "ecotaxa": "aqqua_dataset.sources.ecotaxa",
        "table": "aqqua_dataset.sources.table",
    }
)

#: Columns every reader adds: who the row is, where it stands, where its bytes lie, what is wrong.
#: The bytes are an image file at ``aqqua_path``; or raw 8-bit grey pixels in it (offset, width, height);
#: or a rectangle of the picture in it (x, y, width, height); or an image file as base64 text in it
#: (offset, length).
LOCATOR: Mapping[str, str] = MappingProxyType(
    {
        "aqqua_object_id": "str",  # verbatim object id, or null
        "aqqua_rank": "Int32",  # verbatim image rank, or null
        "aqqua_image_file": "str",  # image file as the row names it
        "aqqua_table": "str",  # table the row stands in, path inside the delivery
        "aqqua_line": "Int64",  # 1-based line in that table
        "aqqua_path": "str",  # file that holds the image's bytes; private, may hold names
        "aqqua_offset": "Int64",  # first byte in that file; null: the whole file
        "aqqua_length": "Int64",  # bytes of base64 text
        "aqqua_x": "Int32",  # left edge in pixels from 0, rectangles only
        "aqqua_y": "Int32",  # upper edge in pixels from 0, rectangles only
        "aqqua_width": "Int32",  # pixels, raw images and rectangles only
        "aqqua_height": "Int32",  # pixels, raw images and rectangles only
        "aqqua_variant": "str",  # raw or processed where the object comes in several forms, else null
        "aqqua_flags": "str",  # flags separated by blanks
        "aqqua_reason": "str",  # reject reason, or null
        "aqqua_column": "str",  # column the reason is about
        "aqqua_value": "str",  # value found there
    }
)

#: Endings of the files that are taken for pictures.
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif")

Report = Callable[[Finding], None]


@dataclass(frozen=True)
class Telling:
    """The files whose names tell a format: how many, and the first of them in the order of the delivery."""

    count: int
    paths: tuple[str, ...]


class Reader(Protocol):
    """What a reader module offers; see the package's docstring."""

    TELLING: re.Pattern[str]
    COVERS: tuple[str, ...]

    def detect(self, delivery: Delivery, telling: Telling) -> str | None:
        """Evidence that the delivery is of the reader's format, or None."""

    def read(self, delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
        """Chunks of rows with the ``LOCATOR`` columns."""


def reader(name: str) -> Reader:
    """The reader of a format, loaded when first asked for.

    Raises:
        KeyError: no such format; the message lists those there are.
    """
    if name not in READERS:
        raise KeyError(f"unknown format {name!r}: expected one of {', '.join(READERS)}")
    return cast("Reader", importlib.import_module(READERS[name]))


def with_locator(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with every locator column present and of its type; missing ones are null."""
    locator = {
        name: rows[name].astype(dtype) if name in rows else pd.Series(pd.NA, rows.index, dtype=dtype)
        for name, dtype in LOCATOR.items()
    }
    verbatim = rows[[c for c in rows.columns if c not in LOCATOR]]
    return pd.concat([pd.DataFrame(locator, index=rows.index), verbatim], axis=1)
