"""``aqqua report`` and ``aqqua check``: the report to a contributor, from the warehouse or before anything is sent."""

import argparse
import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding, Refused, worst_first

if TYPE_CHECKING:
    from aqqua_dataset.registry.models import Contribution, Settings
    from aqqua_dataset.report.facts import Facts

#: How a command is added: name, function, help.
Add = Callable[[str, object, str], argparse.ArgumentParser]

_CHECKED = "check"


def add_commands(add: Add) -> None:
    """Adds the two commands to the command line."""
    report = add("report", _report, "write the report to a contributor, as a page and as Markdown")
    report.add_argument("contribution", help="id of the contribution")
    report.add_argument("--out", type=Path, help="folder to write to; default: reports/<id> in the warehouse")
    check = add("check", _check, "dry run for contributors: the report on a delivery before anything is sent")
    check.add_argument("path", help="folder, archive or URL")
    check.add_argument("--format", default="auto", help="read it with this reader; default: recognised from the files")
    check.add_argument(
        "--form", type=Path, help="file with the form's answers, e.g. the line declared: {time_zone: UTC}"
    )
    check.add_argument("--out", type=Path, default=Path("aqqua-report"), help="folder to write to")


def _report(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.report import build
    from aqqua_dataset.report.gather import gather

    collection, _ = workflow.open_collection(config)
    if options.contribution not in collection.registry.contributions:
        print(f"no contribution {options.contribution} in {config.registry}", file=sys.stderr)
        return 2
    if options.out is None:
        written = build.write_report(collection, options.contribution)
        print(f"report: {collection.warehouse.url(written.folder)}/{build.PAGE}")
    else:
        print(f"report: {build.save(gather(collection, options.contribution), options.out)}")
    return 0


def _check(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.pipeline import Collection
    from aqqua_dataset.registry.load import load_registry
    from aqqua_dataset.report import build
    from aqqua_dataset.sources import READERS
    from aqqua_dataset.transfer.delivery import Delivery
    from aqqua_dataset.warehouse import Warehouse

    if options.format not in ("auto", *READERS):
        print(f"unknown format {options.format!r}: expected one of {', '.join(READERS)}", file=sys.stderr)
        return 2
    registry, findings = load_registry(config.registry)
    if registry is None:
        raise Refused(findings)
    form = _form(options, registry.settings)
    if form is None:
        return 2
    try:
        Delivery(options.path, config.storage.deliveries)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    collection = Collection(registry, config, Warehouse(config.warehouse, config.storage.warehouse))
    with open_executor(config.executor) as (executor, workers):
        facts = build.check_delivery(form, registry, collection, executor, workers, options.form is not None)
    _print(facts)
    print(f"report: {build.save(facts, options.out)}")
    return 0 if facts.objects else 1


def _form(options: argparse.Namespace, settings: "Settings") -> "Contribution | None":
    """The form's answers, those that are missing filled in as a form that says nothing; None for an unusable file."""
    from aqqua_dataset.registry.load import load_form
    from aqqua_dataset.registry.models import Source
    from aqqua_dataset.survey import silent_form

    location = options.path if "://" in options.path else str(Path(options.path).absolute())
    # Delivered today: a sampling date after tomorrow lies in the future.
    told: dict[str, Any] = {"location": location, "retrieved": dt.datetime.now(dt.UTC).date()}
    if options.format != "auto":
        told["format"] = options.format
    title = location.rstrip("/").rsplit("/", 1)[-1]
    silent = silent_form(Source(**told)).model_copy(update={"id": _CHECKED, "title": title, "description": "A dry run"})
    if options.form is None:
        return silent
    form, findings = load_form(options.form, silent.model_dump(mode="json"), settings)
    _print_findings(findings)
    if form is None or form.source is None:
        return None
    here: dict[str, Any] = {name: told[name] for name in ("location", "format") if name in told}
    return form.model_copy(update={"source": form.source.model_copy(update=here)})


def _print_findings(findings: list[Finding]) -> None:
    for finding in worst_first(findings):
        print(f"  {finding}", file=sys.stderr)


def _print(facts: "Facts") -> None:
    from aqqua_dataset.report.content import verdict
    from aqqua_dataset.report.questions import questions

    counts, asked = facts.arrival, questions(facts)
    print(f"{facts.title}: read as {facts.format}" if facts.format else f"{facts.title}: not read; {facts.refused}")
    print(f"  {verdict(facts, asked).text}")
    print(f"  {counts.usable:,} usable, {counts.held_back:,} held back, {counts.missing:,} missing")
    for finding in facts.findings:
        if finding.severity == "error":
            print(f"  ! {finding.message}")
    for question in asked:
        print(f"  ? {question.text} {question.line.replace(chr(10), ', ')}".rstrip())
