"""``aqqua warehouse …``: check what is stored, remove what nothing uses."""

import argparse
import datetime as dt
from collections.abc import Callable
from typing import Any

from aqqua_dataset.config import Config

Add = Callable[[str, object, str, object], argparse.ArgumentParser]


def add_commands(commands: Any, add: Add) -> None:
    """Adds the commands about the warehouse to the parser."""
    warehouse = commands.add_parser("warehouse", help="stored files").add_subparsers(required=True)
    check = add("check", _check, "compare every stored file with what describes it, and list orphans", warehouse)
    check.add_argument("--deep", action="store_true", help="also the SHA-256 of every image and file")
    gc = add("gc", _gc, "remove files that no manifest and no release uses", warehouse)
    gc.add_argument("--dry-run", action="store_true", help="only say what would go")
    gc.add_argument("--older-than", type=float, default=24, metavar="HOURS", help="leave younger ones (default: 24)")


def _check(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import maintenance, workflow
    from aqqua_dataset.findings import has_errors

    collection, _ = workflow.open_collection(config)
    findings = maintenance.check(collection, options.deep)
    for finding in findings:
        print(f"{finding.contribution or '-'}: {finding}")
    orphans = sum(f.rule == "orphan" for f in findings)
    print(f"{len(findings) - orphans:,} errors, {orphans:,} orphans in {config.warehouse}")
    return 1 if has_errors(findings) else 0


def _gc(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import maintenance, workflow

    collection, _ = workflow.open_collection(config)
    removed = maintenance.gc(collection, options.dry_run, dt.timedelta(hours=options.older_than))
    for path in removed:
        print(path)
    print(f"{len(removed):,} files {'would be ' if options.dry_run else ''}removed")
    return 0
