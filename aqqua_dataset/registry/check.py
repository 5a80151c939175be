"""What can be judged only with the whole registry: references, identifiers, histories, duplicate people."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aqqua_dataset import privacy, schema
from aqqua_dataset.findings import Finding, Severity
from aqqua_dataset.privacy import EMAIL
from aqqua_dataset.registry.agreement import agreement_problems
from aqqua_dataset.registry.fetching import fetch_problems, shared_locations
from aqqua_dataset.registry.identifiers import is_spdx_like, is_valid_doi, is_valid_orcid, is_valid_ror
from aqqua_dataset.registry.models import AUTO, Column, Contact, Contribution, Event, Person, Registry, Source
from aqqua_dataset.registry.people_decisions import DECISIONS
from aqqua_dataset.registry.same_people import bare_orcid, same_people

Keys = tuple[str | int, ...]
#: File -> path of keys as text -> 1-based line; the path () is the record's first line. Also files with errors.
Lines = dict[str, dict[tuple[str, ...], int]]

CONTACTS = "private/contacts.yaml"
#: Rules without which no stage can read the data; the loader leaves such a contribution out.
UNREADABLE = frozenset(
    {
        "unit_unknown", "time_zone_unknown", "format_unknown", "deployment_type_unknown", "input_unknown",
        "time_format_unknown", "names_invalid", "join_invalid", "fetch_link_invalid", "fetch_secret_written",
        "fetch_location_invalid", "fetch_location_shared",
    }
)  # fmt: skip
_TIME_FORMATS = ("epoch_s", "epoch_ms", "epoch_us", "excel_days_1900", "excel_days_1904")

_ORDER = ("pledged", "agreed", "received", "validated", "accepted")


def check_registry(registry: Registry, places: Lines, contacts: Mapping[int, Contact]) -> list[Finding]:
    """Everything that is wrong between records and inside them.

    Args:
        registry: the records that could be read, by file name.
        places: where each key stands, as the loader found it.
        contacts: private contacts by their position in their file; may be empty.
    """
    found = [*_settings(registry, _At(places, "settings.yaml")), *_duplicates(registry, places, contacts)]
    found += _aliases(registry, _At(places, "settings.yaml"))
    for person in registry.people.values():
        found += _person(registry, person, _At(places, f"people/{person.id}.yaml"))
    for institution in registry.institutions.values():
        at = _At(places, f"institutions/{institution.id}.yaml")
        found += _identifiers(at, [("ror_invalid", ("ror",), institution.ror)])
    for contribution in registry.contributions.values():
        at = _At(places, f"contributions/{contribution.id}.yaml", contribution.id)
        found += _contribution(registry, contribution, at)
    found += shared_locations(
        registry.contributions.values(), lambda id_: _At(places, f"contributions/{id_}.yaml", id_)
    )
    known: set[str] = set()
    for position, contact in contacts.items():
        at = _At(places, CONTACTS)
        found += _references(at, [((position, "person"), contact.person)], registry.people, "people")
        if contact.person in known:
            found.append(at((position, "person"), "contact_twice", "expected one entry per person", contact.person))
        known.add(contact.person)
    return [*found, *_addresses(registry, places)]


def nearest_line(places: Mapping[tuple[str, ...], int], keys: Iterable[object]) -> int | None:
    """Line of a key, or of what it should stand in when it is missing; None for a file that can't be parsed."""
    path = tuple(map(str, keys))
    return next((places[path[:n]] for n in range(len(path), -1, -1) if path[:n] in places), None)


@dataclass(frozen=True)
class _At:
    """Makes the findings about one file."""

    places: Lines
    file: str
    contribution: str = ""

    def __call__(
        self, keys: Keys, rule: str, message: str, value: object = "", severity: Severity = "error"
    ) -> Finding:  # fmt: skip
        line = nearest_line(self.places.get(self.file, {}), keys)
        key = ".".join(map(str, keys))
        return Finding(rule, severity, message, self.contribution, self.file, line, key, str(value))


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones such as "Europe"
        return False
    return True


def _is_web_address(text: str) -> bool:
    return re.fullmatch(r"https?://[^\s<>\"]+\.[^\s<>\"]+", text) is not None


# Rule -> what is valid, and what was expected.
_VALID: dict[str, tuple[Callable[[str], bool], str]] = {
    "orcid_invalid": (is_valid_orcid, "expected an ORCID iD: four groups of four digits, the last a check digit or X"),
    "ror_invalid": (is_valid_ror, "expected a ROR id: 0, six characters and two check digits"),
    "doi_invalid": (is_valid_doi, "expected a DOI such as 10.1234/abc, without https://doi.org/"),
    "spdx_invalid": (is_spdx_like, "expected an SPDX licence id such as CC-BY-4.0"),
    "email_invalid": (lambda text: EMAIL.fullmatch(text) is not None, "expected an e-mail address"),
    "address_invalid": (_is_web_address, "expected the address of a web page: https://..."),
    "time_zone_unknown": (_is_time_zone, "expected a time zone such as UTC or Europe/Berlin"),
}


def _identifiers(at: _At, given: Iterable[tuple[str, Keys, str | None]]) -> Iterator[Finding]:
    """Findings for (rule, keys, value) whose value is given and not valid."""
    for rule, keys, value in given:
        is_valid, expected = _VALID[rule]
        if value is not None and not is_valid(value):
            yield at(keys, rule, expected, value)


def _aliases(registry: Registry, at: _At) -> Iterator[Finding]:
    """Instruments and people that the spellings of instruments name."""
    aliases = registry.settings.instrument_aliases
    known = schema.enumerations()["instrument_id"]
    named: list[tuple[Keys, str]] = [
        (("instrument_aliases", i, "instrument_id"), a.instrument_id) for i, a in enumerate(aliases)
    ]
    people: list[tuple[Keys, str]] = [(("instrument_aliases", i, "by"), a.by) for i, a in enumerate(aliases)]
    yield from _references(at, named, list(known), "")
    yield from _references(at, people, registry.people, "people")


def _references(
    at: _At, given: Iterable[tuple[Keys, str]], known: Collection[str], folder: str
) -> Iterator[Finding]:  # fmt: skip
    """Findings for ids that no record of the folder has; folder "" stands for the settings' options."""
    for keys, name in given:
        if name in known:
            continue
        message = f"expected one of {', '.join(known)} (see settings.yaml)"
        if folder:
            file = f"{folder}/{name}.yaml"
            broken = file in at.places
            message = f"{file} has errors of its own" if broken else f"expected a record in {folder}/; no file {file}"
        yield at(keys, "reference_dangling", message, name)


def _listed_twice(at: _At, given: Iterable[tuple[Keys, str]]) -> Iterator[Finding]:
    seen: set[str] = set()
    for keys, name in given:
        if name in seen:
            yield at(keys, "listed_twice", "expected every entry once; remove this one", name)
        seen.add(name)


def _settings(registry: Registry, at: _At) -> Iterator[Finding]:
    settings, dataset = registry.settings, registry.settings.dataset
    terms, funding = settings.interim_terms, dataset.funding
    yield from _identifiers(
        at,
        [
            ("time_zone_unknown", ("time_zone",), settings.time_zone),
            ("spdx_invalid", ("licence_spdx",), settings.licence_spdx),
            ("doi_invalid", ("dataset", "doi"), dataset.doi),
            ("ror_invalid", ("dataset", "publisher_ror"), dataset.publisher_ror),
            ("email_invalid", ("dataset", "contact_email"), dataset.contact_email),
            ("address_invalid", ("dataset", "url"), dataset.url),
            ("address_invalid", ("dataset", "contact_url"), dataset.contact_url),
            ("address_invalid", ("dataset", "imprint_url"), dataset.imprint_url),
            ("address_invalid", ("dataset", "privacy_url"), dataset.privacy_url),
            *(("spdx_invalid", ("interim_terms", i, "spdx"), term.spdx) for i, term in enumerate(terms)),
            *(("ror_invalid", ("dataset", "funding", i, "ror"), grant.ror) for i, grant in enumerate(funding)),
        ],
    )
    yield from _listed_twice(at, [(("permissions", i, "id"), p.id) for i, p in enumerate(settings.permissions)])
    yield from _listed_twice(at, [(("interim_terms", i, "id"), t.id) for i, t in enumerate(terms)])
    if settings.longhurst is not None and not Path(settings.longhurst).is_file():
        message = "expected a file with the polygons of Longhurst's provinces"
        yield at(("longhurst",), "longhurst_missing", message, settings.longhurst)


def _person(registry: Registry, person: Person, at: _At) -> Iterator[Finding]:
    yield from _identifiers(at, [("orcid_invalid", ("orcid",), person.orcid)])
    affiliations: list[tuple[Keys, str]] = [(("affiliations", i), a) for i, a in enumerate(person.affiliations)]
    yield from _references(at, affiliations, registry.institutions, "institutions")
    yield from _listed_twice(at, affiliations)
    if person.same_as is None:
        return
    other = registry.people.get(person.same_as)
    if other is None or other.same_as is not None:
        message = "expected the id of another person who has no same_as of their own"
        yield at(("same_as",), "same_as_invalid", message, person.same_as)
    elif person.orcid and other.orcid and bare_orcid(person.orcid) != bare_orcid(other.orcid):
        message = f"two different ORCID iDs for one person; {other.id} has {other.orcid}"
        yield at(("orcid",), "orcid_conflict", message, person.orcid)


def _duplicates(registry: Registry, places: Lines, contacts: Mapping[int, Contact]) -> Iterator[Finding]:
    mails = {c.person: c.email for c in contacts.values()}
    for pair in same_people(registry, mails):
        at = _At(places, f"people/{pair.other.id}.yaml")
        message = f"same {pair.sign} as {pair.first.id}; decide in {DECISIONS} whether they are one person"
        if pair.certain:
            yield at(("orcid",), "person_twice", message, pair.other.orcid)
        else:
            yield at(("id",), "person_twice", message, pair.other.id, "warning")


def _contribution(registry: Registry, contribution: Contribution, at: _At) -> Iterator[Finding]:
    owners: list[tuple[Keys, str]] = [(("owners", i), name) for i, name in enumerate(contribution.owners)]
    others: list[tuple[Keys, str]] = [
        *((("contributors", i, "person"), c.person) for i, c in enumerate(contribution.contributors)),
        *((("overrules", i, "by"), o.by) for i, o in enumerate(contribution.overrules)),
        *((("form", "signer"), form.signer) for form in (contribution.form,) if form),
        *((("positions", "by"), review.by) for review in (contribution.positions,) if review),
    ]
    places: list[tuple[Keys, str]] = [(("institutions", i), name) for i, name in enumerate(contribution.institutions)]
    given: list[tuple[Keys, str]] = [(("permissions", i, "id"), p.id) for i, p in enumerate(contribution.permissions)]
    terms = contribution.interim_terms
    yield from _references(at, owners + others, registry.people, "people")
    yield from _references(at, places, registry.institutions, "institutions")
    yield from _references(at, given, [k.id for k in registry.settings.permissions], "")
    if terms is not None:
        yield from _references(at, [(("interim_terms",), terms)], [t.id for t in registry.settings.interim_terms], "")
    for entries in (owners, places, given):
        yield from _listed_twice(at, entries)
    if terms == "other" and not contribution.interim_terms_text:
        yield at(("interim_terms",), "interim_terms_text_missing", "other terms need interim_terms_text", terms)
    attribution = contribution.attribution
    yield from _identifiers(
        at,
        [
            *(("doi_invalid", ("attribution", "cite_dois", i), d) for i, d in enumerate(attribution.cite_dois)),
            *(("ror_invalid", ("attribution", "funding", i, "ror"), f.ror) for i, f in enumerate(attribution.funding)),
            ("spdx_invalid", ("source", "licence"), contribution.source.licence if contribution.source else None),
        ],
    )
    yield from _readable(contribution, at)
    yield from _overrules(contribution, at)
    yield from _history(contribution.history, at)
    yield from agreement_problems(registry, contribution, at)


def _overrules(contribution: Contribution, at: _At) -> Iterator[Finding]:
    """Flags that the owner overruled."""
    known = set(schema.vocabulary("flags.csv")["flag"])
    for i, overrule in enumerate(contribution.overrules):
        if overrule.flag not in known:
            yield at(("overrules", i, "flag"), "flag_unknown", "expected a flag of the data dictionary", overrule.flag)


def _readable(contribution: Contribution, at: _At) -> Iterator[Finding]:
    """Values that a reader or a rule is chosen by."""
    declared, source = contribution.declared, contribution.source
    yield from _identifiers(at, [("time_zone_unknown", ("declared", "time_zone"), declared.time_zone)])
    for name in ("pixel_size", "pixel_size_y"):
        if told := getattr(declared, name):
            yield from _unit(at, ("declared", name, "unit"), told.unit, _units()["pixel_size"])
    for column, unit in declared.column_units.items():
        yield from _unit(at, ("declared", "column_units", column), unit, list(chain(*_units().values())))
    if declared.culture_origin is not None and declared.water_type != "culture":
        message = "expected with water_type culture only; it is not used"
        yield at(("declared", "culture_origin"), "culture_origin_out_of_place", message, declared.water_type)
    if source:
        yield from _source(source, at)
    for keys, rule, value, enumeration in (
        (("source", "format"), "format_unknown", _named_format(source), "source_system"),
        (("declared", "deployment_type"), "deployment_type_unknown", declared.deployment_type, "deployment_type"),
    ):
        known = schema.enumerations()[enumeration]
        if value is not None and value not in known:
            yield at(keys, rule, f"expected one of {', '.join(known)}", value)


def _named_format(source: Source | None) -> str | None:
    """The format as named; None where it is to be recognised."""
    return source.format if source is not None and source.format != AUTO else None


def _units() -> dict[str, list[str]]:
    """Units that each input can have."""
    table = schema.vocabulary("inputs.csv")
    return {row.input: list(filter(None, row.units.split("|"))) for row in table.itertuples()}


def _unit(at: _At, keys: Keys, unit: str | None, allowed: list[str]) -> Iterator[Finding]:
    if unit is not None and unit not in allowed:
        expected = f"one of {', '.join(dict.fromkeys(allowed))}" if allowed else "none: this input has no unit"
        yield at(keys, "unit_unknown", f"expected a unit, {expected}", unit)


def _source(source: Source, at: _At) -> Iterator[Finding]:
    """What the mapping, the joins and the folders' values say."""
    yield from _mapping(source.mapping, ("source", "mapping"), at)
    if source.fetch_from is not None:
        yield from fetch_problems(source.fetch_from, source.location, at)
    if source.names is not None and (problem := _pattern_problem(source.names)):
        yield at(("source", "names"), "names_invalid", problem, source.names)
    known: set[str] = set()
    for position, join in enumerate(source.joins):
        keys = ("source", "joins", position)
        yield from _mapping(join.mapping, (*keys, "mapping"), at)
        if len(join.key) != len(join.to):
            message = "key and to must name the same number of columns"
            yield at((*keys, "to"), "join_invalid", message, ", ".join(join.to))
        if join.id in known or join.id in ("name", "folder"):
            yield at((*keys, "id"), "join_invalid", "expected an id that nothing else here has", join.id)
        known.add(join.id)
    for position, folder in enumerate(source.folders):
        for name in folder.holds:
            yield from _input(at, ("source", "folders", position, "holds", name), name)


def _mapping(mapping: Mapping[str, Column], keys: Keys, at: _At) -> Iterator[Finding]:
    for name, column in mapping.items():
        yield from _input(at, (*keys, name), name)
        yield from _unit(at, (*keys, name, "unit"), column.unit, _units().get(name, []))
        if column.format is not None and column.format not in _TIME_FORMATS and "%" not in column.format:
            message = f"expected a pattern such as %d.%m.%Y %H:%M:%S, or one of {', '.join(_TIME_FORMATS)}"
            yield at((*keys, name, "format"), "time_format_unknown", message, column.format)


def _input(at: _At, keys: Keys, name: str) -> Iterator[Finding]:
    if name not in _units():
        yield at(keys, "input_unknown", f"expected one of {', '.join(_units())}", name)


def _pattern_problem(pattern: str) -> str | None:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        return f"no regular expression ({error})"
    return None if groups else "expected named groups such as (?P<station>[^/]+)"


def _history(events: tuple[Event, ...], at: _At) -> Iterator[Finding]:
    reached, withdrawn = "", False
    for i, event in enumerate(events):
        if i and event.date < events[i - 1].date:
            message = f"expected {events[i - 1].date} or later, as the event before it"
            yield at(("history", i, "date"), "history_backwards", message, event.date)
        if withdrawn:
            yield at(("history", i), "history_after_revocation", "nothing follows a withdrawn permission", event.state)
        elif event.state == "revoked":
            withdrawn = event.scope == "all"
        else:
            if event.scope is not None:
                yield at(("history", i, "scope"), "scope_out_of_place", "expected with state revoked only", event.scope)
            if reached and _ORDER.index(event.state) < _ORDER.index(reached):
                yield at(("history", i, "state"), "history_backwards", f"can't follow {reached}", event.state)
            elif event.state not in _ORDER[:2] and reached not in _ORDER[1:]:
                yield at(("history", i, "state"), "history_step_missing", "expected agreed before it", event.state)
            reached = event.state


def _addresses(registry: Registry, places: Lines) -> Iterator[Finding]:
    """E-mail addresses in records that are published; only the dataset's own mailbox may be there."""
    records: list[tuple[str, Any]] = [("settings.yaml", registry.settings)]
    for folder, group in (
        ("people", registry.people), ("institutions", registry.institutions),
        ("contributions", registry.contributions),
    ):  # fmt: skip
        records += [(f"{folder}/{name}.yaml", record) for name, record in group.items()]
    message = f"{{}} in a record that is published; it belongs into {CONTACTS}"
    for file, record in records:
        at = _At(places, file, getattr(record, "id", "") if file.startswith("contributions/") else "")
        for keys, text in _texts(record.model_dump(), ()):
            if (file, keys) != ("settings.yaml", ("dataset", "contact_email")):
                for kind, found in privacy.found_in(text):
                    if kind in ("e-mail", "phone number"):
                        yield at(keys, "email_in_public_record", message.format(kind), found)


def _texts(value: Any, keys: Keys) -> Iterator[tuple[Keys, str]]:
    """Every text below a record with its place, names of columns included."""
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*keys, key), key
            yield from _texts(inner, (*keys, key))
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from _texts(inner, (*keys, position))
