"""Packed collections of tiny contributions, made once and copied: for tests of what happens to a release later on."""

import datetime as dt
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from builders import person, registry

from aqqua_dataset import schema
from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.demo.draw import encode, organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.images.inspect import inspect_file
from aqqua_dataset.images.pack import index_path, rejected_path, shard_path
from aqqua_dataset.images.shards import ShardIndex, ShardWriter
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.registry.models import Contribution, Event, Person, Registry
from aqqua_dataset.registry.publishing import SignOff
from aqqua_dataset.release.build import Release, build_release
from aqqua_dataset.release.gate import ReleaseRequest
from aqqua_dataset.sources.rows import ids_path
from aqqua_dataset.warehouse import Warehouse

DAY = dt.date(2027, 7, 15)
#: The first moment at which anything may be public.
NOW = dt.datetime(2027, 7, 15, 0, 0, tzinfo=ZoneInfo("Europe/Berlin"))
PUBLIC = ReleaseRequest("1.0.0", "public", DAY, rehearsal=False)
INTERNAL = ReleaseRequest("1.0.0", "internal", DAY, rehearsal=False)


def pictures(seed: int, count: int) -> list[bytes]:
    """PNG images that no other seed has."""
    rng = np.random.default_rng(seed)
    return [encode(organism(rng, 36, 30), "PNG") for _ in range(count)]


def deliver(folder: Path, name: str, images: list[bytes]) -> None:
    """An EcoTaxa folder; object ids and file names begin with ``name``."""
    rows = [net_row(name, n, f"{name}_{n}.png") for n in range(len(images))]
    files = {f"{name}_{n}.png": data for n, data in enumerate(images)}
    write_files(folder, {f"ecotaxa_{name}.tsv": ecotaxa_tsv(rows), **files})


def pack(made: Collection) -> None:
    """Takes every contribution through its stages."""
    for name in made.registry.contributions:
        run_contribution(made, name, SerialExecutor(), 1, lambda _: None)
    find_duplicates(made)


def multiply(made: Collection, template: str, given: Mapping[str, list[bytes]]) -> None:
    """Packs contributions like one that went all the way, with pictures and ids of their own; some milliseconds each.

    The template has at least as many images as any of them, and its id in whatever should be different.
    """
    warehouse = made.warehouse
    for name, images in given.items():
        ids = {old: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {old}")) for old in _ids(warehouse, template)}
        for stage in ("rows", "core", "quality", "images"):
            told = warehouse.read_json(f"contributions/{template}/{stage}.json")
            folder = told["folder"].replace(template, name)
            for path in warehouse.find(told["folder"]) if stage != "images" else ():
                table = warehouse.read_parquet(path)
                kept = table if "rejected" in path else table.slice(0, len(images))
                renamed = _renamed(kept, template, name, ids)
                warehouse.write_parquet(path.replace(template, name), renamed, renamed.schema)
            if stage == "images":
                _pack_pictures(warehouse, folder, list(ids.values()), images)
            parts = [len(images)] * len(told["parts"])
            warehouse.write_json(f"contributions/{name}/{stage}.json", {**told, "folder": folder, "parts": parts,
                "numbers": {k: len(images) if n else 0 for k, n in told["numbers"].items()}})  # fmt: skip
    find_duplicates(made)


def _ids(warehouse: Warehouse, contribution: str) -> list[str]:
    """Image ids in the order of the rows."""
    folder = warehouse.read_json(f"contributions/{contribution}/rows.json")["folder"]
    return [str(i) for i in warehouse.read_parquet(ids_path(folder, 0))["image_id"].to_pylist()]


def _renamed(table: pa.Table, template: str, name: str, ids: Mapping[str, str]) -> pa.Table:
    for place, field in enumerate(table.schema):
        if field.name in ("image_id", "aqqua_image_id"):
            column = pa.array([ids[i] for i in table[field.name].to_pylist()], field.type)
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            column = pc.replace_substring(table[field.name], template, name)
        else:
            continue
        table = table.set_column(place, field, column)
    return table


def _pack_pictures(warehouse: Warehouse, folder: str, ids: list[str], images: list[bytes]) -> None:
    index = ShardIndex(shard_path(folder, 0))
    with warehouse.create(index.shard) as stream:
        writer = ShardWriter(stream)
        for image_id, data in zip(ids, images, strict=False):
            found = inspect_file(data)
            index.add(image_id, found, writer.add(image_id, found.image_format, found.data))
        writer.finish()
    warehouse.write_parquet(
        rejected_path(folder, 0), schema.arrow("quarantine").empty_table(), schema.arrow("quarantine")
    )
    warehouse.write_parquet(index_path(folder, 0), index.table(), schema.arrow("shard_index"))


def copied(made: Collection, folder: Path, *contributions: Contribution) -> Collection:
    """The collection with a warehouse of its own; with other contributions where there are any."""
    shutil.copytree(made.warehouse.root, folder / "warehouse")
    config = replace(made.config, warehouse=str(folder / "warehouse"))
    again = Collection(made.registry, config, Warehouse(config.warehouse))
    return changed(again, *contributions) if contributions else again


def changed(made: Collection, *contributions: Contribution) -> Collection:
    """The same with these contributions in place of those of the same id, and duplicates decided again."""
    all_of_them = made.registry.contributions | {c.id: c for c in contributions}
    result = replace(made, registry=made.registry.model_copy(update={"contributions": all_of_them}))
    find_duplicates(result)
    return result


def withdrawn(contribution: Contribution, **event: str) -> Contribution:
    """The contribution after its owner took it back."""
    told = Event(date=dt.date(2027, 9, 1), state="revoked", scope="all", reason="told in confidence", **event)
    return contribution.model_copy(update={"history": (*contribution.history, told)})


def build(made: Collection, request: ReleaseRequest, now: dt.datetime = NOW) -> Release:
    """Builds in this process."""
    return build_release(made, [], request, now, SerialExecutor(), 1, lambda _: None)


def signed(made: Registry, version: str, manifest_sha256: str) -> Registry:
    """The registry after two of the core team signed a release off."""
    people = {p.id: p for p in (made.people["core-member"], _second(made))}
    offs = tuple(SignOff(version=version, manifest_sha256=manifest_sha256, person=p, date=DAY) for p in sorted(people))
    return made.model_copy(update={"people": made.people | people, "sign_offs": offs})


def with_core_team(*contributions: Contribution) -> Registry:
    """The builders' registry with two people in the core team, so that somebody can sign."""
    made = registry(*contributions)
    return made.model_copy(update={"people": made.people | {"core-second": _second(made)}})


def _second(made: Registry) -> Person:
    return made.people.get("core-second") or person("core-second", core_team=True)
