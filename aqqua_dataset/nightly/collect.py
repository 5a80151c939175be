"""After the contributions: the collection is counted again and reports are written, where anything in them changed."""

import datetime as dt
import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace

from aqqua_dataset import space, workflow
from aqqua_dataset.dedup import page
from aqqua_dataset.nightly.state import common_state, read_seen, short, write_seen
from aqqua_dataset.nightly.tries import Tries, as_finding
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.progress import ledger
from aqqua_dataset.report.build import Written, write_report

log = logging.getLogger(__name__)

COUNTED = "nightly/counted.json"


def count_if_changed(collection: Collection, executor: Executor, workers: int) -> bool:
    """Compares images, finds duplicates and counts the ledger, unless nothing they depend on changed; whether it did.

    Raises:
        AssertionError: the ledger doesn't balance.
    """
    if is_counted(collection):
        return False
    workflow.compare_images(collection, executor, workers)
    page.write_page(collection)
    workflow.update_duplicates(collection, executor, workers)
    workflow.update_ledger(collection)
    note_counted(collection)
    return True


def is_counted(collection: Collection) -> bool:
    """Whether the ledger was counted since anything changed that it depends on."""
    found = collection.warehouse.read_json(COUNTED)
    return found is not None and found["key"] == whole_state(collection)


def note_counted(collection: Collection) -> None:
    """Remembers what was counted."""
    collection.warehouse.write_json(COUNTED, {"key": whole_state(collection)})


def whole_state(collection: Collection) -> str:
    """Hash of what the collection as a whole depends on: outcomes, the registry's records, and its lists as files."""
    seen = read_seen(collection.warehouse)
    outcomes = [f"{key} {one.state} {one.outcome()}" for key, one in sorted(seen.items())]
    told = [c.model_dump_json() for _, c in sorted(collection.registry.contributions.items())]
    lists = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(collection.config.registry.glob("*.csv"))]
    return short(common_state(collection), *outcomes, *told, *lists)


def write_due_reports(collection: Collection, now: dt.datetime) -> Iterator[tuple[str, Written]]:
    """Writes the reports of contributions that changed, or whose line of the ledger did; yields those that are new."""
    warehouse = collection.warehouse
    counted = warehouse.read_parquet(ledger.TABLE).to_pylist() if warehouse.exists(ledger.TABLE) else []
    rows = {str(row["contribution_id"]): repr(row) for row in counted}
    seen, tries = read_seen(warehouse), Tries(warehouse, "report")
    for key, one in sorted(seen.items()):
        stamp = short(one.state, rows.get(key, ""))
        if one.reported == stamp or key not in collection.registry.contributions:
            continue
        if not tries.due(key, stamp, now.date()):
            continue
        try:
            written = write_report(collection, key)
        except Exception as error:  # one report that can't be written doesn't keep the others waiting
            log.exception("report of %s", key)
            tries.failed(key, stamp, as_finding(error, key), now.date())
            continue
        tries.succeeded(key)
        seen[key] = replace(one, reported=stamp, questions=written.questions)
        if written.is_new:
            yield key, written
    with space.needed():
        write_seen(warehouse, seen)
        tries.save(collection.registry.contributions)
