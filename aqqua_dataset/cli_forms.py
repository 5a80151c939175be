"""``aqqua registry …`` about what people hand in: template, imports, proposals; and what is stored about one person."""

import argparse
import datetime as dt
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqqua_dataset.cli_ecotaxa import READER
from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding, Refused, has_errors, worst_first

if TYPE_CHECKING:
    from aqqua_dataset.intake.proposals import Outcome
    from aqqua_dataset.registry.models import Registry

Add = Callable[[str, object, str, object], argparse.ArgumentParser]


def add_commands(registry: Any, add: Add) -> None:
    """Adds the commands to those of the registry."""
    sheet = add("template", _template, "write the spreadsheet for several data sets under one form", registry)
    sheet.add_argument("--out", type=Path, required=True, metavar="FILE.xlsx", help="file to write")
    forms = add("import-form", _import_form, "propose what forms say, from the survey's CSV export", registry)
    forms.add_argument("export", type=Path, help="the export, with submitted responses")
    forms.add_argument("--uploads", type=Path, metavar="DIR", help="folder with the files that were uploaded")
    projects = add(
        "import-ecotaxa-list", _import_list, "propose pledges and people from a list of EcoTaxa projects", registry
    )
    projects.add_argument("table", type=Path, help="EcoTaxa's table of the projects that were shared (TSV or CSV)")
    projects.add_argument("--date", type=dt.date.fromisoformat, help="day of the list; default: the day in its name")
    projects.add_argument("--reader", default=READER, help=f"name of our own account, which is nobody ({READER})")
    accept = add("accept", _accept, "take proposals into the registry", registry)
    accept.add_argument("ids", nargs="*", metavar="ID", help="ids of contributions, people, institutions")
    accept.add_argument("--all", action="store_true", help="all that wait")


def _registry(config: Config) -> "Registry":
    from aqqua_dataset.registry.load import load_registry

    registry, findings = load_registry(config.registry)
    if registry is None:
        raise Refused(findings)
    return registry


def _template(options: argparse.Namespace, _: Config) -> int:
    from aqqua_dataset.intake.template import template

    options.out.write_bytes(template())
    print(f"written: {options.out}")
    return 0


def _import_list(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.intake.ecotaxa_list import import_list

    day = options.date or _day_in(options.table.name)
    if day is None:
        print(f"no day in the name {options.table.name}; give the day of the list with --date", file=sys.stderr)
        return 2
    if (missing := _missing(options.table)) is not None:
        return missing
    return _told(import_list(config.registry, _registry(config), options.table, day, options.reader), config)


def _import_form(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.intake.forms import import_forms

    if (missing := _missing(options.export)) is not None:
        return missing
    if options.uploads is not None and not options.uploads.is_dir():
        print(f"no folder {options.uploads}", file=sys.stderr)
        return 2
    return _told(import_forms(config.registry, _registry(config), options.export, options.uploads), config)


def _day_in(name: str) -> dt.date | None:
    match = re.search(r"\d{4}-\d{2}-\d{2}", name)
    try:
        return dt.date.fromisoformat(match[0]) if match else None
    except ValueError:
        return None


def _missing(path: Path) -> int | None:
    if path.is_file():
        return None
    print(f"no file {path}", file=sys.stderr)
    return 2


def _told(outcome: "Outcome", config: Config) -> int:
    """Says what became of an import: 1 where something couldn't be taken."""
    from aqqua_dataset.intake.proposals import PROPOSALS

    _print(outcome.findings)
    for what, count in sorted(outcome.counts.items()):
        print(f"{count:>8,}  {what}")
    print(f"proposals: {config.registry / PROPOSALS}; look at them, then: aqqua registry accept --all")
    return 1 if has_errors(outcome.findings) else 0


def _accept(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.intake.accept import accept

    if bool(options.ids) == options.all:
        print("name the proposals to accept, or --all", file=sys.stderr)
        return 2
    made = accept(config.registry, options.ids, options.all)
    _print(made.findings)
    for kind in ("people", "institutions", "contributions"):
        print(f"{sum(f.startswith(f'{kind}/') for f in made.files):>8,}  {kind}")
    print(f"{made.contacts:>8,}  contacts")
    return 1 if has_errors(made.findings) else 0


def _print(findings: list[Finding]) -> None:
    for finding in worst_first(findings):
        place = f"{finding.contribution}: " if finding.contribution else ""
        print(f"  {place}{finding}")
