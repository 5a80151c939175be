"""Announces a sealed release: the dataset's page shows it, and ``latest.json`` of its view names it.

Nothing is copied. latest.json is written in one step; whoever reads it finds a whole release behind it. Releasing and
announcing are two steps, because people sign off what was built in between.
"""

from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.concept import write_concept_page
from aqqua_dataset.release.facts import View
from aqqua_dataset.release.history import version_order
from aqqua_dataset.warehouse import Warehouse


class AnnounceRefused(Refused):
    """The release may not be the latest one; nothing was changed."""

    what = "the publication"


def latest_path(view: View) -> str:
    """Where it stands which release of a view is the latest."""
    return f"releases/{view}/latest.json"


def announce(
    registry: Registry, warehouse: Warehouse, folder: str, gate_errors: list[Finding]
) -> dict[str, str | None]:
    """Makes a release the latest of its view; a second time changes nothing.

    Args:
        registry: the whole registry.
        warehouse: where the release lies.
        folder: its folder.
        gate_errors: what the gate says against it; nobody asks the gate about the internal view.

    Returns:
        What latest.json says: version, prefix (folder beside the file), doi, manifest_sha256.

    Raises:
        AnnounceRefused: it is unfinished, a rehearsal, older than the latest, or the gate is red.
        CommitConflict: somebody else announced another one meanwhile.
    """
    sealed = warehouse.read_json(f"{folder}/RELEASED.json")
    if sealed is None:
        raise AnnounceRefused([_error("release_unfinished", "expected a finished release", folder)])
    view: View = "public" if sealed["view"] == "public" else "internal"
    path = latest_path(view)
    warehouse.watch(path)
    before = warehouse.read_json(path)
    doi = registry.settings.dataset.doi if view == "public" else None
    said: dict[str, str | None] = {
        "version": sealed["version"], "prefix": f"{folder.rstrip('/').rsplit('/', 1)[-1]}/", "doi": doi,
        "manifest_sha256": sealed["manifest_sha256"],
    }  # fmt: skip
    found = [*gate_errors] if view == "public" else []
    if sealed["rehearsal"]:
        found.append(_error("rehearsal_announced", "a rehearsal is never published", folder))
    elif before is not None and version_order(before["version"]) > version_order(said["version"]):
        found.append(_error("older_than_latest", f"{before['version']} is the latest already", sealed["version"]))
    if found:
        raise AnnounceRefused(found)
    if before != said:
        write_concept_page(registry, warehouse, view, sealed["version"])
        warehouse.commit_json(path, said)
    return said


def _error(rule: str, message: str, value: str) -> Finding:
    return Finding(rule, "error", message, value=value)
