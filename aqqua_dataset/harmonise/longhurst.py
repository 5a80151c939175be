"""Longhurst's biogeographical provinces: which one a position lies in, from a file the settings name.

The provinces aren't bundled. Two files are read: the GML that Marine Regions offers (``longhurst.xml``, features
``longhurst`` with a ``provcode``) and GeoJSON whose features have a property ``ProvCode``. On a border that provinces
share, the code that comes first in the alphabet holds, so that the answer never depends on the order of the file.
"""

import functools
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
import shapely

from aqqua_dataset.findings import Finding
from aqqua_dataset.harmonise.places import Degrees

_CODE = re.compile(r"[A-Z]{4}")


class UnreadableProvincesError(ValueError):
    """The file of the provinces isn't there or holds none."""


def stamp(path: str | None) -> str:
    """What changes when the file does; "" where none is named or it can't be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    except OSError:
        return ""


def provinces(path: str) -> tuple[tuple[str, shapely.Geometry], ...]:
    """Codes and polygons of a file in degrees, by code.

    Raises:
        UnreadableProvincesError: the file isn't there, or holds something else.
    """
    return _provinces(path, stamp(path))


def regions(latitude: Degrees, longitude: Degrees, path: str) -> npt.NDArray[np.object_]:
    """The province's code at each position; None on land and wherever else no province is.

    Raises:
        UnreadableProvincesError: see ``provinces``.
    """
    found = np.full(len(latitude), None, dtype=object)
    for code, polygon in reversed(provinces(path)):
        west, south, east, north = polygon.bounds
        for turn in (-360.0, 0.0, 360.0):  # a polygon may go on beyond 180 degrees, or end there
            turned = longitude + turn
            near = (turned >= west) & (turned <= east) & (latitude >= south) & (latitude <= north)
            near[near] = shapely.intersects_xy(polygon, turned[near], latitude[near])
            found[near] = code
    return found


@functools.lru_cache(maxsize=2)
def _provinces(path: str, content: str) -> tuple[tuple[str, shapely.Geometry], ...]:
    try:
        text = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf")
        found = list(_of_geojson(text) if text.lstrip()[:1] == b"{" else _of_gml(text))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ET.ParseError) as error:
        raise UnreadableProvincesError(f"not readable as GML or GeoJSON of Longhurst's provinces ({error})") from error
    except shapely.errors.ShapelyError as error:
        raise UnreadableProvincesError(f"a province's polygon can't be read ({error})") from error
    if not found:
        raise UnreadableProvincesError("no province is in it: expected features longhurst with a provcode")
    if any(polygon.geom_type not in ("Polygon", "MultiPolygon") for _, polygon in found):
        raise UnreadableProvincesError("expected polygons")
    if wrong := sorted({code for code, _ in found if not _CODE.fullmatch(code)}):
        raise UnreadableProvincesError(f"expected codes of four capitals, not {', '.join(wrong)}")
    whole = sorted(((code, shapely.make_valid(polygon)) for code, polygon in found), key=lambda pair: pair[0])
    shapely.prepare([polygon for _, polygon in whole])
    return tuple(whole)


def _of_geojson(text: bytes) -> Iterator[tuple[str, shapely.Geometry]]:
    for feature in json.loads(text)["features"]:
        names = {name.casefold(): value for name, value in feature["properties"].items()}
        yield str(names["provcode"]).strip(), shapely.from_geojson(json.dumps(feature["geometry"]))


def _of_gml(text: bytes) -> Iterator[tuple[str, shapely.Geometry]]:
    root = ET.fromstring(text)
    for feature in _below(root, "longhurst"):
        code = feature.findtext("{*}provcode", "").strip()
        order = any((e.get("srsName") or "").casefold().startswith("urn:") for e in [root, *feature.iter()])
        for polygon in [*_below(feature, "Polygon"), *_below(feature, "PolygonPatch")]:
            [shell] = [r for name in ("outerBoundaryIs", "exterior") for b in _below(polygon, name) for r in _rings(b)]
            holes = [r for name in ("innerBoundaryIs", "interior") for b in _below(polygon, name) for r in _rings(b)]
            turned = [ring[:, ::-1] if order else ring for ring in (shell, *holes)]
            yield code, shapely.Polygon(turned[0], turned[1:])


def _below(element: ET.Element, name: str) -> Iterator[ET.Element]:
    """Elements of a name at any depth, whatever their namespace."""
    return (e for e in element.iter() if e.tag.rpartition("}")[2] == name)


def _rings(boundary: ET.Element) -> Iterator[npt.NDArray[np.float64]]:
    """Rings as rows of two numbers, in the file's order: longitude first, but for systems named by URN (GML 3)."""
    for name in ("coordinates", "posList"):
        for element in _below(boundary, name):
            yield np.array((element.text or "").replace(",", " ").split(), dtype=np.float64).reshape(-1, 2)


def problem(path: str | None, contribution: str) -> list[Finding]:
    """Why regions are left open although the settings name a file of provinces."""
    try:
        if path is not None:
            provinces(path)
    except UnreadableProvincesError as error:
        return [Finding("longhurst_unreadable", "error", str(error), contribution, "settings.yaml", key="longhurst")]
    return []
