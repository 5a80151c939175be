"""The frozen list of authors: what every list of names, thanks and papers of a release is rendered from.

A snapshot is a small JSON file with a hash of itself and of the registry's parts it was made from. It holds what is
published and nothing else: who stays anonymous isn't in it.
"""

import datetime as dt
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from aqqua_dataset.findings import Finding, Refused, has_errors
from aqqua_dataset.registry.credit import Consent, Funding, Paper, Person, Record
from aqqua_dataset.registry.models import Contribution, Registry
from aqqua_dataset.release.facts import Marked
from aqqua_dataset.release.people import AuthorList, author_list, identities, involved
from aqqua_dataset.warehouse import Warehouse

#: Where the frozen list lies in the warehouse, and its name in a release's folder ``authors``.
FROZEN = "authors/author_list_snapshot.json"


class FreezeRefused(Refused):
    """Something has to be decided before names can be frozen."""

    what = "the freeze of the author list"


class CreditedContribution(Record):
    """What a credited contribution asks to be thanked, funded and cited for."""

    id: str
    images: int
    acknowledgement: str | None = None
    cite_dois: tuple[str, ...] = ()
    funding: tuple[Funding, ...] = ()


class Work(Record):
    """The dataset as it is cited."""

    title: str
    consortium: str
    publisher: str
    year: int
    url: str
    doi: str | None = None
    funding: tuple[Funding, ...] = ()


class Snapshot(Record):
    """One frozen list.

    Attributes:
        cut_off: day of the last call; contributions agreed later are in ``after_cut_off`` and credit nobody.
        order: policy of the order, as in the registry's settings.
        work: the dataset as it is cited.
        authors: everybody who is named, in printed order, with numbered affiliations.
        contributions: the credited contributions, by id.
        papers: what is known of the papers they ask to be cited, by DOI in small letters.
        after_cut_off: ids of contributions that came too late for this list.
        inputs: SHA-256 of each part of the registry that went in.
    """

    format: Literal[1] = 1
    cut_off: dt.date
    order: str
    work: Work
    authors: AuthorList
    contributions: tuple[CreditedContribution, ...]
    papers: tuple[Paper, ...]
    after_cut_off: tuple[str, ...]
    inputs: dict[str, str]

    def without_doi(self) -> "Snapshot":
        """The same list for what may not carry the dataset's DOI: a rehearsal, the internal view."""
        return self.model_copy(update={"work": self.work.model_copy(update={"doi": None})})

    @property
    def hash(self) -> str:
        """SHA-256 of everything in it."""
        return _hash(self.model_dump(mode="json"))

    def to_json(self, label: Marked | None = None) -> str:
        """The snapshot as a file, its hash last; a release's copy begins with what release it belongs to."""
        release = {"release": label.version} if label else {}
        values = release | self.model_dump(mode="json", exclude_none=True) | {"hash": self.hash}
        return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def read_snapshot(text: str) -> Snapshot:
    """A snapshot from its file.

    Raises:
        ValueError: it isn't one, or was changed after it was frozen.
    """
    try:
        values = json.loads(text)
        told = values.pop("hash")
        values.pop("release", None)
        snapshot = Snapshot.model_validate(values)
    except (ValidationError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"expected a frozen author list made by: aqqua authors freeze ({error})") from error
    if snapshot.hash != told:
        raise ValueError("the list was changed after it was frozen; change the registry and freeze it again")
    return snapshot


def frozen_list(warehouse: Warehouse) -> Snapshot | None:
    """The list frozen last, or None.

    Raises:
        ValueError: the file isn't one, or was changed after it was frozen.
    """
    if not warehouse.exists(FROZEN):
        return None
    with warehouse.open(FROZEN) as stream:
        return read_snapshot(stream.read().decode())


def take_snapshot(registry: Registry, images: Mapping[str, int], cut_off: dt.date) -> Snapshot:
    """The list of the credited contributions as the registry has it now; equal inputs give equal bytes.

    Args:
        registry: the whole registry.
        images: published images by credited contribution.
        cut_off: contributions agreed after this day are left out.
    """
    agreed = {i: _agreed_on(registry, registry.contributions[i]) for i in sorted(images)}
    late = tuple(i for i, day in agreed.items() if day is not None and day > cut_off)
    credited = [i for i in agreed if i not in late]
    contributions = tuple(_credited(registry.contributions[i], images[i]) for i in credited)
    cited = {doi.lower() for c in contributions for doi in c.cite_dois}
    dataset = registry.settings.dataset
    return Snapshot(
        cut_off=cut_off,
        order=registry.settings.authors.order,
        work=Work(
            title=dataset.title, consortium=dataset.consortium, publisher=dataset.publisher,
            year=registry.settings.release_date.year, url=dataset.url, doi=dataset.doi, funding=dataset.funding,
        ),
        authors=author_list(registry, credited, images),
        contributions=contributions,
        papers=tuple(sorted((p for p in registry.papers if p.doi.lower() in cited), key=lambda p: p.doi.lower())),
        after_cut_off=late,
        inputs={
            "people": _hash(_dumped(registry.people.values())),
            "institutions": _hash(_dumped(registry.institutions.values())),
            # Where the data lie has no part in the credit for them.
            "contributions": _hash(
                [registry.contributions[i].model_dump(mode="json", exclude={"source": {"location"}}) for i in agreed]
            ),
            "images": _hash(dict(sorted(images.items()))),
            "people_decisions": _hash(_dumped(registry.decisions)),
            "papers": _hash(_dumped(registry.papers)),
            "settings": _hash([registry.settings.authors.model_dump(mode="json"), dataset.model_dump(mode="json")]),
        },
    )  # fmt: skip


def _credited(contribution: Contribution, images: int) -> CreditedContribution:
    attribution = contribution.attribution
    return CreditedContribution(
        id=contribution.id, images=images, acknowledgement=attribution.acknowledgement,
        cite_dois=tuple(dict.fromkeys(attribution.cite_dois)), funding=tuple(dict.fromkeys(attribution.funding)),
    )  # fmt: skip


def _agreed_on(registry: Registry, contribution: Contribution) -> dt.date | None:
    """Day the last mandatory permission was given; None where there is none."""
    mandatory = {p.id for p in registry.settings.permissions if p.mandatory}
    return max((p.date for p in contribution.permissions if p.id in mandatory), default=None)


def _dumped(records: Iterable[BaseModel]) -> list[Any]:
    return sorted((r.model_dump(mode="json") for r in records), key=lambda r: json.dumps(r, sort_keys=True))


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def freeze(
    registry: Registry, images: Mapping[str, int], cut_off: dt.date, registry_findings: Sequence[Finding]
) -> Snapshot:  # fmt: skip
    """The list of authors, when nothing is left to be decided.

    Raises:
        FreezeRefused: people who may be one person without a decision, errors in the records of people, an
            anonymous owner whose name stands in the published words of a contribution.
    """
    findings = freeze_problems(registry, images, registry_findings)
    if has_errors(findings):
        raise FreezeRefused(findings)
    return take_snapshot(registry, images, cut_off)


_RECORDS = ("people/", "institutions/", "people_decisions.csv", "papers.csv", "settings.yaml")


def freeze_problems(registry: Registry, credited: Iterable[str], registry_findings: Iterable[Finding]) -> list[Finding]:
    """Everything that has to be decided or put right before the names can be frozen, and warnings to look at."""
    found = []
    for finding in registry_findings:
        if finding.rule == "person_twice":
            message = f"{finding.message}; see: aqqua authors suggestions"
            found.append(Finding("person_undecided", "error", message, file=finding.file, value=finding.value))
        elif finding.severity == "error" and finding.file.startswith(_RECORDS):
            found.append(finding)
    return found + list(anonymous_named(registry, credited))


def anonymous_named(registry: Registry, credited: Iterable[str]) -> Iterator[Finding]:
    """Findings for published words that name an owner who wants to stay anonymous.

    The family name alone is enough in the words of credit. In a title or id it may be a word like any other (Bay,
    Long): there it is a warning, and an error with the given name or its initial beside it.
    """
    people = identities(registry)
    for name in sorted(credited):
        contribution, given = registry.contributions[name], registry.contributions[name].attribution
        hidden = [registry.people[i] for i in involved(contribution) if people[i].consent is Consent.ANONYMOUS]
        if not hidden:
            continue
        for key, text, of_people in (
            ("id", contribution.id, False), ("title", contribution.title, False),
            ("attribution.text", given.text, True), ("attribution.copyright_notice", given.copyright_notice, True),
            ("attribution.acknowledgement", given.acknowledgement, True),
        ):  # fmt: skip
            words, file = f" {_words(text or '')} ", f"contributions/{name}.yaml"
            if any(_is_named(person, words, of_people) for person in hidden):
                message = "an owner who wants to stay anonymous is named here; ask them, and change one of the two"
                yield Finding("anonymous_named", "error", message, name, file, key=key)
            elif any(_is_named(person, words, alone=True) for person in hidden):
                message = "the family name of an owner who wants to stay anonymous is a word here; does it mean them?"
                yield Finding("anonymous_perhaps_named", "warning", message, name, file, key=key)


def _is_named(person: Person, words: str, alone: bool) -> bool:
    """Whether the family name is among the words, ``alone`` or else with the given name or an initial beside it."""
    family, given = _words(person.family), _words(person.given)
    if alone or not given:
        return f" {family} " in words
    forms = {given, given.split()[0], given[0]}
    return any(f" {form} {family} " in words or f" {family} {form} " in words for form in forms)


def _words(text: str) -> str:
    """Text as its words in small letters without marks, one space between them."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.split(r"[\W_]+", "".join(c for c in plain if not unicodedata.combining(c)))).strip()


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """What changed from one list to the next, in words: people in, out and named otherwise, order."""
    old, new = ({a.person.id: (block, a.name) for block, a in _blocks(s.authors)} for s in (before, after))
    lines = [f"new: {name} ({block})" for i, (block, name) in new.items() if i not in old]
    lines += [f"gone: {name} ({block})" for i, (block, name) in old.items() if i not in new]
    lines += [
        f"changed: {old[i][1]} ({old[i][0]}) is now {name} ({block})"
        for i, (block, name) in new.items()
        if i in old and old[i] != (block, name)
    ]
    if not lines and before.authors != after.authors:
        lines.append("order, affiliations, ORCID iDs or contributions of the same people changed")
    return lines


def _blocks(authors: AuthorList) -> Iterator[tuple[str, Any]]:
    yield from (("author", a) for a in authors.core)
    yield from (("consortium", a) for a in authors.members)
    yield from (("acknowledged", a) for a in authors.acknowledged)
