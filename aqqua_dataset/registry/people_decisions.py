"""Reads and checks what people decided about people and papers: ``people_decisions.csv``, ``papers.csv``, the order."""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.credit import Paper, Person, PersonDecision
from aqqua_dataset.registry.identifiers import is_valid_doi
from aqqua_dataset.registry.models import Settings
from aqqua_dataset.registry.publishing import SignOff
from aqqua_dataset.registry.same_people import bare_orcid, standing_for
from aqqua_dataset.registry.tables import load_table, row_finding

DECISIONS = "people_decisions.csv"
PAPERS = "papers.csv"
SIGN_OFFS = "sign_offs.csv"

# Some scripts need these between letters.
_JOINERS = "\u200c\u200d"
_A_PERSON = "expected the id of a person in people/"
_EXPECTED = {
    "person": _A_PERSON,
    "other": _A_PERSON,
    "decided_by": _A_PERSON,
    "decision": "expected same or different",
    "decided_on": "expected a date such as 2027-05-31",
    "kind": "expected article or misc",
    "year": "expected a year such as 2019",
    "date": "expected a date such as 2027-07-15",
    "manifest_sha256": "expected manifest_sha256 of the release's RELEASED.json: 64 digits and letters a to f",
}


def load_people_decisions(
    folder: Path, people: Mapping[str, Person]
) -> tuple[tuple[PersonDecision, ...], list[Finding]]:  # fmt: skip
    """The decisions of a registry and everything that is wrong with them; a row with a mistake is left out."""
    rows, findings = load_table(folder, DECISIONS, PersonDecision, _EXPECTED)
    kept: list[tuple[int, PersonDecision]] = []
    pairs: set[frozenset[str]] = set()
    joined = {p.id for p in people.values() if p.same_as is not None}
    for line, row in rows:
        wrong = [
            row_finding(DECISIONS, line, name, _A_PERSON, value)
            for name, value in (("person", row.person), ("other", row.other), ("decided_by", row.decided_by))
            if value not in people
        ]
        pair = frozenset((row.person, row.other))
        if len(pair) == 1 or pair in pairs:
            message = "expected two records, and every pair once; remove this row"
            wrong.append(row_finding(DECISIONS, line, "other", message, row.other))
        elif row.decision == "same" and row.other in joined:
            message = "this record is joined to another one already; name that one as other instead"
            wrong.append(row_finding(DECISIONS, line, "other", message, row.other))
        findings += wrong
        if not wrong:
            pairs.add(pair)
            joined |= {row.other} if row.decision == "same" else set()
            kept.append((line, row))
    decisions = tuple(row for _, row in kept)
    findings += _contradictions(people, kept, standing_for(people.values(), decisions))
    return decisions, findings


def _contradictions(
    people: Mapping[str, Person], rows: list[tuple[int, PersonDecision]], stands: Mapping[str, str]
) -> Iterator[Finding]:
    for line, row in rows:
        if row.decision == "different" and stands[row.person] == stands[row.other]:
            message = f"other decisions or same_as make them one person: {stands[row.person]}"
            yield row_finding(DECISIONS, line, "decision", message, row.decision)
        if row.decision == "same" and stands[row.person] != stands[row.other]:
            message = "these decisions go round in a circle; one record must stand for all of them"
            yield row_finding(DECISIONS, line, "person", message, row.person)
        mine, theirs = people[row.person].orcid, people[row.other].orcid
        if row.decision == "same" and mine and theirs and bare_orcid(mine) != bare_orcid(theirs):
            message = f"two different ORCID iDs for one person: {bare_orcid(mine)} and this one"
            yield row_finding(DECISIONS, line, "other", message, bare_orcid(theirs))


def load_papers(folder: Path) -> tuple[tuple[Paper, ...], list[Finding]]:
    """What is known of the papers to cite, and everything that is wrong with it; a row with a mistake is left out."""
    rows, findings = load_table(folder, PAPERS, Paper, _EXPECTED)
    kept: dict[str, Paper] = {}
    for line, paper in rows:
        if not is_valid_doi(paper.doi):
            message = "expected a DOI such as 10.1234/abc, without https://doi.org/"
            findings.append(row_finding(PAPERS, line, "doi", message, paper.doi))
        elif paper.doi.lower() in kept:
            message = "this DOI stands above; DOIs are the same in capitals and small letters"
            findings.append(row_finding(PAPERS, line, "doi", message, paper.doi))
        else:
            kept[paper.doi.lower()] = paper
    return tuple(kept.values()), findings


def load_sign_offs(folder: Path, people: Mapping[str, Person]) -> tuple[tuple[SignOff, ...], list[Finding]]:
    """Who signed which built release off, and everything that is wrong with it; a row with a mistake is left out."""
    rows, findings = load_table(folder, SIGN_OFFS, SignOff, _EXPECTED)
    kept = []
    for line, row in rows:
        if row.person in people:
            kept.append(row)
        else:
            findings.append(row_finding(SIGN_OFFS, line, "person", _A_PERSON, row.person))
    return tuple(kept), findings


def check_names(people: Mapping[str, Person]) -> Iterator[Finding]:
    """Findings about parts of names that nobody can read, or that a list of authors would print wrongly."""
    for person in people.values():
        for key in ("given", "family", "particle", "suffix"):
            text = getattr(person, key)
            unseen = [c for c in text or "" if unicodedata.category(c) in ("Cc", "Cf") and c not in _JOINERS]
            if text and (unseen or not any(map(str.isalpha, text))):
                message = "expected a name: letters, and no control or invisible characters"
                shown = text.encode("unicode_escape").decode()
                yield Finding("name_invalid", "error", message, file=f"people/{person.id}.yaml", key=key, value=shown)


def check_policy(settings: Settings, people: Mapping[str, Person]) -> Iterator[Finding]:
    """Findings about the order of the core team."""
    for position, name in enumerate(settings.authors.core_order):
        message = None
        if name not in people or not people[name].core_team:
            message = "expected the id of a person in people/ with core_team: true"
        elif name in settings.authors.core_order[:position]:
            message = "expected every person once; remove this one"
        if message:
            key = f"authors.core_order.{position}"
            yield Finding("core_order_invalid", "error", message, file="settings.yaml", key=key, value=name)
