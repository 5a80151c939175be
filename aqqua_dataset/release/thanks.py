"""Whom and what to thank: acknowledgements as they were worded, each once, and grants by funder."""

import re
import unicodedata
from dataclasses import dataclass

from aqqua_dataset.registry.credit import Funding
from aqqua_dataset.release.escape import one_line
from aqqua_dataset.release.people import ror_url
from aqqua_dataset.release.snapshot import Snapshot


@dataclass(frozen=True)
class Thanks:
    """One wording, and the ids of the contributions that ask for it."""

    text: str
    contributions: tuple[str, ...]


@dataclass(frozen=True)
class Grant:
    """One grant of a funder, and the ids of the contributions it paid for; none for the collection's own.

    Attributes:
        funder, ror: as first named.
        number, title: of the award, where known.
        contributions: sorted ids.
    """

    funder: str
    ror: str | None
    number: str | None
    title: str | None
    contributions: tuple[str, ...]


def thanks(snapshot: Snapshot) -> list[Thanks]:
    """The acknowledgements word for word, in the order of the contributions; equal ones (but for white space) once."""
    found: dict[str, list[str]] = {}
    for contribution in snapshot.contributions:
        text = one_line(contribution.acknowledgement or "")
        if text:
            found.setdefault(text, []).append(contribution.id)
    return [Thanks(text, tuple(ids)) for text, ids in found.items()]


def nearly_equal(snapshot: Snapshot) -> list[tuple[Thanks, ...]]:
    """Wordings that differ in capitals, marks, punctuation or numbers only: for somebody to look at, never merged."""
    groups: dict[str, list[Thanks]] = {}
    for entry in thanks(snapshot):
        plain = unicodedata.normalize("NFKD", entry.text.casefold())
        key = re.sub(r"[\W\d_]+", " ", "".join(c for c in plain if not unicodedata.combining(c))).strip()
        groups.setdefault(key, []).append(entry)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def grants(snapshot: Snapshot) -> list[Grant]:
    """Every grant once, the collection's first, then by funder and number; a funder is its ROR id, or its name."""
    given: list[tuple[Funding, str]] = [(f, "") for f in snapshot.work.funding]
    given += [(f, c.id) for c in snapshot.contributions for f in c.funding]
    first: dict[tuple[str, str], Funding] = {}
    paid: dict[tuple[str, str], set[str]] = {}
    for funding, contribution in given:
        key = _funder(funding), _award(funding)
        first.setdefault(key, funding)
        paid.setdefault(key, set()).add(contribution)
    own = [key for key in first if "" in paid[key]]
    names: dict[str, str] = {}
    for (funder, _), funding in first.items():
        names.setdefault(funder, one_line(funding.funder))
    others = sorted(set(first) - set(own), key=lambda k: (names[k[0]].casefold(), k))
    return [
        Grant(
            names[key[0]], ror_url(first[key].ror), _line(first[key].award_number), _line(first[key].award_title),
            tuple(sorted(paid[key] - {""})),
        )
        for key in own + others
    ]  # fmt: skip


def _funder(funding: Funding) -> str:
    return ror_url(funding.ror) or one_line(funding.funder).casefold()


def _award(funding: Funding) -> str:
    """What tells a funder's grants apart: the number, or without one the title."""
    return one_line(funding.award_number or funding.award_title or "").casefold()


def _line(text: str | None) -> str | None:
    return one_line(text) if text else None


def funding_sentence(snapshot: Snapshot) -> str:
    """The grants as one sentence per funder: ``Sea Fund (grants SF-1, SF-2)``, joined by semicolons."""
    funders: dict[str, list[str]] = {}
    for grant in grants(snapshot):
        known = funders.setdefault(grant.funder, [])
        name = grant.number or grant.title
        if name and name not in known:
            known.append(name)
    return "; ".join(
        f"{funder} ({'grants' if len(numbers) > 1 else 'grant'} {', '.join(numbers)})" if numbers else funder
        for funder, numbers in funders.items()
    )


def acknowledged_people(snapshot: Snapshot) -> str:
    """Those who asked to be acknowledged, with their institutions, or ""."""
    authors = snapshot.authors
    names = [
        f"{a.name} ({', '.join(i.name for i in authors.affiliations(a))})" if a.affiliations else a.name
        for a in authors.acknowledged
    ]
    return f"We thank {_listed(names)}." if names else ""


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
