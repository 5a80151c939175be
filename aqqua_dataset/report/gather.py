"""Gathers the facts of one contribution from the warehouse and the registry."""

from dataclasses import replace
from typing import Any

import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.findings import Finding, worst_first
from aqqua_dataset.pipeline import Collection, intake_refusal, manifest
from aqqua_dataset.progress import ledger
from aqqua_dataset.registry.models import Contribution
from aqqua_dataset.report import facts
from aqqua_dataset.report.credit import credit
from aqqua_dataset.report.facts import Arrival, Counted, Example, Facts, LedgerCounts, Marked
from aqqua_dataset.report.thumbnails import thumbnails
from aqqua_dataset.report.understood import understood
from aqqua_dataset.report.views import Views, open_views, places

_MOST_EXAMPLES = 3
_MOST_TABLES = 5
_SEVERITY = {"fail": 0, "suspect": 1, "note": 2}
#: What a flag is about, by the first words of its field: column and value to show, from the columns of ``core``.
_SHOWN = (
    ("pixel_size", "pixel_size_column", "pixel_size_verbatim"),
    ("datetime", "'date and time'", "datetime_verbatim"),
    ("latitude", "'latitude, longitude'", "latitude_verbatim || ', ' || longitude_verbatim"),
    ("longitude", "'latitude, longitude'", "latitude_verbatim || ', ' || longitude_verbatim"),
    ("depth", "'depth'", "nullif(concat_ws(' to ', depth_min_verbatim, depth_max_verbatim), '')"),
    ("label", "'label'", "coalesce(label_verbatim, label_source_id)"),
    ("taxon", "'label'", "coalesce(label_verbatim, label_source_id)"),
    ("aphia", "'label'", "coalesce(label_verbatim, label_source_id)"),
    ("instrument", "'instrument'", "instrument_verbatim"),
)


def gather(collection: Collection, contribution_id: str) -> Facts:
    """The facts of a contribution as the warehouse has it now."""
    contribution = collection.registry.contributions[contribution_id]
    rows = manifest(collection.warehouse, contribution_id, "rows")
    refused = _refusal(collection, contribution)
    with open_views(collection, contribution_id) as views:
        tables, table_count, objects = _tables(views)
        return Facts(
            contribution=contribution_id,
            title=contribution.title,
            description=contribution.description,
            dry_run=False,
            refused=refused,
            format="" if rows is None else str(rows["format"]),
            tables=tables,
            table_count=table_count,
            objects=objects,
            arrival=_arrival(collection, contribution, views),
            understood=understood(views) if objects else None,
            declared=_declared(contribution),
            flags=_flags(views),
            reasons=_reasons(views),
            findings=_findings(collection, contribution_id),
            thumbnails=thumbnails(views.connection, collection.warehouse, views.usable),
            credit=credit(collection.registry, contribution),
        )


def _refusal(collection: Collection, contribution: Contribution) -> str:
    """Why the delivery isn't taken in, or wasn't read; "" when it was."""
    finding = intake_refusal(collection.registry, contribution)
    if finding is not None:
        return finding.message
    stored = collection.warehouse.read_json(f"contributions/{contribution.id}/refused.json")
    return str(stored["findings"][0]["message"]) if stored and stored["findings"] else ""


def _declared(contribution: Contribution) -> facts.Declared:
    declared, source = contribution.declared, contribution.source
    pixel = declared.pixel_size
    return facts.Declared(
        time_zone=declared.time_zone or "",
        instrument=declared.instrument or "",
        pixel_size="" if pixel is None else f"{pixel.value:g} {pixel.unit}",
        water_type=declared.water_type,
        deployment_type=declared.deployment_type or "unknown",
        elevation_m=declared.water_surface_elevation_m,
        expected_images=contribution.expected_images,
        retrieved=source.retrieved if source else None,
    )


def _tables(views: Views) -> tuple[tuple[Counted, ...], int, int]:
    """The largest tables that rows were read from, how many tables there are, and distinct objects."""
    ask = views.connection
    found = ask.sql(
        f"""select coalesce(source_table, ''), count(*) as images from rows group by all
        order by images desc, 1 limit {_MOST_TABLES}"""
    ).fetchall()
    count, objects = ask.sql(
        "select count(distinct source_table), count(distinct source_object_id) from rows"
    ).fetchall()[0]
    return tuple(Counted(*row) for row in found), count, objects


def _arrival(collection: Collection, contribution: Contribution, views: Views) -> Arrival:
    counts = ledger.arrival(collection, contribution.id, views.usable)
    repeated = views.connection.sql(
        "select count(*) - count(distinct pixel_hash) from shards anti join without_row using (image_id)"
    ).fetchall()[0][0]
    return Arrival(
        declared=counts["declared"], missing=counts["missing"], received=counts["received"],
        held_back=counts["rejected"], usable=counts["accepted"], repeated=repeated,
        ledger=_ledger_counts(ledger_row(collection, contribution.id), counts["accepted"]),
    )  # fmt: skip


def ledger_row(collection: Collection, contribution_id: str) -> dict[str, Any] | None:
    """The contribution's row of the ledger as it was counted last, or None."""
    if not collection.warehouse.exists(ledger.TABLE):
        return None
    only = [("contribution_id", "=", contribution_id)]
    rows: list[dict[str, Any]] = collection.warehouse.read_parquet(ledger.TABLE, filters=only).to_pylist()
    return rows[0] if rows else None


def _ledger_counts(row: dict[str, Any] | None, usable: int) -> LedgerCounts | None:
    """What the ledger says, unless it counted an earlier state of the contribution."""
    if row is None or row["accepted"] != usable:
        return None
    return LedgerCounts(row["duplicate"], row["withheld"], row["permitted"], str(row["withheld_reason"] or ""))


def _flags(views: Views) -> tuple[Marked, ...]:
    """Every flag that was raised, worst and commonest first, with the values it was raised for."""
    ask, vocabulary = views.connection, schema.vocabulary("flags.csv")
    ask.register("vocabulary", pd.DataFrame({"flag": vocabulary["flag"], "concern": vocabulary["field"].map(_concern)}))
    cases = {part: "".join(f" when {n} then {shown[part]}" for n, shown in enumerate(_SHOWN)) for part in (1, 2)}
    ask.execute(
        f"""create temp table raised as
        select flag, column_name, value, count(*) as images, min(image_id) as image_id from (
            select flag, base.image_id, case concern{cases[1]} end as column_name, case concern{cases[2]} end as value
            from (select image_id, unnest(qc_flags) as flag from flags)
            join vocabulary using (flag) join base using (image_id)
        ) group by flag, column_name, value"""
    )
    common = ask.sql(
        f"""select flag, image_id, coalesce(column_name, ''), coalesce(value, ''), images from raised
        qualify row_number() over (partition by flag order by images desc, value) <= {_MOST_EXAMPLES}
        order by flag, images desc, value"""
    ).fetchall()
    where = places(ask, [image_id for _, image_id, *_ in common])
    shown = []
    for flag, image_id, column, value, images in common:
        table, line, object_id = where.get(image_id, ("", None, ""))
        shown.append((flag, Example(table, line, column, value, object_id, images)))
    counts = dict(ask.sql("select flag, sum(images)::bigint from raised group by flag").fetchall())
    marks = [
        Marked(row.flag, row.severity, row.meaning, row.action, counts[row.flag], _of(shown, row.flag))
        for row in vocabulary.itertuples()
        if row.flag in counts
    ]
    return tuple(sorted(marks, key=lambda m: (_SEVERITY[m.severity], -m.images, m.name)))


def _concern(field: str) -> int:
    return next((n for n, (words, _, _) in enumerate(_SHOWN) if field.startswith(words)), -1)


def _of(shown: list[tuple[str, Example]], name: str) -> tuple[Example, ...]:
    return tuple(example for of, example in shown if of == name)


def _reasons(views: Views) -> tuple[Marked, ...]:
    """Every reason of quarantine; an image with several is counted at each of them."""
    ask = views.connection
    found = ask.sql(
        f"""select reason, place[1], place[2], "column", value, place[3], images from (
            select reason, "column", value, count(*) as images,
                   min_by([source_table, source_line::varchar, coalesce(source_object_id, source_image_file)],
                          (coalesce(source_table, ''), coalesce(source_line, 0), image_id)) as place
            from quarantine group by reason, "column", value
            qualify row_number() over (partition by reason order by images desc, value, "column") <= {_MOST_EXAMPLES}
        ) order by reason, images desc, value, "column" """
    ).fetchall()
    shown = [
        (
            reason,
            Example(table or "", None if line is None else int(line), column or "", value or "", who or "", images),
        )
        for reason, table, line, column, value, who, images in found
    ]
    counts = dict(ask.sql("select reason, count(distinct image_id) from quarantine group by reason").fetchall())
    marks = [
        Marked(row.reason, row.stage, row.expected, row.action, counts[row.reason], _of(shown, row.reason))
        for row in schema.vocabulary("reasons.csv").itertuples()
        if row.reason in counts
    ]
    return tuple(sorted(marks, key=lambda m: (-m.images, m.name)))


def _findings(collection: Collection, contribution_id: str) -> tuple[Finding, ...]:
    """What all stages remarked, worst first."""
    found: list[Finding] = []
    for name in ("rows", "core", "images", "refused"):
        stored = collection.warehouse.read_json(f"contributions/{contribution_id}/{name}.json")
        found += [replace(Finding(**f), contribution=contribution_id) for f in (stored or {"findings": []})["findings"]]
    return tuple(worst_first(dict.fromkeys(found)))
