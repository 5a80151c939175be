"""The site's drawings: images by instrument on two scales, growth over time, the world map.

The first two are 360 units wide, so that on a phone a unit is about a pixel and text stays readable; the map has no
text but its legend.
"""

import math
from collections.abc import Sequence
from typing import Literal

from aqqua_dataset.progress import earth
from aqqua_dataset.progress.drawing import Area, Drawing, Line, Shape, Words, rectangle
from aqqua_dataset.progress.history import Day
from aqqua_dataset.progress.instruments import Group, classes
from aqqua_dataset.progress.numbers import Counts
from aqqua_dataset.progress.places import WorldMap

Scale = Literal["linear", "log"]
SCALES: tuple[Scale, ...] = ("linear", "log")

WIDTH = 360
_LABEL_WIDTH = 108  # of what stands behind a bar, up to billions
_MOST_POINTS = 120
# Edges of the growth, inside its texts.
_LEFT, _TOP, _BOTTOM, _RIGHT = 56.0, 10.0, 166.0, WIDTH - 2.0


def bars(instruments: Sequence[tuple[Group, Counts]], scale: Scale) -> Drawing:
    """Two bars for each instrument under its class: images counted once, and below it, pale, what is pledged.

    On the logarithmic scale a bar begins at 1, and each step of the same length is ten times as many.
    """
    most = max((max(c.images, c.pledged) for _, c in instruments), default=0)
    right, y, kind, shapes = WIDTH - _LABEL_WIDTH, 0.0, "", list[Shape]()
    for group, counts in instruments:
        if group.kind != kind:
            kind = group.kind
            shapes.append(Words(0, y + 15, classes()[kind], 10.5, kind="faint"))
            y += 20
        length = _length(counts.images, most, right, scale)
        shapes.append(Words(0, y + 11, _shortened(group.label, 46), 12))
        shapes.append(Area(kind, (rectangle(0, y + 15, length, 10),)))
        shapes.append(Words(length + 5, y + 24, f"{counts.images:,}", 11))
        y += 29
        if counts.pledged:
            length = _length(counts.pledged, most, right, scale)
            shapes.append(Area(f"{kind}-pledged", (rectangle(0, y, length, 6),)))
            shapes.append(Words(length + 5, y + 7, f"+ {counts.pledged:,}", 10, kind="faint"))
            y += 11
        y += 5
    told = "; ".join(f"{g.label} {c.images:,}" for g, c in instruments)
    named = "linear" if scale == "linear" else "logarithmic"
    return Drawing(WIDTH, max(y, 20), f"Images by instrument, {named} scale: {told}", tuple(shapes))


def _length(count: int, most: int, right: float, scale: Scale) -> float:
    if count == 0:
        return 0.0
    if scale == "linear":
        return max(right * count / most, 1.0)
    return right * (math.log10(count) + 0.1) / (math.log10(most) + 0.1)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def growth(history: Sequence[Day]) -> Drawing:
    """Images counted once over time, a layer for each class; a dashed line where this software began to count."""
    days = _thinned(history)
    if len(days) == 1:  # one day has no width
        days = [*days, days[0]]
    step, most = _ticks(max((d.total for d in days), default=0))
    levels = range(0, most + 1, step)
    across = _places_in_time(days)

    def y(images: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * images / most

    shapes: list[Shape] = [Line("grid", tuple(((_LEFT, y(v)), (_RIGHT, y(v))) for v in levels[1:]))]
    sums = [0] * len(days)
    for kind in classes():
        below, sums = sums, [s + d.kinds.get(kind, 0) for s, d in zip(sums, days, strict=True)]
        if sums != below:
            upper = [(x, y(value)) for x, value in zip(across, sums, strict=True)]
            lower = [(x, y(value)) for x, value in zip(across, below, strict=True)]
            shapes.append(Area(kind, ((*upper, *lower[::-1]),)))
    shapes += [Words(_LEFT - 5, y(v) + 3.5, _short(v), 10, "end") for v in levels]
    shapes.append(Line("axis", (((_LEFT, _BOTTOM), (_RIGHT, _BOTTOM)),)))
    begun = next((n for n, d in enumerate(days) if not d.earlier), 0)
    if begun:
        x, is_late = across[begun], across[begun] > WIDTH / 2
        shapes.append(Line("begun", (((x, _TOP), (x, _BOTTOM)),), dashed=True))
        anchor, aside = ("end", -4) if is_late else ("start", 4)
        shapes.append(Words(x + aside, _TOP + 9, "counted here since", 10, anchor, "faint"))
    if days:
        shapes.append(Words(_LEFT, _BOTTOM + 13, days[0].day.isoformat(), 10, kind="faint"))
        shapes.append(Words(_RIGHT, _BOTTOM + 13, days[-1].day.isoformat(), 10, "end", "faint"))
    kinds = [kind for kind in classes() if any(kind in d.kinds for d in days)]
    return Drawing(WIDTH, _legend(shapes, kinds, _BOTTOM + 22), _growth_alt(days), tuple(shapes))


def _places_in_time(days: Sequence[Day]) -> list[float]:
    """Where each day is drawn; the same day twice fills the width."""
    first, last = (days[n].day.toordinal() if days else 0 for n in (0, -1))
    if first == last:
        return [_LEFT, _RIGHT][: len(days)]
    return [_LEFT + (_RIGHT - _LEFT) * (d.day.toordinal() - first) / (last - first) for d in days]


def _growth_alt(days: Sequence[Day]) -> str:
    if not days:
        return "Images over time: nothing counted yet"
    return (
        f"Images over time: {days[0].total:,} on {days[0].day.isoformat()}, {days[-1].total:,} on "
        f"{days[-1].day.isoformat()}"
    )


def _thinned(history: Sequence[Day]) -> list[Day]:
    """At most ``_MOST_POINTS`` days: of each stretch of time the last one, and the first of all."""
    if len(history) <= _MOST_POINTS:
        return list(history)
    first, last = history[0].day, history[-1].day
    each = (last - first) / (_MOST_POINTS - 1)
    kept = {math.ceil((day.day - first) / each): day for day in history}
    return list(kept.values())


def _ticks(most: int) -> tuple[int, int]:
    """Step between levels (1, 2 or 5 times a power of ten), and the highest level; at most five steps."""
    magnitude = 10 ** max(0, len(str(most)) - 2)
    step = next(s * magnitude for s in (1, 2, 5, 10, 20, 50, 100) if s * magnitude * 5 >= most)
    return step, max(step, math.ceil(most / step) * step)


def _short(number: int) -> str:
    """A number as few characters: 5 billion, 250 million, 12,000."""
    for value, name in ((10**9, "billion"), (10**6, "million")):
        if number >= value:
            return f"{number / value:g} {name}"
    return f"{number:,}"


def _legend(shapes: list[Shape], kinds: Sequence[str], top: float) -> float:
    """Adds the names of classes in two columns; returns where they end."""
    for n, kind in enumerate(kinds):
        x, y = (n % 2) * WIDTH / 2, top + n // 2 * 15
        shapes.append(Area(kind, (rectangle(x, y, 9, 9),)))
        shapes.append(Words(x + 14, y + 8.5, classes()[kind], 10.5))
    return top + math.ceil(len(kinds) / 2) * 15 + 2


def world(places: WorldMap, legend: bool) -> Drawing:
    """Cells by class of instruments, pledges as crosses, institutions as stars; the legend is for files alone."""
    coasts, inland = earth.land()
    sea = (earth.outline(-180, -90, 180, 90),)
    shapes: list[Shape] = [Area("sea", sea), Area("land", coasts), Area("sea", inland)]
    shapes.append(Line("grid", tuple(earth.graticule())))
    for coarse in (True, False):
        for kind in classes():
            fitting = [c for c in places.cells if c.kind == kind and c.coarse == coarse]
            boxes = tuple(
                earth.outline(c.west, c.south, min(c.west + c.size, 180), min(c.south + c.size, 90)) for c in fitting
            )
            if boxes:
                shapes.append(Area(f"{kind}-coarse", boxes) if coarse else Area(kind, boxes, rim=True))
    shapes.append(Line("axis", ((*sea[0], sea[0][0]),)))
    crosses = [earth.project(p.longitude, p.latitude) for p in places.pledges]
    stars = [earth.project(s.longitude, s.latitude) for s in places.stars]
    if crosses:
        shapes.append(Line("pledge", tuple(line for x, y in crosses for line in cross(x, y))))
    for x, y in stars:
        shapes += star(x, y, 7)
    height = earth.HEIGHT + 1
    if legend:
        height = _map_legend(shapes, places, height + 14)
    return Drawing(earth.WIDTH, height, _map_alt(places), tuple(shapes))


def _map_alt(places: WorldMap) -> str:
    return (
        f"World map: {len(places.cells):,} cells with images, {len(places.pledges):,} places of pledged contributions, "
        f"{sum(len(s.names) for s in places.stars):,} institutions"
    )


def cross(x: float, y: float, arm: float = 4.5) -> tuple[earth.Ring, earth.Ring]:
    """The two lines of a pledge's cross around a point."""
    return ((x - arm, y - arm), (x + arm, y + arm)), ((x - arm, y + arm), (x + arm, y - arm))


def star(x: float, y: float, radius: float) -> tuple[Shape, Shape]:
    """An institution's star with its rim: five points, the first one up."""
    turns = ((n, radius if n % 2 == 0 else radius * 0.42) for n in range(10))
    ring = tuple((x + r * math.sin(math.pi * n / 5), y - r * math.cos(math.pi * n / 5)) for n, r in turns)
    return Area("star", (ring,)), Line("rim", ((*ring, ring[0]),))


def _map_legend(shapes: list[Shape], places: WorldMap, top: float) -> float:
    kinds = [k for k in classes() if any(c.kind == k for c in places.cells)]
    entries: list[tuple[str, str]] = [(k, classes()[k]) for k in kinds]
    entries += [("pledge", "Pledged")] if places.pledges else []
    entries += [("star", "Institution")] if places.stars else []
    for n, (kind, name) in enumerate(entries):
        x, y = 20 + (n % 4) * 245, top + n // 4 * 26
        if kind == "pledge":
            shapes.append(Line(kind, cross(x + 7, y + 7)))
        elif kind == "star":
            shapes += star(x + 7, y + 8, 9)
        else:
            shapes.append(Area(kind, (rectangle(x, y, 14, 14),)))
        shapes.append(Words(x + 22, y + 13, name, 17))
    return top + math.ceil(len(entries) / 4) * 26 + 8


def month_ends(history: Sequence[Day]) -> list[Day]:
    """The last counted day of every month, the newest first."""
    ends: dict[tuple[int, int], Day] = {(d.day.year, d.day.month): d for d in history}
    return sorted(ends.values(), key=lambda d: d.day, reverse=True)
