"""What Dagster says of itself, asked in a process of its own: the commands that need it don't import Dagster."""

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from aqqua_dataset.findings import Finding, Refused

_TIMEOUT_S = 120
_POLL_S = 10.0


class StateRefused(Refused):
    """Dagster's instance can't be opened."""

    what = "Dagster's state"


@dataclass(frozen=True)
class DagsterState:
    """One look at the instance that DAGSTER_HOME names.

    Attributes:
        storage: class of the storage of runs.
        schema: revision of the tables, and the one that this version of Dagster wants.
        running: runs that are being started, are going on, or are being stopped.
        queued: runs that wait.
        heartbeats: seconds since each of the daemon's parts was last alive; None where never.
        stopped: schedules and sensors that somebody has turned off.
    """

    storage: str
    schema: tuple[str, str]
    running: int
    queued: int
    heartbeats: dict[str, float | None]
    stopped: list[str]

    def as_json(self) -> str:
        """The state as one line."""
        return json.dumps(dataclasses.asdict(self))


def ask() -> DagsterState:
    """The state now; raises StateRefused."""
    command = [sys.executable, "-m", "aqqua_dataset.orchestration.state"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        message = f"Dagster's storage didn't answer within {_TIMEOUT_S} seconds"
        raise StateRefused([Finding("dagster_storage", "error", message)]) from None
    if done.returncode:
        message = "Dagster's storage can't be opened; see DAGSTER_HOME, PGHOST and PGDATABASE"
        raise StateRefused([Finding("dagster_storage", "error", message, value=_reason(done.stderr))])
    told = json.loads(done.stdout.splitlines()[-1])
    return DagsterState(**told | {"schema": tuple(told["schema"])})


def _reason(trace: str) -> str:
    """The line of a trace that says why: what the database's server said, else the last."""
    lines = [line.strip() for line in trace.splitlines() if line.strip()] or ["no reason was given"]
    return next((line for line in lines if "FATAL:" in line or "connection to server" in line), lines[-1])[:500]


def drain(minutes: float, progress: Callable[[str], object], poll_s: float = _POLL_S) -> DagsterState:
    """Waits until no run is going on; queued ones stay queued while the daemon is stopped.

    Args:
        minutes: how long to wait at most.
        progress: told a line whenever the number of runs changes.
        poll_s: seconds between two looks.

    Returns:
        The last state; its ``running`` says whether runs are left.

    Raises:
        StateRefused: Dagster's storage can't be opened.
    """
    until, told = time.monotonic() + minutes * 60, -1
    while True:
        state = ask()
        if state.running != told:
            progress(f"{state.running} runs going on, {state.queued} queued")
            told = state.running
        if not state.running or time.monotonic() + poll_s > until:
            return state
        time.sleep(poll_s)
