"""Sea, land and lake at known points; the tolerance at the coast, the poles and 180 degrees; Longhurst's provinces."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from aqqua_dataset.harmonise import longhurst, places


def at(latitude: float, longitude: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([latitude], dtype=np.float64), np.array([longitude], dtype=np.float64)


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        pytest.param(46.45, 6.5, "lake", id="Lake Geneva"),
        pytest.param(47.35, 8.68, "lake", id="Greifensee, 8 km2"),
        pytest.param(47.5, -88.0, "lake", id="Lake Superior"),
        pytest.param(53.5, 108.0, "lake", id="Lake Baikal"),
        pytest.param(42.0, 50.5, "lake", id="Caspian Sea"),
        pytest.param(-1.0, 33.0, "lake", id="Lake Victoria"),
        pytest.param(43.6833, 7.3167, "sea", id="Point B, Villefranche-sur-Mer"),
        pytest.param(32.867, -117.257, "sea", id="Scripps Pier"),
        pytest.param(56.5208, 11.5125, "sea", id="Kattegat"),
        pytest.param(52.52, 13.40, "land", id="Berlin"),
        pytest.param(-89.0, 0.0, "land", id="Antarctica"),
        pytest.param(90.0, 0.0, "sea", id="North Pole"),
        pytest.param(0.0, 180.0, "sea", id="date line"),
        pytest.param(0.0, -180.0, "sea", id="date line, written the other way"),
    ],
)
def test_surface_at_known_points(latitude: float, longitude: float, expected: str) -> None:
    [code] = places.surface(*at(latitude, longitude))
    assert places.SURFACES[code] == expected


@pytest.mark.parametrize(("latitude", "longitude"), [(90.01, 0.0), (0.0, 180.01), (np.nan, 0.0), (0.0, np.inf)])
def test_what_is_not_on_the_globe_is_nowhere_and_has_no_water(latitude: float, longitude: float) -> None:
    assert places.surface(*at(latitude, longitude)) == [-1]
    assert not places.water_within(*at(latitude, longitude), 20)[0]


@pytest.mark.parametrize(
    ("latitude", "longitude", "dry"),
    [
        pytest.param(78.657, 16.35, False, id="Billefjorden, Svalbard: land in the mask, water within 2 km"),
        pytest.param(78.92, 11.93, False, id="Ny-Alesund, land in the mask too"),
        pytest.param(50.0, 14.9, True, id="Bohemia"),
        pytest.param(-80.0, 179.99, True, id="Ross Ice Shelf"),
    ],
)
def test_a_point_on_land_is_dry_only_without_water_within_five_kilometres(
    latitude: float, longitude: float, dry: bool
) -> None:
    assert places.dry(*at(latitude, longitude), 5)[0] == dry


def island(water: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A mask of land with one cell of sea."""
    land = np.ones((8640, 17280), dtype=bool)
    land[water] = False
    return np.packbits(land, axis=1), np.zeros((8640, 2160), dtype=np.uint8)


@pytest.mark.parametrize(
    ("cell", "latitude", "longitude", "km", "expected"),
    [
        # The cell spans 0 to 1.25' north and east. From 0.05 N its northern edge is 0.0291667 degrees away: 3.2432 km.
        ((4320, 8640), 0.05, 0.01, 3.25, True),
        ((4320, 8640), 0.05, 0.01, 3.24, False),
        # At 80 N a degree of longitude is 19.309 km: the cell's eastern edge is 0.1791667 degrees away, 3.459 km.
        ((8160, 8640), 80.01, 0.2, 3.47, True),
        ((8160, 8640), 80.01, 0.2, 3.45, False),
        # Across 180 degrees: the cell's western edge is 180 W, 0.02 degrees from 179.98 E: 2.224 km on the equator.
        ((4320, 0), 0.01, 179.98, 2.23, True),
        ((4320, 0), 0.01, 179.98, 2.22, False),
        # Over the pole: the cell's southern edge lies 1.25' from it, and the position 0.01 degrees beyond: 3.43 km.
        ((8639, 0), 89.99, 0.0104, 3.5, True),
        ((8639, 0), 89.99, 0.0104, 1.0, False),
        # Only latitude counts in the row itself.
        ((4320, 8640), 0.01, 0.01, 0.0, True),
    ],
)
def test_the_distance_to_water_is_exact(
    monkeypatch: pytest.MonkeyPatch, cell: tuple[int, int], latitude: float, longitude: float, km: float, expected: bool
) -> None:
    planes = island(cell)
    monkeypatch.setattr(places, "_planes", lambda: planes)
    assert places.water_within(*at(latitude, longitude), km)[0] == expected


def test_a_lake_is_no_sea() -> None:
    constance = at(47.60, 9.15)  # on the shore, 500 km from any sea
    assert places.water_within(*constance, 20)[0]
    assert not places.water_within(*constance, 20, lakes=False)[0]


@settings_of_hypothesis(max_examples=50, deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(0.1, 30))
def test_water_at_the_point_is_water_within_any_distance(latitude: float, longitude: float, km: float) -> None:
    point = at(latitude, longitude)
    near = places.water_within(*point, km)[0]
    assert near or places.surface(*point)[0] == places.LAND
    assert places.water_within(*point, km + 1)[0] or not near


# --- provinces: invented squares. AAAA 0-10 E, 0-10 N with a hole; BBBB east of it; CCCC in two parts at 180 degrees.
SHELL_A = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)]
HOLE_A = [(4, 4), (4, 6), (6, 6), (6, 4), (4, 4)]
SHELL_B = [(10, 0), (20, 0), (20, 10), (10, 10), (10, 0)]
PARTS_C = [[(170, -10), (180, -10), (180, 0), (170, 0), (170, -10)],
           [(-180, -10), (-170, -10), (-170, 0), (-180, 0), (-180, -10)]]  # fmt: skip
PROVINCES = {"BBBB": [[SHELL_B]], "AAAA": [[SHELL_A, HOLE_A]], "CCCC": [[part] for part in PARTS_C]}


def geojson() -> str:
    features = [
        {"type": "Feature", "properties": {"ProvCode": code, "ProvDescr": "x"},
         "geometry": {"type": "MultiPolygon", "coordinates": parts}}
        for code, parts in PROVINCES.items()
    ]  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "features": features})


def gml2() -> str:
    """As Marine Regions gives longhurst.xml: GML 2, longitude,latitude."""

    def boundary(name: str, ring: list[tuple[int, int]]) -> str:
        text = " ".join(f"{x},{y}" for x, y in ring)
        coordinates = f"<gml:coordinates decimal='.' cs=',' ts=' '>{text}</gml:coordinates>"
        return f"<gml:{name}><gml:LinearRing>{coordinates}</gml:LinearRing></gml:{name}>"

    features = ""
    for number, (code, parts) in enumerate(PROVINCES.items()):
        polygons = "".join(
            "<gml:polygonMember><gml:Polygon>"
            + boundary("outerBoundaryIs", part[0])
            + "".join(boundary("innerBoundaryIs", hole) for hole in part[1:])
            + "</gml:Polygon></gml:polygonMember>"
            for part in parts
        )
        features += f"""<gml:featureMember><MarineRegions:longhurst fid="longhurst.{number}">
            <gml:boundedBy><gml:Box><gml:coordinates>-180,-90 180,90</gml:coordinates></gml:Box></gml:boundedBy>
            <MarineRegions:provcode>{code}</MarineRegions:provcode><MarineRegions:provdescr>x</MarineRegions:provdescr>
            <MarineRegions:the_geom><gml:MultiPolygon srsName="http://www.opengis.net/gml/srs/epsg.xml#4326">{polygons}
            </gml:MultiPolygon></MarineRegions:the_geom></MarineRegions:longhurst></gml:featureMember>"""
    return f"""<?xml version="1.0" encoding="UTF-8"?><wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs"
        xmlns:gml="http://www.opengis.net/gml" xmlns:MarineRegions="geo.vliz.be/MarineRegions">{features}
        </wfs:FeatureCollection>"""


def gml3() -> str:
    """As newer services give it: GML 3.2, latitude before longitude because the system is named by URN."""

    def boundary(name: str, ring: list[tuple[int, int]]) -> str:
        text = " ".join(f"{y} {x}" for x, y in ring)
        return f"<gml:{name}><gml:LinearRing><gml:posList>{text}</gml:posList></gml:LinearRing></gml:{name}>"

    features = ""
    for code, parts in PROVINCES.items():
        polygons = "".join(
            "<gml:surfaceMember><gml:Polygon>"
            + boundary("exterior", part[0])
            + "".join(boundary("interior", hole) for hole in part[1:])
            + "</gml:Polygon></gml:surfaceMember>"
            for part in parts
        )
        features += f"""<wfs:member><MarineRegions:longhurst gml:id="l"><MarineRegions:provcode>{code}
            </MarineRegions:provcode><MarineRegions:the_geom><gml:MultiSurface srsName="urn:ogc:def:crs:EPSG::4326">
            {polygons}</gml:MultiSurface></MarineRegions:the_geom></MarineRegions:longhurst></wfs:member>"""
    return f"""<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0"
        xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:MarineRegions="geo.vliz.be/MarineRegions">{features}
        </wfs:FeatureCollection>"""


@pytest.fixture(params=["geojson", "gml2", "gml3"])
def provinces(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    text = {"geojson": geojson, "gml2": gml2, "gml3": gml3}[request.param]()
    (tmp_path / "provinces").write_text(text, encoding="utf-8")
    return str(tmp_path / "provinces")


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        (2.0, 1.0, "AAAA"),
        (1.0, 12.0, "BBBB"),
        (5.0, 5.0, None),  # in the hole
        (4.0, 5.0, "AAAA"),  # on the hole's border
        (5.0, 10.0, "AAAA"),  # on the border of A and B
        (10.0, 10.0, "AAAA"),  # on a corner of both
        (5.0, 20.0, "BBBB"),
        (5.0, 20.000001, None),
        (-5.0, 179.5, "CCCC"),
        (-5.0, -179.5, "CCCC"),
        (-5.0, 180.0, "CCCC"),
        (-5.0, -180.0, "CCCC"),
        (50.0, 50.0, None),
        (np.nan, 5.0, None),
    ],
)
def test_provinces(provinces: str, latitude: float, longitude: float, expected: str | None) -> None:
    assert longhurst.regions(*at(latitude, longitude), provinces)[0] == expected


def test_a_polygon_may_go_on_beyond_180_degrees(tmp_path: Path) -> None:
    ring = [[170, -10], [190, -10], [190, 0], [170, 0], [170, -10]]
    feature = {
        "type": "Feature",
        "properties": {"provcode": "DDDD"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (tmp_path / "p").write_text(json.dumps({"features": [feature]}), encoding="utf-8")
    points = np.array([-5.0, -5.0, -5.0]), np.array([175.0, -175.0, -165.0])
    assert longhurst.regions(*points, str(tmp_path / "p")).tolist() == ["DDDD", "DDDD", None]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"features": []}', "<a/>", "\x00", '{"features": [{"properties": {}, "geometry": null}]}',
     '{"features": [{"properties": {"ProvCode": "A1"}, "geometry": {"type": "Point", "coordinates": [0, 0]}}]}',
     '{"features": [{"properties": {"ProvCode": "AAAA"}, "geometry": {"type": "Polygon", "coordinates": [[[0, 0]]]}}]}',
     '{"features": [{"properties": {"ProvCode": "AAAA"}, "geometry": null}]}',
     "<longhurst><provcode>AAAA</provcode><Polygon/></longhurst>", "<longhurst/>",
     '{"features": [{"properties": {"ProvCode": "AAAA"}, "geometry": {"type": "Point", "coordinates": [0, 0]}}]}',
     "<longhurst><provcode>AAAA</provcode><Polygon><exterior><posList>1 2 3</posList></exterior></Polygon>"
     "</longhurst>"],
)  # fmt: skip
def test_a_file_that_holds_no_provinces_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "p").write_text(text, encoding="utf-8")
    with pytest.raises(longhurst.UnreadableProvincesError):
        longhurst.provinces(str(tmp_path / "p"))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = str(tmp_path / "p")
    with pytest.raises(longhurst.UnreadableProvincesError):
        longhurst.provinces(path)
    assert longhurst.stamp(path) == ""
    (tmp_path / "p").write_text(geojson(), encoding="utf-8")
    first = longhurst.stamp(path)
    assert longhurst.regions(*at(1.0, 12.0), path)[0] == "BBBB"
    (tmp_path / "p").write_text(geojson().replace("BBBB", "EEEE"), encoding="utf-8")
    assert longhurst.stamp(path) != first
    assert longhurst.regions(*at(1.0, 12.0), path)[0] == "EEEE"
