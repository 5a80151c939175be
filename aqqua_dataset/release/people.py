"""Who is named, how and in which order: one list that every document of a release is made from."""

import csv
import functools
import io
from collections.abc import Collection as Ids
from dataclasses import dataclass

from pyuca import Collator

from aqqua_dataset.registry.models import Consent, Institution, Person, Registry
from aqqua_dataset.release.facts import ReleaseFacts

#: Columns of authors.csv.
AUTHOR_COLUMNS = (
    "order", "role", "family", "given", "particle", "suffix", "orcid",
    "affiliations", "affiliation_rors", "contributions", "release",
)  # fmt: skip


@dataclass(frozen=True)
class Author:
    """One named person.

    Attributes:
        person: the person as they wish to be named.
        affiliations: numbers of their affiliations, 1 is the first of the list's institutions.
        contributions: ids of the credited contributions they had a part in, sorted.
    """

    person: Person
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


@dataclass(frozen=True)
class AuthorList:
    """Core team first, then the consortium's members; further people only acknowledged.

    Attributes:
        core: authors named one by one.
        members: members of the data provider consortium, in Unicode collation order.
        acknowledged: people who asked to be acknowledged and not to be authors.
        institutions: affiliations in the order of their numbers (1 is the first).
        contributions: ids of all credited contributions, sorted; also those whose owners are not named.
    """

    core: tuple[Author, ...]
    members: tuple[Author, ...]
    acknowledged: tuple[Author, ...]
    institutions: tuple[Institution, ...]
    contributions: tuple[str, ...]

    @property
    def authors(self) -> tuple[Author, ...]:
        """Core team and members, each person once."""
        return self.core + self.members

    def affiliations(self, author: Author) -> tuple[Institution, ...]:
        """The author's institutions in the order of their numbers on the author."""
        return tuple(self.institutions[n - 1] for n in author.affiliations)


def author_list(registry: Registry, credited: Ids[str]) -> AuthorList:
    """Everybody to be named for the credited contributions, and the core team.

    Policy: core team, then everybody else alphabetically by family name with its particle (van der
    Meer stands under V), given name and id, by the Unicode Collation Algorithm (UTS 10). People who
    are one person (``same_as``) appear once; who wants to stay anonymous does not appear. Affiliations
    are numbered as they appear: core team, members, acknowledged.
    """
    people = identities(registry)
    parts: dict[str, set[str]] = {}
    for contribution_id in credited:
        contribution = registry.contributions[contribution_id]
        for name in [*contribution.owners, *(c.person for c in contribution.contributors)]:
            parts.setdefault(people[name].id, set()).add(contribution_id)
    distinct = {p.id: p for p in people.values() if p.core_team or p.id in parts}
    ordered = sorted(distinct.values(), key=_order)
    numbers: dict[str, int] = {}
    institutions: list[Institution] = []

    def number(institution: Institution) -> int:
        key = institution_key(institution)
        if key not in numbers:
            institutions.append(institution)
        return numbers.setdefault(key, len(institutions))

    def authors(role: str) -> tuple[Author, ...]:
        found = []
        for person in ordered:
            if _role(person) == role:
                own = dict.fromkeys(number(registry.institutions[a]) for a in person.affiliations)
                found.append(Author(person, tuple(own), tuple(sorted(parts.get(person.id, ())))))
        return tuple(found)

    core, members, acknowledged = authors("core"), authors("consortium"), authors("acknowledged")
    return AuthorList(core, members, acknowledged, tuple(institutions), tuple(sorted(credited)))


def identities(registry: Registry) -> dict[str, Person]:
    """The person behind each person id; records joined by ``same_as`` give the same one.

    The record that the others point to gives name and affiliations. Of several consents the newest
    counts, of one day the more reserved; who is core team in one record is it.
    """
    records: dict[str, list[Person]] = {}
    for person in sorted(registry.people.values(), key=lambda p: p.id):
        records.setdefault(person.same_as or person.id, []).append(person)
    merged = {name: _merged(registry.people[name], same) for name, same in records.items()}
    return {person.id: merged[name] for name, same in records.items() for person in same}


def _merged(person: Person, records: list[Person]) -> Person:
    newest = max(records, key=lambda p: (p.consent_date, list(Consent).index(p.consent)))
    return person.model_copy(
        update={
            "consent": newest.consent,
            "consent_date": newest.consent_date,
            "core_team": any(p.core_team for p in records),
            "orcid": person.orcid or next((p.orcid for p in records if p.orcid), None),
        }
    )


def _role(person: Person) -> str | None:
    """Where a person is named; None for who wants to stay anonymous."""
    if person.consent is Consent.ANONYMOUS:
        return None
    if person.consent is Consent.ACKNOWLEDGE_ONLY:
        return "acknowledged"
    return "core" if person.core_team and person.consent is Consent.AUTHOR else "consortium"


@functools.cache
def _collator() -> Collator:
    return Collator()


def _order(person: Person) -> tuple[object, ...]:
    family = " ".join(filter(None, (person.particle, person.family)))
    key = _collator().sort_key
    return key(family), key(person.given), person.id


def orcid_url(orcid: str | None) -> str | None:
    """An ORCID iD, bare or with its address, as the address that ORCID asks to be shown."""
    return f"https://orcid.org/{orcid.rsplit('/', 1)[-1]}" if orcid else None


def ror_url(ror: str | None) -> str | None:
    """A ROR id, bare or with its address, as its address."""
    return f"https://ror.org/{ror.rsplit('/', 1)[-1]}" if ror else None


def institution_key(institution: Institution) -> str:
    """What tells institutions apart: two records with one ROR id, or else one name, are one institution."""
    return ror_url(institution.ror) or " ".join(institution.name.casefold().split())


def authors_csv(authors: AuthorList, facts: ReleaseFacts) -> str:
    """One row per named person; several affiliations are separated by ``; ``, and so are their ROR ids."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(AUTHOR_COLUMNS)
    roles = {"core": authors.core, "consortium": authors.members, "acknowledged": authors.acknowledged}
    rows = [(role, author) for role, people in roles.items() for author in people]
    for order, (role, author) in enumerate(rows, start=1):
        person, places = author.person, authors.affiliations(author)
        writer.writerow(
            [
                order, role, person.family, person.given, person.particle or "", person.suffix or "",
                orcid_url(person.orcid) or "",
                "; ".join(i.name for i in places), "; ".join(ror_url(i.ror) or "" for i in places),
                "; ".join(author.contributions), facts.version,
            ]
        )  # fmt: skip
    return stream.getvalue()


def authors_markdown(authors: AuthorList, facts: ReleaseFacts) -> str:
    """The list as people read it, with numbered affiliations."""
    lines = [f"# {facts.mark}Authors of release {facts.version}", ""]
    for title, people in (
        ("Core team", authors.core), ("Data provider consortium", authors.members),
        ("Acknowledged", authors.acknowledged),
    ):  # fmt: skip
        if people:
            lines += [f"## {title}", "", *(_markdown_line(a) for a in people), ""]
    lines += ["## Affiliations", ""]
    lines += [
        f"{n}. {', '.join(filter(None, (i.name, i.city, i.country, ror_url(i.ror))))}"
        for n, i in enumerate(authors.institutions, start=1)
    ]
    return "\n".join(lines) + "\n"


def _markdown_line(author: Author) -> str:
    numbers = f" ({', '.join(map(str, author.affiliations))})" if author.affiliations else ""
    orcid = orcid_url(author.person.orcid)
    return f"- {author.name}{numbers}" + (f", {orcid}" if orcid else "")
