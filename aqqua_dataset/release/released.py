"""What the gate needs to know of a built release, read from its own files and from nothing else."""

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from aqqua_dataset import maintenance
from aqqua_dataset.findings import Finding
from aqqua_dataset.release.gate import ReleaseRefused, ReleaseRequest
from aqqua_dataset.release.history import WITHDRAWN
from aqqua_dataset.release.personal import release_leaks
from aqqua_dataset.release.said import said_by_documents
from aqqua_dataset.warehouse import Warehouse


@dataclass(frozen=True)
class Released:
    """A built release as its files have it.

    Attributes:
        version, view, date, rehearsal, total, manifest_sha256: from RELEASED.json.
        images: images in the metadata tables by contribution id; "" where a row has none.
        published: by contribution id, from the ledger.
        withdrawn: contribution ids of withdrawn.csv.
        attribution: rows of attribution.csv by contribution id.
        people: (person id or "", role, contributions) of every named person.
        documents: file -> what it says of title, version, doi, licence, names, date, images; only what it does say.
        personal: file and text of what looks personal.
        damaged: files that aren't what the list of checksums says.
    """

    version: str
    view: str
    date: dt.date
    rehearsal: bool
    total: int
    manifest_sha256: str
    images: dict[str, int]
    published: dict[str, int]
    withdrawn: frozenset[str]
    attribution: dict[str, dict[str, str]]
    people: tuple[tuple[str, str, tuple[str, ...]], ...]
    documents: dict[str, dict[str, Any]]
    personal: tuple[tuple[str, str], ...]
    damaged: tuple[tuple[str, str], ...]


def planned(request: ReleaseRequest, contributions: Iterable[str]) -> Released:
    """A release that isn't built yet, for the rules that ask nothing but the registry."""
    return Released(
        version=request.name, view=request.view, date=request.date, rehearsal=request.rehearsal, total=0,
        manifest_sha256="", images=dict.fromkeys(contributions, 0), published={}, withdrawn=frozenset(),
        attribution={}, people=(), documents={}, personal=(), damaged=(),
    )  # fmt: skip


def read_released(
    warehouse: Warehouse, folder: str, form_ids: frozenset[str], executor: Executor, workers: int,
    unsealed: dict[str, Any] | None = None, deep: bool = True,
) -> Released:  # fmt: skip
    """Reads a release and compares every file with its checksum.

    Args:
        warehouse: where it lies.
        folder: its folder.
        form_ids: ids of forms, which must not stand in any file.
        executor, workers: where the files are hashed and searched.
        unsealed: what RELEASED.json is going to say, while there is none yet.
        deep: hash and search archives and tables as well: it takes as long as reading all of the release.

    Raises:
        ReleaseRefused: it isn't finished.
    """
    told = unsealed or warehouse.read_json(f"{folder}/RELEASED.json")
    if told is None:
        raise ReleaseRefused([Finding("release_unfinished", "error", "expected RELEASED.json", file=folder)])
    damage = maintenance.check_release(warehouse, folder, deep, executor, workers, told["manifest_sha256"])
    ledger = warehouse.read_parquet(f"{folder}/ledger.parquet").to_pylist()
    return Released(
        version=told["version"], view=told["view"], date=dt.date.fromisoformat(told["date"]),
        rehearsal=told["rehearsal"], total=told["images"], manifest_sha256=told["manifest_sha256"],
        images=_images(warehouse, folder),
        published={r["contribution_id"]: r["published"] for r in ledger},
        withdrawn=frozenset(r["contribution_id"] for r in _rows(_text(warehouse, f"{folder}/{WITHDRAWN}"))),
        attribution={r["contribution_id"]: r for r in _rows(_text(warehouse, f"{folder}/attribution.csv"))},
        people=tuple(_people(json.loads(_text(warehouse, f"{folder}/authors/author_list_snapshot.json")))),
        documents=said_by_documents(lambda path: _text(warehouse, f"{folder}/{path}")),
        personal=tuple(release_leaks(warehouse, folder, form_ids, executor, workers, deep)),
        damaged=tuple((f.file, f.message) for f in damage),
    )  # fmt: skip


def _text(warehouse: Warehouse, path: str) -> str:
    with warehouse.open(path) as stream:
        return stream.read().decode()


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _images(warehouse: Warehouse, folder: str) -> dict[str, int]:
    tables = [warehouse.url(p) for p in warehouse.find(f"{folder}/metadata") if p.endswith(".parquet")]
    if not tables:
        return {}
    with warehouse.connect() as connection:
        counted = connection.sql(
            "select coalesce(contribution_id, ''), count(*) from read_parquet($tables) group by 1 order by 1",
            params={"tables": tables},
        )
        return dict(counted.fetchall())


def _people(snapshot: dict[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for role in ("core", "members", "acknowledged"):
        for author in snapshot["authors"].get(role, []):
            yield author["person"]["id"], role, tuple(author["contributions"])
