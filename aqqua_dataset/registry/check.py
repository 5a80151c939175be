"""What can be judged only with the whole registry: references, identifiers, histories, duplicate people."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aqqua_dataset.findings import Finding, Severity
from aqqua_dataset.privacy import EMAIL
from aqqua_dataset.registry.identifiers import is_valid_doi, is_valid_orcid, is_valid_ror
from aqqua_dataset.registry.models import Contact, Contribution, Person, Registry

#: (file, path of keys) -> line, as the loader found them.
Lines = dict[tuple[str, tuple[Any, ...]], int]

_ORDER = ("pledged", "agreed", "received", "validated", "accepted")
_UNITS = ("um", "mm", "m", "px/um", "px/mm", "dpi")
# Letters that Unicode normalisation does not take apart.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})


def check_registry(registry: Registry, lines: Lines, contacts: Sequence[Contact]) -> list[Finding]:
    """Everything that is wrong between records; places are looked up in ``lines``."""
    return [
        *_people(registry, lines, contacts),
        *_institutions(registry, lines),
        *itertools.chain.from_iterable(_contribution(registry, lines, c) for c in registry.contributions.values()),
        *_addresses(registry, lines),
    ]


def _finding(
    lines: Lines, file: str, keys: tuple[Any, ...], rule: str, message: str, value: object = "",
    severity: Severity = "error", contribution: str = "",
) -> Finding:  # fmt: skip
    line = next((lines[file, keys[:n]] for n in range(len(keys), 0, -1) if (file, keys[:n]) in lines), None)
    key = ".".join(str(k) for k in keys)
    return Finding(rule, severity, message, contribution, file, line, key, str(value))


def _people(registry: Registry, lines: Lines, contacts: Sequence[Contact]) -> Iterator[Finding]:
    for person in registry.people.values():
        file = f"people/{person.id}.yaml"
        if person.orcid is not None and not is_valid_orcid(person.orcid):
            message = "not a valid ORCID iD (four groups of four, ISO 7064 check digit)"
            yield _finding(lines, file, ("orcid",), "orcid_invalid", message, person.orcid)
        for position, name in enumerate(person.affiliations):
            if name not in registry.institutions:
                keys = ("affiliations", position)
                yield _finding(lines, file, keys, "reference_dangling", "no such file in institutions/", name)
        if person.same_as is not None:
            other = registry.people.get(person.same_as)
            if other is None or other.same_as is not None or other.id == person.id:
                message = "expected the id of another person who is not merged away"
                yield _finding(lines, file, ("same_as",), "same_as_invalid", message, person.same_as)
    for contact in contacts:
        if contact.person not in registry.people:
            yield Finding(
                "reference_dangling",
                "error",
                "no such file in people/",
                file="private/contacts.yaml",
                value=contact.person,
            )
    yield from _same_people(registry, lines, contacts)


def _same_people(registry: Registry, lines: Lines, contacts: Sequence[Contact]) -> Iterator[Finding]:
    """Pairs that may be one person: reported, and merged only by an explicit same_as."""
    mails = {c.person: c.email.casefold().strip() for c in contacts}
    people = [p for p in registry.people.values() if p.same_as is None]
    seen: dict[tuple[str, str], Person] = {}
    for person in people:
        signs: list[tuple[str, str, Severity]] = [("name", key, "warning") for key in name_keys(person)]
        if person.orcid:
            signs.append(("ORCID iD", person.orcid.rsplit("/", 1)[-1], "error"))
        if person.id in mails:
            signs.append(("e-mail address", mails[person.id], "warning"))
        reported: set[str] = set()
        for what, key, severity in signs:
            other = seen.setdefault((what, key), person)
            if other is not person and other.id not in reported:
                reported.add(other.id)
                message = f"same {what} as {other.id}: one person? Then set same_as in one of the two files"
                yield _finding(
                    lines,
                    f"people/{person.id}.yaml",
                    ("id",),
                    "person_twice",
                    message,
                    "",
                    severity,
                )


def name_keys(person: Person) -> set[str]:
    """Spellings under which one person may stand twice: no diacritics, any order, umlauts either way."""
    words = " ".join(filter(None, (person.given, person.particle, person.family)))
    return {_folded(words), _folded(words.casefold().translate(_UMLAUTS))}


def _folded(words: str) -> str:
    plain = unicodedata.normalize("NFKD", words.casefold().translate(_LETTERS))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(sorted(re.sub(r"[^\w\s]", " ", letters).split()))


def _institutions(registry: Registry, lines: Lines) -> Iterator[Finding]:
    for institution in registry.institutions.values():
        if institution.ror is not None and not is_valid_ror(institution.ror):
            message = "not a valid ROR id (0, six characters, two check digits)"
            file = f"institutions/{institution.id}.yaml"
            yield _finding(lines, file, ("ror",), "ror_invalid", message, institution.ror)


def _contribution(registry: Registry, lines: Lines, contribution: Contribution) -> Iterator[Finding]:
    file = f"contributions/{contribution.id}.yaml"

    def found(
        keys: tuple[Any, ...],
        rule: str,
        message: str,
        value: object = "",
        severity: Severity = "error",
    ) -> Finding:
        return _finding(lines, file, keys, rule, message, value, severity, contribution.id)

    people, places = registry.people, registry.institutions
    kinds = [k.id for k in registry.settings.permissions]
    references: list[tuple[tuple[Any, ...], str, Iterable[str], str]] = [
        *((("owners", i), name, people, "people/") for i, name in enumerate(contribution.owners)),
        *(
            (("contributors", i, "person"), c.person, people, "people/")
            for i, c in enumerate(contribution.contributors)
        ),
        *((("institutions", i), name, places, "institutions/") for i, name in enumerate(contribution.institutions)),
        *((("permissions", i, "id"), p.id, kinds, "settings.yaml") for i, p in enumerate(contribution.permissions)),
    ]
    terms = {t.id for t in registry.settings.interim_terms}
    if contribution.interim_terms is not None:
        references.append(
            (
                ("interim_terms",),
                contribution.interim_terms,
                terms,
                "settings.yaml",
            )
        )
    for keys, name, known, where in references:
        if name not in known:
            yield found(keys, "reference_dangling", f"not found in {where}", name)
    if contribution.interim_terms == "other" and not contribution.interim_terms_text:
        yield found(("interim_terms",), "interim_terms_text_missing", "other terms need interim_terms_text")
    for i, doi in enumerate(contribution.attribution.cite_dois):
        if not is_valid_doi(doi):
            yield found(
                ("attribution", "cite_dois", i),
                "doi_invalid",
                "expected a DOI such as 10.1234/abc",
                doi,
            )
    yield from _declared(contribution, found)
    yield from _history(registry, contribution, found)


def _declared(contribution: Contribution, found: Any) -> Iterator[Finding]:
    declared = contribution.declared
    units = {("declared", "column_units", c): u for c, u in declared.column_units.items()}
    if declared.pixel_size is not None:
        units[("declared", "pixel_size", "unit")] = declared.pixel_size.unit
    for keys, unit in units.items():
        if unit not in _UNITS:
            yield found(keys, "unit_unknown", f"expected one of {', '.join(_UNITS)}", unit)
    if declared.time_zone is not None:
        try:
            ZoneInfo(declared.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            message = "expected a time zone such as UTC or Europe/Berlin"
            yield found(("declared", "time_zone"), "time_zone_unknown", message, declared.time_zone)


def _history(registry: Registry, contribution: Contribution, found: Any) -> Iterator[Finding]:
    events = contribution.history
    for i, (before, after) in enumerate(itertools.pairwise(events), start=1):
        if after.date < before.date:
            yield found(
                ("history", i, "date"),
                "history_backwards",
                "earlier than the event before it",
                after.date,
            )
        if before.state == "revoked" and before.scope == "all":
            yield found(
                ("history", i),
                "history_after_revocation",
                "nothing follows a withdrawn permission",
                after.state,
            )
        elif (
            after.state != "revoked"
            and before.state != "revoked"
            and _ORDER.index(after.state) < _ORDER.index(before.state)
        ):
            yield found(
                ("history", i, "state"),
                "history_backwards",
                f"{after.state} can't follow {before.state}",
            )
    if contribution.state == "pledged":
        return
    for key in ("form_id", "form_date", "permissions", "interim_terms"):
        if not getattr(contribution, key):
            yield found((key,), "agreement_incomplete", "an agreed contribution needs this key")
    if missing := registry.missing_mandatory(contribution):
        message = f"mandatory permission missing: {', '.join(missing)}; the data can't be taken"
        yield found(("permissions",), "permission_missing", message, "", "warning")


def _addresses(registry: Registry, lines: Lines) -> Iterator[Finding]:
    """E-mail addresses in records that are published; they belong into private/contacts.yaml."""
    groups: list[tuple[str, dict[str, Any]]] = [
        ("people", dict(registry.people)), ("institutions", dict(registry.institutions)),
        ("contributions", dict(registry.contributions)),
    ]  # fmt: skip
    for folder, records in groups:
        for name, record in records.items():
            for keys, text in _texts(record.model_dump(), ()):
                for address in EMAIL.findall(text):
                    message = "an e-mail address in a public record; it belongs into private/contacts.yaml"
                    yield _finding(
                        lines,
                        f"{folder}/{name}.yaml",
                        keys,
                        "email_in_public_record",
                        message,
                        address,
                    )


def _texts(value: Any, keys: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*keys, key))
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from _texts(inner, (*keys, position))
