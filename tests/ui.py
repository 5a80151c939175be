"""A running Dagster with its own home, and Chromium to walk through it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chromium import chromium
from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
#: Seconds for one thing to happen on a machine with two busy cores.
PATIENCE_S = 240
_RUNS = "{runsOrError {... on Runs {results {runId jobName status tags {key value}}}}}"


@dataclass(frozen=True)
class Run:
    """A run as the web server tells it."""

    job: str
    status: str
    tags: dict[str, str]


@dataclass(frozen=True)
class Dagster:
    """A web server, a daemon and our code location."""

    url: str

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        body = json.dumps({"query": _RUNS}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)["data"]["runsOrError"]["results"]
        return [Run(r["jobName"], r["status"], {t["key"]: t["value"] for t in r["tags"]}) for r in found]

    def wait_for(self, job: str, times: int) -> None:
        """Waits until a job has succeeded so many times."""
        until = time.monotonic() + PATIENCE_S
        while sum(r.status == "SUCCESS" for r in self.runs() if r.job == job) < times:
            failed = [r for r in self.runs() if r.status == "FAILURE"]
            assert not failed, failed
            assert time.monotonic() < until, f"{job} didn't succeed {times} times: {self.runs()}"
            time.sleep(1)


@contextlib.contextmanager
def running_dagster(home: Path) -> Iterator[Dagster]:
    """Starts what ``aqqua dev`` starts, on a free port, with registry, deliveries and warehouse under ``home``."""
    (home / "dagster").mkdir()
    shutil.copy(ROOT / "dagster_home/dagster.yaml", home / "dagster")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
        "DAGSTER_HOME": str(home / "dagster"), "AQQUA_REGISTRY": str(home / "registry"), "AQQUA_HOME": str(home),
        "AQQUA_EXECUTOR": "serial",
    }  # fmt: skip
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-p", str(port)]
    with (home / "dagster.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/server_info", home / "dagster.log")
        yield Dagster(f"http://127.0.0.1:{port}")
    finally:
        server.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_until_it_answers(url: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10):
            return
        time.sleep(0.5)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@contextlib.contextmanager
def browser_page() -> Iterator[Page]:
    """A page at a desk, patient with a busy machine."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 880})
        page.set_default_timeout(PATIENCE_S * 1000)
        yield page
