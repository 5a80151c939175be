"""CHANGELOG.md: every version with what was added, withdrawn and changed, in numbers."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aqqua_dataset.release.escape import markdown
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.history import published_images
from aqqua_dataset.warehouse import Warehouse


@dataclass(frozen=True)
class Version:
    """One version: its name, its day, and its images by contribution."""

    name: str
    date: dt.date
    images: Mapping[str, int]


@dataclass(frozen=True)
class Changes:
    """What became different from one version to the next; each as contributions and images.

    Attributes:
        added: contributions that weren't there before, with their images.
        withdrawn: contributions whose owner withdrew them, with the images they had.
        left_out: contributions that are gone for another reason, with the images they had.
        more, fewer: contributions that stayed, with the images they gained or lost.
    """

    added: tuple[int, int]
    withdrawn: tuple[int, int]
    left_out: tuple[int, int]
    more: tuple[int, int]
    fewer: tuple[int, int]


def versions(warehouse: Warehouse, facts: ReleaseFacts) -> list[Version]:
    """The release and those before it, the oldest first."""
    before = [Version(r.version, r.date, published_images(warehouse, facts.view, r)) for r in facts.previous]
    return [*before, Version(facts.version, facts.date, facts.images)]


def changes(before: Mapping[str, int], after: Mapping[str, int], withdrawn: Iterable[str]) -> Changes:
    """Compares the images by contribution of two versions."""
    gone = {c: n for c, n in before.items() if c not in after}
    taken = {c: n for c, n in gone.items() if c in set(withdrawn)}
    steps = [after[c] - n for c, n in before.items() if c in after]
    return Changes(
        added=_sum(n for c, n in after.items() if c not in before), withdrawn=_sum(taken.values()),
        left_out=_sum(n for c, n in gone.items() if c not in taken),
        more=_sum(s for s in steps if s > 0), fewer=_sum(-s for s in steps if s < 0),
    )  # fmt: skip


def _sum(counts: Iterable[int]) -> tuple[int, int]:
    listed = list(counts)
    return len(listed), sum(listed)


_WORDS = {
    "added": "Added", "withdrawn": "Withdrawn by their owners", "left_out": "Left out for other reasons",
    "more": "Grown", "fewer": "Shrunk",
}  # fmt: skip


def changelog(facts: ReleaseFacts, history: Sequence[Version]) -> str:
    """The newest version first; ``history`` has the oldest first."""
    lines = [f"# {facts.mark}Changes up to release {facts.version}", ""]
    before: Mapping[str, int] = {}
    sections = []
    for version in history:
        gone = [w for w in facts.withdrawn if w.contribution_id in before and w.contribution_id not in version.images]
        told = changes(before, version.images, [w.contribution_id for w in gone])
        section = [f"## {version.name}, {version.date.isoformat()}", ""]
        section += [f"{_counted((len(version.images), sum(version.images.values())))}.", ""]
        section += [
            f"- {words}: {_counted(getattr(told, name))}" for name, words in _WORDS.items() if getattr(told, name)[0]
        ]
        section += [f"- `{markdown(w.contribution_id)}` was withdrawn on {w.date.isoformat()}" for w in gone]
        sections.append([*section, ""])
        before = version.images
    return "\n".join([*lines, *(line for section in reversed(sections) for line in section)])


def _counted(count: tuple[int, int]) -> str:
    contributions, images = count
    return (
        f"{contributions:,} contribution{'' if contributions == 1 else 's'}, "
        f"{images:,} image{'' if images == 1 else 's'}"
    )
