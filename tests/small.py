"""Packed collections of tiny contributions, made once and copied: for tests of what happens to a release later on."""

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from builders import person, registry

from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.demo.draw import encode, organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.registry.models import Contribution, Event, Person, Registry
from aqqua_dataset.registry.publishing import SignOff
from aqqua_dataset.release.build import Release, build_release
from aqqua_dataset.release.gate import ReleaseRequest
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
