"""The rows of one part on their way from verbatim to harmonised: inputs, columns, flags, rejects."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.registry.models import Column, Contribution, LabelAnswer, Settings

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Candidate:
    """One column that an input may be read from (see schemas/mappings).

    Attributes:
        column: its name among the rows.
        unit: unit of its values; for times their format, for label ids their class list; "" where none is needed.
        instruments: it counts for these instruments only; for all when empty.
        unit_source: who says which unit it is (enumeration pixel_size_unit_source, or ``utc_by_format``).
        origin: ``mapping``, ``folder``, ``format`` or the id of a joined table: what belongs together.
    """

    column: str
    unit: str
    instruments: frozenset[str] = frozenset()
    unit_source: str = "declared_form"
    origin: str = "mapping"


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
    answers: tuple[LabelAnswer, ...] = ()

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
        """Columns that input ``name`` may be read from, in order of trust.

        First what the contribution's file maps, then its joined tables, then what the format's own columns
        mean, last its defaults by folder; a column whose unit the form states comes before all of them.
        """
        source = self.contribution.source
        if source is None:
            return []
        units = self.contribution.declared.column_units
        chosen = []
        if name in source.mapping:
            chosen.append(_declared(source.mapping[name], "", "mapping"))
        chosen += [_declared(j.mapping[name], f"{j.id}.", j.id) for j in source.joins if name in j.mapping]
        if source.format != "table":
            table = schema.mapping(source.format)
            chosen += [
                Candidate(r.column, r.unit, frozenset(filter(None, r.instruments.split("|"))), r.unit_source, "format")
                for r in table[table["input"] == name].itertuples()
            ]
        chosen.append(Candidate(f"folder.{name}", "um" if name == "pixel_size" else "", origin="folder"))
        told = [Candidate(c.column, units[c.column], origin=c.origin) for c in chosen if c.column in units]
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


def _declared(column: Column, prefix: str, origin: str) -> Candidate:
    return Candidate(prefix + column.column, column.unit or column.format or "", origin=origin)


def _fill_words() -> list[str]:
    table = schema.vocabulary("fill_values.csv")
    return list(table.loc[table["applies_to"] == "any", "value"])


def _fill_numbers(kinds: tuple[str, ...]) -> list[float]:
    table = schema.vocabulary("fill_values.csv")
    return [float(v) for v in table.loc[table["applies_to"].isin(kinds), "value"]]
