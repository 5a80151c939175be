"""Small registries and collections for tests, built in code."""

import datetime as dt
from pathlib import Path
from typing import Any

from aqqua_dataset.config import Config
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.models import (
    Attribution,
    Contribution,
    DatasetRecord,
    Declared,
    Event,
    Institution,
    InterimTerm,
    Permission,
    PermissionKind,
    Person,
    Registry,
    Settings,
    Source,
)
from aqqua_dataset.registry.publishing import Form, PositionReview
from aqqua_dataset.warehouse import Warehouse

DOI = "10.1234/test.v1"
MANDATORY = ("model-development", "public-release", "model-release")
GIVEN = dt.date(2025, 8, 1)


def settings() -> Settings:
    return Settings(
        release_date=dt.date(2027, 7, 15),
        time_zone="Europe/Berlin",
        licence_spdx="CC-BY-NC-4.0",
        licence_url="https://creativecommons.org/licenses/by-nc/4.0/legalcode",
        dataset=DatasetRecord(
            title="Test collection",
            description="Images for tests.",
            publisher="Test Institute",
            consortium="Test Data Provider Consortium",
            doi=DOI,
            url="https://example.org/test",
            contact_email="dataset@example.org",
        ),
        permissions=(
            *(PermissionKind(id=p, title=p.replace("-", " "), mandatory=True) for p in MANDATORY),
            PermissionKind(id="global-distribution", title="global distribution", mandatory=False),
        ),
        interim_terms=(InterimTerm(id="cc-by", title="CC BY 4.0", spdx="CC-BY-4.0"),),
    )


def contribution(name: str, location: str | Path | None, **changes: Any) -> Contribution:
    """An agreed contribution with all mandatory permissions, read by the EcoTaxa reader."""
    source = changes.pop("source", None) or (
        Source(format=changes.pop("format", "ecotaxa"), location=str(location)) if location else None
    )
    values: dict[str, Any] = {
        "id": name,
        "title": f"Contribution {name}",
        "description": "For tests.",
        "owners": ("owner-one",),
        "institutions": ("institute-one",),
        "form_id": "F-1",
        "form_date": GIVEN,
        "form": Form(text_version="2", signer=changes.get("owners", ("owner-one",))[0], sha256="b" * 64),
        "positions": PositionReview(state="none", by="core-member", date=GIVEN),
        "permissions": tuple(Permission(id=p, date=GIVEN) for p in MANDATORY),
        "interim_terms": "cc-by",
        "attribution": Attribution(state="given", text=f"Owner One ({name})"),
        "source": source,
        "declared": Declared(time_zone="UTC"),
        "history": (Event(date=GIVEN, state="pledged"), Event(date=GIVEN, state="agreed")),
    }
    return Contribution(**(values | changes))


def person(name: str, **changes: Any) -> Person:
    given, _, family = name.partition("-")
    values: dict[str, Any] = {
        "id": name,
        "given": given.title(),
        "family": family.title(),
        "affiliations": ("institute-one",),
        "consent": "author",
        "consent_date": GIVEN,
    }
    return Person(**(values | changes))


def registry(*contributions: Contribution) -> Registry:
    people = [person("owner-one"), person("owner-two"), person("core-member", core_team=True)]
    institute = Institution(id="institute-one", name="Institute One", country="DE")
    return Registry(
        settings=settings(),
        people={p.id: p for p in people},
        institutions={institute.id: institute},
        contributions={c.id: c for c in contributions},
    )


def collection(folder: Path, *contributions: Contribution, executor: str = "serial") -> Collection:
    """A collection whose warehouse lies in ``folder``."""
    config = Config(folder / "registry", str(folder), str(folder / "warehouse"), executor)
    return Collection(registry(*contributions), config, Warehouse(config.warehouse))
