"""Reads ``labels.csv``, people's answers to labels, and checks where the taxonomy snapshot lies."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from aqqua_dataset import schema
from aqqua_dataset.findings import Finding
from aqqua_dataset.labels.taxonomy import read_about
from aqqua_dataset.registry.models import LabelAnswer, Person, Settings
from aqqua_dataset.registry.tables import load_table, row_finding

ANSWERS = "labels.csv"
_EXPECTED = {
    "aphia_id": "expected a WoRMS AphiaID, a whole number above zero",
    "reviewed_by": "expected the id of a person in people/",
    "reviewed_on": "expected a date such as 2025-08-31",
}


def load_answers(folder: Path, people: Mapping[str, Person]) -> tuple[tuple[LabelAnswer, ...], list[Finding]]:
    """The answers of a registry and everything that is wrong with them; a row with a mistake is left out."""

    def problems(cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        if cells["label_kind"] not in schema.enumerations()["label_kind"]:
            yield "label_kind", f"expected one of {', '.join(schema.enumerations()['label_kind'])}"
        if cells["aphia_id"] and not cells["taxon_name"]:
            yield "taxon_name", "expected the name of the taxon with this AphiaID"
        if cells["reviewed_by"] not in people:
            yield "reviewed_by", _EXPECTED["reviewed_by"]

    rows, findings = load_table(folder, ANSWERS, LabelAnswer, _EXPECTED, problems)
    kept: dict[tuple[str, str], LabelAnswer] = {}
    for line, row in rows:
        key = (row.scheme, row.label_verbatim)
        if key in kept:
            message = "this label has an answer above; keep one"
            findings.append(row_finding(ANSWERS, line, "label_verbatim", message, row.label_verbatim))
        else:
            kept[key] = row
    return tuple(kept.values()), findings


def with_taxonomy(settings: Settings, folder: Path) -> tuple[Settings | None, list[Finding]]:
    """Settings whose taxonomy is a full path; None where the snapshot can't be read: none is taken in its place."""
    if settings.taxonomy is None:
        return settings, []
    place = folder / settings.taxonomy
    try:
        read_about(place)
    except ValueError as error:
        message = f"expected the folder of a taxonomy snapshot made by: aqqua taxonomy build ({error})"
        return None, [
            Finding("taxonomy_invalid", "error", message, file="settings.yaml", key="taxonomy", value=settings.taxonomy)
        ]
    return settings.model_copy(update={"taxonomy": str(place)}), []
