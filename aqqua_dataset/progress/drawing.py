"""Simple drawings that look the same as SVG in a page, as an SVG file and as PNG.

A drawing is a list of areas, lines and texts. Each has a kind, and ``PAINTS`` says which colour a kind has on a light
and on a dark page; files are always light.
"""

import functools
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageColor, ImageDraw, ImageFont

from aqqua_dataset.progress.earth import Ring


@dataclass(frozen=True)
class Paint:
    """Colours of a kind on light and dark pages, opacity of its areas, width of its lines in units."""

    light: str
    dark: str
    opacity: float = 1.0
    line: float = 0.0


#: Colours of the classes of instruments, on light and dark pages.
CLASSES = {
    "darkfield": ("#1b5fa8", "#6bb4ff"),
    "flow_in_situ": ("#b4460f", "#ff9b5e"),
    "flow_lab": ("#8a5a00", "#e8bd4a"),
    "scanner": ("#1a7a4a", "#5fd39a"),
    "shadowgraphy": ("#7b3fa0", "#c79bf2"),
    "vpr": ("#b0246a", "#ff86b8"),
    "cytosense": ("#00707f", "#4fd0dd"),
    "zoocam": ("#5c5f00", "#c9cc5a"),
    "other": ("#5d666e", "#a9b4bd"),
}
#: Colours: those of classes have a contrast of at least 3 to 1 to page and sea, texts 4.5 to 1 (WCAG 2.2).
PAINTS = {
    "page": Paint("#ffffff", "#14191e"),
    "ink": Paint("#1c2733", "#e4e9ee"),
    "faint": Paint("#5a6875", "#a3afba"),
    "sea": Paint("#eef4f8", "#1a2229"),
    "land": Paint("#cfd6cd", "#3a443d"),
    "grid": Paint("#d5dce2", "#323b44", line=0.6),
    "axis": Paint("#5a6875", "#a3afba", line=0.8),
    "begun": Paint("#5a6875", "#a3afba", line=0.8),
    "pledge": Paint("#4c555d", "#c3ccd4", line=2.2),
    "star": Paint("#e8a900", "#ffd75e"),
    "rim": Paint("#1c2733", "#14191e", line=1.2),
    **{name: Paint(*colours, line=1.2) for name, colours in CLASSES.items()},
    **{f"{name}-coarse": Paint(*colours, opacity=0.38) for name, colours in CLASSES.items()},
    **{f"{name}-pledged": Paint(*colours, opacity=0.3) for name, colours in CLASSES.items()},
}


@dataclass(frozen=True)
class Area:
    """Filled outlines of one kind; ``rim`` draws their edge in the same colour as well."""

    kind: str
    rings: tuple[Ring, ...]
    rim: bool = False


@dataclass(frozen=True)
class Line:
    """Lines of one kind, as wide as its paint says."""

    kind: str
    lines: tuple[Ring, ...]
    dashed: bool = False


@dataclass(frozen=True)
class Words:
    """A text; ``anchor`` is start, middle or end of ``x``; ``y`` is its base line."""

    x: float
    y: float
    text: str
    size: float = 11
    anchor: str = "start"
    kind: str = "ink"


Shape = Area | Line | Words


@dataclass(frozen=True)
class Drawing:
    """Shapes from back to front, on a sheet of a size in units; ``alt`` says in words what it shows."""

    width: float
    height: float
    alt: str
    shapes: tuple[Shape, ...] = field(default=())


def rectangle(x: float, y: float, width: float, height: float) -> Ring:
    """The outline of a rectangle."""
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def style(scope: str = "") -> str:
    """Style rules of all kinds, whose colours are variables; ``scope`` stands in front of every selector."""
    rules = []
    for name, paint in PAINTS.items():
        opacity = f" fill-opacity: {paint.opacity};" if paint.opacity < 1 else ""
        rules.append(f"{scope}.{name} {{ fill: var(--{name});{opacity} }}")
        if paint.line:
            rules.append(f"{scope}.{name}-line {{ fill: none; stroke: var(--{name}); stroke-width: {paint.line}; }}")
            rules.append(f"{scope}.{name}-rim {{ stroke: var(--{name}); stroke-width: {paint.line}; }}")
    return "\n".join(rules)


def colours(dark: bool) -> str:
    """The variables of all kinds."""
    return " ".join(f"--{name}: {paint.dark if dark else paint.light};" for name, paint in PAINTS.items())


def svg(drawing: Drawing, kind: str = "") -> str:
    """The drawing as an element of a page that has ``style`` and ``colours``; without ``alt`` it is only ornament.

    Args:
        drawing: what to draw.
        kind: class of the element.
    """
    named = f' class="{kind}"' if kind else ""
    told = f'role="img" aria-label="{html.escape(drawing.alt)}"' if drawing.alt else 'aria-hidden="true"'
    shapes = "".join(map(_element, drawing.shapes))
    return f'<svg{named} viewBox="0 0 {drawing.width:g} {drawing.height:g}" {told}>{shapes}</svg>'


def svg_file(drawing: Drawing) -> str:
    """The drawing as a file of its own, in light colours."""
    sheet = f"{drawing.width:g}", f"{drawing.height:g}"
    font = "text { font-family: system-ui, sans-serif; }"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{sheet[0]}" height="{sheet[1]}" '
        f'viewBox="0 0 {sheet[0]} {sheet[1]}" role="img"><title>{html.escape(drawing.alt)}</title>'
        f"<style>svg {{ {colours(dark=False)} }}\n{font}\n{style()}</style>"
        f'<rect class="page" width="100%" height="100%"/>{"".join(map(_element, drawing.shapes))}</svg>\n'
    )


def _element(shape: Shape) -> str:
    if isinstance(shape, Words):
        anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
        size = f' font-size="{shape.size:g}"'
        text = html.escape(shape.text)
        return f'<text class="{shape.kind}" x="{shape.x:.1f}" y="{shape.y:.1f}"{size}{anchor}>{text}</text>'
    if isinstance(shape, Line):
        dashed = ' stroke-dasharray="3 3"' if shape.dashed else ""
        return f'<path class="{shape.kind}-line"{dashed} d="{_path(shape.lines, "")}"/>'
    rim = f" {shape.kind}-rim" if shape.rim else ""
    return f'<path class="{shape.kind}{rim}" d="{_path(shape.rings, "z")}"/>'


def _path(rings: Iterable[Ring], end: str) -> str:
    """Path data in tenths of a unit, each point as the step from the one before."""
    pieces = []
    for ring in rings:
        tenths = [(round(x * 10), round(y * 10)) for x, y in ring]
        x, y = tenths[0]
        pieces.append(f"M{x / 10:g} {y / 10:g}l")
        for a, b in tenths[1:]:
            if (a, b) != (x, y):
                pieces.append(f"{(a - x) / 10:g} {(b - y) / 10:g} ")
                x, y = a, b
        pieces.append(end)
    return "".join(pieces).replace(" -", "-").replace(" z", "z")


def png(drawing: Drawing, width: int) -> bytes:
    """The drawing as PNG, ``width`` pixels wide, in light colours on white."""
    finer = 2
    scale = width * finer / drawing.width
    sheet = Image.new("RGB", (width * finer, round(drawing.height * scale)), PAINTS["page"].light)
    pen = ImageDraw.Draw(sheet, "RGBA")
    for shape in drawing.shapes:
        _draw(pen, shape, scale)
    stream = io.BytesIO()
    sheet.reduce(finer).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _draw(pen: ImageDraw.ImageDraw, shape: Shape, scale: float) -> None:
    paint = PAINTS[shape.kind]
    colour = (*ImageColor.getrgb(paint.light)[:3], round(255 * paint.opacity))
    if isinstance(shape, Words):
        place = (shape.x * scale, shape.y * scale)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
        pen.text(place, shape.text, colour, _font(round(shape.size * scale)), anchor)
        return
    width = max(1, round(paint.line * scale))
    for ring in shape.lines if isinstance(shape, Line) else shape.rings:
        points = [(x * scale, y * scale) for x, y in ring]
        if isinstance(shape, Area):
            pen.polygon(points, colour)
        if isinstance(shape, Line) or shape.rim:
            closed = points if isinstance(shape, Line) else [*points, points[0]]
            for piece in _dashes(closed) if isinstance(shape, Line) and shape.dashed else [closed]:
                pen.line(piece, colour, width)


def _dashes(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Every second of forty pieces of a line between two points."""
    (a, b), (x, y) = points[0], points[-1]
    at = [(a + (x - a) * n / 40, b + (y - b) * n / 40) for n in range(41)]
    return [[at[n], at[n + 1]] for n in range(0, 40, 2)]


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
