"""The evening's fetching: what is due, one after the other, for so many hours; what failed waits for its day."""

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator

from aqqua_dataset.findings import Finding
from aqqua_dataset.nightly.state import short
from aqqua_dataset.nightly.tries import Tries, as_finding, whose
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.transfer.alone import alone
from aqqua_dataset.transfer.bring import Ways, bring, find_ways, is_there
from aqqua_dataset.transfer.fetch import FetchReport

log = logging.getLogger(__name__)

#: Hours after which no further contribution is begun, so that fetching is done when validating begins.
HOURS = 4.0
_PLACE = "nightly/fetching.json"


def fetch_due(
    collection: Collection, now: dt.datetime, progress: Callable[[str], None] = log.info, hours: float = HOURS
) -> Iterator[FetchReport]:  # fmt: skip
    """Fetches what is due; yields what was done for each contribution that was asked about.

    Links and dashboards are looked at every night, EcoTaxa projects until they were pulled once: to pull one again is a
    person's decision. Where the hours end the next night goes on.

    Raises:
        Busy: another night is at it.
    """
    until = time.monotonic() + hours * 3600
    with alone(collection.warehouse, "fetching"):
        tries, ways, today = Tries(collection.warehouse, "fetch"), find_ways(collection), now.date()
        for key in _from_where_it_ended(collection, list(ways.found)):
            state = _state(collection, key)
            if _is_done(collection, key, ways):
                tries.succeeded(key)
            elif tries.due(key, state, today):
                if time.monotonic() > until:
                    collection.warehouse.write_json(_PLACE, {"next": key})
                    progress(f"the {hours:g} hours are over: {key} and those after it are fetched tomorrow")
                    break
                report = _one(collection, key, ways, progress)
                note(tries, report, state, today)
                tries.save(ways.found)
                yield report
        else:
            collection.warehouse.remove(_PLACE)
        tries.save(ways.found)


def fetched_by_hand(collection: Collection, report: FetchReport) -> None:
    """Forgets what failed before, where a person has fetched it meanwhile."""
    tries = Tries(collection.warehouse, "fetch")
    if report.contribution in tries.all and report.outcome in ("fetched", "unchanged"):
        tries.succeeded(report.contribution)
        tries.save(collection.registry.contributions)


def note(tries: Tries, report: FetchReport, state: str, today: dt.date) -> None:
    """Notes whether a fetch has to be tried again."""
    errors = [f for f in report.findings if f.severity == "error"]
    if report.outcome in ("fetched", "unchanged", "not_to_fetch") or not errors:
        tries.succeeded(report.contribution)
        return
    tries.failed(report.contribution, state, min(errors, key=_outside_first), today)


def _outside_first(finding: Finding) -> int:
    return ("outside", "ours", "theirs").index(whose(finding))


def _is_done(collection: Collection, key: str, ways: Ways) -> bool:
    """Whether it is a project whose delivery is there; one that can't be looked at isn't, and the pull says why."""
    if ways.found[key] != "ecotaxa":
        return False
    try:
        return is_there(collection, collection.registry.contributions[key])
    except OSError as error:
        log.warning("%s: the delivery can't be listed: %s", key, error)
        return False


def _one(collection: Collection, key: str, ways: Ways, progress: Callable[[str], None]) -> FetchReport:
    try:
        return bring(collection, key, ways, progress)
    except Exception as error:  # one that can't be had doesn't keep the others waiting
        log.exception("fetching %s", key)
        return FetchReport(key, "unfinished", findings=(as_finding(error, key),))


def _state(collection: Collection, key: str) -> str:
    source = collection.registry.contributions[key].source
    assert source is not None
    return short(source.model_dump_json())


def _from_where_it_ended(collection: Collection, keys: list[str]) -> list[str]:
    told = collection.warehouse.read_json(_PLACE)
    start = next((n for n, key in enumerate(keys) if told is not None and key >= told["next"]), 0)
    return keys[start:] + keys[:start]
