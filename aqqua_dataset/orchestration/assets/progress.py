"""The public progress site: written every night after the ledger."""

import datetime as dt

import dagster as dg

from aqqua_dataset.orchestration.assets.collection import ledger
from aqqua_dataset.orchestration.assets.contributions import OWNERS
from aqqua_dataset.orchestration.metadata import counts_chart, findings_table, rows_table
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.progress import build
from aqqua_dataset.progress.naming import named_contributions, title_findings
from aqqua_dataset.progress.numbers import FORMAT


@dg.asset(
    group_name="progress", owners=OWNERS, kinds={"html", "parquet"}, deps=[ledger], code_version=str(FORMAT),
    description="The public page: images by instrument, growth over time, map in cells, contributions by state; and "
    "the files that the project's earlier page reads. Records the day's totals. See docs/progress.md.",
)  # fmt: skip
def progress_site(collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Records the day and writes the site into the warehouse."""
    opened, _ = collection.open()
    with collection.executor() as (executor, workers):
        progress = build.update(opened, executor, workers, dt.datetime.now(dt.UTC))
    named = named_contributions(opened.registry, progress.day)
    return dg.MaterializeResult(
        metadata={
            **vars(progress.counts),
            "withdrawn": progress.withdrawn,
            "by_instrument": counts_chart({g.label: c.images for g, c in progress.instruments}, "images counted once"),
            "not_on_the_map": rows_table([{"why": why, "images": n} for why, n in progress.map.left_out]),
            "findings": findings_table(title_findings(opened.registry, named)),
            "page": dg.MetadataValue.path(opened.warehouse.url(f"{build.FOLDER}/index.html")),
        }
    )
