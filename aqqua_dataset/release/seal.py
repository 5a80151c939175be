"""Seals a release: checksums in two levels, and at last the file that readers wait for."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any

from aqqua_dataset.checksums import MANIFEST, PARTS, is_one_of_many, write_manifest, write_parts
from aqqua_dataset.compute import map_chunks
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.warehouse import Warehouse


def seal_data(
    warehouse: Warehouse, folder: str, facts: ReleaseFacts, known: Mapping[str, str], executor: Executor, workers: int
) -> dict[str, str]:
    """Lists images, tables and pages of contributions, before there are documents that state the list's hash.

    Args:
        warehouse: where the release lies.
        folder: its folder.
        facts: what the release says of itself.
        known: path inside the release -> SHA-256, of the files that were hashed when they were written.
        executor, workers: where the others are hashed.

    Returns:
        SHA-256 of the lists, by path inside the release.
    """
    found = (p.removeprefix(f"{folder}/") for p in warehouse.find(folder))
    digests = _hashed(warehouse, folder, filter(is_one_of_many, found), known, executor, workers)
    return write_parts(warehouse, folder, digests, _title(facts))


def seal(
    warehouse: Warehouse, folder: str, facts: ReleaseFacts, lists: Mapping[str, str], executor: Executor, workers: int,
    approve: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """Lists the documents and, last of all, writes the file that readers wait for.

    Args:
        warehouse: where the release lies.
        folder: its folder.
        facts: what the release says of itself.
        lists: what ``seal_data`` returned, and further files that were hashed when they were written.
        executor, workers: where the documents are hashed.
        approve: told what RELEASED.json is going to say; raises ReleaseRefused where it must not be written.
    """
    found = (p.removeprefix(f"{folder}/") for p in warehouse.find(folder))
    documents = (p for p in found if not is_one_of_many(p) and p not in (MANIFEST, "RELEASED.json"))
    digests = _hashed(warehouse, folder, documents, lists, executor, workers)
    released = {
        "version": facts.version,
        "view": facts.view,
        "date": facts.date.isoformat(),
        "rehearsal": facts.rehearsal,
        "images": facts.image_count,
        "data_sha256": lists[PARTS],
        "manifest_sha256": write_manifest(warehouse, folder, digests, _title(facts)),
    }
    approve(released)
    warehouse.write_json(f"{folder}/RELEASED.json", released)


def _title(facts: ReleaseFacts) -> str:
    return f"AqQua dataset, release {facts.version}"


def _hashed(
    warehouse: Warehouse, folder: str, paths: Iterable[str], known: Mapping[str, str], executor: Executor, workers: int
) -> dict[str, str]:
    wanted = set(paths)
    others = (f"{folder}/{p}" for p in sorted(wanted - set(known)))
    hashed = {p.removeprefix(f"{folder}/"): d for p, d in map_chunks(warehouse.sha256, others, executor, workers)}
    return hashed | {p: d for p, d in known.items() if p in wanted}
