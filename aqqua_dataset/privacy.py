"""What counts as personal data in delivered text, and how it is taken out and searched for.

Annotator columns are dropped and e-mail addresses are blotted out when a delivery is read, so that
no later stage can leak them. A release is scanned again, file by file, before it is finished.
"""

import re
from collections.abc import Iterable, Iterator
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aqqua_dataset import schema
from aqqua_dataset.warehouse import Warehouse

BLOT = "[e-mail removed]"

# A file ending after the last dot is no top-level domain: sample@50m.png is not an address.
_NOT_TLD = r"(?!(?:png|jpe?g|gif|tiff?|bmp|tsv|csv|txt|zip|xlsx|parquet|roi|adc|hdr)(?![a-z0-9-]))"
_EMAIL = rf"[a-z0-9._%+'-]+@(?:[a-z0-9-]+\.)+{_NOT_TLD}[a-z]{{2,24}}(?![a-z0-9-])"
EMAIL = re.compile(_EMAIL, re.IGNORECASE)
_EMAIL_BYTES = re.compile(_EMAIL.encode(), re.IGNORECASE)
_OVERLAP = 400


def is_personal(column: str) -> bool:
    """Whether a column by its name holds names or addresses of persons (vocabulary personal_columns)."""
    patterns = schema.vocabulary("personal_columns.csv")["pattern"]
    return any(re.fullmatch(p, column.strip().lower()) for p in patterns)


def blot(text: str) -> str:
    """The text with every e-mail address replaced by a fixed mark."""
    return EMAIL.sub(BLOT, text) if "@" in text else text


def blot_frame(rows: pd.DataFrame, keep: Iterable[str] = ()) -> pd.DataFrame:
    """The rows without e-mail addresses in any text cell or column name, except the columns in ``keep``."""
    spared = set(keep)
    for name in rows.columns:
        if name in spared or not pd.api.types.is_string_dtype(rows[name]):
            continue
        suspicious = rows[name].str.contains("@", regex=False).fillna(False).astype(bool)
        if suspicious.any():
            rows.loc[suspicious, name] = [blot(v) for v in rows.loc[suspicious, name]]
    return rows.rename(columns=blot)


def find_emails(stream: IO[bytes], piece_bytes: int = 1 << 20) -> Iterator[str]:
    """E-mail addresses in a file's bytes, read in pieces that overlap so that none is cut."""
    tail = b""
    while piece := stream.read(piece_bytes):
        for match in _EMAIL_BYTES.finditer(tail + piece):
            yield match.group().decode("ascii")
        tail = piece[-_OVERLAP:]


def table_leaks(table: pa.Table) -> Iterator[str]:
    """E-mail addresses in any text of a table, as ``column: address``."""
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_list(column.type):
            column = column.flatten()
        if pa.types.is_string(column.type):
            suspicious = column.filter(pc.match_substring(column, "@"))
            for text in suspicious.to_pylist():
                yield from (f"{name}: {found}" for found in EMAIL.findall(text))


def stored_leaks(warehouse: Warehouse, contribution: str) -> Iterator[tuple[str, str]]:
    """Table and ``column: address`` of every e-mail address in a contribution's stored text.

    The place of an image inside its delivery (``aqqua_path``) may hold one; it is never released.
    """
    for path in warehouse.find(f"contributions/{contribution}"):
        if path.endswith(".parquet"):
            table = warehouse.read_parquet(path)
            public = [c for c in table.column_names if c != "aqqua_path"]
            yield from ((path, leak) for leak in table_leaks(table.select(public)))
