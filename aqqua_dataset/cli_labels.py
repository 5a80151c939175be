"""``aqqua taxonomy …`` and ``aqqua labels …``."""

import argparse
import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aqqua_dataset.config import Config

Add = Callable[[str, object, str, object], argparse.ArgumentParser]


def add_commands(commands: Any, add: Add) -> None:
    """Adds the commands about labels to the parser."""
    taxonomy = commands.add_parser("taxonomy", help="snapshots of taxonomy").add_subparsers(required=True)
    build = add("build", _taxonomy_build, "make a dated snapshot from an EcoTaxa export and a WoRMS dump", taxonomy)
    build.add_argument("target", type=Path, help="new folder for the snapshot")
    build.add_argument("--ecotaxa", type=Path, required=True, help="TSV of EcoTaxoServer's browsetaxotsvexport")
    build.add_argument("--worms", type=Path, help="taxon.txt of the WoRMS Darwin Core archive")
    build.add_argument("--date", type=dt.date.fromisoformat, required=True, help="day of the dumps (YYYY-MM-DD)")
    labels = commands.add_parser("labels", help="labels and what they mean").add_subparsers(required=True)
    queue = add("queue", _labels_queue, "list labels that wait for a person, as CSV", labels)
    queue.add_argument("--output", type=Path, help="file to write; default: the terminal")


def _taxonomy_build(options: argparse.Namespace, _: Config) -> int:
    from aqqua_dataset.labels.build import build_snapshot

    try:
        counts = build_snapshot(options.target, options.date, options.ecotaxa, options.worms)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{counts['taxa']:,} taxa and {counts['ecotaxa']:,} EcoTaxa classes in {options.target}")
    return 0


def _labels_queue(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.labels.queue import waiting

    collection, _ = workflow.open_collection(config)
    table = waiting(collection)
    text = table.to_csv(index=False, lineterminator="\n")
    if options.output:
        options.output.write_text(text, encoding="utf-8")
        print(f"{len(table):,} labels in {options.output}")
    else:
        print(text, end="")
    return 0
