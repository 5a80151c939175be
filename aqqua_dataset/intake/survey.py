"""The survey's CSV export (LimeSurvey's) as forms: one response is one form, with one set of permissions."""

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from aqqua_dataset.intake.tables import HandedIn, read_text_table
from aqqua_dataset.intake.yaml_text import as_day
from aqqua_dataset.registry.survey_columns import NEEDED, Meanings, SurveyColumn

_FILE = re.compile(r"[^\s,;()\[\]\"]+\.(?:xlsx|csv|tsv|txt|xls|ods)\b", re.IGNORECASE)
_NO_DAY = "1980-01-01"  # what the survey writes where it doesn't keep times


@dataclass
class FilledForm:
    """One response.

    Attributes:
        id: the response's number.
        line: where it begins in the export.
        day: day it was submitted.
        said: field -> answer; only what was answered.
        permissions: ids of the permissions that were given.
        uploads: names of the files that were uploaded with it.
        columns: field -> head of its column, for findings.
    """

    id: str
    line: int
    day: dt.date
    said: dict[str, str] = field(default_factory=dict)
    permissions: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)


def read_survey(path: Path, meanings: Meanings) -> tuple[list[FilledForm], HandedIn]:
    """The submitted forms of an export, and the table with everything that is wrong in it."""
    table = read_text_table(path, meanings.heads)
    known = {head: rows for head in table.heads if head and (rows := meanings.of_head(head))}
    fields = {row.field for rows in known.values() for row in rows}
    if missing := [f for f in NEEDED if f not in fields]:
        message = f"no column says {', '.join(missing)}; give its head in survey_columns.csv"
        table.say("survey_column_missing", message, 1, severity="error")
        return [], table
    for head in table.heads:
        filled = sum(1 for _, row in table.rows if head in row)
        if head and head not in known and filled:
            message = f"not in survey_columns.csv; its {filled:,} answers aren't taken"
            table.say("survey_column_unknown", message, 1, head)
    return list(_forms(table, known, meanings)), table


def _forms(
    table: HandedIn, known: Mapping[str, list[SurveyColumn]], meanings: Meanings
) -> Iterator[FilledForm]:  # fmt: skip
    number = next(h for h, rows in known.items() if rows[0].field == "response_id")
    seen: dict[str, int] = {}
    times: dict[str, list[Mapping[str, str]]] = {}
    for _, row in table.rows:
        times.setdefault(row.get(number, ""), []).append(row)
    for line, row in table.rows:
        response = row.get(number, "")
        if not re.fullmatch(r"[1-9]\d{0,9}", response):
            message = "expected the response's number; the row isn't taken"
            table.say("response_without_id", message, line, number, response, "error")
            continue
        if any(other != row for other in times[response]):
            message = "this number stands on rows that differ; none of them is taken"
            table.say("response_twice", message, line, number, response, "error")
            continue
        if response in seen:
            message = f"the same response as in line {seen[response]}"
            table.say("response_repeated", message, line, number, response, "note")
            continue
        seen[response] = line
        if (form := _form(table, known, meanings, response, line, row)) is not None:
            yield form


def _form(
    table: HandedIn, known: Mapping[str, list[SurveyColumn]], meanings: Meanings, response: str, line: int,
    row: Mapping[str, str],
) -> FilledForm | None:  # fmt: skip
    made = FilledForm(response, line, dt.date.min)
    for head, rows in known.items():
        name = rows[0].field
        made.columns.setdefault(name, head)
        text = row.get(head, "")
        text = text[1:] if text.startswith("'=") else text  # the export's own guard against formulas
        if not text or name == "ignored":
            continue
        understood, meaning = meanings.answer(rows, text)
        if not understood:
            answers = ", ".join(a for r in rows for a in (r.answer or "").split("|"))
            table.say("answer_unknown", f"expected one of {answers}; the answer isn't taken", line, head, text, "error")
        elif meaning is None:
            continue
        elif name == "permission":
            made.permissions += [meaning] if meaning not in made.permissions else []
        elif name == "uploads":
            made.uploads += _uploads(table, line, head, text)
        else:
            made.said.setdefault(name, meaning)
    day = as_day(made.said.get("submitted", "")[:10])
    if day is None or day.isoformat() == _NO_DAY:
        message = "not submitted, or no day is kept; expected a day such as 2025-08-31: the row isn't taken"
        value = made.said.get("submitted", "")
        table.say("not_submitted", message, line, made.columns["submitted"], value)
        return None
    made.day = day
    return made


def _uploads(table: HandedIn, line: int, head: str, text: str) -> list[str]:
    """Names of the uploaded files: JSON with name and filename, or a text that names them."""
    try:
        files = json.loads(text)
    except ValueError:
        files = [{"name": name} for name in _FILE.findall(text)]
    names = [str(f["name"]) for f in files if isinstance(f, dict) and f.get("name")] if isinstance(files, list) else []
    if not names:
        message = "expected the uploaded files as JSON with their names"
        table.say("uploads_unreadable", message, line, head, text)
    return [unquote(name) for name in names]


class Uploads:
    """The folder of the survey's *all files*: ``00012_01_name.xlsx`` is the first file of response 12."""

    def __init__(self, folder: Path | None, forms: list[FilledForm]) -> None:
        """Lists the files; nothing where there is no folder."""
        self.files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder is not None else []
        self._named = Counter(_loose(name) for form in forms for name in form.uploads)
        self.claimed: set[Path] = set()

    def find(self, form: FilledForm, place: int) -> Path | None:
        """The file of the form's upload number ``place`` (from 1 on), else None.

        A file without the response's number counts where only one form of the export names it.
        """
        name = form.uploads[place - 1]
        own = re.compile(rf"0*{form.id}_0*(?P<place>\d+)_(?P<name>.+)")
        numbered = [(p, m) for p in self.files if (m := own.fullmatch(p.name))]
        found = [p for p, m in numbered if _loose(m["name"]) == _loose(name) and int(m["place"]) == place]
        found = found or [p for p, m in numbered if _loose(m["name"]) == _loose(name)]
        if not found and self._named[_loose(name)] == 1:
            found = [p for p in self.files if _loose(p.name) == _loose(name)]
        if len(found) != 1:
            return None
        self.claimed.add(found[0])
        return found[0]


def _loose(name: str) -> str:
    """A file's name without what the survey replaces in it."""
    return re.sub(r"[^a-z0-9]+", "", name.casefold())
