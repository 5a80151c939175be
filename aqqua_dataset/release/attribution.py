"""Whom to credit for what: one row per contribution, joined to every image by its contribution id."""

from collections.abc import Iterable, Iterator, Mapping

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.credit import Funding
from aqqua_dataset.registry.licences import ItemLicence, item_licence
from aqqua_dataset.registry.models import Contribution, Registry
from aqqua_dataset.release.escape import markdown, markdown_lines, one_line, visible
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import identities, ror_url

#: Columns of the table ``attribution``, in order: text, but for dates and ``images_credited``.
ATTRIBUTION_COLUMNS = (
    "contribution_id", "title", "attributed_to", "attribution_state", "institutions", "institution_rors",
    "copyright_notice", "licence_spdx", "licence_url", "source_url", "source_dataset_id", "source_licence_spdx",
    "source_licence_seen", "retrieved_on", "changes_made", "acknowledgement", "funding", "cite_dois",
    "permission_type", "permission_date", "interim_terms", "images_credited", "credit_page", "release",
)  # fmt: skip

_CHANGES = (
    "Metadata harmonised; metadata chunks of image files removed without re-encoding; raw pixels and files other "
    "than PNG and JPEG stored as lossless PNG; pixels unchanged."
)


def grants_licence(facts: ReleaseFacts) -> bool:
    """Whether a release licenses anything to anybody: neither a rehearsal nor the internal view does."""
    return facts.view == "public" and not facts.rehearsal


def credit_page(contribution: str) -> str:
    """Path of a contribution's page inside a release."""
    return f"contributions/{contribution}.html"


def attribution_rows(registry: Registry, facts: ReleaseFacts, credited: Mapping[str, int]) -> list[dict[str, object]]:
    """The rows of the ``attribution`` table, by contribution id.

    Args:
        registry: the whole registry.
        facts: the release.
        credited: published images by credited contribution: its own, and those of others that stand
            for an equal image it delivered.
    """
    people = _named_owners(registry)
    return [_row(registry, facts, people, registry.contributions[i], credited[i]) for i in sorted(credited)]


def attribution_problems(registry: Registry, credited: Iterable[str]) -> Iterator[Finding]:
    """Contributions that can't be published yet because nobody knows how their owner wants to be credited."""
    for name in sorted(credited):
        given, file = registry.contributions[name].attribution, f"contributions/{name}.yaml"
        if given.state == "pending" and given.fallback_agreed is None:
            message = (
                "the owner's credit line is pending. Enter it (state: given), that they want none (state: waived), or "
                "the day they agreed to be credited by name and institution meanwhile (fallback_agreed)"
            )
            yield Finding("attribution_pending", "error", message, name, file, key="attribution.state", value="pending")
        elif given.state == "given" and given.text is None:
            message = "the credit line is given, but its text is missing"
            yield Finding("attribution_text_missing", "error", message, name, file, key="attribution.text")


def _row(
    registry: Registry, facts: ReleaseFacts, people: Mapping[str, str], contribution: Contribution, images: int
) -> dict[str, object]:
    attribution, source, settings = contribution.attribution, contribution.source, registry.settings
    institutions = [registry.institutions[i] for i in dict.fromkeys(contribution.institutions)]
    # Without any licence it is only previewed; the terms are then those that a signature would bring.
    licence = item_licence(registry, contribution) or ItemLicence(settings.licence_spdx, settings.licence_url, True)
    values = (
        contribution.id,
        one_line(contribution.title),
        _credit_line(registry, people, contribution),
        attribution.state,
        "; ".join(one_line(i.name) for i in institutions) or None,
        # An empty place keeps the ids in step with the names.
        "; ".join(ror_url(i.ror) or "" for i in institutions) if any(i.ror for i in institutions) else None,
        _words(attribution.copyright_notice),
        licence.spdx,
        licence.url,
        _words(source.url) if source else None,
        _words(source.dataset_id) if source else None,
        source.licence if source else None,
        source.licence_seen if source else None,
        source.retrieved if source else None,
        _CHANGES,
        _words(attribution.acknowledgement),
        "; ".join(dict.fromkeys(_grant(f) for f in attribution.funding)) or None,
        "; ".join(dict.fromkeys(attribution.cite_dois)) or None,
        "signed" if licence.signed else "public_licence",
        # Nothing may be released before the last of the mandatory permissions was given.
        max((p.date for p in contribution.permissions if p.id in _mandatory(registry)), default=None),
        _interim_terms(contribution),
        images,
        credit_page(contribution.id),
        facts.version,
    )
    return dict(zip(ATTRIBUTION_COLUMNS, values, strict=True))


def _words(text: str | None) -> str | None:
    """The owner's own words with their line breaks, without characters that nobody can see."""
    return visible(text).strip() if text else None


def _mandatory(registry: Registry) -> set[str]:
    return {p.id for p in registry.settings.permissions if p.mandatory}


def _interim_terms(contribution: Contribution) -> str | None:
    """The choice of the form, with the terms themselves where they are the contributor's own."""
    return ": ".join(filter(None, (contribution.interim_terms, _words(contribution.interim_terms_text)))) or None


def _named_owners(registry: Registry) -> dict[str, str]:
    """Name by person id, the same for records of one person; without those who stay anonymous or weren't asked."""
    return {
        name: one_line(" ".join(filter(None, (p.given, p.particle, p.family, p.suffix))))
        for name, p in identities(registry).items()
        if not p.unnamed
    }


def _credit_line(registry: Registry, people: Mapping[str, str], contribution: Contribution) -> str:
    """The owner's wording; while that is pending owners and institutions, and if waived the consortium."""
    attribution, consortium = contribution.attribution, registry.settings.dataset.consortium
    if attribution.state == "given" and attribution.text:
        return visible(attribution.text).strip()
    if attribution.state == "waived":
        return f"Data provided by {consortium}"
    names = [people[o] for o in contribution.owners if o in people]
    places = [one_line(registry.institutions[i].name) for i in contribution.institutions]
    return f"Data provided by {', '.join(dict.fromkeys([*names, *places])) or consortium}"


def _grant(funding: Funding) -> str:
    return one_line(", ".join(filter(None, (funding.funder, funding.award_number, funding.award_title))))


#: What is told of a contribution beside its credit line: column, and its name for people.
TOLD = (
    ("copyright_notice", "Copyright"), ("acknowledgement", "Acknowledgement"), ("funding", "Funding"),
    ("cite_dois", "Please cite"), ("source_url", "Source"), ("changes_made", "Changes made"),
)  # fmt: skip


def attribution_markdown(rows: list[dict[str, object]], facts: ReleaseFacts) -> str:
    """The attribution as people read it, with acknowledgements word for word."""
    lines = [f"# {facts.mark}Attribution of release {facts.version}", ""]
    if not grants_licence(facts):
        lines += ["Nothing is licensed by this release. The licences named are those of the public release.", ""]
    for row in rows:
        images = f"{row['images_credited']:,} image{'' if row['images_credited'] == 1 else 's'}"
        credit = f"{markdown_lines(str(row['attributed_to']), '  ')} ({images})"
        lines += [f"## {markdown(str(row['title']))}", "", f"- Credit: {credit}"]
        if row["attribution_state"] == "pending":
            lines.append("- The owner's own wording is still to come.")
        for name, title in TOLD:
            if row[name]:
                lines.append(f"- {title}: {markdown_lines(str(row[name]), '  ')}")
        licence = f"{row['licence_spdx']} ({row['licence_url']})"
        basis = ", of the public copy; no form was signed" if row["permission_type"] == "public_licence" else ""
        lines += [f"- Licence: {licence}{basis}", f"- Contribution: {row['contribution_id']}"]
        lines += [f"- Page: [{row['credit_page']}]({row['credit_page']})", ""]
    return "\n".join(lines)
