"""Small text files of instruments: their encoding, and ``key=value`` lines under ``[section]`` headings."""

import codecs
import re

LINE_END = re.compile(r"\r\n|\r|\n")
_SECTION = re.compile(r"\s*\[\s*([^\]]+?)\s*\]\s*")


def decode(data: bytes) -> str:
    """The bytes as text: by their BOM, else UTF-8 where every byte fits, else Latin-1."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def sections(text: str, separators: str = "=") -> dict[str, dict[str, str]]:
    """Entries of an INI-like text by section and key, both in lower case; entries before a heading are in "".

    Lines without a separator are passed over; of a repeated key the first entry counts. Values keep their case
    and lose surrounding blanks and quotes.

    Args:
        text: the text.
        separators: the characters that may stand between key and value; the first of them in a line counts.
    """
    entry = re.compile(rf"\s*([^{re.escape(separators)}]*?)\s*[{re.escape(separators)}]\s*(.*?)\s*")
    found: dict[str, dict[str, str]] = {}
    section = ""
    for line in LINE_END.split(text):
        if heading := _SECTION.fullmatch(line):
            section = heading[1].lower()
        elif (match := entry.fullmatch(line)) and match[1]:
            found.setdefault(section, {}).setdefault(match[1].lower(), match[2].strip('"'))
    return found


def column_name(text: str) -> str:
    """A key as the name of a column: lower case, ``_`` for everything that is no letter or digit.

    ``sampleTime`` becomes ``sample_time`` and ``Flow Cell Depth (um)`` becomes ``flow_cell_depth_um``.
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")
