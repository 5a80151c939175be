"""``aqqua registry …`` about what people hand in: template, imports, proposals; and what is stored about one person."""

import argparse
import datetime as dt
import json
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
    show = add("show", _show, "show a contribution, a person or an institution with what belongs to it", registry)
    show.add_argument("id")
    people = add("people", _people, "list people, or those who may be one person", registry)
    people.add_argument("--duplicates", action="store_true", help="pairs that may be one person, undecided")
    export = add("export-person", _export_person, "write all that is stored about one person, as JSON", registry)
    export.add_argument("id")
    export.add_argument("--out", type=Path, help="file to write; default: shown here")
    erase = add("erase-contact", _erase_contact, "remove a person's address; authorship stays", registry)
    erase.add_argument("id")


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


def _show(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.registry.load import load_registry
    from aqqua_dataset.registry.personal import shown

    registry, findings = load_registry(config.registry)
    if registry is None:
        raise Refused(findings)
    text = shown(config.registry, registry, options.id, findings)
    if text is None:
        print(f"no contribution, person or institution {options.id} in {config.registry}", file=sys.stderr)
        return 1
    print(text)
    return 0


def _people(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.intake.contacts import addresses
    from aqqua_dataset.registry.same_people import same_people

    registry = _registry(config)
    if not options.duplicates:
        for person in registry.people.values():
            name = " ".join(filter(None, (person.given, person.particle, person.family)))
            print(f"{person.id:40} {name:40} {person.consent}")
        return 0
    pairs = list(same_people(registry, addresses(config.registry)))
    for pair in pairs:
        print(f"{pair.first.id:40} {pair.other.id:40} same {pair.sign}")
    print(f"{len(pairs):,} pairs to decide; rows for people_decisions.csv: aqqua authors suggestions")
    return 0


def _known_person(name: str, config: Config) -> "Registry | None":
    registry = _registry(config)
    if name in registry.people:
        return registry
    print(f"no person {name} in {config.registry}", file=sys.stderr)
    return None


def _export_person(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.messages.personal import stored_messages
    from aqqua_dataset.registry.personal import stored_about

    registry = _known_person(options.id, config)
    if registry is None:
        return 1
    stored = stored_about(config.registry, registry, options.id) | {"messages": stored_messages(config, options.id)}
    text = json.dumps(stored, ensure_ascii=False, indent=2)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(f"{text}\n", encoding="utf-8")
        print(f"written: {options.out}; it holds personal data")
    return 0


def _erase_contact(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.intake.contacts import addresses, erase_contact
    from aqqua_dataset.messages.personal import erase_messages
    from aqqua_dataset.registry.personal import records_of

    registry = _known_person(options.id, config)
    if registry is None:
        return 1
    try:
        files = erase_contact(config.registry, options.id) + erase_messages(config, options.id)
    except ValueError as error:
        print(f"nothing was erased: {error}", file=sys.stderr)
        return 1
    print(f"erased from {', '.join(files)}" if files else f"no contact of {options.id} is stored")
    left = [p for p in records_of(registry, options.id) if p in addresses(config.registry)]
    for person in left:
        print(f"another record of the same person still has an address: {person}")
    print("copies in backups, and in the history of a version control, aren't touched")
    return 0


def _print(findings: list[Finding]) -> None:
    for finding in worst_first(findings):
        place = f"{finding.contribution}: " if finding.contribution else ""
        print(f"  {place}{finding}")
