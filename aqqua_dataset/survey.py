"""Looks at a delivery before it becomes a contribution: which reader fits, what is in it, what is missing.

The delivery is read and interpreted by the same code as in the pipeline, into a folder that is thrown away, with a
contribution whose form says nothing: what is then rejected is what the contributor still has to say.
"""

import datetime as dt
import tempfile
from collections import Counter
from dataclasses import dataclass, field

from aqqua_dataset import schema
from aqqua_dataset.findings import Finding
from aqqua_dataset.harmonise.rows import harmonise
from aqqua_dataset.registry.models import AUTO, Attribution, Contribution, Event, Settings, Source
from aqqua_dataset.sources.identify import Fit, fitting
from aqqua_dataset.sources.rows import count_images, load_rows, write_rows
from aqqua_dataset.transfer.delivery import Delivery
from aqqua_dataset.warehouse import Warehouse


@dataclass(frozen=True)
class Survey:
    """What was found in a delivery.

    Attributes:
        fits: the readers that fit, with their evidence.
        format: the reader it was read with; None when none or several fit.
        files: files in the delivery, those in archives included.
        objects: distinct objects.
        images: images the delivery speaks of.
        absent: images whose file isn't there.
        problems: images by reason why they couldn't be used as they are, most first.
        findings: what the reader reported.
    """

    fits: list[Fit]
    format: str | None
    files: int
    objects: int = 0
    images: int = 0
    absent: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def survey(source: Source, location: str, settings: Settings) -> Survey:
    """Reads a delivery as far as its metadata go.

    Args:
        source: how to read it; format ``auto`` takes the one that fits.
        location: path or URL of the delivery.
        settings: the collection's settings.

    Raises:
        FileNotFoundError: nothing lies there.
    """
    with Delivery(location) as delivery, tempfile.TemporaryDirectory() as scratch:
        files = sum(1 for _ in delivery.files())
        fits = fitting(delivery)
        if source.format == AUTO:
            if len(fits) != 1:
                return Survey(fits, None, files)
            source = source.model_copy(update={"format": fits[0].format})
        findings: list[Finding] = []
        warehouse = Warehouse(scratch)
        parts = write_rows(warehouse, "rows", delivery, source, "survey", findings.append)
        objects, absent = count_images(warehouse, "rows", len(parts), delivery)
        problems: Counter[str] = Counter()
        for part in range(len(parts)):
            result = harmonise(load_rows(warehouse, "rows", part), silent_form(source), settings)
            problems.update(result.quarantine["reason"].to_pylist())
        ordered = dict(problems.most_common())
        return Survey(fits, source.format, files, objects, sum(parts), absent, ordered, tuple(findings))


def silent_form(source: Source) -> Contribution:
    """A contribution whose form says nothing but how to read the delivery."""
    return Contribution(
        id="survey",
        title="Survey",
        description="A delivery that was looked at",
        owners=("nobody",),
        attribution=Attribution(state="pending"),
        source=source,
        history=(Event(date=dt.date(2000, 1, 1), state="pledged"),),
    )


def as_text(found: Survey, location: str) -> str:
    """The survey for a terminal."""
    lines = [f"{location}: {found.files:,} files"]
    lines += [f"  {fit.format}: {fit.evidence}" for fit in found.fits] or ["  no reader fits"]
    if found.format is None:
        told = "several readers fit; name one of them" if found.fits else "name a reader"
        return "\n".join([*lines, f"{told} in one line of the contribution's file, e.g. source: {{format: table, …}}"])
    lines.append(f"read as {found.format}: {found.objects:,} objects, {found.images:,} images, {found.absent:,} absent")
    actions = schema.vocabulary("reasons.csv").set_index("reason")["action"]
    lines += [f"  {count:,} images: {reason}. {actions[reason]}" for reason, count in found.problems.items()]
    if found.images and not found.problems:
        lines.append("  nothing is missing")
    return "\n".join(lines)
