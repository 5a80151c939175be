"""What went before a release: earlier releases of its view, and who has withdrawn since.

Read from the sealed releases themselves: RELEASED.json and attribution.parquet of each must stay where they are, even
where the images of an old version are taken down.
"""

import datetime as dt
import re

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.facts import PreviousRelease, View, Withdrawn
from aqqua_dataset.release.gate import ReleaseRequest, as_strict
from aqqua_dataset.warehouse import Warehouse

#: List of withdrawn contributions inside a release.
WITHDRAWN = "withdrawn.csv"

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def number(version: str) -> tuple[int, int, int] | None:
    """MAJOR, MINOR and PATCH of a version, or None where it isn't one."""
    found = _VERSION.fullmatch(version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def version_order(version: str | None) -> tuple[int, int, int]:
    """What versions are sorted by; what is none comes first."""
    return number(version or "") or (0, 0, 0)


def release_of(view: View, version: str) -> str:
    """Folder of a release inside the warehouse; a rehearsal's version says that it is one."""
    return f"releases/{view}/v{version}"


def previous_releases(warehouse: Warehouse, view: View) -> tuple[PreviousRelease, ...]:
    """The finished releases of a view, the oldest version first; rehearsals are none."""
    found = []
    for name in (n for n in warehouse.names(f"releases/{view}") if n.startswith("v")):
        told = warehouse.read_json(f"releases/{view}/{name}/RELEASED.json")
        if told is not None and not told["rehearsal"]:
            day = dt.date.fromisoformat(told["date"])
            found.append(PreviousRelease(told["version"], day, told["manifest_sha256"]))
    return tuple(sorted(found, key=lambda r: version_order(r.version)))


def newest_releases(warehouse: Warehouse) -> tuple[str, ...]:
    """Folder of the release of each view that was finished last, rehearsals included."""
    found = []
    for view in ("internal", "public"):
        folders = [f"releases/{view}/{n}" for n in warehouse.names(f"releases/{view}") if n.startswith("v")]
        sealed = [f for f in folders if warehouse.exists(f"{f}/RELEASED.json")]
        found += [max(sealed, key=lambda f: (warehouse.modified(f"{f}/RELEASED.json"), f))] if sealed else []
    return tuple(found)


def credited_by(warehouse: Warehouse, view: View, release: PreviousRelease) -> dict[str, int]:
    """Images by credited contribution of a finished release."""
    path = f"{release_of(view, release.version)}/attribution.parquet"
    rows = warehouse.read_parquet(path, ["contribution_id", "images_credited"]).to_pylist()
    return {row["contribution_id"]: row["images_credited"] for row in rows}


def published_images(warehouse: Warehouse, view: View, release: PreviousRelease) -> dict[str, int]:
    """Images by contribution of a finished release, those without any left out."""
    rows = warehouse.read_parquet(
        f"{release_of(view, release.version)}/ledger.parquet", ["contribution_id", "published"]
    ).to_pylist()
    return {row["contribution_id"]: row["published"] for row in rows if row["published"]}


def withdrawn_since(
    registry: Registry, warehouse: Warehouse, view: View, previous: tuple[PreviousRelease, ...]
) -> tuple[Withdrawn, ...]:  # fmt: skip
    """Contributions that one of the releases credited and that are withdrawn now, by id.

    Nothing is said of a contribution that was withdrawn before any release: nobody has seen it.
    """
    last = {name: release.version for release in previous for name in credited_by(warehouse, view, release)}
    found = []
    for name in sorted(last):
        contribution = registry.contributions.get(name)
        if contribution is not None and contribution.revoked:
            event = [e for e in contribution.history if e.state == "revoked" and e.scope != "ecotaxa_access"][-1]
            found.append(Withdrawn(name, event.date, last[name], event.public_reason))
    return tuple(found)


def version_problems(
    registry: Registry, warehouse: Warehouse, request: ReleaseRequest, previous: tuple[PreviousRelease, ...]
) -> list[Finding]:  # fmt: skip
    """Why the version can't follow those before it: errors for a public release, otherwise warnings.

    A version that isn't one at all is an error for all of them.
    """
    wanted = number(request.version)
    if wanted is None:
        message = "expected a version MAJOR.MINOR.PATCH such as 1.0.0"
        return [Finding("version_invalid", "error", message, value=request.version)]
    earlier = [r for r in previous if r.version != request.version]
    if not earlier:
        return []
    last = earlier[-1]
    credited = credited_by(warehouse, request.view, last)
    gone = [name for name in sorted(credited) if name not in registry.contributions]
    message = f"published in {last.version} and no longer in the registry; mark it as revoked instead of removing it"
    found = [Finding("contribution_vanished", "error", message, name) for name in gone]
    major, minor, patch = version_order(last.version)
    if wanted < (major, minor, patch):
        message = f"{last.version} is published; expected a later version"
        found.append(Finding("version_not_later", "error", message, value=request.version))
    withdrawn = [name for name in credited if name in registry.contributions and registry.contributions[name].revoked]
    if withdrawn and (major, minor, patch) < wanted < (major, minor + 1, 0):
        message = (
            f"withdrawn since {last.version}: {', '.join(sorted(withdrawn))}; "
            f"expected a new minor version at least, {major}.{minor + 1}.0"
        )
        found.append(Finding("withdrawal_needs_minor", "error", message, value=request.version))
    return as_strict(found, request)
