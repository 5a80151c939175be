"""Images that may be the same though their bytes differ: proposed, compared, shown to a person."""

import dagster as dg

from aqqua_dataset import workflow
from aqqua_dataset.dedup import near, page, pairs
from aqqua_dataset.orchestration.assets.contributions import OWNERS, quality
from aqqua_dataset.orchestration.metadata import column_schema, findings_table, rows_table
from aqqua_dataset.orchestration.resources import CollectionResource


@dg.asset(
    group_name="dedup", owners=OWNERS, kinds={"duckdb", "parquet"}, deps=[quality],
    metadata={"dagster/column_schema": column_schema("duplicate_pairs")},
    description="Pairs of images that may show the same organism at the same moment, each compared pixel by pixel. "
    "Nothing is removed here; what is new is compared with the collection, the rest isn't read again.",
)  # fmt: skip
def near_duplicates(collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Proposes and compares pairs."""
    opened, _ = collection.open()
    with collection.executor() as (executor, workers):
        numbers = workflow.compare_images(opened, executor, workers)
    grouped = opened.warehouse.read_parquet(pairs.GROUPS, ["near_group"])["near_group"]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": numbers["pairs"],
            **numbers,
            "near_groups": len(grouped.unique()),
            "images_in_near_groups": len(grouped),
            "left_out": findings_table(near.findings(opened)),
        }
    )


@dg.asset(
    group_name="dedup", owners=OWNERS, kinds={"html", "csv"}, deps=[near_duplicates],
    description="The page on which a person looks at the pairs that the machine leaves open, and the list to decide "
    "them in: duplicates.csv of the contributor registry.",
)  # fmt: skip
def duplicates_page(collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Writes the page and its lists."""
    opened, _ = collection.open()
    counts = page.write_page(opened)
    return dg.MaterializeResult(
        metadata={
            "pairs": rows_table(counts),
            "page": dg.MetadataValue.path(opened.warehouse.url(page.PAGE)),
            "to_decide": dg.MetadataValue.path(opened.warehouse.url(page.DECISIONS_CSV)),
        }
    )
