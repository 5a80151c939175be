"""Brings a contribution's delivery into the deliveries: what is new or changed, verified, as a version of its own.

A version that was fetched never changes; files that didn't change are put into the next one under a second name
(a hard link on a local disk). An interrupted run goes on at the byte where it ended. What a contributor or a server
did wrong is a finding, and so is a disk without room: other contributions may be smaller.
"""

import datetime as dt
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

from aqqua_dataset import space
from aqqua_dataset.compute import Clock
from aqqua_dataset.findings import Finding, Refused, Severity, has_errors, worst_first
from aqqua_dataset.pipeline import Collection, intake_refusal
from aqqua_dataset.registry.fetching import FetchFrom, link_problem
from aqqua_dataset.registry.models import Contribution
from aqqua_dataset.transfer import plan as planning
from aqqua_dataset.transfer.lists import Expected, is_list
from aqqua_dataset.transfer.plan import Listing, Plan
from aqqua_dataset.transfer.receive import Connections, LinkPlace, Received, Receiver
from aqqua_dataset.transfer.remote import NotTheFile, RemoteFile
from aqqua_dataset.transfer.staging import Busy, Staging, open_staging, put, room_for
from aqqua_dataset.transfer.versions import Fetched, Record
from aqqua_dataset.warehouse import Warehouse

log = logging.getLogger(__name__)

#: Files under way at once.
PARALLEL = 4
_MOST_OF_A_RULE = 100

_NUMBERS = ("fetched_now", "bytes_now", "fetched_files", "same_files", "renamed_files", "quarantined_files")

Outcome = Literal["fetched", "unchanged", "unfinished", "refused", "not_to_fetch"]


@dataclass(frozen=True)
class FetchReport:
    """What was done for one contribution.

    Attributes:
        outcome: ``fetched`` a new version, ``unchanged``, ``unfinished`` (the next run goes on), ``refused``
            (a finding says why), or ``not_to_fetch``: the registry names no link.
        version: the version that is read now; "" where there is none.
        numbers: files and bytes that arrived in this run; files of the version by how they came.
    """

    contribution: str
    outcome: Outcome
    version: str = ""
    numbers: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


class _Found:
    """Findings from several threads; of each rule the first hundred by name, then counted."""

    def __init__(self, contribution: str) -> None:
        self._contribution = contribution
        self._lock = threading.Lock()
        self._all: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self._last: dict[str, int] = {}

    def add(self, rule: str, severity: Severity, message: str, file: str = "", value: str = "") -> None:
        with self._lock:
            self._counts[rule] += 1
            if self._counts[rule] > _MOST_OF_A_RULE:
                last = self._last[rule]
                self._all[last] = replace(self._all[last], count=self._all[last].count + 1)
                return
            self._last[rule] = len(self._all)
            self._all.append(Finding(rule, severity, message, self._contribution, file, value=value))

    def all(self) -> tuple[Finding, ...]:
        return tuple(worst_first(self._all))


def fetch_contribution(
    collection: Collection, contribution_id: str, progress: Callable[[str], None] = log.info,
    parallel: int = PARALLEL, today: dt.date | None = None, every_seconds: float = 60.0,
) -> FetchReport:  # fmt: skip
    """Fetches what is new or changed of a contribution's delivery.

    Args:
        collection: registry and deliveries.
        contribution_id: which one.
        progress: told how much is there, the rate and the time left.
        parallel: files under way at once.
        today: names a new version; the day in UTC when left out.
        every_seconds: how often ``progress`` is told.
    """
    contribution = collection.registry.contributions[contribution_id]
    source = contribution.source
    if source is None or source.fetch_from is None:
        return FetchReport(contribution_id, "not_to_fetch")
    if refusal := intake_refusal(collection.registry, contribution):
        return FetchReport(contribution_id, "refused", findings=(refusal,))
    store = Warehouse(collection.config.deliveries, collection.config.storage.deliveries)
    fetched = Fetched.open(store, source.location)
    found = _Found(contribution_id)
    try:
        links = _links(source.fetch_from)
        with (
            open_staging(fetched, fetched.new_version(today or dt.datetime.now(dt.UTC).date())) as staging,
            Connections(links) as connections,
        ):
            run = _Run(contribution, fetched, staging, links, connections, found, parallel)
            return run.fetch(_quota(collection, source.fetch_from), progress, every_seconds)
    except Busy:
        found.add("fetch_busy", "warning", "another run fetches this contribution now")
    except Refused as refused:  # a variable that isn't set, a full disk, a version that somebody else wrote
        for finding in refused.findings:
            found.add(finding.rule, "error", finding.message, finding.file, finding.value)
    except NotTheFile as error:
        found.add(error.rule, "error", str(error))
    return FetchReport(contribution_id, "refused", fetched.version, findings=found.all())


def _quota(collection: Collection, fetch: FetchFrom) -> float | None:
    """The most bytes that this delivery may have."""
    gigabytes = fetch.quota_gb or collection.registry.settings.fetch_quota_gb
    return None if gigabytes is None else gigabytes * 1e9


def _links(fetch: FetchFrom) -> list[LinkPlace]:
    """The links, with those looked up that the environment holds.

    Raises:
        NotTheFile: a variable isn't set, or holds no link.
    """
    if fetch.urls_env is None:
        return [LinkPlace(url, url.partition("?")[0], fetch.options) for url in fetch.urls]
    urls = os.environ.get(fetch.urls_env, "").split()
    if not urls:
        raise NotTheFile("storage_secret_missing", f"the environment has no variable {fetch.urls_env} with links")
    for url in urls:
        problem = link_problem(url)
        if problem is not None and problem[0] == "fetch_link_invalid":
            raise NotTheFile(problem[0], f"in the variable {fetch.urls_env}: {problem[1]}")
    return [LinkPlace(url, f"${fetch.urls_env}[{n}]", fetch.options) for n, url in enumerate(urls)]


@dataclass
class _Run:
    """One run for one contribution."""

    contribution: Contribution
    fetched: Fetched
    staging: Staging
    links: list[LinkPlace]
    connections: Connections
    found: _Found
    parallel: int
    unfinished: bool = False
    arrived: Counter[str] = field(default_factory=Counter)

    def fetch(self, quota: float | None, progress: Callable[[str], None], every: float) -> FetchReport:
        """Lists, plans, brings and commits."""
        here = [*self.fetched.records.values(), *self.staging.done.values()]
        listing = planning.list_links(self.connections, self.links, here, self.found.add)
        self.unfinished = listing.unreachable
        if not listing.files:
            return self._nothing_there(listing)
        total = sum(f.size or 0 for f in listing.files.values())
        if quota is not None and total > quota:
            told = f"the delivery has {total / 1e9:,.3f} GB, {quota / 1e9:,.3f} are allowed (quota_gb): nothing fetched"
            self.found.add("delivery_over_quota", "error", told)
            return self._report("refused")
        expected = self._checksum_lists(listing)
        plan = planning.make_plan(listing, self.fetched, self.staging.done, expected, self.links)
        failed = {p for p in listing.files if is_list(p) and p not in self.staging.done}
        self._bring_all([f for f in plan.to_fetch if f.path not in failed], expected, progress, every)
        return self._finish(plan, listing)

    def _nothing_there(self, listing: Listing) -> FetchReport:
        if self.unfinished:
            return self._report("unfinished")
        if listing.kept:  # every link has expired since its file was fetched
            return self._report("unchanged")
        if not has_errors(self.found.all()):
            self.found.add("delivery_empty", "error", "nothing lies at the source; what was fetched before stays")
        return self._report("refused")

    def _checksum_lists(self, listing: Listing) -> Expected:
        """Brings the lists of checksums first; returns what they state of the files that are there."""
        lists = planning.only_lists(listing)
        if not lists.files:
            return {}
        plan = planning.make_plan(lists, self.fetched, self.staging.done, {}, self.links)
        self._bring_all(plan.to_fetch, {}, log.debug, float("inf"))
        return planning.read_lists(lists, self.fetched, self.staging, plan, listing, self.found.add)

    def _bring_all(
        self, files: list[RemoteFile], expected: Expected, progress: Callable[[str], None], every: float
    ) -> None:  # fmt: skip
        if not files:
            return
        here = [part.stat().st_size for f in files if (part := self.staging.part(f)).exists()]
        to_come = max(0, sum(f.size or 0 for f in files) - sum(here))
        # Only a local store keeps everything where it arrives; else a part goes when it was uploaded.
        largest = sorted((f.size or 0 for f in files), reverse=True)[: self.parallel]
        room_for(to_come if self.fetched.store.is_local else min(to_come, sum(largest)), self.staging.folder)
        clock = Clock(self.contribution.id, to_come, progress, every, "MB", 1_000_000)
        lock = threading.Lock()

        def count(size: int) -> None:
            with lock:
                clock.count(size)

        receiver = Receiver(self.connections, count)
        with ThreadPoolExecutor(self.parallel) as pool:
            tasks = [pool.submit(self._bring, receiver, file, expected) for file in files]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _bring(self, receiver: Receiver, file: RemoteFile, expected: Expected) -> None:
        """Brings one file into the new version, or says why not."""
        told = dict(file.hashes)
        told |= expected.get(file.path, {})
        part, link = self.staging.part(file), self.links[file.link]
        try:
            received = receiver.receive(file, part, told)
        except NotTheFile as error:
            part.unlink(missing_ok=True)
            told_from = f"{link.hide(str(error))} ({planning.origin(file, self.links)})"
            self.found.add(error.rule, "error", told_from, file.path)
            return
        except OSError as error:
            self.unfinished = True
            why = link.hide(str(error))
            message = f"the source can't be reached any more ({why}); what has arrived is kept, the next run goes on"
            self.found.add("fetch_interrupted", "error", message, file.path)
            return
        if received.began_anew:
            message = "the server can't send from the middle of a file: it was begun anew after an interruption"
            self.found.add("fetch_began_anew", "note", message, file.path)
        self._keep(file, received, {a: d for a, d in told.items() if received.hashes[a] != d})

    def _keep(self, file: RemoteFile, received: Received, wrong: dict[str, str]) -> None:
        """Puts an arrived file into the version, or into quarantine where its checksum is wrong."""
        record = planning.record_of(file, received, self.links)
        part = self.staging.part(file)
        if wrong:
            algorithm, digest = next(iter(wrong.items()))
            record = replace(record, how="quarantined", was=f"{algorithm}:{digest}")
            put(self.fetched, part, f"{self.fetched.folder}/quarantine/{file.path}")
        else:
            put(self.fetched, part, f"{self.fetched.folder}/{self.staging.version}/{file.path}")
            self.arrived.update(fetched_now=1, bytes_now=received.size)
        self.staging.note(record)

    def _finish(self, plan: Plan, listing: Listing) -> FetchReport:
        records = planning.settle(plan, listing, self.staging, self.fetched)
        self._tell(records, listing)
        if self.unfinished:
            return self._report("unfinished")
        if all(r.how == "quarantined" for r in records):
            return self._report("refused")
        if planning.content(records) != planning.content(self.fetched.records.values()):
            return self._commit(records)
        if {r.path: r.stamp for r in records} != {r.path: r.stamp for r in self.fetched.records.values()}:
            self.fetched.write_log(self.fetched.version, records)  # else these would be fetched again and again
        self.fetched.store.remove(f"{self.fetched.folder}/{self.staging.version}")
        self.staging.clear()
        return self._report("unchanged")

    def _tell(self, records: list[Record], listing: Listing) -> None:
        """Counts the version's files and says what is remarkable about them."""
        self.arrived.update({f"{how}_files": n for how, n in Counter(r.how for r in records).items()})
        for record in records:
            if record.how == "renamed":
                self.found.add("file_renamed", "note", f"the same content was {record.was} before", record.path)
            elif record.how == "quarantined":
                algorithm, _, digest = record.was.partition(":")
                message = (
                    f"expected {algorithm} {digest}, found {record.hashes[algorithm]}: the file lies in quarantine; "
                    "ask the contributor which one is right"
                )
                self.found.add("checksum_wrong", "error", message, record.path)
        for path, name in listing.respelled.items():
            self.found.add("name_not_safe", "note", f"kept as {path}: the name isn't safe on disks", path, name)
        there = {r.path for r in records} | {r.was for r in records if r.how == "renamed"}
        for path in () if self.unfinished else sorted(set(self.fetched.records) - there):
            message = f"no longer at the source; it stays in version {self.fetched.version}"
            self.found.add("file_gone", "warning", message, path)

    def _commit(self, records: Iterable[Record]) -> FetchReport:
        kept, store, folder = list(records), self.fetched.store, self.fetched.folder
        new = f"{folder}/{self.staging.version}"
        with space.needed():
            for record in kept:
                if record.how in ("same", "renamed"):
                    old = record.was if record.how == "renamed" else record.path
                    store.copy(f"{folder}/{self.fetched.version}/{old}", f"{new}/{record.path}")
            self.fetched.commit(self.staging.version, kept)
        self.staging.clear()
        return self._report("fetched", self.staging.version)

    def _report(self, outcome: Outcome, version: str = "") -> FetchReport:
        numbers = {name: self.arrived[name] for name in _NUMBERS}
        found = self.found.all()
        return FetchReport(self.contribution.id, outcome, version or self.fetched.version, numbers, found)
