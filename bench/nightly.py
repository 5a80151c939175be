"""What a night costs over many contributions of which ten changed and five are broken, and what a quiet one costs.

    python bench/nightly.py [--contributions 300] [--owners 100] [--registry-only 2500]

Deliveries of one picture each. The first night is seeded: keys and deliveries are real, what the stages hold is copied
from one contribution that really ran. Then the same collection through Dagster (SQLite): the run over the range of all
partitions that the night used to be, and the present job; and a tick of the sensor over a registry of many
contributions. One process; CPU is user and system together.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import yaml

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from builders import collection, contribution
from seeded import FIRST, night, seeded, with_owners
from small import deliver, pictures
from test_nightly import BROKEN, CHANGED, SECOND, break_deliveries, files

from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.definitions import build_definitions
from aqqua_dataset.nightly.collect import count_if_changed, write_due_reports
from aqqua_dataset.nightly.night import tell
from aqqua_dataset.nightly.validate import validate_changed
from aqqua_dataset.orchestration.automation import look
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.models import Record

Result = TypeVar("Result")


def main() -> None:
    """Prints one line per step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contributions", type=int, default=300)
    parser.add_argument("--owners", type=int, default=100)
    parser.add_argument("--registry-only", type=int, default=2500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        made, _ = timed("first night, seeded", lambda: seeded(home, options.contributions, options.owners))
        for n, key in enumerate(CHANGED):
            deliver(home / key, key, pictures(1000 + n, 2))
        break_deliveries(home)
        before = files(made)
        one_night(made, "ten changed, five broken")
        after = files(made)
        touched = sorted({p for p in after.keys() | before.keys() if after.get(p) != before.get(p)})
        worked = {p.split("/")[1] for p in touched if p.startswith(("contributions/", "reports/"))}
        print(f"  files written or removed: {len(touched)}; contributions touched: {len(worked)}, "
              f"as expected: {worked == {*CHANGED, *BROKEN}}")  # fmt: skip
        one_night(made, "quiet")
        print(f"  files written or removed: {len(set(files(made).items()) ^ set(after.items()))}")
        through_dagster(made, home)
        ticks(home / "many", options.registry_only)


def timed(label: str, run: Callable[[], Result]) -> Result:
    """Runs something and says what it took."""
    wall, cpu = time.perf_counter(), os.times()
    result = run()
    now = os.times()
    used = now.user + now.system - cpu.user - cpu.system
    print(f"{label:58} {used:8.2f} CPU s {time.perf_counter() - wall:8.2f} s", flush=True)
    return result


def one_night(made: Collection, label: str) -> None:
    """The steps of a night one by one."""
    serial = SerialExecutor()
    found = timed(f"{label}: look at all, validate", lambda: validate_changed(made, serial, 1, SECOND))
    print(f"  looked at {found.looked_at}, changed {len(found.changed)}, validated {len(found.done)}, "
          f"failed for reasons outside {len(found.failed)}")  # fmt: skip
    counted = timed(f"{label}: duplicates and ledger", lambda: count_if_changed(made, serial, 1))
    reports = timed(f"{label}: reports", lambda: list(write_due_reports(made, SECOND)))
    told = timed(f"{label}: messages and digest", lambda: tell(made, [], SECOND))
    print(f"  counted: {counted}; reports {len(reports)}; messages to owners {len(told.digest.posting.sent)}; "
          f"digest: {told.path or 'none'}")  # fmt: skip


def through_dagster(made: Collection, home: Path) -> None:
    """What was, and what is, with nothing changed."""
    write_registry(made, made.config.registry)
    resource = CollectionResource(
        registry=str(made.config.registry), deliveries=str(home), warehouse=made.warehouse.root, workers="serial"
    )
    opened, _ = resource.open()
    keys = sorted(opened.registry.contributions)
    night(opened, SECOND, fetch_hours=0)  # the registry from files has another state: seen once
    (home / "dagster").mkdir()
    definitions = build_definitions(resource)
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        instance.add_dynamic_partitions("contribution", keys)
        tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
        for label, job, more in (
            ("Dagster, a run over all partitions (before)", "validate_contribution", {"tags": tags}),
            ("Dagster, what changed (now)", "validate_changed_contributions", {}),
        ):
            execute = definitions.resolve_job_def(job).execute_in_process
            result = timed(label, lambda execute=execute, more=more: execute(instance=instance, **more))  # type: ignore[misc]
            events = [e.dagster_event for e in instance.all_logs(result.run_id) if e.dagster_event is not None]
            print(f"  events {len(events)}")


def ticks(home: Path, count: int) -> None:
    """A tick of the sensor over a registry of so many contributions, each with a delivery of two files."""
    names = [f"haul-{n:05}" for n in range(count)]
    for name in names:
        (home / name).mkdir(parents=True)
        for file in ("a.tsv", "a.png"):
            (home / name / file).write_bytes(b"x")
    made = collection(home, *(contribution(n, n, owners=(f"owner-{i % 500:03}",)) for i, n in enumerate(names)))
    write_registry(with_owners(made, 500), made.config.registry)
    resource = CollectionResource(
        registry=str(made.config.registry), deliveries=str(home), warehouse=made.warehouse.root, workers="serial"
    )
    opened, _ = timed(f"reading a registry of {count:,} contributions", resource.open)
    states, following = timed("a tick of the sensor: states and deliveries", lambda: look(opened, {}))
    listed = sum(bool(delivery) for _, delivery in states.values())
    print(f"  deliveries listed {listed:,} of {count:,}; goes on at {following}")


def write_registry(made: Collection, folder: Path) -> None:
    """The registry's records as files."""
    registry = made.registry
    kinds: dict[str, dict[str, Any]] = {
        "people": registry.people, "institutions": registry.institutions, "contributions": registry.contributions,
    }  # fmt: skip
    for kind, records in kinds.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for key, record in records.items():
            (folder / kind / f"{key}.yaml").write_text(_yaml(record))
    (folder / "settings.yaml").write_text(_yaml(registry.settings))


def _yaml(record: Record) -> str:
    return yaml.safe_dump(record.model_dump(mode="json", exclude_none=True), allow_unicode=True)


if __name__ == "__main__":
    print(f"first night {FIRST:%Y-%m-%d}, second {SECOND:%Y-%m-%d}")
    main()
