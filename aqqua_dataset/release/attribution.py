"""Whom to credit for what: one row per contribution, joined to every image by its contribution id."""

from collections.abc import Mapping

from aqqua_dataset.registry.models import Consent, Contribution, Funding, Registry
from aqqua_dataset.release.facts import ReleaseFacts

_CHANGES = (
    "Metadata harmonised; metadata chunks of image files removed without re-encoding; raw pixels and files other "
    "than PNG and JPEG stored as lossless PNG; pixels unchanged."
)
_PUBLIC_PERMISSION = "public-release"


def attribution_rows(registry: Registry, facts: ReleaseFacts, credited: Mapping[str, int]) -> list[dict[str, object]]:
    """The rows of the ``attribution`` table, by contribution id.

    Args:
        registry: the whole registry.
        facts: the release.
        credited: published images by credited contribution.
    """
    return [_row(registry, facts, registry.contributions[i], credited[i]) for i in sorted(credited)]


def _row(registry: Registry, facts: ReleaseFacts, contribution: Contribution, images: int) -> dict[str, object]:
    attribution, source = contribution.attribution, contribution.source
    institutions = [registry.institutions[i] for i in contribution.institutions]
    given = {p.id: p.date for p in contribution.permissions}
    return {
        "contribution_id": contribution.id,
        "title": contribution.title,
        "attributed_to": attribution.text or fallback(registry, contribution),
        "attribution_state": attribution.state,
        "institutions": "; ".join(i.name for i in institutions) or None,
        "institution_rors": "; ".join(i.ror for i in institutions if i.ror) or None,
        "copyright_notice": attribution.copyright_notice,
        "licence_spdx": registry.settings.licence_spdx,
        "licence_url": registry.settings.licence_url,
        "source_url": source.url if source else None,
        "source_dataset_id": source.dataset_id if source else None,
        "retrieved_on": source.retrieved if source else None,
        "changes_made": _CHANGES,
        "acknowledgement": attribution.acknowledgement,
        "funding": "; ".join(_grant(f) for f in attribution.funding) or None,
        "cite_dois": "; ".join(attribution.cite_dois) or None,
        "permission_type": "signed form",
        "permission_date": given.get(_PUBLIC_PERMISSION),
        "interim_terms": contribution.interim_terms,
        "images_credited": images,
        "release": facts.version,
    }


def fallback(registry: Registry, contribution: Contribution) -> str:
    """The credit line while the owner's own wording is pending; who wants to stay anonymous isn't named."""
    people = [registry.people[registry.people[o].same_as or o] for o in contribution.owners]
    names = [
        f"{p.given} {' '.join(filter(None, (p.particle, p.family)))}"
        for p in people
        if p.consent is not Consent.ANONYMOUS
    ]
    places = [registry.institutions[i].name for i in contribution.institutions]
    return f"Data provided by {', '.join([*names, *places]) or registry.settings.dataset.consortium}"


def _grant(funding: Funding) -> str:
    return " ".join(filter(None, (funding.funder, funding.award_number, funding.award_title)))


def attribution_markdown(rows: list[dict[str, object]], facts: ReleaseFacts) -> str:
    """The attribution as people read it, with acknowledgements word for word."""
    lines = [f"# {facts.mark}Attribution of release {facts.version}", ""]
    for row in rows:
        lines += [
            f"## {row['title']}",
            "",
            f"{row['attributed_to']} ({row['images_credited']:,} images)",
            "",
        ]
        if row["attribution_state"] == "pending":
            lines += ["The owner's own wording is still to come.", ""]
        for name, title in (
            ("copyright_notice", "Copyright"), ("acknowledgement", "Acknowledgement"), ("funding", "Funding"),
            ("cite_dois", "Please cite"), ("source_url", "Source"),
        ):  # fmt: skip
            if row[name]:
                lines.append(f"- {title}: {row[name]}")
        lines += [
            f"- Licence: {row['licence_spdx']} ({row['licence_url']})",
            f"- Contribution: {row['contribution_id']}",
            "",
        ]
    return "\n".join(lines)
