"""One part of verbatim rows to core rows and quarantine: no row is lost."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.errors
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.harmonise import (
    culture,
    depth,
    instrument,
    label,
    position,
    scale,
    size,
    surroundings,
    time,
    volume,
)
from aqqua_dataset.harmonise.text import repair, spreadsheet_damage
from aqqua_dataset.harmonise.work import Work
from aqqua_dataset.quality.thresholds import LEVELS
from aqqua_dataset.registry.models import Contribution, LabelAnswer, Settings

#: Columns that hold delivered words, and those that hold ids people give.
_TEXTS = (
    "label_verbatim",
    "label_hierarchy_verbatim",
    "instrument_verbatim",
    "platform",
    "event_id",
    "parent_event_id",
)
_IDS = ("source_object_id", "event_id", "parent_event_id")


@dataclass(frozen=True)
class Harmonised:
    """The two ways out: tables ``core`` and ``quarantine`` (see schemas/tables.yaml)."""

    core: pa.Table
    quarantine: pa.Table


def harmonise(
    rows: pd.DataFrame, contribution: Contribution, settings: Settings, answers: tuple[LabelAnswer, ...] = ()
) -> Harmonised:  # fmt: skip
    """Interprets rows as ``sources.rows.load_rows`` gives them, and labels as people answered; keeps their order."""
    work = interpreted(rows, contribution, settings, answers)
    quarantine = _quarantine(work)
    usable = ~rows["aqqua_image_id"].isin(quarantine["image_id"])
    core, broken = _validated(pd.DataFrame(work.columns)[usable], work)
    return Harmonised(core, to_arrow(pd.concat([quarantine, broken]), "quarantine"))


def interpreted(
    rows: pd.DataFrame, contribution: Contribution, settings: Settings, answers: tuple[LabelAnswer, ...] = ()
) -> Work:  # fmt: skip
    """The rows with what every interpreter made of them; rejected rows have their columns too."""
    work = Work(rows, contribution, settings, answers=answers)
    for reason in rows["aqqua_reject"].dropna().unique():
        work.reject(reason, rows["aqqua_reject"] == reason, "", rows["aqqua_value"])
    _identity(work)
    for interpret in (
        culture.interpret, instrument.interpret, scale.interpret, time.interpret, position.interpret,
        surroundings.interpret, depth.interpret, volume.interpret, size.interpret, label.interpret,
    ):  # fmt: skip
        interpret(work)
    _delivered_flags(work)
    _damaged_text(work)
    work.columns["qc_flags"], work.columns["qc_level"] = _flags(work)
    return work


def _identity(work: Work) -> None:
    source = work.contribution.source
    event = work.text("event_id")
    work.columns["image_id"] = work.rows["aqqua_image_id"]
    work.columns["contribution_id"] = work.constant(work.contribution.id)
    work.columns["source_system"] = work.constant(source.format if source else None)
    work.columns["source_dataset_id"] = work.constant(source.dataset_id if source else None)
    work.columns["source_object_id"] = work.rows["aqqua_object_id"]
    work.columns["source_image_file"] = work.rows["aqqua_image_file"]
    work.columns["source_image_rank"] = work.rows["aqqua_image_rank"]
    work.columns["image_variant"] = work.rows["aqqua_variant"]
    work.columns["event_id"] = event.mask(event.str.startswith("__DUMMY_ID__").fillna(False).astype(bool))
    work.columns["parent_event_id"] = work.text("parent_event_id")


def _delivered_flags(work: Work) -> None:
    """Flags that the reader raised, and those that follow from the object's images."""
    raised = work.rows["aqqua_flags"].fillna("")
    for name in sorted({word for text in raised.unique() for word in text.split()}):
        work.flag(name, raised.str.contains(rf"\b{name}\b", regex=True))
    work.flag("IMAGE_MULTIPLE_RANKS", work.rows["aqqua_images"] > 1)


def _damaged_text(work: Work) -> None:
    """Flags texts that were decoded wrongly, and ids that went through a spreadsheet; both stay as delivered."""
    for name in _TEXTS:
        work.flag("ENCODING_MOJIBAKE", repair(work.columns[name])[1])
    for name in _IDS:
        work.flag("EXCEL_DAMAGE", spreadsheet_damage(work.columns[name]))


def _flags(work: Work) -> tuple[pd.Series, pd.Series]:
    """The flags of each row as a list in the vocabulary's order, and the worst level."""
    vocabulary = schema.vocabulary("flags.csv")
    unknown = set(work.flags) - set(vocabulary["flag"])
    if unknown:
        raise KeyError(f"flags {sorted(unknown)} are not in schemas/vocabularies/flags.csv")
    names = [n for n in vocabulary["flag"] if n in work.flags]
    levels = vocabulary.set_index("flag")["severity"].map(LEVELS)
    matrix = np.column_stack([work.flags[n] for n in names]) if names else np.zeros((len(work.rows), 0), bool)
    _, which = np.nonzero(matrix)
    offsets = np.concatenate([[0], np.cumsum(matrix.sum(axis=1))])
    lists = pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(np.array(names, object)[which], pa.string())
    )
    level = np.max(matrix * levels.loc[names].to_numpy()[None, :], axis=1, initial=1)
    index = work.rows.index
    return pd.Series(pd.arrays.ArrowExtensionArray(lists), index), pd.Series(level, index)


def _quarantine(work: Work) -> pd.DataFrame:
    """One row per rejected image and reason, so that a contributor can mend everything at once."""
    reasons = schema.vocabulary("reasons.csv").set_index("reason")
    pieces = [_rejected(work, work.rows[:0], "schema_violation", "", work.empty()[:0])]
    for reject in work.rejects:
        rows = work.rows[reject.mask]
        column = rows["aqqua_column"] if reasons.loc[reject.reason, "stage"] == "read" else reject.column
        pieces.append(_rejected(work, rows, reject.reason, column, reject.value[reject.mask]))
    return pd.concat(pieces).drop_duplicates(["image_id", "reason"]).sort_index(kind="stable")


def _rejected(work: Work, rows: pd.DataFrame, reason: str, column: str | pd.Series, value: pd.Series) -> pd.DataFrame:
    spec = schema.vocabulary("reasons.csv").set_index("reason").loc[reason]
    return pd.DataFrame(
        {
            "image_id": rows["aqqua_image_id"],
            "contribution_id": work.contribution.id,
            "stage": spec["stage"],
            "reason": reason,
            "source_table": rows["aqqua_table"],
            "source_line": rows["aqqua_line"],
            "source_object_id": rows["aqqua_object_id"],
            "source_image_file": rows["aqqua_image_file"],
            "column": column,
            "value": value,
            "expected": spec["expected"],
        },
        index=rows.index,
    )


def _validated(core: pd.DataFrame, work: Work) -> tuple[pa.Table, pd.DataFrame]:
    """The core table after Pandera; rows that break the schema are rejected, the others go on."""
    validator = schema.pandera_schema("core")
    core = core[list(schema.tables()["core"].columns)]
    bad = pd.Series(dtype="object")
    try:
        validator.validate(core, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].isna().any():
            raise  # a missing or surplus column is our fault, not the contributor's
        bad = cases.groupby("index").first()
    rows = work.rows.loc[bad.index]
    column = bad["column"] if len(bad) else ""
    value = bad["failure_case"].astype("str") if len(bad) else work.empty()[:0]
    broken = _rejected(work, rows, "schema_violation", column, value)
    return to_arrow(core.drop(index=bad.index), "core"), broken


def to_arrow(rows: pd.DataFrame, table: str) -> pa.Table:
    """Rows as an Arrow table of the declared schema."""
    target = schema.arrow(table)
    columns = [pa.array(rows[f.name], f.type, from_pandas=True) for f in target]
    return pa.Table.from_arrays(columns, schema=target)
