"""What the rows of one contribution were understood to mean: aggregates over the view ``base``."""

import datetime as dt
import itertools
import math
from collections.abc import Sequence
from typing import Any

import duckdb

from aqqua_dataset.report.facts import Bar, Counted, Dot, Label, PixelSize, Reading, Taxonomy, Understood
from aqqua_dataset.report.views import Views

_MOST_VALUES = 8
_MOST_LABELS = 20
_MOST_DOTS = 1_500
_MOST_BARS = 36
#: Cells that positions are gathered in until few enough dots are left, degrees.
_CELLS_DEG = (0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
#: Widths of a depth bin, metres; the first that needs at most twenty bins is taken.
_DEPTH_BINS_M = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_DAY_S = 86_400
_UTC = "strftime(make_timestamp_ms(epoch_ms(datetime_utc)), '%Y-%m-%d %H:%M:%S') || ' UTC'"
_PLACES = "select distinct latitude, longitude from base where latitude is not null and longitude is not null"
_VOLUMES = {"imaged_volume_l": "water that was imaged", "sampled_volume_l": "water that the sample stands for"}


def understood(views: Views) -> Understood:
    """Asks all questions about meaning."""
    ask = views.connection
    rows = _one(ask, "select count(*) from base")[0]
    first, last = (
        _moment(ms) for ms in _one(ask, "select min(epoch_ms(datetime_utc)), max(epoch_ms(datetime_utc)) from base")
    )
    dots = _dots(ask)
    return Understood(
        rows=rows,
        partial=views.partial,
        instruments=tuple(
            ask.sql(
                f"""select coalesce(instrument_id, ''), coalesce(instrument_verbatim, ''), count(*) as images
                from base group by all order by images desc, 1, 2 limit {_MOST_VALUES}"""
            ).fetchall()
        ),
        deployments=counted(ask, "deployment_type"),
        platforms=counted(ask, "platform"),
        events=_one(ask, "select count(distinct event_id) from base")[0],
        pixel_sizes=_pixel_sizes(ask),
        pixel_size_count=_one(ask, "select count(distinct pixel_size_um) from base")[0],
        image_mm=_image_mm(ask),
        first=first,
        last=last,
        time_precision=counted(ask, "datetime_precision"),
        time_zone=counted(ask, "timezone_source", "datetime_utc is not null"),
        time_bars=_time_bars(ask, first, last),
        time_example=_reading(
            ask, "datetime_verbatim", _UTC
        ),
        positions=_one(ask, f"select count(*) from ({_PLACES})")[0],
        box=_box(ask),
        notation=counted(ask, "coordinate_format", "latitude is not null"),
        position_source=counted(ask, "coordinate_source", "latitude is not null"),
        water=counted(ask, "water_type"),
        dots=dots,
        position_example=_reading(
            ask, "latitude_verbatim || ', ' || longitude_verbatim",
            "format('{:.4f}° {}, {:.4f}° {}', abs(latitude), if(latitude < 0, 'south', 'north'),"
            " abs(longitude), if(longitude < 0, 'west', 'east'))",
        ),
        depth=_range(ask, "min(depth_min_m), max(depth_max_m)"),
        depth_kind=counted(ask, "depth_kind", "depth_m is not null"),
        depth_bars=_depth_bars(ask),
        depth_example=_reading(
            ask, "nullif(concat_ws(' to ', depth_min_verbatim, depth_max_verbatim), '')",
            "if(depth_min_m = depth_max_m, format('{:.1f} m', depth_min_m),"
            " format('{:.1f} to {:.1f} m', depth_min_m, depth_max_m)) || ' below the surface'",
        ),
        altitude=_range(ask, "min(altitude_m), max(altitude_m)"),
        volumes=_volumes(ask),
        taxonomy=_taxonomy(ask),
    )  # fmt: skip


def counted(ask: duckdb.DuckDBPyConnection, column: str, where: str = "true") -> tuple[Counted, ...]:
    """The commonest values of a column and their images; "" stands for nothing."""
    found = ask.sql(
        f"""select coalesce({column}::varchar, ''), count(*) as images from base where {where}
        group by all order by images desc, 1 limit {_MOST_VALUES}"""
    ).fetchall()
    return tuple(Counted(value, images) for value, images in found)


def _one(ask: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = ask.sql(query).fetchall()[0]
    return row


def _range(ask: duckdb.DuckDBPyConnection, ends: str) -> tuple[float, float] | None:
    low, high = _one(ask, f"select {ends} from base")
    return None if low is None or high is None else (low, high)


def _moment(epoch_ms: int | None) -> dt.datetime | None:
    if epoch_ms is None:
        return None
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=epoch_ms)


def _reading(ask: duckdb.DuckDBPyConnection, delivered: str, read: str) -> Reading | None:
    """One example of text and what it became: that of the smallest image id, which is the same every time."""
    found = ask.sql(
        f"select {delivered} as delivered, {read} as read from base"
        " where delivered is not null and read is not null order by image_id limit 1"
    ).fetchall()
    return Reading(*found[0]) if found else None


def _pixel_sizes(ask: duckdb.DuckDBPyConnection) -> tuple[PixelSize, ...]:
    found = ask.sql(
        f"""select pixel_size_um, pixel_size_verbatim, pixel_size_column, pixel_size_unit_source, pixel_size_rule,
                   count(*) as images
        from base where pixel_size_um is not null group by all order by images desc, 1, 2, 3 limit {_MOST_VALUES}"""
    ).fetchall()
    return tuple(PixelSize(*row) for row in found)


def _image_mm(ask: duckdb.DuckDBPyConnection) -> tuple[float, float, float] | None:
    """Longer side of the images: counted in steps of 1/50 decade, so that exact quantiles need no sorting."""
    steps = ask.sql(
        """select round(50 * log10(greatest(width_px, height_px) * pixel_size_um / 1000))::integer as step,
                  count(*) as images
        from base join shards using (image_id) where pixel_size_um > 0 group by step order by step"""
    ).fetchall()
    total, found = sum(n for _, n in steps), []
    for share in (0.05, 0.5, 0.95):
        below = 0
        for step, images in steps:
            below += images
            if below >= share * total:
                found.append(10 ** (step / 50))
                break
    return (found[0], found[1], found[2]) if found else None


def _time_bars(ask: duckdb.DuckDBPyConnection, first: dt.datetime | None, last: dt.datetime | None) -> tuple[Bar, ...]:
    """Images per hour, day, month or year: the shortest of them that needs few bars."""
    if first is None or last is None:
        return ()
    seconds = 3600 if (last - first).days < 1 else _DAY_S
    found = ask.sql(
        f"""select (epoch_ms(datetime_utc) // {1000 * seconds}) * {seconds} as start, count(*)
        from base where datetime_utc is not null group by start order by start"""
    ).fetchall()
    if (last - first).total_seconds() / seconds <= _MOST_BARS:
        return tuple(Bar(start, start + seconds, images) for start, images in found)
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    length = 1 if months <= _MOST_BARS else 12 * math.ceil(months / 12 / _MOST_BARS)
    bars: dict[int, int] = {}
    for start, images in found:
        day = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=start)
        month = (day.year * 12 + day.month - 1) // length * length
        bars[month] = bars.get(month, 0) + images
    return tuple(Bar(_month_start(m), _month_start(m + length), n) for m, n in sorted(bars.items()))


def _month_start(month: int) -> float:
    """Seconds since 1970 at the start of a month counted from the year 0."""
    return dt.datetime(month // 12, month % 12 + 1, 1, tzinfo=dt.UTC).timestamp()


def _dots(ask: duckdb.DuckDBPyConnection) -> tuple[Dot, ...]:
    """Places with images, in the finest cells that leave few enough of them; each in the middle of its images."""
    ask.execute(
        f"""create or replace temp table cells as
        select min(latitude) as south, max(latitude) as north, min(longitude) as west, max(longitude) as east,
               count(*) as images
        from base where latitude is not null and longitude is not null
        group by round(latitude / {_CELLS_DEG[0]}), round(longitude / {_CELLS_DEG[0]})"""
    )
    for cell in _CELLS_DEG:
        found = ask.sql(
            f"""select (min(south) + max(north)) / 2, (min(west) + max(east)) / 2, sum(images)::bigint as images
            from cells group by round((south + north) / 2 / {cell}), round((west + east) / 2 / {cell})
            order by images desc, 1, 2 limit {_MOST_DOTS + 1}"""
        ).fetchall()
        if len(found) <= _MOST_DOTS:
            break
    return tuple(Dot(round(lat, 4), round(lon, 4), n) for lat, lon, n in found[:_MOST_DOTS])


def _box(ask: duckdb.DuckDBPyConnection) -> tuple[float, float, float, float] | None:
    """The smallest box around all places: its sides lie beside the widest gap of longitudes. Needs ``_dots``' cells."""
    south, north = _one(ask, "select min(south), max(north) from cells")
    spans = ask.sql("select min(west), max(east) from cells group by floor(west) order by 1").fetchall()
    if not spans:
        return None
    west, east = around(spans)
    return west, south, east, north


def around(spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """West and east end of the longitudes that sorted spans cover; the east end of a region may lie above 180."""
    gaps = [(b[0] - a[1], b[0], a[1]) for a, b in itertools.pairwise(spans)]
    gaps.append((spans[0][0] + 360 - spans[-1][1], spans[0][0], spans[-1][1]))
    gap, west, east = max(gaps)
    if gap < 180:  # half the world or more: nothing is won by turning it
        return spans[0][0], spans[-1][1]
    return west, east if east >= west else east + 360


def _depth_bars(ask: duckdb.DuckDBPyConnection) -> tuple[Bar, ...]:
    deepest = _one(ask, "select max(depth_m) from base")[0]
    if deepest is None:
        return ()
    step = next((s for s in _DEPTH_BINS_M if deepest / s < 20), _DEPTH_BINS_M[-1])
    found = ask.sql(
        f"select floor(depth_m / {step}) as bin, count(*) from base where depth_m is not null group by bin order by bin"
    ).fetchall()
    return tuple(Bar(low * step, (low + 1) * step, images) for low, images in found)


def _volumes(ask: duckdb.DuckDBPyConnection) -> tuple[tuple[str, int, float, float], ...]:
    found = []
    for column, name in _VOLUMES.items():
        images, low, high = _one(ask, f"select count({column}), min({column}), max({column}) from base")
        if images:
            found.append((name, images, low, high))
    return tuple(found)


def _taxonomy(ask: duckdb.DuckDBPyConnection) -> Taxonomy:
    """Labels by their text, or by their id where the delivery names ids only; a thing is understood as one."""
    ask.execute(
        """create or replace temp table labels as
        with meant as (
            select *, coalesce(taxon_name, case label_kind
                when 'nonliving' then 'no organism' when 'artefact' then 'an artefact' end) as meaning from base)
        select coalesce(label_verbatim, 'class ' || label_source_id) as label, max(meaning) as taxon,
               max(aphia_id) as aphia_id, count(*) as images, count(meaning) as matched
        from meant where label_verbatim is not null or label_source_id is not null group by label"""
    )
    labelled, labels, images, matched = _one(
        ask, "select coalesce(sum(images), 0), count(*), coalesce(sum(matched), 0), count(taxon) from labels"
    )
    columns, order = "label, coalesce(taxon, ''), aphia_id, images", f"order by images desc, label limit {_MOST_LABELS}"
    most, unresolved = (
        tuple(Label(*row) for row in ask.sql(f"select {columns} from labels {where} {order}").fetchall())
        for where in ("", "where taxon is null")
    )
    status = counted(ask, "label_status", "label_verbatim is not null or label_source_id is not null")
    return Taxonomy(int(labelled), labels, int(images), matched, most, unresolved, status)
