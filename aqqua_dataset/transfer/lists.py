"""Lists of checksums that come with a delivery: md5sum and its kin, BSD's form, BagIt manifests, Globus' lists."""

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import IO

#: Algorithms by the number of hexadecimal digits; SHA-224 and SHA-384 are told by it as well.
_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
ALGORITHMS = frozenset(_BY_LENGTH.values())

_KINDS = r"(?:md5|sha1|sha224|sha256|sha384|sha512)"
_LIST_NAME = re.compile(
    rf"{_KINDS}sums?(?:\.txt)?|(?:tag)?manifest-{_KINDS}\.txt|checksums?(?:[._-]{_KINDS})?(?:\.txt)?"
    rf"|.+\.{_KINDS}|.*globus.*\.json|successful_transfers\.json",
    re.IGNORECASE,
)
_GNU = re.compile(r"(\\?)([0-9a-fA-F]{32,128})\s+\*?(.+)")  # BagIt: any white space between
_BSD = re.compile(r"[\w-]+ ?\((.+)\) ?= ?([0-9a-fA-F]{32,128})")
_ALONE = re.compile(r"[0-9a-fA-F]{32,128}")

#: Path in the delivery -> algorithm -> hexadecimal digest.
Expected = dict[str, dict[str, str]]


def is_list(path: str) -> bool:
    """Whether a file's name says that it is a list of checksums."""
    return _LIST_NAME.fullmatch(posixpath.basename(path)) is not None


def read_list(path: str, stream: IO[bytes]) -> Iterator[tuple[str, str, str]]:
    """What a list states: path as it stands there, algorithm, hexadecimal digest in lower case.

    Lines that say nothing of the kind (comments, other files' content) are passed over.

    Args:
        path: the list's own path, for a digest that stands alone in ``x.zip.md5``.
        stream: its bytes.
    """
    if path.lower().endswith(".json"):
        yield from _globus(stream)
        return
    for raw in stream:
        line = raw.decode("utf-8-sig", errors="replace").strip("\r\n")
        if found := _GNU.fullmatch(line):
            name = found[3].replace("\\n", "\n").replace("\\\\", "\\") if found[1] else found[3]
            digest = found[2]
        elif found := _BSD.fullmatch(line):
            name, digest = found[1], found[2]
        elif _ALONE.fullmatch(line.strip()):
            name, digest = posixpath.splitext(posixpath.basename(path))[0], line.strip()
        else:
            continue
        if algorithm := _BY_LENGTH.get(len(digest)):
            yield name, algorithm, digest.lower()


def _globus(stream: IO[bytes]) -> Iterator[tuple[str, str, str]]:
    """Entries of Globus' list of successful transfers that hold a checksum."""
    try:
        found = json.load(stream)
    except ValueError:
        return
    entries = found.get("DATA", []) if isinstance(found, dict) else found
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(digest := entry.get("checksum"), str):
            name = entry.get("destination_path") or entry.get("source_path")
            algorithm = _BY_LENGTH.get(len(digest))
            if isinstance(name, str) and algorithm:
                yield name, algorithm, digest.lower()


def find_listed(name: str, list_path: str, there: Mapping[str, object]) -> str | None:
    """The delivery's file that a list means, or None.

    The name counts from the list's folder, then from the delivery's; a path of another computer by its longest end
    that is there.
    """
    folder = posixpath.dirname(list_path)
    for spelled in dict.fromkeys((name, name.replace("\\", "/"))):
        for start in (folder, ""):
            path = posixpath.normpath(posixpath.join(start, spelled.lstrip("/")))
            if path in there:
                return path
        parts = [p for p in spelled.split("/") if p not in ("", ".")]
        if spelled.startswith("/") or ":" in parts[0]:
            for first in range(1, len(parts)):
                if (path := "/".join(parts[first:])) in there:
                    return path
    return None
