"""How the public progress site groups instruments: by class, and by the name the project's own page uses.

Both stand in ``instruments.csv`` (columns ``progress_class`` and ``progress_label``); docs/progress.md cites what they
rest on.
"""

import functools
from typing import NamedTuple

from aqqua_dataset import schema
from aqqua_dataset.harmonise.instrument import instrument_id


class Group(NamedTuple):
    """A class of instruments (value of the enumeration ``progress_class``) and a name inside it."""

    kind: str
    label: str


OTHER = Group("other", "Other")


def classes() -> dict[str, str]:
    """Name for people by class, in the site's order."""
    return schema.enumerations()["progress_class"]


@functools.cache
def groups() -> dict[str, Group]:
    """Group by instrument id."""
    table = schema.vocabulary("instruments.csv")
    columns = zip(table["instrument_id"], table["progress_class"], table["progress_label"], strict=True)
    return {name: Group(kind, label) for name, kind, label in columns}


def group_of(instrument: str | None) -> Group:
    """Group of an instrument id; what nobody knows is ``Other``."""
    return groups().get(instrument or "", OTHER)


@functools.cache
def group_of_label(label: str) -> Group:
    """Group of a name on the project's earlier page, such as ``Zooscan``, ``UVP5`` or ``DSPC (…)``."""
    if (known := instrument_id(label)) is not None:
        return groups()[known]
    name = label.casefold().strip()
    named = {g for g in groups().values() if g.label != OTHER.label and name.startswith(g.label.casefold())}
    return max(named, key=lambda g: len(g.label), default=OTHER)
