"""What the night remembers of each contribution: the state it was validated in, and what came of it.

A state is a hash over everything a contribution's stages and its report depend on. It may change where no stage has
anything to do (a person's name is corrected), never the other way round: then the stages themselves find nothing to do.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from aqqua_dataset import schema
from aqqua_dataset.findings import Finding
from aqqua_dataset.harmonise import joined, longhurst
from aqqua_dataset.images import pack
from aqqua_dataset.images.decode import library_versions
from aqqua_dataset.labels import taxonomy
from aqqua_dataset.pipeline import VERSIONS, Collection, Stage, intake_refusal, manifest
from aqqua_dataset.progress.trouble import UNIT_UNCONFIRMED, trouble
from aqqua_dataset.registry.models import Contribution, Person
from aqqua_dataset.release.people import involved
from aqqua_dataset.report import build
from aqqua_dataset.warehouse import Warehouse

SEEN = "nightly/seen.json"

#: What stands for a delivery that isn't read, and for one that isn't there.
NOTHING, MISSING = "none", "missing"

#: What became of a contribution: ``usable``; ``errors``: read, but something in it is wrong; ``refused``: not read;
#: ``waiting``: pledged or withdrawn, so there is nothing to read.
Kind = Literal["usable", "errors", "refused", "waiting"]

#: Stages in their order.
STAGES: tuple[Stage, ...] = ("rows", "core", "images", "quality")
_MOST_FINDINGS = 20


#: Packages whose errors mean that an object store or a server didn't answer.
_STORES = ("botocore", "aiobotocore", "aiohttp", "requests", "urllib3")


def is_of_a_store(error: Exception) -> bool:
    """Whether an error comes from a package that talks to object stores or servers."""
    return type(error).__module__.split(".")[0] in _STORES


def short(*parts: str) -> str:
    """Short hash of texts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def common_state(collection: Collection) -> str:
    """Hash of what every contribution depends on: the code, the schemas, the settings, people's answers to labels."""
    registry = collection.registry
    settings = registry.settings
    return short(
        json.dumps(VERSIONS), str(build.VERSION), str(pack.PARTS_PER_SHARD), library_versions(), schema.fingerprint(),
        settings.model_dump_json(exclude={"messages", "fetch_quota_gb", "doi"}), longhurst.stamp(settings.longhurst),
        taxonomy.fingerprint(settings.taxonomy), *(answer.model_dump_json() for answer in registry.labels),
    )  # fmt: skip


def told_state(collection: Collection, contribution: Contribution, people: Mapping[str, Person]) -> str:
    """Hash of what the registry says of a contribution, and of the people and institutions in its credit line.

    Args:
        collection: with the registry.
        contribution: which one.
        people: the person behind each id (``identities``).
    """
    named = [people[name] for name in involved(contribution) if name in people]
    places = {*contribution.institutions, *(place for person in named for place in person.affiliations)}
    institutions = collection.registry.institutions
    about = [institutions[place].model_dump_json() for place in sorted(places) if place in institutions]
    return short(contribution.model_dump_json(), *(person.model_dump_json() for person in named), *about)


def delivery_state(collection: Collection, contribution: Contribution, until: float | None = None) -> str:
    """Hash of the names, sizes and times of a delivery's files, and of tables joined to it from elsewhere.

    Args:
        collection: registry and deliveries.
        contribution: whose.
        until: time of ``time.monotonic`` at which to give up.

    Raises:
        TimeoutError: it takes longer.
        OSError: the place can't be reached.
    """
    if contribution.source is None or intake_refusal(collection.registry, contribution) is not None:
        return NOTHING
    try:
        with collection.delivery(contribution.source.location) as opened:
            files = opened.fingerprint(until)
    except FileNotFoundError:
        return MISSING
    except Exception as error:
        if is_of_a_store(error):  # these packages' errors are no OSError
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        raise
    if until is not None and time.monotonic() > until:
        raise TimeoutError
    return short(files, joined.stamps(collection.config, contribution.source))


@dataclass(frozen=True)
class Seen:
    """What the night knows of a contribution.

    Attributes:
        state: hash of what it was validated in; "" where that was broken off.
        delivery: hash of the delivery's files.
        kind: what became of it.
        numbers: rows, usable, rejected, listed and stored images.
        flags: images by final flag.
        findings: errors and warnings, the first of them.
        reported: hash of what its report was written from.
        questions: open questions of its report.
        worked: when a stage last had something to do for it, or its outcome changed.
    """

    state: str
    delivery: str
    kind: Kind
    numbers: dict[str, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    reported: str = ""
    questions: tuple[str, ...] = ()
    worked: str = ""

    def outcome(self) -> str:
        """Hash of what became of it, whatever the state it was in."""
        findings = (json.dumps(asdict(f), sort_keys=True) for f in self.findings)
        return short(self.kind, json.dumps(self.numbers, sort_keys=True), *findings)


def read_seen(warehouse: Warehouse, path: str = SEEN) -> dict[str, Seen]:
    """What the last night knew of each contribution."""
    return {key: _seen(told) for key, told in (warehouse.read_json(path) or {}).items()}


def _seen(told: dict[str, Any]) -> Seen:
    findings = tuple(Finding(**f) for f in told["findings"])
    return Seen(**{**told, "findings": findings, "questions": tuple(told["questions"])})


def write_seen(warehouse: Warehouse, seen: dict[str, Seen]) -> None:
    """Remembers it."""
    write_changed(warehouse, SEEN, {key: asdict(one) for key, one in sorted(seen.items())})


def write_changed(warehouse: Warehouse, path: str, value: object) -> None:
    """Writes a JSON file unless it says that already: a night without news writes nothing."""
    if warehouse.read_json(path) != json.loads(json.dumps(value)):
        warehouse.write_json(path, value)


def outcome_of(collection: Collection, contribution: Contribution, state: str, delivery: str) -> Seen:
    """What the warehouse now says of a contribution."""
    warehouse = collection.warehouse
    found = {stage: manifest(warehouse, contribution.id, stage) for stage in STAGES}
    refused = warehouse.read_json(f"contributions/{contribution.id}/refused.json")
    numbers: dict[str, int] = {}
    for stage in STAGES[:3]:
        numbers |= (found[stage] or {"numbers": {}})["numbers"]
    flags = {name: count for name, count in (found["quality"] or {"numbers": {}})["numbers"].items() if count}
    # An unconfirmed unit is a question of the report and a line of its own in the digest.
    worth = _once(f for f in trouble(collection, contribution.id) if f.rule != UNIT_UNCONFIRMED)
    kind = _kind(refused is not None, found["rows"] is not None, worth, numbers)
    return Seen(state, delivery, kind, numbers, flags, tuple(worth[:_MOST_FINDINGS]))


def _kind(refused: bool, read: bool, findings: list[Finding], numbers: dict[str, int]) -> Kind:
    wrong = any(f.severity == "error" for f in findings)
    if refused or not read:
        return "refused" if wrong else "waiting"
    return "errors" if wrong or not numbers.get("stored") else "usable"


def _once(findings: Iterable[Finding]) -> list[Finding]:
    return list(dict.fromkeys(sorted(findings, key=lambda f: (f.severity, f.rule, f.file, f.line or 0, f.key))))
