"""What an agreed contribution must say of the form, or of the public copy that is taken without one."""

from collections.abc import Iterator
from typing import Protocol

from aqqua_dataset.findings import Finding, Severity
from aqqua_dataset.registry.licences import answered, item_licence
from aqqua_dataset.registry.models import Contribution, Registry, Source


class At(Protocol):
    """Makes the findings about one file."""

    def __call__(
        self, keys: tuple[str | int, ...], rule: str, message: str, value: object = "", severity: Severity = "error"
    ) -> Finding:
        """A finding about a key."""


def agreement_problems(registry: Registry, contribution: Contribution, at: At) -> Iterator[Finding]:
    """What the signed form has to hold; a pledge has no form yet."""
    if all(event.state in ("pledged", "revoked") for event in contribution.history):
        return
    source = contribution.source
    if not answered(contribution) and source is not None and source.licence is not None:
        yield from _public_copy(registry, contribution, source, at)
        return
    for key in ("form_id", "form_date", "permissions", "interim_terms"):
        if not getattr(contribution, key):
            yield at((key,), "agreement_incomplete", "an agreed contribution needs this key")
    missing = registry.missing_mandatory(contribution)
    if missing and contribution.permissions and not contribution.revoked:
        message = f"mandatory permission missing: {', '.join(missing)}; the data can't be taken"
        yield at(("permissions",), "permission_missing", message, "", "warning")


def _public_copy(registry: Registry, contribution: Contribution, source: Source, at: At) -> Iterator[Finding]:
    """What stands in for the form where a public copy is taken by its licence."""
    if item_licence(registry, contribution) is None:
        message = "without a form this licence doesn't allow it (vocabulary licences.csv); the data can't be taken"
        yield at(("source", "licence"), "licence_not_enough", message, source.licence, "warning")
    for key in ("licence_seen", "url"):
        if not getattr(source, key):
            message = "without a form it must be known where the copy was public, and when its licence was read"
            yield at(("source", key), "public_copy_incomplete", message)
