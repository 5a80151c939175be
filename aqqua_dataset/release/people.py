"""Who is named, how and in which order: one list that every document of a release is made from."""

import datetime as dt
import functools
import importlib.resources
from collections.abc import Callable, Mapping
from collections.abc import Collection as Ids
from typing import Any

from pyuca import Collator

from aqqua_dataset.registry.credit import AuthorPolicy, Consent, Institution, Person, Record
from aqqua_dataset.registry.models import Contribution, Registry
from aqqua_dataset.registry.same_people import institution_key as institution_key
from aqqua_dataset.registry.same_people import ror_url as ror_url
from aqqua_dataset.registry.same_people import standing_for
from aqqua_dataset.release.escape import one_line

# The time zone database's names are those of maps; papers write these.
_COUNTRIES = {"GB": "United Kingdom", "KR": "South Korea", "KP": "North Korea", "US": "USA", "VN": "Viet Nam"}


class NamedPerson(Record):
    """What is published of a person: the name in its parts and the ORCID iD; never more."""

    id: str
    given: str
    family: str
    particle: str | None = None
    suffix: str | None = None
    orcid: str | None = None


class NamedInstitution(Record):
    """What is published of an institution."""

    id: str
    name: str
    ror: str | None = None
    city: str | None = None
    country: str


class Author(Record):
    """One named person.

    Attributes:
        person: the person as they wish to be named.
        affiliations: numbers of their affiliations, 1 is the first of the list's institutions.
        contributions: ids of the credited contributions they had a part in, sorted.
    """

    person: NamedPerson
    affiliations: tuple[int, ...]
    contributions: tuple[str, ...]

    @property
    def family(self) -> str:
        """Family name with particle and suffix, as it is printed: ``de Vallon``."""
        return " ".join(filter(None, (self.person.particle, self.person.family, self.person.suffix)))

    @property
    def name(self) -> str:
        """Name in reading order: ``Claire de Vallon``."""
        return f"{self.person.given} {self.family}"


class AuthorList(Record):
    """Those named one by one, then the consortium's members; further people only acknowledged.

    Attributes:
        core: authors named one by one: the core team, or everybody who may be (``settings.authors.order``).
        members: members of the data provider consortium, in the same order.
        acknowledged: people who asked to be acknowledged and not to be authors, by name.
        institutions: affiliations in the order of their numbers (1 is the first).
        contributions: ids of all credited contributions, sorted; also those whose owners are not named.
    """

    core: tuple[Author, ...]
    members: tuple[Author, ...]
    acknowledged: tuple[Author, ...]
    institutions: tuple[NamedInstitution, ...]
    contributions: tuple[str, ...]

    @property
    def authors(self) -> tuple[Author, ...]:
        """Core team and members, each person once."""
        return self.core + self.members

    def affiliations(self, author: Author) -> tuple[NamedInstitution, ...]:
        """The author's institutions in the order of their numbers on the author."""
        return tuple(self.institutions[n - 1] for n in author.affiliations)


def author_list(registry: Registry, credited: Ids[str], images: Mapping[str, int] | None = None) -> AuthorList:
    """Everybody to be named for the credited contributions, and the core team.

    The order is that of ``settings.authors``; names by the Unicode Collation Algorithm (UTS 10). People who are one
    person appear once; who wants to stay anonymous does not appear. Affiliations are numbered as they appear in
    the list: named one by one, members, acknowledged; those of nobody have no number.

    Args:
        registry: the whole registry.
        credited: ids of the contributions that people are named for.
        images: published images by contribution, for the order by images; none where left out.
    """
    people, policy = identities(registry), registry.settings.authors
    parts = _parts(registry, people, credited)
    distinct = {p.id: p for p in people.values() if p.core_team or p.id in parts}
    key = _order(registry, policy, parts, images or {})
    blocks: dict[str | None, list[Person]] = {}
    for person in sorted(distinct.values(), key=key):
        blocks.setdefault(_block(person, policy), []).append(person)
    blocks.get("acknowledged", []).sort(key=lambda p: by_name(p, policy.particle_sorts))
    numbered = _Numbered(registry)
    core, members, acknowledged = (
        tuple(numbered.author(p, parts.get(p.id, ())) for p in blocks.get(name, []))
        for name in ("core", "consortium", "acknowledged")
    )
    return AuthorList(
        core=core, members=members, acknowledged=acknowledged, institutions=tuple(numbered.institutions),
        contributions=tuple(sorted(credited)),
    )  # fmt: skip


class _Numbered:
    """Numbers affiliations as they appear; two records with one ROR id, or one name, are one institution."""

    def __init__(self, registry: Registry) -> None:
        self._known = registry.institutions
        self._numbers: dict[str, int] = {}
        self.institutions: list[NamedInstitution] = []

    def author(self, person: Person, contributions: Ids[str]) -> Author:
        own = dict.fromkeys(self._number(self._known[a]) for a in person.affiliations)
        return Author(person=_named(person), affiliations=tuple(own), contributions=tuple(sorted(contributions)))

    def _number(self, institution: Institution) -> int:
        key = institution_key(institution)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers) + 1
            place = one_line(institution.city) if institution.city else None
            self.institutions.append(
                NamedInstitution(
                    id=institution.id, name=one_line(institution.name), ror=ror_url(institution.ror), city=place,
                    country=institution.country,
                )
            )  # fmt: skip
        return self._numbers[key]


def _named(person: Person) -> NamedPerson:
    particle, suffix = ((one_line(text) or None) if text else None for text in (person.particle, person.suffix))
    return NamedPerson(
        id=person.id, given=one_line(person.given), family=one_line(person.family), particle=particle, suffix=suffix,
        orcid=orcid_url(person.orcid),
    )  # fmt: skip


def _parts(registry: Registry, people: Mapping[str, Person], credited: Ids[str]) -> dict[str, set[str]]:
    """Credited contributions by the person who had a part in them."""
    parts: dict[str, set[str]] = {}
    for contribution_id in credited:
        for name in involved(registry.contributions[contribution_id]):
            parts.setdefault(people[name].id, set()).add(contribution_id)
    return parts


def involved(contribution: Contribution) -> list[str]:
    """Ids of the owners and of everybody else who had a part in a contribution."""
    return [*contribution.owners, *(c.person for c in contribution.contributors)]


def identities(registry: Registry) -> dict[str, Person]:
    """The person behind each person id; records joined by ``same_as`` or a decision give the same one.

    The record that stands for the others gives name and affiliations. Of several consents the newest
    counts, of one day the more reserved; who is core team in one record is it.
    """
    records: dict[str, list[Person]] = {}
    people = sorted(registry.people.values(), key=lambda p: p.id)
    stands = standing_for(people, registry.decisions)
    for person in people:
        records.setdefault(stands[person.id], []).append(person)
    merged = {name: _merged(registry.people[name], same) for name, same in records.items()}
    return {person.id: merged[name] for name, same in records.items() for person in same}


def _merged(person: Person, records: list[Person]) -> Person:
    asked = [p for p in records if p.consent is not Consent.NOT_ASKED] or records
    newest = max(asked, key=lambda p: (p.consent_date, list(Consent).index(p.consent)))
    return person.model_copy(
        update={
            "consent": newest.consent,
            "consent_date": newest.consent_date,
            "core_team": any(p.core_team for p in records),
            "orcid": person.orcid or next((p.orcid for p in records if p.orcid), None),
        }
    )


def _block(person: Person, policy: AuthorPolicy) -> str | None:
    """Where a person is named; None for who wants to stay anonymous or wasn't asked."""
    if person.unnamed:
        return None
    if person.consent is Consent.ACKNOWLEDGE_ONLY:
        return "acknowledged"
    one_by_one = person.core_team or policy.order != "core_then_alphabetical"
    return "core" if one_by_one and person.consent is Consent.AUTHOR else "consortium"


def _order(
    registry: Registry, policy: AuthorPolicy, parts: Mapping[str, Ids[str]], images: Mapping[str, int]
) -> Callable[[Person], tuple[Any, ...]]:
    """The sort key of the policy: always a total order, names and at last the id decide where it is silent."""
    stands = standing_for(registry.people.values(), registry.decisions)
    given = {stands[name]: n for n, name in enumerate(policy.core_order) if name in stands}

    def first_permission(contribution: str) -> dt.date:
        return min((p.date for p in registry.contributions[contribution].permissions), default=dt.date.max)

    def key(person: Person) -> tuple[Any, ...]:
        name, own = by_name(person, policy.particle_sorts), parts.get(person.id, ())
        match policy.order:
            case "core_then_alphabetical":
                return given.get(person.id, len(given)), *name
            case "by_contribution_images":
                return -sum(images.get(c, 0) for c in own), *name
            case "by_first_permission_date":
                return min(map(first_permission, own), default=dt.date.max), *name
            case "alphabetical":
                return name

    return key


@functools.cache
def _collator() -> Collator:
    return Collator()


def by_name(person: Person | NamedPerson, particle_sorts: bool) -> tuple[Any, ...]:
    """Sort key of a name: family with or without its particle, given name, and the id that makes it total."""
    particle = person.particle if particle_sorts else None
    key = _collator().sort_key
    family = one_line(" ".join(filter(None, (particle, person.family))))
    return key(family), key(one_line(person.given)), key(person.particle or ""), person.id


def orcid_url(orcid: str | None) -> str | None:
    """An ORCID iD, bare or with its address, as the address that ORCID asks to be shown."""
    return f"https://orcid.org/{orcid.rsplit('/', 1)[-1]}" if orcid else None


@functools.cache
def country_names() -> dict[str, str]:
    """English short name by ISO 3166-1 code, from the time zone database (public domain)."""
    table = (importlib.resources.files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return {code: name for code, name, *_ in rows} | _COUNTRIES


def country(code: str) -> str:
    """A country's name in English; the code itself where it isn't known."""
    return country_names().get(code, code)
