"""``aqqua progress …``: the public progress site, and the totals of the project's earlier page."""

import argparse
import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config
from aqqua_dataset.findings import has_errors

Add = Callable[[str, object, str, object], argparse.ArgumentParser]


def add_commands(commands: Any, add: Add) -> None:
    """Adds the commands to the parser."""
    progress = commands.add_parser("progress", help="the public progress site").add_subparsers(required=True)
    site = add("site", _site, "record today's totals and write the public progress site", progress)
    site.add_argument("--out", help="folder or URL of a web server's files; the warehouse's copy is written anyway")
    earlier = add("earlier", _earlier, "turn monthly files of the earlier page into progress_earlier.csv", progress)
    earlier.add_argument("file", nargs="+", type=Path, help="YYYY_MM.csv of the earlier page")


def _site(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.progress import build
    from aqqua_dataset.progress.naming import named_contributions, title_findings
    from aqqua_dataset.warehouse import Warehouse

    collection, _ = workflow.open_collection(config)
    with open_executor(config.executor) as (executor, workers):
        progress = build.update(collection, executor, workers, dt.datetime.now(dt.UTC))
    if options.out:
        build.write(collection.registry, progress, Warehouse(options.out, config.storage.warehouse))
    for finding in title_findings(collection.registry, named_contributions(collection.registry, progress.day)):
        print(f"  {finding}")
    counts = progress.counts
    print(f"{counts.images:,} images of {counts.contributions:,} contributions, {counts.pledged:,} more announced")
    print(f"site: {options.out or collection.warehouse.url(build.FOLDER)}")
    return 0


def _earlier(options: argparse.Namespace, _: Config) -> int:
    from aqqua_dataset.registry.earlier import as_table, read_monthly

    read = [read_monthly(path) for path in options.file]
    findings = [finding for _, found in read for finding in found]
    for finding in findings:
        print(f"  {finding}", file=sys.stderr)
    print(as_table(total for totals, _ in read for total in totals), end="")
    return 1 if has_errors(findings) else 0
