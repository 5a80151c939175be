"""Jobs that look after the warehouse: compare what is stored with what describes it, and remove orphans."""

import datetime as dt

import dagster as dg

from aqqua_dataset import maintenance
from aqqua_dataset.findings import has_errors
from aqqua_dataset.orchestration.metadata import findings_table
from aqqua_dataset.orchestration.queues import WORK
from aqqua_dataset.orchestration.resources import CollectionResource


class CheckConfig(dg.Config):
    """``deep`` also hashes every image and every file of a release: it reads the whole warehouse."""

    deep: bool = False


class CleanConfig(dg.Config):
    """What to remove; by default nothing, only what would go is listed."""

    dry_run: bool = True
    older_than_hours: float = maintenance.RUNNING / dt.timedelta(hours=1)


@dg.op
def compare_stored_files(context: dg.OpExecutionContext, config: CheckConfig, collection: CollectionResource) -> None:
    """Fails when a stored file isn't what its index, manifest or release says."""
    opened, _ = collection.open()
    findings = maintenance.check(opened, config.deep)
    context.add_output_metadata({"findings": findings_table(findings), "count": len(findings)})
    if has_errors(findings):
        told = "; ".join(str(f) for f in findings[:20])
        raise dg.Failure(f"stored files are damaged: {told}", metadata={"findings": findings_table(findings)})


@dg.op
def remove_orphans(context: dg.OpExecutionContext, config: CleanConfig, collection: CollectionResource) -> None:
    """Removes files that nothing uses, or lists them."""
    opened, _ = collection.open()
    removed = maintenance.gc(opened, config.dry_run, dt.timedelta(hours=config.older_than_hours))
    context.add_output_metadata({"files": len(removed), "first": "\n".join(removed[:100])})


@dg.job(description="Compares every stored file with what describes it; changes nothing.")
def check_warehouse() -> None:
    """``aqqua warehouse check`` in the UI."""
    compare_stored_files()


@dg.job(tags=WORK, description="Lists, or removes, files that no manifest and no release uses.")
def clean_warehouse() -> None:
    """``aqqua warehouse gc`` in the UI."""
    remove_orphans()
