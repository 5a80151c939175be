"""Reads a folder with one reader, for tests: its rows, what it reported, and what the rows then mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from builders import contribution, settings

from aqqua_dataset.findings import Finding
from aqqua_dataset.harmonise.rows import Harmonised, harmonise
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import LOCATOR, reader
from aqqua_dataset.sources.identify import Fit, fitting
from aqqua_dataset.sources.rows import report_broken_archives
from aqqua_dataset.transfer.delivery import Delivery


def read(folder: Path, name: str, **source: Any) -> tuple[pd.DataFrame, list[Finding]]:
    """All rows of a delivery as one frame, and the findings; chunks hold the locator first and then only text."""
    found: list[Finding] = []
    with Delivery(str(folder)) as delivery:
        report_broken_archives(delivery, found.append)
        chunks = list(reader(name).read(delivery, Source(format=name, location=str(folder), **source), found.append))
    for chunk in chunks:
        assert list(chunk.columns[: len(LOCATOR)]) == list(LOCATOR)
        assert {str(t) for t in chunk.dtypes[len(LOCATOR) :]} <= {"str"}
    return (pd.concat(chunks, ignore_index=True) if chunks else pd.DataFrame(columns=list(LOCATOR))), found


def harmonised(rows: pd.DataFrame, name: str, **changes: Any) -> Harmonised:
    """What rows of a format mean, in a contribution with changes."""
    named = pd.DataFrame(
        {
            "aqqua_image_id": pd.array([f"00000000-0000-5000-8000-{n:012}" for n in range(len(rows))], dtype="str"),
            "aqqua_image_rank": pd.array([0] * len(rows), dtype="Int32"),
            "aqqua_images": pd.array([1] * len(rows), dtype="Int32"),
            "aqqua_reject": pd.array([np.nan] * len(rows), dtype="str"),
        }
    )
    return harmonise(pd.concat([named, rows], axis=1), contribution("c1", "x", format=name, **changes), settings())


def rules(found: Sequence[Finding]) -> list[str]:
    """The rules that spoke, in order."""
    return [f.rule for f in found]


def formats_that_fit(folder: Path) -> list[Fit]:
    """What ``identify`` says of a folder."""
    with Delivery(str(folder)) as delivery:
        return fitting(delivery)
