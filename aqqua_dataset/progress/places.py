"""What the public map may show: cells with images, places of pledges, institutions; and what is left out, counted.

Before a contribution is published its positions are only shown in cells. A small cell is shown for a class of
instruments where enough contributions and images lie in it, and nobody objects to their positions; whatever may not be
shown so goes into a coarse cell. What was published is shown in small cells: its positions are public.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aqqua_dataset.progress.cells import CellCounts
from aqqua_dataset.progress.instruments import classes, group_of
from aqqua_dataset.progress.naming import named_institutions
from aqqua_dataset.registry.licences import item_licence
from aqqua_dataset.registry.models import Contribution, Registry, Sea
from aqqua_dataset.release.escape import one_line

#: A cell tells its images in steps only: an exact number would tell whose they are.
STEPS = (1, 100, 10_000, 1_000_000, 100_000_000)

_WIDEST_SEA_DEG = 90


@dataclass(frozen=True)
class Cell:
    """A cell with images of one class of instruments; ``at_least`` is one of ``STEPS``; edges and size in degrees."""

    kind: str
    west: int
    south: int
    size: int
    at_least: int
    coarse: bool


@dataclass(frozen=True)
class Pledge:
    """Pledged contributions at one place: the middle of a coarse cell, or of the sea their owners named."""

    latitude: float
    longitude: float
    contributions: int


@dataclass(frozen=True)
class Star:
    """Institutions at one place."""

    latitude: float
    longitude: float
    names: tuple[str, ...]


@dataclass(frozen=True)
class WorldMap:
    """Everything the map shows, and what it doesn't.

    Attributes:
        cells: coarse ones first, then by class and place.
        images: usable images with a position that is shown.
        left_out: images that aren't, by the reason in words.
        pledges_without_place: pledged contributions of which nobody knows a place.
        institutions_without_place: named institutions of which the registry knows no place.
    """

    cells: tuple[Cell, ...]
    pledges: tuple[Pledge, ...]
    stars: tuple[Star, ...]
    images: int
    left_out: tuple[tuple[str, int], ...]
    pledges_without_place: int
    institutions_without_place: int


def world_map(
    registry: Registry, counts: Mapping[str, CellCounts], rows: Sequence[Mapping[str, Any]],
    named: Sequence[Contribution], day: dt.date,
) -> WorldMap:  # fmt: skip
    """What may be shown on a day.

    Args:
        registry: contributions, their reviews of positions, and the policy.
        counts: cells by contribution.
        rows: the ledger's rows as they are now.
        named: contributions that may be named; their institutions are.
        day: the day.
    """
    published = {row["contribution_id"] for row in rows if row["published"]}
    left_out: Counter[str] = Counter()
    shown: list[tuple[CellCounts, bool]] = []
    for name, found in counts.items():
        contribution = registry.contributions[name]
        left_out["on land"] += found.on_land
        left_out["with a doubtful position, such as latitude or longitude 0"] += found.doubtful
        reason = _hidden(registry, contribution, day)
        if reason is None:
            reviewed = contribution.positions is not None
            shown.append((found, reviewed or name in published))
        else:
            left_out[reason] += sum(images for *_, images in found.cells)
    cells, images = _cells(registry, shown, published)
    pledges, without = _pledges(registry, rows)
    stars, unplaced = _stars(registry, named)
    told = tuple((why, n) for why, n in left_out.items() if n)
    return WorldMap(cells, pledges, stars, images, told, without, unplaced)


def _hidden(registry: Registry, contribution: Contribution, day: dt.date) -> str | None:
    """Why nothing of a contribution may be on the map, or None."""
    if item_licence(registry, contribution) is None:
        return "whose permission is missing"
    if contribution.positions is not None and contribution.positions.state == "open":
        return "whose positions may not be public, such as protected sites"
    if contribution.not_before is not None and day < contribution.not_before:
        return "whose owner has set a later day"
    return None


def _cells(
    registry: Registry, shown: Sequence[tuple[CellCounts, bool]], published: set[str]
) -> tuple[tuple[Cell, ...], int]:
    """Cells to draw, and the images in them.

    Args:
        registry: the policy.
        shown: counts of contributions, and whether each may be in small cells at all.
        published: contributions whose positions are public.
    """
    policy = registry.settings.progress
    small: dict[tuple[str, int, int], Counter[str]] = defaultdict(Counter)
    coarse: Counter[tuple[str, int, int]] = Counter()
    for found, fine in shown:
        for instrument, west, south, images in found.cells:
            kind = group_of(instrument).kind
            if fine:
                small[kind, _edge(west, policy.cell_deg), _edge(south, policy.cell_deg)][found.contribution] += images
            else:
                coarse[kind, _edge(west, policy.coarse_cell_deg), _edge(south, policy.coarse_cell_deg)] += images
    drawn: list[tuple[bool, str, int, int, int]] = []
    for (kind, west, south), holders in small.items():
        enough = len(holders) >= policy.fewest_contributions and holders.total() >= policy.fewest_images
        # Of a cell with too little only what is public anyway is shown so finely.
        finely = holders.total() if enough else sum(n for name, n in holders.items() if name in published)
        if finely:
            drawn.append((False, kind, west, south, finely))
        if finely < holders.total():
            size = policy.coarse_cell_deg
            coarse[kind, _edge(west, size), _edge(south, size)] += holders.total() - finely
    drawn += [(True, kind, west, south, n) for (kind, west, south), n in coarse.items()]
    order = list(classes())
    drawn.sort(key=lambda c: (not c[0], order.index(c[1]), c[3], c[2]))
    sizes = {True: policy.coarse_cell_deg, False: policy.cell_deg}
    cells = tuple(Cell(k, w, s, sizes[big], max(x for x in STEPS if x <= n), big) for big, k, w, s, n in drawn)
    return cells, sum(n for *_, n in drawn)


def _edge(degrees: float, size: int) -> int:
    """West or south edge of the cell of a size that a place lies in."""
    return int(degrees // size) * size


def _pledges(registry: Registry, rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[Pledge, ...], int]:
    """Places of contributions that nothing was received of yet, and how many have none."""
    size = registry.settings.progress.coarse_cell_deg
    found: Counter[tuple[float, float]] = Counter()
    without = 0
    for row in rows:
        contribution = registry.contributions[row["contribution_id"]]
        if contribution.revoked or row["received"]:
            continue
        place = _declared_place(contribution, size)
        if place is None:
            without += 1
        else:
            found[place] += 1
    return tuple(Pledge(*place, n) for place, n in sorted(found.items())), without


def _declared_place(contribution: Contribution, size: int) -> tuple[float, float] | None:
    """Latitude and longitude of a pledge: the middle of its position's coarse cell, else of its sea."""
    declared, review = contribution.declared, contribution.positions
    if review is not None and review.state == "open":
        return None
    if declared.latitude is not None and declared.longitude is not None:
        turned = (declared.longitude + 180) % 360 - 180
        south = min(_edge(declared.latitude, size), 90 - size)
        return south + size / 2, _edge(turned, size) + size / 2
    return None if declared.sea is None else _middle(declared.sea)


def _middle(sea: Sea) -> tuple[float, float] | None:
    """Middle of a sea's box; None where it is too wide to be a place."""
    width = (sea.east - sea.west) % 360
    if width > _WIDEST_SEA_DEG:
        return None
    return (sea.south + sea.north) / 2, (sea.west + width / 2 + 180) % 360 - 180


def _stars(registry: Registry, named: Sequence[Contribution]) -> tuple[tuple[Star, ...], int]:
    places: dict[tuple[float, float], list[str]] = defaultdict(list)
    without = 0
    for institution in named_institutions(registry, named):
        if institution.latitude is None or institution.longitude is None:
            without += 1
        else:
            places[round(institution.latitude, 1), round(institution.longitude, 1)].append(one_line(institution.name))
    return tuple(Star(*place, tuple(names)) for place, names in sorted(places.items())), without
