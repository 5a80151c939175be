"""Rules that need the stored images, or the whole set of them: size in the water, enlargement, content."""

import duckdb
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.labels.taxonomy import taxonomy
from aqqua_dataset.quality.rules import Rule
from aqqua_dataset.quality.thresholds import threshold
from aqqua_dataset.registry.models import Contribution

#: Equivalent spherical diameter in um of an area in pixels: the diameter of the disc with that area.
ESD_UM = "2 * sqrt(object_area_px2 / pi()) * pixel_size_um"


def multiple_pixel_sizes(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """P06: one instrument on one cruise has several pixel sizes; legal with changed objectives, so only suspect."""
    return f"""select instrument_id, platform from core group by all
               having max(pixel_size_um) > min(pixel_size_um) * (1 + {threshold("P06.relative")})"""


def implausible_esd(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """P09: the median diameter of an instrument's objects lies outside what the instrument can see."""
    connection.register("seen_by", schema.vocabulary("instruments.csv")[["instrument_id", "esd_um_min", "esd_um_max"]])
    return f"""
        select instrument_id from (
            select instrument_id, median({ESD_UM}) as esd from core where object_area_px2 > 0 group by instrument_id
            having count(*) >= {threshold("P09.images")}
        ) join seen_by using (instrument_id)
        where esd < try_cast(esd_um_min as double) or esd > try_cast(esd_um_max as double)"""


def area_exceeds_image(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """P10: the object's area has more pixels than its image."""
    return "select image_id from core join shards using (image_id) where object_area_px2 > width_px::double * height_px"


def rescaled(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """P11: images are by one constant factor (not 1) larger than the boxes of their objects, or far off them."""
    low, high, spread = threshold("P11.low"), threshold("P11.high"), threshold("P11.constant")
    return f"""
        select instrument_id, image_variant from (
            select instrument_id, image_variant, median(width_px / object_width_px) as ratio,
                   quantile_cont(width_px / object_width_px, 0.9) - quantile_cont(width_px / object_width_px, 0.1)
                       as wide
            from core join shards using (image_id)
            where object_width_px > 0 and pixel_rescale_factor = 1 group by all
            having count(*) >= {threshold("P11.images")}
        ) where ratio < {low} or ratio > {high} or (wide <= {spread} * ratio and abs(ratio - 1) > {spread})"""


def scale_bar(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """P12: nearly all images have equal, not uniform bottom rows."""
    return f"""
        select image_id from shards join (
            select footer_hash, count(*) as same from shards where footer_hash is not null group by 1
        ) using (footer_hash)
        where same >= {threshold("P12.images")} and same >= {threshold("P12.share")} * (select count(*) from shards)"""


def implausible_extent(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """P13: the image's longer edge would be impossibly long or short in the water."""
    return f"""
        select image_id from core join shards using (image_id)
        where greatest(width_px, height_px) * pixel_size_um > {threshold("P13.largest_mm")} * 1000
           or greatest(width_px, height_px) * pixel_size_um < {threshold("P13.smallest_um")}"""


def full_frames(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """I04: nearly all images have one and the same large size."""
    return f"""
        select image_id from shards join (
            select width_px, height_px, count(*) as same from shards
            where width_px::bigint * height_px >= {threshold("I04.pixels")} group by all
        ) using (width_px, height_px)
        where same >= {threshold("I04.images")} and same >= {threshold("I04.share")} * (select count(*) from shards)"""


def scaled_depth(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """I06: 16 bits per channel hold 12 or fewer, or only 256 levels."""
    return "select image_id from shards where bit_depth = 16 and significant_bits <= 12"


def count_mismatch(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """V05: the event should have more images than are usable."""
    return """select event_id from (
                  select event_id, image_count_declared, source_object_id,
                         image_id in (select image_id from shards) as kept
                  from core where image_count_declared is not null
              ) group by event_id
              having count(distinct source_object_id) filter (kept) < max(image_count_declared)"""


def few_images(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """V06: so few images in an event that the counting error 1/sqrt(n) is large."""
    enough = threshold("V06.images")
    return f"select event_id from core group by event_id having count(*) < {enough}"


def size_of_label(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> str:
    """L10: the object is outside the sizes that its taxon, or the nearest one above it, has (label_sizes.csv)."""
    sizes = schema.vocabulary("label_sizes.csv").set_index("taxon_name")[["min_um", "max_um"]].astype("float64")
    snapshot = taxonomy(None)
    rows: list[tuple[str, float, float]] = []
    for name, aphia_id in connection.sql("select distinct taxon_name, aphia_id from core").fetchall():
        taxon = snapshot.by_id(aphia_id) if aphia_id else None
        above = [name, *reversed(taxon.lineage if taxon else ())]
        nearest = next((n for n in above if n in sizes.index), None)
        if nearest is not None:
            rows.append((name, sizes["min_um"][nearest], sizes["max_um"][nearest]))
    connection.register("sizes", pd.DataFrame(rows, columns=["taxon_name", "min_um", "max_um"]))
    return f"""
        select image_id from core join sizes using (taxon_name)
        where object_area_px2 > 0 and ({ESD_UM} < min_um or {ESD_UM} > max_um)"""


RULES: dict[str, Rule] = {
    "PIXEL_MULTIPLE_IN_SET": multiple_pixel_sizes,
    "ESD_IMPLAUSIBLE": implausible_esd,
    "AREA_EXCEEDS_IMAGE": area_exceeds_image,
    "IMAGE_RESCALED": rescaled,
    "SCALE_BAR_BURNED_IN": scale_bar,
    "PHYSICAL_SIZE_IMPLAUSIBLE": implausible_extent,
    "IMAGE_FULL_FRAME": full_frames,
    "BIT_DEPTH_SCALED": scaled_depth,
    "COUNT_MISMATCH": count_mismatch,
    "COUNT_UNCERTAINTY": few_images,
    "LABEL_SIZE_CONFLICT": size_of_label,
}
