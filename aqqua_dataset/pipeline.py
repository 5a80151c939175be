"""The stages of one contribution, as the command line and the Dagster assets both call them.

A stage looks at what it depends on, does nothing when that is unchanged, and otherwise writes a new
folder and, last, the manifest that makes it count. A contributor's mistake is a finding in the
report; only broken infrastructure raises.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from aqqua_dataset import schema, space
from aqqua_dataset.compute import Clock, map_chunks
from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding
from aqqua_dataset.harmonise import joined, longhurst
from aqqua_dataset.harmonise.rows import harmonise
from aqqua_dataset.harmonise.supplement import supplement
from aqqua_dataset.images import pack, suspects
from aqqua_dataset.images.decode import library_versions
from aqqua_dataset.labels import answers, taxonomy
from aqqua_dataset.quality.stage import Parts, write_quality
from aqqua_dataset.registry.licences import item_licence
from aqqua_dataset.registry.models import AUTO, Contribution, LabelAnswer, Registry, Settings
from aqqua_dataset.sources import READERS
from aqqua_dataset.sources.identify import fitting, not_recognised
from aqqua_dataset.sources.rows import load_rows, write_rows
from aqqua_dataset.transfer.delivery import Delivery
from aqqua_dataset.warehouse import Warehouse

log = logging.getLogger(__name__)

Stage = Literal["rows", "core", "images", "quality"]

#: Raise a stage's version when its results change for unchanged inputs: it then runs again everywhere.
VERSIONS: dict[Stage, int] = {"rows": 4, "core": 4, "images": 6, "quality": 1}

_FETCHING = {"fetch_from", "dashboard"}  # how the files came; what they are is in the delivery's own fingerprint
_READ_LATER = {"joins", "folders", *_FETCHING}  # they don't change the rows, so a new one needs no second reading


@dataclass(frozen=True)
class Collection:
    """A validated registry and the places around it."""

    registry: Registry
    config: Config
    warehouse: Warehouse

    def delivery(self, location: str) -> Delivery:
        """Opens a delivery by its location in the registry; raises FileNotFoundError."""
        return Delivery(self.config.delivery_location(location), self.config.storage.deliveries)


@dataclass(frozen=True)
class StageReport:
    """What a stage did for one contribution.

    Attributes:
        outcome: ``done``, ``unchanged`` (nothing to do) or ``refused`` (with a finding that says why).
        numbers: counts of the stage, e.g. rows, accepted, rejected.
    """

    contribution: str
    stage: Stage
    outcome: Literal["done", "unchanged", "refused"]
    numbers: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def manifest(warehouse: Warehouse, contribution: str, stage: Stage) -> dict[str, Any] | None:
    """The manifest of a stage's present result: key, folder, parts, numbers, findings; None before the first run."""
    found: dict[str, Any] | None = warehouse.read_json(f"contributions/{contribution}/{stage}.json")
    return found


def intake_refusal(registry: Registry, contribution: Contribution) -> Finding | None:
    """Why a contribution can't be taken in now, or None: the mandatory permissions decide."""
    if contribution.source is None:
        return Finding("no_delivery_yet", "note", "pledged; no delivery is named yet", contribution.id)
    if contribution.revoked:
        return Finding("permission_withdrawn", "note", "the permission was withdrawn", contribution.id)
    if item_licence(registry, contribution) is None:
        missing = ", ".join(registry.missing_mandatory(contribution))
        message = f"mandatory permission missing: {missing}; the data are not read"
        return Finding("permission_missing", "error", message, contribution.id)
    return None


@space.needed()
def read_rows(collection: Collection, contribution_id: str) -> StageReport:
    """Reads a delivery's tables into verbatim rows."""
    contribution = collection.registry.contributions[contribution_id]
    refusal = intake_refusal(collection.registry, contribution)
    if refusal is not None or contribution.source is None:
        return _refused(collection, contribution_id, "rows", refusal)
    source = contribution.source
    if source.format not in (*READERS, AUTO):
        message = f"unknown format {source.format!r}: expected {AUTO} or one of {', '.join(READERS)}"
        finding = Finding("format_unknown", "error", message, contribution_id)
        return _refused(collection, contribution_id, "rows", finding)
    try:
        delivery = collection.delivery(source.location)
    except FileNotFoundError as error:
        finding = Finding("delivery_missing", "error", str(error), contribution_id)
        return _refused(collection, contribution_id, "rows", finding)
    with delivery:
        personal = schema.vocabulary("personal_columns.csv").to_csv()
        patterns = json.dumps([j.tables for j in source.joins if j.location is None])
        key = _key("rows", delivery.fingerprint(), source.model_dump_json(exclude=_READ_LATER), patterns, personal,
                   contribution.form_id or "")  # fmt: skip
        if report := _unchanged(collection, contribution_id, "rows", key):
            return report
        if source.format == AUTO:
            fits = fitting(delivery)
            if len(fits) != 1:
                return _refused(collection, contribution_id, "rows", not_recognised(contribution_id, fits))
            source = source.model_copy(update={"format": fits[0].format})
        folder = _fresh_folder(collection, contribution_id, "rows", key)
        findings: list[Finding] = []
        parts = write_rows(
            collection.warehouse, folder, delivery, source, contribution_id,
            lambda f: findings.append(replace(f, contribution=contribution_id)), contribution.form_id,
        )  # fmt: skip
    if not parts:
        message = "no image row was found in the delivery"
        findings.append(Finding("delivery_without_rows", "error", message, contribution_id))
    numbers = {"rows": sum(parts)}
    return _commit(collection, contribution_id, "rows", key, folder, parts, numbers, findings, format=source.format)


@dataclass(frozen=True)
class CoreTask:
    """One part to harmonise."""

    warehouse: Warehouse
    contribution: Contribution
    settings: Settings
    rows_folder: str
    folder: str
    part: int
    answers: tuple[LabelAnswer, ...] = ()


def harmonise_part(task: CoreTask) -> tuple[int, int, dict[str, int]]:
    """Harmonises one part; returns usable and rejected rows, and for each join the rows without a partner."""
    rows = load_rows(task.warehouse, task.rows_folder, task.part)
    without: dict[str, int] = {}
    if task.contribution.source is not None:
        rows, without = supplement(task.warehouse, task.folder, rows, task.contribution.source)
    result = harmonise(rows, task.contribution, task.settings, task.answers)
    quarantine = f"{task.folder}/rejected-{task.part:05d}.parquet"
    task.warehouse.write_parquet(quarantine, result.quarantine, schema.arrow("quarantine"))
    task.warehouse.write_parquet(core_path(task.folder, task.part), result.core, schema.arrow("core"))
    return result.core.num_rows, len(rows) - result.core.num_rows, without


@space.needed()
def harmonise_rows(collection: Collection, contribution_id: str, executor: Executor, workers: int) -> StageReport:
    """Derives what the rows' metadata mean."""
    rows = manifest(collection.warehouse, contribution_id, "rows")
    contribution = collection.registry.contributions[contribution_id]
    refusal = intake_refusal(collection.registry, contribution)
    if rows is None or refusal is not None or contribution.source is None:
        return _refused(collection, contribution_id, "core", refusal)
    settings = collection.registry.settings
    source = contribution.source.model_copy(update={"format": rows["format"]})
    contribution = contribution.model_copy(update={"source": source})
    schemes = ("ecotaxa", contribution_id)
    labels = tuple(answers.relevant(collection.registry.labels, schemes).values())
    aliases = json.dumps({a.spelling: a.instrument_id for a in settings.instrument_aliases}, sort_keys=True)
    told = (
        contribution.declared.model_dump_json(), source.model_dump_json(exclude=_FETCHING),
        joined.stamps(collection.config, source), aliases,
        longhurst.stamp(settings.longhurst), taxonomy.fingerprint(settings.taxonomy),
        answers.fingerprint(labels, schemes),
    )  # fmt: skip
    key = _key("core", rows["key"], *told, schema.fingerprint(), settings.release_date.isoformat())
    if report := _unchanged(collection, contribution_id, "core", key):
        return report
    folder = _fresh_folder(collection, contribution_id, "core", key)
    findings: list[Finding] = []
    joined.write(
        collection.config, collection.warehouse, source, folder,
        lambda f: findings.append(replace(f, contribution=contribution_id)),
    )  # fmt: skip
    findings += longhurst.problem(settings.longhurst, contribution_id)
    tasks = [
        CoreTask(collection.warehouse, contribution, settings, rows["folder"], folder, part, labels)
        for part in range(len(rows["parts"]))
    ]
    usable = rejected = 0
    parts = [0] * len(tasks)
    without: Counter[str] = Counter()
    for task, (good, bad, unmatched) in map_chunks(harmonise_part, tasks, executor, workers):
        parts[task.part] = good
        usable, rejected = usable + good, rejected + bad
        without.update(unmatched)
    message = "images for which the joined table has no row"
    findings += [
        Finding("join_without_row", "warning", message, contribution_id, key=f"source.joins.{join}", count=count)
        for join, count in without.items()
        if count
    ]
    numbers = {"usable": usable, "rejected": rejected}
    return _commit(collection, contribution_id, "core", key, folder, parts, numbers, findings)


def pack_images(
    collection: Collection, contribution_id: str, executor: Executor, workers: int,
    progress: Callable[[str], None] = log.info,
) -> StageReport:  # fmt: skip
    """Reads, verifies, fingerprints and stores every image once; resumes where a killed run stopped."""
    return next(pack_each(collection, [contribution_id], executor, workers, progress))


def pack_each(
    collection: Collection, contributions: Iterable[str], executor: Executor, workers: int,
    progress: Callable[[str], None] = log.info,
) -> Iterator[StageReport]:  # fmt: skip
    """Packs contributions as one stream of shards, so that thousands of small ones share the workers."""
    todo: dict[str, _Packing] = {}
    for contribution in contributions:
        planned = _plan_packing(collection, contribution)
        if isinstance(planned, StageReport):
            yield planned
        elif planned.listed:
            todo[contribution] = planned
        else:
            yield _commit_packing(collection, planned)
    name = next(iter(todo), "") if len(todo) == 1 else f"{len(todo):,} contributions"
    clock = Clock(name, sum(sum(p.listed) for p in todo.values()), progress)
    tasks = (
        replace(p.task, shard=shard, parts=parts) for p in list(todo.values()) for shard, parts in enumerate(p.shards)
    )
    with space.needed():
        for task, stored in map_chunks(pack.pack_shard, tasks, executor, workers, suspects.pack_carefully):
            packing = todo[task.contribution]
            packing.stored[task.shard] = stored
            clock.count(packing.listed[task.shard])
            if len(packing.stored) == len(packing.listed):
                yield _commit_packing(collection, todo.pop(task.contribution))


@dataclass(frozen=True)
class _Packing:
    """A contribution being packed.

    Attributes:
        shards: parts of rows of each shard.
        listed: images listed for each shard.
        stored: images stored in the shards that are done.
    """

    key: str
    task: pack.PackTask
    shards: list[range]
    listed: list[int]
    stored: dict[int, int] = field(default_factory=dict)


def _plan_packing(collection: Collection, contribution_id: str) -> StageReport | _Packing:
    rows = manifest(collection.warehouse, contribution_id, "rows")
    contribution = collection.registry.contributions[contribution_id]
    refusal = intake_refusal(collection.registry, contribution)
    if rows is None or refusal is not None or contribution.source is None:
        return _refused(collection, contribution_id, "images", refusal)
    key = _key("images", rows["key"], library_versions(), str(pack.PARTS_PER_SHARD))
    if report := _unchanged(collection, contribution_id, "images", key):
        return report
    location = collection.config.delivery_location(contribution.source.location)
    before = manifest(collection.warehouse, contribution_id, "images")
    task = pack.PackTask(
        collection.warehouse.root, collection.warehouse.storage_options, location, contribution_id, rows["folder"],
        _folder(contribution_id, "images", key), 0, range(0),
        previous=before["folder"] if before else "", version=f"{VERSIONS['images']} {library_versions()}",
        delivery_options=collection.config.storage.deliveries,
    )  # fmt: skip
    shards = pack.shard_parts(len(rows["parts"]), pack.PARTS_PER_SHARD)
    return _Packing(key, task, shards, [sum(rows["parts"][part] for part in parts) for parts in shards])


def _commit_packing(collection: Collection, done: _Packing) -> StageReport:
    shards = [done.stored[shard] for shard in range(len(done.shards))]
    numbers = {"stored": sum(shards), "listed": sum(done.listed)}
    return _commit(
        collection, done.task.contribution, "images", done.key, done.task.folder, shards, numbers, [],
        parts_per_shard=pack.PARTS_PER_SHARD,
    )  # fmt: skip


@space.needed()
def judge_quality(collection: Collection, contribution_id: str) -> StageReport:
    """Tests the contribution as a whole and gives every usable image its final flags."""
    contribution = collection.registry.contributions[contribution_id]
    core = manifest(collection.warehouse, contribution_id, "core")
    images = manifest(collection.warehouse, contribution_id, "images")
    refusal = intake_refusal(collection.registry, contribution)
    if core is None or images is None or refusal is not None or not core["parts"]:
        return _refused(collection, contribution_id, "quality", refusal)
    told = (contribution.declared.model_dump_json(), json.dumps([o.model_dump_json() for o in contribution.overrules]))
    key = _key("quality", core["key"], images["key"], *told, schema.fingerprint())
    if report := _unchanged(collection, contribution_id, "quality", key):
        return report
    folder = _fresh_folder(collection, contribution_id, "quality", key)
    numbers = range(len(core["parts"]))
    parts = Parts(
        [core_path(core["folder"], p) for p in numbers],
        [pack.index_path(images["folder"], p) for p in range(len(images["parts"]))],
        [quality_path(folder, p) for p in numbers],
    )
    counts = write_quality(collection.warehouse, contribution, parts)
    return _commit(collection, contribution_id, "quality", key, folder, core["parts"], counts, [])


def core_path(folder: str, part: int) -> str:
    """Warehouse path of one part of harmonised rows."""
    return f"{folder}/core-{part:05d}.parquet"


def quality_path(folder: str, part: int) -> str:
    """Warehouse path of the final flags of one part."""
    return f"{folder}/quality-{part:05d}.parquet"


def run_contribution(
    collection: Collection, contribution_id: str, executor: Executor, workers: int,
    progress: Callable[[str], None] = log.info,
) -> list[StageReport]:  # fmt: skip
    """All stages of one contribution, in order; later ones are left out when one is refused."""
    reports = [read_rows(collection, contribution_id)]
    if reports[0].outcome != "refused":
        reports.append(harmonise_rows(collection, contribution_id, executor, workers))
        reports.append(pack_images(collection, contribution_id, executor, workers, progress))
        reports.append(judge_quality(collection, contribution_id))
    return reports


def _key(stage: Stage, *inputs: str) -> str:
    """Short hash of everything a stage's result depends on."""
    text = json.dumps([stage, VERSIONS[stage], *inputs])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _folder(contribution: str, stage: Stage, key: str) -> str:
    return f"contributions/{contribution}/{stage}-{key}"


def _fresh_folder(collection: Collection, contribution: str, stage: Stage, key: str) -> str:
    folder = _folder(contribution, stage, key)
    collection.warehouse.remove(folder)
    return folder


def _unchanged(collection: Collection, contribution: str, stage: Stage, key: str) -> StageReport | None:
    collection.warehouse.watch(f"contributions/{contribution}/{stage}.json")
    found = manifest(collection.warehouse, contribution, stage)
    if found is None or found["key"] != key:
        return None
    findings = tuple(Finding(**f) for f in found["findings"])
    return StageReport(contribution, stage, "unchanged", found["numbers"], findings)


def _refused(collection: Collection, contribution: str, stage: Stage, finding: Finding | None) -> StageReport:
    findings = () if finding is None else (finding,)
    collection.warehouse.write_json(
        f"contributions/{contribution}/refused.json",
        {"stage": stage, "findings": [f.as_row() for f in findings]},
    )
    return StageReport(contribution, stage, "refused", {}, findings)


def _commit(
    collection: Collection, contribution: str, stage: Stage, key: str, folder: str,
    parts: list[int], numbers: dict[str, int], findings: Iterable[Finding], **more: str | int,
) -> StageReport:  # fmt: skip
    """Makes a stage's new folder the present one, then removes the one it replaces."""
    before = manifest(collection.warehouse, contribution, stage)
    kept = tuple(findings)
    collection.warehouse.commit_json(
        f"contributions/{contribution}/{stage}.json",
        {
            "key": key,
            "folder": folder,
            "parts": parts,
            "numbers": numbers,
            "findings": [f.as_row() for f in kept],
            **more,
        },
    )
    collection.warehouse.remove(f"contributions/{contribution}/refused.json")
    if before is not None and before["folder"] != folder:
        collection.warehouse.remove(before["folder"])
    return StageReport(contribution, stage, "done", numbers, kept)
