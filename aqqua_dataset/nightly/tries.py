"""What failed for reasons outside a contribution, and when it is tried again: bounded, with waits that grow.

A contributor's mistake isn't tried again: it is told, and what is new at the source or in the registry starts anew.
"""

import datetime as dt
from collections.abc import Iterable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from typing import Literal

import duckdb

from aqqua_dataset.compute import WorkerDied
from aqqua_dataset.findings import Finding, Refused, worst_first
from aqqua_dataset.nightly.state import is_of_a_store, write_changed
from aqqua_dataset.warehouse import Warehouse

TRIES = "nightly/tries.json"

#: Nights to wait after the first, second, … failure; after the last a person is needed.
WAITS = (1, 1, 2, 4, 8, 16)
#: Nights after which a source is looked at again though the contributor's mistake was told: it may have been mended.
LOOK_AGAIN = 7

#: Rules that speak of servers, disks, workers and other runs, not of what was delivered.
OUTSIDE = frozenset(
    {
        "source_unreachable", "fetch_interrupted", "fetch_busy", "pull_busy", "no_space", "commit_conflict",
        "delivery_missing", "delivery_unreachable", "worker_died", "store_unreachable", "ecotaxa_unanswered",
        "ecotaxa_job_failed", "ecotaxa_job_slow", "ecotaxa_job_gone", "ecotaxa_broken_off", "ecotaxa_zip_damaged",
        "ecotaxa_changed_meanwhile", "ifcb_dashboard_unanswered", "ifcb_dashboard_broken_off", "ifcb_dashboard_server",
    }
)  # fmt: skip
#: Rules that only the data manager can mend: a secret or an account that isn't set, or isn't valid; our own faults.
OURS = frozenset(
    {"ecotaxa_no_access", "ecotaxa_login", "ecotaxa_not_https", "storage_secret_missing", "unexpected_error"}
)

Whose = Literal["outside", "ours", "theirs"]
What = Literal["fetch", "validate", "report"]


def whose(finding: Finding) -> Whose:
    """Whose matter a finding is: a server's or disk's, the data manager's, or the contributor's."""
    if finding.rule in OUTSIDE:
        return "outside"
    return "ours" if finding.rule in OURS else "theirs"


def as_finding(error: Exception, contribution: str) -> Finding:
    """An error that ended work on a contribution as a finding; one that isn't known is our own fault."""
    if isinstance(error, Refused):
        first = next(iter(worst_first(error.findings)))
        return Finding(first.rule, "error", first.message, contribution, first.file, value=first.value)
    if isinstance(error, WorkerDied | BrokenProcessPool):
        rule = "worker_died"
    elif isinstance(error, OSError | duckdb.IOException) or is_of_a_store(error):
        rule = "store_unreachable"
    else:
        rule = "unexpected_error"
    return Finding(rule, "error", f"{type(error).__name__}: {error}"[:300], contribution)


@dataclass(frozen=True)
class Try:
    """One thing that failed.

    Attributes:
        what: fetching, validating, or writing its report.
        contribution: whose.
        state: hash of what it was tried with; another one is tried at once.
        whose: whose matter it is.
        since: day of the first failure.
        times: failures so far.
        next: day it is tried again; None: not by itself.
        rule, message: why.
    """

    what: What
    contribution: str
    state: str
    whose: Whose
    since: str
    times: int
    next: str | None
    rule: str
    message: str

    @property
    def given_up(self) -> bool:
        """Whether a person is needed."""
        return self.next is None


class Tries:
    """All of one kind that failed and hasn't succeeded since; other kinds may be noted by other runs meanwhile."""

    def __init__(self, warehouse: Warehouse, what: What) -> None:
        """Reads what earlier nights noted."""
        self._warehouse, self._what = warehouse, what
        self.all = {one.contribution: one for one in read_tries(warehouse).values() if one.what == what}

    def due(self, contribution: str, state: str, today: dt.date) -> bool:
        """Whether something is to be tried now: it is new, or its day has come."""
        found = self.all.get(contribution)
        if found is None or found.state != state:
            return True
        return found.next is not None and found.next <= today.isoformat()

    def failed(self, contribution: str, state: str, finding: Finding, today: dt.date) -> Try:
        """Notes a failure and when it is tried again."""
        before = self.all.get(contribution)
        of = whose(finding)
        again = before is not None and before.state == state and before.whose == of
        times = before.times + 1 if again and before else 1
        since = before.since if again and before else today.isoformat()
        wait = _wait(finding, times)
        on = None if wait is None else (today + dt.timedelta(days=wait)).isoformat()
        made = Try(self._what, contribution, state, of, since, times, on, finding.rule, finding.message)
        self.all[contribution] = made
        return made

    def succeeded(self, contribution: str) -> None:
        """Forgets what failed before."""
        self.all.pop(contribution, None)

    def save(self, known: Iterable[str]) -> None:
        """Writes those of contributions that can still be tried; other kinds stay as they are."""
        known = set(known)
        others = {key: one for key, one in read_tries(self._warehouse).items() if one.what != self._what}
        own = {f"{self._what}:{one.contribution}": one for one in self.all.values() if one.contribution in known}
        write_changed(self._warehouse, TRIES, {key: asdict(one) for key, one in sorted((others | own).items())})


def _wait(finding: Finding, times: int) -> int | None:
    """Nights to wait after so many failures; None: a person is needed."""
    of = whose(finding)
    if of == "theirs":
        return LOOK_AGAIN
    if of == "ours" and finding.rule != "unexpected_error":
        return 1  # nothing is asked of anybody, and it goes on as soon as the data manager has mended it
    return WAITS[times - 1] if times <= len(WAITS) else None


def forget(warehouse: Warehouse, contributions: Iterable[str]) -> list[str]:
    """Forgets all that failed for these contributions, so that it is tried at once; returns what that was."""
    gone, stored = set(contributions), read_tries(warehouse)
    kept = {key: asdict(one) for key, one in stored.items() if one.contribution not in gone}
    write_changed(warehouse, TRIES, kept)
    return sorted(set(stored) - set(kept))


def read_tries(warehouse: Warehouse) -> dict[str, Try]:
    """What was noted, by ``<what>:<contribution>``."""
    return {key: Try(**told) for key, told in (warehouse.read_json(TRIES) or {}).items()}
