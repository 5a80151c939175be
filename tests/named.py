"""Registries of invented people for the tests about names."""

import datetime as dt
from typing import Any

import builders

from aqqua_dataset.registry.models import AuthorPolicy, Institution, Person, PersonDecision, Registry
from aqqua_dataset.release import snapshot

DAY = dt.date(2027, 5, 31)


def made(found: list[Person], contributions: dict[str, tuple[str, ...]], **changes: Any) -> Registry:
    """A registry of these people; contributions by their owners; ``institute-one`` to ``-three``."""
    institutes = [
        Institution(id="institute-one", name="Institute One", country="DE", city="Kiel", ror="02h2x0161"),
        Institution(id="institute-two", name="Institute Two", country="GB", ror="https://ror.org/05dxps055"),
        Institution(id="institute-two-again", name="INSTITUTE  two again", country="GB", ror="05dxps055"),
        Institution(id="institute-three", name="Institute Three", country="FR"),
        Institution(id="institute-three-again", name="institute  THREE", country="FR"),
        Institution(id="institute-unused", name="Nobody's Institute", country="FR"),
    ]
    values: dict[str, Any] = {
        "settings": builders.settings(),
        "people": {p.id: p for p in found},
        "institutions": {i.id: i for i in institutes},
        "contributions": {n: builders.contribution(n, None, owners=o) for n, o in contributions.items()},
    }
    return Registry(**(values | changes))


def with_order(registry: Registry, **policy: Any) -> Registry:
    settings = registry.settings.model_copy(update={"authors": AuthorPolicy(**policy)})
    return registry.model_copy(update={"settings": settings})


def decided(person: str, other: str, decision: Any) -> PersonDecision:
    return PersonDecision(
        person=person, other=other, decision=decision, decided_by=person, decided_on=DAY, why="asked both"
    )


def taken(registry: Registry) -> snapshot.Snapshot:
    return snapshot.take_snapshot(registry, dict.fromkeys(registry.contributions, 1), DAY)
