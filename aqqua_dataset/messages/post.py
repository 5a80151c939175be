"""Sends the night's messages: one to each person for whom something is new, at most so many, never the same twice."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from aqqua_dataset.findings import Finding
from aqqua_dataset.messages.letter import letter, message_key
from aqqua_dataset.messages.mail import Post, Sent, open_post
from aqqua_dataset.messages.news import Item, news
from aqqua_dataset.messages.said import Ledger, people_written_to
from aqqua_dataset.nightly.state import short
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.load import load_contacts
from aqqua_dataset.registry.models import Contact
from aqqua_dataset.release.people import identities
from aqqua_dataset.transfer.alone import alone


@dataclass
class Posting:
    """What became of a night's messages; people by their ids.

    Attributes:
        sent: messages that left, or lie in the outbox: person and where.
        held: more waited than may be sent without a person's word; none of them was sent.
        without_address: news wait for people who have none.
        unwanted: people who want no messages.
        refused, later, doubtful: with the reason.
        texts: what was, or would be, said.
        findings: what is wrong with the private contacts.
    """

    sent: dict[str, str] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    without_address: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    later: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def post(
    collection: Collection, now: dt.datetime, most: int | None = None, dry_run: bool = False
) -> Posting:  # fmt: skip
    """Tells every owner what is new for them.

    Args:
        collection: registry, warehouse and places.
        now: the moment.
        most: messages that may be sent; the settings' ``most_per_night`` when left out.
        dry_run: say what would be sent; nothing is sent and nothing noted.

    Raises:
        Busy: another run sends now.
    """
    settings = collection.registry.settings
    most = settings.messages.most_per_night if most is None else most
    contacts, findings = load_contacts(collection.config.registry)
    done = Posting(findings=findings)
    with alone(collection.warehouse, "sending"):
        waiting = _waiting(collection, contacts, done)
        if len(waiting) > most and not dry_run:
            done.held = sorted(waiting)
            return done
        sender = settings.dataset.contact_email
        with open_post(settings.messages.smtp, sender, collection.config) as way:
            for person, (address, items) in waiting.items():
                _one(collection, person, address, items, now, None if dry_run else way, done)
    return done


def _waiting(
    collection: Collection, contacts: list[Contact], done: Posting
) -> dict[str, tuple[str, list[Item]]]:  # fmt: skip
    """Address and untold news of each person who can be told something."""
    addresses, unwanted = addresses_of(collection, contacts)
    found = {}
    for person, items in news(collection).items():
        address = addresses.get(person, "")
        said = Ledger(collection.warehouse, person)
        told = said.told(address)
        fresh = [item for item in items if item.key not in told]
        for message in said.messages:
            if message.state == "doubtful":
                done.doubtful[person] = message.told
            elif message.state == "refused" and message.to == short(address):
                done.refused[person] = message.told
        if not fresh:
            continue
        if person in unwanted:
            done.unwanted.append(person)
        elif not address:
            done.without_address.append(person)
        else:
            found[person] = (address, fresh)
    return found


def addresses_of(collection: Collection, contacts: list[Contact]) -> tuple[dict[str, str], set[str]]:
    """Address by the id of the person behind the record, and who of them wants no messages."""
    people = identities(collection.registry)
    addresses: dict[str, str] = {}
    unwanted = set()
    for contact in sorted(contacts, key=lambda c: c.person):
        if contact.person not in people:
            continue
        person = people[contact.person].id
        if contact.person == person or person not in addresses:
            addresses[person] = contact.email
        if not contact.messages:
            unwanted.add(person)
    return addresses, unwanted


def _one(
    collection: Collection, person: str, address: str, items: list[Item], now: dt.datetime, way: Post | None,
    done: Posting,
) -> None:  # fmt: skip
    """One message: noted as intended, sent, noted as sent."""
    try:
        message = letter(collection, collection.registry.people[person], address, items, now)
    except ValueError as error:
        done.refused[person] = str(error)
        return
    body = message.get_body()
    done.texts[person] = "" if body is None else str(body.get_content())
    if way is None:
        return
    keys = [item.key for item in items]
    key, said = message_key(person, keys), Ledger(collection.warehouse, person)
    said.intend(key, keys, address, now)
    sent: Sent = way.send(message, address)
    said.settle(key, sent.state, sent.told if sent.state != "sent" else "")
    outcome: dict[str, dict[str, str]] = {
        "sent": done.sent, "refused": done.refused, "later": done.later, "doubtful": done.doubtful,
    }  # fmt: skip
    outcome[sent.state][person] = sent.told


def open_messages(collection: Collection) -> Mapping[str, list[str]]:
    """Messages that need a person: doubtful and refused ones, by person."""
    found = {}
    for person in people_written_to(collection.warehouse):
        messages = Ledger(collection.warehouse, person).messages
        stuck = [f"{m.state} {m.at}: {m.told}" for m in messages if m.state != "sent"]
        if stuck:
            found[person] = stuck
    return found
