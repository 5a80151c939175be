"""Looks after the warehouse: is every stored byte what its index says, and what lies there that nothing uses?

What counts is what a manifest names (``contributions/<id>/<stage>.json``) or a sealed release lists. Everything else in
those two trees is an orphan: unfinished files of killed writers, folders that a newer run replaced, releases that
were never sealed. Orphans younger than a day may belong to a run that still goes on, so ``gc`` leaves them alone.
"""

import datetime as dt
import functools
import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any, get_args

import pyarrow as pa

from aqqua_dataset.checksums import MANIFEST, listed_files
from aqqua_dataset.compute import SerialExecutor, map_chunks
from aqqua_dataset.findings import Finding, worst_first
from aqqua_dataset.images.pack import shard_path, stored_digest
from aqqua_dataset.images.shards import member_problem, shard_size
from aqqua_dataset.pipeline import Collection, Stage, manifest
from aqqua_dataset.stage_tables import TABLES
from aqqua_dataset.warehouse import Warehouse, is_unfinished

#: Anything younger may belong to a run that still goes on: no part takes a day.
RUNNING = dt.timedelta(hours=24)

_STAGES: tuple[Stage, ...] = get_args(Stage)
_MOST_PER_FILE = 20  # a damaged shard would otherwise give a finding for each of its images


def check(collection: Collection, deep: bool = False) -> list[Finding]:
    """Compares every stored file with what describes it.

    Args:
        collection: whose warehouse to check.
        deep: also the SHA-256 of every image, of every shard that a release has hashed, every page of every table, and
            every shard of a release. Without it each image's header is read, and of a release everything but its
            shards is hashed.

    Returns:
        Errors (file, image id in ``key``, what was expected, what was found), and a warning per orphan; worst first.
    """
    warehouse, found = collection.warehouse, []
    for contribution in warehouse.names("contributions"):
        for stage in _STAGES:
            found += _check_stage(warehouse, contribution, stage, deep)
    for folder in _releases(warehouse):
        if warehouse.exists(f"{folder}/RELEASED.json"):
            found += check_release(warehouse, folder, deep)
    found += [
        Finding("orphan", "warning", "nothing uses this file; aqqua warehouse gc", file=p) for p in orphans(collection)
    ]
    return worst_first(found)


def orphans(collection: Collection) -> list[str]:
    """Warehouse paths of all files that no manifest and no sealed release uses, whatever their age; sorted."""
    return sorted(_orphans(collection.warehouse))


def gc(collection: Collection, dry_run: bool = False, older_than: dt.timedelta = RUNNING) -> list[str]:
    """Removes orphans, and uploads to an object store that were never completed.

    Args:
        collection: whose warehouse to clean.
        dry_run: only say what would go.
        older_than: age of the newest file of a folder below which the whole folder stays: a run may still write it.

    Returns:
        Warehouse paths of what was removed, sorted.
    """
    warehouse, limit = collection.warehouse, dt.datetime.now(dt.UTC) - older_than
    waiting = _orphans(warehouse)
    newest: dict[str, dt.datetime] = {}
    for path, written in waiting.items():
        newest[_unit(path)] = max(written, newest.get(_unit(path), written))
    old = [p for p in sorted(waiting) if newest[_unit(p)] <= limit]
    removed = []
    for path in old:
        # A run may have committed or sealed the folder since it was listed.
        if not _in_use(warehouse, path):
            removed.append(path)
            if not dry_run:
                warehouse.remove(path)
                warehouse.prune(path)
    return sorted(removed + warehouse.abort_uploads(limit, dry_run))


def _orphans(warehouse: Warehouse) -> dict[str, dt.datetime]:
    found: dict[str, dt.datetime] = {}
    for top in warehouse.names(""):
        if top == "contributions":
            for contribution in warehouse.names(top):
                folders, files = _used(warehouse, contribution)
                inside = warehouse.times(f"{top}/{contribution}")
                found |= {
                    p: t for p, t in inside.items() if is_unfinished(p) or not (p in files or _unit(p) in folders)
                }
        elif top == "releases":
            for folder in _releases(warehouse):
                sealed = warehouse.exists(f"{folder}/RELEASED.json")
                inside = warehouse.times(folder)
                found |= {p: t for p, t in inside.items() if is_unfinished(p) or not sealed}
            for view in warehouse.names(top):
                beside = [n for n in warehouse.names(f"{top}/{view}") if is_unfinished(n)]
                for name in beside:
                    found |= warehouse.times(f"{top}/{view}/{name}")
        elif is_unfinished(top):
            found |= warehouse.times(top)
        else:
            found |= {p: t for p, t in warehouse.times(top).items() if is_unfinished(p)}
    return found


def _used(warehouse: Warehouse, contribution: str) -> tuple[set[str], set[str]]:
    """Folders that the contribution's manifests name, and its manifests."""
    folders, files = set(), {f"contributions/{contribution}/{name}.json" for name in (*_STAGES, "refused")}
    for stage in _STAGES:
        try:
            found = manifest(warehouse, contribution, stage)
        except ValueError:  # a damaged one may name any folder of its stage
            prefix = f"contributions/{contribution}"
            folders |= {f"{prefix}/{n}" for n in warehouse.names(prefix) if n.startswith(f"{stage}-")}
        else:
            folders |= {found["folder"]} if found else set()
    return folders, files


def _unit(path: str) -> str:
    """What is removed as one: a stage's folder, a release, else the file by itself."""
    parts = path.split("/")
    return "/".join(parts[:3]) if parts[0] in ("contributions", "releases") else path


def _in_use(warehouse: Warehouse, path: str) -> bool:
    if is_unfinished(path):
        return False
    parts = path.split("/")
    if parts[0] == "contributions":
        folders, files = _used(warehouse, parts[1])
        return path in files or _unit(path) in folders
    return warehouse.exists(f"{_unit(path)}/RELEASED.json")


def _releases(warehouse: Warehouse) -> Iterator[str]:
    for view in warehouse.names("releases"):
        if not view.startswith("."):
            # Beside the releases lies what is said of the view: its latest release.
            yield from (f"releases/{view}/{v}" for v in warehouse.names(f"releases/{view}") if v.startswith("v"))


def _check_stage(warehouse: Warehouse, contribution: str, stage: Stage, deep: bool) -> list[Finding]:
    """A manifest against its folder and parts."""
    path = f"contributions/{contribution}/{stage}.json"
    error = functools.partial(Finding, severity="error", contribution=contribution)
    try:
        found = manifest(warehouse, contribution, stage)
    except ValueError as damage:
        return [error("manifest_unreadable", message=f"no JSON ({damage}); run the contribution again", file=path)]
    if found is None:
        return []
    findings: list[Finding] = []
    for part, rows in enumerate(found["parts"]):
        for place in (path for of_stage, path in TABLES.values() if of_stage == stage):
            file = place(found["folder"], part)
            table, problem = _table(warehouse, file, deep)
            if table is None:
                findings.append(error("part_unreadable", message=f"part {part} of {path}: {problem}", file=file))
            elif stage in ("rows", "images") and table.num_rows != rows:
                message = f"expected {rows} rows as in {path}, found {table.num_rows}"
                findings.append(error("part_rows", message=message, file=file))
            elif stage == "images":
                digest = stored_digest(warehouse, found["folder"], part) if deep else None
                shard = shard_path(found["folder"], part)
                findings += _check_shard(warehouse, contribution, shard, table, deep, digest)
    return findings


def _table(warehouse: Warehouse, path: str, deep: bool) -> tuple[pa.Table | None, str]:
    """A Parquet file, or why it can't be read; deep reads every page and compares its checksum."""
    try:
        return warehouse.read_parquet(path, None if deep else _columns(warehouse, path), verify=deep), ""
    except FileNotFoundError:
        return None, "expected a file, found none"
    except (OSError, pa.ArrowException) as error:
        return None, f"expected Parquet, found damage ({str(error)[:200]})"


def _columns(warehouse: Warehouse, path: str) -> list[str]:
    """What a check needs of a table: where the images lie; of other tables no column but the number of rows."""
    names = warehouse.parquet_columns(path)
    return [
        n
        for n in ("image_id", "image_format", "offset", "length", "image_sha256", "shard")
        if n in names and "offset" in names
    ]


def _check_shard(
    warehouse: Warehouse, contribution: str, shard: str, index: pa.Table, deep: bool, whole: str | None = None
) -> list[Finding]:
    """A shard against its index: size, a header at each place and, when deep, each image and the SHA-256 of the whole.

    Everything is read once: an index lists all of a shard's images, and what follows the last one is its end.
    """
    error = functools.partial(Finding, severity="error", contribution=contribution, file=shard)
    rows = sorted(
        index.select(["offset", "length", "image_id", "image_format", "image_sha256"]).to_pylist(), key=_place
    )
    expected = shard_size(rows[-1]["offset"], rows[-1]["length"]) if rows else shard_size(0, 0)
    try:
        size = warehouse.size(shard)
    except FileNotFoundError:
        return [error("shard_missing", message="expected a shard, found none")]
    findings = []
    if size != expected:
        findings.append(error("shard_size", message=f"expected {expected} bytes, found {size}"))
    digest = hashlib.sha256() if deep else None
    with warehouse.open(shard) as stream:
        for row in rows:
            try:
                wrong = member_problem(stream, digest=digest, **row)
            except OSError as damage:
                wrong = str(damage)
            if wrong:
                findings.append(error("image_bytes", message=wrong, key=row["image_id"]))
            if len(findings) >= _MOST_PER_FILE:
                findings.append(error("shard_damaged", message=f"more than {_MOST_PER_FILE} images; looked no further"))
                break
        if whole and digest is not None and not findings:
            digest.update(stream.read())
            if (wrong := digest.hexdigest()) != whole:
                findings.append(error("shard_bytes", message=f"expected SHA-256 {whole} of the whole, found {wrong}"))
    return findings


def _place(row: dict[str, Any]) -> int:
    return int(row["offset"])


def check_release(
    warehouse: Warehouse, folder: str, deep: bool, executor: Executor | None = None, workers: int = 1,
    expected: str | None = None,
) -> list[Finding]:  # fmt: skip
    """A release against its checksums; without ``deep`` its shards against its tables.

    Args:
        warehouse: where it lies.
        folder: its folder.
        deep: also hash the shards.
        executor, workers: where the files are hashed; this process by default.
        expected: SHA-256 of the list of checksums; that of RELEASED.json by default.
    """
    error = functools.partial(Finding, severity="error")
    name = f"{folder}/{MANIFEST}"
    if not warehouse.exists(name):
        return [error("release_file", message="expected the list of checksums, found none", file=name)]
    expected = expected or warehouse.read_json(f"{folder}/RELEASED.json")["manifest_sha256"]
    if expected != (found := warehouse.sha256(name)):
        return [error("release_file", message=f"expected SHA-256 {expected}, found {found}", file=name)]
    try:
        listed = listed_files(warehouse, f"{folder}/")
    except (FileNotFoundError, ValueError) as damage:
        return [error("release_file", message=f"a list of checksums is damaged: {damage}", file=f"{folder}/manifest")]
    there = {p.removeprefix(f"{folder}/") for p in warehouse.find(folder)}
    findings = [
        error("release_file", message="expected a file, found none", file=f"{folder}/{p}")
        for p in sorted(set(listed) - there)
    ]
    message = "no such file is in the list of checksums"
    for extra in sorted(there - set(listed) - {"RELEASED.json", MANIFEST}):
        findings += [error("release_file", message=message, file=f"{folder}/{extra}")]
    files = [(path, listed[path]) for path in sorted(set(listed) & there)]
    check_one = functools.partial(_check_listed, warehouse, folder, deep)
    found_in = dict(map_chunks(check_one, files, executor or SerialExecutor(), workers))
    return findings + [finding for file in files for finding in found_in[file]]


def _check_listed(warehouse: Warehouse, folder: str, deep: bool, listed: tuple[str, str]) -> list[Finding]:
    """One file of a release against its checksum, and a table also against its shard."""
    path, expected = listed
    if (deep or not path.endswith(".tar")) and (found := warehouse.sha256(f"{folder}/{path}")) != expected:
        message = f"expected SHA-256 {expected}, found {found}"
        return [Finding("release_file", "error", message, file=f"{folder}/{path}")]
    return _check_released(warehouse, folder, path) if path.startswith("metadata/") else []


def _check_released(warehouse: Warehouse, folder: str, path: str) -> list[Finding]:
    table, _ = _table(warehouse, f"{folder}/{path}", deep=False)
    if table is None or not table.num_rows:
        return []
    contribution = re.search(r"contribution=([^/]+)", path)
    shard = f"{folder}/{table['shard'][0].as_py()}"
    return _check_shard(warehouse, contribution[1] if contribution else "", shard, table, deep=False)
