"""``aqqua duplicates``."""

import argparse
from collections.abc import Callable

from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config

Add = Callable[[str, object, str], argparse.ArgumentParser]


def add_command(add: Add) -> None:
    """Adds the command to the parser."""
    from aqqua_dataset.dedup.near import DISTANCE

    text = "compare images that may be the same, and write the page on which a person decides the rest"
    duplicates = add("duplicates", _duplicates, text)
    duplicates.add_argument(
        "--distance", type=_bits, default=DISTANCE, metavar="BITS",
        help=f"bits of 256 in which fingerprints may differ (default: {DISTANCE})",
    )  # fmt: skip


def _bits(text: str) -> int:
    if not text.isdigit() or int(text) > 256:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to 256")
    return int(text)


def _duplicates(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.dedup import near, page

    collection, _ = workflow.open_collection(config)
    with open_executor(config.executor) as (executor, workers):
        numbers = workflow.compare_images(collection, executor, workers, options.distance)
    counts = page.write_page(collection)
    for name, number in numbers.items():
        print(f"{number:12,} {name.replace('_', ' ')}")
    for finding in near.findings(collection):
        print(f"  {finding}")
    for row in counts:
        print(f"{row['pairs']:12,} pairs: {row['pair_kind']}, {row['verdict']}, by {row['decided_by']}, of {row['of']}")
    print(f"page: {collection.warehouse.url(page.PAGE)}")
    print(f"to decide: {collection.warehouse.url(page.DECISIONS_CSV)}")
    return 0
