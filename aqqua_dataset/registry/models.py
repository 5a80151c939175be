"""The registry's records as typed, closed models: an unknown key is an error, not a surprise.

Only the shape of one file is decided here. What can be judged only with all files together
(references, duplicate people, the history's order) is in ``check``.
"""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from aqqua_dataset.registry.credit import Attribution as Attribution
from aqqua_dataset.registry.credit import AuthorPolicy as AuthorPolicy
from aqqua_dataset.registry.credit import Consent as Consent
from aqqua_dataset.registry.credit import Funding as Funding
from aqqua_dataset.registry.credit import Institution as Institution
from aqqua_dataset.registry.credit import Paper as Paper
from aqqua_dataset.registry.credit import Person as Person
from aqqua_dataset.registry.credit import PersonDecision as PersonDecision
from aqqua_dataset.registry.credit import Record as Record
from aqqua_dataset.registry.credit import Slug as Slug
from aqqua_dataset.registry.credit import Text as Text
from aqqua_dataset.registry.decisions import DuplicateDecision
from aqqua_dataset.registry.fetching import DashboardBins as DashboardBins
from aqqua_dataset.registry.fetching import FetchFrom as FetchFrom
from aqqua_dataset.registry.messages import MailServer as MailServer
from aqqua_dataset.registry.messages import MessageSettings as MessageSettings
from aqqua_dataset.registry.publishing import DoiSettings, EarlierTotal, Form, PositionReview, ProgressPolicy, SignOff

#: Value of ``source.format`` when the format is to be recognised from the files.
AUTO = "auto"


class Permission(Record):
    """One permission of the form, with the date it was given."""

    id: Slug
    date: dt.date


class Contributor(Record):
    """A person's part in a contribution: DataCite contributor type and CRediT roles."""

    person: Slug
    type: Text
    credit_roles: tuple[Text, ...] = ()


class Column(Record):
    """One column that an input is read from: its name, its unit where the value has one, the format of a time."""

    column: Text
    unit: Text | None = None
    format: Text | None = None


class Join(Record):
    """Further tables whose rows are joined to the images' rows, e.g. stations or CTD casts.

    Attributes:
        id: short name; the joined columns are called ``<id>.<column>``.
        tables: glob of the tables inside the delivery, or inside ``location``.
        location: path or URL of the tables where they didn't come with the delivery.
        sheet: sheet of a spreadsheet; the first when left out.
        key: columns of these tables that tell their rows apart.
        to: columns of the images' rows that hold the same values, in the same order.
        mapping: canonical input -> column of these tables.
    """

    id: Slug
    tables: Text = "*"
    location: Text | None = None
    sheet: Text | None = None
    key: Annotated[tuple[Text, ...], Field(min_length=1)]
    to: Annotated[tuple[Text, ...], Field(min_length=1)]
    mapping: dict[str, Column] = Field(default_factory=dict)


class FolderValues(Record):
    """What holds for all images in a folder: canonical input -> value (metres, degrees, micrometres, ISO 8601)."""

    path: Text
    holds: Annotated[dict[str, str | float], Field(min_length=1)]


class Source(Record):
    """Where the delivery lies and how it is read.

    Attributes:
        format: reader name (see ``aqqua_dataset.sources``), or ``auto``: recognised from the files.
        location: path (relative to the deliveries folder) or URL of a folder or archive.
        dataset_id: id of the data set where it came from (EcoTaxa project, cruise, ...).
        retrieved: day the delivery was taken.
        url: public landing page or DOI of the source, for attribution.
        licence: SPDX id of the licence under which the copy we hold was public; see ``licences.csv``.
        licence_seen: day that licence was read at the source; it may have changed since.
        mapping: canonical input -> column; comes before what the format's own columns mean.
        tables: for a free table only: glob of the tables inside the delivery; ``none`` for images without a table.
        sheet: for a free table only: sheet of a spreadsheet; the first when left out.
        images: for a free table only: folder (or a glob of folders) of the images inside the delivery.
        names: regular expression whose named groups are read from each image's path as columns ``name.<group>``.
        joins: further tables, in order of trust.
        folders: values that hold for whole folders of images (glob of paths); the first that fits counts.
        credentials: name of the credentials to use, never the secret itself.
        fetch_from: where the delivery is fetched from, when it isn't laid at ``location`` by hand.
        dashboard: bins of ``dataset_id`` on the IFCB dashboard at ``url`` that are fetched without being asked to.
    """

    format: Text = AUTO
    location: Text
    dataset_id: Text | None = None
    retrieved: dt.date | None = None
    url: Text | None = None
    licence: Text | None = None
    licence_seen: dt.date | None = None
    mapping: dict[str, Column] = Field(default_factory=dict)
    tables: Text = "*"
    sheet: Text | None = None
    images: str = ""
    names: Text | None = None
    joins: tuple[Join, ...] = ()
    folders: tuple[FolderValues, ...] = ()
    credentials: Text | None = None
    fetch_from: FetchFrom | None = None
    dashboard: DashboardBins | None = None


class Quantity(Record):
    """A size with its unit in words, as the form asks for it."""

    value: Annotated[float, Field(gt=0)]
    unit: Text


class CultureOrigin(Record):
    """Where and when a culture was taken from the water; ``date`` is a day in UTC.

    Rows' own position and time come first, unless they are the laboratory's: then ``replaces`` is true.
    """

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    date: dt.date | None = None
    replaces: bool = False


class Sea(Record):
    """The sea that all positions should lie in, as a box in degrees; ``west`` > ``east`` crosses 180 degrees."""

    name: Text
    south: Annotated[float, Field(ge=-90, le=90)]
    north: Annotated[float, Field(ge=-90, le=90)]
    west: Annotated[float, Field(ge=-180, le=180)]
    east: Annotated[float, Field(ge=-180, le=180)]

    @model_validator(mode="after")
    def _south_is_below_north(self) -> "Sea":
        if self.south > self.north:
            raise ValueError("south must not be greater than north")
        return self


class Declared(Record):
    """Answers of the form that hold for every image of the contribution."""

    instrument: Text | None = None
    pixel_size: Quantity | None = None
    pixel_size_y: Quantity | None = None
    pixel_rescale_factor: Annotated[float, Field(gt=0)] | None = None
    column_units: dict[str, Text] = Field(default_factory=dict)
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=360)] | None = None
    depth_min_m: float | None = None
    depth_max_m: float | None = None
    depth_kind: Literal["point", "bin", "tow_interval", "nominal_surface", "intake"] | None = None
    time_zone: Text | None = None
    water_type: Literal["marine", "brackish", "freshwater", "culture", "unknown"] = "unknown"
    water_surface_elevation_m: Annotated[float, Field(ge=-450, le=6500)] | None = None
    sea: Sea | None = None
    culture_origin: CultureOrigin | None = None
    deployment_type: Text | None = None
    platform: Text | None = None


class Overrule(Record):
    """The owner's word that a flag doesn't hold, for the whole contribution or for some of its events.

    For ``PIXEL_UNIT_INFERRED`` it is the confirmation that a release waits for.
    """

    flag: Text
    events: tuple[Text, ...] = ()
    by: Slug
    date: dt.date
    why: Text


class Event(Record):
    """One step of a contribution's history. The history is append-only.

    ``reason`` stays in the registry; ``public_reason`` is what the owner allows the page of a withdrawn contribution
    to say.
    """

    date: dt.date
    state: Literal["pledged", "agreed", "received", "validated", "accepted", "revoked"]
    scope: Literal["all", "ecotaxa_access"] | None = None
    reason: Text | None = None
    public_reason: Text | None = None

    @model_validator(mode="after")
    def _revoked_says_what(self) -> "Event":
        if self.state == "revoked" and (self.scope is None or self.reason is None):
            raise ValueError("a revoked event needs scope (all or ecotaxa_access) and reason")
        return self


class Contribution(Record):
    """One data set under one permission set, as agreed in one form; the partition key."""

    id: Slug
    title: Text
    description: Text
    owners: Annotated[tuple[Slug, ...], Field(min_length=1)]
    contributors: tuple[Contributor, ...] = ()
    institutions: tuple[Slug, ...] = ()
    form_id: Text | None = None
    form_date: dt.date | None = None
    form: Form | None = None
    permissions: tuple[Permission, ...] = ()
    interim_terms: Text | None = None
    interim_terms_text: Text | None = None
    not_before: dt.date | None = None
    positions: PositionReview | None = None
    attribution: Attribution
    expected_images: Annotated[int, Field(ge=0)] | None = None
    expected_instruments: tuple[Text, ...] = ()
    source: Source | None = None
    declared: Declared = Declared()
    overrules: tuple[Overrule, ...] = ()
    history: Annotated[tuple[Event, ...], Field(min_length=1)]

    @property
    def state(self) -> str:
        """The state reached last; a withdrawn EcoTaxa *access* changes nothing."""
        states = [e.state for e in self.history if e.scope != "ecotaxa_access"]
        return states[-1] if states else "pledged"

    @property
    def revoked(self) -> bool:
        """Whether the permission (not merely the EcoTaxa access) was withdrawn."""
        return self.state == "revoked"


class PermissionKind(Record):
    """A permission the form can hold; mandatory ones decide intake.

    ``invites_to`` names the papers that owners who give it are invited to.
    """

    id: Slug
    title: Text
    mandatory: bool
    invites_to: Text | None = None


class InterimTerm(Record):
    """One choice of the form for the time until the release."""

    id: Slug
    title: Text
    spdx: Text | None = None


class DatasetRecord(Record):
    """What is said of the dataset as a whole in the DOI record, the cards and the landing page.

    ``url`` is the folder that holds the released versions, as ``<url>/v1.0.0/``. ``contact_url``, ``imprint_url`` and
    ``privacy_url`` are linked from the landing page; ``contact_email`` is in no file of a release.
    """

    title: Text
    description: Text
    publisher: Text
    publisher_ror: str | None = None
    consortium: Text
    doi: Text | None = None
    url: Text
    contact_email: Text
    contact_url: Text | None = None
    imprint_url: Text | None = None
    privacy_url: Text | None = None
    keywords: tuple[Text, ...] = ()
    language: Text = "en"
    funding: tuple[Funding, ...] = ()


class InstrumentAlias(Record):
    """Another spelling of an instrument of the vocabulary, as a person decided: the answer to one line of the queue."""

    spelling: Text
    instrument_id: Text
    by: Slug
    date: dt.date
    why: Text


class Settings(Record):
    """The collection's settings: release date, licence, and the form's options as data.

    ``longhurst`` is a file with the polygons of Longhurst's provinces (see ``harmonise.longhurst``), from the
    registry's folder on; without it the region is left open.
    ``taxonomy`` is the folder of a taxonomy snapshot, relative to the registry; the bundled one when left out.
    ``fetch_quota_gb``: a delivery that is larger isn't fetched, unless its own ``fetch_from`` allows it; no limit when
    left out.
    """

    release_date: dt.date
    time_zone: Text
    licence_spdx: Text
    licence_url: Text
    dataset: DatasetRecord
    permissions: Annotated[tuple[PermissionKind, ...], Field(min_length=1)]
    interim_terms: Annotated[tuple[InterimTerm, ...], Field(min_length=1)]
    authors: AuthorPolicy = AuthorPolicy()
    doi: DoiSettings = DoiSettings()
    progress: ProgressPolicy = ProgressPolicy()
    instrument_aliases: tuple[InstrumentAlias, ...] = ()
    longhurst: Text | None = None
    taxonomy: Text | None = None
    fetch_quota_gb: Annotated[float, Field(gt=0)] | None = None
    messages: MessageSettings = MessageSettings()


class LabelAnswer(Record):
    """What one label means, as a person decided: one row of ``labels.csv``.

    Attributes:
        scheme: class list the answer holds for, as in the column label_scheme; "" for any.
        label_verbatim: the label as delivered; the id of its class where only that was delivered.
        label_kind: a value of the enumeration label_kind.
        taxon_name: accepted name, where there is one.
        aphia_id: its AphiaID.
        reviewed_by: id of the person who decided.
        reviewed_on: the day.
        why: what the decision rests on.
    """

    scheme: str = ""
    label_verbatim: Text
    label_kind: Text
    taxon_name: Text | None = None
    aphia_id: Annotated[int, Field(ge=1)] | None = None
    reviewed_by: Slug
    reviewed_on: dt.date
    why: Text


class Contact(Record):
    """Private contact data of one person; never read by a release. ``messages: false``: wants none from us."""

    person: Slug
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
    mailing_list: bool = False
    messages: bool = True


class Registry(Record):
    """All records of one registry folder, validated as a whole."""

    settings: Settings
    people: dict[str, Person]
    institutions: dict[str, Institution]
    contributions: dict[str, Contribution]
    labels: tuple[LabelAnswer, ...] = ()
    duplicate_decisions: tuple[DuplicateDecision, ...] = ()
    decisions: tuple[PersonDecision, ...] = ()
    papers: tuple[Paper, ...] = ()
    sign_offs: tuple[SignOff, ...] = ()
    progress_earlier: tuple[EarlierTotal, ...] = ()

    def missing_mandatory(self, contribution: Contribution) -> list[str]:
        """Ids of the mandatory permissions this contribution lacks; empty means intake is allowed."""
        given = {p.id for p in contribution.permissions}
        return [p.id for p in self.settings.permissions if p.mandatory and p.id not in given]
