"""What each document of a built release says of title, version, DOI, licence, names, date and number of images.

Read back from the files as strangers would, so that the gate can compare them (G16). A document that says nothing of
something has no key for it; one that could say it and doesn't has None.
"""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import yaml

Said = dict[str, Any]

_XML = "{http://datacite.org/schema/kernel-4}"
_DOI = re.compile(r"https://doi\.org/(10\.\S+)")


def said_by_documents(read: Callable[[str], str]) -> dict[str, Said]:
    """By document what it says; ``read`` gives the text of a file by its path inside the release."""
    page = read("index.html")
    linked = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    metas = dict(re.findall(r'<meta name="([\w.]+)" content="([^"]*)">', page))
    crate = {entity["@id"]: entity for entity in json.loads(read("ro-crate-metadata.json"))["@graph"]}
    return {
        "datacite.json": _datacite_json(json.loads(read("datacite.json"))),
        "datacite.xml": _datacite_xml(ET.fromstring(read("datacite.xml"))),
        "CITATION.cff": _cff(yaml.safe_load(read("CITATION.cff"))),
        "croissant.json": _schema_org(json.loads(read("croissant.json"))),
        "ro-crate-metadata.json": _schema_org(_joined(crate["./"], crate)),
        "index.html": _schema_org(json.loads(linked[0])) if linked else {"title": None},
        "index.html (meta)": {"doi": metas.get("citation_doi"), "date": metas.get("citation_publication_date")},
        "stats.json": _stats(json.loads(read("stats.json"))),
        "datapackage.json": _package(json.loads(read("datapackage.json"))),
        "README.md": _readme(read("README.md")),
    }


def _datacite_json(record: Said) -> Said:
    sizes = [int(s.split()[0]) for s in record.get("sizes", []) if s.endswith(" images")]
    days = {d["dateType"]: d["date"] for d in record["dates"]}
    return {
        "title": record["titles"][0]["title"], "version": record["version"], "doi": record.get("doi"),
        "licence": next((r["rightsIdentifier"] for r in record.get("rightsList", [])), None),
        "names": [c["name"] for c in record["creators"]], "images": sizes[0] if sizes else None,
        # The day of this version: that of the update, or of the issue where there was no earlier version.
        "date": days.get("Updated", days.get("Issued")),
    }  # fmt: skip


def _datacite_xml(root: ET.Element) -> Said:
    return {
        "title": root.findtext(f".//{_XML}title"), "version": root.findtext(f"{_XML}version"),
        "doi": root.findtext(f"{_XML}identifier") or None,
        "names": [e.text for e in root.iter(f"{_XML}creatorName")],
    }  # fmt: skip


def _cff(card: Said) -> Said:
    def name(author: dict[str, str]) -> str:
        family = " ".join(filter(None, map(author.get, ("name-particle", "family-names", "name-suffix"))))
        return author.get("name") or f"{family}, {author['given-names']}"

    return {
        "title": card["title"], "version": card["version"], "doi": card.get("doi"),
        "licence": str(card["license"]).lower() if card.get("license") else None,
        "date": str(card["date-released"]), "names": [name(a) for a in card["authors"]],
    }  # fmt: skip


def _schema_org(record: Said) -> Said:
    creators = record["creator"] if isinstance(record["creator"], list) else [record["creator"]]
    licence = str(record["license"])
    doi = _DOI.fullmatch(str(record.get("identifier", "")))
    return {
        "title": record["name"], "version": record["version"], "date": record["datePublished"],
        "doi": doi[1] if doi else None, "licence_url": None if licence.endswith("/LICENSE") else licence,
        "names": [f"{c['familyName']}, {c['givenName']}" if "familyName" in c else c["name"] for c in creators],
    }  # fmt: skip


def _joined(root: Said, crate: dict[str, Said]) -> Said:
    """The crate's root with its creators in place of references to them, and the licence as its address."""
    creators = root["creator"] if isinstance(root["creator"], list) else [root["creator"]]
    return root | {"creator": [crate[c["@id"]] for c in creators], "license": root["license"]["@id"]}


def _stats(stats: Said) -> Said:
    return {"version": stats["version"], "date": stats["as_of"], "images": stats["images"]}


def _package(package: Said) -> Said:
    doi = _DOI.fullmatch(package.get("id", ""))
    return {
        "title": package["title"], "version": package["version"], "date": package["created"][:10],
        "doi": doi[1] if doi else None,
    }  # fmt: skip


def _readme(text: str) -> Said:
    card = yaml.safe_load(text.split("---\n")[1])
    version = re.search(r"^Version (\S+), (\d{4}-\d\d-\d\d), view .*: ([\d,]+) images", text, re.MULTILINE)
    return {
        "title": card["pretty_name"], "version": version[1] if version else None,
        "date": version[2] if version else None, "images": int(version[3].replace(",", "")) if version else None,
    }  # fmt: skip
