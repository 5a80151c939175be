"""The collection's totals of every day, for the growth over time: kept for ever, also where they go down.

One Parquet file holds all days; a second count of a day replaces that day and nothing else. Totals of the time before
this software come from the registry (``progress_earlier.csv``) and are told apart: they were counted in another way.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aqqua_dataset import schema
from aqqua_dataset.progress.instruments import Group, group_of, group_of_label
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.registry.publishing import EarlierTotal
from aqqua_dataset.release.announce import latest_path
from aqqua_dataset.release.history import release_of
from aqqua_dataset.warehouse import Warehouse

TABLE = "progress/history.parquet"

#: Counts of the ledger that a day keeps.
COUNTS = ("declared", "missing", "received", "rejected", "accepted", "duplicate", "unique", "permitted", "published")


@dataclass(frozen=True)
class Day:
    """What stood in the collection on one day.

    Attributes:
        day: the day.
        images: usable images that are counted once, by group of instruments, without withdrawn contributions.
        earlier: whether the number is the project's own, from before this software counted.
        withdrawn: contributions withdrawn so far.
        duplicate, rejected: images left out as copies or as unusable.
    """

    day: dt.date
    images: dict[Group, int] = field(default_factory=dict)
    earlier: bool = False
    withdrawn: int = 0
    duplicate: int = 0
    rejected: int = 0

    @property
    def total(self) -> int:
        """All images of the day."""
        return sum(self.images.values())

    @property
    def kinds(self) -> dict[str, int]:
        """Images by class of instruments."""
        sums: dict[str, int] = defaultdict(int)
        for group, images in self.images.items():
            sums[group.kind] += images
        return dict(sums)


@dataclass(frozen=True)
class Fall:
    """A day on which the total is lower than on the counted day before, and why, in words."""

    day: dt.date
    fewer: int
    why: tuple[str, ...]


def current_ledger(registry: Registry, warehouse: Warehouse, ledger: pa.Table) -> list[dict[str, Any]]:
    """The ledger's rows with the registry's present states, and what the latest public release holds.

    A contribution that was withdrawn since the ledger was counted is withdrawn here; one that is new has no images yet,
    and one that is gone from the registry isn't there. ``published`` is counted in the release itself: without one it
    is 0, while in the ledger what is permitted stands for it.
    """
    published = _published(warehouse)
    rows = {row["contribution_id"]: row for row in ledger.to_pylist()}
    empty = dict.fromkeys(COUNTS, 0)
    found = []
    for contribution in sorted(registry.contributions.values(), key=lambda c: c.id):
        expected = contribution.expected_images or 0
        row = rows.get(contribution.id) or {**empty, "declared": expected, "missing": expected, "instrument": None}
        now = {"contribution_id": contribution.id, "state": contribution.state}
        found.append({**row, **now, "published": published.get(contribution.id, 0)})
    return found


def _published(warehouse: Warehouse) -> dict[str, int]:
    """Images by contribution in the latest announced public release; none before there is one."""
    latest = warehouse.read_json(latest_path("public"))
    if latest is None:
        return {}
    path = f"{release_of('public', latest['version'])}/ledger.parquet"
    rows = warehouse.read_parquet(path, ["contribution_id", "published"]).to_pylist()
    return {row["contribution_id"]: row["published"] for row in rows}


def record(warehouse: Warehouse, day: dt.date, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Adds a day's totals, or replaces them; returns the whole history.

    Args:
        warehouse: where the history lies.
        day: the day of the count.
        rows: what ``current_ledger`` gave.
    """
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * (len(COUNTS) + 1))
    for row in rows:
        values = sums[row["state"], row["instrument"] or ""]
        for place, number in enumerate((1, *(row[name] for name in COUNTS))):
            values[place] += number
    target = schema.arrow("progress_history")
    made = [
        dict(zip(target.names, (day, state, instrument or None, *values), strict=True))
        for (state, instrument), values in sorted(sums.items())
    ]
    today = pa.Table.from_pylist(made, target)
    if not warehouse.exists(TABLE):
        history = today
    else:
        before = warehouse.read_parquet(TABLE).cast(target)
        others = before.filter(pc.not_equal(before["counted_on"], pa.scalar(day)))
        history = pa.concat_tables([others, today])
    history = history.sort_by([(name, "ascending") for name in schema.tables()["progress_history"].key])
    warehouse.write_parquet(TABLE, history, target)
    return history


def days(history: pa.Table, earlier: Sequence[EarlierTotal]) -> list[Day]:
    """All days in order: the project's earlier totals up to the first counted day, then the counted ones."""
    counted: dict[dt.date, list[dict[str, Any]]] = defaultdict(list)
    for row in history.to_pylist():
        counted[row["counted_on"]].append(row)
    first = min(counted, default=dt.date.max)
    told: dict[dt.date, dict[Group, int]] = defaultdict(lambda: defaultdict(int))
    for total in earlier:
        if total.day < first:
            told[total.day][group_of_label(total.label)] += total.images
    before = [Day(day, dict(images), earlier=True) for day, images in sorted(told.items())]
    return before + [_day(day, rows) for day, rows in sorted(counted.items())]


def _day(day: dt.date, rows: list[dict[str, Any]]) -> Day:
    images: dict[Group, int] = defaultdict(int)
    here = [row for row in rows if row["state"] != "revoked"]
    for row in here:
        if row["unique"]:
            images[group_of(row["instrument"])] += row["unique"]
    gone = sum(row["contributions"] for row in rows if row["state"] == "revoked")
    left_out = {name: sum(row[name] for row in here) for name in ("duplicate", "rejected")}
    return Day(day, dict(images), False, gone, left_out["duplicate"], left_out["rejected"])


def falls(history: Sequence[Day]) -> list[Fall]:
    """The days on which the total went down, the newest first, and what the counts say about the reason."""
    found = []
    for before, after in pairwise(history):
        if after.total < before.total:
            found.append(Fall(after.day, before.total - after.total, tuple(_reasons(before, after))))
    return found[::-1]


def _reasons(before: Day, after: Day) -> list[str]:
    if before.earlier and not after.earlier:
        return ["from here on images are counted by this software, one by one"]
    if after.earlier:
        return ["as the project counted at the time"]
    gone, copies, unusable = (
        getattr(after, name) - getattr(before, name) for name in ("withdrawn", "duplicate", "rejected")
    )
    told = []
    if gone > 0:
        told.append(f"{gone:,} contribution{'' if gone == 1 else 's'} withdrawn by the owner")
    if copies > 0:
        told.append(f"{copies:,} more images recognised as copies of others")
    if unusable > 0:
        told.append(f"{unusable:,} more images found unusable")
    return told or ["deliveries were replaced or corrected"]
