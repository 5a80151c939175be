"""The rows of one part on their way from verbatim to harmonised: inputs, columns, flags, rejects."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.registry.models import Contribution, Settings

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Candidate:
    """One delivered column that an input may be read from (see schemas/mappings)."""

    column: str
    unit: str
    instruments: frozenset[str]
    unit_source: str
    format: str | None = None


@dataclass
class Reject:
    """Rows that can't be used, for one reason."""

    reason: str
    mask: Mask
    column: str
    value: pd.Series


@dataclass
class Work:
    """One part of rows while it is interpreted; all masks and series are as long as ``rows``."""

    rows: pd.DataFrame
    contribution: Contribution
    settings: Settings
    columns: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, Mask] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)

    def flag(self, name: str, mask: pd.Series | Mask) -> None:
        """Raises a flag (vocabularies/flags.csv) on the rows of the mask."""
        known = self.flags.get(name, np.zeros(len(self.rows), dtype=bool))
        self.flags[name] = known | np.asarray(mask, dtype=bool)

    def reject(self, reason: str, mask: pd.Series | Mask, column: str = "", value: pd.Series | None = None) -> None:
        """Rejects the rows of the mask (vocabularies/reasons.csv); a row may have several reasons."""
        array = np.asarray(mask, dtype=bool)
        if array.any():
            self.rejects.append(Reject(reason, array, column, self.empty() if value is None else value))

    def empty(self) -> pd.Series:
        """A text column of nulls."""
        return pd.Series(np.nan, self.rows.index, dtype="str")

    def constant(self, value: str | float | None) -> pd.Series:
        """A column that holds one value in every row."""
        if value is None:
            return self.empty()
        return pd.Series(value, self.rows.index, dtype="str" if isinstance(value, str) else "float64")

    def candidates(self, name: str) -> list[Candidate]:
        """Delivered columns that input ``name`` may be read from, in order of trust."""
        source = self.contribution.source
        units = self.contribution.declared.column_units
        if source is not None and source.format == "table":
            found = source.mapping.get(name)
            chosen = (
                []
                if found is None
                else [Candidate(found.column, found.unit or "", frozenset(), "declared_form", found.format)]
            )
        else:
            table = schema.mapping(source.format if source else "")
            chosen = [
                Candidate(
                    r.column,
                    r.unit,
                    frozenset(filter(None, r.instruments.split("|"))),
                    r.unit_source,
                )
                for r in table[table["input"] == name].itertuples()
            ]
        told = [
            Candidate(c.column, units[c.column], frozenset(), "declared_form", c.format)
            for c in chosen
            if c.column in units
        ]
        return [c for c in [*told, *chosen] if c.column in self.rows]

    def text(self, name: str) -> pd.Series:
        """Input ``name`` as text, trimmed; null where nothing or only a fill word was delivered."""
        result = self.empty()
        for candidate in self.candidates(name):
            result = result.fillna(self.column(candidate.column))
        return result

    def column(self, column: str) -> pd.Series:
        """A delivered column as text, trimmed; fill words such as ``NaN`` are null."""
        value = self.rows[column].str.strip()
        words = _fill_words()
        return value.mask(value.str.lower().isin(words) | (value == ""))

    def number(self, text: pd.Series, *kinds: str) -> tuple[pd.Series, Mask]:
        """Numbers from text, with decimal commas read and flagged, and fill values made null.

        Returns:
            The numbers, and where text stands that is no number.
        """
        comma = text.str.fullmatch(r"[-+]?\d+,\d+").fillna(False).astype(bool)
        self.flag("DECIMAL_COMMA", comma)
        value = pd.to_numeric(text.mask(comma, text.str.replace(",", ".", regex=False)), errors="coerce")
        unreadable = np.asarray(text.notna() & value.isna(), dtype=bool)
        fill = value.isin(_fill_numbers(("number", *kinds))) | np.isinf(value)
        return value.astype("float64").mask(fill), unreadable


def _fill_words() -> list[str]:
    table = schema.vocabulary("fill_values.csv")
    return list(table.loc[table["applies_to"] == "any", "value"])


def _fill_numbers(kinds: tuple[str, ...]) -> list[float]:
    table = schema.vocabulary("fill_values.csv")
    return [float(v) for v in table.loc[table["applies_to"].isin(kinds), "value"]]
