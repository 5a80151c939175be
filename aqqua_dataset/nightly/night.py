"""The whole night in one call, as the command line and the Dagster assets share it."""

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from aqqua_dataset.findings import Finding
from aqqua_dataset.messages.letter import envelope, message_key, name_of
from aqqua_dataset.messages.mail import Post, Sent, open_post
from aqqua_dataset.messages.post import addresses_of, post
from aqqua_dataset.messages.said import Ledger
from aqqua_dataset.nightly.collect import count_if_changed, write_due_reports
from aqqua_dataset.nightly.digest import TOLD, Digest, make_digest, snapshot
from aqqua_dataset.nightly.fetching import HOURS, fetch_due
from aqqua_dataset.nightly.state import short, write_changed
from aqqua_dataset.nightly.validate import Validation, validate_changed
from aqqua_dataset.nightly.words import words
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.privacy import blot
from aqqua_dataset.registry.load import load_contacts
from aqqua_dataset.release.people import identities
from aqqua_dataset.transfer.alone import alone
from aqqua_dataset.transfer.fetch import FetchReport

log = logging.getLogger(__name__)

DIGESTS = "nightly/digests"
UNSENT = "nightly/unsent.json"
_RECIPIENTS = "messages/digest"


@dataclass(frozen=True)
class Told:
    """A night's digest: the facts, the words, where they lie ("" on a quiet night), and who got them by mail."""

    digest: Digest
    text: str
    path: str
    mailed: dict[str, str]


@dataclass
class Night:
    """What a night did."""

    validation: Validation
    told: Told
    fetched: list[FetchReport] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    counted: bool = False


def run_night(
    collection: Collection, registry_findings: Sequence[Finding], executor: Executor, workers: int, now: dt.datetime,
    fetch_hours: float = HOURS, most: int | None = None, dry_run: bool = False,
    progress: Callable[[str], None] = log.info,
) -> Night:  # fmt: skip
    """Fetches, validates, counts, reports, tells.

    Args:
        collection: registry, deliveries, warehouse.
        registry_findings: what the registry's validation found.
        executor: where parts and shards are worked on.
        workers: its workers.
        now: the moment that the night counts as.
        fetch_hours: hours after which no further fetch is begun; 0 fetches nothing.
        most: messages that may be sent; the settings' number when left out.
        dry_run: send nothing and note nothing as said; everything else is done.
        progress: told how far it is.

    Raises:
        Busy: another night runs.
        NoSpace: the disk is full.
    """
    fetched = list(fetch_due(collection, now, progress, fetch_hours)) if fetch_hours > 0 else []
    validation = validate_changed(collection, executor, workers, now, progress=progress)
    counted = count_if_changed(collection, executor, workers)
    reports = [key for key, _ in write_due_reports(collection, now)]
    told = tell(collection, registry_findings, now, most, dry_run)
    return Night(validation, told, fetched, reports, counted)


def tell(
    collection: Collection, registry_findings: Sequence[Finding], now: dt.datetime, most: int | None = None,
    dry_run: bool = False,
) -> Told:  # fmt: skip
    """Sends the messages to owners and the digest to the data manager; a night without news sends no digest."""
    with alone(collection.warehouse, "telling"):
        posting = post(collection, now, most, dry_run)
        made = make_digest(collection, [*registry_findings, *posting.findings], posting, now)
        text = blot(words(made))  # a finding may show an address
        if dry_run:
            return Told(made, text, "", {})
        unsent = list((collection.warehouse.read_json(UNSENT) or {"digests": []})["digests"])
        path = "" if made.quiet else _free_path(collection, made.day)
        if path:
            collection.warehouse.write_bytes(path, text.encode())
            collection.warehouse.write_json(UNSENT, {"digests": [*unsent, path]})
            collection.warehouse.write_json(TOLD, snapshot(collection, made, now))
            unsent.append(path)
        return Told(made, text, path, _mail(collection, unsent, now) if unsent else {})


def _free_path(collection: Collection, day: dt.date) -> str:
    """One file for each digest: the day, with a number where a day has several."""
    names, number = set(collection.warehouse.names(DIGESTS)), 1
    while (name := f"{day}{f'-{number}' if number > 1 else ''}.md") in names:
        number += 1
    return f"{DIGESTS}/{name}"


def _mail(collection: Collection, digests: Sequence[str], now: dt.datetime) -> dict[str, str]:
    """Sends digests to everybody who gets them; returns what became of the last by recipient.

    One that surely didn't leave is sent with the next night's.
    """
    done: dict[str, str] = {}
    settings = collection.registry.settings
    left: list[str] = []
    with open_post(settings.messages.smtp, settings.dataset.contact_email, collection.config) as way:
        for path in digests:
            with collection.warehouse.open(path) as stream:
                text = stream.read().decode()
            states = [_one(collection, way, who, text, now) for who in _recipients(collection).items()]
            left += [path] * any(sent.state == "later" for _, sent in states)
            done |= {name: f"{sent.state} {sent.told}".strip() for name, sent in states}
    write_changed(collection.warehouse, UNSENT, {"digests": left})
    return done


def _one(
    collection: Collection, way: Post, recipient: tuple[str, tuple[str, str]], text: str, now: dt.datetime
) -> tuple[str, Sent]:
    """Sends a digest to one person, unless it was sent before."""
    person, (name, address) = recipient
    item = short(text)
    key, said = message_key(person, [item]), Ledger(collection.warehouse, person, _RECIPIENTS)
    if item in said.told(address):
        return person, Sent("sent", "before")
    try:
        message = envelope(collection, name, address, text.partition("\n")[0].removeprefix("# "), key, now)
    except ValueError as error:
        return person, Sent("refused", str(error))
    message.set_content(text)
    said.intend(key, [item], address, now)
    sent = way.send(message, address)
    said.settle(key, sent.state, sent.told if sent.state != "sent" else "")
    return person, sent


def _recipients(collection: Collection) -> dict[str, tuple[str, str]]:
    """Name and address of everybody who gets the digest; the dataset's own mailbox where nobody is named."""
    settings = collection.registry.settings
    contacts, _ = load_contacts(collection.config.registry)
    addresses, _ = addresses_of(collection, contacts)
    people = identities(collection.registry)
    found = {}
    for name in settings.messages.digest_to:
        person = people[name]
        if person.id in addresses:
            found[person.id] = (name_of(person), addresses[person.id])
    return found or {"contact": (settings.dataset.consortium, settings.dataset.contact_email)}
