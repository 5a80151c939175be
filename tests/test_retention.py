"""Old runs go, and no page turns grey: on SQLite, and on PostgreSQL where it is installed."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from production import DEPLOY, postgres

from aqqua_dataset.orchestration.retention import RetentionConfig, forget_runs, superseded

PARTITIONS = dg.StaticPartitionsDefinition(["a", "b", "c"])
CHECK = dg.AssetCheckKey(dg.AssetKey("whole"), "sound")


@dg.asset(partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run())
def parts(context: dg.AssetExecutionContext) -> None:
    context.log.info("made")


@dg.asset
def whole() -> None:
    pass


@dg.asset_check(asset=whole)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.op
def failing() -> None:
    raise dg.Failure("as it should")


@dg.job
def broken() -> None:
    failing()


DEFINITIONS = dg.Definitions(
    assets=[parts, whole], asset_checks=[sound], jobs=[forget_runs, broken], executor=dg.in_process_executor
)


@pytest.fixture(params=["sqlite", "postgres"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    if request.param == "sqlite":
        with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
            yield opened
        return
    with postgres() as told:
        (tmp_path / "dagster.yaml").symlink_to(DEPLOY / "dagster.yaml")
        for name, value in (told | {"DAGSTER_HOME": str(tmp_path)}).items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.get() as opened:
            yield opened
        assert os.environ["PGDATABASE"] == "aqqua"


def make(instance: dg.DagsterInstance, *selected: str, partition: str | None = None) -> str:
    job = DEFINITIONS.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(name) for name in selected]
    done = job.execute_in_process(instance=instance, asset_selection=keys, partition_key=partition)
    assert done.success
    return done.run_id


def later(days: float = 0) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days, seconds=1)


def test_a_run_goes_when_nothing_stands_on_it(instance: dg.DagsterInstance) -> None:
    first = {p: make(instance, "parts", partition=p) for p in "abc"}
    second = {p: make(instance, "parts", partition=p) for p in "ab"}
    wholes = [make(instance, "whole") for _ in range(2)]
    failed = DEFINITIONS.resolve_job_def("broken").execute_in_process(instance=instance, raise_on_error=False).run_id
    expected = {first["a"], first["b"], wholes[0], failed}
    assert set(superseded(instance, later(), [CHECK])) == expected
    assert list(superseded(instance, later(-1), [CHECK])) == []

    job = DEFINITIONS.resolve_job_def("forget_runs")
    config = dg.RunConfig(ops={"remove_superseded_runs": RetentionConfig(keep_days=-1, most=3)})
    done = job.execute_in_process(instance=instance, run_config=config)
    assert done.success
    kept = {r.run_id for r in instance.get_runs()}
    assert len(expected - kept) == 3  # as many as may go at once
    again = job.execute_in_process(instance=instance, run_config=config)
    assert again.success
    kept = {r.run_id for r in instance.get_runs()}
    # The runs that removed are runs as well: the first has gone with the second.
    assert kept == {first["c"], *second.values(), wholes[1], again.run_id}

    assert instance.get_materialized_partitions(dg.AssetKey("parts")) == {"a", "b", "c"}
    assert instance.get_latest_materialization_event(dg.AssetKey("whole")) is not None
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])
    assert latest[CHECK].run_id == wholes[1]
    assert not [e for run in expected for e in instance.all_logs(run)]


def test_the_latest_result_of_a_check_is_kept_though_the_asset_was_made_again(instance: dg.DagsterInstance) -> None:
    with_check = make(instance, "whole")
    job = DEFINITIONS.resolve_implicit_global_asset_job_def()
    without = job.get_subset(asset_selection={dg.AssetKey("whole")}, asset_check_selection=set())
    assert without.execute_in_process(instance=instance).success
    assert with_check not in set(superseded(instance, later(), [CHECK]))
    assert with_check in set(superseded(instance, later(), []))


def test_a_run_that_is_going_on_stays(instance: dg.DagsterInstance) -> None:
    job = DEFINITIONS.resolve_job_def("broken")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert run.run_id not in set(superseded(instance, later(), []))
