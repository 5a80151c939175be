"""Prints what Dagster says of itself as JSON (``dagster_state``); run as a module."""

import time

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus

from aqqua_dataset.dagster_state import DagsterState

_GOING_ON = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def state(instance: dg.DagsterInstance) -> DagsterState:
    """One look at the instance."""
    beats, now = instance.get_daemon_heartbeats(), time.time()
    current, wanted = instance.event_log_storage.alembic_version() or ("", "")
    return DagsterState(
        storage=type(instance.run_storage).__name__,
        schema=(str(current), str(wanted)),
        running=instance.get_runs_count(dg.RunsFilter(statuses=_GOING_ON)),
        queued=instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])),
        heartbeats={
            name: round(now - beats[name].timestamp, 1) if name in beats else None
            for name in sorted(instance.get_required_daemon_types())
        },
        stopped=sorted(
            s.instigator_name for s in instance.all_instigator_state() if s.status == InstigatorStatus.STOPPED
        ),
    )


if __name__ == "__main__":
    with dg.DagsterInstance.get() as opened:
        print(state(opened).as_json())
