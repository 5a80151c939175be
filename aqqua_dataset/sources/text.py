"""Reads delimited text as a stream of text columns, whatever its encoding, line ends and ragged rows."""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as pc

from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import Report
from aqqua_dataset.sources.entries import LINE_END
from aqqua_dataset.transfer.delivery import Delivery

_BLOCK = 4 << 20
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TextChunk:
    """Rows of a delimited file as text (null where a cell is empty).

    Attributes:
        rows: the rows that fit the header, plus short rows filled up.
        lines: 1-based line of each row.
        short: whether each row had fewer cells than the header.
        extra: for rows with more cells than the header: the cells beyond it, else "".
        cut: whether the file ends inside the row: it is short, the last, and has no line end. Its last cell may be
            a fragment and is left out.
    """

    rows: pd.DataFrame
    lines: pd.Series
    short: pd.Series
    extra: pd.Series
    cut: pd.Series


def row_flags(chunk: TextChunk) -> pd.Series:
    """Flags of each row that come from its number of cells."""
    return chunk.cut.map({True: "ROW_CUT_OFF", False: ""}).where(
        chunk.cut, chunk.short.map({True: "ROW_SHORT", False: ""})
    )


class _Watched:
    """A stream that remembers the last bytes it gave."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._tail = stream, b"\n"

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._tail = data[-2:] or self._tail
        return data

    @property
    def ends_with_a_line(self) -> bool:
        return any(end in self._tail for end in (b"\n", b"\r"))


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
    """The cells of the first row, as they stand; empty for an empty file.

    Raises:
        OSError: the header doesn't end.
    """
    return first_rows(delivery, path, delimiter, encoding, 1)[0]


def first_lines(delivery: Delivery, path: str, encoding: str, count: int) -> list[str]:
    """The first lines of a file without their ends."""
    with delivery.open(path) as stream:
        text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
        try:
            return [line.rstrip("\r\n") for line in islice(text, count)]
        finally:
            text.detach()


def first_rows(
    delivery: Delivery, path: str, delimiter: str, encoding: str, count: int, above: int = 0
) -> list[list[str]]:
    """The cells of the first rows below the lines ``above``, as they stand; a single empty row where there is none.

    Raises:
        OSError: a row doesn't end.
    """
    with delivery.open(path) as stream:
        text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
        try:
            for _ in islice(text, above):
                pass
            return list(islice(csv.reader(text, delimiter=delimiter), count)) or [[]]
        except csv.Error as error:
            raise OSError(f"{path}: the header can't be read ({error})") from error
        finally:
            text.detach()


def unique_names(names: list[str], path: str, report: Report) -> list[str]:
    """Column names made unique and non-empty: ``a, a, ''`` becomes ``a, a.2, column_3``; repeated ones are reported."""
    result: dict[str, None] = {}
    repeated = []
    for position, name in enumerate(names, start=1):
        base = unique = name or f"column_{position}"
        turn = 1
        while unique in result:
            turn += 1
            unique = f"{base}.{turn}"
        if turn > 1:
            repeated.append(unique)
        result[unique] = None
    if repeated:
        message = "column names stand twice in the header; the later ones were renamed"
        report(Finding("column_repeated", "warning", message, file=path, line=1, value=", ".join(repeated)))
    return list(result)


def ranks(text: pd.Series) -> pd.Series:
    """Image ranks as whole numbers from 0 on; null where a cell holds none."""
    number = pd.to_numeric(text, errors="coerce").round()
    return number.where(number.between(0, 2**31 - 1))


def read_delimited(
    delivery: Delivery, path: str, names: list[str], delimiter: str, encoding: str, above: int = 0
) -> Iterator[TextChunk]:
    """Streams the rows below the header as text.

    Args:
        delivery: where the file is.
        path: the file inside it.
        names: unique column names, one for each cell of the header.
        delimiter: one character.
        encoding: see ``encoding_of``.
        above: lines above the header.

    Raises:
        OSError: the file can't be read as delimited text; the message says why.
    """
    odd: dict[int, str] = {}

    def keep_for_later(row: pc.InvalidRow) -> str:
        odd[row.number] = row.text
        return "skip"

    with delivery.open(path) as stream:
        try:
            watched = _Watched(stream)
            batches = pc.open_csv(
                watched,
                pc.ReadOptions(
                    column_names=names,
                    skip_rows=above,
                    skip_rows_after_names=1,
                    block_size=_BLOCK,
                    encoding=encoding,
                    use_threads=False,
                ),
                pc.ParseOptions(
                    delimiter=delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,  # they count as lines
                    invalid_row_handler=keep_for_later,
                ),
                pc.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
        except (pa.ArrowInvalid, UnicodeError) as error:
            raise OSError(f"{path}: not readable as delimited {encoding} text ({error})") from error
        try:
            yield from _chunks(batches, odd, names, delimiter, watched, above + 2)
        except (pa.ArrowInvalid, UnicodeError, csv.Error) as error:
            raise OSError(f"{path}: not readable as delimited {encoding} text ({error})") from error


def _chunks(
    batches: pc.CSVStreamingReader, odd: dict[int, str], names: list[str], delimiter: str, watched: _Watched,
    row: int,
) -> Iterator[TextChunk]:  # fmt: skip
    """Batches with the line of each row; rows with another number of cells follow their batch.

    Arrow numbers rows from 1 (the first line; ``row`` is the first below the header) and hands odd ones over while it
    parses, which may be ahead of the batch it gives. A cell with line breaks makes the lines of the rows below it run
    ahead of their numbers.
    """
    line = row
    waiting: tuple[list[str], _Integers] | None = None
    while True:
        batch = next(batches, None)
        good = 0 if batch is None else batch.num_rows
        numbers = list(islice((n for n in count(row) if n not in odd), good))
        end = numbers[-1] + 1 if numbers else row
        while end in odd:
            end += 1
        taken = {n: odd.pop(n) for n in sorted(odd) if n < end}
        here, there = np.array(numbers, "int64") - row, np.array(list(taken), "int64") - row
        breaks = np.zeros(end - row, "int64")
        breaks[here] = 0 if batch is None else _line_breaks(batch)
        breaks[there] = [len(LINE_END.findall(text)) for text in taken.values()]
        lines = line + np.arange(end - row) + breaks.cumsum() - breaks
        row, line = end, line + end - row + int(breaks.sum())
        if waiting is not None and (batch is not None or taken):
            yield _odd_rows(*waiting, names, delimiter)
            waiting = None
        if batch is not None:
            yield _good_rows(batch, lines[here])
        if taken:  # held back until it is known whether they are the last rows
            waiting = list(taken.values()), lines[there]
        if batch is None:
            if waiting is not None:
                yield _odd_rows(*waiting, names, delimiter, unfinished=not watched.ends_with_a_line)
            return


def _line_breaks(batch: pa.RecordBatch) -> _Integers:
    """Line breaks inside the cells of each row."""
    result = np.zeros(batch.num_rows, dtype="int64")
    for column in batch.columns:
        data = column.buffers()[2]
        cells = data.to_pybytes() if data is not None else b""
        if b"\n" in cells or b"\r" in cells:  # rare, and much cheaper to see than to count
            result += compute.fill_null(compute.count_substring_regex(column, LINE_END.pattern), 0).to_numpy()
    return result


def _good_rows(batch: pa.RecordBatch, lines: _Integers) -> TextChunk:
    rows = batch.to_pandas()
    none = pd.Series("", rows.index, dtype="str")
    no = pd.Series(False, rows.index)
    return TextChunk(rows, pd.Series(lines), no, none, no)


def _odd_rows(
    texts: list[str], lines: _Integers, names: list[str], delimiter: str, *, unfinished: bool = False
) -> TextChunk:
    """Rows whose number of cells differs from the header's: short ones filled up, long ones cut.

    Args:
        texts: the rows.
        lines: their 1-based lines.
        names: the columns.
        delimiter: one character.
        unfinished: whether the file ends in the last of them, without a line end.
    """
    cells = [next(csv.reader([text], delimiter=delimiter), []) for text in texts]
    width = len(names)
    cut = [False] * len(cells)
    if unfinished and len(cells[-1]) < width:
        cells[-1], cut[-1] = cells[-1][:-1], True
    rows = pd.DataFrame([(c + [""] * width)[:width] for c in cells], columns=names, dtype="str")
    extra = ["\t".join(c[width:]).strip() for c in cells]
    return TextChunk(
        rows.replace("", pd.NA),
        pd.Series(lines),
        pd.Series([len(c) < width for c in cells], dtype="bool"),
        pd.Series(extra, dtype="str"),
        pd.Series(cut, dtype="bool"),
    )
