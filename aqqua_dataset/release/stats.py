"""The numbers of a release, counted once from its own tables: for stats.json, the page, the README, KNOWN-PROBLEMS.md.

Nothing in it is about people. Positions are counted in cells of one degree.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from aqqua_dataset import schema
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.warehouse import Warehouse

#: Version of the shape of stats.json.
FORMAT = 1

_ENDS = (
    "declared", "missing", "received", "rejected", "accepted", "duplicate", "unique", "withheld", "permitted",
    "published", "flagged",
)  # fmt: skip
_QUERIES = {
    "instruments": "instrument_id, count(*), count(distinct contribution_id) from images group by 1",
    "years": "year(datetime_utc at time zone 'UTC'), count(*) from images group by 1",
    "labels": "label_status, count(*) from images group by 1",
    "flags": """flag, count(*), count(distinct contribution_id)
        from (select unnest(qc_flags) as flag, contribution_id from images) group by 1""",
    # 180 E and the pole belong to the last cell.
    "cells": """least(floor(longitude), 179)::int, least(floor(latitude), 89)::int, count(*) from images
        group by 1, 2""",
}


@dataclass(frozen=True)
class Stats:
    """Counts of a release.

    Attributes:
        instruments, flags: id, images, contributions; sorted by id.
        years: year (UTC) of the sampling and images.
        labels: label status and images.
        cells: west and south edge of a cell of one degree, images.
        ledger: images of all contributions by end state.
        states: contributions of the registry by the state they have reached.
        credited: contributions that are credited.
    """

    instruments: tuple[tuple[str, int, int], ...] = ()
    years: tuple[tuple[int, int], ...] = ()
    labels: tuple[tuple[str, int], ...] = ()
    flags: tuple[tuple[str, int, int], ...] = ()
    cells: tuple[tuple[int, int, int], ...] = ()
    ledger: tuple[tuple[str, int], ...] = ()
    states: tuple[tuple[str, int], ...] = ()
    credited: int = 0


def count_tables(
    warehouse: Warehouse, folder: str, ledger: Sequence[Mapping[str, Any]], credited: int
) -> Stats:  # fmt: skip
    """Counts the tables of a release.

    Args:
        warehouse: where it lies.
        folder: its folder.
        ledger: rows of its table ``ledger``.
        credited: number of credited contributions.
    """
    tables = [warehouse.url(p) for p in warehouse.find(f"{folder}/metadata") if p.endswith(".parquet")]
    counted: dict[str, tuple[tuple[Any, ...], ...]] = {}
    if tables:
        with warehouse.connect() as connection:
            for name, query in _QUERIES.items():
                found = connection.sql(
                    f"with images as (from read_parquet($tables)) select {query} order by all",
                    params={"tables": tables},
                )
                counted[name] = tuple(found.fetchall())
    states: dict[str, int] = {}
    for row in ledger:
        states[row["state"]] = states.get(row["state"], 0) + 1
    totals = tuple((end, sum(int(row[end]) for row in ledger)) for end in _ENDS)
    return Stats(**counted, ledger=totals, states=tuple(sorted(states.items())), credited=credited)


def stats_json(facts: ReleaseFacts, stats: Stats) -> str:
    """The numbers as JSON; ``format`` changes when the shape does."""
    told = {
        "format": FORMAT,
        "as_of": facts.date.isoformat(),
        "version": facts.version,
        "view": facts.view,
        "rehearsal": facts.rehearsal,
        "images": facts.image_count,
        "image_bytes": facts.image_bytes,
        "contributions": {"published": len(facts.images), "credited": stats.credited},
        "states": dict(stats.states),
        "ledger": dict(stats.ledger),
        "first_sampled": facts.first_sampled.isoformat() if facts.first_sampled else None,
        "last_sampled": facts.last_sampled.isoformat() if facts.last_sampled else None,
        "box": facts.box,
        **{f.name: getattr(stats, f.name) for f in fields(stats) if f.name in _QUERIES},
    }
    # One line for each entry of a list: a thousand cells stay readable, and small.
    lines = [f" {json.dumps(key)}: {_value(value)}" for key, value in told.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _value(value: Any) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return "[\n" + ",\n".join(f"  {json.dumps(entry)}" for entry in value) + "\n ]"
    return json.dumps(value)


def instrument_names() -> dict[str, str]:
    """Name for people by instrument id."""
    table = schema.vocabulary("instruments.csv")
    return dict(zip(table["instrument_id"], table["display_name"], strict=True))


def in_bytes(size: int) -> str:
    """A number of bytes as people say it, in powers of ten: ``72.1 TB``."""
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:,.0f} {unit}" if value >= 100 or unit == "bytes" else f"{value:.3g} {unit}"
