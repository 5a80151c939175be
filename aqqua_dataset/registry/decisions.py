"""Reads ``duplicates.csv``: what people have decided about pairs of images, which wins over the machine."""

import datetime as dt
from collections.abc import Collection as Ids
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.tables import load_table, row_finding

DECISIONS = "duplicates.csv"


ImageId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class DuplicateDecision(BaseModel):
    """Whether two images are one picture of one organism, as a person decided: one row of ``duplicates.csv``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_id: ImageId
    other_image_id: ImageId
    decision: Literal["same", "not_same"]
    by: str
    date: dt.date
    why: Annotated[str, StringConstraints(min_length=1)]


_DECIDED = ("decision", "by", "date", "why")
_EXPECTED = {
    "image_id": "expected an image's id, such as 6f1c0b8e-8f0a-5d4e-9a55-0d4f6c1f2b3a",
    "other_image_id": "expected another image's id, such as 6f1c0b8e-8f0a-5d4e-9a55-0d4f6c1f2b3a",
    "decision": "expected same or not_same",
    "by": "expected the id of a person in people/",
    "date": "expected a date such as 2025-08-31",
    "why": "expected what the decision rests on",
}


def load_decisions(folder: Path, people: Ids[str]) -> tuple[tuple[DuplicateDecision, ...], list[Finding]]:
    """The decisions of a registry and everything that is wrong with them; a row with a mistake is left out.

    A row in which nothing is decided yet (a list that somebody has begun to fill in) is left out and counted in a note.
    The order of the two ids doesn't matter; the smaller one comes first in the result.
    """

    def problems(cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        if cells["by"] not in people:
            yield "by", _EXPECTED["by"]
        if cells["image_id"] == cells["other_image_id"]:
            yield "other_image_id", _EXPECTED["other_image_id"]

    rows, findings = load_table(folder, DECISIONS, DuplicateDecision, _EXPECTED, problems, _DECIDED)
    kept: dict[tuple[str, str], DuplicateDecision] = {}
    for line, row in rows:
        first, second = pair = tuple(sorted((row.image_id, row.other_image_id)))
        if pair in kept:
            again = "this pair is decided above; keep one"
            findings.append(row_finding(DECISIONS, line, "image_id", again, f"{first} {second}"))
        else:
            kept[first, second] = row.model_copy(update={"image_id": first, "other_image_id": second})
    return tuple(kept.values()), findings
