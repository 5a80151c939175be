"""Reads the registry's tables that people fill in by hand: CSV with fixed columns, mistakes named with their line."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from aqqua_dataset.findings import Finding
from aqqua_dataset.privacy import EMAIL

R = TypeVar("R", bound=BaseModel)

#: What is wrong with a row's cells: pairs of column and what was expected.
Problems = Callable[[Mapping[str, str]], Iterable[tuple[str, str]]]


def load_table(
    folder: Path, file: str, model: type[R], expected: Mapping[str, str],
    problems: Problems = lambda cells: (), to_fill: Iterable[str] = (),
) -> tuple[list[tuple[int, R]], list[Finding]]:  # fmt: skip
    """The rows of an optional table with their lines, and everything that is wrong with it.

    Args:
        folder: the registry's folder.
        file: name of the table; where it isn't there, there are no rows.
        model: what a row is; its fields are the columns, in order. Empty cells are left out.
        expected: column -> what is expected of it, in words, where that isn't simply some text.
        problems: what is wrong beyond what the model sees.
        to_fill: a row in which all of these columns are empty is one that nobody has got to yet: left out and counted.

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
    still_open = 0
    for row in reader:
        line = reader.line_num
        if None in row or None in row.values():
            findings.append(row_finding(file, line, "", f"expected {len(columns)} cells", ""))
            continue
        if to_fill and not any(row[name] for name in to_fill):
            still_open += 1
            continue
        wrong = dict(problems(row))
        wrong |= {name: "no e-mail address may stand here" for name, cell in row.items() if EMAIL.search(cell)}
        try:
            record = model.model_validate({name: cell for name, cell in row.items() if cell.strip()})
        except ValidationError as error:
            at = (str(problem["loc"][0]) for problem in error.errors())
            wrong = {name: expected.get(name, "expected some text") for name in at} | wrong
        findings += [row_finding(file, line, n, message, EMAIL.sub("[e-mail]", row[n])) for n, message in wrong.items()]
        if not wrong:
            rows.append((line, record))
    if still_open:
        message = f"rows that nobody has filled in: {', '.join(to_fill)}"
        findings.append(Finding("table_rows_open", "note", message, file=file, count=still_open))
    return rows, findings


def row_finding(file: str, line: int, column: str, message: str, value: str) -> Finding:
    """A finding about one cell of a table."""
    return Finding("table_row_invalid", "error", message, file=file, line=line, key=column, value=value)
