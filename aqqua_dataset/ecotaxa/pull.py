"""Pulls shared EcoTaxa projects into the deliveries: which may be pulled, how, and what is said when it is done.

The registry is the list of what was shared: contributions whose source is EcoTaxa, with the project's number as
``source.dataset_id``. Nothing else is ever asked about.
"""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aqqua_dataset import space
from aqqua_dataset.ecotaxa import ids
from aqqua_dataset.ecotaxa.client import EcoTaxa, refusal
from aqqua_dataset.ecotaxa.export import finish, pull_export
from aqqua_dataset.ecotaxa.message import note_download
from aqqua_dataset.ecotaxa.snapshot import Pull, Pulls
from aqqua_dataset.ecotaxa.staging import Staging
from aqqua_dataset.ecotaxa.windows import pull_windows
from aqqua_dataset.findings import Finding
from aqqua_dataset.pipeline import Collection as Holdings
from aqqua_dataset.pipeline import intake_refusal
from aqqua_dataset.privacy import blot
from aqqua_dataset.registry.models import AUTO, Contribution, Registry
from aqqua_dataset.transfer.alone import alone
from aqqua_dataset.transfer.archives import is_archive

#: Settings of a project that are kept beside a pull: what its columns mean, and nothing about persons.
_KEPT = (
    "projid", "title", "instrument", "status", "access", "objcount", "pctvalidated", "pctclassified", "formulae",
    "bodc_variables", "obj_free_cols", "sample_free_cols", "acquisition_free_cols", "process_free_cols",
)  # fmt: skip


@dataclass(frozen=True)
class Pulled:
    """A finished pull of one contribution: what it brought, what was noticed, and the note for the next message."""

    contribution: str
    pull: Pull
    message: str
    findings: tuple[Finding, ...]


def shared_projects(registry: Registry) -> tuple[dict[str, int], list[Finding]]:
    """Project of each contribution that may be pulled; and why other contributions from EcoTaxa may not."""
    found: dict[str, int] = {}
    refused: list[Finding] = []
    for contribution in registry.contributions.values():
        source = contribution.source
        if source is None or source.format not in ("ecotaxa", AUTO) or not (source.dataset_id or "").isdecimal():
            continue
        why = _refusal(registry, contribution, set(found.values()))
        if why is None:
            found[contribution.id] = int(source.dataset_id or 0)
        else:
            refused.append(why)
    return found, refused


def _refusal(registry: Registry, contribution: Contribution, taken: Collection[int]) -> Finding | None:
    """Why a contribution from EcoTaxa isn't pulled."""
    source = contribution.source
    assert source is not None
    intake = intake_refusal(registry, contribution)
    if intake is not None:
        return intake
    if any(e.scope == "ecotaxa_access" for e in contribution.history):
        message = "access to the project was taken back after the download, which is in order; it isn't asked again"
        return Finding("ecotaxa_access_ended", "note", message, contribution.id)
    if is_archive(source.location):
        message = "delivered as an archive, so not pulled; to pull it, name a folder of its own"
        return Finding("ecotaxa_location", "note", message, contribution.id, key="source.location")
    if int(source.dataset_id or 0) in taken:
        message = "another contribution has the same project; pull it once and name both data sets there"
        return Finding("ecotaxa_project_twice", "error", message, contribution.id, key="source.dataset_id")
    return None


@space.needed()
def pull(
    holdings: Holdings, contribution: str, client: EcoTaxa, now: dt.datetime, progress: Callable[[str], None]
) -> Pulled:  # fmt: skip
    """Pulls one contribution's project, going on where an earlier pull stopped.

    Raises:
        EcoTaxaRefused: it isn't shared, or EcoTaxa refused; whatever was fetched is kept for the next time.
        Busy: another run pulls it now.
    """
    shared, refused = shared_projects(holdings.registry)
    if contribution not in shared:
        why = next((f.message for f in refused if f.contribution == contribution), "no shared EcoTaxa project is named")
        raise refusal("ecotaxa_not_shared", f"{why}; nothing was asked", contribution=contribution)
    project = shared[contribution]
    source = holdings.registry.contributions[contribution].source
    assert source is not None
    pulls = Pulls(holdings.config.delivery_location(source.location), holdings.config.storage.deliveries)
    if pulls.newest() is None and pulls.store.find(pulls.name):
        message = "the folder holds files that no pull brought; name an empty one in source.location"
        raise refusal("ecotaxa_folder_in_use", message, contribution=contribution, key="source.location")
    with alone(holdings.warehouse, contribution):
        return _pulled(holdings, contribution, client, pulls, project, now, progress)


def _pulled(
    holdings: Holdings, contribution: str, client: EcoTaxa, pulls: Pulls, project: int, now: dt.datetime,
    progress: Callable[[str], None],
) -> Pulled:  # fmt: skip
    """The pull itself, while no other run is at it."""
    settings = client.project(project)
    pulls.settle()
    staging = Staging(holdings.warehouse, project)
    findings = [Finding(**told) for told in staging.state.get("findings", ())]  # of a pull that was stopped

    def report(finding: Finding) -> None:
        findings.append(dataclasses.replace(finding, contribution=contribution))
        staging.note(findings=[dataclasses.asdict(f) for f in findings])

    windows = staging.state.get("way") == "windows"
    if windows or not pull_export(client, staging, project, report, progress):
        progress("the account may view the project but not export it: objects and images are asked for one by one")
        pull_windows(client, staging, project, settings, report, progress)

    def compared(made: Pull) -> None:
        if made.changes.renumbered or made.changes.removed:
            kept = ids.keep_migrated_ids(client, pulls, made.since, made.stamp)
            told = f"{kept.told:,} numbers of objects are others now; kept in {ids.BRIDGE}"
            report(Finding("ecotaxa_renumbered", "note", told, count=1))

    made = pulls.commit(staging, project, {"project.json": _without_persons(settings)}, now, compared)
    _check_whole(made, settings, report)
    message = note_download(holdings, contribution, made, settings)
    finish(client, staging)
    staging.clear()
    return Pulled(contribution, made, message, tuple(findings))


def _without_persons(settings: Mapping[str, Any]) -> Any:
    return json.loads(
        blot(json.dumps({name: settings[name] for name in _KEPT if name in settings}, ensure_ascii=False))
    )


def _check_whole(made: Pull, settings: Mapping[str, Any], report: Callable[[Finding], None]) -> None:
    """Says when fewer objects or images came than EcoTaxa counts."""
    counted = settings.get("objcount")
    if counted is not None and int(counted) != made.objects:
        message = f"EcoTaxa counts {int(counted):,} objects and {made.objects:,} came; its count may be a day old"
        report(Finding("ecotaxa_objects_differ", "warning", message))
    if made.missing:
        message = "images that the tables name and EcoTaxa didn't give; ask the project's manager"
        report(Finding("ecotaxa_images_missing", "warning", message, count=made.missing))
