"""The facts of one report: aggregates and a few examples, whatever the size of the contribution."""

import datetime as dt
from dataclasses import dataclass

from aqqua_dataset.findings import Finding


@dataclass(frozen=True)
class Counted:
    """One value and how many images have it; the value is "" where nothing was delivered."""

    value: str
    images: int


@dataclass(frozen=True)
class Arrival:
    """Counts of images: declared = missing + received, received = held_back + usable.

    Attributes:
        declared: images the form or the delivery speaks of, whichever is more.
        repeated: usable images whose pixels equal those of an earlier one in the same contribution.
        ledger: what the collection's ledger says of the usable images; None before it counted them.
    """

    declared: int
    missing: int
    received: int
    held_back: int
    usable: int
    repeated: int = 0
    ledger: "LedgerCounts | None" = None


@dataclass(frozen=True)
class LedgerCounts:
    """Usable images in the whole collection: usable = duplicate + withheld + permitted.

    Attributes:
        duplicate: for which an equal image, of this or another contribution, is published.
        withheld: not in the public release, for ``reason``.
        permitted: in the public release.
    """

    duplicate: int
    withheld: int
    permitted: int
    reason: str


@dataclass(frozen=True)
class Example:
    """One place in the delivery where something was found.

    Attributes:
        table: table or header inside the delivery, or "".
        line: 1-based line of it, or None.
        column: column or input, or "".
        value: what stands there, as delivered.
        object_id: the first object it was found at.
        images: how many images have this value.
    """

    table: str
    line: int | None
    column: str
    value: str
    object_id: str
    images: int


@dataclass(frozen=True)
class Marked:
    """One flag or one reason of quarantine, with its words from the vocabulary.

    Attributes:
        name: the vocabulary's name.
        severity: ``note``, ``suspect`` or ``fail`` of a flag; the stage of a reason.
        meaning: what it says; of a reason what was expected.
        action: what to do.
        images: how many images have it.
        examples: at most three, those that concern most images first.
    """

    name: str
    severity: str
    meaning: str
    action: str
    images: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class PixelSize:
    """One pixel size: value in micrometres, delivered text, column, who says the unit, and the rule applied."""

    um: float
    text: str
    column: str
    unit_source: str
    rule: str
    images: int


@dataclass(frozen=True)
class Reading:
    """One delivered value and what it was read as, in words."""

    delivered: str
    read: str


@dataclass(frozen=True)
class Dot:
    """Images around one place, degrees WGS 84."""

    latitude: float
    longitude: float
    images: int


@dataclass(frozen=True)
class Bar:
    """One bin of a histogram: from (inclusive) to (exclusive) in the histogram's unit."""

    start: float
    end: float
    images: int


@dataclass(frozen=True)
class Label:
    """One label as delivered, the taxon or thing it was understood as (or ""), and its images."""

    text: str
    taxon: str
    aphia_id: int | None
    images: int


@dataclass(frozen=True)
class Taxonomy:
    """Labels of a contribution.

    Attributes:
        labelled: images that have a label.
        labels: number of distinct labels.
        matched_images: labelled images whose label was understood.
        matched_labels: distinct labels that were understood.
        most: the commonest labels.
        unresolved: the commonest labels that were not understood.
        status: images by status of their label.
    """

    labelled: int
    labels: int
    matched_images: int
    matched_labels: int
    most: tuple[Label, ...]
    unresolved: tuple[Label, ...]
    status: tuple[Counted, ...]


@dataclass(frozen=True)
class Understood:
    """What the rows were understood to mean.

    Attributes:
        rows: rows that were looked at.
        partial: no image is usable, and these are the first rows as far as they could be read.
        pixel_sizes: the commonest; ``pixel_size_count`` is the number of all distinct values.
        image_mm: longer side of an image in millimetres: 5 %, half and 95 % are not longer.
        first, last: earliest and latest sampling time in UTC.
        time_bars: start of the bin in seconds since 1970, UTC.
        box: west, south, east, north in degrees; east is above 180 where the box crosses that meridian.
        depth_bars: metres.
        volumes: names of the volumes that are known, and for how many images.
    """

    rows: int
    partial: bool
    instruments: tuple[tuple[str, str, int], ...]
    deployments: tuple[Counted, ...]
    platforms: tuple[Counted, ...]
    events: int
    pixel_sizes: tuple[PixelSize, ...]
    pixel_size_count: int
    image_mm: tuple[float, float, float] | None
    first: dt.datetime | None
    last: dt.datetime | None
    time_precision: tuple[Counted, ...]
    time_zone: tuple[Counted, ...]
    time_bars: tuple[Bar, ...]
    time_example: Reading | None
    positions: int
    box: tuple[float, float, float, float] | None
    notation: tuple[Counted, ...]
    position_source: tuple[Counted, ...]
    water: tuple[Counted, ...]
    dots: tuple[Dot, ...]
    position_example: Reading | None
    depth: tuple[float, float] | None
    depth_kind: tuple[Counted, ...]
    depth_bars: tuple[Bar, ...]
    depth_example: Reading | None
    altitude: tuple[float, float] | None
    volumes: tuple[tuple[str, int, float, float], ...]
    taxonomy: Taxonomy


@dataclass(frozen=True)
class Thumbnail:
    """One small picture: its bytes as PNG or JPEG, its size in pixels, what it shows and how wide that is."""

    data: bytes
    media_type: str
    width: int
    height: int
    object_id: str
    label: str
    width_mm: float | None


@dataclass(frozen=True)
class Credit:
    """How the owner will be credited, as the registry has it.

    Attributes:
        line: the credit line.
        state: ``given``, ``pending`` or ``waived``.
        named: people who agreed to be named, with the place they are named at.
        unnamed: how many people don't want to be named.
        permissions: title and day of each permission given.
        missing: titles of the mandatory permissions that are missing.
        available_from: first day the images may be public.
    """

    line: str
    state: str
    named: tuple[tuple[str, str], ...]
    unnamed: int
    institutions: tuple[str, ...]
    copyright: str
    acknowledgement: str
    funding: str
    cite_dois: str
    licence: str
    licence_url: str
    interim_terms: str
    permissions: tuple[tuple[str, dt.date], ...]
    missing: tuple[str, ...]
    revoked: bool
    available_from: dt.date


@dataclass(frozen=True)
class Declared:
    """Answers of the form that the report repeats or asks for."""

    time_zone: str = ""
    instrument: str = ""
    pixel_size: str = ""
    water_type: str = "unknown"
    deployment_type: str = "unknown"
    elevation_m: float | None = None
    expected_images: int | None = None
    retrieved: dt.date | None = None


@dataclass(frozen=True)
class Facts:
    """Everything a report says.

    Attributes:
        dry_run: made by the contributor before anything was sent.
        refused: why the delivery wasn't read, or "".
        format: format the delivery was read as, or "".
        tables: tables that rows were read from, the largest first; ``table_count`` is the number of all.
        objects: distinct objects.
        findings: what was remarked about files, worst first.
    """

    contribution: str
    title: str
    description: str
    dry_run: bool
    refused: str
    format: str
    tables: tuple[Counted, ...]
    table_count: int
    objects: int
    arrival: Arrival
    understood: Understood | None
    declared: Declared
    flags: tuple[Marked, ...]
    reasons: tuple[Marked, ...]
    findings: tuple[Finding, ...]
    thumbnails: tuple[Thumbnail, ...]
    credit: Credit | None
