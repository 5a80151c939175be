"""A collection whose registry says all there is to say of a dataset, for tests of what a release says of itself."""

from dataclasses import replace
from pathlib import Path

from builders import collection, contribution
from small import deliver, pack, pictures, with_core_team

from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.models import Funding
from aqqua_dataset.registry.publishing import DoiSettings

DOI = "10.1234/aqqua.v1"
ORCID = "https://orcid.org/0000-0000-0000-0159"


def make_described(home: Path) -> Collection:
    """Two packed contributions with 14 and 3 images; one title holds markup."""
    deliver(home / "one", "one", pictures(1, 14))
    deliver(home / "two", "two", pictures(2, 3))
    found = collection(
        home, contribution("one", home / "one"), contribution("two", home / "two", title="Two <b>& more</b>")
    )
    registry = with_core_team(*found.registry.contributions.values())
    dataset = registry.settings.dataset.model_copy(
        update={
            "doi": DOI, "keywords": ("plankton", "imaging"), "publisher_ror": "02h2x0161",
            "funding": (Funding(funder="Sea Fund", ror="05dxps055", award_number="SF-1", award_title="Nets"),),
            "contact_url": "https://example.org/contact", "imprint_url": "https://example.org/imprint",
            "privacy_url": "https://example.org/privacy",
        }
    )  # fmt: skip
    settings = registry.settings.model_copy(update={"dataset": dataset, "doi": DoiSettings(concept="10.1234/aqqua")})
    core = {p.id: p.model_copy(update={"orcid": ORCID}) for p in registry.people.values() if p.id == "core-member"}
    found = replace(
        found, registry=registry.model_copy(update={"settings": settings, "people": registry.people | core})
    )
    pack(found)
    return found
