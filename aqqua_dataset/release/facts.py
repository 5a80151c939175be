"""The facts of one release that every card and record repeats; said once here."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal, Protocol

View = Literal["internal", "public"]

#: Before every title and text of a rehearsal.
REHEARSAL = "[REHEARSAL - not a release] "


class Marked(Protocol):
    """What every document says of where it comes from: a version, and for a rehearsal a mark before titles."""

    @property
    def version(self) -> str:
        """Version of the release, or of the list."""

    @property
    def mark(self) -> str:
        """Prefix of titles and texts, or ""."""

    @property
    def what(self) -> str:
        """What a title calls it: ``release 1.0.0``."""


@dataclass(frozen=True)
class Draft:
    """Says of documents outside a release, such as a manuscript's author list, which list they come from."""

    version: str
    mark: str = ""

    @property
    def what(self) -> str:
        """What a title calls it."""
        return self.version


@dataclass(frozen=True)
class PreviousRelease:
    """An earlier release of the same view, as its RELEASED.json has it."""

    version: str
    date: dt.date
    manifest_sha256: str


@dataclass(frozen=True)
class Withdrawn:
    """A contribution that an earlier release of the view credited and that its owner has withdrawn since.

    Attributes:
        contribution_id, date: which one, and the day it was withdrawn.
        last_version: the last release that credited it.
        reason: why, in words that the owner allows to be public; None otherwise.
    """

    contribution_id: str
    date: dt.date
    last_version: str = ""
    reason: str | None = None


@dataclass(frozen=True)
class ReleaseFacts:
    """What one release is, in numbers and dates.

    Attributes:
        version: MAJOR.MINOR.PATCH; a rehearsal's ends in ``-rehearsal``.
        view: who it is for.
        date: day of the release.
        rehearsal: whether this only practises the release; then every file says so.
        images: number of images per contribution id.
        instruments: number of images per instrument id.
        image_bytes: bytes of all image archives.
        box: west, south, east, north in degrees (WGS 84), or None without images.
        first_sampled, last_sampled: range of the sampling dates, or None.
        previous: earlier releases of the view, the oldest first; rehearsals aren't among them.
        withdrawn: contributions withdrawn since one of them, by id.
    """

    version: str
    view: View
    date: dt.date
    rehearsal: bool
    images: dict[str, int]
    instruments: dict[str, int]
    image_bytes: int
    box: tuple[float, float, float, float] | None
    first_sampled: dt.date | None
    last_sampled: dt.date | None
    previous: tuple[PreviousRelease, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()

    @property
    def image_count(self) -> int:
        """Images in the release."""
        return sum(self.images.values())

    @property
    def what(self) -> str:
        """What a title calls it."""
        return f"release {self.version}"

    @property
    def mark(self) -> str:
        """Prefix that marks a rehearsal in every title and text, or ""."""
        return REHEARSAL if self.rehearsal else ""
