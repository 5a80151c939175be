"""The stages of each contribution: partitioned, one in-process step for any number of them.

A bad contribution is a partition whose metadata say so; the step goes on with the next. Only broken
infrastructure fails it.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import dagster as dg

from aqqua_dataset import pipeline
from aqqua_dataset.nightly.fetching import fetched_by_hand
from aqqua_dataset.orchestration.metadata import Report, column_schema, stage_metadata
from aqqua_dataset.orchestration.partitions import CONTRIBUTIONS
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import Collection, Stage, StageReport
from aqqua_dataset.transfer.bring import bring, find_ways

OWNERS = ["team:data-management"]


def _each(
    context: dg.AssetExecutionContext,
    collection: Collection,
    stage: Stage | Literal["delivery"],
    run: Callable[[Sequence[str]], Iterable[Report]],
) -> dg.MaterializeResult[None]:
    """Runs a stage over the partitions and shows each one's outcome as soon as it is there."""
    outcomes: dict[str, int] = {}
    known = [key for key in context.partition_keys if key in collection.registry.contributions]
    gone = [
        StageReport(k, "rows", "refused") for k in context.partition_keys if k not in collection.registry.contributions
    ]
    for missing in gone:
        context.log.warning("%s is not in the registry any more", missing.contribution)
    for report in itertools.chain[Report](gone, run(known)):
        outcomes[report.outcome] = outcomes.get(report.outcome, 0) + 1
        context.add_asset_metadata(stage_metadata(report), partition_key=report.contribution)
    context.log.info("%s: %s", stage, ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items()))
    return dg.MaterializeResult()


@dg.asset(
    group_name="sources", owners=OWNERS, partitions_def=CONTRIBUTIONS,
    backfill_policy=dg.BackfillPolicy.single_run(), kinds={"file"}, deps=["registry"],
    description="The files of a delivery as they came, never changed again: from links (source.fetch_from), a shared "
    "EcoTaxa project (needs ECOTAXA_TOKEN, or ECOTAXA_USER and ECOTAXA_PASSWORD) or the bins of an IFCB dashboard "
    "(source.dashboard). Deliveries laid down by hand have nothing to fetch.",
)  # fmt: skip
def raw_delivery(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Fetches what is new or changed at the contributors' side."""
    opened, _ = collection.open()
    ways = find_ways(opened)

    def fetch(keys: Sequence[str]) -> Iterator[Report]:
        for key in keys:
            report = bring(opened, key, ways, context.log.info)
            fetched_by_hand(opened, report)
            yield report

    return _each(context, opened, "delivery", fetch)


@dg.asset(
    group_name="sources", owners=OWNERS, partitions_def=CONTRIBUTIONS,
    backfill_policy=dg.BackfillPolicy.single_run(), kinds={"parquet"}, code_version=str(pipeline.VERSIONS["rows"]),
    deps=[raw_delivery],
    description="Every row of a delivery as it came: all delivered columns as text, without personal data, "
    "and an id for each image. What is wrong with a file is a finding in the partition's metadata.",
)  # fmt: skip
def raw_rows(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Reads deliveries into verbatim rows."""
    opened, _ = collection.open()
    return _each(context, opened, "rows", lambda keys: (pipeline.read_rows(opened, k) for k in keys))


@dg.asset(
    group_name="harmonise", owners=OWNERS, partitions_def=CONTRIBUTIONS, deps=[raw_rows],
    backfill_policy=dg.BackfillPolicy.single_run(), kinds={"pandas", "parquet"},
    code_version=str(pipeline.VERSIONS["core"]), metadata={"dagster/column_schema": column_schema("core")},
    description="What the rows mean: instrument, pixel size, time, position, depth, label, each with its verbatim "
    "text, rule and flags. Rows that can't be used go to quarantine with a reason.",
)  # fmt: skip
def core_rows(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Harmonises verbatim rows."""
    opened, _ = collection.open()
    with collection.executor() as (executor, workers):
        return _each(
            context,
            opened,
            "core",
            lambda keys: (pipeline.harmonise_rows(opened, k, executor, workers) for k in keys),
        )


@dg.asset(
    group_name="images", owners=OWNERS, partitions_def=CONTRIBUTIONS, deps=[raw_rows],
    backfill_policy=dg.BackfillPolicy.single_run(), kinds={"tar", "parquet"},
    code_version=str(pipeline.VERSIONS["images"]), metadata={"dagster/column_schema": column_schema("shard_index")},
    description="The one pass over the images: read, verify, fingerprint and store in shards. Depends on the rows "
    "only, so a corrected position or unit never packs an image again.",
)  # fmt: skip
def packed_images(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Packs images into shards."""
    opened, _ = collection.open()
    with collection.executor() as (executor, workers):
        told: list[str] = []

        def progress(line: str) -> None:  # at most one a minute; the last one stays with the run
            context.log.info(line)
            told[:] = [line]

        result = _each(
            context, opened, "images", lambda keys: pipeline.pack_each(opened, keys, executor, workers, progress)
        )
        return result if not told else dg.MaterializeResult(metadata={"progress": told[0]})


@dg.asset(
    group_name="quality", owners=OWNERS, partitions_def=CONTRIBUTIONS, deps=[core_rows, packed_images],
    backfill_policy=dg.BackfillPolicy.single_run(), kinds={"duckdb", "parquet"},
    code_version=str(pipeline.VERSIONS["quality"]), metadata={"dagster/column_schema": column_schema("quality")},
    description="The final flags of every usable image: its own, those of the contribution as a whole and of the "
    "stored images, without the flags that the owner overruled.",
)  # fmt: skip
def quality(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult[None]:
    """Judges contributions as a whole."""
    opened, _ = collection.open()
    return _each(context, opened, "quality", lambda keys: (pipeline.judge_quality(opened, k) for k in keys))
