"""For every threshold of a quality test: a value just on the good and one just on the bad side of it, as literals.

``seen`` says whether the flag is raised for a value. The thresholds themselves are never read here, so that a changed
threshold makes a case fail.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import test_depth
import test_harmonise
import test_labels
import test_position
import test_position_rules
import test_time
import test_time_depth_rules
from builders import contribution
from test_harmonise import interpret

from aqqua_dataset import schema
from aqqua_dataset.images.inspect import BadImage, inspect_raw
from aqqua_dataset.quality.stage import Parts, write_quality
from aqqua_dataset.registry.models import Column, Contribution, Declared, Source
from aqqua_dataset.warehouse import Warehouse

CORE: dict[str, Any] = {
    "contribution_id": "c1", "source_system": "ecotaxa", "source_image_file": "o.png", "source_image_rank": 0,
    "event_id": "e1", "instrument_id": "zooscan", "instrument_family": "zooscan",
    "deployment_type": "net_sample_bench", "pixel_size_um": 10.6, "pixel_size_verbatim": "0.0106",
    "pixel_size_column": "c", "pixel_size_unit_source": "declared_column", "pixel_size_rule": "mm*1000",
    "pixel_rescale_factor": 1.0, "datetime_utc": pd.Timestamp("2019-06-14T13:30:15Z"), "datetime_precision": "s",
    "datetime_verbatim": "v", "timezone_source": "utc_declared", "latitude": 56.5, "longitude": 11.5,
    "latitude_verbatim": "56.5", "longitude_verbatim": "11.5", "coordinate_format": "dd",
    "coordinate_source": "object", "water_type": "marine", "depth_min_m": 0.0, "depth_max_m": 10.0, "depth_m": 5.0,
    "depth_kind": "bin", "altitude_m": -5.0, "label_status": "unclassified", "label_method": "unknown",
    "taxon_match": "none", "label_kind": "unlabelled", "label_uncertain": False, "label_residual": [],
    "surface": "sea", "qc_flags": [], "qc_level": 1,
}  # fmt: skip
SHARD: dict[str, Any] = {
    "image_format": "png", "width_px": 100, "height_px": 80, "channels": 1, "bit_depth": 8, "significant_bits": 8,
    "grey_mean": 200.0, "grey_std": 30.0, "polarity": "dark_on_light", "near_hash": "0" * 64,
    "delivered_sha256": "0" * 64, "image_sha256": "0" * 64, "pixel_hash": "0" * 32, "shard": "s.tar", "offset": 0,
    "length": 1,
}  # fmt: skip


def table(name: str, rows: list[dict[str, Any]], defaults: dict[str, Any]) -> pa.Table:
    """Rows with defaults as a table of the schema; columns that neither names are null."""
    full = [
        dict.fromkeys(schema.arrow(name).names)
        | defaults
        | {"image_id": f"00000000-0000-5000-8000-{i:012d}", "source_object_id": f"o{i}"}
        | row
        for i, row in enumerate(rows)
    ]
    target = schema.arrow(name)
    return pa.Table.from_pylist([{k: row[k] for k in target.names} for row in full], target)


def judge(
    folder: Path, core: list[dict[str, Any]], shards: list[dict[str, Any]] | None = None,
    giver: Contribution | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The quality table's rows for core rows and their stored images."""
    warehouse = Warehouse(str(folder))
    stored = shards if shards is not None else [{} for _ in core]
    for name, rows, defaults in (("core", core, CORE), ("shard_index", stored, SHARD)):
        warehouse.write_parquet(f"{name}.parquet", table(name, rows, defaults), schema.arrow(name))
    parts = Parts(["core.parquet"], ["shard_index.parquet"], ["quality.parquet"])
    write_quality(warehouse, giver or contribution("c1", "x"), parts)
    rows: list[dict[str, Any]] = warehouse.read_parquet("quality.parquet").to_pylist()
    return rows


@dataclass(frozen=True)
class Case:
    """One threshold: values on both sides, and whether a value raises the flag."""

    threshold: str
    flag: str
    good: float
    bad: float
    seen: Callable[[Path, float], bool]


def _set(
    threshold: str, flag: str, good: float, bad: float,
    make: Callable[[float], tuple[list[dict[str, Any]], list[dict[str, Any]]]],
) -> Case:  # fmt: skip
    """A case of a rule over a whole contribution: whether any of its images gets the flag."""

    def seen(folder: Path, value: float) -> bool:
        return any(flag in row["qc_flags"] for row in judge(folder, *make(value)))

    return Case(threshold, flag, good, bad, seen)


def _measured(number: int, side: float, **more: Any) -> list[dict[str, Any]]:
    return [{"object_area_px2": side, **more}] * number


def _ratio(value: float, spread: float = 0.5, number: int = 21) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Boxes of images of 1000 px whose ratio has a median and a distance between its 10 % and 90 % quantiles."""
    steps = [value + spread * (i / (number - 1) - 0.5) / 0.8 for i in range(number)]
    return [{"object_width_px": 1000 / s} for s in steps], [{"width_px": 1000}] * number


def _equal(number: float, others: float, **same: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows = [dict(same)] * int(number) + [{"width_px": 50 + i} for i in range(int(others))]
    return [{}] * len(rows), rows


def _row(
    threshold: str, flag: str, good: float, bad: float, cells: Callable[[float], dict[str, str | None]],
    source: Source | None = None, marine: bool = False,
) -> Case:  # fmt: skip
    """A case of a single EcoTaxa row: whether it is kept with the flag, or rejected for it as a reason."""

    def seen(folder: Path, value: float) -> bool:
        result = interpret(Declared(water_type="marine" if marine else "unknown"), source, **cells(value))
        raised = [f for row in result.core.to_pylist() for f in row["qc_flags"]]
        return flag in [*raised, *result.quarantine["reason"].to_pylist()]

    return Case(threshold, flag, good, bad, seen)


def _reasons(brighter: float) -> str:
    """Why a picture of 10,000 pixels is refused, of which some are two grey levels brighter than the rest."""
    try:
        inspect_raw(bytes([102] * int(brighter) + [100] * (10_000 - int(brighter))), 100, 100)
    except BadImage as bad:
        return bad.reason
    return ""


DPI = Source(format="ecotaxa", location="x", mapping={"pixel_size": Column(column="scan_resolution", unit="dpi")})
FRAME = {"width_px": 1000, "height_px": 1000}
FOOT = {"footer_hash": "0123456789abcdef"}
CASES = [
    _row("P07.conflict", "SCALE_CONFLICT", 0.010705, 0.010707,
         lambda v: {"acq_pixel_um": "10.6", "process_particle_pixel_size_mm": f"{v}"}),
    _row("P07.conflict_dpi", "SCALE_CONFLICT", 2515, 2518, lambda v: {"scan_resolution": f"{v}"}, DPI),
    _set("P06.relative", "PIXEL_MULTIPLE_IN_SET", 10.652, 10.654,
         lambda v: ([{"pixel_size_um": 10.6}, {"pixel_size_um": v}], [{}, {}])),
    _set("P09.images", "ESD_IMPLAUSIBLE", 19, 20, lambda v: (_measured(int(v), 1.0), [{}] * int(v))),
    _set("P11.low", "IMAGE_RESCALED", 0.81, 0.79, _ratio),
    _set("P11.high", "IMAGE_RESCALED", 2.99, 3.01, _ratio),
    _set("P11.constant", "IMAGE_RESCALED", 0.0303, 0.0297, lambda v: _ratio(1.5, v)),
    _set("P11.images", "IMAGE_RESCALED", 19, 20, lambda v: _ratio(1.5, 0.001, int(v))),
    _set("P12.images", "SCALE_BAR_BURNED_IN", 9, 10, lambda v: _equal(v, 0, **FOOT)),
    _set("P12.share", "SCALE_BAR_BURNED_IN", 89, 90, lambda v: _equal(v, 100 - v, **FOOT)),
    _set("P13.largest_mm", "PHYSICAL_SIZE_IMPLAUSIBLE", 2990, 3010,
         lambda v: ([{"pixel_size_um": 100.0}], [{"width_px": int(v)}])),
    _set("P13.smallest_um", "PHYSICAL_SIZE_IMPLAUSIBLE", 0.0101, 0.0099,
         lambda v: ([{"pixel_size_um": v}], [{"width_px": 100, "height_px": 1}])),
    _set("V06.images", "COUNT_UNCERTAINTY", 400, 399, lambda v: ([{}] * int(v), [])),
    _set("I04.images", "IMAGE_FULL_FRAME", 9, 10, lambda v: _equal(v, 0, **FRAME)),
    _set("I04.share", "IMAGE_FULL_FRAME", 89, 90, lambda v: _equal(v, 100 - v, **FRAME)),
    _set("I04.pixels", "IMAGE_FULL_FRAME", 299_999, 300_000,
         lambda v: _equal(10, 0, width_px=int(v), height_px=1)),
    # standard deviations of 0.504 and 0.497
    Case("I03.std", "image_constant", 680, 660, lambda _, v: _reasons(v) == "image_constant"),
]  # fmt: skip

_RETRIEVED = Source(format="ecotaxa", location="x", retrieved=dt.date(2020, 1, 1))
CASES += [
    _row("T02.future_days", "time_out_of_range", 1, 2,
         lambda v: {"object_date": f"202001{int(v):02d}", "object_time": "000000"}, _RETRIEVED),
    _row("T03.oldest_year", "time_out_of_range", 1850, 1849, lambda v: {"object_date": f"{int(v)}0614"}),
]  # fmt: skip


def _hops(seconds: float, step_deg: float) -> list[dict[str, Any]]:
    """Two events of one ship on a meridian."""
    first = pd.Timestamp("2019-06-14T12:00:00Z")
    ship = {"platform": "RV Test", "deployment_type": "in_situ_towed", "longitude": 11.5}
    return [
        ship | {"event_id": "e1", "datetime_utc": first, "latitude": 57.0},
        ship | {"event_id": "e2", "datetime_utc": first + pd.Timedelta(seconds=seconds), "latitude": 57.0 + step_deg},
    ]


def _on_land(number: float) -> list[dict[str, Any]]:
    """100 positions, some in the desert of Oman, the others in the Indian Ocean; swapped all lie in European seas."""
    desert, ocean = {"latitude": 19.5, "longitude": 56.5}, {"latitude": 3.0, "longitude": 55.0}
    steps = [{"latitude": 0.001 * i, "longitude": 0.0} for i in range(100)]
    chosen = [desert] * int(number) + [ocean] * (100 - int(number))
    return [{k: place[k] + step[k] for k in place} for place, step in zip(chosen, steps, strict=True)]


def _nights(minute: float) -> list[dict[str, Any]]:
    """Four nights told on the equator soon after the equinox's sunrise; at 06:32 UTC the sun is 5.9 degrees high."""
    moment = pd.Timestamp(f"2019-03-20 06:{int(minute):02d}:00Z")
    told = {"datetime_utc": moment, "longitude": 0.0, "day_night": "night"}
    return [told | {"latitude": latitude} for latitude in (0.0, 0.1, 0.2, 0.3)]


def _artefacts(number: float) -> list[dict[str, Any]]:
    kinds = ["artefact"] * int(number) + ["taxon"] * (100 - int(number))
    return [{"label_kind": kind, "label_status": "validated"} for kind in kinds]


CASES += [
    _row("D04.deepest_m", "depth_out_of_range", 10_999, 11_001,
         lambda v: {"object_depth_min": "10", "object_depth_max": f"{v}"}),
    _set("G03.zero_axis_deg", "COORD_ZERO_AXIS", 0.000105, 0.000095, lambda v: ([{"longitude": v}], [{}])),
    _set("G07.land_share", "COORD_SWAPPED", 49, 50, lambda v: (_on_land(v), [{}] * 100)),
    # on the Landes between 4.8 and 5, and between 5 and 5.2 km, from the lagoon of Arcachon and the ocean
    _row("G09.coast_km", "ON_LAND", -1.120, -1.115, lambda v: {"object_lat": "44.410", "object_lon": f"{v:.3f}"}),
    # along 44.4 N the coast of the Landes lies between 19 and 20 km, and between 20 and 21 km, from these points
    _row("G09.inland_km", "ON_LAND_FAR", -1.005, -0.995,
         lambda v: {"object_lat": "44.400", "object_lon": f"{v:.3f}"}, marine=True),
    # a thousandth of a degree is 111.2 m; 25 knots over 60 seconds are 772 m
    _set("G13.seconds", "TRACK_SPEED", 0.0067, 0.0072, lambda v: (_hops(10, v), [{}] * 2)),
    _set("T09.twilight_deg", "TZ_LOCAL_SUSPECT", 32, 33, lambda v: (_nights(v), [{}] * 4)),
    _set("L09.artefact_share", "ARTEFACT_SHARE", 20, 21, lambda v: (_artefacts(v), [{}] * 100)),
]  # fmt: skip

#: As written a position's step is 0.1, 0.17 or 0.017 degree: a tenth less than 0.1 lets the same ones through.
FURTHER = {("G11.step_deg", -1): 0.01}

#: Threshold -> tests that hold values on both sides of it, where it isn't one of the cases above.
HELD_BY: dict[str, tuple[Callable[..., None], ...]] = {
    "D02.swell_m": (test_depth.test_signs_among_depths_below_the_surface,),
    "D04.deepest_m": (test_harmonise.test_depths, test_harmonise.test_depths_that_are_refused),
    "D05.factor": (test_depth.test_what_an_instrument_stands,),
    "D07.rows": (test_time_depth_rules.test_a_profile_goes_through_depths,),
    "D09.spike_m": (test_time_depth_rules.test_spikes_in_time,),
    "G03.zero_axis_deg": (test_position_rules.test_one_axis_zero_over_a_whole_sample,),
    "G05.fraction": (test_position_rules.test_fractions_that_never_reach_sixty_minutes,),
    "G05.positions": (test_position_rules.test_fractions_that_never_reach_sixty_minutes,),
    "G05.span_deg": (test_position_rules.test_fractions_in_a_bay_may_be_alike_by_chance,),
    "G07.land_share": (test_position_rules.test_axes_swapped,),
    "G08.distance_km": (test_position_rules.test_five_hundred_kilometres_from_the_rest,),
    "G09.inland_km": (test_position.test_twenty_kilometres_inland,),
    "G11.step_deg": (test_position.test_precision_as_written,),
    "G12.days": (test_position_rules.test_a_towed_instrument_moves,),
    "G13.impossible_kn": (test_position_rules.test_the_speed_between_two_events,),
    "G13.seconds": (test_position_rules.test_two_short_hops_within_a_minute_are_no_jump,),
    "G13.suspect_kn": (test_position_rules.test_the_speed_between_two_events,),
    "L08.validated_share": (test_labels.test_rules_on_a_whole_contribution,),
    "L09.artefact_share": (test_labels.test_rules_on_a_whole_contribution,),
    "T06.events": (test_time_depth_rules.test_one_placeholder_clock_in_twenty_events,),
    "T07.days": (test_time_depth_rules.test_the_processing_time_is_no_sampling_time,),
    "T09.moments": (test_time_depth_rules.test_two_contradictions_or_some_that_no_shift_mends_are_no_zone,
                    test_time_depth_rules.test_day_and_night_show_a_wrong_zone),
    "T09.twilight_deg": (test_time_depth_rules.test_day_and_night_show_a_wrong_zone,),
    "T11.hours": (test_time.test_a_time_lies_in_its_event,),
    "T12.seconds": (test_time.test_an_ifcb_header_tells_the_time_of_its_bin,),
}  # fmt: skip


def fails(test: Callable[..., None]) -> bool:
    """Whether a test, run over its parameters, fails in one of its cases."""
    [marks] = [[m for m in getattr(test, "pytestmark", []) if m.name == "parametrize"]]
    assert len(marks) <= 1, "one table of parameters only"
    names = marks[0].args[0] if marks else ()
    names = names.split(",") if isinstance(names, str) else list(names)
    for values in marks[0].args[1] if marks else [()]:
        given = values if len(names) != 1 else (values,)
        try:
            test(**dict(zip(names, given, strict=True)))
        except AssertionError:
            return True
    return False
