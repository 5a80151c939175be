"""The dataset's own page, above its versions: what the DOI of all versions leads to; written when one is announced."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.escape import markup
from aqqua_dataset.release.facts import PreviousRelease, View
from aqqua_dataset.release.history import previous_releases, release_of, version_order
from aqqua_dataset.release.landing import contact_links
from aqqua_dataset.release.legal import INTERNAL
from aqqua_dataset.release.shell import document, link
from aqqua_dataset.warehouse import Warehouse


def concept_page(
    registry: Registry, view: View, releases: Sequence[PreviousRelease], stats: Mapping[str, Any] | None = None
) -> str:  # fmt: skip
    """``releases/<view>/index.html``: every finished version, the newest first.

    Args:
        registry: the whole registry.
        view: public or internal; the internal page is marked and has no DOI.
        releases: the finished releases of the view, the oldest first.
        stats: ``stats.json`` of the newest, for its numbers.
    """
    dataset = registry.settings.dataset
    doi = registry.settings.doi.concept if view == "public" else None
    newest = releases[-1].version if releases else None
    rows = "".join(
        f'<tr><td><a href="v{markup(r.version)}/index.html">{markup(r.version)}</a></td><td>{r.date.isoformat()}</td>'
        f"<td><code>{r.manifest_sha256[:16]}…</code></td></tr>"
        for r in reversed(releases)
    )
    cite = (
        f"<p>DOI of all versions: {link(f'https://doi.org/{doi}', f'https://doi.org/{doi}')}. "
        "Cite the version you used; its own page says how.</p>"
        if doi
        else ""
    )
    body = f"""<header>{f'<p class="mark">{markup(INTERNAL)}</p>' if view == "internal" else ""}
<h1>{markup(dataset.title)}</h1><p>{markup(dataset.description)}</p>{cite}</header>
<main>
{_newest(newest, stats)}
<h2>Versions</h2>
<table><thead><tr><th scope="col">version</th><th scope="col">date</th><th scope="col">SHA-256 of its manifest</th></tr>
</thead><tbody>{rows}</tbody></table>
<p class="soft">A published version is never changed. This page and the identifiers stay, also if files should have to
be taken down.</p>
<h2>Contact</h2><p>{" · ".join(link(address, text) for address, text in contact_links(registry))}</p>
</main>
"""
    return document(dataset.title, body, _head(registry, view, doi, releases))


def _newest(version: str | None, stats: Mapping[str, Any] | None) -> str:
    if version is None:
        return "<p>No version is finished.</p>"
    numbers = f": {stats['images']:,} images of {stats['contributions']['published']:,} contributions" if stats else ""
    return (
        f'<p class="credit">Newest version: <a href="v{markup(version)}/index.html">{markup(version)}</a>{numbers}</p>'
    )


def _head(registry: Registry, view: View, doi: str | None, releases: Sequence[PreviousRelease]) -> str:
    dataset, settings = registry.settings.dataset, registry.settings
    base = dataset.url.rstrip("/") + "/"
    record: dict[str, Any] = {
        "@context": "https://schema.org/", "@type": "Dataset", "name": dataset.title,
        "description": dataset.description,
        "url": base, "creator": {"@type": "Organization", "name": dataset.consortium},
        "publisher": {"@type": "Organization", "name": dataset.publisher},
    }  # fmt: skip
    if doi:
        record |= {"@id": f"https://doi.org/{doi}", "identifier": f"https://doi.org/{doi}"}
    if view == "public":
        record |= {
            "license": settings.licence_url,
            "workExample": [
                {"@type": "Dataset", "url": f"{base}v{r.version}/", "version": r.version, "name": dataset.title,
                 "description": dataset.description, "license": settings.licence_url,
                 "datePublished": r.date.isoformat()} for r in releases
            ],
        }  # fmt: skip
    metas = [("DC.identifier", f"https://doi.org/{doi}"), ("citation_doi", doi)] if doi else [("robots", "noindex")]
    elements = "".join(f'<meta name="{name}" content="{markup(text)}">\n' for name, text in metas)
    cite_as = f'<link rel="cite-as" href="https://doi.org/{markup(doi)}">\n' if doi else ""
    linked = json.dumps(record, ensure_ascii=False).replace("<", "\\u003c")
    return f'{elements}{cite_as}<script type="application/ld+json">{linked}</script>\n'


def concept_path(view: View) -> str:
    """Where the page of all versions lies in the warehouse."""
    return f"releases/{view}/index.html"


def write_concept_page(registry: Registry, warehouse: Warehouse, view: View, newest: str) -> None:
    """Writes the page of the versions up to ``newest``; one that is finished but not announced isn't on it."""
    known = previous_releases(warehouse, view)
    releases = [r for r in known if version_order(r.version) <= version_order(newest)]
    stats = warehouse.read_json(f"{release_of(view, newest)}/stats.json")
    warehouse.write_bytes(concept_path(view), concept_page(registry, view, releases, stats).encode())
