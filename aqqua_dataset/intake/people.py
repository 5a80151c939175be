"""Whom a name and an address on a form or a list stand for: a person of the registry, or a new one. Never a merge."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aqqua_dataset.findings import Finding
from aqqua_dataset.intake import contacts
from aqqua_dataset.intake.proposals import PROPOSALS
from aqqua_dataset.registry.credit import Institution, Person
from aqqua_dataset.registry.load import load_records
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.registry.same_people import (
    given_names_fit,
    is_group_mailbox,
    name_keys,
    plain_letters,
    same_people,
)

_LONGEST_ID = 64
#: Particles that belong to the family name behind them, in small letters as in most lists.
_PARTICLES = frozenset(
    ["af", "al", "bin", "da", "dal", "das", "de", "del", "della", "den", "der", "des", "di", "do", "dos", "du", "el",
     "la", "las", "le", "los", "ten", "ter", "van", "von", "y", "zu"]
)  # fmt: skip


@dataclass(frozen=True)
class Name:
    """A person's name in its parts."""

    given: str
    family: str
    particle: str | None = None
    certain: bool = True

    @property
    def text(self) -> str:
        """The name as it is said."""
        return " ".join(filter(None, (self.given, self.particle, self.family)))


def name_of(text: str) -> Name | None:
    """The parts of ``Given name Surname`` or ``Surname, Given name``; None where it isn't two names.

    ``certain`` is false where a person has to look which part is which.
    """
    words = " ".join(text.split())
    if not re.fullmatch(r"[^\d\W][^@<>{}\[\]|\\/:;\"]*", words) or sum(c.isalpha() for c in words) < 3:
        return None
    family, comma, given = words.partition(",")
    if comma:
        return Name(given.strip(), family.strip(), None, "," not in given) if given.strip() else None
    parts = words.split(" ")
    small = next((i for i in range(1, len(parts) - 1) if parts[i] in _PARTICLES), None)
    if len(parts) < 2:
        return None
    if small is None:
        return Name(" ".join(parts[:-1]), parts[-1], None, len(parts) == 2)
    last = max(i for i in range(small, len(parts) - 1) if parts[i] in _PARTICLES)
    return Name(" ".join(parts[:small]), " ".join(parts[last + 1 :]), " ".join(parts[small : last + 1]))


def slug(text: str, otherwise: str) -> str:
    """An id made of a text."""
    made = re.sub(r"[^a-z0-9]+", "-", plain_letters(text)).strip("-")
    return made[:_LONGEST_ID].strip("-") or otherwise


def unused(wanted: str, taken: Iterable[str]) -> str:
    """The id, or where it is taken with the first number that isn't."""
    known = set(taken)
    number, made = 1, wanted
    while made in known:
        number += 1
        made = f"{wanted[: _LONGEST_ID - len(str(number)) - 1].rstrip('-')}-{number}"
    return made


@dataclass
class People:
    """The people of the registry and of the proposals, and those met in one run of an import.

    Attributes:
        known: every person by id.
        institutions: every institution by id.
        mails: address by person id, where known.
        new: ids of the people of this run that nobody knew.
    """

    known: dict[str, Person]
    institutions: dict[str, Institution]
    mails: dict[str, str]
    new: list[str] = field(default_factory=list)
    _by_hash: dict[str, list[str]] = field(default_factory=dict)
    _by_name: dict[str, list[str]] = field(default_factory=dict)
    _addressed: set[str] = field(default_factory=set)
    _met: dict[tuple[Name, str | None], str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "People":
        """Those of a registry's folder, and those that wait among its proposals."""
        people = load_records(folder / PROPOSALS, "people", Person) | load_records(folder, "people", Person)
        places = load_records(folder / PROPOSALS, "institutions", Institution)
        made = cls(people, places | load_records(folder, "institutions", Institution), contacts.addresses(folder))
        for said in contacts.load_said(folder):
            made._remember(said.email_sha256, said.person)
        for person, mail in made.mails.items():
            made._remember(contacts.address_hash(mail), person)
        for record in made.known.values():
            made._index(record)
        return made

    def _remember(self, key: str, person: str) -> None:
        if person not in self._by_hash.setdefault(key, []):
            self._by_hash[key].append(person)
            self._addressed.add(person)

    def _index(self, person: Person) -> None:
        for key in sorted(name_keys(person)):
            self._by_name.setdefault(key, []).append(person.id)

    def find(self, name: Name, email: str | None) -> str | None:
        """Id of the person with this address and a fitting name, or with this name where no address is known.

        The same name with another address isn't enough: that pair is for a person to decide.
        """
        here = _as_person("someone", name)
        if email is not None and not is_group_mailbox(email):
            for known in self._by_hash.get(contacts.address_hash(email), ()):
                if known in self.known and _fits(here, self.known[known]):
                    return known
        for key in sorted(name_keys(here)):
            alone = [p for p in self._by_name.get(key, ()) if email is None or p not in self._addressed]
            if len(alone) == 1:
                return alone[0]
        return None

    def meet(self, name: Name, email: str | None) -> tuple[str, bool]:
        """Id of a person, known or made now; and whether they are new."""
        if (again := self._met.get((name, email))) is not None:
            return again, False
        if (found := self.find(name, email)) is not None:
            made = False
        else:
            found, made = self._new_id(name, email), True
            self.known[found] = _as_person(found, name)
            self._index(self.known[found])
            self.new.append(found)
        if email is not None:
            self._remember(contacts.address_hash(email), found)
            self.mails.setdefault(found, email)
        self._met[name, email] = found
        return found, made

    def _new_id(self, name: Name, email: str | None) -> str:
        """The id that an earlier run gave to this address, for a person who was thrown away; else an unused one."""
        earlier = self._by_hash.get(contacts.address_hash(email), ()) if email is not None else ()
        again = next((p for p in earlier if p not in self.known), None)
        return again or unused(slug(name.text, "person"), {*self.known, *self._addressed})

    def doubtful(self, registry: Registry, met: Iterable[str], file: str) -> Iterator[Finding]:
        """Pairs of records that may be one person, one of whom was met in this run; nobody decided about them yet."""
        among = set(met)
        both = registry.model_copy(update={"people": self.known, "institutions": self.institutions})
        for pair in same_people(both, self.mails):
            if {pair.first.id, pair.other.id} & among:
                message = (
                    f"same {pair.sign} as {pair.first.id}; nothing was joined: decide in people_decisions.csv "
                    "whether they are one person"
                )
                yield Finding("person_twice", "warning", message, file=file, key="person", value=pair.other.id)


def _as_person(identity: str, name: Name) -> Person:
    values: dict[str, Any] = {"given": name.given, "family": name.family, "particle": name.particle}
    return Person.model_validate({"id": identity, "consent": "not_asked", "consent_date": "2000-01-01", **values})


def _fits(one: Person, other: Person) -> bool:
    """Whether two names can be one person's: the same in any spelling, or family and fitting given name."""
    if name_keys(one) & name_keys(other):
        return True
    family = {plain_letters(p.family) for p in (one, other)}
    return len(family) == 1 and given_names_fit(one.given, other.given)


def person_values(identity: str, name: Name, more: Mapping[str, Any]) -> dict[str, Any]:
    """A new person's record."""
    values: dict[str, Any] = {"id": identity, "given": name.given, "family": name.family, "particle": name.particle}
    return {k: v for k, v in (values | dict(more)).items() if v}
