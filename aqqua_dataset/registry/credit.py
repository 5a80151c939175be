"""People, institutions and how they are credited: the registry's records that every list of names is made from."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Record(BaseModel):
    """Base of all registry records: frozen, no unknown keys, no numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Consent(StrEnum):
    """How a person agreed to be named; ``not_asked`` is named nowhere, and any answer takes its place."""

    NOT_ASKED = "not_asked"
    AUTHOR = "author"
    CONSORTIUM_ONLY = "consortium_only"
    ACKNOWLEDGE_ONLY = "acknowledge_only"
    ANONYMOUS = "anonymous"


class Institution(Record):
    """One institution; ``position`` places its star on the public map (degrees, WGS 84)."""

    id: Slug
    name: Text
    ror: str | None = None
    city: Text | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None


class Person(Record):
    """One person as they wish to be named. E-mail addresses live apart, in private/contacts.yaml.

    ``consent_date`` is the day of the consent; where nobody has asked yet, the day the record was made.
    """

    id: Slug
    given: Text
    family: Text
    particle: Text | None = None
    suffix: Text | None = None
    orcid: str | None = None
    affiliations: tuple[Slug, ...] = ()
    consent: Consent
    consent_date: dt.date
    core_team: bool = False
    same_as: Slug | None = None

    @property
    def unnamed(self) -> bool:
        """Whether the person is named nowhere: they want it so, or nobody has asked them."""
        return self.consent in (Consent.ANONYMOUS, Consent.NOT_ASKED)


class Funding(Record):
    """One grant to acknowledge."""

    funder: Text
    ror: str | None = None
    award_number: Text | None = None
    award_title: Text | None = None


class Attribution(Record):
    """How the owner wants to be credited.

    Attributes:
        state: ``given`` the wording is here, ``pending`` it is still to come, ``waived`` the owner wants none.
        fallback_agreed: while it is pending, the day the owner agreed to "Data provided by owner, institution";
            without that a public release waits for the wording.
        text, copyright_notice, acknowledgement: the owner's own words.
        cite_dois: bare DOIs of the papers to cite.
        funding: grants to acknowledge.
    """

    state: Literal["given", "pending", "waived"]
    fallback_agreed: dt.date | None = None
    text: Text | None = None
    copyright_notice: Text | None = None
    acknowledgement: Text | None = None
    cite_dois: tuple[Text, ...] = ()
    funding: tuple[Funding, ...] = ()


class PersonDecision(Record):
    """Whether two records are one person, as somebody decided: one row of ``people_decisions.csv``.

    Attributes:
        person: one record; of the two it gives name and affiliations where they are one person.
        other: the other record.
        decision: ``same`` joins them, ``different`` keeps them apart for good.
        decided_by: id of the person who decided.
        decided_on: the day.
        why: what the decision rests on.
    """

    person: Slug
    other: Slug
    decision: Literal["same", "different"]
    decided_by: Slug
    decided_on: dt.date
    why: Text


class Paper(Record):
    """What a DOI of ``cite_dois`` stands for: one row of ``papers.csv``; nothing is looked up.

    Attributes:
        doi: bare DOI.
        kind: ``article``, or ``misc`` for data sets, software and reports.
        title, container, publisher: as printed; ``container`` is the journal.
        authors: ``Family, Given; Family, Given``; a group's name in braces, ``{The Group}``.
        year, volume, pages: as printed.
    """

    doi: Text
    kind: Literal["article", "misc"]
    title: Text
    authors: Text
    year: Annotated[int, Field(ge=1600, le=2200)]
    container: Text | None = None
    volume: Text | None = None
    pages: Text | None = None
    publisher: Text | None = None


class AuthorPolicy(Record):
    """Who is named one by one, and in which order; see docs/authors.md.

    Attributes:
        order: ``core_then_alphabetical`` names the core team one by one and everybody else in the consortium. The
            others name everybody one by one: by name, by the number of images published, or by the day of the first
            permission.
        particle_sorts: whether de Vargas stands under D (true) or V (false).
        core_order: people of the core team who come first, in this order; the rest of it follows by name.
    """

    order: Literal["core_then_alphabetical", "alphabetical", "by_contribution_images", "by_first_permission_date"] = (
        "core_then_alphabetical"
    )
    particle_sorts: bool = True
    core_order: tuple[Slug, ...] = ()
