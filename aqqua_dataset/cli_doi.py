"""``aqqua doi …``: draft, update, publish and status of a release's DOIs."""

import argparse
import datetime as dt
from collections.abc import Callable
from typing import Any

from aqqua_dataset.config import Config

Add = Callable[[str, object, str, object], argparse.ArgumentParser]

_STEPS = {
    "draft": "make the DOIs of a release as drafts that nobody else sees, or bring the drafts up to date",
    "update": "change what published DOIs say",
    "publish": "make the DOIs findable, for ever",
    "status": "show the DOIs' states and what differs from the release; changes nothing",
}


def add_commands(commands: Any, add: Add) -> None:
    """Adds the commands about DOIs to the parser."""
    doi = commands.add_parser("doi", help="the release's DOIs at DataCite").add_subparsers(required=True)
    for name, text in _STEPS.items():
        step = add(name, _step, text, doi)
        step.set_defaults(action=name)
        step.add_argument("--release", required=True, help="folder in the warehouse: releases/public/v1.0.0")
        step.add_argument("--production", action="store_true", help="the real system; without it the test system")


def _step(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow

    collection, findings = workflow.open_collection(config)
    now = dt.datetime.now(dt.UTC)
    for step in workflow.register_doi(
        collection, findings, options.action, options.release, options.production, now, print
    ):
        if step.differs:
            print(f"  {step.doi} differed in {', '.join(step.differs)}")
    return 0
