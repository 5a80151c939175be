"""Who is named, how and in which order: one list that every document of a release is made from."""

import csv
import functools
import io
from collections.abc import Collection as Ids
from dataclasses import dataclass

from pyuca import Collator

from aqqua_dataset.registry.models import Consent, Institution, Person, Registry
from aqqua_dataset.release.facts import ReleaseFacts


@dataclass(frozen=True)
class Author:
    """One named person with the numbers of their affiliations (counted by first appearance)."""

    person: Person
    affiliations: tuple[int, ...]
    contributions: tuple[str, ...]

    @property
    def family(self) -> str:
        """Family name with its particle, as it is printed: ``de Vallon``."""
        return " ".join(filter(None, (self.person.particle, self.person.family, self.person.suffix)))


@dataclass(frozen=True)
class AuthorList:
    """Core team first, then the consortium's members; further people only acknowledged.

    Attributes:
        core: authors named one by one.
        members: members of the data provider consortium, in Unicode collation order.
        acknowledged: people who asked to be acknowledged and not to be authors.
        institutions: affiliations in the order of their numbers (1 is the first).
    """

    core: tuple[Author, ...]
    members: tuple[Author, ...]
    acknowledged: tuple[Author, ...]
    institutions: tuple[Institution, ...]

    @property
    def authors(self) -> tuple[Author, ...]:
        """Core team and members, each person once."""
        return self.core + self.members


def author_list(registry: Registry, credited: Ids[str]) -> AuthorList:
    """Everybody to be named for the credited contributions, and the core team.

    Policy: core team, then everybody else alphabetically by family name with its particle (van der
    Meer stands under V), given name and id, by the Unicode Collation Algorithm (UTS 10). People who
    are one person (``same_as``) appear once; who wants to stay anonymous does not appear.
    """
    parts: dict[str, set[str]] = {}
    for contribution_id in credited:
        contribution = registry.contributions[contribution_id]
        for name in [*contribution.owners, *(c.person for c in contribution.contributors)]:
            identity = registry.people[name].same_as or name
            parts.setdefault(identity, set()).add(contribution_id)
    core = [p for p in registry.people.values() if p.core_team and p.same_as is None]
    others = [registry.people[i] for i in parts if not registry.people[i].core_team]
    ordered = [*sorted(core, key=_order), *sorted(others, key=_order)]
    named = [p for p in ordered if p.consent is not Consent.ANONYMOUS]

    numbers: dict[str, int] = {}
    authors = []
    for person in named:
        own = tuple(numbers.setdefault(a, len(numbers) + 1) for a in person.affiliations)
        authors.append(Author(person, own, tuple(sorted(parts.get(person.id, ())))))
    thanked = [a for a in authors if a.person.consent is Consent.ACKNOWLEDGE_ONLY]
    rest = [a for a in authors if a not in thanked]
    first = [a for a in rest if a.person.core_team and a.person.consent is Consent.AUTHOR]
    return AuthorList(
        core=tuple(first),
        members=tuple(a for a in rest if a not in first),
        acknowledged=tuple(thanked),
        institutions=tuple(registry.institutions[i] for i in numbers),
    )


@functools.cache
def _collator() -> Collator:
    return Collator()


def _order(person: Person) -> tuple[object, ...]:
    family = " ".join(filter(None, (person.particle, person.family)))
    key = _collator().sort_key
    return key(family), key(person.given), person.id


def authors_csv(authors: AuthorList, facts: ReleaseFacts) -> str:
    """One row per named person."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            "order",
            "role",
            "given",
            "family",
            "orcid",
            "affiliations",
            "affiliation_rors",
            "contributions",
            "release",
        ]
    )
    roles = {
        "core": authors.core,
        "consortium": authors.members,
        "acknowledged": authors.acknowledged,
    }
    order = 0
    for role, people in roles.items():
        for author in people:
            order += 1
            institutions = [authors.institutions[n - 1] for n in author.affiliations]
            writer.writerow(
                [
                    order, role, author.person.given, author.family, author.person.orcid or "",
                    "; ".join(i.name for i in institutions), "; ".join(i.ror or "" for i in institutions),
                    "; ".join(author.contributions), facts.version,
                ]
            )  # fmt: skip
    return stream.getvalue()


def authors_markdown(authors: AuthorList, facts: ReleaseFacts) -> str:
    """The list as people read it, with numbered affiliations."""

    def names(people: tuple[Author, ...]) -> str:
        shown = (
            f"{a.person.given} {a.family}" + (f" ({', '.join(map(str, a.affiliations))})" if a.affiliations else "")
            for a in people
        )
        return ", ".join(shown) or "nobody"

    lines = [f"# {facts.mark}Authors of release {facts.version}", "", names(authors.core), ""]
    lines += ["## Data provider consortium", "", names(authors.members), "", "## Affiliations", ""]
    lines += [
        f"{n}. {', '.join(filter(None, (i.name, i.city, i.country)))}"
        for n, i in enumerate(authors.institutions, start=1)
    ]
    if authors.acknowledged:
        lines += ["", "## Acknowledged", "", names(authors.acknowledged)]
    return "\n".join(lines) + "\n"
