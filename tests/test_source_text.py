"""Delimited text as real programs write it: encodings, line ends, quotes, ragged rows, line numbers."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import text
from aqqua_dataset.transfer.delivery import Delivery

Row = tuple[int, list[str], bool, str]  # line, cells, short, cells beyond the header


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("text")


def rows_of(folder: Path, data: bytes, delimiter: str = "\t") -> list[Row]:
    """Everything below the header, in the order of the lines."""
    (folder / "t.tsv").write_bytes(data)
    found: list[Row] = []
    with Delivery(str(folder)) as delivery:
        encoding = text.encoding_of(delivery, "t.tsv")
        names = text.unique_names(text.header_of(delivery, "t.tsv", delimiter, encoding), "t.tsv", lambda _: None)
        for chunk in text.read_delimited(delivery, "t.tsv", names, delimiter, encoding):
            assert list(chunk.rows.columns) == names
            cells = chunk.rows.fillna("").to_numpy().tolist()
            found += zip(chunk.lines.tolist(), cells, chunk.short.tolist(), chunk.extra.tolist(), strict=True)
    return sorted(found)


def written(rows: list[list[str]], terminator: str = "\r\n", delimiter: str = "\t") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=terminator).writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"a\tb\n1\t2\n", "utf-8"),
        ("a\tb\n°\tµ\n".encode(), "utf-8"),
        ("a\tb\n°\tµ\n".encode("latin-1"), "latin-1"),
        ("a\tb\n°\tµ\n".encode("utf-8-sig"), "utf-8-sig"),
        ("a\tb\n°\tµ\n".encode("utf-16"), "utf-16"),
        ("\ufeffa\tb\n°\tµ\n".encode("utf-16-be"), "utf-16"),
        (b"a" * (1 << 20) + "°".encode() * 9, "utf-8"),  # a character across two pieces
        (b"a" * ((1 << 20) + 3) + "°".encode() * 9, "utf-8"),
        (b"", "utf-8"),
    ],
)
def test_the_encoding_is_found_and_the_cells_are_right(tmp_path: Path, data: bytes, encoding: str) -> None:
    (tmp_path / "t.tsv").write_bytes(data)
    assert text.encoding_of(Delivery(str(tmp_path)), "t.tsv") == encoding
    if "°" in data.decode(encoding)[:9]:
        assert rows_of(tmp_path, data) == [(2, ["°", "µ"], False, "")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_line_ends_of_every_system(tmp_path: Path, end: str, encoding: str) -> None:
    lines = ["a\tb", "1\té", "", "3\t4", "5", "6\t7\t8", ""]
    assert rows_of(tmp_path, end.join(lines).encode(encoding)) == [
        (2, ["1", "é"], False, ""),
        (3, ["", ""], False, ""),
        (4, ["3", "4"], False, ""),
        (5, ["5", ""], True, ""),
        (6, ["6", "7"], False, "8"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('"x\ty"\t2\n', [(2, ["x\ty", "2"], False, "")]),
        ('"x\ny"\t2\n3\t4\n', [(2, ["x\ny", "2"], False, ""), (4, ["3", "4"], False, "")]),
        ('"say ""hi"""\t2\n', [(2, ['say "hi"', "2"], False, "")]),
        ('1\t2" net\n3\t4\n', [(2, ["1", '2" net'], False, ""), (3, ["3", "4"], False, "")]),
        ('1\t"2\r\n2"\t"3\n3"\n4\t5\n', [(2, ["1", "2\r\n2"], False, "3\n3"), (5, ["4", "5"], False, "")]),
        ("1\t2\t\t \n", [(2, ["1", "2"], False, "")]),  # blank cells beyond the header say nothing
        ("1\t2\t\tx\n", [(2, ["1", "2"], False, "x")]),
        ("1", [(2, ["1", ""], True, "")]),
        ("", []),
    ],
)
def test_quotes_and_ragged_rows(tmp_path: Path, body: str, expected: list[Row]) -> None:
    assert rows_of(tmp_path, f"a\tb\n{body}".encode()) == expected


def test_a_header_may_hold_line_breaks_and_quotes(tmp_path: Path) -> None:
    assert rows_of(tmp_path, b'"a\nof ""x"""\tb\n1\t2\n') == [(2, ["1", "2"], False, "")]
    with Delivery(str(tmp_path)) as delivery:
        assert text.header_of(delivery, "t.tsv", "\t", "utf-8") == ['a\nof "x"', "b"]


def test_column_names_become_unique_and_repeated_ones_are_reported() -> None:
    found: list[Finding] = []
    names = text.unique_names(["a", "a.2", "", "a", "b", ""], "t.tsv", found.append)
    assert names == ["a", "a.2", "column_3", "a.3", "b", "column_6"]
    assert [(f.rule, f.severity, f.file, f.value) for f in found] == [("column_repeated", "warning", "t.tsv", "a.3")]
    assert text.unique_names(["a", "b"], "t.tsv", found.append) == ["a", "b"]
    assert len(found) == 1


def test_ranks_are_whole_numbers_or_nothing() -> None:
    cells = pd.Series(["0", "1.0", " 2", "-1", "x", None, "1e12", "inf", "nan"], dtype="str")
    assert text.ranks(cells).astype("Int32").fillna(-9).tolist() == [0, 1, 2, -9, -9, -9, -9, -9, -9]


def test_lines_stay_right_over_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_BLOCK", 64)
    lines, expected = ["a\tb"], []
    for number in range(200):
        cells = [["1"], [str(number), "y"], [f"{number}\nz", "y"], ["1", "2", "3"]][number % 7 % 4]
        expected.append((sum(line.count("\n") + 1 for line in lines) + 1, cells))
        lines.append(written([cells]).removesuffix("\r\n"))
    found = rows_of(tmp_path, "\n".join(lines).encode())
    assert [(line, [*cells, *([extra] if extra else [])]) for line, cells, _, extra in found] == [
        (line, cells if len(cells) > 1 else [*cells, ""]) for line, cells in expected
    ]


def test_a_file_of_odd_rows_only_is_not_held_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_BLOCK", 4096)
    (tmp_path / "t.tsv").write_text("a\tb\n" + "1\t2\t3\n1\t2\n" * 5_000)
    with Delivery(str(tmp_path)) as delivery:
        chunks = [len(c.rows) for c in text.read_delimited(delivery, "t.tsv", ["a", "b"], "\t", "utf-8")]
    assert sum(chunks) == 10_000
    assert max(chunks) < 1_000


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=6) | st.sampled_from(
    ["", '"', "\t", "\n", "\r", "\r\n", '""', "[t]", " ", "NA", "1,5"]
)


@settings(deadline=None)
@given(
    width=st.integers(1, 4),
    data=st.data(),
    delimiter=st.sampled_from("\t,;|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_table_of_text_comes_back_equal(
    folder: Path, width: int, data: st.DataObject, delimiter: str, encoding: str
) -> None:
    rows = data.draw(st.lists(st.lists(_CELL, min_size=width, max_size=width), max_size=8))
    header = written([[f"column {i}" for i in range(width)]], delimiter=delimiter)
    expected, line = [], 2
    for row in rows:
        expected.append((line, row, False, ""))
        line += 1 + sum(len(cell.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1 for cell in row)
    found = rows_of(folder, (header + written(rows, delimiter=delimiter)).encode(encoding), delimiter)
    assert found == expected


@settings(deadline=None)
@given(rows=st.lists(st.lists(st.sampled_from(["", "x", "y z", "q\nr"]), min_size=1, max_size=5), max_size=8))
def test_rows_of_any_width_are_filled_up_or_cut(folder: Path, rows: list[list[str]]) -> None:
    found = rows_of(folder, ("a\tb\tc\r\n" + written(rows)).encode())
    filled = [([*row, "", "", ""][:3], len(row) < 3, "\t".join(row[3:]).strip()) for row in rows]
    assert [(cells, short, extra) for _, cells, short, extra in found] == filled


@settings(deadline=None)
@given(cut=st.integers(0, 200), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
def test_a_table_cut_off_anywhere_is_read_or_refused_by_name(folder: Path, cut: int, encoding: str) -> None:
    whole = ("id\tname\tnote\r\n" + written([["1", "é", 'a "b"'], ["2", "x\ny", "c\td"], ["3", "z", ""]])).encode(
        encoding
    )
    try:
        found = rows_of(folder, whole[:cut])
    except OSError as error:
        assert "t.tsv" in str(error)
    else:
        assert len(found) <= 4
        assert all(len(cells) <= 3 for _, cells, _, _ in found)
