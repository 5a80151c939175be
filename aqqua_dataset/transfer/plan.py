"""What is to be done for a version: what lies at the source, what of it is there, and what checksums are stated."""

import datetime as dt
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from aqqua_dataset.findings import Severity
from aqqua_dataset.transfer import receive
from aqqua_dataset.transfer.lists import Expected, find_listed, is_list, read_list
from aqqua_dataset.transfer.names import Names
from aqqua_dataset.transfer.receive import Connections, LinkPlace, Received
from aqqua_dataset.transfer.remote import NotTheFile, RemoteFile
from aqqua_dataset.transfer.staging import Staging
from aqqua_dataset.transfer.versions import Fetched, Record


class Tell(Protocol):
    """Takes a finding."""

    def __call__(self, rule: str, severity: Severity, message: str, file: str = "", value: str = "") -> None:
        """Rule, severity, message, and the file and value it is about."""


@dataclass
class Listing:
    """What lies at the source now.

    Attributes:
        files: by path in the version; their ``path`` is that path.
        respelled: the source's name of each file that is kept under another one.
        kept: what came earlier through links that have expired since.
        unreachable: some link gave no answer, so the listing isn't whole.
    """

    files: dict[str, RemoteFile] = field(default_factory=dict)
    respelled: dict[str, str] = field(default_factory=dict)
    kept: list[Record] = field(default_factory=list)
    unreachable: bool = False


@dataclass
class Plan:
    """What to do with each file: ``same`` and renamed ones are taken from the version before."""

    same: dict[str, Record] = field(default_factory=dict)
    to_fetch: list[RemoteFile] = field(default_factory=list)


def list_links(
    connections: Connections, links: list[LinkPlace], here: Iterable[Record], tell: Tell
) -> Listing:  # fmt: skip
    """Lists every link; one that fails is told and doesn't stop the others, and what came through it before stays."""
    listing, names = Listing(), Names()
    before = list(here)
    for number, link in enumerate(links):
        try:
            found = _files(connections, number)
        except NotTheFile as error:
            connections.drop(number)
            earlier = [r for r in before if r.link == link.key]
            listing.kept += earlier
            if earlier:
                message = f"{link.hide(str(error))}: what was fetched through it before is kept"
                tell("link_expired", "note", message, link.shown)
            else:
                tell(error.rule, "error", link.hide(str(error)), link.shown)
            continue
        except OSError as error:
            connections.drop(number)
            listing.unreachable = True
            tell("source_unreachable", "error", f"no answer ({link.hide(str(error))}); try again later", link.shown)
            continue
        for file in sorted(found, key=lambda f: f.path):
            path = names.path_for(file.path)
            listing.files[path] = replace(file, path=path, link=number)
            if path != file.path:
                listing.respelled[path] = file.path
    return listing


def _files(connections: Connections, number: int) -> list[RemoteFile]:
    for attempt in range(1, receive.ATTEMPTS):
        try:
            return list(connections.get(number).files())
        except OSError:
            connections.drop(number)
            time.sleep(receive.pause(attempt))
    return list(connections.get(number).files())


def only_lists(listing: Listing) -> Listing:
    """The lists of checksums among the files."""
    return Listing({p: f for p, f in listing.files.items() if is_list(p)})


def make_plan(
    listing: Listing, fetched: Fetched, done: Mapping[str, Record], expected: Expected, links: list[LinkPlace]
) -> Plan:  # fmt: skip
    """Decides for every file whether it is there already, under this name or another."""
    plan = Plan()
    known: dict[tuple[str, str], Record] | None = None
    for path, file in listing.files.items():
        link = links[file.link]
        stated = dict(file.hashes) | expected.get(path, {})
        if _is_same(done.get(path), file, link, stated, fetched):
            continue
        before = fetched.records.get(path)
        if before is not None and _is_same(before, file, link, stated, fetched):
            how = before.how if before.how == "quarantined" else "same"
            plan.same[path] = replace(before, how=how, was=before.was if how == "quarantined" else "", stamp=file.stamp)
            continue
        if stated and known is None:
            known = _by_hash(fetched.records.values())
        twin = next((known[pair] for pair in stated.items() if pair in known), None) if known else None
        if twin is not None and file.size in (None, twin.size):
            told = replace(twin, path=path, stamp=file.stamp, origin=origin(file, links), link=link.key)
            plan.same[path] = replace(told, how="renamed", was=twin.path)
        else:
            plan.to_fetch.append(file)
    return plan


def _by_hash(records: Iterable[Record]) -> dict[tuple[str, str], Record]:
    return {pair: r for r in records if r.how != "quarantined" for pair in r.hashes.items()}


def _is_same(
    record: Record | None, file: RemoteFile, link: LinkPlace, stated: Mapping[str, str], fetched: Fetched
) -> bool:  # fmt: skip
    """Whether what is there is the file as it is at the source now."""
    if record is None or (file.size is not None and file.size != record.size):
        return False
    if record.how == "quarantined":
        algorithm, _, digest = record.was.partition(":")
        if stated.get(algorithm) != digest or not fetched.store.exists(f"{fetched.folder}/quarantine/{record.path}"):
            return False
        return record.stamp == file.stamp and record.link == link.key
    if any(record.hashes.get(algorithm, digest) != digest for algorithm, digest in stated.items()):
        return False
    if any(algorithm in record.hashes for algorithm in stated):
        return True
    return record.stamp == file.stamp and record.link == link.key and (file.size is not None or file.stamp != "")


def read_lists(
    lists: Listing, fetched: Fetched, staging: Staging, plan: Plan, listing: Listing, tell: Tell
) -> Expected:  # fmt: skip
    """What the lists state of the files that are there; files that are listed and missing are told."""
    expected: Expected = {}
    for path in sorted(lists.files):
        place = f"{fetched.folder}/{staging.version}/{path}"
        if path in plan.same:
            place = f"{fetched.folder}/{fetched.version}/{plan.same[path].was or path}"
        elif path not in staging.done:
            continue  # it couldn't be fetched, which is told
        with fetched.store.open(place) as stream:
            for name, algorithm, digest in read_list(path, stream):
                meant = find_listed(name, path, listing.files)
                if meant is None:
                    tell("listed_file_missing", "warning", f"{path} lists it, but it isn't there", name)
                elif meant != path:  # a list can't know its own checksum
                    expected.setdefault(meant, {})[algorithm] = digest
    return expected


def origin(file: RemoteFile, links: list[LinkPlace]) -> str:
    """Where a file comes from, without secrets."""
    link = links[file.link]
    if link.url.lower().startswith(("http://", "https://")):
        return link.shown
    return f"{link.shown.rstrip('/')}/{file.path}"


def record_of(file: RemoteFile, received: Received, links: list[LinkPlace]) -> Record:
    """The log's line of a file that has just arrived."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    key = links[file.link].key
    return Record(file.path, received.size, received.hashes, file.stamp, origin(file, links), key, now, "fetched")


def settle(plan: Plan, listing: Listing, staging: Staging, fetched: Fetched) -> list[Record]:
    """Records of the version: what arrived now is told apart from what the version before had already."""
    records = dict(plan.same)
    expired = {r.path for r in listing.kept}
    for path, record in staging.done.items():
        if path in listing.files or path in expired or listing.unreachable:
            records[path] = record
        elif record.how == "fetched":  # it went from the source between two runs
            fetched.store.remove(f"{fetched.folder}/{staging.version}/{path}")
    for kept in listing.kept:
        records.setdefault(kept.path, kept if kept.how == "quarantined" else replace(kept, how="same", was=""))
    known = _by_hash(r for r in fetched.records.values() if r.path not in plan.same)
    for path, record in records.items():
        twin = known.get(("sha256", record.hashes["sha256"])) if record.how == "fetched" else None
        before = fetched.records.get(path)
        equal = before is not None and before.hashes["sha256"] == record.hashes["sha256"]
        if record.how == "fetched" and before is not None and equal and before.how != "quarantined":
            records[path] = replace(record, how="same", fetched=before.fetched)
        elif twin is not None and twin.path not in listing.files:
            records[path] = replace(record, how="renamed", was=twin.path, fetched=twin.fetched)
    return [records[path] for path in sorted(records)]


def content(records: Iterable[Record]) -> dict[str, tuple[str, bool]]:
    """What a version holds, whatever sources say of it."""
    return {r.path: (r.hashes["sha256"], r.how == "quarantined") for r in records}
