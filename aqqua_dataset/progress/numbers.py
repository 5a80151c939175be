"""Everything the public progress site says, as numbers and words: for the pages, the drawings and progress.json."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aqqua_dataset import schema
from aqqua_dataset.progress.history import Day, Fall, falls
from aqqua_dataset.progress.instruments import Group, classes, group_of
from aqqua_dataset.progress.naming import PublicTitles
from aqqua_dataset.progress.places import WorldMap
from aqqua_dataset.registry.models import Contribution, Registry
from aqqua_dataset.release.escape import one_line

#: Version of the shape of progress.json.
FORMAT = 1

#: What a line of a table says: name in progress.json, counts of the ledger it sums up, and what it is called.
COLUMNS = (
    ("pledged", "missing", "announced"),
    ("received", "received", "received"),
    ("accepted", "accepted", "usable"),
    ("copies", "duplicate", "copies"),
    ("images", "unique", "counted once"),
    ("published", "published", "published"),
)  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """Images of some contributions; ``images`` are the usable ones, each picture counted once."""

    contributions: int = 0
    pledged: int = 0
    received: int = 0
    accepted: int = 0
    copies: int = 0
    images: int = 0
    published: int = 0

    def plus(self, row: Mapping[str, Any]) -> "Counts":
        """With the numbers of one more row of the ledger."""
        added = {name: getattr(self, name) + int(row[source]) for name, source, _ in COLUMNS}
        return replace(self, contributions=self.contributions + 1, **added)


@dataclass(frozen=True)
class Named:
    """A contribution that may be named."""

    title: str
    institutions: tuple[str, ...]
    instrument: Group
    state: str
    counts: Counts


@dataclass(frozen=True)
class Progress:
    """The collection as the public sees it on one day.

    Attributes:
        title: of the collection.
        counts: all contributions that aren't withdrawn.
        instruments: by group, in the order of classes, the most images first.
        states: by state, in the order a contribution passes them.
        withdrawn: how many contributions were withdrawn; nothing else is said of them.
        named: contributions that may be named, by state, then by title.
        unnamed: how many may not.
        history: totals day by day.
        falls: days on which the total went down.
        map: the places.
    """

    day: dt.date
    title: str
    counts: Counts
    instruments: tuple[tuple[Group, Counts], ...]
    states: tuple[tuple[str, Counts], ...]
    withdrawn: int
    named: tuple[Named, ...]
    unnamed: int
    history: tuple[Day, ...]
    falls: tuple[Fall, ...]
    map: WorldMap


def gather(
    registry: Registry, rows: Sequence[Mapping[str, Any]], named: Sequence[Contribution], history: Sequence[Day],
    places: WorldMap, day: dt.date,
) -> Progress:  # fmt: skip
    """Puts together what the site says.

    Args:
        registry: the whole registry.
        rows: the ledger's rows as they are now.
        named: contributions that may be named.
        history: totals day by day, today's included.
        places: what the map may show.
        day: today.
    """
    total, by_group, by_state = Counts(), defaultdict[Group, Counts](Counts), defaultdict[str, Counts](Counts)
    for row in rows:
        if row["state"] != "revoked":
            group, state = group_of(row["instrument"]), str(row["state"])
            total = total.plus(row)
            by_group[group] = by_group[group].plus(row)
            by_state[state] = by_state[state].plus(row)
    order, path = list(classes()), list(schema.enumerations()["contribution_state"])
    instruments = sorted(by_group.items(), key=lambda i: (order.index(i[0].kind), -i[1].images, i[0].label))
    states = sorted(by_state.items(), key=lambda item: path.index(item[0]))
    withdrawn = sum(row["state"] == "revoked" for row in rows)
    listed = sorted(_named(registry, rows, named), key=lambda n: (path.index(n.state), n.title, n.institutions))
    return Progress(
        day=day, title=one_line(registry.settings.dataset.title), counts=total, instruments=tuple(instruments),
        states=tuple(states), withdrawn=withdrawn, named=tuple(listed), unnamed=total.contributions - len(listed),
        history=tuple(history), falls=tuple(falls(history)), map=places,
    )  # fmt: skip


def _named(
    registry: Registry, rows: Sequence[Mapping[str, Any]], named: Sequence[Contribution]
) -> list[Named]:  # fmt: skip
    titles = PublicTitles(registry)
    by_id = {row["contribution_id"]: row for row in rows}
    return [
        Named(
            titles.of(c),
            tuple(one_line(registry.institutions[i].name) for i in c.institutions if i in registry.institutions),
            group_of(by_id[c.id]["instrument"]), c.state, Counts().plus(by_id[c.id]),
        )
        for c in named
    ]  # fmt: skip


def progress_json(progress: Progress) -> str:
    """The numbers as JSON, one line for each entry of a list; docs/progress.md describes every key."""
    places = progress.map
    told: dict[str, Any] = {
        "format": FORMAT,
        "as_of": progress.day.isoformat(),
        "title": progress.title,
        "totals": _numbers(progress.counts),
        "withdrawn_contributions": progress.withdrawn,
        "unnamed_contributions": progress.unnamed,
        "classes": classes(),
        "instruments": [
            {"class": g.kind, "label": g.label, **_numbers(counts)} for g, counts in progress.instruments
        ],
        "states": [{"state": state, **_numbers(counts)} for state, counts in progress.states],
        "contributions": [
            {"title": n.title, "institutions": n.institutions, "class": n.instrument.kind, "label": n.instrument.label,
             "state": n.state, **_numbers(n.counts)} for n in progress.named
        ],
        "history": [
            {"day": d.day.isoformat(), "earlier": d.earlier, "images": d.total,
             "by_label": {f"{g.kind}/{g.label}": n for g, n in sorted(d.images.items())}} for d in progress.history
        ],
        "falls": [{"day": f.day.isoformat(), "fewer": f.fewer, "why": f.why} for f in progress.falls],
        "cells": [[c.kind, c.west, c.south, c.size, c.at_least] for c in places.cells],
        "images_on_map": places.images,
        "images_left_out": dict(places.left_out),
        "pledges": [[p.latitude, p.longitude, p.contributions] for p in places.pledges],
        "pledges_without_place": places.pledges_without_place,
        "institutions": [[s.latitude, s.longitude, list(s.names)] for s in places.stars],
        "institutions_without_place": places.institutions_without_place,
    }  # fmt: skip
    return "{\n" + ",\n".join(f" {json.dumps(key)}: {_lines(value)}" for key, value in told.items()) + "\n}\n"


def _numbers(counts: Counts) -> dict[str, int]:
    return dict(vars(counts))


def _lines(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in value) + "\n ]"
    return json.dumps(value, ensure_ascii=False)
