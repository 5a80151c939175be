"""Registers a sealed release's DOIs: draft, update, publish, status. Never scheduled; a person starts each step.

Everything sent comes from the sealed release's own ``datacite.json`` and the DOIs from the settings. Each step reads
first and sends only what differs, so that a second run changes nothing, and reads back what it did.
"""

import dataclasses
import datetime as dt
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aqqua_dataset import __version__
from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.dois import DATACITE_DOI, TEST_PREFIXES
from aqqua_dataset.registry.models import Settings
from aqqua_dataset.registry.publishing import DoiSystem
from aqqua_dataset.release.datacite_client import Account, DataCiteClient, DataCiteRefused, Stored, Unanswered
from aqqua_dataset.release.datacite_compare import complete, differences
from aqqua_dataset.release.doi import Record, datacite_problems
from aqqua_dataset.release.doi_relations import Related, of_concept, of_part, of_version
from aqqua_dataset.release.gate import EMBARGO_ENDS, EMBARGO_ZONE
from aqqua_dataset.warehouse import Warehouse

Action = Literal["draft", "update", "publish", "status"]
#: DataCite: "supports up to 10,000 names".
MOST_NAMES = 10_000


@dataclass(frozen=True)
class Planned:
    """One DOI to be registered, where it leads and what it says."""

    doi: str
    url: str
    record: Record


@dataclass(frozen=True)
class Sealed:
    """What a release says of itself: RELEASED.json, its DataCite record and those of its parts."""

    folder: str
    version: str
    view: str
    rehearsal: bool
    record: Record
    parts: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Step:
    """What was found and done for one DOI.

    Attributes:
        state: state after the step; "" where there is no such DOI.
        differs: what differed from the release before the step.
        done: ``created``, ``changed``, ``published`` or ``nothing``.
    """

    doi: str
    state: str
    differs: tuple[str, ...]
    done: str


def read_sealed(warehouse: Warehouse, folder: str) -> Sealed:
    """A finished release.

    Raises:
        DataCiteRefused: it isn't finished, or its record was changed after it was sealed.
    """
    told = warehouse.read_json(f"{folder}/RELEASED.json")
    if told is None:
        raise _refused("release_unfinished", "expected a finished release with its RELEASED.json", folder)
    listed = warehouse.open(f"{folder}/manifest-sha256.txt").read().decode()
    if warehouse.sha256(f"{folder}/manifest-sha256.txt") != told["manifest_sha256"]:
        raise _refused("release_changed", "the list of checksums isn't the one that was sealed", folder)
    paths = ["datacite.json", *sorted(p.removeprefix(f"{folder}/") for p in warehouse.find(f"{folder}/datacite-parts"))]
    record, *parts = (_sealed_record(warehouse, folder, path, listed.splitlines()) for path in paths)
    return Sealed(folder, str(told["version"]), str(told["view"]), bool(told["rehearsal"]), record, tuple(parts))


def _sealed_record(warehouse: Warehouse, folder: str, path: str, listed: list[str]) -> Record:
    if f"{warehouse.sha256(f'{folder}/{path}')}  {path}" not in listed:
        raise _refused("release_changed", f"{path} isn't the one that was sealed", folder)
    with warehouse.open(f"{folder}/{path}") as stream:
        record: Record = json.loads(stream.read())
    return record


def plan(settings: Settings, system: DoiSystem, sealed: Sealed) -> list[Planned]:
    """The DOIs of the version, of its parts and, where there is one, of all versions.

    In the test system they have its prefix. What the settings say of other DOIs may be newer than the sealed release,
    such as a paper that came out since: it is added.
    """
    if settings.dataset.doi is None:
        raise _refused("doi_missing", "expected the version's DOI in settings.yaml, dataset.doi", "")
    if len(sealed.parts) != len(settings.doi.parts):
        message = (
            f"the release has {len(sealed.parts)} parts, settings.yaml has {len(settings.doi.parts)}: build it again"
        )
        raise _refused("doi_parts", message, sealed.folder)
    own = [settings.dataset.doi, settings.doi.concept, *(part.doi for part in settings.doi.parts)]
    here = _Here(settings, system, frozenset(doi.lower() for doi in own if doi))
    base = settings.dataset.url.rstrip("/")
    planned = [here.planned(settings.dataset.doi, f"{base}/v{sealed.version}/", sealed.record, of_version(settings))]
    for part, record in zip(settings.doi.parts, sealed.parts, strict=True):
        planned.append(here.planned(part.doi, part.url, record, of_part(settings, part)))
    if settings.doi.concept:
        whole = {k: v for k, v in sealed.record.items() if k not in ("version", "sizes", "relatedIdentifiers")}
        whole["dates"] = [d for d in sealed.record["dates"] if d["dateType"] == "Available"]
        planned.append(here.planned(settings.doi.concept, f"{base}/", whole, of_concept(settings)))
    return planned


@dataclass(frozen=True)
class _Here:
    """The dataset's own DOIs as one of the two systems has them."""

    settings: Settings
    system: DoiSystem
    own: frozenset[str]

    def planned(self, doi: str, url: str, record: Record, related: list[Related]) -> Planned:
        """The record under its DOI here, with the relations that it doesn't have yet."""
        told = [*record.get("relatedIdentifiers", []), *related]
        once = {(r["relationType"], r["relatedIdentifier"]): r for r in map(self._related, told)}
        plain = {k: v for k, v in record.items() if k != "doi"}
        return Planned(self._doi(doi), url, plain | {"relatedIdentifiers": list(once.values())})

    def _related(self, related: Related) -> Related:
        is_own = related["relatedIdentifier"].lower() in self.own
        return related | ({"relatedIdentifier": self._doi(related["relatedIdentifier"])} if is_own else {})

    def _doi(self, doi: str) -> str:
        """The DOI in this system: in the test system its suffix is the same."""
        suffix = doi.lower().split("/", 1)[1]
        return doi.lower() if self.system is self.settings.doi.production else f"{self.system.prefix}/{suffix}"


def refusals(
    action: Action, settings: Settings, production: bool, sealed: Sealed, gate_errors: list[Finding], now: dt.datetime
) -> list[Finding]:  # fmt: skip
    """Why the step may not be taken; empty means it may. ``status`` changes nothing and is always allowed."""
    system = settings.doi.production if production else settings.doi.test
    name = "production" if production else "test"
    if system is None:
        return [_error("doi_system", f"expected the {name} system in settings.yaml, doi.{name}")]
    if action == "status":
        return []
    own = filter(None, (settings.dataset.doi, settings.doi.concept, *(p.doi for p in settings.doi.parts)))
    found = [
        _error("doi_prefix", f"expected a DOI under the production prefix, found {doi}")
        for doi in own
        if production and (not doi.startswith(f"{system.prefix}/") or system.prefix in TEST_PREFIXES)
    ]
    today = now.astimezone(EMBARGO_ZONE).date()
    if sealed.rehearsal and (production or action == "publish"):
        found.append(_error("doi_rehearsal", "nothing from a rehearsal is registered; the test system takes its draft"))
    if sealed.view != "public":
        found.append(_error("doi_view", f"only the public view has a DOI; this is {sealed.view}"))
    if production and today < EMBARGO_ENDS:
        found.append(_error("doi_embargo", f"today is {today}; nothing before {EMBARGO_ENDS} (Europe/Berlin)"))
    if production and gate_errors:
        found += [_error("doi_gate", f"the release gate is red ({len(gate_errors)})"), *gate_errors]
    return found


def take(
    action: Action, client: DataCiteClient, planned: list[Planned], progress: Callable[[str], None]
) -> list[Step]:  # fmt: skip
    """Takes the step for each DOI. The record of every one is checked before anything is sent."""
    problems = [] if action == "status" else [_error("doi_record", t) for p in planned for t in _problems(p)]
    if problems:
        raise DataCiteRefused(problems)
    steps = []
    for one in planned:
        step = _take_one(action, client, one)
        progress(f"{step.doi}: {step.state or 'not there'}, {step.done}")
        steps.append(step)
    return steps


def _take_one(action: Action, client: DataCiteClient, one: Planned) -> Step:
    stored = _read(client, one.doi)
    differs = tuple(differences(one.url, one.record, stored.url, stored.attributes)) if stored else ()
    state = stored.state if stored else ""
    if action == "status":
        return Step(one.doi, state, differs, "nothing")
    if stored is None:
        if action != "draft":
            raise _refused("doi_absent", f"there is no such DOI yet: draft it before {action}", one.doi)
        return _done(
            client, one, lambda: client.create_draft(one.doi, one.url, one.record), "draft", differs, "created"
        )
    if action == "publish":
        if differs:
            raise _refused("doi_differs", f"differs in {', '.join(differs)}: draft or update it first", one.doi)
        if state == "findable":
            return Step(one.doi, state, (), "nothing")
        return _done(client, one, lambda: client.publish(one.doi), "findable", (), "published")
    if not differs:
        return Step(one.doi, state, (), "nothing")
    if state != "draft" and action == "draft":
        message = f"is {state} and differs in {', '.join(differs)}; to change it run: aqqua doi update"
        raise _refused("doi_public", message, one.doi)
    sent = complete(one.record)
    return _done(client, one, lambda: client.replace(one.doi, one.url, sent), state, differs, "changed")


def _done(
    client: DataCiteClient, one: Planned, send: Callable[[], None], state: str, differs: tuple[str, ...], done: str
) -> Step:
    """Sends a change and reads back: the server may have made it without answering, or ignored it without a word."""
    try:
        send()
    except Unanswered as silence:
        outcome = str(silence)
    else:
        outcome = "the server took it"
    stored = _read(client, one.doi)
    left = differences(one.url, one.record, stored.url, stored.attributes) if stored else ["everything"]
    if stored is None or stored.state != state or left:
        found = stored.state if stored else "not there"
        message = f"{outcome}, but read back it is {found}, different in {', '.join(left) or 'nothing'}; run it again"
        raise _refused("doi_not_done", message, one.doi)
    return Step(one.doi, stored.state, differs, done)


def _read(client: DataCiteClient, doi: str) -> Stored | None:
    try:
        return client.read(doi)
    except Unanswered as silence:
        raise _refused("doi_unanswered", f"DataCite doesn't answer ({silence}); run it again later", doi) from None


def _problems(planned: Planned) -> list[str]:
    record: Mapping[str, Any] = planned.record
    found = [f"{planned.doi}: {p}" for p in datacite_problems(planned.record)]
    names = len(record["creators"]) + len(record.get("contributors", []))
    if names > MOST_NAMES:
        found.append(f"{planned.doi}: {names:,} names; DataCite supports {MOST_NAMES:,}")
    if len(record.get("version", "")) > 191:
        found.append(f"{planned.doi}: the version has more than 191 characters")
    if DATACITE_DOI.fullmatch(planned.doi) is None:
        found.append(f"{planned.doi}: DataCite takes no such DOI")
    return found


def open_client(settings: Settings, system: DoiSystem, environment: Mapping[str, str] = os.environ) -> DataCiteClient:
    """The client for a system, with the account that the environment names."""
    missing = [name for name in (system.user_env, system.password_env) if not environment.get(name)]
    if missing:
        message = f"expected the account in the environment variables {', '.join(missing)}"
        raise _refused("doi_credentials", message, "")
    agent = f"aqqua_dataset/{__version__} ({settings.dataset.url}; mailto:{settings.dataset.contact_email})"
    return DataCiteClient(system.api, Account(environment[system.user_env], environment[system.password_env]), agent)


def register(
    action: Action, settings: Settings, sealed: Sealed, production: bool, gate_errors: list[Finding], now: dt.datetime,
    progress: Callable[[str], None],
) -> list[Step]:  # fmt: skip
    """One step for a release, when nothing speaks against it.

    Raises:
        DataCiteRefused: a rule of the project, or the server, refused it.
    """
    if found := refusals(action, settings, production, sealed, gate_errors, now):
        raise DataCiteRefused([dataclasses.replace(f, severity="error") for f in found])
    system = settings.doi.production if production else settings.doi.test
    assert system is not None
    return take(action, open_client(settings, system), plan(settings, system, sealed), progress)


def _error(rule: str, message: str) -> Finding:
    return Finding(rule, "error", message)


def _refused(rule: str, message: str, value: str) -> DataCiteRefused:
    return DataCiteRefused([Finding(rule, "error", message, value=value)])
