"""``aqqua nightly``, ``aqqua messages`` and ``aqqua mailing-list``: the night without the UI, and what it says."""

import argparse
import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config
from aqqua_dataset.findings import worst_first

Add = Callable[..., argparse.ArgumentParser]


def add_commands(commands: Any, add: Add) -> None:
    """Adds the commands to the parser."""
    night = add("nightly", _nightly, "fetch what is due, validate what is new or changed, tell who has to know")
    night.add_argument("--fetch-hours", type=float, default=4.0, help="begin no fetch after that (4); 0: fetch nothing")
    night.add_argument("--most", type=int, help="messages to send at most (settings.yaml: messages.most_per_night)")
    night.add_argument("--dry-run", action="store_true", help="send nothing: show the digest and the messages")
    night.add_argument(
        "--again", nargs="+", default=[], metavar="ID", help="try these now, whatever was put off or given up"
    )
    group = commands.add_parser("messages", help="messages to contributors").add_subparsers(required=True)
    send = add("send", _send, "send what waits, and the digest", group)
    send.add_argument("--most", type=int, help="messages to send at most (settings.yaml: messages.most_per_night)")
    send.add_argument("--dry-run", action="store_true", help="send nothing: show the digest and the messages")
    add("list", _list, "messages that may have been sent or not, and those that were refused", group)
    again = add("again", _again, "forget a person's doubtful or refused messages, so that they are sent anew", group)
    again.add_argument("person", nargs="+", help="id of the person")
    listed = add("mailing-list", _mailing_list, "addresses of those who agreed, and the changes since the last export")
    listed.add_argument("--out", type=Path, required=True, help="file to write, not in the warehouse")


def _nightly(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.nightly.night import run_night
    from aqqua_dataset.nightly.tries import forget

    collection, findings = workflow.open_collection(config)
    now = dt.datetime.now(dt.UTC)
    for what in forget(collection.warehouse, options.again):
        _say(f"{what}: tried again now")
    with open_executor(config.executor) as (executor, workers):
        done = run_night(
            collection, findings, executor, workers, now, options.fetch_hours, options.most, options.dry_run, _say
        )
    for report in done.fetched:
        _say(f"fetched {report.contribution}: {report.outcome}")
    found = done.validation
    _say(
        f"{found.looked_at:,} deliveries looked at, {len(found.changed):,} new or changed, {len(found.done):,} "
        f"validated, {len(found.failed):,} failed for reasons outside, {len(found.put_off):,} put off; "
        f"{len(done.reports):,} reports written; ledger {'counted' if done.counted else 'unchanged'}"
    )
    return _show(done.told, options.dry_run)


def _send(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.nightly.night import tell

    collection, findings = workflow.open_collection(config)
    return _show(tell(collection, findings, dt.datetime.now(dt.UTC), options.most, options.dry_run), options.dry_run)


def _show(told: Any, dry_run: bool) -> int:
    posting = told.digest.posting
    _say(f"\n{told.text}")
    if dry_run:
        for person, text in posting.texts.items():
            _say(f"--- to {person}\n{text}")
    for person, place in posting.sent.items():
        _say(f"message to {person}: {place or 'sent'}")
    for recipient, state in told.mailed.items():
        _say(f"digest to {recipient}: {state}")
    return 1 if posting.later or posting.doubtful or posting.refused else 0


def _list(_: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.messages.post import open_messages

    collection, _findings = workflow.open_collection(config)
    stuck = open_messages(collection)
    for person, lines in stuck.items():
        for line in lines:
            _say(f"{person}: {line}")
    _say("ask the person, or: aqqua messages again PERSON" if stuck else "no message is doubtful or was refused")
    return 0


def _again(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.messages.said import Ledger

    collection, _findings = workflow.open_collection(config)
    if unknown := set(options.person) - set(collection.registry.people):
        print(f"no person {', '.join(sorted(unknown))} in {config.registry}", file=sys.stderr)
        return 2
    for person in options.person:
        _say(f"{person}: {Ledger(collection.warehouse, person).again()} forgotten; the next night tells it anew")
    return 0


def _mailing_list(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.mailing_list import write_mailing_list

    collection, _ = workflow.open_collection(config)
    made = write_mailing_list(collection.registry, config, options.out)
    for finding in worst_first(made.findings):
        print(f"  {finding}", file=sys.stderr)
    _say(f"{len(made.lines):,} addresses in {options.out}: {len(made.subscribe):,} new, {len(made.unsubscribe):,} gone")
    return 1 if made.findings else 0


def _say(line: str) -> None:
    print(line, flush=True)
