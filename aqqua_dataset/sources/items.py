"""Tables of objects as ImageJ writes them: below ``[Data]`` in the text files of ZooProcess and of ZooImage."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from aqqua_dataset.sources import IMAGE_ENDINGS, with_locator
from aqqua_dataset.sources.entries import LINE_END
from aqqua_dataset.transfer.delivery import Delivery

_DATA = re.compile(r"(?:\A|(?<=[\r\n]))[ \t]*\[Data\][ \t]*(?:\r\n|\r|\n|\Z)", re.IGNORECASE)
_NUMBER = re.compile(r"\s*\d+\s*")
_ITEM = "item"
_ROWS_PER_CHUNK = 5_000


@dataclass(frozen=True)
class Items:
    """Objects of one table.

    Attributes:
        rows: the cells as text by the header's names in lower case, ``!Item`` as ``item``; null where empty. The
            index is the 0-based line below the header.
        reason: reject reason of each row, or null.
        cut: whether the file ends inside the row, whose last cell may be a fragment and is left out.
        header: whether the table has a column ``!Item``.
    """

    rows: pd.DataFrame
    reason: pd.Series
    cut: pd.Series
    header: bool


def split_data(text: str) -> tuple[str, str | None, int]:
    """The text before ``[Data]``, that below it (None where there is no such line), and its header's 1-based line."""
    match = _DATA.search(text)
    if match is None:
        return text, None, 0
    return text[: match.start()], text[match.end() :], len(LINE_END.findall(text[: match.start()])) + 2


def parse_items(text: str) -> Items:
    """The table below ``[Data]``, with ``;`` or tabs; rows without a number or with too many cells get a reason."""
    lines = LINE_END.split(text)
    delimiter = ";" if ";" in lines[0] else "\t"
    names = _names(lines[0], delimiter)
    if _ITEM not in names:
        nothing = pd.Series([], dtype="str")
        return Items(pd.DataFrame(columns=names, dtype="str"), nothing, nothing.astype(bool), header=False)
    cells = {number: line.split(delimiter) for number, line in enumerate(lines[1:]) if line.strip()}
    last = max(cells, default=-1)
    cut = lines[-1] != "" and last >= 0 and len(cells[last]) < len(names)
    if cut:
        cells[last].pop()
    if cut and len(cells[last]) <= names.index(_ITEM):
        del cells[last]  # even its number is cut off
    full = [(c + [""] * len(names))[: len(names)] for c in cells.values()]
    rows = pd.DataFrame(full, list(cells), names, dtype="str").apply(lambda column: column.str.strip())
    reason = pd.Series(pd.NA, rows.index, dtype="str").mask(rows[_ITEM].duplicated(), "object_id_repeated")
    reason = reason.mask(~rows[_ITEM].str.fullmatch(_NUMBER).astype(bool), "object_id_missing")
    extra = [any(cell.strip() for cell in c[len(names) :]) for c in cells.values()]
    reason = reason.mask(pd.Series(extra, rows.index, dtype=bool), "row_has_extra_cells")
    return Items(rows.replace("", pd.NA).astype("str"), reason, pd.Series(rows.index == last, rows.index) & cut, True)


def _names(header: str, delimiter: str) -> list[str]:
    """Unique names of the columns; ImageJ may end its header with a delimiter."""
    cells = [cell.strip().lower() for cell in header.split(delimiter)]
    while cells and not cells[-1]:
        cells.pop()
    names: list[str] = []
    for number, cell in enumerate(cells, start=1):
        name = _ITEM if cell == f"!{_ITEM}" else cell
        names.append(name if name and name not in names else f"{name}.{number}")
    return names


def located(
    delivery: Delivery, items: Items, stem: str, path: str, line: int, facts: Mapping[str, str]
) -> Iterator[pd.DataFrame]:
    """Chunks of rows with the locator; the vignette ``<stem>_<item>`` of each object lies beside its table.

    Args:
        delivery: where the table lies.
        items: its objects.
        stem: what the names of its vignettes begin with.
        path: the table.
        line: 1-based line of the table's header.
        facts: what holds for every object, by column.
    """
    folder = path.removesuffix(posixpath.basename(path))
    name = (f"{stem}_" + items.rows[_ITEM].str.strip()).where(items.reason.fillna("") != "object_id_missing")
    found = {n: delivery.find(f"{folder}{n}", IMAGE_ENDINGS) or f"{folder}{n}.jpg" for n in name.dropna().unique()}
    files = name.map(found).astype("str")  # without a single name pandas makes numbers of it
    locator = {
        "aqqua_object_id": name,
        "aqqua_image_file": files.str.replace(r"^.*/", "", regex=True),
        "aqqua_table": path,
        "aqqua_line": items.rows.index.to_series() + line + 1,
        "aqqua_path": files,
        "aqqua_flags": items.cut.map({True: "ROW_CUT_OFF", False: ""}),
        "aqqua_reason": items.reason,
        "aqqua_column": items.reason.map(dict.fromkeys(("object_id_missing", "object_id_repeated"), "!Item")),
    }
    same = {n: pd.Series(value, items.rows.index, dtype="str") for n, value in facts.items()}
    added = pd.DataFrame(same | locator, index=items.rows.index)
    rows = with_locator(pd.concat([items.rows.add_prefix("object_"), added], axis=1)).reset_index(drop=True)
    for start in range(0, len(rows), _ROWS_PER_CHUNK):
        yield rows.iloc[start : start + _ROWS_PER_CHUNK].reset_index(drop=True)
