"""Checks over all contributions at once, on the unpartitioned tables. Ledger, gate and personal data block."""

import datetime as dt

import dagster as dg

from aqqua_dataset import pipeline, privacy, schema
from aqqua_dataset.findings import Finding, has_errors
from aqqua_dataset.orchestration.assets.collection import ledger, registry
from aqqua_dataset.orchestration.metadata import findings_table, rows_table
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.progress import ledger as counting
from aqqua_dataset.release.gate import gate
from aqqua_dataset.workflow import standing_request


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
    found: list[Finding] = []
    for key in opened.registry.contributions:
        for stage in ("rows.json", "refused.json"):
            stored = opened.warehouse.read_json(f"contributions/{key}/{stage}") or {"findings": []}
            found += [Finding(**{**f, "contribution": key}) for f in stored["findings"] if f["severity"] != "note"]
    return _result(found, dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=ledger, description="Which images can't be used, by contribution and reason.")
def images_in_quarantine(collection: CollectionResource) -> dg.AssetCheckResult:
    """Counts quarantined images by reason."""
    opened, _ = collection.open()
    rows = [
        {"contribution": key, "reason": reason, "images": count}
        for key in sorted(opened.registry.contributions)
        for reason, count in counting.rejection_counts(opened, key).items()
    ]
    return dg.AssetCheckResult(
        passed=not rows, severity=dg.AssetCheckSeverity.WARN,
        metadata={"quarantine": rows_table(rows), "images": sum(int(str(r["images"])) for r in rows)},
    )  # fmt: skip


@dg.asset_check(asset=ledger, description="Which flags the usable images carry, by contribution, worst first.")
def flags_of_images(collection: CollectionResource) -> dg.AssetCheckResult:
    """Counts flags of level suspect and fail; a flag never holds an image back, but for an unconfirmed unit."""
    opened, _ = collection.open()
    flags = schema.vocabulary("flags.csv").set_index("flag")
    rows = [
        {"contribution": key, "severity": severity, "flag": flag, "images": count, "what to do": flags["action"][flag]}
        for severity in ("fail", "suspect")
        for key in sorted(opened.registry.contributions)
        for flag, count in (pipeline.manifest(opened.warehouse, key, "quality") or {"numbers": {}})["numbers"].items()
        if flags["severity"][flag] == severity
    ]
    return dg.AssetCheckResult(
        passed=not rows, severity=dg.AssetCheckSeverity.WARN,
        metadata={"flags": rows_table(rows), "count": len(rows)},
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
