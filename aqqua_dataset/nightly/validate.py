"""Validates what is new or changed, and nothing else: deliveries are listed to see it, the rest isn't touched."""

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial

from aqqua_dataset import pipeline, space
from aqqua_dataset.findings import Finding
from aqqua_dataset.nightly.state import (
    MISSING,
    Seen,
    common_state,
    delivery_state,
    outcome_of,
    read_seen,
    short,
    told_state,
    write_seen,
)
from aqqua_dataset.nightly.tries import LOOK_AGAIN, Tries, as_finding
from aqqua_dataset.pipeline import Collection, StageReport
from aqqua_dataset.release.people import identities
from aqqua_dataset.transfer.alone import alone

log = logging.getLogger(__name__)

#: Contributions after which the night notes how far it is.
_NOTE_EVERY = 100


@dataclass
class Validation:
    """What a night found to do, and did.

    Attributes:
        looked_at: contributions whose delivery was listed.
        changed: those that are new or changed.
        put_off: those that failed before and whose day hasn't come.
        failed: those that something outside kept from being validated.
        done: those that were validated.
    """

    looked_at: int = 0
    changed: list[str] = field(default_factory=list)
    put_off: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)


def validate_changed(
    collection: Collection, executor: Executor, workers: int, now: dt.datetime,
    tell: Callable[[StageReport], None] = lambda _: None, progress: Callable[[str], None] = log.info,
) -> Validation:  # fmt: skip
    """Takes what is new or changed since the last night through its stages; one never stops another.

    Args:
        collection: registry, deliveries and warehouse.
        executor: where parts and shards are worked on.
        workers: its workers.
        now: the moment; its day decides what is tried again.
        tell: told of each stage that was run for a contribution.
        progress: told of images and time left while packing.

    Raises:
        NoSpace: the disk is full; what was done is kept, and the next night goes on.
        Busy: another night is at it.
    """
    with alone(collection.warehouse, "validating"):
        night = _Night(collection, executor, workers, now, tell, progress)
        try:
            night.find_changes()
            night.run()
        finally:
            night.save()
        return night.found


@dataclass
class _Night:
    """One night's work."""

    collection: Collection
    executor: Executor
    workers: int
    now: dt.datetime
    tell: Callable[[StageReport], None]
    progress: Callable[[str], None]
    found: Validation = field(default_factory=Validation)

    def __post_init__(self) -> None:
        self.seen = read_seen(self.collection.warehouse)
        self.tries = Tries(self.collection.warehouse, "validate")
        self.states: dict[str, tuple[str, str]] = {}  # state, and that of the delivery
        self.worked: set[str] = set()

    def find_changes(self) -> None:
        """Compares every contribution with what it was."""
        common = common_state(self.collection)
        people = identities(self.collection.registry)
        contributions = self.collection.registry.contributions
        for key in set(self.seen) - set(contributions):
            del self.seen[key]
        for key, contribution in sorted(contributions.items()):
            if self._is_unreachable(key):
                self.found.put_off.append(key)
                continue
            try:
                delivery = delivery_state(self.collection, contribution)
            except OSError as error:
                finding = Finding("delivery_unreachable", "error", f"can't be listed: {error}"[:300], key)
                self._failed(key, "", finding)
                continue
            self.found.looked_at += 1
            state = short(common, told_state(self.collection, contribution, people), delivery)
            self.states[key] = (state, delivery)
            if key not in self.seen or self.seen[key].state != state:
                due = self.tries.due(key, state, self.now.date())
                (self.found.changed if due else self.found.put_off).append(key)
            elif delivery != MISSING:
                self.tries.succeeded(key)  # it couldn't be reached before, or is as it was again
            elif self.tries.due(key, state, self.now.date()):
                self._failed(key, state, _missing(self.seen[key], key))  # listed again, and still not there

    def _is_unreachable(self, key: str) -> bool:
        """Whether a place didn't answer and isn't asked today: each time costs a time-out. Once a week it always is."""
        one, today = self.tries.all.get(key), self.now.date()
        if one is None or one.rule != "delivery_unreachable":
            return False
        return one.next > today.isoformat() if one.next is not None else today.toordinal() % LOOK_AGAIN != 0

    def run(self) -> None:
        """Reads and harmonises each, packs their images as one stream, judges each."""
        ready = [key for key in self.found.changed if self._guarded(key, self._read(key))]
        packed = set(self._packed(ready))
        for key in ready:
            if key in packed and self._guarded(key, [partial(pipeline.judge_quality, self.collection, key)]):
                self._done(key)

    def _read(self, key: str) -> Iterable[Callable[[], StageReport]]:
        yield partial(pipeline.read_rows, self.collection, key)
        yield partial(pipeline.harmonise_rows, self.collection, key, self.executor, self.workers)

    def _guarded(self, key: str, stages: Iterable[Callable[[], StageReport]]) -> bool:
        """Runs stages until one refuses; whether all went through. What isn't the contributor's doing is noted."""
        try:
            for stage in stages:
                report = stage()
                self._tell(report)
                if report.outcome == "refused":
                    self._done(key)
                    return False
        except space.NoSpace as full:
            self._failed(key, self.states[key][0], as_finding(full, key))
            raise
        except Exception as error:  # only broken infrastructure raises; the others go on
            self._broke(key, error)
            return False
        return True

    def _packed(self, ready: list[str]) -> Iterator[str]:
        """Packs as one stream; where that breaks, those that are left are packed one by one."""
        waiting = dict.fromkeys(ready)
        try:
            for report in pipeline.pack_each(self.collection, ready, self.executor, self.workers, self.progress):
                self._tell(report)
                del waiting[report.contribution]
                yield report.contribution
        except space.NoSpace as full:
            first = next(iter(waiting))
            self._failed(first, self.states[first][0], as_finding(full, first))
            raise
        except Exception:
            log.exception("packing together; what is left is packed one by one")
        for key in waiting:
            single = pipeline.pack_each(self.collection, [key], self.executor, self.workers, self.progress)
            if self._guarded(key, [partial(next, single)]):
                yield key

    def _tell(self, report: StageReport) -> None:
        if report.outcome == "done":
            self.worked.add(report.contribution)
        self.tell(report)

    def _done(self, key: str) -> None:
        state, delivery = self.states[key]
        contribution = self.collection.registry.contributions[key]
        before = self.seen.get(key)
        now = outcome_of(self.collection, contribution, state, delivery)
        if before is None or key in self.worked or before.outcome() != now.outcome():
            now = replace(now, worked=f"{self.now:%Y-%m-%dT%H:%M:%SZ}")
        else:
            now = replace(now, worked=before.worked)
        if before is not None:
            now = replace(now, reported=before.reported, questions=before.questions)
        self.seen[key] = now
        if delivery == MISSING:
            self._failed(key, state, _missing(now, key))
        else:
            self.tries.succeeded(key)
        self.found.done.append(key)
        if len(self.found.done) % _NOTE_EVERY == 0:
            self.save()

    def _broke(self, key: str, error: Exception) -> None:
        finding = as_finding(error, key)
        log.error("%s: %s", key, finding, exc_info=error)
        self._failed(key, self.states[key][0], finding)

    def _failed(self, key: str, state: str, finding: Finding) -> None:
        self.tries.failed(key, state, finding, self.now.date())
        self.found.failed.append(key)

    def save(self) -> None:
        """Notes what was done so far."""
        with space.needed():
            write_seen(self.collection.warehouse, self.seen)
            self.tries.save(self.collection.registry.contributions)


def _missing(seen: Seen, key: str) -> Finding:
    message = next((f.message for f in seen.findings if f.rule == "delivery_missing"), "nothing lies at its location")
    return Finding("delivery_missing", "error", message, key)
