"""What it is called: the label as delivered, its status, and what each distinct label means."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from aqqua_dataset.harmonise.text import repair
from aqqua_dataset.harmonise.work import Work
from aqqua_dataset.labels.answers import answered, relevant
from aqqua_dataset.labels.match import Label, Match, resolve
from aqqua_dataset.labels.taxonomy import taxonomy

_STATUS = {
    "validated": "validated", "v": "validated", "predicted": "predicted", "p": "predicted",
    "dubious": "dubious", "d": "dubious", "discarded": "discarded", "x": "discarded",
    "unclassified": "unclassified", "noid": "unclassified",
}  # fmt: skip
_METHOD = {"validated": "human", "dubious": "human", "discarded": "human", "predicted": "machine"}

#: Column -> where a match has its value; "" is null there.
_TEXTS = {
    "taxon_name": "name", "taxon_rank": "rank", "taxon_match": "how", "label_kind": "parsed.kind",
    "life_stage": "parsed.life_stage", "life_stage_detail": "parsed.stage_detail", "sex": "parsed.sex",
    "body_part": "parsed.part", "organisation": "parsed.organisation", "view": "parsed.view",
    "nonliving_kind": "parsed.nonliving",
}  # fmt: skip
_LISTS = {
    "taxon_alternatives": "parsed.alternatives", "organism_state": "parsed.state", "associated": "parsed.associated",
    "label_form": "parsed.form", "image_quality_label": "parsed.quality", "label_residual": "parsed.residual",
}  # fmt: skip


def interpret(work: Work) -> None:
    """Sets the label columns; labels are flagged, never rejected."""
    label, label_id = work.text("label"), work.text("label_id").str.replace(r"\.0$", "", regex=True)
    labelled = label.notna() | label_id.notna()
    status = _status(work, labelled)
    ecotaxa = _is_ecotaxa(work)
    hierarchy = work.text("label_hierarchy")
    work.columns["label_verbatim"] = label
    work.columns["label_hierarchy_verbatim"] = hierarchy
    work.columns["label_scheme"] = work.constant("ecotaxa" if ecotaxa else work.contribution.id).where(labelled)
    work.columns["label_source_id"] = label_id
    work.columns["label_status"] = status
    work.columns["label_method"] = status.map(_METHOD).astype("str").fillna("unknown")
    _score(work, status)

    # Millions of images bear a few hundred labels: each is looked at once.
    asked = pd.DataFrame({"text": repair(label)[0], "hierarchy": repair(hierarchy)[0], "id": label_id}).fillna("")
    codes = asked.groupby(list(asked), sort=False).ngroup().to_numpy()
    matches = _matches(work, asked.drop_duplicates(), ecotaxa)
    _spread(work, matches, codes)
    work.columns["label_uncertain"] = work.columns["label_uncertain"] | (status == "dubious")
    _flags(work, matches, codes, label_id.notna() & ecotaxa)


def _is_ecotaxa(work: Work) -> bool:
    """Whether the labels are EcoTaxa's classes: by their id's class list, or by EcoTaxa's name for the column."""
    names = [c.column for c in work.candidates("label")]
    listed = any(c.unit == "ecotaxa" for c in work.candidates("label_id"))
    return listed or names[:1] == ["object_annotation_category"]


def _status(work: Work, labelled: pd.Series) -> pd.Series:
    delivered = work.text("label_status").str.lower()
    status = delivered.map(_STATUS).astype("str")
    work.flag("LABEL_STATUS_UNKNOWN", delivered.notna() & status.isna())
    work.flag("LABEL_WITHOUT_STATUS", labelled & delivered.isna())
    work.flag("STATUS_WITHOUT_LABEL", ~labelled & status.notna() & (status != "unclassified"))
    nothing = work.constant("unclassified").where(~labelled & delivered.isna(), "unknown")
    return status.fillna(nothing)


def _score(work: Work, status: pd.Series) -> None:
    """The classifier's score and name, unless a person decided: then they belong to another label."""
    by_machine = status.map(_METHOD) != "human"
    score, unreadable = work.number(work.text("label_score").where(by_machine))
    invalid = unreadable | ~(score.isna() | score.between(0, 1))
    work.flag("LABEL_SCORE_INVALID", invalid)
    work.columns["label_score"] = score.mask(invalid)
    work.columns["label_classifier"] = work.text("label_classifier").where(by_machine)


def _matches(work: Work, distinct: pd.DataFrame, ecotaxa: bool) -> list[Match]:
    snapshot = taxonomy(work.settings.taxonomy)
    scheme = "ecotaxa" if ecotaxa else work.contribution.id
    answers = relevant(work.answers, [scheme])
    labels = [Label(r.text, r.hierarchy, r.id if ecotaxa else "") for r in distinct.itertuples()]
    found = []
    for match, text, identity in zip(resolve(labels, snapshot), distinct["text"], distinct["id"], strict=True):
        name = text or identity
        answer = answers.get((scheme, name)) or answers.get(("", name))
        found.append(answered(match, answer, snapshot) if answer and name else match)
    return found


def _spread(work: Work, matches: list[Match], codes: npt.NDArray[np.int64]) -> None:
    """Columns of all rows from the meaning of their labels."""
    index = work.rows.index
    for column, place in _TEXTS.items():
        values = pd.Series([_value(m, place) or None for m in matches], dtype="str")
        work.columns[column] = values.take(codes).set_axis(index)
    qualifiers = pd.Series(["|".join(m.parsed.qualifier) or None for m in matches], dtype="str")
    work.columns["taxon_qualifier"] = qualifiers.take(codes).set_axis(index)
    for column in ("aphia_id", "aphia_id_matched"):
        numbers = pd.Series([getattr(m, column) for m in matches], dtype="Int64")
        work.columns[column] = numbers.take(codes).set_axis(index)
    for column, place in _LISTS.items():
        lists = pa.array([list(_value(m, place)) for m in matches], pa.list_(pa.string()))
        if column != "label_residual":
            lists = pa.compute.if_else(pa.compute.greater(pa.compute.list_value_length(lists), 0), lists, None)
        spread = lists.take(pa.array(codes, pa.int64()))
        work.columns[column] = pd.Series(pd.arrays.ArrowExtensionArray(spread), index)
    uncertain = np.array([m.parsed.uncertain for m in matches], dtype=bool)
    work.columns["label_uncertain"] = pd.Series(uncertain[codes], index)
    # An id that nobody knows is a label all the same.
    nothing_but_id = (work.columns["label_kind"] == "unlabelled") & work.columns["label_source_id"].notna()
    work.columns["label_kind"] = work.columns["label_kind"].mask(nothing_but_id, "unparsed")


def _value(match: Match, place: str) -> Any:
    owner, _, name = place.rpartition(".")
    return getattr(match.parsed if owner else match, name)


def _flags(work: Work, matches: list[Match], codes: npt.NDArray[np.int64], has_class_id: pd.Series) -> None:
    """Flags of the labels; what a person answered is settled."""

    def where(test: list[bool]) -> npt.NDArray[np.bool_]:
        return np.array(test, dtype=bool)[codes]

    answered_by_hand = where([m.how == "manual" for m in matches])
    kind = work.columns["label_kind"]
    residue = where([bool(m.parsed.residual) for m in matches])
    unknown = work.columns["aphia_id"].isna().to_numpy()
    marine = work.contribution.declared.water_type == "marine"
    work.flag("LABEL_ID_UNKNOWN", has_class_id & ~where([m.known_id for m in matches]))
    work.flag("LABEL_UNPARSED", ((kind == "unparsed") | residue) & ~answered_by_hand)
    work.flag("LABEL_NO_APHIA", kind.isin(["taxon", "part"]) & unknown & ~answered_by_hand)
    work.flag("APHIA_NOT_MARINE", where([m.is_marine is False for m in matches]) & marine)
    work.flag("APHIA_HIERARCHY_CONFLICT", where([m.conflict for m in matches]))
    work.flag("APHIA_EXTINCT", where([m.is_extinct is True for m in matches]))
    work.flag("LABEL_DEPRECATED", where([m.deprecated for m in matches]))
