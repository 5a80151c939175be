"""Reads ``bridge.csv``: which ids of two schemes name one image or object, e.g. before and after a renumbering."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from aqqua_dataset.findings import Finding

BRIDGE = "bridge.csv"
COLUMNS = ("scheme", "id", "other_scheme", "other_id")

#: Schemes of ids, and what an id of each looks like.
SCHEMES = {
    "ifcb_roi": "bin and number of the region, D20220522T000439_IFCB134_2 (leading zeros of the number don't count)",
    "ecotaxa_object": "EcoTaxa's own number of an object, before or after the renumbering of June 2026",
    "project_object": "data set and object id, 1234/m106_mn01_n1_sml_409",
    "object_id": "object id as delivered",
    "image_file": "name of the image file without folder and ending",
}


def bridge_problem(folder: Path) -> list[Finding]:
    """Why the registry's bridge file can't be read at all; its rows are judged when they are used."""
    path = folder / BRIDGE
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8-sig") as stream:
            header = stream.readline().strip()
    except (UnicodeDecodeError, OSError) as error:
        return [Finding("bridge_unreadable", "error", f"expected a CSV file in UTF-8 ({error})", file=BRIDGE)]
    if tuple(header.split(",")) != COLUMNS:
        message = f"expected the columns {', '.join(COLUMNS)}"
        return [Finding("bridge_columns", "error", message, file=BRIDGE, line=1, value=header)]
    return []


def bridge_rows(folder: Path, report: Callable[[Finding], None]) -> Iterator[pa.Table]:
    """Usable rows of the bridge file, piece by piece; a wrong row is left out and reported with its line.

    Nothing comes where there is no such file or its header is wrong (``bridge_problem`` says so).
    """
    if not (folder / BRIDGE).exists() or bridge_problem(folder):
        return
    line = 2
    options = pacsv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=False)
    try:
        with pacsv.open_csv(folder / BRIDGE, convert_options=options) as reader:
            for batch in reader:
                table = pa.Table.from_batches([batch])
                yield table.filter(_usable(table, line, report))
                line += table.num_rows
    except pa.ArrowInvalid as error:
        report(Finding("bridge_unreadable", "error", f"expected four cells in each row ({error})", file=BRIDGE))


def _usable(table: pa.Table, first_line: int, report: Callable[[Finding], None]) -> pa.Array:
    """Which rows can be used; the first wrong cell of each column is reported with how many there are."""
    good = pa.array([True] * table.num_rows)
    for column in COLUMNS:
        if column.endswith("scheme"):
            right, expected = pc.is_in(table[column], pa.array(list(SCHEMES))), f"one of {', '.join(SCHEMES)}"
        else:
            right, expected = pc.not_equal(pc.utf8_trim_whitespace(table[column]), ""), "an id"
        wrong = pc.indices_nonzero(pc.invert(right))
        if len(wrong):
            place = wrong[0].as_py()
            report(
                Finding(
                    "bridge_row_invalid", "error", f"expected {expected}; the row was left out", file=BRIDGE,
                    line=first_line + place, key=column, value=table[column][place].as_py(), count=len(wrong),
                )
            )  # fmt: skip
        good = pc.and_(good, right)
    return good
