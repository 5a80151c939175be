"""What it is called: the label as delivered, its status, and its taxon where the class list's id says so."""

import functools

import pandas as pd

from aqqua_dataset import schema
from aqqua_dataset.harmonise.work import Work

_STATUS = {
    "validated": "validated", "v": "validated", "predicted": "predicted", "p": "predicted",
    "dubious": "dubious", "d": "dubious", "discarded": "discarded", "x": "discarded",
    "unclassified": "unclassified", "noid": "unclassified",
}  # fmt: skip
_METHOD = {"validated": "human", "dubious": "human", "discarded": "human", "predicted": "machine"}


@functools.cache
def taxa() -> pd.DataFrame:
    """EcoTaxa category id -> accepted taxon name and AphiaID, from the dated snapshot; renamed ids followed."""
    table = schema.vocabulary("ecotaxa_taxonomy_2026-01.csv").set_index("ecotaxa_id")
    target = table["rename_to"].where(table["rename_to"].isin(table.index), table.index.to_series())
    accepted = table.loc[target].set_axis(table.index)
    usable = (accepted["type"] == "P") & (accepted["aphia_id"] != "")
    return pd.DataFrame(
        {
            "name": accepted["name"].where(usable),
            "aphia_id": pd.to_numeric(accepted["aphia_id"].where(usable)),
        }
    )


def interpret(work: Work) -> None:
    """Sets the label columns; labels are flagged, never rejected."""
    label, label_id = work.text("label"), work.text("label_id").str.replace(r"\.0$", "", regex=True)
    delivered = work.text("label_status").str.lower()
    status = delivered.map(_STATUS).astype("str")
    labelled = label.notna() | label_id.notna()
    work.flag("LABEL_STATUS_UNKNOWN", delivered.notna() & status.isna())
    work.flag("LABEL_WITHOUT_STATUS", labelled & delivered.isna())
    work.flag("STATUS_WITHOUT_LABEL", ~labelled & status.notna() & (status != "unclassified"))
    nothing = work.constant("unclassified").where(~labelled & delivered.isna(), "unknown")
    status = status.fillna(nothing)

    ecotaxa = any(c.unit == "ecotaxa" for c in work.candidates("label_id"))
    known = taxa().reindex(label_id if ecotaxa else work.empty()).set_axis(work.rows.index)
    listed = label_id.isin(taxa().index)
    work.flag("LABEL_ID_UNKNOWN", label_id.notna() & ~listed & ecotaxa)
    work.columns["label_verbatim"] = label
    work.columns["label_hierarchy_verbatim"] = work.text("label_hierarchy")
    work.columns["label_scheme"] = work.constant("ecotaxa" if ecotaxa else work.contribution.id).where(labelled)
    work.columns["label_source_id"] = label_id
    work.columns["label_status"] = status
    work.columns["label_method"] = status.map(_METHOD).astype("str").fillna("unknown")
    work.columns["taxon_name"] = known["name"]
    work.columns["aphia_id"] = known["aphia_id"]
    work.columns["taxon_match"] = work.constant("id_map").where(known["name"].notna(), "none")
