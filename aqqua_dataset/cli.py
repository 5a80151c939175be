"""``aqqua …``: the same functions as the Dagster assets, for people and scripts without the UI."""

import argparse
import datetime as dt
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aqqua_dataset import (
    cli_authors,
    cli_doi,
    cli_duplicates,
    cli_ecotaxa,
    cli_export,
    cli_fetch,
    cli_forms,
    cli_gate,
    cli_ifcb,
    cli_labels,
    cli_nightly,
    cli_production,
    cli_progress,
    cli_report,
    cli_warehouse,
)
from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding, Refused, has_errors, worst_first

if TYPE_CHECKING:
    from aqqua_dataset.warehouse import Warehouse

_ROOT = Path(__file__).parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns 0 when all is well, 1 when something was refused, 2 for wrong usage."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    options = _parser().parse_args(arguments)
    try:
        found = Config.from_environment()
    except Refused as refused:
        _print_findings(refused.findings)
        return 2
    config = Config(
        registry=options.registry or found.registry,
        deliveries=options.deliveries or found.deliveries,
        warehouse=options.warehouse or found.warehouse,
        executor=options.executor or found.executor,
        storage=found.storage,
        outbox=found.outbox,
    )
    try:
        return int(options.command(options, config))
    except Refused as refused:
        _print_findings(refused.findings)
        print(f"\n{refused.what} refused: see above", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    places = argparse.ArgumentParser(add_help=False)
    places.add_argument("--registry", type=Path, help="folder of the contributor registry (AQQUA_REGISTRY)")
    places.add_argument("--deliveries", help="folder or URL of the deliveries (AQQUA_DELIVERIES)")
    places.add_argument("--warehouse", help="folder or URL of the results (AQQUA_WAREHOUSE)")
    places.add_argument("--executor", help="serial, processes:N, tcp://host:port or a YAML file (AQQUA_EXECUTOR)")
    parser = argparse.ArgumentParser(prog="aqqua", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, command: object, text: str, parent: object = None) -> argparse.ArgumentParser:
        group = commands if parent is None else parent
        made: argparse.ArgumentParser = group.add_parser(name, help=text, description=text, parents=[places])  # type: ignore[attr-defined]
        made.set_defaults(command=command)
        return made

    demo = add("demo", _demo, "make example deliveries and take them to a rehearsed release")
    demo.add_argument("--folder", help="where to work (default: work/ in the checkout)")
    registry = commands.add_parser("registry", help="the contributor registry").add_subparsers(required=True)
    add(
        "check",
        _registry_check,
        "validate people, institutions and contributions as a whole",
        registry,
    )
    cli_forms.add_commands(registry, add)
    run = add("run", _run, "read, harmonise and pack what is new or changed")
    run.add_argument("contribution", nargs="*", help="only these contributions")
    identify = add("identify", _identify, "say which reader fits a delivery, what is in it and what is missing")
    identify.add_argument("path", help="folder, archive or URL")
    identify.add_argument("--format", default="auto", help="read it with this reader")
    suggest = add("suggest-mapping", _suggest_mapping, "propose the mapping of tables and images, to be confirmed")
    suggest.add_argument("path", help="folder, archive or URL")
    cli_report.add_commands(add)
    cli_fetch.add_command(add)
    release = commands.add_parser("release", help="releases").add_subparsers(required=True)
    build = add("build", _release_build, "build a release, or rehearse one", release)
    build.add_argument("--version", default="0.1.0", help="MAJOR.MINOR.PATCH")
    build.add_argument("--view", choices=("public", "internal"), default="public")
    build.add_argument(
        "--date",
        type=dt.date.fromisoformat,
        help="day of the release (YYYY-MM-DD); default: the release day",
    )
    build.add_argument("--rehearsal", action="store_true", help="practise: marked in every file, never published")
    show = add("show", _show, "write one image of a release to a file, and print what is known of it")
    show.add_argument("image_id")
    show.add_argument("--release", help="folder of the release; default: the newest")
    show.add_argument("--output", type=Path, help="file to write; default: <image_id>.png or .jpg here")
    cli_authors.add_commands(commands, add)
    cli_doi.add_commands(commands, add)
    cli_ecotaxa.add_commands(commands, add)
    cli_ifcb.add_commands(commands, add)
    cli_gate.add_commands(add)
    cli_export.add_commands(add)
    cli_labels.add_commands(commands, add)
    cli_nightly.add_commands(commands, add)
    cli_warehouse.add_commands(commands, add)
    cli_duplicates.add_command(add)
    cli_progress.add_commands(commands, add)
    cli_production.add_commands(add)
    add("ledger", _ledger, "count every contribution from declared to published")
    instruments = commands.add_parser("instruments", help="instrument models").add_subparsers(required=True)
    add("queue", _instruments_queue, "list spellings that no vocabulary knows, with the images that wait", instruments)
    add("distribution", _distribution, "count taxa per event for maps of the global distribution, where permitted")
    add("docs", _docs, "write docs/data-dictionary.md again from schemas/")
    dev = add("dev", _dev, "start the Dagster UI")
    dev.add_argument("--port", type=int, default=3000)
    return parser


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in worst_first(findings):
        prefix = f"{finding.contribution}: " if finding.contribution else ""
        print(f"  {prefix}{finding}")


def _registry_check(_: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.registry.load import load_registry

    registry, findings = load_registry(config.registry)
    _print_findings(findings)
    if registry is not None:
        print(
            f"{len(registry.contributions)} contributions, {len(registry.people)} people, "
            f"{len(registry.institutions)} institutions in {config.registry}"
        )
    return 1 if has_errors(findings) else 0


def _run(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow

    collection, findings = workflow.open_collection(config)
    _print_findings([f for f in findings if f.severity == "error"])
    if unknown := set(options.contribution) - set(collection.registry.contributions):
        print(f"no contribution {', '.join(sorted(unknown))} in {config.registry}", file=sys.stderr)
        return 2
    with open_executor(config.executor) as (executor, workers):
        for report in workflow.run_all(collection, executor, workers, options.contribution, print):
            numbers = ", ".join(f"{n:,} {name}" for name, n in report.numbers.items())
            print(f"{report.contribution}  {report.stage}: {report.outcome}" + (f" ({numbers})" if numbers else ""))
            if report.outcome != "unchanged":
                _print_findings(report.findings)
    return 0


def _identify(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.registry.load import load_registry
    from aqqua_dataset.registry.models import Source
    from aqqua_dataset.sources import READERS
    from aqqua_dataset.survey import as_text, survey

    if options.format not in ("auto", *READERS):
        print(f"unknown format {options.format!r}: expected one of {', '.join(READERS)}", file=sys.stderr)
        return 2
    registry, findings = load_registry(config.registry)
    if registry is None:
        raise Refused(findings)
    try:
        found = survey(Source(format=options.format, location=options.path), options.path, registry.settings)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    print(as_text(found, options.path))
    _print_findings(found.findings)
    if found.format == "table":
        print(f"no mapping yet; propose one with: aqqua suggest-mapping {options.path}")
    return 0 if found.images else 1


def _suggest_mapping(options: argparse.Namespace, _: Config) -> int:
    from aqqua_dataset.sources.suggest import suggest_mapping
    from aqqua_dataset.transfer.delivery import Delivery

    try:
        with Delivery(options.path) as delivery:
            print(suggest_mapping(delivery, options.path))
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _ledger(_: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow

    collection, _findings = workflow.open_collection(config)
    _print_ledger(workflow.update_ledger(collection).to_pylist())
    print(f"\nledger: {collection.warehouse.url(workflow.LEDGER_PAGE)}")
    return 0


def _instruments_queue(_: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.quality.queue import unknown_instruments

    collection, _findings = workflow.open_collection(config)
    waiting = unknown_instruments(collection)
    for unknown in waiting:
        print(f"{unknown.images:>12,}  {unknown.spelling}  ({', '.join(unknown.contributions)})")
    print("answer each in settings.yaml under instrument_aliases" if waiting else "no image waits for an instrument")
    return 0


def _distribution(_: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.quality.distribution import TABLE, write_distribution

    collection, _findings = workflow.open_collection(config)
    rows = write_distribution(collection, workflow.standing_request(collection))
    print(f"{rows:,} rows: {collection.warehouse.url(TABLE)}")
    return 0


def _print_ledger(rows: Sequence[dict[str, object]]) -> None:
    names = (
        "declared",
        "missing",
        "received",
        "rejected",
        "accepted",
        "duplicate",
        "withheld",
        "published",
    )
    width = max([len(str(r["contribution_id"])) for r in rows], default=0)
    print("\n" + " " * width + "".join(f"{name:>11}" for name in names))
    for row in rows:
        print(f"{row['contribution_id']!s:{width}}" + "".join(f"{row[name]:>11,}" for name in names))


def _release_build(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.release.gate import ReleaseRequest

    collection, findings = workflow.open_collection(config)
    date = options.date or collection.registry.settings.release_date
    request = ReleaseRequest(options.version, options.view, date, options.rehearsal)
    with open_executor(config.executor) as (executor, workers):
        made = workflow.release(collection, findings, request, executor, workers, print)
    _print_findings(made.findings)
    print(
        f"{made.facts.image_count:,} images in release {made.facts.version}; shards taken over untouched: "
        f"{made.shards_untouched}, written again: {made.shards_rewritten}\n"
        f"release: {collection.warehouse.url(made.folder)}"
    )
    return 0


def _show(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.images.read import read_image
    from aqqua_dataset.images.shards import member_name
    from aqqua_dataset.warehouse import Warehouse

    warehouse = Warehouse(config.warehouse, config.storage.warehouse)
    release = options.release or _newest_release(warehouse)
    if release is None:
        print(
            f"no release in {config.warehouse}; build one with: aqqua release build --rehearsal",
            file=sys.stderr,
        )
        return 1
    try:
        image = read_image(warehouse, release, options.image_id)
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    target = options.output or Path(member_name(options.image_id, image.row["image_format"]))
    target.write_bytes(image.data)
    for name, value in image.row.items():
        if value is not None:
            print(f"{name:26} {value}")
    print(f"\nwritten to {target}")
    return 0


def _newest_release(warehouse: "Warehouse") -> str | None:
    sealed = [p for p in warehouse.find("releases") if p.endswith("/RELEASED.json")]
    newest = max(sealed, key=warehouse.modified, default=None)
    return newest.rsplit("/", 1)[0] if newest else None


def _demo(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.demo import write_deliveries

    work = Path(options.folder or os.environ.get("AQQUA_HOME", _ROOT / "work")).absolute()
    config = replace(config, deliveries=str(work / "deliveries"), warehouse=str(work / "warehouse"))
    print("1/5 example registry")
    if _registry_check(options, config):
        return 1
    print(f"2/5 example deliveries in {config.deliveries}")
    write_deliveries(Path(config.deliveries))
    print("3/5 read, harmonise, pack")
    options.contribution = []
    if code := _run(options, config):
        return code
    print("4/5 duplicates and ledger")
    _ledger(options, config)
    print("\n5/5 rehearsal of the release")
    options.version, options.view, options.date, options.rehearsal = "0.1.0", "public", None, True
    code = _release_build(options, config)
    print(f"site:    {work / 'warehouse' / 'site' / 'ledger.html'}")
    print(f"ledger:  {work / 'warehouse' / 'ledger' / 'ledger.parquet'}")
    return code


def _docs(_: argparse.Namespace, __: Config) -> int:
    from aqqua_dataset import schema

    page = _ROOT / "docs" / "data-dictionary.md"
    page.write_text(schema.dictionary_markdown(), encoding="utf-8")
    print(f"written: {page}")
    return 0


def _dev(options: argparse.Namespace, _: Config) -> int:
    """Starts the web server and the daemon with the checkout's own DAGSTER_HOME; one at a time."""
    import fcntl

    home = _ROOT / "dagster_home"
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # without .pyc files every process starts 4x slower
    lock = (home / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another aqqua dev runs on {home}; two daemons would start runs twice", file=sys.stderr)
        return 1
    # Dagster takes this process's place and the lock with it: what stops `aqqua dev` stops Dagster.
    os.set_inheritable(lock.fileno(), True)
    os.chdir(_ROOT)
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-p", str(options.port)]
    return os.execv(sys.executable, command)


if __name__ == "__main__":
    sys.exit(main())
