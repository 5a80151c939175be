"""Which instrument: the row's own word first, else the form's, through the instruments vocabulary."""

import functools
import re

from aqqua_dataset import schema
from aqqua_dataset.harmonise.work import Work

_L22 = "http://vocab.nerc.ac.uk/collection/L22/current/{}/"


@functools.cache
def aliases() -> dict[str, str]:
    """Instrument id by every spelling of its id, name and aliases (letters and digits only)."""
    result: dict[str, str] = {}
    for row in schema.vocabulary("instruments.csv").itertuples():
        for spelling in [row.instrument_id, row.display_name, *row.aliases.split("|")]:
            result.setdefault(_key(spelling), row.instrument_id)
    return {k: v for k, v in result.items() if k}


def _key(spelling: str) -> str:
    return re.sub(r"[^a-z0-9]", "", spelling.lower())


def instrument_id(spelling: str | None) -> str | None:
    """Id of the instrument a text names, or None; never by resemblance."""
    return aliases().get(_key(spelling)) if spelling else None


def interpret(work: Work) -> None:
    """Sets instrument_id, _family, _uri, _verbatim, platform and deployment_type."""
    declared = work.contribution.declared
    delivered = work.text("instrument")
    told = {_key(a.spelling): a.instrument_id for a in work.settings.instrument_aliases}

    def named(spelling: str | None) -> str | None:
        return instrument_id(spelling) or (told.get(_key(spelling)) if spelling else None)

    known = {v: named(v) for v in delivered.dropna().unique()}
    found = delivered.map(known).astype("str").fillna(work.constant(named(declared.instrument)))
    verbatim = delivered.fillna(work.constant(declared.instrument))
    work.reject("instrument_missing", verbatim.isna())
    work.reject("instrument_unknown", verbatim.notna() & found.isna(), "instrument", verbatim)

    vocabulary = schema.vocabulary("instruments.csv").set_index("instrument_id")
    l22 = vocabulary["nerc_l22"].where(vocabulary["nerc_l22"] != "")
    work.columns["instrument_id"] = found
    work.columns["instrument_family"] = found.map(vocabulary["family"])
    work.columns["instrument_uri"] = found.map(l22.map(_L22.format, na_action="ignore"))
    work.columns["instrument_verbatim"] = verbatim
    work.columns["platform"] = work.text("platform").fillna(work.constant(declared.platform))
    work.columns["deployment_type"] = work.constant(declared.deployment_type or "unknown")
