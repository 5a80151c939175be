"""Reads the registry's tables that people fill in by hand: CSV with fixed columns, mistakes named with their line."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from aqqua_dataset.findings import Finding
from aqqua_dataset.privacy import EMAIL
from aqqua_dataset.registry.credit import Record

R = TypeVar("R", bound=Record)

DECISIONS = "people_decisions.csv"
PAPERS = "papers.csv"


def load_table(
    folder: Path, file: str, model: type[R], expected: Mapping[str, str]
) -> tuple[list[tuple[int, R]], list[Finding]]:
    """The rows of an optional table with their lines, and everything that is wrong with it.

    Args:
        folder: the registry's folder.
        file: name of the table; where it isn't there, there are no rows.
        model: what a row is; its fields are the columns, in order. Empty cells are left out.
        expected: column -> what is expected of it, in words, where that isn't simply some text.

    Returns:
        Rows with line numbers; a row with a mistake is left out and reported.
    """
    try:
        text = (folder / file).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [], []
    except (UnicodeDecodeError, OSError) as error:
        return [], [Finding("table_unreadable", "error", f"expected a CSV file in UTF-8 ({error})", file=file)]
    reader, columns = csv.DictReader(io.StringIO(text)), tuple(model.model_fields)
    if tuple(reader.fieldnames or ()) != columns:
        message, found = f"expected the columns {', '.join(columns)}", ",".join(reader.fieldnames or ())
        return [], [Finding("table_columns", "error", message, file=file, line=1, value=found)]
    rows: list[tuple[int, R]] = []
    findings: list[Finding] = []
    for row in reader:
        line = reader.line_num
        if None in row or None in row.values():
            findings.append(row_finding(file, line, "", f"expected {len(columns)} cells", ""))
            continue
        wrong = [
            row_finding(file, line, name, "no e-mail address may stand here", EMAIL.sub("[e-mail]", cell))
            for name, cell in row.items() if EMAIL.search(cell)
        ]  # fmt: skip
        try:
            record = model.model_validate({name: cell for name, cell in row.items() if cell.strip()})
        except ValidationError as error:
            at = [str(problem["loc"][0]) for problem in error.errors()]
            wrong += [row_finding(file, line, n, expected.get(n, "expected some text"), row[n]) for n in at]
        findings += wrong
        if not wrong:
            rows.append((line, record))
    return rows, findings


def row_finding(file: str, line: int, column: str, message: str, value: str) -> Finding:
    """A finding about one cell of a table."""
    return Finding("table_row_invalid", "error", message, file=file, line=line, key=column, value=value)
