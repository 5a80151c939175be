"""The release gate: nineteen rules over registry, built release and moment. No red one, and it may be published.

A pure function: nothing here reads a file or a clock. A value that no rule knows is red. Rules that need nothing but
the registry are asked before a public release is built, all but the last before it is sealed, and all before it is
published.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.credit import Consent
from aqqua_dataset.registry.identifiers import is_spdx_like, is_valid_doi, is_valid_orcid, is_valid_ror
from aqqua_dataset.registry.licences import answered, item_licence
from aqqua_dataset.registry.models import Contribution, Registry
from aqqua_dataset.release.attribution import attribution_problems
from aqqua_dataset.release.facts import REHEARSAL
from aqqua_dataset.release.gate import EMBARGO_ENDS, EMBARGO_ZONE, embargo
from aqqua_dataset.release.people import identities
from aqqua_dataset.release.released import Released

# Contribution id or "", and what was found.
Objections = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """What is judged: registry, built release, and the present moment with its time zone."""

    registry: Registry
    released: Released
    now: dt.datetime

    @property
    def today(self) -> dt.date:
        """Today in Berlin."""
        return self.now.astimezone(EMBARGO_ZONE).date()

    def contributions(self) -> list[Contribution]:
        """Those with images in the release, or credited for an image that another one holds too."""
        names = sorted({*self.released.images, *self.released.attribution})
        return [self.registry.contributions[n] for n in names if n in self.registry.contributions]

    def signed(self) -> list[Contribution]:
        """Those whose owner has sent a form; the others are published by the licence of a public copy, if at all."""
        return [c for c in self.contributions() if answered(c)]


def _embargo(case: Case) -> Objections:
    if case.released.view != "public":
        yield "", f"the view is {case.released.view!r}"
    if case.released.rehearsal:
        yield "", "it is a rehearsal"
    yield from (("", finding.message) for finding in embargo(case.released.date, case.now))
    if case.registry.settings.release_date != EMBARGO_ENDS:
        yield "", f"the settings' release_date is {case.registry.settings.release_date}"


def _known(case: Case) -> Objections:
    for name, images in case.released.images.items():
        if name not in case.registry.contributions:
            yield name, f"{images:,} images of {name or 'no contribution'}, which is not in the registry"


def _permission(case: Case) -> Objections:
    kinds = {k.id for k in case.registry.settings.permissions}
    for c in case.contributions():
        for given in c.permissions:
            if given.id not in kinds:
                yield c.id, f"permission {given.id!r}, which is in no form"
            if given.date > min(case.today, case.released.date):
                yield c.id, f"{given.id} was given on {given.date}, after the release"
    for c in case.signed():
        if missing := case.registry.missing_mandatory(c):
            yield c.id, f"not permitted: {', '.join(missing)}"
        for key, value in (("form_id", c.form_id), ("form_date", c.form_date)):
            if value is None:
                yield c.id, f"{key} is missing"


def _in_force(case: Case) -> Objections:
    for c in case.contributions():
        if c.revoked and case.released.images.get(c.id):
            yield c.id, "the permission is withdrawn"
        if c.not_before is not None and c.not_before > min(case.released.date, case.today):
            yield c.id, f"its owner allows it from {c.not_before} on"
        if c.state not in ("agreed", "received", "validated", "accepted", "revoked"):
            yield c.id, f"its state is {c.state!r}"


def _access(case: Case) -> Objections:
    for c in case.registry.contributions.values():
        for event in c.history:
            if event.state == "revoked" and event.scope not in ("all", "ecotaxa_access"):
                yield c.id, f"something was revoked with the scope {event.scope!r}"
        if c.id in case.released.withdrawn and not c.revoked:
            yield c.id, "left out as withdrawn, although only the access to EcoTaxa was"


def _authority(case: Case) -> Objections:
    for c in case.signed():
        if c.form is not None and c.form.signer not in c.owners and not c.form.authority:
            yield c.id, f"signed by {c.form.signer}, who is no owner and states no authority"
        for who in c.contributors:
            if who.type == "RightsHolder" and who.person not in c.owners:
                yield c.id, f"{who.person} holds rights but is not among the owners"


def _interim(case: Case) -> Objections:
    terms = {t.id for t in case.registry.settings.interim_terms}
    for c in case.contributions():
        if answered(c) and c.interim_terms not in terms:
            yield c.id, f"interim terms {c.interim_terms!r}"
        if c.interim_terms == "other" and not c.interim_terms_text:
            yield c.id, "other interim terms without their text"
        if c.source is not None and c.source.licence and c.source.licence_seen is None:
            yield c.id, f"licence {c.source.licence} of the source, without the day it was seen"


def _licence(case: Case) -> Objections:
    for c in case.contributions():
        licence = None if answered(c) else item_licence(case.registry, c)
        spdx = case.registry.settings.licence_spdx if answered(c) else licence.spdx if licence else None
        row = case.released.attribution.get(c.id, {})
        if spdx is None:
            yield c.id, f"no form, and {c.source.licence if c.source else None!r} does not allow it"
        elif row.get("licence_spdx") != spdx:
            yield c.id, f"attribution.csv says {row.get('licence_spdx')!r}; the registry {spdx}"


def _credit_state(case: Case) -> Objections:
    concerned = [c.id for c in case.contributions()]
    for finding in attribution_problems(case.registry, concerned):
        yield finding.contribution, finding.message
    for c in case.contributions():
        if c.attribution.state not in ("given", "pending", "waived"):
            yield c.id, f"the credit line's state is {c.attribution.state!r}"


def _notices(case: Case) -> Objections:
    for c in case.contributions():
        row = case.released.attribution.get(c.id)
        if row is None:
            yield c.id, "no row in attribution.csv"
            continue
        needed = ["attributed_to", "licence_url", "changes_made"]
        if not answered(c) and row.get("licence_spdx", "").startswith("CC-BY"):
            needed += ["copyright_notice", "source_url"]
        for column in needed:
            if not row.get(column):
                yield c.id, f"attribution.csv has no {column}"


def _authors(case: Case) -> Objections:
    people = identities(case.registry)
    named = {person for person, _, _ in case.released.people}
    for c in case.contributions():
        for person in (people.get(o) for o in c.owners):
            if person is None:
                yield c.id, "an owner is not in the registry"
            elif person.consent == Consent.ANONYMOUS:
                if person.id in named:
                    yield c.id, f"{person.id} wants to stay anonymous and is named"
            elif person.consent == Consent.NOT_ASKED:
                yield c.id, f"nobody has asked its owner {person.id} how they want to be named"
            elif person.id not in named:
                yield c.id, f"its owner {person.id} is not named"
    for name, role, contributions in case.released.people:
        if not contributions and not (name in people and people[name].core_team):
            yield "", f"{name} is named ({role}) without a contribution and is not core team"


def _identifiers(case: Case) -> Objections:
    settings = case.registry.settings
    told: list[tuple[str, str | None, Callable[[str], bool]]] = [
        ("", settings.licence_spdx, is_spdx_like), ("", settings.dataset.doi or "", is_valid_doi),
        ("", settings.dataset.publisher_ror, is_valid_ror),
        *(("", p.orcid, is_valid_orcid) for p in case.registry.people.values()),
        *(("", i.ror, is_valid_ror) for i in case.registry.institutions.values()),
        *((c.id, d, is_valid_doi) for c in case.contributions() for d in c.attribution.cite_dois),
        *((c.id, f.ror, is_valid_ror) for c in case.contributions() for f in c.attribution.funding),
    ]  # fmt: skip
    for contribution, value, valid in told:
        if value is not None and not valid(value):
            yield contribution, f"{value!r} is not valid"


def _privacy(case: Case) -> Objections:
    mailbox = case.registry.settings.dataset.contact_email
    for file, text in case.released.personal:
        if text.removeprefix("e-mail: ") != mailbox:
            # The value itself is not repeated: this page is read by more people than may know it.
            yield "", f"{file}: something personal (SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"


def _counts(case: Case) -> Objections:
    released = case.released
    if sum(released.images.values()) != released.total:
        yield "", f"RELEASED.json says {released.total:,} images, the tables hold {sum(released.images.values()):,}"
    for name in sorted({*released.images, *released.published}):
        held, said = released.images.get(name, 0), released.published.get(name, 0)
        if held != said:
            yield name, f"the tables hold {held:,} images, the ledger says {said:,}"
    for file, document in released.documents.items():
        if document.get("images") not in (None, released.total):
            yield "", f"{file} says {document['images']:,} images, RELEASED.json {released.total:,}"


def _checksums(case: Case) -> Objections:
    for file, found in case.released.damaged:
        yield "", f"{file}: {found}"


def _agreement(case: Case) -> Objections:
    settings, released = case.registry.settings, case.released
    public = released.view == "public"
    expected = {
        "title": (REHEARSAL if released.rehearsal else "") + settings.dataset.title, "version": released.version,
        "doi": settings.dataset.doi if public and not released.rehearsal else None,
        "licence": settings.licence_spdx.lower() if public else None, "date": released.date.isoformat(),
        "licence_url": settings.licence_url if public else None,
    }  # fmt: skip
    names = released.documents.get("datacite.json", {}).get("names")
    for file, said in released.documents.items():
        for key, value in (expected | {"names": names}).items():
            if key in said and said[key] != value:
                yield "", f"{file}: {key} is {said[key]!r}, expected {value!r}"


def _evidence(case: Case) -> Objections:
    forms: dict[str, str] = {}
    for c in case.signed():
        if c.form is None or len(c.form.sha256) != 64:
            yield c.id, "no SHA-256 of the archived form"
        elif forms.setdefault(c.form_id or "", c.form.sha256) != c.form.sha256:
            yield c.id, f"another SHA-256 than the other contribution of form {c.form_id}"


def _positions(case: Case) -> Objections:
    for c in case.contributions():
        review = c.positions
        if review is None:
            yield c.id, "nobody has looked at its positions"
        elif review.state not in ("none", "cleared"):
            yield c.id, f"the review of its positions is {review.state!r}"
        elif review.date > case.today or review.by not in case.registry.people:
            yield c.id, f"its positions were reviewed by {review.by} on {review.date}"


def _sign_off(case: Case) -> Objections:
    people = identities(case.registry)
    signed = {
        people[s.person].id
        for s in case.registry.sign_offs
        if s.manifest_sha256 == case.released.manifest_sha256 and s.version == case.released.version
        and s.date <= case.today and s.person in people and people[s.person].core_team
    }  # fmt: skip
    if len(signed) < 2:
        yield "", f"{len(signed)} people of the core team signed manifest {case.released.manifest_sha256} off"


@dataclass(frozen=True)
class Rule:
    """One rule: what it says in plain words, and what it rests on."""

    code: str
    says: str
    basis: str
    objections: Callable[[Case], Objections]


_FORM, _CC, _GDPR = "the signed form", "CC BY-NC 4.0", "GDPR"
#: In the order in which they are shown.
RULES = (
    Rule("G01", f"Nothing is public before {EMBARGO_ENDS}, 00:00 in Berlin.", _FORM, _embargo),
    Rule("G02", "Every image belongs to a contribution of the registry.", "the registry", _known),
    Rule("G03", "Every signed form gives all mandatory permissions, before the release.", _FORM, _permission),
    Rule("G04", "The permission is not withdrawn, and the owner's own date has come.", _FORM, _in_force),
    Rule("G05", "Access to EcoTaxa taken back is no withdrawal.", _FORM, _access),
    Rule("G06", "Who signed owns the data or may speak for the owners.", "copyright law", _authority),
    Rule("G07", "The terms until the release are known, and when they were seen.", _FORM, _interim),
    Rule("G08", "Images without a form have a public licence that may stand in this collection.", _CC, _licence),
    Rule("G09", "Each owner said how to be credited.", f"{_CC}, section 3(a)", _credit_state),
    Rule("G10", "Credit, licence, source and changes are stated.", f"{_CC}, section 3(a)", _notices),
    Rule("G11", "Each owner is named or opted out; nobody else is an author.", _FORM, _authors),
    Rule("G12", "ORCID, ROR, DOI and licence identifiers are valid.", "DataCite 4.5", _identifiers),
    Rule("G13", "No file holds e-mail, phone, form id or network address.", _GDPR, _privacy),
    Rule("G14", "All counts of images are equal.", "good scientific practice", _counts),
    Rule("G15", "Every file has the checksum that the manifest lists.", "good scientific practice", _checksums),
    Rule("G16", "All documents agree on title, version, DOI, licence, date and names.", "DataCite 4.5", _agreement),
    Rule("G17", "The signed form is archived and can be proved.", "GDPR, article 7(1)", _evidence),
    Rule("G18", "Somebody looked whether positions may be public.", "nature protection and security law", _positions),
    Rule("G19", "Two people of the core team signed exactly these files off.", "the project's own rule", _sign_off),
)


#: They ask nothing but the registry, so that a public release that can't be published isn't built for hours.
EARLY_RULES = tuple(r for r in RULES if r.code in ("G03", "G04", "G06", "G07", "G09", "G12", "G17", "G18"))
#: All but the sign-off, which needs the finished files.
BUILD_RULES = tuple(r for r in RULES if r.code != "G19")


@dataclass(frozen=True)
class Verdict:
    """One rule and what speaks against it; green when nothing does."""

    rule: Rule
    objections: tuple[tuple[str, str], ...]

    @property
    def green(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.objections

    def findings(self) -> list[Finding]:
        """The objections as errors."""
        return [
            Finding(self.rule.code, "error", f"{self.rule.code}: {found}. Expected: {self.rule.says}", contribution)
            for contribution, found in self.objections
        ]


def judge(
    registry: Registry, released: Released, now: dt.datetime, rules: tuple[Rule, ...] = RULES
) -> list[Verdict]:  # fmt: skip
    """What each rule says of a built release; ``now`` has a time zone."""
    case = Case(registry, released, now)
    return [Verdict(rule, tuple(rule.objections(case))) for rule in rules]
