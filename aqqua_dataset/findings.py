"""What was found wrong or noteworthy, said once and shown everywhere (terminal, Dagster, reports).

A finding is about a contribution, a file or a registry entry. What is wrong with a single image is
not a finding but a flag or a reject reason in its row.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
_ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Finding:
    """One finding: where, what was found, what was expected.

    Attributes:
        rule: stable name of the rule that spoke, e.g. ``tsv_empty`` or ``orcid_checksum``.
        severity: ``error`` stops the thing it is about, ``warning`` wants a person, ``note`` informs.
        message: what was found, what was expected and what to do, in one or two sentences.
        contribution: contribution id, or "" where it concerns the registry as a whole.
        file: path inside the delivery or the registry folder, or "".
        line: 1-based line in ``file``, or None.
        key: YAML key or column name, or "".
        value: the offending value as delivered, or "".
        count: how many times it was found (examples beyond the first are not repeated).
    """

    rule: str
    severity: Severity
    message: str
    contribution: str = ""
    file: str = ""
    line: int | None = None
    key: str = ""
    value: str = ""
    count: int = 1

    def __str__(self) -> str:
        """One line for a terminal: ``error registry/people/x.yaml:4 orcid: message``."""
        place = self.file + (f":{self.line}" if self.line is not None else "")
        parts = [self.severity, place, self.key and f"{self.key}:", self.message]
        value = f" [found: {self.value}]" if self.value and self.value not in self.message else ""
        times = f" ({self.count} times)" if self.count > 1 else ""
        return " ".join(p for p in parts if p) + value + times

    def as_row(self) -> dict[str, str | int | None]:
        """The finding as one row of the ``findings`` table."""
        return asdict(self)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Errors before warnings before notes, then by place: a stable order for reports."""
    return sorted(
        findings,
        key=lambda f: (_ORDER[f.severity], f.contribution, f.file, f.line or 0, f.key, f.rule),
    )


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding stops the thing it is about."""
    return any(f.severity == "error" for f in findings)


class Refused(Exception):
    """Something was refused for content, not for broken infrastructure; ``findings`` say why."""

    what = "the request"

    def __init__(self, findings: list[Finding]) -> None:
        """Keeps the findings for whoever shows them; errors stand in the message."""
        self.findings = findings
        errors = "; ".join(str(f) for f in findings if f.severity == "error")
        super().__init__(f"{self.what} refused: {errors}")
