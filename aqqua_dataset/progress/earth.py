"""The world in the Equal Earth projection: equal areas keep their size, so cells near the poles don't look like more.

Formulae and constants: Šavrič, Patterson and Jenny (2019), The Equal Earth map projection, International Journal of
Geographical Information Science 33(3), doi:10.1080/13658816.2018.1504949, equations 4 and 9.
"""

import functools
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from shapely import affinity
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from aqqua_dataset import report

#: Width of the drawn world; its height follows from the projection.
WIDTH = 1000.0

_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
_M = math.sqrt(3) / 2
#: A straight line in degrees is a curve on the map: it gets a point at least every so many degrees.
_STEP_DEG = 3.0

Point = tuple[float, float]
Ring = tuple[Point, ...]


def _equal_earth(longitude: float, latitude: float) -> Point:
    """Projected place on a sphere of radius 1, north and east positive."""
    theta = math.asin(_M * math.sin(math.radians(latitude)))
    square = theta * theta
    sixth = square**3
    slope = _A1 + 3 * _A2 * square + sixth * (7 * _A3 + 9 * _A4 * square)
    x = math.radians(longitude) * math.cos(theta) / (_M * slope)
    return x, theta * (_A1 + _A2 * square + sixth * (_A3 + _A4 * square))


_RIGHT, _TOP = _equal_earth(180, 0)[0], _equal_earth(0, 90)[1]
HEIGHT = WIDTH * _TOP / _RIGHT


def project(longitude: float, latitude: float) -> Point:
    """Where a place is drawn: x from 0 (180 W) to ``WIDTH``, y from 0 (north pole) to ``HEIGHT``."""
    x, y = _equal_earth(longitude, latitude)
    return (x / _RIGHT + 1) * WIDTH / 2, (1 - y / _TOP) * HEIGHT / 2


def outline(west: float, south: float, east: float, north: float) -> Ring:
    """A box of degrees as it is drawn; it must not cross 180 degrees."""
    corners = [(west, north), (east, north), (east, south), (west, south), (west, north)]
    return _projected(corners)[:-1]


def graticule() -> Iterator[Ring]:
    """Meridians and parallels every 30 degrees."""
    for longitude in range(-150, 180, 30):
        yield _projected([(longitude, -90), (longitude, 90)])
    for latitude in range(-60, 90, 30):
        yield _projected([(-180, latitude), (180, latitude)])


@functools.cache
def land() -> tuple[tuple[Ring, ...], tuple[Ring, ...]]:
    """Outlines of the land, and of the inland seas in it (source and licence in report/land_110m.json)."""
    file = Path(report.__file__).parent / "land_110m.json"
    rings = json.loads(file.read_text(encoding="utf-8"))["rings"]
    shapes = [_on_the_map([(x / 10, y / 10) for x, y in zip(ring[::2], ring[1::2], strict=True)]) for ring in rings]
    inland = [s for s in shapes if any(t is not s and t.contains(s) for t in shapes)]
    coasts = unary_union([s for s in shapes if not any(s is t for t in inland)])
    return tuple(map(_exterior, _polygons(coasts))), tuple(map(_exterior, _polygons(unary_union(inland))))


def _exterior(polygon: Polygon) -> Ring:
    return _projected(list(polygon.exterior.coords))


def _on_the_map(ring: Sequence[Point]) -> BaseGeometry:
    """What a ring encloses, between 180 W and 180 E."""
    whole, shape = box(-180, -90, 180, 90), _unrolled(ring)
    return unary_union([affinity.translate(shape, turn).intersection(whole) for turn in (-360, 0, 360)])


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    parts = shape.geoms if isinstance(shape, MultiPolygon) else [shape]
    return sorted((p for p in parts if isinstance(p, Polygon)), key=lambda p: p.bounds)


def _unrolled(ring: Sequence[Point]) -> Polygon:
    """A ring that crosses 180 degrees as one that runs on beyond it; one around the pole is closed along it."""
    turn, points = 0.0, [ring[0]]
    for (a, _), (x, y) in itertools.pairwise(ring):
        turn += 360 if x - a < -180 else -360 if x - a > 180 else 0
        points.append((x + turn, y))
    (first, latitude), (last, _) = points[0], points[-1]
    if abs(last - first) > 180:
        pole = math.copysign(90, latitude)
        end = first + math.copysign(360, last - first)
        points += [(end, latitude), (end, pole), (first, pole)]
    return Polygon(points).buffer(0)


def _projected(points: Sequence[Point]) -> Ring:
    """A line of degrees, with points between where they are far apart, as it is drawn."""
    line = [points[0]]
    for (a, b), (x, y) in itertools.pairwise(points):
        steps = max(1, math.ceil(max(abs(x - a), abs(y - b)) / _STEP_DEG))
        line += [(a + (x - a) * n / steps, b + (y - b) * n / steps) for n in range(1, steps + 1)]
    return tuple(project(*p) for p in line)
