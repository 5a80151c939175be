"""The report to each contributor: partitioned like the stages it tells of."""

import dagster as dg

from aqqua_dataset.orchestration.assets.contributions import OWNERS, quality
from aqqua_dataset.orchestration.partitions import CONTRIBUTIONS
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.report import build


@dg.asset(
    group_name="progress", owners=OWNERS, partitions_def=CONTRIBUTIONS, deps=[quality],
    backfill_policy=dg.BackfillPolicy.single_run(), kinds={"html", "markdown"}, code_version=str(build.VERSION),
    description="One page for the contributor, in plain words: what arrived, what was understood and how, what to "
    "check, how the owner will be credited, and open questions. Written again only when something in it changes.",
)  # fmt: skip
def report(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Writes the reports of contributions."""
    opened, _ = collection.open()
    for key in context.partition_keys:
        if key not in opened.registry.contributions:
            context.log.warning("%s is not in the registry any more", key)
            continue
        written = build.write_report(opened, key)
        metadata = {
            "outcome": dg.MetadataValue.text("done" if written.is_new else "unchanged"),
            "page": dg.MetadataValue.path(f"{opened.warehouse.url(written.folder)}/{build.PAGE}"),
            "report": dg.MetadataValue.md(written.markdown),
        }
        context.add_asset_metadata(metadata, partition_key=key)
    return dg.MaterializeResult()
