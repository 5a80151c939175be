"""What is still to be decided about names before a public release may be built."""

from collections.abc import Collection as Ids
from collections.abc import Iterable

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.gate import ReleaseRequest, as_strict, withheld_reason
from aqqua_dataset.release.snapshot import FROZEN, Snapshot, changes, freeze_problems, frozen_list
from aqqua_dataset.warehouse import Warehouse


def undecided_names(
    registry: Registry, with_data: Ids[str], registry_findings: Iterable[Finding], request: ReleaseRequest
) -> list[Finding]:
    """People who may be one person, anonymous owners who are named.

    Args:
        registry: the whole registry.
        with_data: ids of the contributions that have images in the warehouse.
        registry_findings: what the registry's own validation found; its errors stop every release anyway.
        request: the release asked for.
    """
    ids = [i for i in with_data if not withheld_reason(registry, registry.contributions[i], request)]
    open_questions = [f for f in registry_findings if f.severity != "error"]
    return as_strict(freeze_problems(registry, ids, open_questions), request)


def differs_from_frozen(warehouse: Warehouse, snapshot: Snapshot, request: ReleaseRequest) -> list[Finding]:
    """Where a release's list isn't the one that was frozen: a paper may have been sent in with that."""
    try:
        frozen = frozen_list(warehouse)
    except ValueError as error:
        return as_strict([Finding("author_list_unreadable", "error", str(error), file=FROZEN)], request)
    message = "the frozen author list says otherwise; decide, and run: aqqua authors freeze"
    told = changes(frozen, snapshot) if frozen else []
    found = [Finding("author_list_changed", "error", message, file=FROZEN, value=line) for line in told]
    return as_strict(found, request)
