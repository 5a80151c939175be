"""What concerns all contributions at once: registry, duplicates, ledger, release. Never partitioned."""

import datetime as dt

import dagster as dg

from aqqua_dataset import workflow
from aqqua_dataset.dedup import exact
from aqqua_dataset.dedup.splits import split_counts
from aqqua_dataset.nightly.collect import note_counted
from aqqua_dataset.orchestration.assets.contributions import OWNERS, quality
from aqqua_dataset.orchestration.assets.near import near_duplicates
from aqqua_dataset.orchestration.metadata import (
    column_schema,
    counts_chart,
    findings_table,
    rows_table,
    table_metadata,
)
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import intake_refusal
from aqqua_dataset.quality.distribution import write_distribution
from aqqua_dataset.release.gate import ReleaseRequest


@dg.asset(
    group_name="registry", owners=OWNERS, kinds={"yaml"},
    description="Who gave what, under which permission: people, institutions and contributions, validated as a whole.",
)  # fmt: skip
def registry(collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Validates the registry and shows where every contribution stands."""
    opened, findings = collection.open()
    rows = [
        {
            "contribution": c.id,
            "state": c.state,
            "format": c.source.format if c.source else "",
            "intake": refusal.message if (refusal := intake_refusal(opened.registry, c)) else "open",
        }
        for c in opened.registry.contributions.values()
    ]
    return dg.MaterializeResult(
        metadata={
            "contributions": len(opened.registry.contributions),
            "people": len(opened.registry.people),
            "overview": rows_table(rows),
            "findings": findings_table(findings),
        }
    )


@dg.asset(
    group_name="dedup", owners=OWNERS, kinds={"duckdb", "parquet"}, deps=[quality, near_duplicates],
    metadata={"dagster/column_schema": column_schema("duplicates")},
    description="Images that another one stands for: equal bytes, pixels or normalised pictures, the same id, or a "
    "person's word; one copy stays, and every owner keeps the credit. With them the split for training and testing.",
)  # fmt: skip
def duplicates(collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Finds duplicates and joins hauls and bins that share them."""
    opened, _ = collection.open()
    with collection.executor() as (executor, workers):
        remarked = workflow.update_duplicates(opened, executor, workers)
    shared = exact.shared_counts(opened).to_pylist()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(row["images"] for row in shared),
            "shared": rows_table(shared),
            "splits": rows_table(split_counts(opened).to_pylist()),
            "findings": findings_table(remarked),
        }
    )


@dg.asset(
    group_name="progress", owners=OWNERS, kinds={"duckdb", "parquet"}, deps=[duplicates, registry],
    metadata={"dagster/column_schema": column_schema("ledger")},
    description="Every image of every contribution in exactly one end state, from declared to published, "
    "and the page that shows it.",
)  # fmt: skip
def ledger(collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Counts the collection towards the public release."""
    opened, _ = collection.open()
    counted = workflow.update_ledger(opened)
    note_counted(opened)
    rows = counted.to_pylist()
    instruments: dict[str, int] = {}
    for row in rows:
        name = str(row["instrument"] or "unknown")
        instruments[name] = instruments.get(name, 0) + row["accepted"]
    return dg.MaterializeResult(
        metadata={
            **table_metadata(counted),
            **{name: sum(r[name] for r in rows) for name in ("declared", "received", "accepted", "permitted")},
            "by_instrument": counts_chart(instruments, "usable images"),
            "ledger": rows_table(rows),
            "page": dg.MetadataValue.path(opened.warehouse.url(workflow.LEDGER_PAGE)),
        }
    )


@dg.asset(
    group_name="quality", owners=OWNERS, kinds={"duckdb", "parquet"}, deps=[duplicates],
    metadata={"dagster/column_schema": column_schema("distribution")},
    description="Counts and densities per event and taxon for maps of the global distribution, from the contributions "
    "with that permission and no others.",
)  # fmt: skip
def distribution(collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Counts taxa per event."""
    opened, _ = collection.open()
    rows = write_distribution(opened, workflow.standing_request(opened))
    return dg.MaterializeResult(metadata={"dagster/row_count": rows})


class ReleaseConfig(dg.Config):
    """The release to build. A public release before its day is refused whatever stands here."""

    version: str = "0.1.0"
    view: str = "public"
    date: str = ""
    rehearsal: bool = True


@dg.asset(
    group_name="release", owners=OWNERS, kinds={"parquet", "tar"}, deps=[ledger],
    metadata={"dagster/column_schema": column_schema("images")},
    description="One citable dataset of everything permitted: shards, tables, DOI record, authors, attribution, "
    "checksums. By default a rehearsal: marked in every file, never published.",
)  # fmt: skip
def release(
    context: dg.AssetExecutionContext, config: ReleaseConfig, collection: CollectionResource
) -> dg.MaterializeResult[None]:
    """Builds the release that the configuration asks for."""
    opened, findings = collection.open()
    day = dt.date.fromisoformat(config.date) if config.date else opened.registry.settings.release_date
    if config.view not in ("public", "internal"):
        raise dg.Failure(f"view {config.view!r}: expected public or internal")
    request = ReleaseRequest(
        config.version, "internal" if config.view == "internal" else "public", day, config.rehearsal
    )
    with collection.executor() as (executor, workers):
        made = workflow.release(opened, findings, request, executor, workers, context.log.info)
    return dg.MaterializeResult(
        metadata={
            "version": made.facts.version,
            "images": made.facts.image_count,
            "bytes": made.facts.image_bytes,
            "shards_untouched": made.shards_untouched,
            "shards_rewritten": made.shards_rewritten,
            "by_instrument": counts_chart(made.facts.instruments, "images"),
            "gate": findings_table(made.findings),
            "folder": dg.MetadataValue.path(opened.warehouse.url(made.folder)),
        }
    )
