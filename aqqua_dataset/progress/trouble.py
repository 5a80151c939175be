"""Which contributions wait for a person, and what for: from what their stages stored."""

from aqqua_dataset.findings import Finding
from aqqua_dataset.pipeline import VERSIONS, Collection, manifest


def trouble(collection: Collection, contribution: str) -> list[Finding]:
    """Everything but notes that any stage said of a contribution, and what follows from all of them together."""
    read = collection.warehouse.read_json
    stored = [read(f"contributions/{contribution}/{name}.json") for name in (*VERSIONS, "refused")]
    found = [Finding(**{**f, "contribution": contribution}) for said in stored if said for f in said["findings"]]
    return [f for f in found if f.severity != "note"] + _of_all_images(collection, contribution)


def _of_all_images(collection: Collection, contribution: str) -> list[Finding]:
    core, quality = (manifest(collection.warehouse, contribution, stage) for stage in ("core", "quality"))
    found = []
    if core is not None and core["numbers"]["rejected"] and not core["numbers"]["usable"]:
        message = f"none of {core['numbers']['rejected']:,} images can be used; the check images_in_quarantine says why"
        found.append(Finding("nothing_usable", "error", message, contribution))
    if quality is not None and (waiting := quality["numbers"].get("PIXEL_UNIT_INFERRED")):
        message = f"{waiting:,} images are withheld until the owner confirms the unit of the pixel size (overrules)"
        found.append(Finding("unit_unconfirmed", "warning", message, contribution))
    return found
