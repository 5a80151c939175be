"""Checksums of a release in two levels, so that a list of millions of files stays readable.

``manifest/part-00000.tsv`` … list path, bytes and SHA-256 of every image archive, table and page of a contribution;
``manifest/parts-sha256.txt`` lists those parts, and its own SHA-256 stands for all data: it doesn't depend on the
documents, so these can state it. ``manifest-sha256.txt`` lists the documents and the parts; RELEASED.json, written
last, holds its SHA-256.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping

from aqqua_dataset.warehouse import Warehouse

MANIFEST = "manifest-sha256.txt"
PARTS = "manifest/parts-sha256.txt"

#: Folders whose files are listed in the parts.
MANY = ("annotations/", "contributions/", "images/", "metadata/", "verbatim/")
_PER_PART = 50_000


def is_one_of_many(path: str) -> bool:
    """Whether a file of a release is listed in the parts."""
    return path.startswith(MANY)


def write_parts(
    warehouse: Warehouse, folder: str, digests: Mapping[str, str], title: str, per_part: int = _PER_PART
) -> dict[str, str]:  # fmt: skip
    """Writes the parts and their list; returns the SHA-256 of the files written, by path inside the release.

    Args:
        warehouse: where the release lies.
        folder: its folder.
        digests: SHA-256 of every file of the folders in ``MANY``, by path inside the release.
        title: what a comment at the head of each file says.
        per_part: files in a part.
    """
    sizes = {p.removeprefix(f"{folder}/".lstrip("/")): size for p, size in warehouse.sizes(folder).items()}
    written: dict[str, str] = {}
    lines = (f"{path}\t{sizes[path]}\t{digests[path]}\n" for path in sorted(digests))
    # A release without images still has one part, so that what the README says to run works.
    for number, part in enumerate(_batched(lines, per_part)):
        path = f"manifest/part-{number:05d}.tsv"
        written[path] = _write(warehouse, f"{folder}/{path}".lstrip("/"), f"# {title}\n# path\tbytes\tsha256\n", part)
    told = [f"{written[path]}  {path}\n" for path in sorted(written)]
    written[PARTS] = _write(warehouse, f"{folder}/{PARTS}".lstrip("/"), f"# {title}\n", told)
    return written


def write_manifest(warehouse: Warehouse, folder: str, digests: Mapping[str, str], title: str) -> str:
    """Writes the checksums of documents and parts as ``sha256sum --check`` reads them; returns their own SHA-256."""
    lines = [f"{digests[path]}  {path}\n" for path in sorted(digests)]
    return _write(warehouse, f"{folder}/{MANIFEST}".lstrip("/"), f"# {title}\n", lines)


def _batched(lines: Iterator[str], most: int) -> Iterator[list[str]]:
    first = True
    while (batch := list(itertools.islice(lines, most))) or first:
        yield batch
        first = False


def _write(warehouse: Warehouse, path: str, head: str, lines: Iterable[str]) -> str:
    text = (head + "".join(lines)).encode()
    warehouse.write_bytes(path, text)
    return hashlib.sha256(text).hexdigest()


def listed_files(warehouse: Warehouse, folder: str) -> dict[str, str]:
    """SHA-256 of every file of a release, by path inside it; ``folder`` ends with a slash, or is "".

    Raises:
        FileNotFoundError: a list is missing.
        ValueError: a list isn't the one that was sealed.
    """
    listed = _lines(_read(warehouse, f"{folder}{MANIFEST}"))
    for part in [p for p in listed if p.startswith("manifest/") and p.endswith(".tsv")]:
        text = _read(warehouse, f"{folder}{part}")
        if (found := hashlib.sha256(text.encode()).hexdigest()) != listed[part]:
            raise ValueError(f"{folder}{part}: expected SHA-256 {listed[part]}, found {found}")
        rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
        listed |= {path: digest for path, _, digest in rows}
    return listed


def _read(warehouse: Warehouse, path: str) -> str:
    with warehouse.open(path) as stream:
        return stream.read().decode()


def _lines(text: str) -> dict[str, str]:
    found = (line.partition("  ") for line in text.splitlines() if not line.startswith("#"))
    return {path: digest for digest, _, path in found}
