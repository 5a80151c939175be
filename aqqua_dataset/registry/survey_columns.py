"""What the columns and answers of the survey's export mean: the registry's table ``survey_columns.csv``.

Question codes and wordings change with the survey, so they are data. A column may stand there several times: by its
code, by its wording, and once for each answer.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.credit import Record, Text
from aqqua_dataset.registry.models import Settings
from aqqua_dataset.registry.tables import load_table, row_finding

TABLE = "survey_columns.csv"

Field = Literal[
    "response_id", "submitted", "owner_name", "owner_email", "institution", "country", "mailing_list", "dataset_title",
    "dataset_description", "uploads", "permission", "interim_terms", "interim_terms_text", "attribution", "comments",
    "ignored",
]  # fmt: skip
#: Without a column of each of these an export can't be read.
NEEDED: tuple[Field, ...] = ("response_id", "submitted", "owner_name", "owner_email", "permission", "interim_terms")


class SurveyColumn(Record):
    """One row of ``survey_columns.csv``.

    Attributes:
        column: the column's head in the export: code or wording, ``Permit[SQ001]`` for one of several choices.
        answer: the answers that this row is about, with bars between them; any answer when left out.
        field: what the column says; ``ignored`` where it isn't taken, on purpose.
        means: what these answers mean: the id of a permission or of interim terms, ``yes`` or ``no``; nothing is
            said by them when left out.
    """

    column: Text
    answer: Text | None = None
    field: Field
    means: Text | None = None


def load_survey_columns(folder: Path, settings: Settings) -> tuple[tuple[SurveyColumn, ...], list[Finding]]:
    """The table and everything that is wrong with it; a row with a mistake is left out."""
    expected = {"field": f"expected one of {', '.join(get_args(Field))}", "column": "expected the head of a column"}
    rows, findings = load_table(folder, TABLE, SurveyColumn, expected)
    options: Mapping[str, list[str]] = {
        "permission": [p.id for p in settings.permissions],
        "interim_terms": [t.id for t in settings.interim_terms],
        "mailing_list": ["yes", "no"],
    }
    kept = []
    for line, row in rows:
        known = options.get(row.field)
        if row.means is not None and row.means not in (known or ()):
            message = (
                f"expected one of {', '.join(known)}" if known else "expected nothing: such a column is taken as it is"
            )
            findings.append(row_finding(TABLE, line, "means", message, row.means))
        else:
            kept.append(row)
    return tuple(kept), findings


def folded(head: str) -> str:
    """A head without the differences that an export's options make: tags, brackets, underscores, capitals."""
    return " ".join(re.sub(r"[\s_\[\]]+", " ", re.sub(r"<[^>]*>", " ", head)).split()).casefold()


class Meanings:
    """The table, ready to be asked."""

    def __init__(self, rows: tuple[SurveyColumn, ...], settings: Settings) -> None:
        """Sorts the rows by column; titles of options in ``settings`` count as answers too."""
        self._by_column: dict[str, list[SurveyColumn]] = {}
        for row in rows:
            self._by_column.setdefault(folded(row.column), []).append(row)
        self._titles = {t.title.casefold(): t.id for t in settings.interim_terms}
        self.heads = tuple(dict.fromkeys(row.column for row in rows))

    def of_head(self, head: str) -> list[SurveyColumn]:
        """The rows about a head: as it is, or the code before its wording (``Permit[SQ001]. I permit``)."""
        found = self._by_column.get(folded(head))
        code = re.match(r"\s*([A-Za-z]\w*(?:\[\w+\])?)\s*[.:;|]", head)
        return found or (self._by_column.get(folded(code[1]), []) if code else [])

    def answer(self, rows: list[SurveyColumn], text: str) -> tuple[bool, str | None]:
        """Whether an answer is known, and what it means."""
        said = text.casefold()
        for row in rows:
            if row.answer is None or said in row.answer.casefold().split("|"):
                return True, row.means if row.answer is not None else text
        if rows[0].field == "interim_terms" and said in self._titles:
            return True, self._titles[said]
        return False, None
