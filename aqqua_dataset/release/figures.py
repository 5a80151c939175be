"""The landing page's drawings, as SVG without scripts: images by instrument, and where they were taken.

Drawings are 360 units wide: on a phone a unit is about a pixel, so text stays readable.
"""

import html
import math
from collections.abc import Iterable, Sequence

from aqqua_dataset.report.plots import land

STYLE = """
figure svg { width: 100%; height: auto; display: block; border-radius: 4px; }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); } svg .bar { fill: var(--bar); }
svg .land { fill: var(--land); } svg .sea { fill: var(--sea); }
svg .grid { fill: none; stroke: var(--line); stroke-width: 0.5; }
svg .cells { fill: var(--cell); stroke: var(--cell); stroke-width: 1; }
svg .few { opacity: 0.5; } svg .some { opacity: 0.75; }
.scale figure { max-width: 32rem; } .scale label { margin-right: 1rem; } .scale svg.log { display: none; }
.scale:has(input.log:checked) svg.log { display: block; } .scale:has(input.log:checked) svg.linear { display: none; }
"""
_WIDTH = 360
#: Images in a cell from which on it is drawn darker.
_CLASSES = ((10_000, "many"), (100, "some"), (1, "few"))


def bars(entries: Sequence[tuple[str, int]], kind: str) -> str:
    """One bar for each name and count, the name above it; ``kind`` is linear or log.

    On the logarithmic scale a bar begins at 1, and each step of the same length is ten times as many.
    """
    most = max((count for _, count in entries), default=1)
    right, row, body = _WIDTH - 96, 30, []

    def length(count: int) -> float:
        if kind == "log":
            return right * (math.log10(count) + 0.1) / (math.log10(most) + 0.1)
        return right * count / most

    for n, (name, count) in enumerate(entries):
        wide = max(length(count), 1.0)
        body.append(
            f'<text x="0" y="{n * row + 11}">{html.escape(name)}</text>'
            f'<rect class="bar" x="0" y="{n * row + 15}" width="{wide:.1f}" height="9"/>'
            f'<text x="{wide + 5:.1f}" y="{n * row + 24}">{count:,}</text>'
        )
    told = "; ".join(f"{name} {count:,}" for name, count in entries)
    label = html.escape(f"Images by instrument: {told}")
    return (
        f'<svg class="{kind}" viewBox="0 0 {_WIDTH} {max(len(entries), 1) * row}" role="img" aria-label="{label}">'
        f"{''.join(body)}</svg>"
    )


def cell_map(cells: Iterable[tuple[int, int, int]], alt: str) -> str:
    """Cells of one degree that hold images, on the world; equirectangular, one degree is one unit."""
    found: dict[str, list[str]] = {name: [] for _, name in _CLASSES}
    for west, south, images in cells:
        kind = next(name for least, name in _CLASSES if images >= least)
        found[kind].append(f"M{west + 180} {89 - south}h1v1h-1z")
    lines = "".join(f"M{x} 0V180" for x in range(0, 361, 60)) + "".join(f"M0 {y}H360" for y in range(0, 181, 30))
    drawn = "".join(f'<path class="{name}" d="{"".join(paths)}"/>' for name, paths in found.items() if paths)
    return (
        f'<svg viewBox="0 0 {_WIDTH} 180" role="img" aria-label="{html.escape(alt)}">'
        f'<rect class="sea" width="{_WIDTH}" height="180"/><path class="grid" d="{lines}"/>'
        f'<path class="land" transform="translate(180 90) scale(.1 -.1)" d="{land()}"/>'
        f'<g class="cells">{drawn}</g></svg>'
    )
