"""The night in the UI: fetch what is due, validate what is new or changed; only what was worked on becomes an event.

A run over the range of all partitions would report each of thousands of contributions, changed or not, for every stage.
"""

import datetime as dt

import dagster as dg

from aqqua_dataset.nightly.fetching import HOURS, fetch_due
from aqqua_dataset.nightly.tries import forget
from aqqua_dataset.nightly.validate import validate_changed
from aqqua_dataset.orchestration.metadata import Report, rows_table, stage_metadata
from aqqua_dataset.orchestration.queues import FETCH, WORK
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import StageReport

#: The partitioned asset that shows what a stage did.
ASSETS = {"rows": "raw_rows", "core": "core_rows", "images": "packed_images", "quality": "quality"}


class FetchConfig(dg.Config):
    """Hours after which no further fetch is begun; contributions to try now, whatever was put off or given up."""

    hours: float = HOURS
    again: list[str] = []  # noqa: RUF012 - Dagster reads the default


class ValidateConfig(dg.Config):
    """Contributions to try now, whatever was put off or given up."""

    again: list[str] = []  # noqa: RUF012 - Dagster reads the default


@dg.op
def fetch_what_is_due(context: dg.OpExecutionContext, config: FetchConfig, collection: CollectionResource) -> None:
    """Fetches, and shows each contribution that was asked about as a partition of ``raw_delivery``."""
    opened, _ = collection.open()
    forget(opened.warehouse, config.again)
    rows = []
    for report in fetch_due(opened, dt.datetime.now(dt.UTC), context.log.info, config.hours):
        rows.append({"contribution": report.contribution, "outcome": report.outcome})
        if report.outcome != "unchanged":
            _show(context, "raw_delivery", report)
    context.add_output_metadata({"asked": len(rows), "deliveries": rows_table(rows)})


@dg.op
def validate_what_changed(
    context: dg.OpExecutionContext, config: ValidateConfig, collection: CollectionResource
) -> None:
    """Validates, and shows each contribution that was worked on as a partition of the stages' assets."""
    opened, _ = collection.open()
    forget(opened.warehouse, config.again)

    def tell(report: StageReport) -> None:
        if report.outcome != "unchanged":
            _show(context, ASSETS[report.stage], report)

    with collection.executor() as (executor, workers):
        found = validate_changed(opened, executor, workers, dt.datetime.now(dt.UTC), tell, context.log.info)
    numbers = {
        "looked_at": found.looked_at, "changed": len(found.changed), "validated": len(found.done),
        "failed": len(found.failed), "put_off": len(found.put_off),
    }  # fmt: skip
    context.add_output_metadata({**numbers, "contributions": ", ".join(found.changed[:100])})


def _show(context: dg.OpExecutionContext, asset: str, report: Report) -> None:
    metadata = stage_metadata(report)
    context.log_event(dg.AssetMaterialization(asset, partition=report.contribution, metadata=metadata))


@dg.job(
    tags=FETCH,
    description="Fetches what is due: links, EcoTaxa projects never pulled, dashboards. aqqua nightly without UI.",
)
def fetch_due_deliveries() -> None:
    """The evening's fetching."""
    fetch_what_is_due()


@dg.job(tags=WORK, description="Validates every contribution that is new or changed, and nothing else.")
def validate_changed_contributions() -> None:
    """The night's validation."""
    validate_what_changed()
