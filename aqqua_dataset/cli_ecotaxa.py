"""``aqqua ecotaxa …``: pull shared projects; for those who share, list projects and give or take back access."""

import argparse
import dataclasses
import datetime as dt
import getpass
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding, Refused, worst_first

if TYPE_CHECKING:
    from aqqua_dataset.ecotaxa.client import EcoTaxa

Add = Callable[[str, object, str, object], argparse.ArgumentParser]

#: Name of the account that reads for the collection.
READER = "AqQua"


def add_commands(commands: Any, add: Add) -> None:
    """Adds the commands about EcoTaxa to the parser."""
    group = commands.add_parser("ecotaxa", help="projects in EcoTaxa").add_subparsers(required=True)
    pull = add("pull", _pull, "download the projects that were shared, as the registry names them", group)
    pull.add_argument("--contribution", nargs="+", default=[], metavar="ID", help="only these contributions")
    pull.add_argument(
        "--images-per-second", type=float, default=20.0, help="at most, where images come one by one (20)"
    )
    listing = add("list", _list, "for contributors: all my projects as a table that fits the template", group)
    listing.add_argument("--out", type=Path, help="file to write; default: shown here")
    share = add("share", _share, "for contributors: let the collection's account view projects, or no longer", group)
    share.add_argument("--projects", nargs="+", type=int, required=True, metavar="N", help="numbers of the projects")
    share.add_argument("--revoke", action="store_true", help="take the access back")
    share.add_argument("--dry-run", action="store_true", help="say what would be changed, and change nothing")
    for command in (listing, share):
        command.add_argument("--reader", default=READER, help=f"name or id of the account that reads ({READER})")
    for command in (pull, listing, share):
        command.add_argument("--server", help="address of EcoTaxa (ECOTAXA_URL)")


def _client(options: argparse.Namespace, contact: str, allowed: Collection[int], rate: float = 20.0) -> "EcoTaxa":
    from aqqua_dataset.ecotaxa import client

    access = client.Access.from_environment(_ask if sys.stdin.isatty() else None)
    return client.EcoTaxa(_server(options), access, contact, allowed, image_pause=1 / max(rate, 0.01))


def _server(options: argparse.Namespace) -> str:
    from aqqua_dataset.ecotaxa import client

    return str(options.server or os.environ.get(client.SERVER_VARIABLE) or client.SERVER)


def _ask(question: str, hidden: bool) -> str:
    if hidden:
        return getpass.getpass(question)
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _pull(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.ecotaxa.pull import pull, shared_projects

    collection, _ = workflow.open_collection(config)
    shared, refused = shared_projects(collection.registry)
    wanted = options.contribution or list(shared)
    _print([f for f in refused if not options.contribution or f.contribution in wanted])
    if unknown := [c for c in wanted if c not in shared]:
        print(f"not shared, so nothing was asked: {', '.join(unknown)}", file=sys.stderr)
        return 1
    told = collection.registry.settings.dataset
    contact = f"{told.url}; mailto:{told.contact_email}"
    client = _client(options, contact, set(shared.values()), options.images_per_second)
    failed = 0
    for contribution in wanted:
        try:
            made = pull(collection, contribution, client, dt.datetime.now(dt.UTC), _progress(contribution))
        except Refused as refusal:  # one project that can't be had doesn't keep the others waiting
            _print([dataclasses.replace(f, contribution=contribution) for f in refusal.findings])
            failed += 1
            continue
        _print(list(made.findings))
        done = made.pull
        news = done.changes if done.since else "the first pull"
        print(f"{contribution}: {done.objects:,} objects, {done.images:,} images; {news}")
        if made.message:
            print("  the contributor is told with the next night's messages (aqqua nightly)")
            print(f"  for {contribution}.yaml: source.retrieved: {done.stamp[:10]}; history: received")
    return 1 if failed else 0


def _list(options: argparse.Namespace, _: Config) -> int:
    from aqqua_dataset.ecotaxa.share import projects_table

    table = projects_table(_client(options, "contributor", ()), _server(options), options.reader)
    if options.out is None:
        print(table.lstrip("\ufeff"), end="")
    else:
        options.out.write_text(table, encoding="utf-8", newline="")
        print(f"written: {options.out}")
    return 0


def _share(options: argparse.Namespace, _: Config) -> int:
    from aqqua_dataset.ecotaxa.share import share

    client, failed = _client(options, "contributor", set(options.projects)), 0
    for project in dict.fromkeys(options.projects):
        try:
            for one in share(client, [project], options.reader, options.revoke, options.dry_run):
                print(f"{one.project}  {one.title}: {one.done}" + (f" ({one.note})" if one.note else ""))
        except Refused as refusal:
            _print(refusal.findings)
            failed += 1
    return 1 if failed else 0


def _progress(contribution: str) -> Callable[[str], None]:
    return lambda told: print(f"{contribution}: {told}", flush=True)


def _print(findings: list[Finding]) -> None:
    for finding in worst_first(findings):
        place = f"{finding.contribution}: " if finding.contribution else ""
        print(f"  {place}{finding}", file=sys.stderr)
