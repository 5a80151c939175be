"""``aqqua fetch``: brings what contributors made available into the deliveries."""

import argparse
import sys
from collections.abc import Callable

from aqqua_dataset.config import Config

Add = Callable[[str, object, str], argparse.ArgumentParser]

_EVERY_S = 5.0


def add_command(add: Add) -> None:
    """Adds the command to the parser."""
    fetch = add("fetch", _fetch, "fetch deliveries that the registry names links for: what is new or changed")
    fetch.add_argument("--contribution", nargs="+", default=[], metavar="ID", help="only these")
    fetch.add_argument("--parallel", type=_positive, help="files under way at once (default: 4)")


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number


def _fetch(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.nightly.fetching import fetched_by_hand
    from aqqua_dataset.transfer.fetch import PARALLEL, fetch_contribution

    collection, findings = workflow.open_collection(config)
    for finding in findings:
        if finding.severity == "error":
            print(f"  {finding}")
    known = collection.registry.contributions
    if unknown := set(options.contribution) - set(known):
        print(f"no contribution {', '.join(sorted(unknown))} in {config.registry}", file=sys.stderr)
        return 2
    worst, fetchable = 0, 0
    for contribution in options.contribution or sorted(known):
        parallel = options.parallel or PARALLEL
        report = fetch_contribution(collection, contribution, print, parallel, every_seconds=_EVERY_S)
        if report.outcome == "not_to_fetch":
            continue
        fetched_by_hand(collection, report)
        fetchable += 1
        numbers = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in report.numbers.items() if n)
        version = f" (version {report.version})" if report.version else ""
        print(f"{contribution}: {report.outcome}{version}{': ' if numbers else ''}{numbers}")
        for finding in report.findings:
            print(f"  {finding}")
            worst = max(worst, int(finding.severity == "error"))
    if not fetchable:
        print("nothing to fetch: no contribution says source.fetch_from; see docs/transfers.md")
    return worst
