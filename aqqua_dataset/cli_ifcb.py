"""``aqqua ifcb pull``: bins of a contribution from the IFCB dashboard where they are public."""

import argparse
import dataclasses
import datetime as dt
import sys
from collections.abc import Callable
from typing import Any

from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding, Refused, worst_first

Add = Callable[[str, object, str, object], argparse.ArgumentParser]


def add_commands(commands: Any, add: Add) -> None:
    """Adds the command to the parser."""
    group = commands.add_parser("ifcb", help="IFCB dashboards").add_subparsers(required=True)
    pull = add("pull", _pull, "download bins from the dashboard that the contribution's source.url names", group)
    pull.add_argument("contribution", help="id of the contribution; source.dataset_id is the data set")
    pull.add_argument("--from", dest="first", type=dt.date.fromisoformat, help="first day, UTC (YYYY-MM-DD)")
    pull.add_argument("--to", dest="last", type=dt.date.fromisoformat, help="last day, UTC (YYYY-MM-DD)")
    pull.add_argument("--bins", nargs="+", default=[], metavar="BIN", help="only these bins")


def _pull(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.ifcb_dashboard import Dashboard, Wanted, download
    from aqqua_dataset.pipeline import intake_refusal
    from aqqua_dataset.transfer.alone import alone
    from aqqua_dataset.warehouse import Warehouse

    collection, _ = workflow.open_collection(config)
    contribution = collection.registry.contributions.get(options.contribution)
    if contribution is None:
        print(f"no contribution {options.contribution} in {config.registry}", file=sys.stderr)
        return 2
    source = contribution.source
    refusal = intake_refusal(collection.registry, contribution)
    if source is None or source.url is None or source.dataset_id is None:
        message = "expected the dashboard's address and the name of the data set there"
        refusal = refusal or Finding(
            "ifcb_dashboard_unnamed", "error", message, contribution.id, key="source.url, source.dataset_id"
        )
    if refusal is not None or source is None or source.url is None or source.dataset_id is None:
        raise Refused([dataclasses.replace(f, severity="error") for f in (refusal,) if f])
    findings: list[Finding] = []
    told = collection.registry.settings.dataset
    store = Warehouse(config.delivery_location(source.location), config.storage.deliveries)
    wanted = Wanted(source.dataset_id, options.first, options.last, options.bins)
    try:
        with alone(collection.warehouse, contribution.id):
            done = download(Dashboard(source.url, told.url), wanted, store, findings.append, _progress)
    finally:
        for finding in worst_first(findings):
            print(f"  {contribution.id}: {finding}", file=sys.stderr)
    print(
        f"{contribution.id}: {done.bins:,} bins; {done.files:,} files came ({done.bytes:,} bytes), "
        f"{done.there:,} were there, {done.missing:,} the dashboard hasn't got"
    )
    return 1 if done.missing or any(f.severity == "error" for f in findings) else 0


def _progress(told: str) -> None:
    print(told, flush=True)
