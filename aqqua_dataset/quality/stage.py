"""The final flags of every usable image: its own, those of the whole contribution, and what the owner overruled.

The rules run in DuckDB over all parts at once, out of core; then each part of the core table gets a part of the
``quality`` table with the same images in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.quality import image_rules, label_rules, position_rules, time_depth_rules
from aqqua_dataset.quality.rules import Rule
from aqqua_dataset.quality.thresholds import LEVELS
from aqqua_dataset.registry.models import Contribution
from aqqua_dataset.warehouse import Warehouse

#: Flag -> the rule that raises it.
RULES: dict[str, Rule] = {
    **image_rules.RULES,
    **position_rules.RULES,
    **time_depth_rules.RULES,
    **label_rules.RULES,
}


@dataclass(frozen=True)
class Parts:
    """Where a contribution's tables lie: warehouse paths of its parts, in order."""

    core: Sequence[str]
    shards: Sequence[str]
    quality: Sequence[str]


def write_quality(warehouse: Warehouse, contribution: Contribution, parts: Parts) -> dict[str, int]:
    """Writes the ``quality`` table; returns how many images carry each flag that isn't overruled."""
    counts: dict[str, int] = {}
    with warehouse.connect() as connection:
        _open(connection, warehouse, parts)
        keys = mark(connection, contribution)
        for core, quality in zip(parts.core, parts.quality, strict=True):
            connection.execute(f"create or replace temp table part as {_flags_of(warehouse.url(core), keys)}")
            found = connection.sql("from part").to_arrow_reader()
            warehouse.write_parquet(quality, found, schema.arrow("quality"))
            for flag, count in connection.sql("select unnest(qc_flags), count(*) from part group by 1").fetchall():
                counts[flag] = counts.get(flag, 0) + count
    return dict(sorted(counts.items()))


def mark(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> dict[str, list[str]]:
    """Runs all rules; makes one temporary table per flag that was raised and returns its columns by flag."""
    _vocabulary(connection, contribution)
    keys = {}
    for flag, rule in RULES.items():
        connection.execute(f'create temp table "{flag}" as select distinct * from ({rule(connection, contribution)})')
        relation = connection.table(f'"{flag}"')
        if relation.shape[0]:
            keys[flag] = relation.columns
    return keys


def _open(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, parts: Parts) -> None:
    """Makes the views ``core`` and ``shards``; paths come from ids that are checked slugs, views hold no parameters."""
    for name, files in (("core", parts.core), ("shards", parts.shards)):
        urls = [warehouse.url(f) for f in files]
        connection.execute(f"create temp view {name} as from read_parquet({urls!r})")


def _vocabulary(connection: duckdb.DuckDBPyConnection, contribution: Contribution) -> None:
    """Makes the tables ``flags`` (place in the vocabulary and level) and ``overrules``."""
    table = schema.vocabulary("flags.csv")
    unknown = set(RULES) - set(table["flag"])
    if unknown:
        raise KeyError(f"flags {sorted(unknown)} are not in schemas/vocabularies/flags.csv")
    known = pd.DataFrame({"flag": table["flag"], "place": table.index, "level": table["severity"].map(LEVELS)})
    connection.register("flags", known)
    told = [(o.flag, event) for o in contribution.overrules for event in o.events or (None,)]
    connection.register("overrules", pd.DataFrame(told, columns=["flag", "event_id"], dtype="str"))


def _flags_of(url: str, keys: dict[str, list[str]]) -> str:
    """The query for one part of core: final flags in the vocabulary's order, worst level, overruled flags."""
    own = f"from read_parquet({url!r})"
    raised = [f"select image_id, event_id, unnest(qc_flags) as flag {own}"]
    for flag, columns in keys.items():
        same = " and ".join(f'set."{c}" is not distinct from core."{c}"' for c in columns)
        raised.append(
            f"""select image_id, event_id, '{flag}' from (select * {own}) as core
                where exists (select 1 from "{flag}" as set where {same})"""
        )
    return f"""
        with raised as ({" union ".join(raised)}),
        judged as (
            select image_id, flag, place, level, exists (
                select 1 from overrules where overrules.flag = raised.flag
                and (overrules.event_id is null or overrules.event_id = raised.event_id)) as overruled
            from raised join flags using (flag)
        ),
        grouped as (
            select image_id, list(flag order by place) filter (not overruled) as qc_flags,
                   max(level) filter (not overruled) as qc_level,
                   list(flag order by place) filter (overruled) as qc_overruled
            from judged group by image_id
        )
        select image_id, coalesce(grouped.qc_flags, []) as qc_flags, coalesce(grouped.qc_level, 1)::tinyint as qc_level,
               coalesce(qc_overruled, []) as qc_overruled
        from (select image_id, row_number() over () as place {own}) as rows left join grouped using (image_id)
        order by rows.place"""
