"""The DOI record: DataCite 4.5 as JSON and XML, and the checks that its schema doesn't make.

Creators are the core team and the consortium; every data provider is a contributor of type
DataCollector. Only a public release's record has a DOI: a rehearsal's can't be registered.
"""

import datetime as dt
import importlib.metadata
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from datacite import schema45

from aqqua_dataset import privacy
from aqqua_dataset.registry.identifiers import is_valid_doi, is_valid_orcid, is_valid_ror
from aqqua_dataset.registry.models import Funding, Registry, Settings
from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.release.doi_relations import croissant_file, of_version
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import Author, AuthorList, institution_key, orcid_url, ror_url

Record = dict[str, Any]

#: The one licence the contributors agreed to, worded as DataCite itself stores it: a record read back is unchanged.
RIGHTS = {
    "rights": "Creative Commons Attribution Non Commercial 4.0 International",
    "rightsUri": "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
    "rightsIdentifier": "cc-by-nc-4.0",
    "rightsIdentifierScheme": "SPDX",
    "schemeUri": "https://spdx.org/licenses/",
}
_DOI_PREFIX = re.compile(r"^(?:https?://(?:dx\.)?doi\.org/|doi:)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# What XML 1.0 can't hold, and the control characters that it can but nobody means.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def datacite_record(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> Record:
    """The record of a release; keys and values as in the DataCite 4.5 JSON schema."""
    settings, dataset = registry.settings, registry.settings.dataset
    record: Record = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Image collection"},
        "titles": [{"title": facts.mark + dataset.title}],
        "creators": [
            *(_person(a, authors) for a in authors.core),
            {"name": dataset.consortium, "nameType": "Organizational"},
        ],
        "contributors": [
            {**who, "contributorType": "DataCollector"}
            for who in (*(_person(a, authors) for a in authors.members), *_institutions(registry, authors))
        ],
        "publisher": {"name": dataset.publisher, **_ror("publisherIdentifier", dataset.publisher_ror)},
        "publicationYear": str(settings.release_date.year),
        "dates": _dates(settings, facts),
        "language": dataset.language,
        "version": facts.version,
        "rightsList": _rights(settings, facts),
        "descriptions": [{"description": facts.mark + dataset.description, "descriptionType": "Abstract"}],
        "subjects": [{"subject": word} for word in dict.fromkeys(dataset.keywords)],
        "sizes": [f"{facts.image_count} images", f"{facts.image_bytes} bytes of image archives"],
        "formats": ["application/x-tar", "image/png", "image/jpeg", "application/vnd.apache.parquet"],
        "geoLocations": _places(facts),
        "relatedIdentifiers": [*_related(registry, authors), *_own_relations(settings, facts)],
        "fundingReferences": _funding(registry, authors),
    }
    if dataset.doi is not None and grants_licence(facts):
        record["doi"] = _bare_doi(dataset.doi)
    return {k: v for k, v in record.items() if v}


def _person(author: Author, authors: AuthorList) -> Record:
    person = author.person
    found: Record = {
        "name": f"{author.family}, {person.given}",
        "nameType": "Personal",
        "givenName": person.given,
        "familyName": author.family,
        "nameIdentifiers": _identifier("ORCID", orcid_url(person.orcid), "https://orcid.org"),
        "affiliation": [{"name": i.name, **_ror("affiliationIdentifier", i.ror)} for i in authors.affiliations(author)],
    }
    return {k: v for k, v in found.items() if v}


def _institutions(registry: Registry, authors: AuthorList) -> Iterator[Record]:
    """The contributions' institutions, each once: they collected the data also where no owner is named.

    Not RightsHolder: the forms don't say who of owner and institution holds the rights.
    """
    names = itertools.chain.from_iterable(registry.contributions[c].institutions for c in authors.contributions)
    distinct = {institution_key(i): i for i in (registry.institutions[n] for n in sorted(set(names)))}
    for institution in distinct.values():
        identifier = _identifier("ROR", ror_url(institution.ror), "https://ror.org")
        found = {"name": institution.name, "nameType": "Organizational", "nameIdentifiers": identifier}
        yield {k: v for k, v in found.items() if v}


def _identifier(scheme: str, identifier: str | None, uri: str) -> list[dict[str, str]]:
    if identifier is None:
        return []
    return [{"nameIdentifier": identifier, "nameIdentifierScheme": scheme, "schemeUri": uri}]


def _ror(key: str, ror: str | None) -> dict[str, str]:
    url = ror_url(ror)
    return {key: url, f"{key}Scheme": "ROR", "schemeUri": "https://ror.org"} if url else {}


def _dates(settings: Settings, facts: ReleaseFacts) -> list[dict[str, str]]:
    # One DOI for all minor versions: it was issued with the first of them.
    major = facts.version.partition(".")[0]
    earlier = [p.date for p in facts.previous if p.version.partition(".")[0] == major]
    dates = [
        {"date": settings.release_date.isoformat(), "dateType": "Available"},
        {"date": min([facts.date, *earlier]).isoformat(), "dateType": "Issued"},
    ]
    if earlier:
        dates.append({"date": facts.date.isoformat(), "dateType": "Updated"})
    if facts.first_sampled and facts.last_sampled:
        span = f"{facts.first_sampled.isoformat()}/{facts.last_sampled.isoformat()}"
        dates.append({"date": span, "dateType": "Collected"})
    return dates


def _rights(settings: Settings, facts: ReleaseFacts) -> list[dict[str, str]]:
    """The release licence; the internal view is under each contribution's own terms and names none."""
    if facts.view != "public":
        return []
    return [RIGHTS | {"rightsIdentifier": settings.licence_spdx.lower(), "rightsUri": settings.licence_url}]


def _places(facts: ReleaseFacts) -> list[Record]:
    if facts.box is None:
        return []
    sides = ("westBoundLongitude", "southBoundLatitude", "eastBoundLongitude", "northBoundLatitude")
    return [{"geoLocationBox": dict(zip(sides, facts.box, strict=True))}]


def _bare_doi(text: str) -> str:
    return _DOI_PREFIX.sub("", text.strip())


def _related(registry: Registry, authors: AuthorList) -> list[dict[str, str]]:
    """Papers to cite and the data sets this one is made from, each once, of all credited contributions."""
    found: dict[tuple[str, str], str] = {}
    for name in authors.contributions:
        contribution = registry.contributions[name]
        for doi in contribution.attribution.cite_dois:
            found["References", _bare_doi(doi).lower()] = "DOI"
        url = (contribution.source and contribution.source.url) or ""
        if is_valid_doi(_bare_doi(url)):
            found["IsDerivedFrom", _bare_doi(url).lower()] = "DOI"
        elif url.startswith(("https://", "http://")):
            found["IsDerivedFrom", url] = "URL"
    return [
        {"relatedIdentifier": identifier, "relatedIdentifierType": kind, "relationType": relation}
        for (relation, identifier), kind in sorted(found.items())
    ]


def _own_relations(settings: Settings, facts: ReleaseFacts) -> list[dict[str, str]]:
    """How the version stands to other DOIs and to its metadata file; a rehearsal and the internal view have neither."""
    if not grants_licence(facts):
        return []
    return [*of_version(settings), croissant_file(settings, facts.version)]


def _funding(registry: Registry, authors: AuthorList) -> list[dict[str, str]]:
    """The collection's grants, then those of the credited contributions, each once."""
    grants: list[Funding] = [*registry.settings.dataset.funding]
    for name in authors.contributions:
        grants += registry.contributions[name].attribution.funding
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for grant in grants:
        ror = {"funderIdentifier": ror_url(grant.ror), "funderIdentifierType": "ROR"} if grant.ror else {}
        values = {"funderName": grant.funder, **ror, "awardNumber": grant.award_number, "awardTitle": grant.award_title}
        # One grant under several titles is one grant; without a number its title tells it apart.
        key = (ror_url(grant.ror) or grant.funder, grant.award_number or grant.award_title or "")
        found.setdefault(key, {k: v for k, v in values.items() if v})
    return list(found.values())


def datacite_json(record: Record) -> str:
    """The record as JSON text."""
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def datacite_xml(record: Record) -> str:
    """The record as DataCite XML."""
    return str(schema45.tostring(record))


def datacite_problems(record: Record) -> list[str]:
    """What is wrong with a record: by the 4.5 JSON schema, and by the checks that it leaves out.

    Raises:
        RuntimeError: an old jsonschema is installed, under which the schema silently lets mistakes pass.
    """
    if int(importlib.metadata.version("jsonschema").split(".")[0]) < 4:
        raise RuntimeError("jsonschema 4 or newer is needed: older ones ignore half of the DataCite schema")
    by_schema = [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in schema45.validator.iter_errors(record)]
    texts = [problem for key, text in _texts(record) for problem in _text_checks(key, text)]
    # The other checks rely on the shape that the schema asks for.
    return sorted([*texts, *(by_schema or _own_checks(record))])


def _own_checks(record: Record) -> Iterator[str]:
    yield from _date_checks(record)
    yield from _identifier_checks(record)
    for place in record.get("geoLocations", []):
        box = place.get("geoLocationBox")
        if box and box["southBoundLatitude"] > box["northBoundLatitude"]:
            yield "geoLocations: south is north of north"
    for rights in record.get("rightsList", []):
        if rights != RIGHTS:
            yield f"rightsList: expected {RIGHTS}, which is what the contributors agreed to"
    for key in ("event", "url", "state"):
        if key in record:
            yield f"{key}: has no place in a metadata record"
    if "-rehearsal" in record.get("version", ""):
        if "doi" in record:
            yield "doi: a rehearsal must have none"
        for text in (*(t["title"] for t in record["titles"]), *(d["description"] for d in record["descriptions"])):
            if not text.startswith("[REHEARSAL"):
                yield f"a rehearsal must say so at the start of {text[:80]!r}"
    if "doi" in record and "rightsList" not in record:
        yield "rightsList: a record with a DOI needs one"
    for named in ("creators", "contributors"):
        for person in record.get(named, []):
            if not person["name"].strip(" ,"):
                yield f"{named}: a name is empty"


def _date_checks(record: Record) -> Iterator[str]:
    for entry in record.get("dates", []):
        days = entry["date"].split("/")
        if len(days) > 2 or not all(_is_day(d) for d in days) or days != sorted(days):
            yield f"dates: {entry['date']!r} is no day (YYYY-MM-DD) or range of days"
        if entry["dateType"] == "Available" and entry["date"][:4] != record["publicationYear"]:
            yield f"publicationYear: {record['publicationYear']} is not the year of Available"


def _is_day(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and dt.date.fromisoformat(text) is not None
    except ValueError:
        return False


def _identifier_checks(record: Record) -> Iterator[str]:
    if "doi" in record and not is_valid_doi(record["doi"]):
        yield f"doi: {record['doi']!r} is no DOI"
    for related in record.get("relatedIdentifiers", []):
        if related["relatedIdentifierType"] == "DOI" and not is_valid_doi(related["relatedIdentifier"]):
            yield f"relatedIdentifiers: {related['relatedIdentifier']!r} is no DOI"
    for person in [*record["creators"], *record.get("contributors", [])]:
        for found in person.get("nameIdentifiers", []):
            valid = {"ORCID": is_valid_orcid, "ROR": is_valid_ror}.get(found["nameIdentifierScheme"])
            if valid is None or not valid(found["nameIdentifier"]):
                yield f"{person['name']}: {found['nameIdentifier']} is no valid {found['nameIdentifierScheme']} id"
    for key, text in _texts(record):
        if key in ("affiliationIdentifier", "publisherIdentifier", "funderIdentifier") and not is_valid_ror(text):
            yield f"{key}: {text} is no valid ROR id"


def _text_checks(key: str, text: str) -> Iterator[str]:
    for kind, _ in privacy.found_in(text):
        yield f"{key}: {kind} in {text[:80]!r}"
    if _CONTROL.search(text):
        yield f"{key}: control character in {text[:80]!r}"


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a record with the key that holds it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
