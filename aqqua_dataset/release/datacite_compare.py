"""Whether a DOI says what it should: the record as sent and as read back, brought to one form.

The server adds much of its own, gives the year as a number, returns DOIs in small letters, rewrites licences it knows,
and returns empty lists for what was never given. None of that is a difference.
"""

import json
from collections.abc import Mapping
from typing import Any

#: Everything a record of ours can say. What isn't in a record is sent empty, so that it goes from an older one.
_LISTS = (
    "creators", "contributors", "titles", "dates", "rightsList", "descriptions", "subjects", "sizes", "formats",
    "geoLocations", "relatedIdentifiers", "fundingReferences",
)  # fmt: skip
_SINGLE = ("types", "publisher", "publicationYear", "language", "version")
#: Order means something in these lists only.
_ORDERED = frozenset({"creators", "contributors", "titles"})
_TYPES = frozenset({"resourceTypeGeneral", "resourceType"})


def complete(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with everything it leaves out stated as empty, as a change has to be sent."""
    return {**dict.fromkeys(_SINGLE), **{k: [] for k in _LISTS}, **record}


def differences(url: str, record: Mapping[str, Any], stored_url: str, stored: Mapping[str, Any]) -> list[str]:
    """Names of what differs between a record with its landing page and what the server holds; sorted."""
    keys = [k for k in (*_LISTS, *_SINGLE) if _normal(k, record.get(k)) != _normal(k, stored.get(k))]
    return sorted([*keys, *(["url"] if url != stored_url else [])])


def _normal(key: str, value: Any) -> Any:
    if key == "publicationYear":
        return str(value or "")
    if key == "types" and isinstance(value, Mapping):
        value = {k: v for k, v in value.items() if k in _TYPES}
    found = _plain(value)
    if isinstance(found, list) and key not in _ORDERED:
        found.sort(key=lambda v: json.dumps(v, sort_keys=True))
    return found or None


def _plain(value: Any, key: str = "") -> Any:
    """Without empty values; numbers as one kind; DOIs and licence ids in small letters."""
    if isinstance(value, Mapping):
        inner = {k: _plain(v, _kind(k, value)) for k, v in value.items()}
        return {k: v for k, v in inner.items() if v not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [v for v in map(_plain, value) if v not in (None, "", [], {})]
    if isinstance(value, int | float) or (key == "number" and isinstance(value, str)):
        return float(value)
    return value.lower() if key == "lower" and isinstance(value, str) else value


def _kind(key: str, around: Mapping[str, Any]) -> str:
    """How a text is compared: degrees come back as text or as numbers, DOIs and licence ids in any case."""
    if key.endswith(("Latitude", "Longitude")):
        return "number"
    if key == "rightsIdentifier" or (key == "relatedIdentifier" and around.get("relatedIdentifierType") == "DOI"):
        return "lower"
    return ""
