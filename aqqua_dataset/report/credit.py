"""How the owner of a contribution will be credited, from the registry; never an e-mail address."""

import datetime as dt

from aqqua_dataset.registry.licences import item_licence
from aqqua_dataset.registry.models import Contribution, Registry
from aqqua_dataset.release.attribution import attribution_rows
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import author_list, identities
from aqqua_dataset.report.facts import Credit

_PLACES = (
    ("core", "author"),
    ("members", "member of the data provider consortium"),
    ("acknowledged", "acknowledged by name"),
)


def credit(registry: Registry, contribution: Contribution) -> Credit:
    """What the documents of a release will say of a contribution.

    Args:
        registry: people, institutions and settings; people it doesn't know are counted as unnamed.
        contribution: the contribution, which needn't be in the registry.
    """
    known = _with(registry, contribution)
    here = known.contributions[contribution.id]
    day = known.settings.release_date
    release = ReleaseFacts("", "public", day, True, {}, {}, 0, None, None, None)
    row = {name: str(value or "") for name, value in attribution_rows(known, release, {here.id: 0})[0].items()}
    authors = author_list(known, [here.id])
    named = [
        (author.name, place) for part, place in _PLACES for author in getattr(authors, part) if author.contributions
    ]
    terms = {t.id: t.title for t in known.settings.interim_terms}
    titles = {p.id: p.title for p in known.settings.permissions}
    people = {*contribution.owners, *(c.person for c in contribution.contributors)}
    anonymous = {p.id for name, p in identities(known).items() if name in people and p.unnamed}
    return Credit(
        line=row["attributed_to"],
        state=row["attribution_state"],
        named=tuple(named),
        unnamed=len(anonymous) + len(people - set(known.people)),
        institutions=tuple(known.institutions[i].name for i in dict.fromkeys(here.institutions)),
        copyright=row["copyright_notice"],
        acknowledgement=row["acknowledgement"],
        funding=row["funding"],
        cite_dois=row["cite_dois"],
        licence=row["licence_spdx"],
        licence_url=row["licence_url"],
        interim_terms=": ".join(filter(None, (terms.get(here.interim_terms or ""), here.interim_terms_text))),
        permissions=tuple((titles.get(p.id, p.id), p.date) for p in contribution.permissions),
        missing=() if item_licence(known, here) else tuple(titles[p] for p in known.missing_mandatory(here)),
        revoked=contribution.revoked,
        available_from=max(day, contribution.not_before or dt.date.min),
    )


def _with(registry: Registry, contribution: Contribution) -> Registry:
    """The registry with this contribution, which keeps only references to records that are there."""
    kept = contribution.model_copy(
        update={
            "owners": tuple(o for o in contribution.owners if o in registry.people),
            "contributors": tuple(c for c in contribution.contributors if c.person in registry.people),
            "institutions": tuple(i for i in contribution.institutions if i in registry.institutions),
        }
    )
    return registry.model_copy(update={"contributions": {contribution.id: kept}})
