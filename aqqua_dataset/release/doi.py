"""The DOI record: DataCite 4.5 as JSON and XML, and the checks that its schema doesn't make.

Creators are the core team and the consortium; every data provider is a contributor of type
DataCollector. A rehearsal's record has no DOI at all, so it can't be registered.
"""

import importlib.metadata
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from datacite import schema45

from aqqua_dataset.privacy import EMAIL
from aqqua_dataset.registry.identifiers import is_valid_doi, is_valid_orcid, is_valid_ror
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import Author, AuthorList

Record = dict[str, Any]

_RIGHTS = {
    # The wording DataCite itself stores for this licence, so that a record read back is unchanged.
    "rights": "Creative Commons Attribution Non Commercial 4.0 International",
    "rightsUri": "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
    "rightsIdentifier": "cc-by-nc-4.0",
    "rightsIdentifierScheme": "SPDX",
    "schemeUri": "https://spdx.org/licenses/",
}
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}(/\d{4}-\d{2}-\d{2})?$")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def datacite_record(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> Record:
    """The record of a release; keys and values as in the DataCite 4.5 JSON schema."""
    settings, dataset = registry.settings, registry.settings.dataset
    consortium = {"name": dataset.consortium, "nameType": "Organizational"}
    publisher = {"name": dataset.publisher}
    if dataset.publisher_ror:
        publisher |= _ror("publisherIdentifier", dataset.publisher_ror)
    record: Record = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Image collection"},
        "titles": [{"title": facts.mark + dataset.title}],
        "creators": [*(_person(a, authors) for a in authors.core), consortium],
        "contributors": [{**_person(a, authors), "contributorType": "DataCollector"} for a in authors.members],
        "publisher": publisher,
        "publicationYear": str(settings.release_date.year),
        "dates": _dates(registry, facts),
        "language": dataset.language,
        "version": facts.version,
        "rightsList": [_RIGHTS],
        "descriptions": [{"description": facts.mark + dataset.description, "descriptionType": "Abstract"}],
        "subjects": [{"subject": word} for word in dataset.keywords],
        "sizes": [f"{facts.image_count} images", f"{facts.image_bytes} bytes of image archives"],
        "formats": [
            "application/x-tar",
            "image/png",
            "image/jpeg",
            "application/vnd.apache.parquet",
        ],
        "relatedIdentifiers": _related(registry, facts),
        "fundingReferences": [_funding(f.model_dump()) for f in dataset.funding],
    }
    if facts.box is not None:
        west, south, east, north = facts.box
        box = {
            "westBoundLongitude": west,
            "eastBoundLongitude": east,
            "southBoundLatitude": south,
            "northBoundLatitude": north,
        }
        record["geoLocations"] = [{"geoLocationBox": box}]
    if dataset.doi is not None and not facts.rehearsal:
        record["doi"] = dataset.doi
    return {k: v for k, v in record.items() if v}


def _person(author: Author, authors: AuthorList) -> Record:
    person = author.person
    found: Record = {
        "name": f"{author.family}, {person.given}",
        "nameType": "Personal",
        "givenName": person.given,
        "familyName": author.family,
    }
    if person.orcid:
        found["nameIdentifiers"] = [
            {
                "nameIdentifier": f"https://orcid.org/{person.orcid.rsplit('/', 1)[-1]}",
                "nameIdentifierScheme": "ORCID",
                "schemeUri": "https://orcid.org",
            }
        ]
    places = [authors.institutions[n - 1] for n in author.affiliations]
    if places:
        found["affiliation"] = [
            {"name": i.name, **(_ror("affiliationIdentifier", i.ror) if i.ror else {})} for i in places
        ]
    return found


def _ror(key: str, ror: str) -> dict[str, str]:
    return {
        key: f"https://ror.org/{ror.rsplit('/', 1)[-1]}",
        f"{key}Scheme": "ROR",
        "schemeUri": "https://ror.org",
    }


def _dates(registry: Registry, facts: ReleaseFacts) -> list[dict[str, str]]:
    dates = [
        {"date": registry.settings.release_date.isoformat(), "dateType": "Available"},
        {"date": facts.date.isoformat(), "dateType": "Issued"},
    ]
    if facts.first_sampled and facts.last_sampled:
        span = f"{facts.first_sampled.isoformat()}/{facts.last_sampled.isoformat()}"
        dates.append({"date": span, "dateType": "Collected"})
    return dates


def _related(registry: Registry, facts: ReleaseFacts) -> list[dict[str, str]]:
    """Papers to cite and the data sets this one is made from, each once."""
    found: dict[tuple[str, str], str] = {}
    for name in facts.images:
        contribution = registry.contributions[name]
        for doi in contribution.attribution.cite_dois:
            found[doi.lower(), "References"] = "DOI"
        url = contribution.source.url if contribution.source else None
        if url:
            doi = url.removeprefix("https://doi.org/")
            found[(doi.lower() if doi != url else url), "IsDerivedFrom"] = "DOI" if doi != url else "URL"
    return [
        {"relatedIdentifier": identifier, "relatedIdentifierType": kind, "relationType": relation}
        for (identifier, relation), kind in sorted(found.items())
    ]


def _funding(grant: Record) -> Record:
    found = {
        "funderName": grant["funder"],
        "awardNumber": grant["award_number"],
        "awardTitle": grant["award_title"],
    }
    if grant["ror"]:
        found |= {
            "funderIdentifier": f"https://ror.org/{grant['ror'].rsplit('/', 1)[-1]}",
            "funderIdentifierType": "ROR",
        }
    return {k: v for k, v in found.items() if v}


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
    by_schema = (f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in schema45.validator.iter_errors(record))
    return sorted(itertools.chain(by_schema, _own_checks(record)))


def _own_checks(record: Record) -> Iterator[str]:
    for date in record.get("dates", []):
        if not _DATE.match(date["date"]):
            yield f"dates: {date['date']!r} is no ISO date or range"
    available = [d["date"][:4] for d in record.get("dates", []) if d["dateType"] == "Available"]
    if available and available[0] != record.get("publicationYear"):
        yield f"publicationYear: {record.get('publicationYear')} is not the year of Available"
    for place in record.get("geoLocations", []):
        box = place.get("geoLocationBox", {})
        if box and box["southBoundLatitude"] > box["northBoundLatitude"]:
            yield "geoLocations: south is north of north"
    if "doi" in record and not is_valid_doi(record["doi"]):
        yield f"doi: {record['doi']!r} is no DOI"
    for key in ("event", "url", "state"):
        if key in record:
            yield f"{key}: has no place in a metadata record"
    for person in [*record.get("creators", []), *record.get("contributors", [])]:
        yield from _name_checks(person)
    for text in _texts(record):
        if EMAIL.search(text):
            yield f"e-mail address in {text[:80]!r}"
        if _CONTROL.search(text):
            yield f"control character in {text[:80]!r}"


def _name_checks(person: Record) -> Iterator[str]:
    if not person.get("name", "").strip(" ,"):
        yield "a name is empty"
    for identifier in person.get("nameIdentifiers", []):
        if identifier["nameIdentifierScheme"] == "ORCID" and not is_valid_orcid(identifier["nameIdentifier"]):
            yield f"{person.get('name')}: {identifier['nameIdentifier']} is no valid ORCID iD"
    for place in person.get("affiliation", []):
        if "affiliationIdentifier" in place and not is_valid_ror(place["affiliationIdentifier"]):
            yield f"{person.get('name')}: {place['affiliationIdentifier']} is no valid ROR id"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
