"""Tests of positions that need the whole contribution: axes, signs, notations, tracks, the declared sea."""

from collections.abc import Callable

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from aqqua_dataset.harmonise import places
from aqqua_dataset.harmonise.work import Mask
from aqqua_dataset.quality.rules import Rule
from aqqua_dataset.quality.thresholds import threshold
from aqqua_dataset.registry.models import Contribution, Sea

_KN_IN_KM_H = 1.852
_CELL_DEG = 0.5  # positions nearer than this are grouped as one site, so that clusters of long tracks stay small
_MIRRORS = ((-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0))
_NO_ROW = "select contribution_id from core where false"


def zero_axis(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """Events in which one axis is 0 in every row; single positions on the equator or Greenwich's meridian are legal."""
    deviation = threshold("G03.zero_axis_deg")
    return f"""select event_id from core group by event_id
        having max(abs(latitude)) <= {deviation} or max(abs(longitude)) <= {deviation}"""


def ddmm_suspect(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """Decimal degrees of ZooProcess or UVP software of which no fraction reaches 0.60 although they lie far apart."""
    fraction = threshold("G05.fraction")
    return f"""with dotted as (
            select distinct latitude, longitude from core
            where coordinate_format = 'dd' and not list_contains(qc_flags, 'COORD_DDMM_IS_DECIMAL')
            and (source_system in ('zooscan', 'uvp')
                or source_system = 'ecotaxa' and instrument_family in ('zooscan', 'uvp')))
        select latitude, longitude, coordinate_format from dotted, (select 'dd' as coordinate_format), (
            select count(*) as positions, max(round(abs(latitude) % 1, 9)) as north,
                max(round(abs(longitude) % 1, 9)) as east, max(latitude) - min(latitude) as height,
                max(longitude) - min(longitude) as width from dotted)
        where positions >= {threshold("G05.positions")} and north < {fraction} and east < {fraction}
            and greatest(height, width) >= {threshold("G05.span_deg")}"""


def swapped(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """All rows, where most positions are on land and all of them would be in water with their axes swapped."""
    latitude, longitude = _positions(connection)
    on_land = places.dry(latitude, longitude, threshold("G09.coast_km"))
    if not len(on_land) or on_land.mean() < threshold("G07.land_share"):
        return _NO_ROW
    turned = places.surface(longitude, latitude)
    wet = (turned == places.SEA) | (turned == places.LAKE)
    return "select contribution_id from core" if wet.all() else _NO_ROW


def sign_suspect(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """Positions that are wrong as they are, and right with the sign of one or both axes turned round.

    Wrong is: on land, outside the declared sea, or in a cluster farther than a threshold from an equally large or
    larger one. Right is: in water, and inside the declared sea or, without one, within the threshold of the rest: of
    those other clusters, or for a position on land of any position at sea. Where everything lies on land, one
    mirror has to bring all of it into water.
    """
    latitude, longitude = _positions(connection)
    if not len(latitude):
        return _NO_ROW
    on_land = places.dry(latitude, longitude, threshold("G09.coast_km"))
    sea = contribution.declared.sea
    if sea is not None:
        inside = _inside(latitude, longitude, sea)
        marked = _mirrored(latitude, longitude, on_land | ~inside, lambda lat, lon, of: _inside(lat, lon, sea))
    elif on_land.all():
        marked = np.full(len(on_land), any(_wet(a * latitude, b * longitude).all() for a, b in _MIRRORS))
    else:
        sites = _Sites(latitude, longitude)
        anywhere = sites.near(latitude[~on_land], longitude[~on_land])
        marked = _mirrored(latitude, longitude, on_land, anywhere)
        marked |= _mirrored(latitude, longitude, ~on_land & sites.has_rest(), sites.near_rest)
    return _register(connection, "sign_suspect", latitude[marked], longitude[marked])


def constant(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """Towed instruments with one position over days; profilers, pumps and moorings may well stay in one place."""
    return f"""select deployment_type, platform from core where deployment_type = 'in_situ_towed'
        group by deployment_type, platform
        having count(distinct (latitude, longitude)) = 1
            and epoch(max(datetime_utc)) - epoch(min(datetime_utc)) >= {threshold("G12.days") * 86400}"""


def track_speed(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """Events that a platform would have left or reached faster than ships go."""
    return _track(threshold("G13.suspect_kn"), threshold("G13.impossible_kn"))


def track_speed_impossible(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """Events that a platform would have left or reached faster than any platform goes."""
    return _track(threshold("G13.impossible_kn"), float("inf"))


def region_not_declared(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """Positions outside the declared sea."""
    sea = contribution.declared.sea
    if sea is None:
        return _NO_ROW
    latitude, longitude = _positions(connection)
    outside = ~_inside(latitude, longitude, sea)
    return _register(connection, "region_not_declared", latitude[outside], longitude[outside])


RULES: dict[str, Rule] = {
    "COORD_ZERO_AXIS": zero_axis,
    "COORD_DDMM_SUSPECT": ddmm_suspect,
    "COORD_SWAPPED": swapped,
    "COORD_SIGN_SUSPECT": sign_suspect,
    "COORD_CONSTANT": constant,
    "TRACK_SPEED": track_speed,
    "TRACK_SPEED_IMPOSSIBLE": track_speed_impossible,
    "REGION_NOT_DECLARED": region_not_declared,
}


def _positions(connection: duckdb.DuckDBPyConnection) -> tuple[places.Degrees, places.Degrees]:
    found = connection.sql("select distinct latitude, longitude from core order by all").fetchnumpy()
    return np.asarray(found["latitude"], dtype=np.float64), np.asarray(found["longitude"], dtype=np.float64)


def _register(
    connection: duckdb.DuckDBPyConnection, name: str, latitude: places.Degrees, longitude: places.Degrees
) -> str:
    connection.register(f"position_{name}", pd.DataFrame({"latitude": latitude, "longitude": longitude}))
    return f"select latitude, longitude from position_{name}"


def _inside(latitude: places.Degrees, longitude: places.Degrees, sea: Sea) -> Mask:
    east_of, west_of = longitude >= sea.west, longitude <= sea.east
    across = east_of & west_of if sea.west <= sea.east else east_of | west_of
    result: Mask = (latitude >= sea.south) & (latitude <= sea.north) & across
    return result


def _wet(latitude: places.Degrees, longitude: places.Degrees) -> Mask:
    code = places.surface(latitude, longitude)
    result: Mask = (code == places.SEA) | (code == places.LAKE)
    return result


_Right = Callable[[places.Degrees, places.Degrees, npt.NDArray[np.int64]], Mask]


def _mirrored(latitude: places.Degrees, longitude: places.Degrees, wrong: Mask, right: _Right) -> Mask:
    """Which of the wrong positions have a mirror in water that is right."""
    result = np.zeros(len(latitude), dtype=bool)
    index = np.flatnonzero(wrong)
    for south, west in _MIRRORS:
        lat, lon = south * latitude[index], west * longitude[index]
        result[index] |= _wet(lat, lon) & right(lat, lon, index)
    return result


class _Sites:
    """Positions grouped to sites, and sites to clusters that are farther than the threshold from each other."""

    def __init__(self, latitude: places.Degrees, longitude: places.Degrees) -> None:
        cells = np.floor(np.column_stack([latitude, longitude]) / _CELL_DEG)
        _, site = np.unique(cells, axis=0, return_inverse=True)
        frame = pd.DataFrame({"latitude": latitude, "longitude": longitude}).groupby(site.ravel())
        middle = frame.mean()
        self._centres = _on_sphere(middle["latitude"].to_numpy(), middle["longitude"].to_numpy())
        self._reach = 2 * np.sin(threshold("G08.distance_km") / places.EARTH_KM / 2)  # the chord of that arc
        pairs = cKDTree(self._centres).query_pairs(self._reach, output_type="ndarray")
        links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(middle), len(middle)))
        _, self._cluster_of_site = connected_components(links, directed=False)
        self._cluster = self._cluster_of_site[site.ravel()]
        self._size = np.bincount(self._cluster)

    def has_rest(self) -> Mask:
        """Whether a position belongs to a cluster beside which there is one as large or larger."""
        others = np.array([np.delete(self._size, c).max(initial=0) >= size for c, size in enumerate(self._size)])
        result: Mask = others[self._cluster]
        return result

    def near_rest(self, latitude: places.Degrees, longitude: places.Degrees, index: npt.NDArray[np.int64]) -> Mask:
        """Whether a mirror of each position is within the threshold of the clusters that count as its rest."""
        result = np.zeros(len(latitude), dtype=bool)
        own = self._cluster[index]
        for cluster in np.unique(own):
            rest = (self._size >= self._size[cluster])[self._cluster_of_site] & (self._cluster_of_site != cluster)
            of = own == cluster
            nearest, _ = cKDTree(self._centres[rest]).query(_on_sphere(latitude[of], longitude[of]))
            result[of] = nearest <= self._reach
        return result

    def near(self, latitude: places.Degrees, longitude: places.Degrees) -> _Right:
        """The test whether a mirror is within the threshold of one of these positions."""
        tree = cKDTree(_on_sphere(latitude, longitude))
        return lambda lat, lon, of: tree.query(_on_sphere(lat, lon))[0] <= self._reach


def _on_sphere(latitude: places.Degrees, longitude: places.Degrees) -> npt.NDArray[np.float64]:
    north, east = np.radians(latitude), np.radians(longitude)
    return np.column_stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])


def _track(above_kn: float, up_to_kn: float) -> str:
    """Rows of both events of each pair whose speed is above one number of knots and not above another.

    Rounded positions and times are given the benefit of the doubt. Rows without a time of day, moorings and
    cultures are left out, and so are samples from the laboratory of which nobody knows the ship.
    """
    distance = f"""2 * {places.EARTH_KM} * asin(least(1, sqrt(
        pow(sin(radians(latitude - lag(latitude) over track) / 2), 2) + cos(radians(latitude))
        * cos(radians(lag(latitude) over track)) * pow(sin(radians(longitude - lag(longitude) over track) / 2), 2))))
        - (doubt + lag(doubt) over track) / 1000"""
    limit = "" if np.isinf(up_to_kn) else f"and knots <= {up_to_kn}"
    return f"""with moving as (
            select *, coalesce(event_id, concat_ws(' ', epoch_ms(datetime_utc), latitude, longitude)) as event,
                coalesce(coordinate_uncertainty_m, 0) as doubt from core
            where datetime_precision in ('minute', 's', 'ms')
            and deployment_type not in ('in_situ_moored', 'culture')
            and (platform is not null or deployment_type not in ('net_sample_bench', 'bottle_sample_bench'))),
        events as (
            select platform, instrument_id, event, min(datetime_utc) as start,
                arg_min(latitude, datetime_utc) as latitude, arg_min(longitude, datetime_utc) as longitude,
                max(doubt) as doubt
            from moving group by platform, instrument_id, event),
        steps as (
            select platform, instrument_id, event, lag(event) over track as earlier,
                ({distance}) / greatest(epoch(start) - epoch(lag(start) over track), {threshold("G13.seconds")})
                * 3600 / {_KN_IN_KM_H} as knots
            from events window track as (partition by platform, instrument_id order by start, event)),
        bad as (select *, unnest([event, earlier]) as either from steps where knots > {above_kn} {limit})
        select distinct m.platform, m.instrument_id, m.event_id, m.datetime_utc, m.latitude, m.longitude
        from moving m semi join bad b on m.event = b.either and m.instrument_id = b.instrument_id
            and m.platform is not distinct from b.platform"""
