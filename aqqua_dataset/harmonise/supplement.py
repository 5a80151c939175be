"""What the contribution's file adds to the rows: parts of their paths, joined tables, values of folders."""

import fnmatch

import pandas as pd

from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources.joins import joined
from aqqua_dataset.sources.names import from_path
from aqqua_dataset.warehouse import Warehouse


def supplement(
    warehouse: Warehouse, folder: str, rows: pd.DataFrame, source: Source
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows with columns ``name.<group>``, ``<join>.<column>`` and ``folder.<input>``.

    Args:
        warehouse: where the joined tables were written to.
        folder: the folder they are in.
        rows: verbatim rows of one part.
        source: what the contribution's file says.

    Returns:
        The rows, and for each join how many of them found no partner.
    """
    rows = pd.concat([rows, from_path(rows["aqqua_path"], source.names)], axis=1)
    rows, without = joined(warehouse, folder, rows, source.joins)
    inputs = list(dict.fromkeys(name for given in source.folders for name in given.holds))
    values = pd.DataFrame({f"folder.{n}": pd.Series(pd.NA, rows.index, dtype="str") for n in inputs}, index=rows.index)
    places = _folders(rows["aqqua_path"])
    left, known = places.notna(), places.dropna().unique()
    for given in source.folders:
        here = left & places.isin([p for p in known if _lies_in(p, given.path.strip("/"))])
        for name, value in given.holds.items():
            values.loc[here, f"folder.{name}"] = str(value)
        left &= ~here
    return pd.concat([rows, values], axis=1), without


def _folders(paths: pd.Series) -> pd.Series:
    """The folder each file lies in, "" for the delivery's root; an archive counts as a folder."""
    inside = paths.where(paths.str.contains("/", regex=False), "/" + paths)
    return inside.str.replace(r"/[^/]*$", "", regex=True).str.replace("!/", "/").str.removesuffix("!")


def _lies_in(folder: str, glob: str) -> bool:
    return fnmatch.fnmatchcase(folder, glob) or fnmatch.fnmatchcase(folder, f"{glob}/*")
