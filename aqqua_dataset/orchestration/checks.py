"""Checks over all contributions at once, on the unpartitioned tables. Ledger, gate and personal data block."""

import datetime as dt

import dagster as dg

from aqqua_dataset import pipeline, privacy
from aqqua_dataset.findings import Finding, has_errors
from aqqua_dataset.orchestration.assets.collection import ledger, registry
from aqqua_dataset.orchestration.metadata import contact_sheet, examples_table, findings_table
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.progress import examples
from aqqua_dataset.progress import ledger as counting
from aqqua_dataset.progress.examples import Example
from aqqua_dataset.progress.trouble import trouble
from aqqua_dataset.release.gate import gate
from aqqua_dataset.workflow import standing_request

#: Contributions and reasons whose pictures are looked for, which reads their tables.
_MOST_LOOKED_AT = 30


def _result(findings: list[Finding], severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not findings, severity=severity,
        metadata={"findings": findings_table(findings), "count": len(findings)},
    )  # fmt: skip


@dg.asset_check(asset=registry, description="The registry has no error: references, identifiers, dates, people.")
def registry_is_valid(collection: CollectionResource) -> dg.AssetCheckResult:
    """Lists every error of the registry with file and line."""
    _, findings = collection.open()
    errors = [f for f in findings if f.severity == "error"]
    return _result(errors, dg.AssetCheckSeverity.ERROR)


@dg.asset_check(
    asset=ledger,
    description="No contribution waits for a person: each was read, and its files were.",
)
def contributions_without_trouble(collection: CollectionResource) -> dg.AssetCheckResult:
    """Lists the contributions that were refused or had files that can't be used."""
    opened, _ = collection.open()
    found = [f for key in opened.registry.contributions for f in trouble(opened, key)]
    return _result(found, dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=ledger, description="Which images can't be used, by contribution and reason.")
def images_in_quarantine(collection: CollectionResource) -> dg.AssetCheckResult:
    """Counts quarantined images by reason, with one place each and some of the pictures."""
    opened, _ = collection.open()
    return _examples(opened, examples.quarantined(opened))


@dg.asset_check(asset=ledger, description="Which flags the usable images carry, by contribution, worst first.")
def flags_of_images(collection: CollectionResource) -> dg.AssetCheckResult:
    """Counts flags of level suspect and fail; a flag never holds an image back, but for an unconfirmed unit."""
    opened, _ = collection.open()
    return _examples(opened, examples.flagged(opened))


def _examples(collection: Collection, found: list[Example]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not found, severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "what": examples_table(found),
            "pictures": contact_sheet((e, examples.pictures(collection, e)) for e in found[:_MOST_LOOKED_AT]),
            "images": sum(e.images for e in found[:_MOST_LOOKED_AT]),
            "count": len(found),
        },
    )  # fmt: skip


@dg.asset_check(asset=ledger, blocking=True, description="Every image is in exactly one end state.")
def ledger_balances(collection: CollectionResource) -> dg.AssetCheckResult:
    """Counts again from the stored ledger; a difference stops everything after it."""
    opened, _ = collection.open()
    stored = opened.warehouse.read_parquet(counting.TABLE)
    return _result(counting.imbalances(stored), dg.AssetCheckSeverity.ERROR)


@dg.asset_check(asset=ledger, blocking=True, description="Nothing without a permission would be released.")
def gate_is_open(collection: CollectionResource) -> dg.AssetCheckResult:
    """Asks the gate as a rehearsal on the release day."""
    opened, findings = collection.open()
    with_data = [k for k in opened.registry.contributions if pipeline.manifest(opened.warehouse, k, "images")]
    said = gate(opened.registry, with_data, findings, standing_request(opened), dt.datetime.now(dt.UTC))
    return dg.AssetCheckResult(
        passed=not has_errors(said),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"findings": findings_table(said)},
    )


@dg.asset_check(asset=ledger, blocking=True, description="Nothing personal stands in any stored text.")
def no_personal_data(collection: CollectionResource) -> dg.AssetCheckResult:
    """Searches the stored text of all contributions for addresses, numbers and names of persons' columns."""
    opened, _ = collection.open()
    message = "something personal stands in the stored text"
    leaks = [
        Finding("personal_data", "error", message, key, file=table, key=column)
        for key in opened.registry.contributions
        for table, column in privacy.stored_leaks(opened.warehouse, key)
    ]
    return _result(leaks, dg.AssetCheckSeverity.ERROR)
