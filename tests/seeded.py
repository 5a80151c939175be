"""A collection of many tiny contributions that went through a first night, made in seconds.

The deliveries are real and so are the keys of the stages; what the stages hold is copied from one that really ran.
"""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import small
from builders import collection, contribution, person

from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.nightly import collect
from aqqua_dataset.nightly.night import Night, run_night
from aqqua_dataset.pipeline import Collection, StageReport, run_contribution
from aqqua_dataset.registry.models import MessageSettings
from aqqua_dataset.report import build
from aqqua_dataset.report.gather import gather
from aqqua_dataset.report.questions import questions

FIRST = dt.datetime(2026, 11, 20, 1, tzinfo=dt.UTC)


def with_owners(made: Collection, owners: int, **messages: Any) -> Collection:
    """The collection with more people, all of whom have an address."""
    people = {f"owner-{n:03}": person(f"owner-{n:03}") for n in range(owners)}
    told = MessageSettings(**{"reports_url": "https://example.org/reports", "most_per_night": owners, **messages})
    registry = made.registry.model_copy(
        update={
            "people": made.registry.people | people,
            "settings": made.registry.settings.model_copy(update={"messages": told}),
        }
    )
    folder = made.config.registry / "private"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"- {{person: {name}, email: {name}@example.org}}\n" for name in people]
    (folder / "contacts.yaml").write_text("".join(lines))
    return Collection(registry, made.config, made.warehouse)


def delivered(folder: Path, count: int, owners: int) -> Collection:
    """So many contributions with a picture each; the owners take turns."""
    names = [f"haul-{n:04}" for n in range(count)]
    for n, name in enumerate(names):
        small.deliver(folder / name, name, small.pictures(n, 1))
    made = collection(
        folder,
        *(contribution(n, folder / n, owners=(f"owner-{i % owners:03}",)) for i, n in enumerate(names)),
    )
    return with_owners(made, owners)


def seeded(folder: Path, count: int, owners: int) -> tuple[Collection, Night]:
    """The collection, and its first night."""
    made = delivered(folder, count, owners)
    names = list(made.registry.contributions)
    run_contribution(made, names[0], SerialExecutor(), 1, lambda _: None)
    asked = tuple(question.text for question in questions(gather(made, names[0])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "find_duplicates", lambda _: None)
        small.multiply(made, names[0], {name: small.pictures(n, 1) for n, name in enumerate(names) if n})
        patch.setattr("aqqua_dataset.pipeline._unchanged", adopt)
        patch.setattr(collect, "write_report", lambda _, key: build.Written(f"reports/{key}", "", True, asked))
        return made, night(made, FIRST)


def adopt(made: Collection, name: str, stage: Any, key: str) -> StageReport:
    """Takes what is stored for the result of a stage."""
    path = f"contributions/{name}/{stage}.json"
    told = made.warehouse.read_json(path)
    made.warehouse.write_json(path, {**told, "key": key})
    return StageReport(name, stage, "done", told["numbers"])


def night(made: Collection, now: dt.datetime, **options: Any) -> Night:
    """A night in this process."""
    return run_night(made, [], SerialExecutor(), 1, now, progress=lambda _: None, **options)
