"""Reads ``duplicates.csv``: what people have decided about pairs of images, which wins over the machine."""

import csv
import datetime as dt
import io
from collections.abc import Collection as Ids
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from aqqua_dataset.findings import Finding
from aqqua_dataset.privacy import EMAIL

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


_COLUMNS = tuple(DuplicateDecision.model_fields)
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
    try:
        text = (folder / DECISIONS).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return (), []
    except (UnicodeDecodeError, OSError) as error:
        message = f"expected a CSV file in UTF-8 ({error})"
        return (), [Finding("duplicates_unreadable", "error", message, file=DECISIONS)]
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        message = f"expected the columns {', '.join(_COLUMNS)}"
        found = ",".join(reader.fieldnames or ())
        return (), [Finding("duplicates_columns", "error", message, file=DECISIONS, line=1, value=found)]
    kept: dict[tuple[str, str], DuplicateDecision] = {}
    findings: list[Finding] = []
    undecided = 0
    for row in reader:
        if all(row[name] == "" for name in _DECIDED) and None not in row:
            undecided += 1
            continue
        decision, wrong = _decision(row, reader.line_num, people)
        if decision is not None and (pair := (decision.image_id, decision.other_image_id)) in kept:
            again = "this pair is decided above; keep one"
            wrong = [_finding(reader.line_num, "image_id", again, " ".join(pair))]
        elif decision is not None:
            kept[pair] = decision
        findings += wrong
    if undecided:
        message = "pairs without a decision; fill in decision, by, date and why"
        findings.append(Finding("duplicates_undecided", "note", message, file=DECISIONS, count=undecided))
    return tuple(kept.values()), findings


def _decision(
    row: Mapping[str | None, object], line: int, people: Ids[str]
) -> tuple[DuplicateDecision | None, list[Finding]]:
    if None in row or any(value is None for value in row.values()):
        return None, [_finding(line, "", f"expected {len(_COLUMNS)} cells", "")]
    cells = {str(name): str(value).strip() for name, value in row.items()}
    cells["image_id"], cells["other_image_id"] = sorted((cells["image_id"], cells["other_image_id"]))
    wrong = list(_problems(cells, line, people))
    return (None if wrong else DuplicateDecision.model_validate(cells)), wrong


def _problems(cells: Mapping[str, str], line: int, people: Ids[str]) -> Iterator[Finding]:
    if cells["by"] not in people:
        yield _finding(line, "by", _EXPECTED["by"], cells["by"])
    if cells["image_id"] == cells["other_image_id"]:
        yield _finding(line, "other_image_id", _EXPECTED["other_image_id"], cells["other_image_id"])
    for name, value in cells.items():
        if EMAIL.search(value):
            yield _finding(line, name, "no e-mail address may stand here", value)
    try:
        DuplicateDecision.model_validate(dict(cells))
    except ValidationError as error:
        for problem in error.errors():
            if (column := str(problem["loc"][0])) != "by":
                yield _finding(line, column, _EXPECTED[column], cells[column])


def _finding(line: int, column: str, message: str, value: str) -> Finding:
    return Finding("duplicate_decision_invalid", "error", message, file=DECISIONS, line=line, key=column, value=value)
