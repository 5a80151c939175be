"""Removes old runs that nothing on any page stands on any more: every night writes events for every contribution.

A run is kept while it is the latest that made some asset, some partition of one, or some check's result; removing it
would turn that grey. Numbers that Dagster draws over time reach back as far as runs are kept.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.event_api import AssetRecordsFilter

from aqqua_dataset.orchestration.schedules import every_day

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_AT_ONCE = 1000


class RetentionConfig(dg.Config):
    """How long runs are kept, in days; at most so many are removed at once, so that it never takes the night."""

    keep_days: float = 30
    most: int = 5000


def superseded(instance: dg.DagsterInstance, before: dt.datetime, checks: Sequence[dg.AssetCheckKey]) -> Iterator[str]:
    """Ids of runs that ended, began before a moment, and that nothing stands on; oldest last.

    Args:
        instance: whose runs.
        before: the moment.
        checks: whose latest results stay.
    """
    holding = set(_latest_runs(instance)) | _latest_checks(instance, checks)
    chosen, cursor = dg.RunsFilter(statuses=_ENDED, created_before=before), None
    while records := instance.get_run_records(chosen, limit=_AT_ONCE, cursor=cursor):
        yield from (r.dagster_run.run_id for r in records if r.dagster_run.run_id not in holding)
        cursor = records[-1].dagster_run.run_id


def _latest_runs(instance: dg.DagsterInstance) -> Iterator[str]:
    """Ids of the runs that made what the pages show: each asset's latest, and each partition's."""
    for key in instance.all_asset_keys():
        if (latest := instance.get_latest_materialization_event(key)) is not None:
            yield latest.run_id
        by_partition = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        ids = sorted(by_partition.values())
        for start in range(0, len(ids), _AT_ONCE):
            piece = AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + _AT_ONCE])
            yield from (r.run_id for r in instance.fetch_materializations(piece, limit=_AT_ONCE).records)


def _latest_checks(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> set[str]:
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(checks))
    return {record.run_id for record in latest.values()}


def _all_checks() -> list[dg.AssetCheckKey]:
    from aqqua_dataset.definitions import build_definitions  # which imports this module
    from aqqua_dataset.orchestration.resources import CollectionResource

    return list(build_definitions(CollectionResource()).resolve_asset_graph().asset_check_keys)


@dg.op
def remove_superseded_runs(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
    """Removes runs and all their events."""
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=config.keep_days)
    checks = _all_checks()
    # The whole list first: removing while paging would lose the place.
    old = list(superseded(context.instance, before, checks))
    for run in old[: config.most]:
        context.instance.delete_run(run)
    context.add_output_metadata({"removed": min(len(old), config.most), "left": max(0, len(old) - config.most)})


@dg.job(description="Removes old runs that no asset, partition or check stands on any more.")
def forget_runs() -> None:
    """What ``docs/deployment.md`` says under Retention."""
    remove_superseded_runs()


nightly_forgetting = every_day(
    "nightly_forgetting", forget_runs.name, 4, "Every night: removes runs of more than 30 days that nothing stands on."
)
