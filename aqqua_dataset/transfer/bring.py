"""Brings a contribution's delivery by whatever way the registry names: links, a shared EcoTaxa project, a dashboard.

The command line has commands of their own for EcoTaxa and dashboards; this is the way without a person at a terminal.
"""

import datetime as dt
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from aqqua_dataset.ecotaxa import client
from aqqua_dataset.ecotaxa.pull import pull, shared_projects
from aqqua_dataset.ecotaxa.snapshot import Pulls
from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.ifcb_dashboard import Dashboard, Wanted, download
from aqqua_dataset.pipeline import Collection, intake_refusal
from aqqua_dataset.registry.models import Contribution
from aqqua_dataset.transfer.alone import Busy, alone
from aqqua_dataset.transfer.fetch import FetchReport, Outcome, fetch_contribution
from aqqua_dataset.warehouse import Warehouse

log = logging.getLogger(__name__)

Progress = Callable[[str], None]
Way = Literal["links", "ecotaxa", "dashboard"]


@dataclass(frozen=True)
class Ways:
    """How deliveries can be fetched, by contribution: ``links``, ``ecotaxa`` or ``dashboard``; and why some can't."""

    found: dict[str, Way]
    not_found: dict[str, Finding]


def find_ways(collection: Collection) -> Ways:
    """The ways of all contributions whose permissions allow it."""
    shared, refused = shared_projects(collection.registry)
    not_found = {f.contribution: f for f in refused}
    found: dict[str, Way] = {}
    for key, contribution in sorted(collection.registry.contributions.items()):
        source = contribution.source
        if source is None or intake_refusal(collection.registry, contribution) is not None:
            continue
        if source.fetch_from is not None:
            found[key] = "links"
        elif key in shared:
            found[key] = "ecotaxa"
        elif source.dashboard is not None:
            found[key] = "dashboard"
        elif source.format == "ifcb" and source.url and source.dataset_id:
            message = "bins are fetched by themselves only where source.dashboard says which; or: aqqua ifcb pull"
            not_found[key] = Finding("ifcb_dashboard_unasked", "note", message, key, key="source.dashboard")
    return Ways(found, not_found)


def bring(collection: Collection, contribution_id: str, ways: Ways, progress: Progress = log.info) -> FetchReport:
    """Fetches what is new or changed of a contribution's delivery.

    Args:
        collection: registry, deliveries and warehouse.
        contribution_id: which one.
        ways: of all contributions.
        progress: told how far it is.
    """
    way = ways.found.get(contribution_id)
    if way is None and contribution_id in ways.not_found:
        return FetchReport(contribution_id, "not_to_fetch", findings=(ways.not_found[contribution_id],))
    if way in (None, "links"):
        return fetch_contribution(collection, contribution_id, progress)
    contribution = collection.registry.contributions[contribution_id]
    try:
        if way == "ecotaxa":
            return _project(collection, contribution, progress)
        return _bins(collection, contribution, progress)
    except Refused as refused:
        findings = tuple(replace(f, contribution=contribution_id) for f in refused.findings)
        return FetchReport(contribution_id, "refused", findings=findings)


def is_there(collection: Collection, contribution: Contribution) -> bool:
    """Whether an EcoTaxa project was pulled before, or its delivery was laid down by hand, or a pull is under way.

    A pull that was stopped in its last step is brought to its end.
    """
    assert contribution.source is not None
    location = collection.config.delivery_location(contribution.source.location)
    pulls = Pulls(location, collection.config.storage.deliveries)
    try:
        with alone(collection.warehouse, contribution.id):
            pulls.settle()
    except Busy:
        return True
    return pulls.newest() is not None or bool(pulls.store.names(pulls.name))


def _project(collection: Collection, contribution: Contribution, progress: Progress) -> FetchReport:
    """Raises EcoTaxaRefused, with ``ecotaxa_no_access`` where the environment holds neither token nor password."""
    assert contribution.source is not None
    told = collection.registry.settings.dataset
    server = os.environ.get(client.SERVER_VARIABLE) or client.SERVER
    account = client.EcoTaxa(
        server, client.Access.from_environment(None), f"{told.url}; mailto:{told.contact_email}",
        {int(contribution.source.dataset_id or 0)},
    )  # fmt: skip
    done = pull(collection, contribution.id, account, dt.datetime.now(dt.UTC), progress)
    numbers = {"objects": done.pull.objects, "images": done.pull.images, "images_missing": done.pull.missing}
    outcome: Outcome = "unchanged" if done.pull.same_as else "fetched"
    return FetchReport(contribution.id, outcome, done.pull.stamp, numbers, done.findings)


def _bins(collection: Collection, contribution: Contribution, progress: Progress) -> FetchReport:
    source = contribution.source
    assert source is not None
    if source.url is None or source.dataset_id is None or source.dashboard is None:
        message = "expected the dashboard's address and the name of the data set there"
        finding = Finding("ifcb_dashboard_unnamed", "error", message, contribution.id, key="source.url")
        return FetchReport(contribution.id, "refused", findings=(finding,))
    found: list[Finding] = []
    wanted = Wanted(source.dataset_id, source.dashboard.first, source.dashboard.last, source.dashboard.bins)
    store = Warehouse(collection.config.delivery_location(source.location), collection.config.storage.deliveries)
    contact = collection.registry.settings.dataset.url
    with alone(collection.warehouse, contribution.id):
        done = download(Dashboard(source.url, contact), wanted, store, found.append, progress)
    numbers = {"bins": done.bins, "fetched_now": done.files, "bytes_now": done.bytes, "files_missing": done.missing}
    findings = tuple(replace(f, contribution=contribution.id) for f in found)
    return FetchReport(contribution.id, "fetched" if done.files else "unchanged", "", numbers, findings)
