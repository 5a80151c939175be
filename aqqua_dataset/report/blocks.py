"""What a report is made of, before it becomes HTML or Markdown: both say the same because both render these."""

from dataclasses import dataclass, field
from typing import Literal

from aqqua_dataset.report.facts import Thumbnail

Tone = Literal["plain", "good", "note", "suspect", "fail"]


@dataclass(frozen=True)
class Text:
    """A paragraph; a tone other than plain sets it apart."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Pairs:
    """Terms, each with one or more sentences about it."""

    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Table:
    """A small table: the first column is text, the others are as they come; ``numbers`` are right-aligned columns."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A drawing, what it shows in words, and its numbers for those who can't see it."""

    svg: str
    alt: str
    caption: str
    table: Table | None = None


@dataclass(frozen=True)
class Figures:
    """Drawings that may stand side by side."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Card:
    """One thing that was remarked: what, how often, what to do, examples, and the name it has in the tables."""

    title: str
    tone: Tone
    badge: str
    lines: tuple[str, ...]
    examples: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Sheet:
    """The contact sheet; ``words`` are the caption of each picture."""

    pictures: tuple[Thumbnail, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Lines to be copied into a file."""

    text: str


Block = Text | Pairs | Table | Figure | Figures | Card | Sheet | Code


@dataclass(frozen=True)
class Section:
    """One part of the report with its anchor and heading."""

    anchor: str
    title: str
    blocks: tuple[Block, ...] = field(default=())


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    footer: str = "Land on the maps: Natural Earth, public domain."
