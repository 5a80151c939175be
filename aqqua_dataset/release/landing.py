"""index.html: the page that a release's DOI leads to, for people and for machines.

One static file that works without JavaScript and asks nobody for anything. What it must hold is FORCE11's data
citation roadmap (doi:10.1038/s41597-019-0031-8) and what DataCite's link checker looks for.
"""

import html
import json
from collections.abc import Iterator

from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.release.citation import citation_sentence, release_doi, release_url, schema_org
from aqqua_dataset.release.credits_block import credits_block, people_block
from aqqua_dataset.release.downloading import CHECK_COMMANDS, PYTHON_EXAMPLE, download_commands
from aqqua_dataset.release.escape import markup
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.figures import STYLE, bars, cell_map
from aqqua_dataset.release.sample import sample_archive
from aqqua_dataset.release.shell import document, link, notes
from aqqua_dataset.release.signposts import link_elements
from aqqua_dataset.release.snapshot import Snapshot
from aqqua_dataset.release.stats import Stats, in_bytes, instrument_names


def landing_page(registry: Registry, facts: ReleaseFacts, snapshot: Snapshot, stats: Stats, data_sha256: str) -> str:
    """The page of a release.

    Args:
        registry: the whole registry.
        facts: the release.
        snapshot: who is named, thanked and cited.
        stats: its numbers.
        data_sha256: SHA-256 of ``manifest/parts-sha256.txt``.
    """
    dataset = registry.settings.dataset
    sections = (
        ("cite", "How to cite", _cite(registry, facts, snapshot)),
        ("licence", "Licence", _licence(registry, facts)),
        ("images", "What is in it", _numbers(facts, stats)),
        ("instruments", "Images by instrument", _instruments(stats)),
        ("map", "Where they were taken", _map(stats)),
        ("download", "How to download", _download(registry, facts)),
        ("check", "How to check it", _check(data_sha256)),
        ("files", "Files", _files(facts)),
        ("people", "Authors and data providers", people_block(snapshot)),
        ("thanks", "Funding, thanks and papers", credits_block(snapshot)),
        ("versions", "Versions and known problems", _versions(registry, facts, stats)),
        ("contact", "Contact", _contact(registry)),
    )
    contents = " · ".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    doi = release_doi(registry, facts)
    identified = f" · {link(f'https://doi.org/{doi}', f'https://doi.org/{doi}')}" if doi else ""
    body = f"""<header>{notes(facts)}
<h1>{markup(facts.mark + dataset.title)}</h1>
<p class="soft">Version {markup(facts.version)}, {facts.date.isoformat()}, view {facts.view}{identified}</p>
<p>{markup(dataset.description)}</p>
<nav aria-label="Contents" class="soft">{contents}</nav></header>
<main>
{"".join(f'<section aria-labelledby="{n}"><h2 id="{n}">{t}</h2>{text}</section>' for n, t, text in sections)}
</main>
"""
    return document(facts.mark + dataset.title, body, _head(registry, facts, snapshot), STYLE)


def _head(registry: Registry, facts: ReleaseFacts, snapshot: Snapshot) -> str:
    """What machines read: citation in meta elements, links, and the record of schema.org."""
    dataset, doi = registry.settings.dataset, release_doi(registry, facts)
    named = [
        ("citation_title", facts.mark + dataset.title),
        ("citation_publication_date", facts.date.isoformat()),
        ("citation_publisher", dataset.publisher),
        ("DC.rights", registry.settings.licence_url if grants_licence(facts) else ""),
        ("DC.identifier", f"https://doi.org/{doi}" if doi else ""),
        ("citation_doi", doi or ""),
        *(("citation_author", f"{a.family}, {a.person.given}") for a in snapshot.authors.core),
        ("citation_author", dataset.consortium),
        ("description", facts.mark + dataset.description),
        ("robots", "" if grants_licence(facts) else "noindex"),
    ]
    metas = "\n".join(f'<meta name="{name}" content="{markup(text)}">' for name, text in named if text)
    record = {"@context": "https://schema.org/", **schema_org(registry, facts, snapshot.authors)}
    # Inside a script nothing is unescaped; only the end of the element has to be kept out.
    linked = json.dumps(record, ensure_ascii=False).replace("<", "\\u003c")
    elements = link_elements(registry, facts, snapshot.authors)
    return f'{metas}\n{elements}\n<script type="application/ld+json">{linked}</script>\n'


def _cite(registry: Registry, facts: ReleaseFacts, snapshot: Snapshot) -> str:
    return (
        f'<p class="credit">{markup(citation_sentence(registry, facts, snapshot.authors))}</p>'
        '<p>For reference managers: <a href="authors/references.bib">BibTeX</a> (with the papers to cite), '
        '<a href="CITATION.cff">CITATION.cff</a>, <a href="datacite.json">DataCite JSON</a>, '
        '<a href="datacite.xml">DataCite XML</a>. Credit the contributions you use as well: '
        '<a href="ATTRIBUTION.md">in which words</a>, <a href="attribution.csv">as a table</a>.</p>'
    )


def _licence(registry: Registry, facts: ReleaseFacts) -> str:
    settings = registry.settings
    name = link(settings.licence_url, settings.licence_spdx)
    if not grants_licence(facts):
        return (
            f"<p>Nothing on this page or in these files is licensed to anybody. The public release, from "
            f'{settings.release_date.isoformat()} on, will be under {name}. See <a href="LICENSE">LICENSE</a>.</p>'
        )
    return (
        f"<p>{name}: you may copy, share and adapt the images and their metadata, but <strong>not for commercial "
        "purposes</strong>, and you must credit the contributions you use, link to the licence and say what you "
        "changed. Images of some contributions keep another licence of their own; the column license says it for "
        'each image. The full text: <a href="LICENSE">LICENSE</a>.</p>'
    )


def _numbers(facts: ReleaseFacts, stats: Stats) -> str:
    rows = [
        ("Images", f"{facts.image_count:,}"),
        ("Size of the image archives", in_bytes(facts.image_bytes)),
        ("Contributions", f"{len(facts.images):,} with images, {stats.credited:,} credited"),
        ("Instruments", f"{len(stats.instruments):,}"),
    ]
    if facts.first_sampled and facts.last_sampled:
        rows.append(("Taken", f"{facts.first_sampled.isoformat()} to {facts.last_sampled.isoformat()}"))
    if facts.box:
        west, south, east, north = facts.box
        rows.append(("Between", f"{south:.1f} and {north:.1f} degrees north, {west:.1f} and {east:.1f} degrees east"))
    rows += [(f"Labels: {status}", f"{images:,} images") for status, images in stats.labels]
    cells = "".join(f'<tr><th scope="row">{markup(term)}</th><td>{markup(text)}</td></tr>' for term, text in rows)
    numbers = '<p class="soft">The same numbers for machines: <a href="stats.json">stats.json</a>.</p>'
    return f'<table class="facts">{cells}</table>{numbers}'


def _instruments(stats: Stats) -> str:
    """Bars on two scales; two radio buttons choose by style alone, without a script."""
    names = instrument_names()
    entries = [(names.get(i, i), images) for i, images, _ in sorted(stats.instruments, key=lambda e: (-e[1], e[0]))]
    if not entries:
        return "<p>No images.</p>"
    return (
        '<div class="scale" role="group" aria-label="Scale">'
        '<label><input type="radio" name="scale" checked> linear</label>'
        '<label><input type="radio" name="scale" class="log"> logarithmic</label>'
        f"<figure>{bars(entries, 'linear')}{bars(entries, 'log')}</figure></div>"
    )


def _map(stats: Stats) -> str:
    if not stats.cells:
        return "<p>No positions.</p>"
    alt = f"World map: {len(stats.cells):,} cells of one degree hold images"
    return (
        f"<figure>{cell_map(stats.cells, alt)}<figcaption>Cells of one degree with images; stronger from 100 and from "
        "10,000 images on. Coastline: Natural Earth, public domain.</figcaption></figure>"
    )


def _download(registry: Registry, facts: ReleaseFacts) -> str:
    address = release_url(registry, facts)
    archive = f'<a href="{sample_archive(facts)}">some images of every contribution</a>'
    look = f"<p>To look at first: {archive} (a tar archive).</p>"
    if not grants_licence(facts):
        return f"{look}<p>This release isn't published; it is read where it lies.</p>"
    return (
        f"{look}<p>Without downloading everything, with the Python package <code>aqqua_dataset</code>:</p>"
        f"{_code(PYTHON_EXAMPLE.format(address=address))}"
        f"<p>Everything ({in_bytes(facts.image_bytes)}), into the present folder:</p>"
        f"{_code(download_commands(address))}"
    )


def _code(text: str) -> str:
    """Commands of our own as markup, every blank kept."""
    return f"<pre><code>{html.escape(text, quote=False)}</code></pre>"


def _check(data_sha256: str) -> str:
    return (
        f"{_code(CHECK_COMMANDS)}<p>Nothing is printed when every file is as it was published. All images "
        'and tables together are those of <a href="manifest/parts-sha256.txt">manifest/parts-sha256.txt</a> with the '
        f"SHA-256 <code>{data_sha256}</code>.</p>"
    )


def _files(facts: ReleaseFacts) -> str:
    rows = (
        ("images/", "all images, in uncompressed tar archives"),
        (
            "metadata/",
            "one Parquet row for each image: scale, instrument, time, position, depth, label, and where it lies",
        ),
        ("verbatim/", "the delivered columns of the same images, as text"),
        ("annotations/", "what the owners of equal copies say of an image"),
        ("README.md", "how to read it, with examples"),
        ("data-dictionary.md", "every column: unit, range, terms, meaning"),
        ("attribution.csv", "whom to credit"),
        ("contributions/index.html", "all contributions, each with a page"),
        ("ledger.csv", "every contribution counted from declared to published"),
        ("croissant.json", "the record that machine learning tools load"),
        ("ro-crate-metadata.json", "the record for archives"),
        ("datapackage.json", "the small tables for Frictionless tools"),
        ("manifest-sha256.txt", "checksums"),
    )
    linked = (
        f"<tr><td>{path if path.endswith('/') else f'<a href={path!r}>{path}</a>'}</td><td>{markup(text)}</td></tr>"
        for path, text in rows
    )
    return f'<table class="facts">{"".join(linked)}</table>'


def _versions(registry: Registry, facts: ReleaseFacts, stats: Stats) -> str:
    rows = [
        f'<li><a href="../v{markup(p.version)}/index.html">{markup(p.version)}</a>, {p.date.isoformat()}</li>'
        for p in reversed(facts.previous)
        if p.version != facts.version
    ]
    gone = [f"<li>{markup(w.contribution_id)}, {w.date.isoformat()}</li>" for w in facts.withdrawn]
    earlier = f"<p>Earlier versions:</p><ul>{''.join(rows)}</ul>" if rows else ""
    withdrawn = f"<p>Withdrawn by their owners since:</p><ul>{''.join(gone)}</ul>" if gone else ""
    flagged = sum(images for _, images, _ in stats.flags)
    return (
        '<p><a href="../index.html">All versions</a>. A published version is never changed. This page and its '
        "identifier stay, also if files should have to be taken down.</p>"
        f"{earlier}{withdrawn}"
        f'<p><a href="KNOWN-PROBLEMS.md">Known problems</a>: {len(stats.flags):,} kinds of doubtful values, '
        f"{flagged:,} flags on images.</p>"
    )


def _contact(registry: Registry) -> str:
    """Links only: addresses of e-mail are in no file of a release."""
    links = " · ".join(link(address, text) for address, text in contact_links(registry))
    return f'<p>{links}</p><p class="soft">{markup(registry.settings.dataset.publisher)}</p>'


def contact_links(registry: Registry) -> Iterator[tuple[str, str]]:
    """Address and name of the pages that say who is responsible."""
    dataset = registry.settings.dataset
    yield dataset.contact_url or dataset.url, "Home and contact"
    if dataset.imprint_url:
        yield dataset.imprint_url, "Imprint"
    if dataset.privacy_url:
        yield dataset.privacy_url, "Privacy"
