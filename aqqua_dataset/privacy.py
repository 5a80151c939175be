"""What counts as personal data in text, tables and images: how it is taken out, and how it is searched for.

Declared here and nowhere else: ``KINDS`` of personal text, the vocabulary ``personal_columns`` for columns that name
persons. Deliveries are filtered when they are read, so that no later stage can leak; a release is searched again, file
by file. Names in running text can't be recognised: they are published only where a column isn't known to name persons.
"""

import functools
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aqqua_dataset import schema
from aqqua_dataset.warehouse import Warehouse

BLOT = "[e-mail removed]"

# A file ending after the last dot is no top-level domain: sample@50m.png is not an address.
_NOT_TLD = (
    r"(?!(?:png|jpe?g|gif|tiff?|bmp|tsv|csv|txt|zip|xlsx?|parquet|roi|adc|hdr|dat|raw|bin|xml|json|ya?ml|log|pdf|docx?"
    r"|avi|mp4|tar)(?![a-z0-9-]))"
)
#: An address as people write it; what isn't spelt so is found by ``KINDS``.
EMAIL = re.compile(rf"[a-z0-9._%+'-]+@(?:[a-z0-9-]+\.)+{_NOT_TLD}[a-z]{{2,24}}(?![a-z0-9-])", re.IGNORECASE)

# The sign and the dot as such, as entities, in percent, quoted-printable and JSON code, and spelt out in brackets.
_BRACKETED = r"\s*[(\[{{<]\s*(?:{words})\s*[)\]}}>]\s*"
_AT = (
    r"(?:[@\uff20\ufe6b]|&#0*64;|&#x0*40;|&commat;|[%=]40(?=[a-z])|\\u0040|" + _BRACKETED.format(words="at|ät|@") + ")"
)
_DOT = r"(?:\.|&#0*46;|&#x0*2e;|&period;|[%=]2e|" + _BRACKETED.format(words="dot|punkt|point") + ")"
_NAME = r"\w(?:[\w.+'-]|%(?!40))*"
_HOST = rf"(?:[\w-]{{1,63}}{_DOT}){{1,8}}{_NOT_TLD}[^\W\d_]{{2,24}}(?![^\W_]|-)"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_VERSION = "".join(rf"(?<!{word})" for word in ("version ", "version=", "version: ", "ver ", "ver. ", "release "))
_HOMES = r"(?:users|home|documents and settings|dokumente und einstellungen)"
_NOBODY = r"(?!(?:public|default|all users|shared)[\\/]|\[user name removed)"
_OVERLAP = 400
#: Columns in which four numbers with dots between them are a version and no network address.
_VERSIONS = re.compile(r"version|software|firmware|driver|release", re.IGNORECASE)


# Without one of these no pattern of ``KINDS`` matches; most texts are names and words, most columns numbers.
_FIRST_SIEVE = r"(?i)[@\x{ff20}\x{fe6b}&%=+(\[{<\\/:]|\.\d{1,3}\.|tel|phone|fax|mobil|\sat\s"
_HINT = re.compile(r"[@\uff20\ufe6b&%=+(\[{<\\/:\d]|\sat\s", re.IGNORECASE)


class Kind(NamedTuple):
    """One kind of personal text.

    Attributes:
        name: how it is called in findings.
        sieve: a pattern that matches whatever ``pattern`` does and more, in RE2's syntax: it searches whole columns.
        pattern: what is taken out, but for its group ``kept``; what its group ``spared`` matches isn't personal.
    """

    name: str
    sieve: str
    pattern: re.Pattern[str]


def _kind(name: str, sieve: str, pattern: str) -> Kind:
    return Kind(name, sieve, re.compile(pattern, re.IGNORECASE))


KINDS = (
    _kind(
        "e-mail",
        r"[@\x{ff20}\x{fe6b}]|&#|&commat|[%=]40[a-z]|u0040|[(\[{<]\s*(?:at|ät)\s*[)\]}>]|\sat\s[^\n]*\sdot\s",
        rf"(?<![\w.+'-]){_NAME}{_AT}{_HOST}|(?<!\w){_NAME}\s+at\s+[\w-]+(?:\s+dot\s+[\w-]+)+",
    ),
    _kind(
        "phone number",
        r"(?:^|[^\w.,])\+\d{1,3}[ ()/-]|(?:^|[^\w.,])\+\d{11}|(?:tel|phone|fax|mobile?)[a-z]*[.:\s]{0,3}[+(\d]",
        r"(?<![\w.,])\+(?=(?:[ ()/-]*\d){8,15}(?!\d|[.,]\d))(?:\d{1,3}[ ()/-]+(?:\d[ ()/-]*){4,13}\d|\d{11,15})(?![\w])"
        r"|(?P<kept>\b(?:tel|phone|telephone|telefon|fax|mobile?)\b[.:]{0,2}\s*)[+(]?\d(?:[ ()/.-]*\d){5,14}(?![\w])",
    ),
    _kind(
        "network address",
        r"\d\.\d{1,3}\.\d{1,3}\.\d|(?:[0-9a-f]{1,4}:){7}[0-9a-f]|(?:fe80|f[cd][0-9a-f]{2}|2[0-9a-f]{3}):[0-9a-f:]*:",
        # Short ones are versions of software more often than addresses.
        rf"{_VERSION}(?<![\w.])(?=\d\d|(?:\.?\d){{8}})(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.\d)"
        r"|(?<![\w:.])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"
        r"|(?<![\w:.])(?:fe80|f[cd][0-9a-f]{2}|2[0-9a-f]{3}):(?=[0-9a-f:]*:)(?=:|[0-9a-f:]+::)[0-9a-f:]+(?![\w:])",
    ),
    _kind(
        "user name",
        rf"[\\/]{_HOMES}[\\/]",
        rf"(?P<spared>\bhttps?://[^\s\"'<>]*)|(?P<kept>[\\/]+{_HOMES}[\\/]+){_NOBODY}"
        r"(?:[^\\/:*?\"<>|\r\n\t]{1,64}(?=[\\/])|[^\\/:*?\"<>|\s,;)]{1,64})",
    ),
)


def kinds(form_ids: Iterable[str], called: bool = True) -> tuple[Kind, ...]:
    """All kinds and these ids of permission forms.

    Args:
        form_ids: the ids.
        called: only where they are called so, for in a table F-12 may be a station.
    """
    ids = "|".join(re.escape(i) for i in sorted(form_ids))
    before = r"\bform\W{0,3}(?:id|no|nr|number)?\W{0,3}" if called else r"(?<![\w-])"
    sieve = rf"{before}(?:{ids})" if called else f"(?:{ids})"
    return (*KINDS, _kind("form id", sieve, rf"(?P<kept>{before})(?:{ids})(?![\w-])")) if ids else KINDS


def is_personal(column: str) -> bool:
    """Whether a column by its name holds names or addresses of persons (vocabulary personal_columns)."""
    return _personal_columns().fullmatch(column.strip().lower()) is not None


@functools.cache
def _personal_columns() -> re.Pattern[str]:
    patterns = schema.vocabulary("personal_columns.csv")["pattern"]
    return re.compile("|".join(f"(?:{p})" for p in patterns))


def found_in(text: str, of: tuple[Kind, ...] = KINDS) -> Iterator[tuple[str, str]]:
    """Kind and wording of everything personal in a text."""
    if of is KINDS and not _HINT.search(text):
        return
    for kind in of:
        for match in kind.pattern.finditer(text):
            if not match.groupdict().get("spared"):
                yield kind.name, match.group()


class Blotter:
    """Takes personal text out of what one contribution delivered.

    Addresses are numbered as they appear, so that ids that differ by an address alone still differ.
    """

    def __init__(self, form_ids: Iterable[str] = ()) -> None:
        """``form_ids`` are ids of permission forms."""
        self._kinds = kinds(form_ids)
        self._numbers: dict[str, int] = {}
        self.dropped: set[str] = set()

    def blot(self, text: str) -> str:
        """The text with a mark in the place of everything personal."""
        if self._kinds is KINDS and not _HINT.search(text):
            return text
        for kind in self._kinds:
            text = kind.pattern.sub(functools.partial(self._mark, kind.name), text)
        return text

    def without_persons(self, rows: pd.DataFrame, keep: Iterable[str] = ()) -> pd.DataFrame:
        """The rows without columns that name persons, whose names are remembered; ``keep`` are no such columns."""
        personal = [c for c in rows.columns if c not in set(keep) and is_personal(c)]
        self.dropped.update(map(self.blot, personal))
        return rows.drop(columns=personal)

    def frame(self, rows: pd.DataFrame, keep: Iterable[str] = ()) -> pd.DataFrame:
        """The rows without personal text in any text cell or column name, except the columns in ``keep``."""
        spared = set(keep)
        for name in rows.columns:
            if name in spared or not pd.api.types.is_string_dtype(rows[name]):
                continue
            cells = pa.array(rows[name], from_pandas=True)
            column = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
            suspicious = _suspicious(column.cast(pa.string()), self._kinds)
            if suspicious is not None:
                places = suspicious.to_numpy()
                clean = [self._cell(name, v) for v in rows[name].to_numpy()[places]]
                rows.iloc[places, rows.columns.get_loc(name)] = clean
        return rows.rename(columns=self.blot)

    def _cell(self, column: str, text: str) -> str:
        return text if _is_version(column, text) else self.blot(text)

    def _mark(self, kind: str, match: re.Match[str]) -> str:
        groups = match.groupdict()
        if spared := groups.get("spared"):
            return spared
        kept = groups.get("kept") or ""
        if kind != "e-mail":
            return f"{kept}[{kind} removed]"
        number = self._numbers.setdefault(match.group().casefold(), len(self._numbers) + 1)
        return BLOT if number == 1 else f"[e-mail {number} removed]"


def blot(text: str) -> str:
    """The text with a mark in the place of everything personal; for a text that stands by itself."""
    return Blotter().blot(text)


def _is_version(column: str, text: str) -> bool:
    return _VERSIONS.search(column) is not None and re.fullmatch(r"[\w .-]*\d+(?:\.\d+){3}[\w .-]*", text) is not None


def _suspicious(column: pa.ChunkedArray, of: tuple[Kind, ...]) -> pa.Array | None:
    """Places of the cells that a sieve doesn't let pass; None for the usual column without any.

    The whole column is searched as one text first, and for a hint before that: each takes a third of the next.
    """
    pattern = "(?i)" + "|".join(f"(?:{kind.sieve})" for kind in of)
    for chunk in column.chunks:
        cells = chunk.drop_null()
        whole = pa.ListArray.from_arrays(pa.array([0, len(cells)], pa.int32()), cells)
        text = pc.binary_join(whole, "\n")
        if of is KINDS and not pc.any(pc.match_substring_regex(text, _FIRST_SIEVE)).as_py():
            continue
        if pc.any(pc.match_substring_regex(text, pattern)).as_py():
            break
    else:
        return None
    hits = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    places = pc.indices_nonzero(hits)
    return places if len(places) else None


# --- the search


def stream_leaks(stream: IO[bytes], of: tuple[Kind, ...] = KINDS, piece: int = 1 << 20) -> Iterator[str]:
    """Everything personal in a file's bytes as ``kind: wording``, read in pieces that overlap so that none is cut.

    Text in UTF-16 is found as well: its zeros are left out.
    """
    tail = b""
    while data := stream.read(piece):
        text = (tail + data).decode("utf-8", "replace")
        for version in dict.fromkeys((text, text.replace("\0", ""))):
            yield from (f"{kind}: {found}" for kind, found in found_in(version, of))
        tail = data[-_OVERLAP:]


def table_leaks(table: pa.Table, of: tuple[Kind, ...] = KINDS) -> Iterator[str]:
    """Columns that name persons, and everything personal in any text of a table, as ``column: kind: wording``."""
    for key, value in (table.schema.metadata or {}).items():
        for leak in stream_leaks(io.BytesIO(key + b"\n" + value), of):
            yield f"{key.decode(errors='replace')}: {leak}"
    for name in table.column_names:
        if is_personal(name):
            yield f"{name}: column that names persons"
        yield from (f"{name}: {kind}: {found}" for kind, found in found_in(name, of))
        for column in _texts(table[name]):
            places = _suspicious(column, of)
            for text in column.take(places).to_pylist() if places is not None else ():
                if not _is_version(name, text):
                    yield from (f"{name}: {kind}: {found}" for kind, found in found_in(text, of))


def _texts(column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """The texts of a column, also of one that holds lists, structs or a dictionary."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _texts(column.cast(kind.value_type))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _texts(pa.chunked_array([c.flatten() for c in column.chunks], kind.value_type))
    elif pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            yield from _texts(pc.struct_field(column, number))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield column.cast(pa.string())


def stored_leaks(warehouse: Warehouse, contribution: str) -> Iterator[tuple[str, str]]:
    """Table and ``column: kind: wording`` of everything personal in a contribution's stored text.

    The place of an image inside its delivery (``aqqua_path``) may hold some; it is never released.
    """
    for path in warehouse.find(f"contributions/{contribution}"):
        if path.endswith(".parquet"):
            yield from ((path, leak) for leak in parquet_leaks(warehouse, path, without=("aqqua_path",)))


def parquet_leaks(
    warehouse: Warehouse, path: str, of: tuple[Kind, ...] = KINDS, without: tuple[str, ...] = ()
) -> Iterator[str]:
    """``table_leaks`` of a stored table, read in pieces."""
    with warehouse.open(path) as stream:
        table = pq.ParquetFile(stream)
        columns = [c for c in table.schema_arrow.names if c not in without]
        metadata: Mapping[bytes, bytes] = table.schema_arrow.metadata or {}
        empty = table.schema_arrow.empty_table().select(columns)
        yield from table_leaks(empty.replace_schema_metadata(metadata), of)
        for batch in table.iter_batches(columns=columns):
            found = table_leaks(pa.Table.from_batches([batch]).replace_schema_metadata(None), of)
            yield from (leak for leak in found if not leak.endswith("column that names persons"))
