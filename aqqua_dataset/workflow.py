"""The collection as a whole: open it, run every contribution, count, rehearse. Used by CLI and Dagster."""

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor

import pyarrow as pa

from aqqua_dataset import pipeline, schema, space
from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config
from aqqua_dataset.dedup import bridge, near, pairs
from aqqua_dataset.dedup.exact import duplicate_findings, find_duplicates
from aqqua_dataset.dedup.splits import write_splits
from aqqua_dataset.findings import Finding, Refused, has_errors
from aqqua_dataset.pipeline import Collection, StageReport
from aqqua_dataset.progress import ledger, page
from aqqua_dataset.registry.load import load_registry
from aqqua_dataset.release import announce, doi_job, judging
from aqqua_dataset.release.build import Release, build_release
from aqqua_dataset.release.gate import ReleaseRequest
from aqqua_dataset.release.gate_rules import Verdict
from aqqua_dataset.warehouse import Warehouse

log = logging.getLogger(__name__)

LEDGER_PAGE = "site/ledger.html"


class RegistryBroken(Refused):
    """Not even the registry's settings can be read."""

    what = "the registry"


def open_collection(config: Config) -> tuple[Collection, list[Finding]]:
    """The collection and what the registry's validation found.

    A record with an error is left out and reported; the others can be worked with.

    Raises:
        RegistryBroken: not even the settings can be read.
    """
    registry, findings = load_registry(config.registry)
    if registry is None:
        raise RegistryBroken(findings)
    return Collection(registry, config, Warehouse(config.warehouse, config.storage.warehouse)), findings


def run_all(
    collection: Collection, executor: Executor, workers: int, only: Iterable[str] = (),
    progress: Callable[[str], None] = log.info,
) -> Iterator[StageReport]:  # fmt: skip
    """Takes every contribution (or only those named) through its stages; one never stops another.

    Images of all contributions are packed as one stream, so that small ones share the workers.
    """
    ready = []
    for contribution in list(only) or sorted(collection.registry.contributions):
        read = pipeline.read_rows(collection, contribution)
        yield read
        if read.outcome != "refused":
            ready.append(contribution)
            yield pipeline.harmonise_rows(collection, contribution, executor, workers)
    yield from pipeline.pack_each(collection, ready, executor, workers, progress)
    for contribution in ready:
        yield pipeline.judge_quality(collection, contribution)


def standing_request(collection: Collection) -> ReleaseRequest:
    """The release that the standing ledger counts towards: the public one, on its day."""
    return ReleaseRequest("0.0.0", "public", collection.registry.settings.release_date, rehearsal=True)


@space.needed()
def compare_images(
    collection: Collection, executor: Executor, workers: int, distance: int = near.DISTANCE
) -> dict[str, int]:
    """Proposes pairs of images that may be the same, compares their pixels and writes the pairs; returns counts."""
    bridge.write_candidates(collection, executor, workers)
    found = near.search(collection, executor, workers, distance)
    return {**found, **pairs.compare_pairs(collection, executor, workers)}


@space.needed()
def update_duplicates(collection: Collection, executor: Executor, workers: int) -> list[Finding]:
    """Brings duplicates and splits up to date, with the pairs that were compared so far; returns what was remarked.

    It costs next to nothing when nothing changed that they depend on.
    """
    find_duplicates(collection, executor, workers)
    write_splits(collection)
    return [*bridge.candidate_findings(collection), *duplicate_findings(collection)]


@space.needed()
def update_ledger(collection: Collection) -> pa.Table:
    """Finds duplicates, counts every contribution and writes the ledger with its page.

    Raises:
        AssertionError: the ledger doesn't balance; nothing was written.
    """
    find_duplicates(collection)
    counted = ledger.count(collection, standing_request(collection))
    broken = ledger.imbalances(counted)
    if has_errors(broken):
        raise AssertionError("; ".join(str(f) for f in broken))
    collection.warehouse.write_parquet(ledger.TABLE, counted, schema.arrow("ledger"))
    note = "Counted towards the public release; nothing is public before its day."
    text = page.ledger_page(counted, collection.registry.settings.dataset.title, note)
    collection.warehouse.write_bytes(LEDGER_PAGE, text.encode())
    return counted


@space.needed()
def release(
    collection: Collection, registry_findings: list[Finding], request: ReleaseRequest, executor: Executor,
    workers: int, progress: Callable[[str], None] = log.info,
) -> Release:  # fmt: skip
    """Brings duplicates up to date and builds a release now; raises ReleaseRefused.

    The internal view has no gate to wait for: its newest release is the latest at once.
    """
    update_duplicates(collection, executor, workers)
    now = dt.datetime.now(dt.UTC)
    made = build_release(collection, registry_findings, request, now, executor, workers, progress)
    if request.view == "internal" and not request.rehearsal:
        announce.announce(collection.registry, collection.warehouse, made.folder, [])
    return made


def judge_release(collection: Collection, folder: str, now: dt.datetime) -> list[Verdict]:
    """What every rule of the gate says of a built release; writes gate.html and gate.md. Raises ReleaseRefused."""
    with open_executor(collection.config.executor) as (executor, workers):
        return judging.judge_release(collection.registry, collection.warehouse, folder, now, executor, workers)


def gate_errors(
    collection: Collection, registry_findings: list[Finding], folder: str, now: dt.datetime
) -> list[Finding]:  # fmt: skip
    """Everything that speaks against publishing a built release: errors of the registry, red rules of the gate."""
    broken = [f for f in registry_findings if f.severity == "error"]
    return broken + [f for v in judge_release(collection, folder, now) for f in v.findings()]


def publish(
    collection: Collection, registry_findings: list[Finding], folder: str, now: dt.datetime
) -> dict[str, str | None]:  # fmt: skip
    """Judges a release and makes it the latest of its view; raises ReleaseRefused, or AnnounceRefused."""
    errors = gate_errors(collection, registry_findings, folder, now)
    return announce.announce(collection.registry, collection.warehouse, folder, errors)


def register_doi(
    collection: Collection, registry_findings: list[Finding], action: doi_job.Action, folder: str, production: bool,
    now: dt.datetime, progress: Callable[[str], None] = log.info,
) -> list[doi_job.Step]:  # fmt: skip
    """One step of registering a sealed release's DOIs; raises DataCiteRefused, or ReleaseRefused."""
    sealed = doi_job.read_sealed(collection.warehouse, folder)
    red: list[Finding] = []
    if production and action != "status":
        red = gate_errors(collection, registry_findings, folder, now)
    return doi_job.register(action, collection.registry.settings, sealed, production, red, now, progress)
