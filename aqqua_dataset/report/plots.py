"""Maps and histograms as SVG without scripts; colours are the page's, so that they follow its dark and print styles.

Drawings are 360 units wide: on a phone a unit is about a pixel, so text stays readable.
"""

import datetime as dt
import functools
import html
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path

from aqqua_dataset.report.facts import Bar, Dot, Label

WIDTH = 360
_MAP_HEIGHT = 200
_LEAST_MAP_DEG = 5.0  # coastlines of 1:110 million look wrong when they are enlarged further
_FEWEST_COLUMNS = 9
_STEPS = (0.5, 1, 2, 5, 10, 20, 30)

Box = tuple[float, float, float, float]


@functools.cache
def land() -> str:
    """The land's outlines as an SVG path in tenths of a degree, north up (source in land_110m.json)."""
    rings = json.loads((Path(__file__).parent / "land_110m.json").read_text(encoding="utf-8"))["rings"]
    pieces = []
    for ring in rings:
        for turned in _whole(list(zip(ring[::2], ring[1::2], strict=True))):
            steps = (f"{x - a} {y - b}" for (a, b), (x, y) in itertools.pairwise(turned))
            pieces.append(f"M{turned[0][0]} {turned[0][1]}l{' '.join(steps)}z")
    return "".join(pieces).replace(" -", "-")


def _whole(ring: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """A ring that crosses 180 degrees, once in the east and once in the west of the map; any other as it is.

    Drawn as it is stored it would run back across the whole map. Antarctica ends where it began, once around: it stays.
    """
    turn, turns = 0, [0]
    for (a, _), (x, _) in itertools.pairwise(ring):
        turn += 3600 if x - a < -1800 else -3600 if x - a > 1800 else 0
        turns.append(turn)
    if not any(turns) or abs(ring[0][0] - ring[-1][0] - turn) > 1800:
        return [ring]
    unrolled = [(x + turn, y) for (x, y), turn in zip(ring, turns, strict=True)]
    other = -3600 if max(turns) > 0 else 3600
    return [unrolled, [(x + other, y) for x, y in unrolled]]


def _svg(height: float, alt: str, body: str) -> str:
    label = html.escape(alt)
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{label}">{body}</svg>'


def _dot(x: float, y: float, images: int) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 + 0.5 * math.log10(images):.1f}"/>'


def world_map(dots: Sequence[Dot], box: Box | None, alt: str) -> str:
    """All places on the world, equirectangular, one degree is one unit; a frame shows what ``inset`` enlarges."""
    lines = "".join(f"M{x} 0V180" for x in range(0, 361, 60)) + "".join(f"M0 {y}H360" for y in range(0, 181, 30))
    frame = ""
    if box is not None:
        west, north, width, height = _window(box)
        frame = "".join(
            f'<rect class="frame" x="{west + 180 + turn:.1f}" y="{90 - north:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}"/>'
            for turn in ((0, -360) if west + width > 180 else (0,))
        )
    body = (
        f'<defs><path id="land" d="{land()}"/></defs>'
        f'<rect class="sea" width="{WIDTH}" height="180"/><path class="grid" d="{lines}"/>'
        '<use href="#land" class="land" transform="translate(180 90) scale(.1 -.1)"/>'
        f'{frame}<g class="dots">{"".join(_dot(d.longitude + 180, 90 - d.latitude, d.images) for d in dots)}</g>'
    )
    return _svg(180, alt, body)


def is_regional(box: Box) -> bool:
    """Whether an enlarged map shows more than the world's."""
    return _window(box)[2] < 120


def _window(box: Box) -> tuple[float, float, float, float]:
    """West and north edge, width and height in degrees of the enlarged map around a box."""
    west, south, east, north = box
    middle = (south + north) / 2
    narrow = _narrowing(middle)
    height = max(1.3 * (north - south), 1.3 * (east - west) * narrow * _MAP_HEIGHT / WIDTH, _LEAST_MAP_DEG)
    width = height * WIDTH / _MAP_HEIGHT / narrow
    return (west + east - width) / 2, middle + height / 2, width, height


def _narrowing(latitude: float) -> float:
    """Length of a degree of longitude as a share of one of latitude; never less than a tenth, near the poles."""
    return max(math.cos(math.radians(latitude)), 0.1)


def inset(dots: Sequence[Dot], box: Box, alt: str) -> str:
    """The places enlarged; needs the land of ``world_map`` on the same page."""
    west, north, width, height = _window(box)
    across, down = WIDTH / width, _MAP_HEIGHT / height
    step = next((s for s in _STEPS if height / s < 5), _STEPS[-1])
    places = "".join(
        _dot((_east_of(d.longitude, box[0]) - west) * across, (north - d.latitude) * down, d.images) for d in dots
    )
    land = "".join(
        f'<use href="#land" class="land" transform="translate({(turn - west) * across:.2f} {north * down:.2f}) '
        f'scale({across / 10:.4f} {-down / 10:.4f})"/>'
        for turn in (-360, 0, 360)
        if west < turn + 180 and turn - 180 < west + width
    )
    body = f'{land}{_graticule(west, north, width, height, step)}<g class="dots">{places}</g>'
    return _svg(_MAP_HEIGHT, alt, f'<rect class="sea" width="{WIDTH}" height="{_MAP_HEIGHT}"/>{body}')


def _east_of(longitude: float, west: float) -> float:
    return longitude if longitude >= west else longitude + 360


def _graticule(west: float, north: float, width: float, height: float, step: float) -> str:
    across, down = WIDTH / width, _MAP_HEIGHT / height
    lines, words = [], []
    wide = step * max(1, round(width / height / 2))
    for n in range(math.ceil(west / wide), math.floor((west + width) / wide) + 1):
        x = (n * wide - west) * across
        lines.append(f"M{x:.1f} 0V{_MAP_HEIGHT}")
        if 20 < x < WIDTH - 20:
            words.append(f'<text x="{x:.1f}" y="{_MAP_HEIGHT - 4}" text-anchor="middle">{_east(n * wide)}</text>')
    for n in range(math.ceil((north - height) / step), math.floor(north / step) + 1):
        y = (north - n * step) * down
        lines.append(f"M0 {y:.1f}H{WIDTH}")
        if 14 < y < _MAP_HEIGHT - 16:
            words.append(
                f'<text x="3" y="{y - 2:.1f}">{abs(n * step):g}°{"" if n == 0 else "N" if n > 0 else "S"}</text>'
            )
    return f'<path class="grid" d="{"".join(lines)}"/>{"".join(words)}'


def _east(longitude: float) -> str:
    turned = (longitude + 180) % 360 - 180
    return f"{abs(turned):g}°" + ("" if turned in (0, -180) else "E" if turned > 0 else "W")


def time_columns(bars: Sequence[Bar], alt: str) -> str:
    """Images over time: one column per bin."""
    left, top, bottom, right = 8, 16, 106, WIDTH - 8
    each = "hour" if bars[0].end - bars[0].start < 86_400 else "day"
    start, end, most = bars[0].start, bars[-1].end, max(b.images for b in bars)
    longest = max(b.end - b.start for b in bars)
    spare = max(0.0, _FEWEST_COLUMNS * longest - (end - start)) / 2  # a lone bin doesn't fill the width
    start, end = start - spare, end + spare
    across = (right - left) / (end - start)
    columns = "".join(
        f'<rect class="bar" x="{left + (b.start - start) * across:.1f}" y="{bottom - h:.1f}" '
        f'width="{max((b.end - b.start) * across - 0.5, 0.8):.1f}" height="{h:.1f}"/>'
        for b in bars
        for h in [max(1.0, (bottom - top) * b.images / most)]
    )
    ends = (
        f'<text x="{left}" y="{bottom + 14}">from {moment(bars[0].start, each)}</text>'
        f'<text x="{right}" y="{bottom + 14}" text-anchor="end">to {moment(bars[-1].end - 1, each)}</text>'
        f'<text x="{left}" y="11">most in one bar: {most:,}</text>'
    )
    return _svg(126, alt, f'{columns}<path class="axis" d="M{left} {bottom}H{right}"/>{ends}')


def depth_bars(bars: Sequence[Bar], alt: str) -> str:
    """Images over depth: the surface is on top."""
    left, right, top, row = 46, WIDTH - 50, 8, 12
    step, most = bars[0].end - bars[0].start, max(b.images for b in bars)
    count = max(round(bars[-1].end / step), 5)
    body = []
    for b in bars:
        y, length = top + row * b.start / step, max(1.0, (right - left) * b.images / most)
        body.append(f'<rect class="bar" x="{left}" y="{y + 0.5:.1f}" width="{length:.1f}" height="{row - 1}"/>')
        body.append(f'<text x="{left + length + 4:.1f}" y="{y + 10:.1f}">{b.images:,}</text>')
    every = max(1, math.ceil(count / 5))
    body += [
        f'<text x="{left - 5}" y="{top + n * row + 4}" text-anchor="end">{n * step:g} m</text>'
        for n in range(0, count + 1, every)
    ]
    bottom = top + count * row
    return _svg(bottom + 8, alt, f'{"".join(body)}<path class="axis" d="M{left} {top}V{bottom}"/>')


def label_bars(labels: Sequence[Label], alt: str) -> str:
    """Images per label: the label above its bar, so that long ones fit a phone."""
    row, right = 28, WIDTH - 60
    most = max(label.images for label in labels)
    body = []
    for n, label in enumerate(labels):
        length = max(1.0, right * label.images / most)
        kind = "bar" if label.taxon else "bar none"
        body.append(
            f'<text x="0" y="{n * row + 11}">{html.escape(shortened(label.text, 52))}</text>'
            f'<rect class="{kind}" x="0" y="{n * row + 15}" width="{length:.1f}" height="8"/>'
            f'<text x="{length + 5:.1f}" y="{n * row + 23}">{label.images:,}</text>'
        )
    return _svg(len(labels) * row, alt, "".join(body))


def shortened(text: str, most: int) -> str:
    """The text in one line, with an ellipsis where it is longer than ``most`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def arrival_bar(parts: Sequence[tuple[str, str, int]], alt: str) -> str:
    """One bar of all images with its key; a part is a class of the page's style, a word and a count."""
    total, x, body = sum(n for _, _, n in parts) or 1, 0.0, []
    for place, (kind, word, images) in enumerate(parts):
        length = WIDTH * images / total
        if images:
            body.append(f'<rect class="{kind}" x="{x:.2f}" y="0" width="{max(length, 1.5):.2f}" height="14"/>')
        body.append(
            f'<rect class="{kind}" x="{place * 122}" y="22" width="8" height="8"/>'
            f'<text x="{place * 122 + 12}" y="30">{images:,} {word}</text>'
        )
        x += length
    return _svg(34, alt, "".join(body))


def moment(seconds: float, each: str) -> str:
    """Start of a bin as people write it, as exact as the bin is long."""
    start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    return start.strftime({"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}.get(each, "%Y"))
