"""Reads ``labels.csv``, people's answers to labels, and checks where the taxonomy snapshot lies."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from aqqua_dataset import schema
from aqqua_dataset.findings import Finding
from aqqua_dataset.labels.taxonomy import read_about
from aqqua_dataset.privacy import EMAIL
from aqqua_dataset.registry.models import LabelAnswer, Person, Settings

ANSWERS = "labels.csv"
_COLUMNS = tuple(LabelAnswer.model_fields)
_EXPECTED = {
    "aphia_id": "expected a WoRMS AphiaID, a whole number above zero",
    "reviewed_by": "expected the id of a person in people/",
    "reviewed_on": "expected a date such as 2025-08-31",
}


def load_answers(folder: Path, people: Mapping[str, Person]) -> tuple[tuple[LabelAnswer, ...], list[Finding]]:
    """The answers of a registry and everything that is wrong with them; a row with a mistake is left out."""
    try:
        text = (folder / ANSWERS).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return (), []
    except (UnicodeDecodeError, OSError) as error:
        return (), [Finding("labels_unreadable", "error", f"expected a CSV file in UTF-8 ({error})", file=ANSWERS)]
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        message = f"expected the columns {', '.join(_COLUMNS)}"
        found = ",".join(reader.fieldnames or ())
        return (), [Finding("labels_columns", "error", message, file=ANSWERS, line=1, value=found)]
    kept: dict[tuple[str, str], LabelAnswer] = {}
    findings: list[Finding] = []
    for row in reader:
        wrong = list(_problems(row, reader.line_num, people))
        key = (row["scheme"] or "", row["label_verbatim"] or "")
        if not wrong and key in kept:
            wrong = [_finding(reader.line_num, "label_verbatim", "this label has an answer above; keep one", key[1])]
        findings += wrong
        if not wrong:
            kept[key] = _record(row)
    return tuple(kept.values()), findings


def _problems(row: Mapping[str | None, object], line: int, people: Mapping[str, Person]) -> Iterator[Finding]:
    if None in row or any(value is None for value in row.values()):
        yield _finding(line, "", f"expected {len(_COLUMNS)} cells", "")
        return
    cells = {str(name): str(value) for name, value in row.items()}
    if cells["label_kind"] not in schema.enumerations()["label_kind"]:
        expected = ", ".join(schema.enumerations()["label_kind"])
        yield _finding(line, "label_kind", f"expected one of {expected}", cells["label_kind"])
    if bool(cells["aphia_id"]) and not cells["taxon_name"]:
        yield _finding(line, "taxon_name", "expected the name of the taxon with this AphiaID", "")
    if cells["reviewed_by"] not in people:
        yield _finding(line, "reviewed_by", _EXPECTED["reviewed_by"], cells["reviewed_by"])
    for name, value in cells.items():
        if EMAIL.search(value):
            yield _finding(line, name, "no e-mail address may stand here", value)
    try:
        _record(cells)
    except ValidationError as error:
        for problem in error.errors():
            column = str(problem["loc"][0])
            if column not in ("label_kind", "reviewed_by"):
                yield _finding(line, column, _EXPECTED.get(column, "expected some text"), cells[column])


def _record(cells: Mapping[str, str]) -> LabelAnswer:
    given = {name: value for name, value in cells.items() if value or name in ("scheme", "label_verbatim")}
    return LabelAnswer.model_validate(given)


def _finding(line: int, column: str, message: str, value: str) -> Finding:
    return Finding("label_answer_invalid", "error", message, file=ANSWERS, line=line, key=column, value=value)


def with_taxonomy(settings: Settings, folder: Path) -> tuple[Settings | None, list[Finding]]:
    """Settings whose taxonomy is a full path; None where the snapshot can't be read: none is taken in its place."""
    if settings.taxonomy is None:
        return settings, []
    place = folder / settings.taxonomy
    try:
        read_about(place)
    except ValueError as error:
        message = f"expected the folder of a taxonomy snapshot made by: aqqua taxonomy build ({error})"
        return None, [
            Finding("taxonomy_invalid", "error", message, file="settings.yaml", key="taxonomy", value=settings.taxonomy)
        ]
    return settings.model_copy(update={"taxonomy": str(place)}), []
