"""Makes contributors' words harmless in every kind of document: each function returns text that only is text there."""

import html
import re
import unicodedata
from collections.abc import Iterable

# Joiners that some scripts need inside words; every other invisible character can only mislead.
_JOINERS = "\u200c\u200d"
#: Control, format and surrogate characters; line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NO_CHARACTERS = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
# What a spreadsheet takes for the beginning of a formula, also in full width.
_FORMULA = tuple("=+-@＝＋－＠")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}", "&": r"\&", "%": r"\%",
    "$": r"\$", "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip
_MARKDOWN = re.compile(r"[\\`*_\[\]|~#]")
_WEB = re.compile(r"https?://[^\s<>\"'`\\^{|}]+")


def one_line(text: str) -> str:
    """Text in Unicode's composed form on one line, without control and invisible formatting characters."""
    return " ".join(visible(text).split())


def visible(text: str) -> str:
    """Text in Unicode's composed form without control and invisible formatting characters; line breaks stay."""
    lines = re.sub(r"\r\n?|[\u2028\u2029\x85]", "\n", unicodedata.normalize("NFC", text)).replace("\t", " ")
    kept = (c for c in lines if c == "\n" or c in _JOINERS or unicodedata.category(c) not in _HIDDEN)
    return _NO_CHARACTERS.sub("", "".join(kept))


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: an apostrophe comes first where it otherwise might.

    Numbers and dates stay as they are.
    """
    return f"'{value}" if isinstance(value, str) and value.lstrip().startswith(_FORMULA) else value


def csv_row(cells: Iterable[object]) -> list[object]:
    """Cells of which no spreadsheet takes any for a formula."""
    return [csv_cell(c) for c in cells]


def latex(text: str) -> str:
    """Text for LaTeX on one line; letters beyond ASCII stay as they are (XeLaTeX, LuaLaTeX, or inputenc)."""
    return "".join(_LATEX.get(c, c) for c in one_line(text))


def latex_comment(text: str) -> str:
    """Text after a percent sign: on one line it can't end the comment."""
    return f"% {one_line(text)}"


def markdown(text: str) -> str:
    """Text for Markdown on one line; a web address alone stays as it is."""
    line = one_line(text)
    if _WEB.fullmatch(line):
        return line
    escaped = _MARKDOWN.sub(lambda m: f"\\{m.group()}", line)
    # An entity holds in every dialect; a backslash before < doesn't.
    escaped = re.sub(r"&(?=#|\w+;)", "&amp;", escaped).replace("<", "&lt;").replace(">", "&gt;")
    # At the beginning a sign or "1." would start a list or underline a heading.
    return re.sub(r"^(\d*)([-+=]|(?<=\d)[.)])", r"\1\\\2", escaped)


def markdown_lines(text: str, indent: str) -> str:
    """Text of several lines, each escaped, that stays in its list entry; the first line isn't indented."""
    return f"\n{indent}".join(markdown(line) for line in visible(text).strip().split("\n"))


def markup(text: str) -> str:
    """Text for HTML and XML, in elements and in quoted attributes, on one line."""
    return html.escape(one_line(text))


def web_address(text: str | None) -> str | None:
    """The text if it is an address that a browser may be sent to, else None."""
    line = (text or "").strip()
    return line if _WEB.fullmatch(line) else None
