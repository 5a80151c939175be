"""datapackage.json: the small CSV tables of a release as a Frictionless Data Package.

Not the tables of images: frictionless reads every row in Python, minutes for a million of them.
"""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from aqqua_dataset import schema
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.release.citation import release_doi, release_url
from aqqua_dataset.release.facts import ReleaseFacts

_TYPES = {
    "string": "string", "bool": "boolean", "int8": "integer", "int32": "integer", "int64": "integer",
    "uint64": "integer", "float64": "number", "date32": "date", "timestamp[ms, UTC]": "datetime",
    "list<string>": "string",
}  # fmt: skip


def data_package(registry: Registry, facts: ReleaseFacts, tables: Mapping[str, tuple[str, str]]) -> str:
    """The package as JSON text.

    Args:
        registry: the whole registry.
        facts: the release.
        tables: text and SHA-256 of each CSV file, by path.
    """
    settings, doi = registry.settings, release_doi(registry, facts)
    package: dict[str, Any] = {
        "profile": "data-package",
        "name": "aqqua-dataset",
        "id": f"https://doi.org/{doi}" if doi else None,
        "title": facts.mark + settings.dataset.title,
        "description": f"{facts.mark}The small tables of the data set; images and their metadata are elsewhere.",
        "version": facts.version,
        "created": f"{facts.date.isoformat()}T00:00:00Z",
        "homepage": release_url(registry, facts),
        "licenses": [{"name": settings.licence_spdx, "path": settings.licence_url}] if grants_licence(facts) else None,
        "resources": [_resource(path, *tables[path]) for path in sorted(tables)],
    }
    return json.dumps({k: v for k, v in package.items() if v}, indent=1, ensure_ascii=False) + "\n"


def _resource(path: str, text: str, digest: str) -> dict[str, Any]:
    """One table: declared columns with type and meaning, others as text."""
    name = path.rsplit("/", 1)[-1].removesuffix(".csv")
    known = schema.tables().get(name)
    columns = next(csv.reader(io.StringIO(text)))
    described: dict[str, Any] = {"fields": [_field(c, known) for c in columns], "missingValues": [""]}
    if known:
        described["primaryKey"] = list(known.key)
    return {
        "profile": "tabular-data-resource", "name": name, "path": path, "format": "csv", "mediatype": "text/csv",
        "encoding": "utf-8", "bytes": len(text.encode()), "hash": f"sha256:{digest}", "schema": described,
    }  # fmt: skip


def _field(column: str, table: schema.Table | None) -> dict[str, Any]:
    field = schema.fields().get(column) if table else None
    # "release" is in ledger.csv only, beside the declared columns.
    if table is None or field is None or column not in table.columns:
        return {"name": column, "type": "string"}
    found: dict[str, Any] = {"name": column, "type": _TYPES[field.type], "description": field.description}
    if column in table.required:
        found["constraints"] = {"required": True}
    return found
