"""Reads a folder with one reader, for tests: its rows, and what it reported."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from aqqua_dataset.findings import Finding
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


def rules(found: Sequence[Finding]) -> list[str]:
    """The rules that spoke, in order."""
    return [f.rule for f in found]


def formats_that_fit(folder: Path) -> list[Fit]:
    """What ``identify`` says of a folder."""
    with Delivery(str(folder)) as delivery:
        return fitting(delivery)
