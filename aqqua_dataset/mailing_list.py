"""The mailing list of those who agreed to it, as list servers take it, and what changed since it was written last.

It holds addresses, so it is written for its owner's eyes only and never into the warehouse.
"""

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from pathlib import Path

from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.messages.letter import name_of
from aqqua_dataset.registry.load import load_contacts
from aqqua_dataset.registry.models import Contact, Registry
from aqqua_dataset.release.people import identities

_ADDRESS = re.compile(r"<([^<>]+)>\s*$")


class MailingListRefused(Refused):
    """The list can't be written there."""

    what = "the mailing list"


@dataclass(frozen=True)
class MailingList:
    """What was written: lines of the list, and those that are new or gone since the last time."""

    lines: tuple[str, ...]
    subscribe: tuple[str, ...]
    unsubscribe: tuple[str, ...]
    findings: tuple[Finding, ...]


def write_mailing_list(registry: Registry, config: Config, out: Path) -> MailingList:
    """Writes the list to ``out``, and beside it what changed to ``out``.subscribe and ``out``.unsubscribe.

    The file that stands there is the last export; without one everybody is new.

    Raises:
        MailingListRefused: the place lies in the warehouse.
    """
    out = out.absolute()
    if "://" not in config.warehouse and out.resolve().is_relative_to(Path(config.warehouse).resolve()):
        message = "addresses never lie in the warehouse: expected a file elsewhere"
        raise MailingListRefused([Finding("mailing_list_place", "error", message, file=str(out))])
    contacts, findings = load_contacts(config.registry)
    lines, wrong = members(registry, contacts)
    before = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    now, then = {_key(line): line for line in lines}, {_key(line): line for line in before if line.strip()}
    new = tuple(now[key] for key in sorted(now.keys() - then.keys()))
    gone = tuple(then[key] for key in sorted(then.keys() - now.keys()))
    # The list comes last: an export that was broken off is made again against the same one.
    for path, told in ((f"{out}.subscribe", new), (f"{out}.unsubscribe", gone), (str(out), lines)):
        _write(Path(path), told)
    return MailingList(tuple(lines), new, gone, (*findings, *wrong))


def members(registry: Registry, contacts: Iterable[Contact]) -> tuple[list[str], list[Finding]]:
    """``Name <address>`` of everybody who agreed, sorted by address, each person and each address once.

    Left out: people who aren't in the registry (any more), and owners all of whose contributions were withdrawn.
    """
    people = identities(registry)
    withdrawn = _withdrawn(registry)
    found: dict[str, tuple[str, str]] = {}
    wrong = []
    # A person's own record comes before those that are joined to it.
    for contact in sorted(contacts, key=lambda c: people[c.person].id != c.person if c.person in people else True):
        person = people.get(contact.person)
        if not contact.mailing_list or person is None or person.id in withdrawn:
            continue
        try:
            line = str(Address(" ".join(name_of(person).split()), addr_spec=contact.email))
        except (MessageError, ValueError, IndexError):
            message = "no address that a list server takes; correct it in private/contacts.yaml"
            wrong.append(Finding("address_invalid", "error", message, value=contact.person))
            continue
        found.setdefault(person.id, (contact.email.casefold(), line))
    by_address = dict(sorted(found.values(), reverse=True))
    return [by_address[address] for address in sorted(by_address)], wrong


def _withdrawn(registry: Registry) -> set[str]:
    """People who own contributions, and all of them were withdrawn."""
    people = identities(registry)
    owned: dict[str, bool] = {}
    for contribution in registry.contributions.values():
        for owner in contribution.owners:
            if owner in people:
                owned[people[owner].id] = owned.get(people[owner].id, True) and contribution.revoked
    return {person for person, revoked in owned.items() if revoked}


def _key(line: str) -> str:
    found = _ADDRESS.search(line)
    return (found[1] if found else line.strip()).casefold()


def _write(path: Path, lines: Iterable[str]) -> None:
    """Writes a file that nobody else can read, not even for a moment, and puts it into its place whole."""
    aside = path.with_name(f".{path.name}.unfinished")
    with contextlib.suppress(FileNotFoundError):
        aside.unlink()
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
