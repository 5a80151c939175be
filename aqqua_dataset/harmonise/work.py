"""The rows of one part on their way from verbatim to harmonised: inputs, columns, flags, rejects."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise.text import split_unit
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
    _texts: dict[str, pd.Series] = field(default_factory=dict)

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
        mean, then its defaults by folder, last what the form says of a culture's origin (see ``culture``); a column
        whose unit the form states comes before all of them.
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
            chosen += _of_format(source.format).get(name, ())
        chosen.append(Candidate(f"folder.{name}", "um" if name == "pixel_size" else "", origin="folder"))
        chosen.append(culture(name))
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
        if column not in self._texts:
            value = self.rows[column].str.strip()
            self._texts[column] = value.mask(value.str.lower().isin([*_fill_words(), ""]))
        return self._texts[column]

    def delivered(self, candidate: Candidate) -> pd.Series:
        """A candidate's column as text; null in the rows of instruments that it doesn't count for."""
        text = self.column(candidate.column)
        if candidate.instruments:
            text = text.where(self.columns["instrument_id"].isin(candidate.instruments))
        return text

    def quantity(self, text: pd.Series, unit: str, factors: Mapping[str, float], *kinds: str) -> tuple[pd.Series, Mask]:
        """Numbers times the factor of their unit; a unit written with a number must be the column's or supplies it.

        Args:
            text: what was delivered, e.g. ``12``, ``12,5`` or ``12 m``.
            unit: unit of the column; "" where nobody states it.
            factors: units the value can have and what they are in the unit wanted; "" for a number without any.
            kinds: kinds of fill values (vocabularies/fill_values.csv) besides those of any number.

        Returns:
            The quantities, and where text stands that is none or whose unit contradicts the column's.
        """
        bare, written = split_unit(text)
        value, unreadable = self.number(bare, *kinds)
        fits = written.isna() | (written == unit) | ((unit == "") & written.isin([u for u in factors if u]))
        self.flag("NUMBER_WITH_UNIT", written.notna() & fits)
        factor = written.map(factors).astype("float64").fillna(factors.get(unit, float("nan")))
        return (value * factor).where(fits), unreadable | np.asarray(~fits, dtype=bool)

    def number(self, text: pd.Series, *kinds: str) -> tuple[pd.Series, Mask]:
        """Numbers from text, with decimal commas read and flagged, and fill values made null.

        Returns:
            The numbers, and where text stands that is no number.
        """
        value = pd.to_numeric(text, errors="coerce")
        unreadable = np.asarray(text.notna() & value.isna(), dtype=bool)
        if unreadable.any():
            comma = unreadable & np.asarray(text.str.fullmatch(r"[-+]?\d+,\d+").eq(True), dtype=bool)
            self.flag("DECIMAL_COMMA", comma)
            value = value.mask(comma, pd.to_numeric(text.str.replace(",", ".", regex=False), errors="coerce"))
            unreadable = unreadable & ~comma
        fill = value.isin(_fill_numbers(("number", *kinds))) | np.isinf(value)
        return value.astype("float64").mask(fill), unreadable


@functools.cache
def _of_format(source: str) -> dict[str, list[Candidate]]:
    """What the format's own columns mean: candidates by input."""
    result: dict[str, list[Candidate]] = {}
    for row in schema.mapping(source).itertuples():
        instruments = frozenset(filter(None, row.instruments.split("|")))
        candidate = Candidate(row.column, row.unit, instruments, row.unit_source, "format")
        result.setdefault(row.input, []).append(candidate)
    return result


def culture(name: str) -> Candidate:
    """The column in which ``harmonise.culture`` puts an input of a culture's origin; its day is one in UTC."""
    return Candidate(
        f"culture.{name}", "%Y-%m-%d" if name == "datetime" else "", frozenset(), "utc_by_format", "culture"
    )


def _declared(column: Column, prefix: str, origin: str) -> Candidate:
    return Candidate(prefix + column.column, column.unit or column.format or "", origin=origin)


@functools.cache
def _fill_words() -> list[str]:
    table = schema.vocabulary("fill_values.csv")
    return list(table.loc[table["applies_to"] == "any", "value"])


@functools.cache
def _fill_numbers(kinds: tuple[str, ...]) -> list[float]:
    table = schema.vocabulary("fill_values.csv")
    return [float(v) for v in table.loc[table["applies_to"].isin(kinds), "value"]]
