"""Where machines go from the landing page: the same links as ``<link>`` elements and as a link set (RFC 9264).

The relations are those of signposting.org's FAIR profile.
"""

import json
from collections.abc import Iterator

from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.citation import release_doi, release_url
from aqqua_dataset.release.escape import markup
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import AuthorList, orcid_url
from aqqua_dataset.release.sample import sample_archive

_RECORDS = (
    ("datacite.json", "application/vnd.datacite.datacite+json"),
    ("datacite.xml", "application/vnd.datacite.datacite+xml"),
    ("croissant.json", "application/ld+json"),
    ("ro-crate-metadata.json", "application/ld+json"),
    ("CITATION.cff", "text/yaml"),
    ("authors/references.bib", "application/x-bibtex"),
)
LINKSET = "linkset.json"


def links(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> Iterator[tuple[str, str, str | None]]:
    """Relation, address relative to the page, and media type where one is known."""
    doi = release_doi(registry, facts)
    if doi:
        yield "cite-as", f"https://doi.org/{doi}", None
    for author in authors.core:
        if author.person.orcid:
            yield "author", str(orcid_url(author.person.orcid)), None
    yield "license", registry.settings.licence_url if facts.view == "public" else "LICENSE", None
    yield "type", "https://schema.org/Dataset", None
    yield "type", "https://schema.org/AboutPage", None
    for path, kind in _RECORDS:
        yield "describedby", path, kind
    yield "item", "manifest-sha256.txt", "text/plain"
    yield "item", "attribution.csv", "text/csv"
    yield "item", sample_archive(facts), "application/x-tar"


def link_elements(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> str:
    """The links as elements of a page's head."""
    found = [*links(registry, facts, authors), ("linkset", LINKSET, "application/linkset+json")]
    return "\n".join(
        f'<link rel="{relation}" href="{markup(address)}"' + (f' type="{kind}">' if kind else ">")
        for relation, address, kind in found
    )


def linkset_json(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> str:
    """The links as a link set in JSON; addresses are whole where the release has an address of its own."""
    base = release_url(registry, facts)
    context: dict[str, object] = {"anchor": f"{base}index.html"}
    for relation, address, kind in links(registry, facts, authors):
        whole = address if address.startswith("https://") else f"{base}{address}"
        target = {"href": whole} | ({"type": kind} if kind else {})
        context.setdefault(relation, [])
        found = context[relation]
        assert isinstance(found, list)
        found.append(target)
    return json.dumps({"linkset": [context]}, indent=1, ensure_ascii=False) + "\n"
