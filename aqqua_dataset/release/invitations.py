"""Whom to invite to which paper, by the permissions they gave: for the data manager, never part of a release."""

from collections.abc import Mapping
from dataclasses import dataclass

from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.author_tables import csv_text
from aqqua_dataset.release.people import Author, AuthorList, by_name, identities, orcid_url


@dataclass(frozen=True)
class Invitation:
    """One person invited to one paper, for the contributions of theirs that may be used for it.

    Attributes:
        paper: what the permission invites to (``invites_to`` in settings.yaml).
        author: the person; affiliations are empty.
        contributions: sorted ids of own contributions with that permission.
        records: ids of all records of the person, for looking up addresses.
    """

    paper: str
    author: Author
    contributions: tuple[str, ...]
    records: tuple[str, ...]


@dataclass(frozen=True)
class Invitations:
    """The invitations by paper and name, and how many owners want none (acknowledged only, or anonymous)."""

    invited: tuple[Invitation, ...]
    declined: int


def invitations(registry: Registry, authors: AuthorList) -> Invitations:
    """Owners of credited contributions, for each paper that a permission of theirs invites to.

    People who only want to be acknowledged, or to stay anonymous, are not invited; they are counted. Who only took
    part without owning anything was promised no invitation.
    """
    people = identities(registry)
    records: dict[str, list[str]] = {}
    for name, person in people.items():
        records.setdefault(person.id, []).append(name)
    owners: dict[str, list[str]] = {}
    for contribution in authors.contributions:
        for owner in dict.fromkeys(people[o].id for o in registry.contributions[contribution].owners):
            owners.setdefault(owner, []).append(contribution)
    named = {a.person.id: a for a in authors.authors}
    papers = {p.id: p.invites_to for p in registry.settings.permissions if p.invites_to}
    found = []
    for paper in dict.fromkeys(papers.values()):
        needed = {p for p, invites in papers.items() if invites == paper}
        for owner, own in owners.items():
            usable = tuple(sorted(c for c in own if needed & _given(registry, c)))
            if owner in named and usable:
                found.append(Invitation(paper, named[owner], usable, tuple(sorted(records[owner]))))
    order = list(dict.fromkeys(papers.values()))
    found.sort(key=lambda i: (order.index(i.paper), by_name(i.author.person, True)))
    return Invitations(tuple(found), sum(owner not in named for owner in owners))


def _given(registry: Registry, contribution: str) -> set[str]:
    return {p.id for p in registry.contributions[contribution].permissions}


def invitations_csv(found: Invitations, mails: Mapping[str, str]) -> str:
    """One row per person and paper; addresses where they are given.

    Args:
        found: the invitations.
        mails: person id -> e-mail address, where known; of several records' addresses all are listed.
    """
    columns = ("paper", "family", "given", "orcid", "addresses", "contributions")
    return csv_text(
        columns,
        (
            (
                i.paper, i.author.family, i.author.person.given, orcid_url(i.author.person.orcid) or "",
                "; ".join(dict.fromkeys(mails[r] for r in i.records if r in mails)), "; ".join(i.contributions),
            )
            for i in found.invited
        ),
    )  # fmt: skip
