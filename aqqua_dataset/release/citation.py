"""How a release is cited: one sentence, CITATION.cff and BibTeX; and what it says of itself in schema.org's words."""

from collections.abc import Iterator
from typing import Any

import yaml

from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.legal import INTERNAL
from aqqua_dataset.release.people import Author, AuthorList, orcid_url, ror_url


def release_doi(registry: Registry, facts: ReleaseFacts) -> str | None:
    """The dataset's bare DOI; None for what may not carry it: a rehearsal, the internal view."""
    return registry.settings.dataset.doi if grants_licence(facts) else None


def release_url(registry: Registry, facts: ReleaseFacts) -> str:
    """Address of a public release's folder, with a slash at its end; the dataset's own for what is never there."""
    base = registry.settings.dataset.url.rstrip("/") + "/"
    return f"{base}v{facts.version}/" if grants_licence(facts) else base


def citation_sentence(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> str:
    """Names (year): title. Version. Publisher. DOI."""
    settings, dataset = registry.settings, registry.settings.dataset
    names = "; ".join([*(f"{a.family}, {a.person.given}" for a in authors.core), dataset.consortium])
    doi = release_doi(registry, facts)
    return (
        f"{names} ({settings.release_date.year}): {facts.mark}{dataset.title}. Version {facts.version}. "
        f"{dataset.publisher}.{f' https://doi.org/{doi}' if doi else ''}"
    )


def citation_cff(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> str:
    """A Citation File Format 1.2.0 file: core team and consortium."""
    settings, dataset = registry.settings, registry.settings.dataset
    note = f" {INTERNAL}" if facts.view == "internal" else ""
    card = {
        "cff-version": "1.2.0",
        "message": f"{facts.mark}If you use this data set, please cite it and credit the contributions you use.{note}",
        "title": facts.mark + dataset.title,
        "abstract": facts.mark + dataset.description,
        "type": "dataset",
        "authors": [*(_cff_person(a, authors) for a in authors.core), {"name": dataset.consortium}],
        "version": facts.version,
        "date-released": facts.date.isoformat(),
        "license": settings.licence_spdx if facts.view == "public" else None,
        "url": dataset.url,
        "keywords": list(dict.fromkeys(dataset.keywords)),
        "doi": release_doi(registry, facts),
    }
    return str(yaml.safe_dump({k: v for k, v in card.items() if v}, sort_keys=False, allow_unicode=True, width=100))


def _cff_person(author: Author, authors: AuthorList) -> dict[str, str]:
    person = author.person
    found = {
        "family-names": person.family,
        "given-names": person.given,
        "name-particle": person.particle,
        "name-suffix": person.suffix,
        "orcid": orcid_url(person.orcid),
        "affiliation": "; ".join(i.name for i in authors.affiliations(author)),
    }
    return {k: v for k, v in found.items() if v}


def schema_org(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> dict[str, Any]:
    """The release as a schema.org Dataset, without its files: what the page, Croissant and RO-Crate have in common.

    ``@id`` is the DOI's address where there is a DOI. Creators are the core team and the consortium, as in the DOI
    record; no key for an e-mail address is ever written.
    """
    settings, dataset = registry.settings, registry.settings.dataset
    doi = release_doi(registry, facts)
    address = release_url(registry, facts)
    publisher = {"@type": "Organization", "@id": ror_url(dataset.publisher_ror), "name": dataset.publisher}
    found: dict[str, Any] = {
        "@type": "Dataset",
        "@id": f"https://doi.org/{doi}" if doi else None,
        "name": facts.mark + dataset.title,
        "description": facts.mark + dataset.description,
        "url": address,
        "identifier": f"https://doi.org/{doi}" if doi else None,
        "version": facts.version,
        "datePublished": facts.date.isoformat(),
        "license": settings.licence_url if facts.view == "public" else f"{address}LICENSE",
        "creator": [*_creators(authors), {"@type": "Organization", "name": dataset.consortium}],
        "publisher": {k: v for k, v in publisher.items() if v},
        "keywords": list(dict.fromkeys(dataset.keywords)),
        "inLanguage": dataset.language,
        "isAccessibleForFree": True if facts.view == "public" else None,
        "temporalCoverage": _period(facts),
        "spatialCoverage": _place(facts),
        "funding": [_grant(f.funder, f.ror, f.award_number, f.award_title) for f in dataset.funding],
    }
    return {k: v for k, v in found.items() if v}


def _creators(authors: AuthorList) -> Iterator[dict[str, Any]]:
    for author in authors.core:
        person = author.person
        affiliations = [
            {k: v for k, v in (("@type", "Organization"), ("@id", i.ror), ("name", i.name)) if v}
            for i in authors.affiliations(author)
        ]
        found = {
            "@type": "Person", "@id": orcid_url(person.orcid), "name": author.name, "givenName": person.given,
            "familyName": author.family, "affiliation": affiliations,
        }  # fmt: skip
        yield {k: v for k, v in found.items() if v}


def _period(facts: ReleaseFacts) -> str | None:
    if not (facts.first_sampled and facts.last_sampled):
        return None
    return f"{facts.first_sampled.isoformat()}/{facts.last_sampled.isoformat()}"


def _place(facts: ReleaseFacts) -> dict[str, Any] | None:
    """The box as schema.org words it: south, west, north, east in degrees."""
    if facts.box is None:
        return None
    west, south, east, north = facts.box
    return {"@type": "Place", "geo": {"@type": "GeoShape", "box": f"{south:g} {west:g} {north:g} {east:g}"}}


def _grant(funder: str, ror: str | None, number: str | None, title: str | None) -> dict[str, Any]:
    organisation = {"@type": "Organization", "@id": ror_url(ror), "name": funder}
    found = {
        "@type": "Grant", "identifier": number, "name": title,
        "funder": {k: v for k, v in organisation.items() if v},
    }  # fmt: skip
    return {k: v for k, v in found.items() if v}
