"""Proposes the mapping of a delivery of tables and images, with sample values, for a person to confirm.

Columns are recognised by their names (vocabularies/inputs.csv) and checked against their values; nothing is taken
for certain. Where a unit or the order of day and month doesn't show, the proposal says ``"?"``, which the registry
refuses until a person has filled it in.
"""

import contextlib
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise.text import repaired
from aqqua_dataset.sources import IMAGE_ENDINGS, tables, text
from aqqua_dataset.transfer.delivery import DeliveredFile, Delivery

_SAMPLE_ROWS = 500
_SAMPLE_TABLES = 200
_SAMPLE_IMAGES = 100_000
_ENOUGH = 0.9  # share of values that must fit; the rest may be gaps and mistakes
_UNITS = (
    (r"px[ _/]*(per[ _]*)?(um|µm|micron)", "px/um"), (r"px[ _/]*(per[ _]*)?mm", "px/mm"), (r"dpi", "dpi"),
    (r"µm|um\b|_um|micron", "um"), (r"mm\b|_mm|\bmm", "mm"), (r"dbar", "dbar"), (r"kpa", "kPa"),
    (r"\bcm\b|_cm\b", "cm"), (r"m3|m³", "m3"), (r"µl|_ul\b|\(ul\)", "uL"), (r"\bml\b|_ml\b", "mL"),
    (r"\bl\b|_l\b|lit(er|re)", "L"), (r"\[m\]|\(m\)|_m\b|\bm\b", "m"),
)  # fmt: skip
_TIMES = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y%m%d%H%M%S", "%Y%m%d_%H%M%S", "%Y%m%dT%H%M%S", "%Y-%m-%d_%H-%M-%S")
_MOMENTS = ("datetime", "datetime_end", "event_start", "event_end", "processing_date")
_SLASHED = ("%d/%m/%Y", "%m/%d/%Y")


@dataclass
class _Kind:
    """Tables with the same columns: their paths, and sample rows of the first that has any."""

    columns: tuple[str, ...]
    paths: list[str] = field(default_factory=list)
    sample: pd.DataFrame = field(default_factory=pd.DataFrame)


def suggest_mapping(delivery: Delivery, location: str) -> str:
    """The ``source`` block of a contribution's file as YAML with comments."""
    images = [f.path for f in islice(_images(delivery), _SAMPLE_IMAGES)]
    kinds = _kinds(delivery)
    lines = ["source:", "  format: table", f"  location: {location}"]
    if not kinds:
        return "\n".join([*lines, *_without_tables(images)])
    names = {posixpath.basename(p).casefold() for p in images}
    names |= {posixpath.splitext(n)[0] for n in names}
    objects = max(kinds, key=lambda k: (_image_column(k.sample, names) is not None, len(k.sample), len(k.columns)))
    file_column = _image_column(objects.sample, names)
    chosen = _choose(objects.sample, file_column)
    lines += [f"  tables: {_quoted(_pattern(objects.paths))}  # {len(objects.paths)} table(s) with these columns"]
    if images:
        lines.append(f"  images: {_quoted(_folder(images))}  # {len(images)} image(s) looked at")
    lines += ["  mapping:", *_mapping_lines(objects.sample, chosen, "    ")]
    lines += _left_over(objects, chosen)
    joins = [_join_lines(kind, objects, chosen) for kind in kinds if kind is not objects]
    if any(joins):
        lines += ["  joins:", *(line for join in joins for line in join)]
    told = set(chosen) | {line.split(":")[0].strip() for join in joins for line in join}
    return "\n".join([*lines, *_still_missing(told)])


def _images(delivery: Delivery) -> Iterator[DeliveredFile]:
    return (f for f in delivery.files() if f.path.lower().endswith(IMAGE_ENDINGS))


def _kinds(delivery: Delivery) -> list[_Kind]:
    found: dict[tuple[str, ...], _Kind] = {}
    wanted = [f.path for f in islice((f for f in delivery.files() if tables.is_table(f.path)), _SAMPLE_TABLES)]
    for path in wanted:
        with contextlib.suppress(OSError), contextlib.ExitStack() as opened:  # the reader names what can't be read
            header, chunks = tables.open_table(delivery, path, (), opened)
            names = text.unique_names([c.strip() for c in header], path, lambda _: None)
            if len(names) < 2:
                continue  # free text, not a table
            kind = found.setdefault(tuple(names), _Kind(tuple(names)))
            kind.paths.append(path)
            if kind.sample.empty:
                first = next(iter(chunks(names)), None)
                kind.sample = pd.DataFrame(columns=names) if first is None else _clean(first.rows.head(_SAMPLE_ROWS))
    return [k for k in found.values() if len(k.sample)]


def _clean(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.apply(lambda c: c.astype("str").str.strip()).replace("", pd.NA).astype("str").reset_index(drop=True)


def _image_column(sample: pd.DataFrame, names: set[str]) -> str | None:
    """The column whose values are names of delivered images, or end as images do."""
    best, found = 0.0, None
    for column in sample:
        values = sample[column].dropna().str.casefold()
        base = values.str.replace("\\", "/").str.rsplit("/", n=1).str[-1]
        share = max(base.isin(names).mean(), base.str.endswith(IMAGE_ENDINGS).mean()) if len(values) else 0.0
        if share > best:
            best, found = share, column
    return str(found) if best >= _ENOUGH else None


def _choose(sample: pd.DataFrame, file_column: str | None) -> dict[str, str]:
    """Column of each input that some column fits by name and values; each column is used once."""
    chosen = {} if file_column is None else {"image_file": file_column}
    for row in schema.vocabulary("inputs.csv").itertuples():
        if row.input in chosen or (row.input == "image_file"):
            continue
        fits = [
            c for c in sample
            if c not in chosen.values() and re.fullmatch(row.names, str(c).strip().casefold())
            and _CHECKS.get(row.input, _any_text)(sample[c].dropna())
        ]  # fmt: skip
        if fits:
            chosen[row.input] = str(min(fits, key=len))
    if "datetime" in chosen and "date" in chosen:
        for name in ("date", "time"):
            chosen.pop(name, None)
    if "depth_min" in chosen or "depth_max" in chosen:
        chosen.pop("depth", None)
    return chosen


def _numbers(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values.str.replace(",", "."), errors="coerce")


def _within(low: float, high: float) -> Callable[[pd.Series], bool]:
    return lambda values: len(values) > 0 and bool(_numbers(values).between(low, high).mean() >= _ENOUGH)


def _any_text(values: pd.Series) -> bool:
    return len(values) > 0


def _is_position(limit: float) -> Callable[[pd.Series], bool]:
    within = _within(-limit, limit)
    return lambda values: within(values) or (len(values) > 0 and bool(values.str.contains("°").mean() >= _ENOUGH))


def _is_time(values: pd.Series) -> bool:
    return _time_format(values) is not None


def _is_unique(values: pd.Series) -> bool:
    return len(values) > 0 and bool(values.is_unique)


_CHECKS: dict[str, Callable[[pd.Series], bool]] = (
    {
        "object_id": lambda values: bool(values.nunique() >= _ENOUGH * len(values)) if len(values) else False,
        "datetime": lambda values: _is_time(values) and bool((values.str.len() > 8).mean() >= _ENOUGH),
        "date": lambda values: (
            bool(values.str.contains(r"\d{2}", regex=True).mean() >= _ENOUGH) if len(values) else False
        ),
        "time": lambda values: bool(values.str.fullmatch(r"[\d:.]+").mean() >= _ENOUGH) if len(values) else False,
        "latitude": _is_position(90),
        "longitude": _is_position(360),
        "image_rank": _within(0, 1000),
        "pixel_size": _within(1e-9, 1e6),
    }
    | dict.fromkeys(_MOMENTS[1:], _is_time)
    | {
        name: _within(-12_000, 1e9)
        for name in ("depth", "bottom_depth", "depth_min", "depth_max", "pressure", "imaged_volume", "sampled_volume")
    }
)


def _time_format(values: pd.Series) -> str | None:
    """ "" for ISO 8601, a pattern, "?" where day and month could be either; None where nothing fits."""

    def fits(pattern: str) -> bool:
        return bool(pd.to_datetime(values, format=pattern, errors="coerce").notna().mean() >= _ENOUGH)

    if not len(values):
        return None
    if fits("ISO8601"):
        return ""
    slashed = [day + clock for clock in ("", " %H:%M", " %H:%M:%S") for day in _SLASHED if fits(day + clock)]
    if slashed:
        return slashed[0] if len(slashed) == 1 else "?"
    return next((p for p in _TIMES if fits(p)), None)


def _unit(name: str, column: str) -> str | None:
    """The unit that the column's name states, "?" where it doesn't; None where the input needs none."""
    allowed = schema.vocabulary("inputs.csv").set_index("input").loc[name, "units"].split("|")
    if allowed == [""] or name in ("latitude", "longitude", "label_id"):
        return None
    plain = repaired(column).casefold().replace("\u03bc", "\u00b5")  # folding makes the micro sign a Greek letter
    return next((u for p, u in _UNITS if u in allowed and re.search(p, plain)), "?")


def _mapping_lines(sample: pd.DataFrame, chosen: dict[str, str], indent: str) -> Iterator[str]:
    for name, column in chosen.items():
        values = sample[column].dropna()
        parts = [f"column: {_quoted(column)}"]
        if unit := _unit(name, column):
            parts.append(f"unit: {_quoted(unit)}")
        if name in _MOMENTS and (pattern := _time_format(values)):
            parts.append(f"format: {_quoted(pattern)}")
        yield f"{indent}{name}: {{{', '.join(parts)}}}  # {_examples(values)}"


def _examples(values: pd.Series) -> str:
    return ", ".join(" ".join(str(v)[:40].split()) for v in values.unique()[:3])


def _left_over(kind: _Kind, chosen: dict[str, str]) -> list[str]:
    left = [c for c in kind.columns if c not in chosen.values()]
    return [f"  # not used: {_quoted(c)}: {_examples(kind.sample[c].dropna())}" for c in left]


def _join_lines(kind: _Kind, objects: _Kind, chosen: dict[str, str]) -> list[str]:
    """A join where the values of a column of the objects stand in a column of this table that tells its rows apart."""
    for key in kind.columns:
        side = kind.sample[key].dropna()
        if not _is_unique(side) or (pd.to_numeric(side, errors="coerce").notna().all() and len(side) < 2):
            continue
        for to in objects.columns:
            values = objects.sample[to].dropna().unique()
            if len(values) and pd.Series(values).isin(side).mean() >= _ENOUGH:
                more = {n: c for n, c in _choose(kind.sample.drop(columns=key), None).items() if n not in chosen}
                if not more:
                    return []
                identity = re.sub(r"[^a-z0-9]+", "-", posixpath.splitext(posixpath.basename(kind.paths[0]))[0].lower())
                return [
                    f"    - id: {identity.strip('-') or 'side'}",
                    f"      tables: {_quoted(_pattern(kind.paths))}",
                    f"      key: [{_quoted(key)}]",
                    f"      to: [{_quoted(to)}]  # {_examples(pd.Series(values))}",
                    "      mapping:",
                    *_mapping_lines(kind.sample, more, "        "),
                ]
    return []


def _without_tables(images: Sequence[str]) -> list[str]:
    lines = ["  tables: none", f"  # {len(images)} image(s), no table: what is known stands in names, folders or joins"]
    if images:
        lines.append(f"  # e.g. {images[0]}")
        pattern, mapping = "", []
        for name, digits in (("date", r"\d{8}"), ("time", r"\d{6}")):
            if re.search(rf"(?<!\d){digits}(?!\d)", posixpath.basename(images[0])):
                pattern += rf"(?<!\d)(?P<{name}>{digits})(?!\d).*?"
                mapping.append(f"    {name}: {{column: name.{name}}}")
        if pattern:
            lines += [f"  names: '{pattern.removesuffix('.*?')}'", "  mapping:", *mapping]
    return [*lines, *_still_missing({line.split(":")[0].strip() for line in lines})]


def _still_missing(told: set[str]) -> list[str]:
    """What every image needs and nothing here gives; the contributor's form has to."""
    needs = {
        "instrument": {"instrument"}, "pixel_size": {"pixel_size"}, "date and time": {"datetime", "date"},
        "latitude": {"latitude"}, "longitude": {"longitude"}, "depth": {"depth", "depth_min", "depth_max", "pressure"},
    }  # fmt: skip
    return [
        f"# still missing: {need}; give it under declared, in folders or in joins"
        for need in needs
        if not needs[need] & told
    ]


def _pattern(paths: Sequence[str]) -> str:
    """A glob that fits the paths."""
    if len(paths) == 1:
        return paths[0]
    folder = posixpath.commonpath(paths) if "/" in paths[0] else ""
    ending = posixpath.splitext(paths[0])[1]
    return posixpath.join(folder, f"*{ending}")


def _folder(images: Sequence[str]) -> str:
    return posixpath.commonpath([posixpath.dirname(p) for p in images]) if all("/" in p for p in images) else ""


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
