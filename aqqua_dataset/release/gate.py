"""What may be in a view, and whether a release may be made at all: pure functions, no clock of their own."""

import datetime as dt
from collections.abc import Collection as Ids
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from aqqua_dataset.findings import Finding, Refused, Severity
from aqqua_dataset.registry.licences import answered, item_licence
from aqqua_dataset.registry.models import Contribution, Registry
from aqqua_dataset.release.facts import View

#: The day promised to every contributor. There is no setting, flag or variable that moves it.
EMBARGO_ENDS = dt.date(2027, 7, 15)
EMBARGO_ZONE = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class ReleaseRequest:
    """The release somebody asks for.

    Attributes:
        version: MAJOR.MINOR.PATCH.
        view: ``internal`` or ``public``.
        date: day the release is dated.
        rehearsal: practise only: marked in every file, never published.
    """

    version: str
    view: View
    date: dt.date
    rehearsal: bool

    @property
    def name(self) -> str:
        """Version as it stands in every file: a rehearsal says so."""
        return f"{self.version}-rehearsal" if self.rehearsal else self.version

    @property
    def strict(self) -> bool:
        """Whether it is meant for the public: then an error stops it."""
        return self.view == "public" and not self.rehearsal


def as_strict(findings: list[Finding], request: ReleaseRequest) -> list[Finding]:
    """Errors stop a public release; a rehearsal and the internal view only say what is still to be done."""
    if request.strict:
        return findings
    return [replace(f, severity="warning") if f.severity == "error" else f for f in findings]


def withheld_reason(registry: Registry, contribution: Contribution, request: ReleaseRequest) -> str | None:
    """Why no image of a contribution may be in the requested view, or None when they may."""
    if contribution.revoked:
        return "permission_withdrawn"
    if item_licence(registry, contribution) is None:
        return "permission_missing"
    if request.view == "public" and contribution.not_before is not None and request.date < contribution.not_before:
        return f"not_before_{contribution.not_before.isoformat()}"
    return None


def gate(
    registry: Registry, with_data: Ids[str], registry_findings: list[Finding], request: ReleaseRequest, now: dt.datetime
) -> list[Finding]:  # fmt: skip
    """Findings that decide about the request; any error stops it.

    Args:
        registry: the whole registry.
        with_data: ids of the contributions that have images in the warehouse.
        registry_findings: what the registry's own validation found.
        request: the release asked for.
        now: the present moment, with a time zone.
    """
    findings = [f for f in registry_findings if f.severity == "error"]
    if request.strict:
        findings += embargo(request.date, now)
    for contribution in registry.contributions.values():
        held = contribution.id in with_data
        awaited = held or contribution.state != "pledged"
        if contribution.revoked or not awaited or item_licence(registry, contribution):
            continue
        # What was never read can't be released; what was, somebody once thought to be permitted.
        severity: Severity = "error" if held and request.strict else "warning"
        message = f"{_not_permitted(registry, contribution)}. Its images are left out" + (
            "; for a public release the permission must be given, or the contribution marked as revoked" if held else ""
        )
        findings.append(Finding("permission_missing", severity, message, contribution.id))
    return findings


def _not_permitted(registry: Registry, contribution: Contribution) -> str:
    if not answered(contribution) and contribution.source is not None and contribution.source.licence:
        return f"no form, and the licence {contribution.source.licence} does not allow it"
    return f"permission missing: {', '.join(registry.missing_mandatory(contribution))}"


def embargo(date: dt.date, now: dt.datetime) -> list[Finding]:
    """Why nothing dated ``date`` may be public now; nothing speaks against it when empty."""
    today = now.astimezone(EMBARGO_ZONE).date()
    promise = f"the contributors were promised that nothing is public before {EMBARGO_ENDS.isoformat()}"
    findings = []
    if date < EMBARGO_ENDS:
        message = f"the release is dated {date.isoformat()}, but {promise} (Europe/Berlin)"
        findings.append(Finding("embargo_release_date", "error", message, value=date.isoformat()))
    if today < EMBARGO_ENDS:
        message = f"today is {today.isoformat()}, but {promise} (Europe/Berlin)"
        findings.append(Finding("embargo_today", "error", message, value=today.isoformat()))
    elif date > today:
        message = f"the release is dated {date.isoformat()}, which lies in the future"
        findings.append(Finding("release_date_in_future", "error", message, value=date.isoformat()))
    return findings


class ReleaseRefused(Refused):
    """The gate or a check stopped the release; nothing was published."""

    what = "the release"
