"""Which instrument: the row's own word first, else the form's, through the instruments vocabulary."""

import functools
import re

import numpy as np
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise.work import Mask, Work

#: Deployments in which the sample comes to the instrument; its date and depth say nothing of the instrument's own.
_SAMPLES = ("net_sample_bench", "bottle_sample_bench", "culture")
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


def fact(work: Work, column: str) -> pd.Series:
    """A number of the instruments vocabulary, e.g. ``depth_rating_m``, for the instrument of each row."""
    table = schema.vocabulary("instruments.csv").set_index("instrument_id")
    found = work.columns["instrument_id"].map(pd.to_numeric(table[column], errors="coerce"))
    return found.astype("float64")  # without a known instrument the map is one of text


def meets_live_water(work: Work) -> Mask:
    """Where the instrument looked at the water itself, in it or pumped past it, and at no preserved sample."""
    samples = work.columns["deployment_type"].isin(_SAMPLES)
    live: Mask = _of_deployment(work, ("in_situ", "flow_through")) & ~np.asarray(samples, dtype=bool)
    return live


def was_lowered(work: Work) -> Mask:
    """Where the instrument was at the depth itself."""
    elsewhere = work.columns["deployment_type"].isin([*_SAMPLES, "flow_through"])
    lowered: Mask = _of_deployment(work, ("in_situ",)) & ~np.asarray(elsewhere, dtype=bool)
    return lowered


def _of_deployment(work: Work, beginnings: tuple[str, ...]) -> Mask:
    table = schema.vocabulary("instruments.csv")
    fitting = table.loc[table["deployment"].str.startswith(beginnings), "instrument_id"]
    return np.asarray(work.columns["instrument_id"].isin(fitting), dtype=bool)
