"""ro-crate-metadata.json: the release as an RO-Crate 1.3, small: core team and consortium, documents and tables.

Thousands of names or archives would make it unreadable for the tools that are there; they stand in the files it names.
"""

import json
from typing import Any

from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.citation import schema_org
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import AuthorList
from aqqua_dataset.release.sample import sample_archive

Entity = dict[str, Any]

_FILES = (
    ("README.md", "text/markdown", "How to read and cite the release"),
    ("LICENSE", "text/plain", "What the release may be used for"),
    ("ATTRIBUTION.md", "text/markdown", "Whom to credit, for reading"),
    ("KNOWN-PROBLEMS.md", "text/markdown", "Doubtful values, counted"),
    ("attribution.csv", "text/csv", "Whom to credit, one row per contribution"),
    ("ledger.csv", "text/csv", "Every contribution counted from declared to published"),
    ("duplicates.parquet", "application/vnd.apache.parquet", "Delivered images that another image stands for"),
    ("authors/authors.csv", "text/csv", "Authors and members of the data provider consortium"),
    ("authors/references.bib", "application/x-bibtex", "The dataset and the papers to cite"),
    ("data-dictionary.md", "text/markdown", "Every column: unit, range, terms, meaning"),
    ("CITATION.cff", "text/yaml", "Citation File Format 1.2.0"),
    ("datacite.json", "application/vnd.datacite.datacite+json", "DataCite 4.5 record"),
    ("croissant.json", "application/ld+json", "Croissant 1.1 record"),
    ("stats.json", "application/json", "Numbers of the release"),
    ("manifest/parts-sha256.txt", "text/plain", "SHA-256 of the lists of all images and tables"),
)  # fmt: skip
_FOLDERS = (
    ("images/", "Images in uncompressed tar archives"),
    ("metadata/", "Parquet tables with one row for each image"),
    ("verbatim/", "Parquet tables of the columns as delivered"),
)


def ro_crate(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> str:
    """The crate's metadata as JSON-LD text."""
    graph: dict[str, Entity] = {}
    root = {key: _flat(value, graph) for key, value in schema_org(registry, facts, authors).items() if key != "@id"}
    files = [*_FILES, (sample_archive(facts), "application/x-tar", "Some images of every contribution")]
    folders = _FOLDERS if facts.image_count else ()
    root |= {
        "@id": "./",
        "hasPart": [{"@id": path} for path, *_ in (*files, *folders)],
        "license": {"@id": str(root["license"])},
    }
    graph[str(root["license"]["@id"])] = {
        "@id": root["license"]["@id"], "@type": "CreativeWork", "name": _licence_name(registry, facts),
        "description": "Not for commercial use; items marked otherwise keep their own licence. See LICENSE.",
    }  # fmt: skip
    descriptor = {
        "@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.3"},
    }  # fmt: skip
    parts = [{"@id": p, "@type": "File", "name": text, "encodingFormat": kind} for p, kind, text in files]
    parts += [{"@id": p, "@type": "Dataset", "name": text} for p, text in folders]
    crate = {
        "@context": "https://w3id.org/ro/crate/1.3/context",
        "@graph": [descriptor, root, *parts, *(graph[i] for i in sorted(graph))],
    }
    return json.dumps(crate, indent=1, ensure_ascii=False) + "\n"


def _licence_name(registry: Registry, facts: ReleaseFacts) -> str:
    return registry.settings.licence_spdx if facts.view == "public" else "No licence: internal view"


def _flat(value: Any, graph: dict[str, Entity]) -> Any:
    """A value in which every entity is a reference; the entities go into the graph, under ids of their own."""
    if isinstance(value, list):
        return [_flat(inner, graph) for inner in value]
    if not isinstance(value, dict):
        return value
    entity = {key: _flat(inner, graph) for key, inner in value.items()}
    name = "-".join(str(entity.get("name") or entity.get("identifier") or entity.get("box") or "place").split())
    identifier = str(entity.setdefault("@id", f"#{str(entity['@type']).lower()}-{name}"))
    while graph.setdefault(identifier, entity) != entity:  # another person of the same name
        identifier = entity["@id"] = f"{identifier}-again"
    return {"@id": identifier}
