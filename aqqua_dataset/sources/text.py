"""Reads delimited text as a stream of text columns, whatever its encoding, line ends and ragged rows."""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc

from aqqua_dataset.transfer.delivery import Delivery

_BLOCK = 4 << 20


@dataclass(frozen=True)
class TextChunk:
    """Rows of a delimited file as text (null where a cell is empty).

    Attributes:
        rows: the rows that fit the header, plus short rows filled up.
        lines: 1-based line of each row.
        short: whether each row had fewer cells than the header.
        extra: for rows with more cells than the header: the cells beyond it, else "".
    """

    rows: pd.DataFrame
    lines: pd.Series
    short: pd.Series
    extra: pd.Series


def encoding_of(delivery: Delivery, path: str) -> str:
    """The file's encoding: its BOM's, else UTF-8 where every byte fits, else Latin-1.

    EcoTaxa itself takes Latin-1 unless there is a BOM, which turns plain UTF-8 into mojibake.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with delivery.open(path) as stream:
        head = stream.read(4)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        try:
            decoder.decode(head)
            while piece := stream.read(1 << 20):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def header_of(delivery: Delivery, path: str, delimiter: str, encoding: str) -> list[str]:
    """The cells of the first line, as they stand; empty for an empty file."""
    with delivery.open(path) as stream:
        text = io.TextIOWrapper(stream, encoding=encoding, newline=None)
        line = text.readline()
        text.detach()
    return next(csv.reader([line], delimiter=delimiter), []) if line.strip() else []


def unique_names(names: list[str]) -> list[str]:
    """Column names made unique and non-empty: ``a, a, ''`` becomes ``a, a.2, column_3``."""
    seen: dict[str, int] = {}
    result = []
    for position, name in enumerate(names, start=1):
        base = name or f"column_{position}"
        seen[base] = seen.get(base, 0) + 1
        result.append(base if seen[base] == 1 else f"{base}.{seen[base]}")
    return result


def read_delimited(
    delivery: Delivery, path: str, names: list[str], delimiter: str, encoding: str
) -> Iterator[TextChunk]:
    """Streams the rows below the header as text.

    Args:
        delivery: where the file is.
        path: the file inside it.
        names: unique column names, one for each cell of the header.
        delimiter: one character.
        encoding: see ``encoding_of``.

    Raises:
        OSError: the file can't be read as delimited text; the message says why.
    """
    odd: list[tuple[int, str]] = []

    def keep_for_later(row: pc.InvalidRow) -> str:
        odd.append((row.number, row.text))
        return "skip"

    with delivery.open(path) as stream:
        try:
            batches = pc.open_csv(
                stream,
                pc.ReadOptions(
                    column_names=names,
                    skip_rows=1,
                    block_size=_BLOCK,
                    encoding=encoding,
                    use_threads=False,
                ),
                pc.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep_for_later),
                pc.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                yield from _odd_rows(odd, names, delimiter)
                return
            raise OSError(f"{path}: {error}") from error
        yield from _batches(path, batches, odd, names, delimiter)


def _batches(
    path: str,
    batches: pc.CSVStreamingReader,
    odd: list[tuple[int, str]],
    names: list[str],
    delimiter: str,
) -> Iterator[TextChunk]:
    line, done = 2, 0
    while True:
        try:
            batch = batches.read_next_batch()
        except StopIteration:
            yield from _odd_rows(odd[done:], names, delimiter)
            return
        except pa.ArrowInvalid as error:
            raise OSError(f"{path}: {error}") from error
        rows = batch.to_pandas()
        skipped = sorted(number for number, _ in odd[done:])
        lines, line = _lines(line, len(rows), skipped)
        yield TextChunk(rows, lines, pd.Series(False, rows.index), pd.Series("", rows.index, dtype="str"))
        yield from _odd_rows(odd[done:], names, delimiter)
        done = len(odd)


def _lines(start: int, count: int, skipped: list[int]) -> tuple[pd.Series, int]:
    """Line numbers of ``count`` good rows from ``start`` on, stepping over the skipped lines."""
    numbers = pd.RangeIndex(start, start + count + len(skipped))
    good = numbers.difference(pd.Index(skipped, dtype="int64"))[:count]
    return pd.Series(good, dtype="int64").reset_index(drop=True), start + count + len(skipped)


def _odd_rows(odd: list[tuple[int, str]], names: list[str], delimiter: str) -> Iterator[TextChunk]:
    """Rows whose number of cells differs from the header's: short ones filled up, long ones cut."""
    if not odd:
        return
    cells = [next(csv.reader([text], delimiter=delimiter), []) for _, text in odd]
    width = len(names)
    rows = pd.DataFrame([(c + [""] * width)[:width] for c in cells], columns=names, dtype="str")
    extra = ["\t".join(c[width:]).strip() for c in cells]
    yield TextChunk(
        rows.replace("", pd.NA),
        pd.Series([number for number, _ in odd], dtype="int64"),
        pd.Series([len(c) < width for c in cells]),
        pd.Series(extra, dtype="str"),
    )
