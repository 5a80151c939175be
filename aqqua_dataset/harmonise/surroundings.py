"""What is around a position: sea, land or lake, the water's type, Longhurst's province.

A position on land is never refused: the mask's cells are 2 km wide, and rivers, fjords and small lakes aren't in it.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise import longhurst, places
from aqqua_dataset.harmonise.work import Mask, Work
from aqqua_dataset.quality.thresholds import threshold


def interpret(work: Work) -> None:
    """Sets surface, region_longhurst and water_type; each distinct position is looked up once."""
    declared = work.contribution.declared
    where = pd.DataFrame({axis: work.columns[axis].to_numpy() for axis in ("latitude", "longitude")})
    group = where.groupby(list(where), sort=False, dropna=False).ngroup().to_numpy()
    distinct = where[~pd.Series(group).duplicated()]
    positions = distinct["latitude"].to_numpy(), distinct["longitude"].to_numpy()
    around = _around(*positions, work.settings.longhurst, declared.water_type == "marine")
    around = around.take(group).set_axis(work.rows.index)

    lake = around["surface"] == "lake"
    water = work.constant(declared.water_type)
    water = water.mask(lake & (water == "unknown") & ~around["salt"], "freshwater")
    work.flag("ON_LAND", around["dry"])
    work.flag("ON_LAND_FAR", around["inland"])
    work.flag("IN_LAKE", lake)
    above_the_sea = (water == "freshwater") | (lake & (water == "unknown"))
    work.flag("LAKE_WITHOUT_ELEVATION", above_the_sea & (declared.water_surface_elevation_m is None))
    work.flag("REGION_NONE", around["outside"] & around["surface"].notna())
    work.columns["surface"] = around["surface"]
    work.columns["region_longhurst"] = around["region"]
    work.columns["water_type"] = water


def _around(latitude: places.Degrees, longitude: places.Degrees, path: str | None, marine: bool) -> pd.DataFrame:
    """What is known of each position; ``inland`` is asked for marine samples only."""
    code = places.surface(latitude, longitude)
    names = np.array([*places.SURFACES, None], dtype=object)  # the last stands for NOWHERE
    inland = (code == places.LAND) & marine
    far = threshold("G09.inland_km")
    inland[inland] = ~places.water_within(latitude[inland], longitude[inland], far, lakes=False)
    region = _regions(latitude, longitude, path)
    return pd.DataFrame(
        {
            "surface": pd.array(names[code], dtype="str"),
            "dry": places.dry(latitude, longitude, threshold("G09.coast_km")),
            "inland": inland,
            "salt": _in_salt_lake(latitude, longitude),
            "region": pd.array(np.full(len(code), None) if region is None else region, dtype="str"),
            "outside": np.full(len(code), False) if region is None else pd.isna(region),
        }
    )


def _regions(latitude: places.Degrees, longitude: places.Degrees, path: str | None) -> npt.NDArray[np.object_] | None:
    """Codes of provinces; None without a file of them (one that can't be read is reported by the stage)."""
    try:
        return longhurst.regions(latitude, longitude, path) if path else None
    except longhurst.UnreadableProvincesError:
        return None


def _in_salt_lake(latitude: places.Degrees, longitude: places.Degrees) -> Mask:
    result = np.zeros(len(latitude), dtype=bool)
    for _, south, north, west, east in schema.vocabulary("salt_lakes.csv").itertuples(index=False):
        inside = (latitude >= float(south)) & (latitude <= float(north))
        result |= inside & (longitude >= float(west)) & (longitude <= float(east))
    return result
