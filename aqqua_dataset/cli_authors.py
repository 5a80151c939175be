"""``aqqua authors …``: who may be one person, freeze the list of authors, render it, invite."""

import argparse
import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqqua_dataset.config import Config

if TYPE_CHECKING:
    from aqqua_dataset.pipeline import Collection
    from aqqua_dataset.registry.models import Person, Registry
    from aqqua_dataset.release.snapshot import Snapshot

Add = Callable[[str, object, str, object], argparse.ArgumentParser]


def add_commands(commands: Any, add: Add) -> None:
    """Adds the commands about authors to the parser."""
    authors = commands.add_parser("authors", help="authors, credit and invitations").add_subparsers(required=True)
    text = "list people who may be one person and that nobody decided about, as rows for people_decisions.csv"
    suggestions = add("suggestions", _suggestions, text, authors)
    suggestions.add_argument("--output", type=Path, help="file to write; default: the terminal")
    freeze = add("freeze", _freeze, "freeze the list of authors, if nothing is undecided", authors)
    _add_date(freeze, "day of the last call (YYYY-MM-DD): what was agreed later is left out")
    _add_basis(freeze)
    render = add("render", _render, "write the frozen list for journals and readers", authors)
    render.add_argument("--output", type=Path, required=True, help="folder to write to")
    render.add_argument("--snapshot", type=Path, help="file of a frozen list; default: the one frozen last")
    render.add_argument("--jats", choices=("1.3", "1.4"), default="1.3", help="version of JATS (default: 1.3)")
    invite = add("invitations", _invitations, "list whom to invite to which paper, with their addresses", authors)
    invite.add_argument("--output", type=Path, required=True, help="file to write; it holds e-mail addresses")
    _add_basis(invite)


def _add_date(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--cut-off", type=dt.date.fromisoformat, required=True, metavar="DATE", help=text)


def _add_basis(parser: argparse.ArgumentParser) -> None:
    text = "before there is a release: every contribution whose permissions are complete, with the images it announced"
    parser.add_argument("--expected", action="store_true", help=text)
    parser.add_argument("--release", help="folder of the release to credit; default: the newest, rehearsals included")


def _suggestions(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.registry.credit import PersonDecision
    from aqqua_dataset.registry.load import load_contacts, load_registry
    from aqqua_dataset.registry.people_decisions import DECISIONS
    from aqqua_dataset.registry.same_people import same_people, standing_for
    from aqqua_dataset.release.author_tables import csv_text
    from aqqua_dataset.workflow import RegistryBroken

    registry, findings = load_registry(config.registry)
    if registry is None:
        raise RegistryBroken(findings)
    contacts, _ = load_contacts(config.registry)
    pairs = list(same_people(registry, {c.person: c.email for c in contacts}))
    stands = standing_for(registry.people.values(), registry.decisions)
    rows = [
        (
            stands[p.first.id], stands[p.other.id], "same" if p.certain else "", "", "",
            f"same {p.sign}: {_name(p.first)}, {_name(p.other)}",
        )
        for p in pairs
    ]  # fmt: skip
    text = csv_text(PersonDecision.model_fields, rows)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
        print(f"pairs to decide: {len(pairs):,}, in {options.output}; add each to {config.registry / DECISIONS}")
    else:
        print(text, end="")
    return 0


def _name(person: "Person") -> str:
    return " ".join(filter(None, (person.given, person.particle, person.family, person.suffix)))


def _freeze(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.release.snapshot import FROZEN, changes, freeze, freeze_problems, frozen_list
    from aqqua_dataset.release.thanks import nearly_equal

    collection, findings = workflow.open_collection(config)
    images = _credited(options, collection)
    if images is None:
        return 1
    snapshot = freeze(collection.registry, images, options.cut_off, findings)
    for finding in freeze_problems(collection.registry, images, findings):
        print(finding)
    try:
        before = frozen_list(collection.warehouse)
    except ValueError as error:
        print(f"{FROZEN} is replaced: {error}", file=sys.stderr)
        before = None
    for line in changes(before, snapshot) if before else []:
        print(line)
    collection.warehouse.write_bytes(FROZEN, snapshot.to_json().encode())
    authors = snapshot.authors
    for group in nearly_equal(snapshot):
        ids = "; ".join(", ".join(entry.contributions) for entry in group)
        print(f"acknowledgements that are nearly equal, look at them: {ids}")
    if snapshot.after_cut_off:
        print(f"agreed after {snapshot.cut_off}, left out: {', '.join(snapshot.after_cut_off)}")
    print(
        f"{len(authors.core):,} authors, {len(authors.members):,} members of the consortium, "
        f"{len(authors.acknowledged):,} acknowledged, {len(authors.institutions):,} institutions, "
        f"{len(snapshot.contributions):,} contributions\n"
        f"frozen: {collection.warehouse.url(FROZEN)} (SHA-256 {snapshot.hash})"
    )
    return 0


def _render(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.release.authors import render
    from aqqua_dataset.release.bibtex import cited
    from aqqua_dataset.release.facts import Draft
    from aqqua_dataset.release.snapshot import frozen_list, read_snapshot
    from aqqua_dataset.warehouse import Warehouse

    snapshot: Snapshot | None
    try:
        if options.snapshot:
            snapshot = read_snapshot(options.snapshot.read_text(encoding="utf-8"))
        else:
            snapshot = frozen_list(Warehouse(config.warehouse, config.storage.warehouse))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if snapshot is None:
        print("no frozen list yet; make one with: aqqua authors freeze --cut-off DATE", file=sys.stderr)
        return 1
    target = Warehouse(str(options.output.absolute()))
    files = render(snapshot, Draft(f"author list of {snapshot.cut_off}"), options.jats)
    for name, text in files.items():
        target.write_bytes(name, text.encode())
    missing = len(cited(snapshot)) - len(snapshot.papers)
    print(f"{len(files)} files in {options.output}; {missing:,} papers of which only the DOI is known")
    return 0


def _invitations(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.registry.load import load_contacts
    from aqqua_dataset.release.invitations import invitations, invitations_csv
    from aqqua_dataset.release.people import author_list

    collection, _ = workflow.open_collection(config)
    images = _credited(options, collection)
    if images is None:
        return 1
    found = invitations(collection.registry, author_list(collection.registry, images))
    contacts, _ = load_contacts(config.registry)
    text = invitations_csv(found, {c.person: c.email for c in contacts})
    options.output.write_text(text, encoding="utf-8")
    papers = dict.fromkeys(i.paper for i in found.invited)
    for paper in papers:
        print(f"{paper}: {sum(i.paper == paper for i in found.invited):,} people")
    if not papers:
        print("no permission in settings.yaml says which paper it invites to (invites_to)")
    print(f"not invited by their own wish: {found.declined:,}")
    print(f"in {options.output}, with e-mail addresses: keep it safe")
    return 0


def _credited(options: argparse.Namespace, collection: "Collection") -> dict[str, int] | None:
    """Images by contribution to credit: those of a release, or those announced; None where neither is there."""
    if options.expected:
        return _expected(collection.registry)
    warehouse = collection.warehouse
    sealed = [p.rsplit("/", 1)[0] for p in warehouse.find("releases") if p.endswith("/RELEASED.json")]
    newest = max(sealed, key=lambda p: warehouse.modified(f"{p}/RELEASED.json"), default=None)
    folder = options.release or newest
    if folder is None or not warehouse.exists(f"{folder}/attribution.parquet"):
        message = "no release to credit; run: aqqua release build --rehearsal, or use --expected"
        print(message, file=sys.stderr)
        return None
    table = warehouse.read_parquet(f"{folder}/attribution.parquet", columns=["contribution_id", "images_credited"])
    found = dict(zip(table["contribution_id"].to_pylist(), table["images_credited"].to_pylist(), strict=True))
    gone = sorted(set(found) - set(collection.registry.contributions))
    if gone:
        print(f"no longer in the registry, not credited: {', '.join(gone)}", file=sys.stderr)
    return {name: images for name, images in found.items() if name not in gone}


def _expected(registry: "Registry") -> dict[str, int]:
    """Contributions that may be published and weren't withdrawn, and the images they announced."""
    from aqqua_dataset.registry.licences import item_licence

    return {
        c.id: c.expected_images or 0
        for c in registry.contributions.values()
        if not c.revoked and item_licence(registry, c) is not None
    }
