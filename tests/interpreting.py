"""Rows of a free table through a mapping, for tests of what values mean."""

from typing import Any

import numpy as np
import pandas as pd
from builders import contribution, settings

from aqqua_dataset.harmonise.rows import Harmonised, harmonise
from aqqua_dataset.registry.models import Declared, Quantity, Source
from aqqua_dataset.sources import with_locator

FORM = Declared(
    instrument="CPICS", pixel_size=Quantity(value=5, unit="um"), latitude=54.0, longitude=11.0, depth_min_m=1,
    depth_max_m=2, time_zone="UTC",
)  # fmt: skip
PLAIN = {"id": "o", "when": "2019-06-14T13:30:00"}


def form(**changes: Any) -> Declared:
    """The form above with other answers."""
    return Declared(**(FORM.model_dump() | changes))


def interpret(
    cells: dict[str, str | None] | list[dict[str, str | None]], mapping: dict[str, Any] | None = None,
    declared: Declared = FORM, source: str = "table",
) -> Harmonised:  # fmt: skip
    """One row, or one part of rows; ``mapping`` names columns as ``"z"`` or as ``{"column": "z", "unit": "m"}``."""
    given = [cells] if isinstance(cells, dict) else cells
    rows = [PLAIN | each | {"aqqua_object_id": f"o{n}", "aqqua_image_file": f"{n}.png"} for n, each in enumerate(given)]
    frame = with_locator(pd.DataFrame(rows).astype("str"))
    count = len(rows)
    named = pd.DataFrame(
        {
            "aqqua_image_id": pd.array([f"03e05be3-ba80-5dcf-bc6d-{n:012x}" for n in range(count)], dtype="str"),
            "aqqua_image_rank": pd.array([0] * count, dtype="Int32"),
            "aqqua_images": pd.array([1] * count, dtype="Int32"),
            "aqqua_reject": pd.array([np.nan] * count, dtype="str"),
        }
    )
    plain: dict[str, Any] = {"object_id": "id"} | ({"datetime": "when"} if source == "table" else {}) | (mapping or {})
    columns = {name: {"column": c} if isinstance(c, str) else c for name, c in plain.items()}
    told = Source(format=source, location="x", mapping=columns)
    giver = contribution("c1", None, source=told, declared=declared)
    return harmonise(pd.concat([named, frame], axis=1), giver, settings())


def row(
    cells: dict[str, str | None], mapping: dict[str, Any] | None = None, declared: Declared = FORM
) -> dict[str, Any]:
    """The core row of one delivered row that is usable."""
    made = interpret(cells, mapping, declared)
    assert made.quarantine.to_pylist() == []
    [found] = made.core.to_pylist()
    return found


def reasons(
    cells: dict[str, str | None], mapping: dict[str, Any] | None = None, declared: Declared = FORM
) -> list[str]:
    """Why one delivered row is refused."""
    return interpret(cells, mapping, declared).quarantine["reason"].to_pylist()
