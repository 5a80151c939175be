"""Writes reports: one of a contribution into the warehouse, or one of a delivery that nobody has sent yet."""

import hashlib
import json
import tempfile
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from aqqua_dataset import schema
from aqqua_dataset.pipeline import Collection, Stage, manifest, run_contribution
from aqqua_dataset.registry.models import Contribution, Event, Permission, Registry
from aqqua_dataset.report.content import document
from aqqua_dataset.report.credit import credit
from aqqua_dataset.report.facts import Facts
from aqqua_dataset.report.gather import gather, ledger_row
from aqqua_dataset.report.html import page
from aqqua_dataset.report.markdown import markdown
from aqqua_dataset.report.questions import questions
from aqqua_dataset.warehouse import Warehouse

#: Raise it when reports change for unchanged facts; they are then written again.
VERSION = 2
PAGE, TEXT = "index.html", "report.md"
_STAGES: tuple[Stage, ...] = ("rows", "core", "images", "quality")


@dataclass(frozen=True)
class Written:
    """A report in the warehouse: its folder, its Markdown, its open questions, and whether it was written now."""

    folder: str
    markdown: str
    is_new: bool
    questions: tuple[str, ...] = ()


def write_report(collection: Collection, contribution_id: str) -> Written:
    """Writes the report of a contribution, unless nothing it says has changed."""
    warehouse, folder = collection.warehouse, f"reports/{contribution_id}"
    key = _key(collection, contribution_id)
    before = warehouse.read_json(f"{folder}/report.json")
    if before is not None and before["key"] == key:
        with warehouse.open(f"{folder}/{TEXT}") as stream:
            return Written(folder, stream.read().decode(), False, tuple(before["questions"]))
    facts = gather(collection, contribution_id)
    made, asked = document(facts), tuple(question.text for question in questions(facts))
    text = markdown(made)
    warehouse.write_bytes(f"{folder}/{PAGE}", page(made).encode())
    warehouse.write_bytes(f"{folder}/{TEXT}", text.encode())
    warehouse.write_json(f"{folder}/report.json", {"key": key, "questions": asked})
    return Written(folder, text, True, asked)


def save(facts: Facts, folder: Path) -> Path:
    """Writes a report to a folder on disk; returns the page's path."""
    made = document(facts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TEXT).write_text(markdown(made), encoding="utf-8", newline="\n")
    (folder / PAGE).write_text(page(made), encoding="utf-8", newline="\n")
    return folder / PAGE


def check_delivery(
    contribution: Contribution, registry: Registry, collection: Collection, executor: Executor, workers: int,
    with_form: bool,
) -> Facts:  # fmt: skip
    """The facts of a delivery that was not sent yet, by the same code as in the pipeline.

    Args:
        contribution: how to read it and what its form says; its permissions don't matter for a dry run.
        registry: settings, and the people a form may name.
        collection: where deliveries lie; its warehouse is not touched.
        executor: where parts are read, with ``workers`` workers.
        workers: workers of the executor.
        with_form: whether the contributor gave a form; without one nothing is known about credit.
    """
    day = contribution.history[-1].date
    permitted = contribution.model_copy(
        update={
            "permissions": tuple(Permission(id=p.id, date=day) for p in registry.settings.permissions),
            "history": (Event(date=day, state="agreed"),),
        }
    )
    alone = registry.model_copy(update={"contributions": {contribution.id: permitted}})
    with tempfile.TemporaryDirectory() as scratch:
        apart = Collection(alone, collection.config, Warehouse(scratch))
        run_contribution(apart, contribution.id, executor, workers, lambda _: None)
        facts = gather(apart, contribution.id)
    if contribution.source is not None and not facts.objects:
        with collection.delivery(contribution.source.location) as delivery:
            if next(delivery.files(), None) is None:
                facts = replace(facts, refused="there is no file in it", findings=())
    return replace(facts, dry_run=True, credit=credit(registry, contribution) if with_form else None)


def _key(collection: Collection, contribution_id: str) -> str:
    """Short hash of everything a report is made from."""
    contribution = collection.registry.contributions[contribution_id]
    stages = [(manifest(collection.warehouse, contribution_id, stage) or {"key": ""})["key"] for stage in _STAGES]
    refused = collection.warehouse.read_json(f"contributions/{contribution_id}/refused.json")
    told = contribution.model_dump_json(), repr(credit(collection.registry, contribution))
    counted = repr(ledger_row(collection, contribution_id))
    text = json.dumps([VERSION, stages, refused, *told, counted, schema.fingerprint()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
