"""Writes what a release says of itself: credit, names, records, cards, pages. Nothing else writes documents."""

import hashlib
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.checksums import PARTS
from aqqua_dataset.findings import Finding
from aqqua_dataset.harmonise.rows import to_arrow
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release import attribution, author_tables, authors, changelog, doi, pages
from aqqua_dataset.release.citation import citation_cff
from aqqua_dataset.release.croissant import croissant_card, croissant_json, croissant_problems
from aqqua_dataset.release.datapackage import data_package
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.known_problems import known_problems
from aqqua_dataset.release.landing import landing_page
from aqqua_dataset.release.legal import licence_file
from aqqua_dataset.release.readme import readme_card
from aqqua_dataset.release.rocrate import ro_crate
from aqqua_dataset.release.signposts import LINKSET, linkset_json
from aqqua_dataset.release.snapshot import Snapshot
from aqqua_dataset.release.stats import Stats, count_tables, stats_json
from aqqua_dataset.release.tombstones import tombstones

#: The CSV tables that datapackage.json describes.
_PACKAGED = ("attribution.csv", "ledger.csv", "authors/authors.csv", "authors/funding.csv")


def write_tables(
    collection: Collection, folder: str, facts: ReleaseFacts, counted: pa.Table, credited: Mapping[str, int],
    snapshot: Snapshot,
) -> dict[str, str]:  # fmt: skip
    """Writes ledger and attribution, as Parquet and, where people read them, as CSV and pages.

    Returns:
        Text of the CSV tables, by path inside the release.
    """
    warehouse = collection.warehouse
    rows = attribution.attribution_rows(collection.registry, facts, credited)
    attributed = to_arrow(pd.DataFrame(rows, columns=schema.arrow("attribution").names), "attribution")
    labelled = counted.append_column("release", pa.array([facts.version] * len(counted), pa.string()))
    texts: dict[str, str] = {}
    for name, table in (("ledger", labelled), ("attribution", attributed)):
        marked = table.replace_schema_metadata((table.schema.metadata or {}) | {b"release": facts.version.encode()})
        warehouse.write_parquet(f"{folder}/{name}.parquet", marked, marked.schema)
        text = author_tables.csv_text(table.column_names, (row.values() for row in table.to_pylist()))
        texts[f"{name}.csv"] = text
        warehouse.write_bytes(f"{folder}/{name}.csv", text.encode())
    warehouse.write_bytes(f"{folder}/ATTRIBUTION.md", attribution.attribution_markdown(rows, facts).encode())
    gone = tombstones(facts, snapshot.work.title, snapshot.work.doi)
    history = [("CHANGELOG.md", changelog.changelog(facts, changelog.versions(warehouse, facts)))]
    for path, text in (*pages.credit_pages(snapshot, rows, facts), *gone, *history):
        warehouse.write_bytes(f"{folder}/{path}", text.encode())
    index = pages.contribution_index(snapshot, rows, facts)
    warehouse.write_bytes(f"{folder}/contributions/index.html", index.encode())
    return texts


def write_documents(
    collection: Collection, folder: str, facts: ReleaseFacts, counted: pa.Table, snapshot: Snapshot,
    tables: Mapping[str, str], digests: Mapping[str, str],
) -> list[Finding]:  # fmt: skip
    """Writes all documents of a release; nothing where a record is wrong.

    Args:
        collection: registry and warehouse.
        folder: where the release lies, with its tables.
        facts: the release.
        counted: the table ``ledger``.
        snapshot: who is named.
        tables: text of the release's CSV tables, by path.
        digests: SHA-256 of the lists of checksums and of the sample, by path.

    Returns:
        What is wrong with the records, as errors.
    """
    stats = count_tables(collection.warehouse, folder, counted.to_pylist(), len(snapshot.authors.contributions))
    documents, problems = documents_of(collection.registry, facts, snapshot, stats, tables, digests)
    if problems:
        return problems
    for path, text in documents.items():
        collection.warehouse.write_bytes(f"{folder}/{path}", text.encode())
    return []


def documents_of(
    registry: Registry, facts: ReleaseFacts, snapshot: Snapshot, stats: Stats, tables: Mapping[str, str],
    digests: Mapping[str, str],
) -> tuple[dict[str, str], list[Finding]]:  # fmt: skip
    """Text of every document by path inside the release, and what is wrong with them."""
    named = snapshot.authors
    about_people = {f"authors/{name}": text for name, text in authors.render(snapshot, facts).items()}
    texts = {**tables, **about_people}
    hashed = dict(digests) | {p: hashlib.sha256(t.encode()).hexdigest() for p, t in texts.items()}
    record = doi.datacite_record(registry, facts, named)
    card = croissant_card(registry, facts, snapshot, hashed)
    problems = [Finding("datacite_record", "error", p) for p in doi.datacite_problems(record)]
    problems += [Finding("croissant_record", "error", p) for p in croissant_problems(card)]
    packaged: dict[str, Any] = {p: (texts[p], hashed[p]) for p in _PACKAGED}
    return {
        "README.md": readme_card(registry, facts, named, stats, hashed[PARTS]),
        "LICENSE": licence_file(registry.settings, facts),
        "CITATION.cff": citation_cff(registry, facts, named),
        "KNOWN-PROBLEMS.md": known_problems(facts, stats),
        "stats.json": stats_json(facts, stats),
        "datacite.json": doi.datacite_json(record),
        "datacite.xml": doi.datacite_xml(record) if not problems else "",
        "croissant.json": croissant_json(card),
        "ro-crate-metadata.json": ro_crate(registry, facts, named),
        "datapackage.json": data_package(registry, facts, packaged),
        LINKSET: linkset_json(registry, facts, named),
        "index.html": landing_page(registry, facts, snapshot, stats, hashed[PARTS]),
        **about_people,
        "data-dictionary.md": f"{facts.mark}Release {facts.version}\n\n{schema.dictionary_markdown()}",
    }, problems
