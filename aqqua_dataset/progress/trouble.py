"""Which contributions wait for a person, and what for: from what their stages stored."""

from aqqua_dataset.findings import Finding
from aqqua_dataset.pipeline import VERSIONS, Collection, manifest
from aqqua_dataset.warehouse import Warehouse

#: Rule of the warning that a unit was inferred; the report asks its owner about it.
UNIT_UNCONFIRMED = "unit_unconfirmed"


def stored_findings(warehouse: Warehouse, contribution: str) -> list[Finding]:
    """Everything that the stages said of a contribution, notes included.

    Who refuses with a reason speaks of the present state; the stages' results may be of an earlier one then.
    """
    refused = warehouse.read_json(f"contributions/{contribution}/refused.json")
    told = [refused] if refused and refused["findings"] else [manifest(warehouse, contribution, s) for s in VERSIONS]
    return [Finding(**{**f, "contribution": contribution}) for said in told if said for f in said["findings"]]


def trouble(collection: Collection, contribution: str) -> list[Finding]:
    """What wants a person: every stored finding but notes, and what follows from all of a contribution's images."""
    core, quality = (manifest(collection.warehouse, contribution, stage) for stage in ("core", "quality"))
    found = [f for f in stored_findings(collection.warehouse, contribution) if f.severity != "note"]
    if core is not None and core["numbers"]["rejected"] and not core["numbers"]["usable"]:
        message = f"none of {core['numbers']['rejected']:,} images can be used; each is in quarantine with its reason"
        found.append(Finding("nothing_usable", "error", message, contribution))
    if quality is not None and (waiting := quality["numbers"].get("PIXEL_UNIT_INFERRED")):
        message = f"{waiting:,} images are withheld until the owner confirms the unit of the pixel size (overrules)"
        found.append(Finding(UNIT_UNCONFIRMED, "warning", message, contribution))
    return found
