"""What stands in the names of files and folders, by the pattern in the contribution file."""

import re

import pandas as pd

#: Columns read from a path are called ``name.<group>``.
PREFIX = "name."


def from_path(paths: pd.Series, pattern: str | None) -> pd.DataFrame:
    """The named groups of a pattern, found anywhere in each path, as text columns; null where it doesn't fit.

    Args:
        paths: paths inside the delivery, or null.
        pattern: regular expression with named groups; None gives no columns.
    """
    if pattern is None:
        return pd.DataFrame(index=paths.index)
    groups = list(re.compile(pattern).groupindex)
    found = paths.str.extract(re.compile(pattern)) if len(paths) else pd.DataFrame(columns=groups, index=paths.index)
    return found[groups].astype("str").add_prefix(PREFIX)
