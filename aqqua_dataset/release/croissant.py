"""croissant.json: the release as Croissant 1.1, written by hand; fields are those of ``schemas/``.

The tables of images are a set of files that loads as records, as does the attribution. The shards are one set of files
that isn't opened: a hundred thousand archives listed one by one would make the file unreadable. The sample archive is
described down to its images. The context is the specification's (mlcommons.org/croissant/1.1, section "context"),
inlined, so that no reader has to fetch it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from aqqua_dataset import schema
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.bibtex import dataset_entry
from aqqua_dataset.release.citation import schema_org
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.sample import sample_archive
from aqqua_dataset.release.snapshot import Snapshot

Card = dict[str, Any]

_CONTEXT: Card = {
    "@language": "en", "@vocab": "https://schema.org/", "arrayShape": "cr:arrayShape", "citeAs": "cr:citeAs",
    "column": "cr:column", "conformsTo": "dct:conformsTo", "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"}, "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "name": {"@container": "@language"}, "parentField": "cr:parentField",
    "path": "cr:path", "prov": "http://www.w3.org/ns/prov#", "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
_TYPES = {
    "string": "sc:Text", "bool": "sc:Boolean", "int8": "sc:Integer", "int32": "sc:Integer", "int64": "sc:Integer",
    "uint64": "sc:Integer", "float64": "sc:Float", "date32": "sc:Date", "timestamp[ms, UTC]": "sc:DateTime",
    "list<string>": "sc:Text",
}  # fmt: skip
_DWC = "http://rs.tdwg.org/dwc/terms/"
#: Croissant's own vocabulary for responsible AI (mlcommons.org/croissant/RAI/1.0).
_RAI = {
    "dataCollection": "Images were taken in the water or from samples with the instruments that instrument_id names, "
    "and delivered by their owners under a signed form or from public sources. As delivered they stand in verbatim/.",
    "dataCollectionType": ["Physical data collection", "Secondary data analysis"],
    "dataPreprocessingProtocol": [
        "Metadata were brought to common columns and units; what a value was read from is kept beside it. Pixels are "
        "unchanged: never rescaled, stretched or inverted. Equal images are published once."
    ],
    "dataAnnotationProtocol": [
        "Labels are those of the deliveries, matched to the World Register of Marine Species; label_status and "
        "label_method say who or what gave a label and whether a person looked at it."
    ],
    "dataBiases": [
        "Instruments, seas, seasons and taxa are those that were studied, not a representative sample: see stats.json. "
        "Labels follow the habits of each contribution. Images of one haul are alike; the column split keeps them "
        "together."
    ],
    "dataLimitations": [
        "Doubtful values are flagged in qc_flags and not corrected; KNOWN-PROBLEMS.md counts them. Numbers of images "
        "are no abundances: imaged volumes and subsampling differ between contributions."
    ],
    "dataUseCases": [
        "Training and testing of models that recognise, segment or embed images of plankton and particles."
    ],
    "personalSensitiveInformation": [
        "None about people in the images or tables; names of agreed co-authors only. Names of annotators and operators "
        "were removed."
    ],
    "dataReleaseMaintenancePlan": "A published version is never changed; a withdrawn contribution is left out of the "
    "next one. See CHANGELOG.md.",
}


def croissant_card(registry: Registry, facts: ReleaseFacts, snapshot: Snapshot, digests: dict[str, str]) -> Card:
    """The record of a release.

    Args:
        registry: the whole registry.
        facts: the release.
        snapshot: who is named, and what is cited.
        digests: SHA-256 of the files that are described one by one, by path, and of ``manifest/parts-sha256.txt``.
    """
    card: Card = {
        "@context": _CONTEXT,
        **schema_org(registry, facts, snapshot.authors),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "citeAs": dataset_entry(snapshot, facts),
        "usageInfo": _usage(registry, facts),
        "prov:wasDerivedFrom": [{"@id": url} for url in sources(registry, snapshot)],
        **{f"rai:{key}": text for key, text in _RAI.items()},
        "distribution": list(_distribution(facts, digests)),
        "recordSet": [
            _records("images", "image-tables"), _records("attribution", "attribution.csv"), _sample_records(),
        ],
    }  # fmt: skip
    if facts.first_sampled and facts.last_sampled:
        card["rai:dataCollectionTimeframe"] = [facts.first_sampled.isoformat(), facts.last_sampled.isoformat()]
    return {k: v for k, v in card.items() if v not in (None, [], {})}


def croissant_json(card: Card) -> str:
    """The record as JSON text."""
    return json.dumps(card, indent=1, ensure_ascii=False) + "\n"


def sources(registry: Registry, snapshot: Snapshot) -> list[str]:
    """Addresses of the data sets that the credited contributions were taken from, each once; sorted."""
    found = {_address(c.source.url) for c in map(registry.contributions.get, snapshot.authors.contributions)
             if c and c.source and c.source.url}  # fmt: skip
    return sorted(found - {""})


def _address(text: str) -> str:
    """A DOI or web address as an address; "" for anything else."""
    doi = re.fullmatch(r"(?:https?://(?:dx\.)?doi\.org/|doi:)?(10\.\d{4,9}/\S+)", text.strip(), re.IGNORECASE)
    if doi:
        return f"https://doi.org/{doi[1].lower()}"
    return text.strip() if re.fullmatch(r"https?://\S+", text.strip()) else ""


def _usage(registry: Registry, facts: ReleaseFacts) -> Card:
    """Use conditions in words and as the Data Use Ontology's term for non-commercial use."""
    granted = f"Non-commercial use only, with credit ({registry.settings.licence_spdx})."
    text = granted if facts.view == "public" and not facts.rehearsal else "Nothing is licensed to anybody; see LICENSE."
    return {
        "@type": "CreativeWork", "name": text, "identifier": "DUO:0000018",
        "url": "http://purl.obolibrary.org/obo/DUO_0000018",
    }  # fmt: skip


def _distribution(facts: ReleaseFacts, digests: dict[str, str]) -> Iterator[Card]:
    ending = ".rehearsal.tar" if facts.rehearsal else ".tar"
    yield _files("image-tables", "One Parquet table for each image archive: one row for each image.",
                 ["application/x-parquet", "application/vnd.apache.parquet"],
                 "metadata/contribution=*/part-*.parquet")  # fmt: skip
    yield _files("image-archives", "All images in uncompressed tar archives; the columns shard, offset and length say "
                 "where each lies.", ["application/x-tar"], f"images/contribution=*/shard-*{ending}")  # fmt: skip
    for path, encoding, text in (
        ("attribution.csv", "text/csv", "Whom to credit for each contribution."),
        (sample_archive(facts), "application/x-tar", "Some images of every contribution."),
        ("manifest/parts-sha256.txt", "text/plain", "SHA-256 of the lists that hold the SHA-256 of all images and "
         "tables."),
    ):  # fmt: skip
        yield {
            "@type": "cr:FileObject", "@id": path, "name": path, "description": text, "contentUrl": path,
            "encodingFormat": encoding, "sha256": digests[path],
        }  # fmt: skip
    inside = _files("sample-images", "The images in the sample archive.", ["image/png", "image/jpeg"], "*.png")
    yield inside | {"includes": ["*.png", "*.jpg"], "containedIn": {"@id": sample_archive(facts)}}


def _files(name: str, text: str, encoding: list[str], includes: str) -> Card:
    return {
        "@type": "cr:FileSet", "@id": name, "name": name, "description": text, "encodingFormat": encoding,
        "includes": includes,
    }  # fmt: skip


def _records(table: str, files: str) -> Card:
    """A table as records: every column with its type, meaning, unit and terms."""
    spec = schema.tables()[table]
    origin = {"fileSet": {"@id": files}} if table == "images" else {"fileObject": {"@id": files}}
    return {
        "@type": "cr:RecordSet", "@id": table, "name": table, "description": f"One record: {spec.row}.",
        "key": [{"@id": f"{table}/{column}"} for column in spec.key],
        "field": [_field(table, schema.fields()[column], origin) for column in spec.columns],
    }  # fmt: skip


def _field(table: str, field: schema.Field, origin: Card) -> Card:
    unit = f" Unit: {field.unit}." if field.unit else ""
    found: Card = {
        "@type": "cr:Field", "@id": f"{table}/{field.name}", "name": field.name,
        "description": f"{field.description}{unit}", "dataType": _TYPES[field.type],
        "source": origin | {"extract": {"column": field.name}},
    }  # fmt: skip
    if field.dwc and ":" not in field.dwc:
        found["equivalentProperty"] = f"{_DWC}{field.dwc}"
    if field.type.startswith("list"):
        found |= {"isArray": True, "arrayShape": "-1"}
    return found


def _sample_records() -> Card:
    """The images of the sample archive, with the id that leads to their rows."""
    origin = {"fileSet": {"@id": "sample-images"}}
    return {
        "@type": "cr:RecordSet", "@id": "sample", "name": "sample",
        "description": "One record: one image of the sample archive.", "key": [{"@id": "sample/image_id"}],
        "field": [
            {
                "@type": "cr:Field", "@id": "sample/image_id", "name": "image_id", "dataType": "sc:Text",
                "description": "Its id in the tables of images.",
                "source": origin | {"extract": {"fileProperty": "filename"},
                                    "transform": {"regex": r"^(.*)\.(?:png|jpg)$"}},
            },
            {
                "@type": "cr:Field", "@id": "sample/image", "name": "image", "dataType": "sc:ImageObject",
                "description": "Its pixels.", "source": origin | {"extract": {"fileProperty": "content"}},
            },
        ],
    }  # fmt: skip


_REQUIRED = ("@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished")
_SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-rehearsal)?")


def croissant_problems(card: Card) -> list[str]:
    """What the specification asks for and mlcroissant lets pass: required fields, addresses, ids used twice."""
    problems = [f"{key}: required" for key in _REQUIRED if not card.get(key)]
    problems += [f"{key}: {card[key]!r} is no address" for key in ("license", "url")
                 if card.get(key) and not re.fullmatch(r"https?://\S+", str(card[key]))]  # fmt: skip
    if not _SEMANTIC.fullmatch(str(card.get("version"))):
        problems.append(f"version: {card.get('version')!r} is not MAJOR.MINOR.PATCH")
    described = [*card.get("distribution", []), *card.get("recordSet", [])]
    ids = [d["@id"] for d in described] + [f["@id"] for r in card.get("recordSet", []) for f in r["field"]]
    problems += [f"{name}: stands for several things" for name in sorted({i for i in ids if ids.count(i) > 1})]
    for found in described:
        digest = found.get("sha256")
        if digest is not None and not re.fullmatch(r"[0-9a-f]{64}", digest):
            problems.append(f"{found['@id']}: {digest!r} is no SHA-256")
    return [*problems, *_addresses(card)]


def _addresses(value: Any, place: str = "") -> Iterator[str]:
    """Keys for e-mail addresses, wherever they stand."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "email":
                yield f"{place}/{key}: no e-mail address may stand here"
            yield from _addresses(inner, f"{place}/{key}")
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from _addresses(inner, f"{place}/{n}")
