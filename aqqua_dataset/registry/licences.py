"""Under which licence a contribution's images are published: the release's, or their own where that stays.

A signed form is a direct grant by the owner, so whatever licence a public copy has doesn't matter. What is public and
not signed for keeps the licence of the copy, if the vocabulary ``licences.csv`` says that it may stand beside others.
A form that leaves a mandatory permission out is a no, whatever the licence of a public copy says.
"""

import functools
from dataclasses import dataclass

from aqqua_dataset import schema
from aqqua_dataset.registry.models import Contribution, Registry


@dataclass(frozen=True)
class ItemLicence:
    """The licence of a contribution's images.

    Attributes:
        spdx: SPDX id.
        url: address of its text.
        signed: whether a signed form grants it; else it is that of the public copy.
    """

    spdx: str
    url: str
    signed: bool


def item_licence(registry: Registry, contribution: Contribution) -> ItemLicence | None:
    """The licence of a contribution's images in a public release; None where nothing allows to take them."""
    settings = registry.settings
    if not registry.missing_mandatory(contribution):
        return ItemLicence(settings.licence_spdx, settings.licence_url, signed=True)
    if answered(contribution):
        return None
    given = contribution.source.licence if contribution.source else None
    return _kept().get((given or "").lower())


def answered(contribution: Contribution) -> bool:
    """Whether the owner has sent a form, with whatever permissions."""
    return bool(contribution.form_id or contribution.form or contribution.permissions)


@functools.cache
def _kept() -> dict[str, ItemLicence]:
    """The licences that images keep without a form, by id in small letters: capitals mean nothing in SPDX."""
    known = schema.vocabulary("licences.csv")
    kept = known[known["unsigned"] == "keep"]
    return {row.spdx.lower(): ItemLicence(row.spdx, row.url, signed=False) for row in kept.itertuples()}
