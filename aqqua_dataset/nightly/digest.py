"""What the data manager reads in the morning: what is new since the last digest, and what waits for a person."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aqqua_dataset.findings import Finding
from aqqua_dataset.labels.queue import waiting
from aqqua_dataset.messages.post import Posting
from aqqua_dataset.nightly.collect import is_counted, whole_state
from aqqua_dataset.nightly.state import MISSING, NOTHING, Seen, read_seen
from aqqua_dataset.nightly.tries import Try, read_tries
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.progress import ledger
from aqqua_dataset.quality.queue import unknown_instruments

#: What the last digest knew.
TOLD = "nightly/told.json"
_KINDS = {
    "usable": "contributions that are usable", "errors": "contributions with errors",
    "refused": "contributions that could not be read", "waiting": "contributions pledged or withdrawn",
}  # fmt: skip
_SHOWN = {"rows": "rows", "usable": "usable", "rejected": "held back", "stored": "images stored"}
_COUNTS = ("declared", "received", "accepted", "rejected", "duplicate", "withheld", "permitted")


@dataclass(frozen=True)
class Line:
    """A line about a contribution, and what is said of it."""

    contribution: str
    text: str


@dataclass
class Digest:
    """The facts of one digest.

    Attributes:
        day: of the night.
        since: when the last digest was made; "" for the first.
        arrived: deliveries that are new or changed.
        validated: contributions that were validated, with outcome.
        trouble, mended: contributions that are in trouble now and weren't, and the other way round.
        waiting: what waits for a person: heading -> lines.
        failed: what failed for outside reasons, with the next try; those given up first.
        new_failures: how many of them the last digest didn't say.
        recovered: what failed before and doesn't any more.
        numbers: name -> now, and at the last digest.
        posting: what became of the messages.
        counted: whether the ledger is of today's state.
        waits_anew: whether anything waits that the last digest didn't say, or no longer does.
    """

    day: dt.date
    since: str
    arrived: list[str] = field(default_factory=list)
    validated: list[Line] = field(default_factory=list)
    trouble: list[Line] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    failed: list[Try] = field(default_factory=list)
    new_failures: int = 0
    recovered: list[str] = field(default_factory=list)
    numbers: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    posting: Posting = field(default_factory=Posting)
    counted: bool = True
    waits_anew: bool = False

    @property
    def quiet(self) -> bool:
        """Whether there is nothing that the last digest didn't say."""
        posted = self.posting
        return not (
            self.arrived or self.validated or self.trouble or self.mended or self.new_failures or self.recovered
            or self.waits_anew or posted.sent or posted.later
            or any(now != before for now, before in self.numbers.values())
        )  # fmt: skip


def make_digest(
    collection: Collection, registry_findings: Sequence[Finding], posting: Posting, now: dt.datetime
) -> Digest:
    """Compares what the warehouse says now with what the last digest knew."""
    told = collection.warehouse.read_json(TOLD) or {"at": "", "seen": {}, "tries": {}, "numbers": {}, "waiting": {}}
    seen, tries = read_seen(collection.warehouse), read_tries(collection.warehouse)
    made = Digest(now.date(), told["at"], posting=posting, counted=is_counted(collection))
    for key, one in sorted(seen.items()):
        _compare(made, key, one, told["seen"].get(key))
    outside = {name: one for name, one in tries.items() if one.whose != "theirs"}
    away = [one for one in outside.values() if one.whose == "outside"]
    made.failed = sorted(away, key=lambda t: (not t.given_up, t.contribution, t.what))
    made.new_failures = sum(told["tries"].get(name) != _tried(one) for name, one in outside.items())
    well = {name.partition(":")[2] for name in told["tries"] if name not in tries}
    made.recovered = sorted(well & set(seen))
    made.numbers = {name: (n, told["numbers"].get(name)) for name, n in _numbers(collection, seen).items()}
    made.waiting = _waiting(collection, registry_findings, seen, outside, posting, told)
    made.waits_anew = made.waiting != told["waiting"]
    return made


def snapshot(collection: Collection, made: Digest, now: dt.datetime) -> dict[str, Any]:
    """What the next digest is compared with."""
    seen, tries = read_seen(collection.warehouse), read_tries(collection.warehouse)
    return {
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "whole": whole_state(collection),
        "seen": {k: [s.delivery, s.worked, s.outcome(), s.kind] for k, s in seen.items()},
        "tries": {name: _tried(one) for name, one in tries.items() if one.whose != "theirs"},
        "numbers": {name: n for name, (n, _) in made.numbers.items()},
        "waiting": made.waiting,
    }


def _tried(one: Try) -> str:
    """What makes a failure news again; what only the data manager can mend isn't, however often it was tried."""
    return one.state if one.whose == "ours" else f"{one.state} {one.times} {one.next}"


def _compare(made: Digest, key: str, one: Seen, before: list[str] | None) -> None:
    delivery, worked, outcome, kind = before or ("", "", "", "waiting")
    if one.delivery not in (delivery, NOTHING, MISSING):
        made.arrived.append(key)
    was_bad, is_bad = kind in ("errors", "refused"), one.kind in ("errors", "refused")
    worst = next((f for f in one.findings if f.severity == "error"), None)
    if worked != one.worked or outcome != one.outcome():
        numbers = ", ".join(f"{one.numbers[n]:,} {text}" for n, text in _SHOWN.items() if one.numbers.get(n))
        if one.kind != "waiting" or before is not None:
            made.validated.append(Line(key, f"{one.kind}{': ' if numbers else ''}{numbers}"))
        if is_bad and (not was_bad or outcome != one.outcome()):
            made.trouble.append(Line(key, "no image could be used" if worst is None else str(worst)))
    if was_bad and not is_bad:
        made.mended.append(key)


def _numbers(collection: Collection, seen: Mapping[str, Seen]) -> dict[str, int]:
    """Contributions by what became of them, and images as the ledger counted them."""
    found = {text: sum(s.kind == kind for s in seen.values()) for kind, text in _KINDS.items()}
    rows = []
    if collection.warehouse.exists(ledger.TABLE):
        rows = collection.warehouse.read_parquet(ledger.TABLE, list(_COUNTS)).to_pylist()
    return found | {f"images {name}": sum(int(row[name]) for row in rows) for name in _COUNTS}


def _waiting(
    collection: Collection, registry_findings: Sequence[Finding], seen: Mapping[str, Seen], tries: Mapping[str, Try],
    posting: Posting, told: Mapping[str, Any],
) -> dict[str, list[str]]:  # fmt: skip
    """What waits for a person, by what the person has to do."""
    contributions = collection.registry.contributions
    errors = [str(f) for f in registry_findings if f.severity == "error"]
    unasked = [k for k, s in seen.items() if any(f.rule == "permission_missing" for f in s.findings)]
    pending = [k for k, c in contributions.items() if c.attribution.state == "pending" and not c.revoked]
    units = [f"{k}: {s.flags[_UNIT]:,} images" for k, s in sorted(seen.items()) if s.flags.get(_UNIT)]
    given_up = [f"{t.what} {t.contribution}: {t.message}" for t in tries.values() if t.given_up or t.whose == "ours"]
    found = {
        "Errors of the registry (aqqua registry check)": errors,
        "Given up, or only you can mend it": sorted(given_up),
        "Units of the pixel size to confirm (overrules)": units,
        "Permissions to ask for": sorted(unasked),
        "Credit lines still to come": sorted(pending),
        **_queues(collection, told),
        "Messages that may have been sent, or not (aqqua messages list)": _of(posting.doubtful),
        "Messages that were refused (aqqua messages list)": _of(posting.refused),
        "News for people without an address in private/contacts.yaml": posting.without_address,
        "Messages that wait for your word (aqqua messages send --most N)": posting.held,
    }
    return {heading: lines for heading, lines in found.items() if lines}


_UNIT = "PIXEL_UNIT_INFERRED"
_INSTRUMENTS, _LABELS = "Instruments nobody knows (aqqua instruments queue)", "Labels (aqqua labels queue)"


def _queues(collection: Collection, told: Mapping[str, Any]) -> dict[str, list[str]]:
    """The two queues; they read all harmonised rows, so not again while nothing changed."""
    if told.get("whole") == whole_state(collection):
        return {name: told["waiting"].get(name, []) for name in (_INSTRUMENTS, _LABELS)}
    labels = waiting(collection)
    count, images = len(labels), int(labels["count"].sum()) if len(labels) else 0
    return {
        _INSTRUMENTS: [f"{u.spelling}: {u.images:,} images" for u in unknown_instruments(collection)],
        _LABELS: [f"{count:,} labels on {images:,} images"] if count else [],
    }


def _of(people: Mapping[str, str]) -> list[str]:
    return [f"{person}: {told}" for person, told in sorted(people.items())]
