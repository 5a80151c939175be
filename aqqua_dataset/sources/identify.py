"""Says which reader fits a delivery, by the names of its files and, where a name isn't enough, their content."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import READERS, Telling, reader
from aqqua_dataset.transfer.delivery import Delivery

_EXAMPLES = 50  # of the files that tell a format; enough to look into, whatever the delivery's size
_GENERAL = "table"


@dataclass(frozen=True)
class Fit:
    """One reader that fits, and its evidence in words."""

    format: str
    evidence: str


def fitting(delivery: Delivery) -> list[Fit]:
    """The readers that fit, the most telling first; a reader covered by another that fits is left out.

    The reader of tables and folders fits nearly everything and is named only when no other does.
    """
    counts = dict.fromkeys(READERS, 0)
    examples: dict[str, list[str]] = {name: [] for name in READERS}
    patterns = [(name, reader(name).TELLING) for name in READERS]
    for file in delivery.files():
        base = posixpath.basename(file.path)
        for name, pattern in patterns:
            if pattern.fullmatch(base):
                counts[name] += 1
                if len(examples[name]) < _EXAMPLES:
                    examples[name].append(file.path)
    found = {}
    for name in READERS:
        told = counts[name] and reader(name).detect(delivery, Telling(counts[name], tuple(examples[name])))
        if told:
            found[name] = told
    covered = {other for name in found for other in reader(name).COVERS}
    special = [Fit(n, told) for n, told in found.items() if n not in covered and n != _GENERAL]
    return special or [Fit(n, told) for n, told in found.items()]


def not_recognised(contribution: str, fits: Sequence[Fit]) -> Finding:
    """Says that no reader fits a delivery, or which several do."""
    told = "; ".join(f"{fit.format}: {fit.evidence}" for fit in fits)
    message = (
        f"several formats fit: name one of them in source.format ({told})"
        if fits
        else f"no format fits: name one of {', '.join(READERS)} in source.format, or look at the delivery"
    )
    return Finding("format_not_recognised", "error", message, contribution, key="source.format")
