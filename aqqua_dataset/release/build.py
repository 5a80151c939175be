"""Builds a release: gate, parts, tables, documents, checksums, and at last the file that says it is whole."""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aqqua_dataset import schema
from aqqua_dataset.compute import map_chunks
from aqqua_dataset.dedup import exact
from aqqua_dataset.dedup.splits import write_splits
from aqqua_dataset.findings import Finding, has_errors, worst_first
from aqqua_dataset.images.pack import shard_parts
from aqqua_dataset.pipeline import Collection, manifest
from aqqua_dataset.progress import ledger
from aqqua_dataset.registry.licences import item_licence
from aqqua_dataset.release import annotations, attribution, documents, personal
from aqqua_dataset.release.counting import count_release, credited_images
from aqqua_dataset.release.doi_parts import write_parts
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.gate import ReleaseRefused, ReleaseRequest, gate, withheld_reason
from aqqua_dataset.release.history import (
    newest_releases,
    previous_releases,
    release_of,
    version_problems,
    withdrawn_since,
)
from aqqua_dataset.release.judging import judge_built, judge_plan
from aqqua_dataset.release.parts import ReleasedPart, ReleasePartTask, release_part
from aqqua_dataset.release.sample import write_sample_images
from aqqua_dataset.release.seal import seal, seal_data
from aqqua_dataset.release.snapshot import take_snapshot
from aqqua_dataset.release.undecided import differs_from_frozen, undecided_names
from aqqua_dataset.warehouse import Warehouse

log = logging.getLogger(__name__)

_LEFT_OUT = pa.schema([("image_id", pa.string()), ("contribution_id", pa.string())])
_CREDITS = pa.schema(
    [
        ("image_id", pa.string()),
        ("contribution_id", pa.string()),
        ("credited", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class Release:
    """A finished release: folder in the warehouse, facts, ledger, and what the gate remarked."""

    folder: str
    facts: ReleaseFacts
    ledger: pa.Table
    findings: tuple[Finding, ...]
    shards_untouched: int
    shards_rewritten: int


def release_folder(request: ReleaseRequest) -> str:
    """Folder of a release inside the warehouse."""
    return release_of(request.view, request.name)


def build_release(
    collection: Collection, registry_findings: list[Finding], request: ReleaseRequest, now: dt.datetime,
    executor: Executor, workers: int, progress: Callable[[str], None] = log.info,
) -> Release:  # fmt: skip
    """Builds the requested release.

    Args:
        collection: registry and warehouse, with all stages and the duplicates up to date.
        registry_findings: what the registry's validation found.
        request: version, view, date, rehearsal.
        now: the present moment with its time zone; the caller's clock, never a parameter of users.
        executor, workers: where the parts are written.
        progress: told each step in words.

    Raises:
        ReleaseRefused: the gate, the ledger or the search for personal data stopped it.
    """
    warehouse, folder = collection.warehouse, release_folder(request)
    with_data = [i for i in collection.registry.contributions if manifest(warehouse, i, "images")]
    previous = previous_releases(warehouse, request.view)
    findings = _before(collection, with_data, registry_findings, request, now)
    findings = worst_first(findings + version_problems(collection.registry, warehouse, request, previous))
    if has_errors(findings):
        raise ReleaseRefused(findings)
    if warehouse.exists(f"{folder}/RELEASED.json") and not request.rehearsal:
        message = f"version {request.version} was released and is never changed; take the next version"
        raise ReleaseRefused([Finding("version_released", "error", message)])
    warehouse.remove(folder)

    write_splits(collection)
    left_out, shared = _write_exceptions(collection, request)
    tasks = _tasks(collection, request, folder, left_out, shared)
    parts: dict[ReleasePartTask, ReleasedPart] = {}
    done = 0
    images: Counter[str] = Counter()
    for task, part in map_chunks(release_part, tasks, executor, workers):
        parts[task] = part
        images[task.contribution] += part.images
        done += part.images
        progress(f"release: {len(parts)} of {len(tasks)} shards, {done:,} images")
    leaks = [f"{task.contribution}: {leak}" for task, part in parts.items() for leak in part.leaks]
    holders = sorted({t.contribution for t, p in parts.items() if p.images})
    spoken = annotations.annotation_tasks(collection, folder, request.name, holders, left_out)
    for task_of, found in map_chunks(annotations.write_annotations, spoken, executor, workers):
        leaks += [f"{task_of.contribution}: {leak}" for leak in found]
    counted = ledger.count(collection, request, published=dict(images))
    _require(ledger.imbalances(counted) + _leak_findings(leaks))

    tables = [f"{folder}/{t.table('metadata')}" for t, p in parts.items() if p.images]
    size = sum(p.shard_bytes for p in parts.values())
    facts = count_release(warehouse, request, tables, {c: images[c] for c in holders}, size)
    gone = withdrawn_since(collection.registry, warehouse, request.view, previous)
    facts = replace(facts, previous=previous, withdrawn=gone)
    credited = credited_images(warehouse, tables)
    # A release says nothing of those that have no part in it; the collection's own ledger does.
    shown = counted.filter(pc.is_in(counted["contribution_id"], pa.array(list(credited), pa.string())))
    snapshot = take_snapshot(collection.registry, credited, request.date)
    findings += differs_from_frozen(warehouse, snapshot, request)
    _require(findings)
    snapshot = snapshot if attribution.grants_licence(facts) else snapshot.without_doi()
    _write_duplicates(collection, folder, facts, credited, left_out)
    texts = documents.write_tables(collection, folder, facts, shown, credited, snapshot)
    sample = write_sample_images(warehouse, folder, facts, executor, workers)
    digests = {path: digest for part in parts.values() for path, digest in part.digests.items()}
    lists = sample | seal_data(warehouse, folder, facts, digests, executor, workers)
    _require(documents.write_documents(collection, folder, facts, shown, snapshot, texts, lists))
    _require(write_parts(warehouse, folder, collection.registry, facts, tables))
    _require(_leak_findings(_search(warehouse, folder)))

    def approve(unsealed: dict[str, Any]) -> None:
        """Refuses what the gate holds back; the file that readers wait for isn't written then."""
        findings.extend(judge_built(collection.registry, warehouse, folder, request, now, unsealed, executor, workers))
        _require(findings)

    seal(warehouse, folder, facts, lists, executor, workers, approve)
    return Release(
        folder, facts, counted, tuple(worst_first(findings)),
        sum(p.untouched and p.images > 0 for p in parts.values()), sum(not p.untouched for p in parts.values()),
    )  # fmt: skip


def _before(
    collection: Collection, with_data: list[str], registry_findings: list[Finding], request: ReleaseRequest,
    now: dt.datetime,
) -> list[Finding]:  # fmt: skip
    """What is remarked before anything is built."""
    registry = collection.registry
    permitted = [i for i in with_data if not withheld_reason(registry, registry.contributions[i], request)]
    findings = gate(registry, with_data, registry_findings, request, now)
    findings += undecided_names(registry, with_data, registry_findings, request)
    return findings + judge_plan(registry, permitted, request, now)


def _require(findings: list[Finding]) -> None:
    if has_errors(findings):
        raise ReleaseRefused(findings)


def _leak_findings(leaks: list[str]) -> list[Finding]:
    message = "something personal stands in a file of the release"
    return [Finding("personal_data", "error", message, value=leak) for leak in sorted(set(leaks))]


def _write_exceptions(collection: Collection, request: ReleaseRequest) -> tuple[str, str]:
    """Writes which images are left out of permitted contributions, and which earn several contributions credit."""
    paths = ("releases/.plan/left-out.parquet", "releases/.plan/shared.parquet")
    ids = sorted(collection.registry.contributions)
    with collection.warehouse.connect() as connection:
        exact.create_images_view(connection, exact.usable_images(collection, ids))
        stricter = ledger.stricter_terms(collection, request)
        connection.register("stricter", pd.DataFrame(stricter, columns=["contribution_id", "reason"], dtype="str"))
        url = collection.warehouse.url(exact.TABLE)
        connection.execute(f"create temp view duplicates as from read_parquet({url!r})")
        left_out = connection.sql(
            f"""select image_id, contribution_id from duplicates
                union all select image_id, contribution_id from usable semi join ({ledger.WITHHELD_IMAGES})
                using (image_id) order by contribution_id, image_id"""
        )
        collection.warehouse.write_parquet(paths[0], left_out.to_arrow_reader(), _LEFT_OUT)
        credited = connection.sql(
            """select kept_image_id as image_id, kept_contribution_id as contribution_id,
                      list_sort(list_distinct(list(contribution_id))) as credited
               from duplicates group by all order by contribution_id, image_id"""
        )
        collection.warehouse.write_parquet(paths[1], credited.to_arrow_reader(), _CREDITS)
    return paths


def _tasks(
    collection: Collection, request: ReleaseRequest, folder: str, left_out: str, shared: str
) -> list[ReleasePartTask]:
    settings = collection.registry.settings
    earlier = newest_releases(collection.warehouse)
    tasks = []
    for contribution in sorted(collection.registry.contributions.values(), key=lambda c: c.id):
        stages = [manifest(collection.warehouse, contribution.id, s) for s in ("rows", "core", "images", "quality")]
        if withheld_reason(collection.registry, contribution, request) or None in stages:
            continue
        rows, core, images, quality = (s for s in stages if s is not None)
        licence = item_licence(collection.registry, contribution)
        tasks += [
            ReleasePartTask(
                warehouse=collection.warehouse, release=folder, contribution=contribution.id, shard=shard, parts=parts,
                rows_folder=rows["folder"], core_folder=core["folder"], images_folder=images["folder"],
                quality_folder=quality["folder"],
                license=licence.spdx if licence else settings.licence_spdx,
                available_from=settings.release_date.isoformat(),
                left_out=left_out, shared=shared, version=request.name, rehearsal=request.rehearsal,
                form_id=contribution.form_id,
                earlier=earlier,
            )
            for shard, parts in enumerate(shard_parts(len(core["parts"]), images["parts_per_shard"]))
        ]  # fmt: skip
    return tasks


def _write_duplicates(
    collection: Collection, folder: str, facts: ReleaseFacts, credited: dict[str, int], left_out: str
) -> None:
    """Writes which delivered images a published image stands for."""
    warehouse = collection.warehouse
    with warehouse.connect() as connection:
        released = connection.sql(
            """from read_parquet($table)
               where kept_contribution_id in (select unnest($kept::varchar[]))
                     and contribution_id in (select unnest($credited::varchar[]))
                     and kept_image_id not in (select image_id from read_parquet($left_out))
               order by image_id""",
            params={
                "table": warehouse.url(exact.TABLE),
                "left_out": warehouse.url(left_out),
                "kept": list(facts.images),
                "credited": list(credited),
            },
        ).to_arrow_table()
    target = schema.arrow("duplicates").with_metadata({"release": facts.version})
    warehouse.write_parquet(f"{folder}/duplicates.parquet", released.cast(target), target)


def _search(warehouse: Warehouse, folder: str) -> list[str]:
    """What is personal in the release's text files; tables and images were searched while they were written."""
    texts = (p for p in warehouse.find(folder) if not p.endswith((".parquet", ".tar")))
    return [f"{path}: {leak}" for path in texts for leak in personal.file_leaks(personal.SearchTask(warehouse, path))]
