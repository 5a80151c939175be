"""What happens to text on its way to us: letters decoded wrongly, units beside numbers, damage by spreadsheets.

Nothing here changes what is kept as verbatim: repairs are made on copies that are interpreted.
"""

import functools
import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from aqqua_dataset import schema

#: Letters that UTF-8 becomes when it is read as Latin-1 or Windows-1252, and the sign for what couldn't be decoded.
_BROKEN = re.compile("[ÃÂâ\ufffd]")
_LOST = "\ufffd"
_MOST_ROUNDS = 3  # times that a text may have been decoded wrongly

_NUMBER_AND_UNIT = r"^([-+]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?)[ _]*([^\W0-9_].*)$"

_MONTH = "jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
#: What spreadsheets make of ids: 1.23E+05; 3-Jan and Jan-21; a midnight behind a date; a day count as 45096.2208333.
_SPREADSHEET = (
    r"^[0-9](?:[.,][0-9]+)?E\+[0-9]+$"
    rf"|^[0-9]{{1,2}}[-. ](?:{_MONTH})\.?(?:[-. ][0-9]{{2,4}})?$|^(?:{_MONTH})[-. ][0-9]{{2}}$"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]00:00:00"
    r"|(?:^|[^0-9.])[1-6][0-9]{4}\.[0-9]{6,}(?:\D|$)"
)


def repaired(text: str) -> str:
    """The text with UTF-8 that was read as Latin-1 or Windows-1252 put right; unchanged where that isn't certain.

    Certain is what gives valid UTF-8 when it is turned back: ``Âµm`` does, the Portuguese ``SÃO`` doesn't.
    """
    for _ in range(_MOST_ROUNDS):
        better = next(filter(None, (_turned_back(text, encoding) for encoding in ("latin-1", "cp1252"))), None)
        if better is None or better == text:
            break
        text = better
    return text


def _turned_back(text: str, encoding: str) -> str | None:
    try:
        return text.encode(encoding).decode("utf-8")
    except UnicodeError:
        return None


def repair(texts: pd.Series) -> tuple[pd.Series, npt.NDArray[np.bool_]]:
    """Repaired copies of texts, and which of them were damaged (those that can't be repaired included)."""
    suspects = texts[texts.str.contains(_BROKEN.pattern, regex=True).eq(True)]
    known = {t: repaired(t) for t in suspects.unique()}
    damaged = {t for t, better in known.items() if better != t or _LOST in t}
    mask = np.asarray(texts.isin(list(damaged)), dtype=bool)
    return texts.mask(mask, texts.map(known)).astype("str"), mask


@functools.cache
def _units() -> dict[str, str]:
    """Unit by its spellings, in small letters."""
    table = schema.vocabulary("unit_spellings.csv")
    return {s.casefold(): row.unit for row in table.itertuples() for s in row.spellings.split("|")}


def unit_of(spelling: str) -> str:
    """The unit a spelling stands for; the spelling itself where it is none of vocabularies/unit_spellings.csv."""
    plain = repaired(spelling).strip(" []().").casefold()
    return _units().get(plain, spelling)


def split_unit(texts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Numbers that are written with a unit, apart: the text of the number, and the unit (null where none is written).

    Args:
        texts: e.g. ``0.1863_ml``, ``10.6 µm``, ``12``, ``unknown``; what isn't number and unit stays as it is.
    """
    bare, units = texts.astype("str"), pd.Series(np.nan, texts.index, dtype="str")
    worded = texts.notna() & pd.to_numeric(texts, errors="coerce").isna()
    if worded.any():  # numbers are the rule, and taking text apart is slow
        parts = texts[worded].str.extract(_NUMBER_AND_UNIT)
        bare = bare.where(~worded, parts[0].fillna(texts))
        units = units.where(~worded, parts[1].map({s: unit_of(s) for s in parts[1].dropna().unique()}).astype("str"))
    return bare, units


def spreadsheet_damage(ids: pd.Series) -> npt.NDArray[np.bool_]:
    """Which ids a spreadsheet has turned into a number, a date or a count of days."""
    return np.asarray(ids.str.contains(_SPREADSHEET, case=False, regex=True).eq(True), dtype=bool)
