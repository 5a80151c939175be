"""The .hdr of an IFCB bin in its four dialects, as entries by snake-case name; lines without a value are left out.

* Old instruments: quoted lines, of which the last holds six values. The lines above name persons and aren't kept.
* 2010 (after pyifcb; no public file): ``Sample Date …``, ``run time = N s   inhibit time = N s``, ``N temperature, N
  humidity``.
* 2010 to 2015: ``key: value``, some with a tab behind, some without a colon (``syringe number 75``), some with ``=``.
* From 2.0 on Linux: ``key: value``.
"""

import re

from aqqua_dataset.sources.entries import LINE_END, column_name

#: Names of the old header's six values.
OLD = ("temperature", "humidity", "binarize_thresh", "pmt1hv", "pmt2hv", "blob_size_thresh")
_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TIMES = re.compile(rf"([A-Za-z][A-Za-z ]*?) ?= ?({_NUMBER}) ?s\b")
_BEHIND = re.compile(rf"({_NUMBER}) (temperature|humidity)\b")
_BARE = re.compile(rf"(\D*[^\W\d]) ({_NUMBER})")
_SEPARATOR = re.compile(r"[:=]")
_LONGEST_PLAIN = 200  # characters of a line without a separator; keeps searching cheap


def old_entries(text: str) -> dict[str, str]:
    """The six values of an old header, or nothing."""
    filled = [line for line in LINE_END.split(text) if line.strip()]
    values = [v.strip(' "\t') for v in filled[-1].split(",")] if filled else []
    return dict(zip(OLD, values, strict=True)) if len(values) == len(OLD) else {}


def new_entries(text: str) -> dict[str, str]:
    """The entries of a header of the second generation; of a repeated key the last counts."""
    entries: dict[str, str] = {}
    for line in LINE_END.split(text):
        for key, value in _pairs(line.strip()):
            if (name := column_name(key)) and value:
                entries[name] = value
    return entries


def _pairs(line: str) -> list[tuple[str, str]]:
    """Keys and values of one line."""
    short = " ".join(line.split()) if len(line) <= _LONGEST_PLAIN else ""
    times = _TIMES.findall(short)
    if len(times) > 1:
        return times
    if behind := _BEHIND.findall(short):
        return [(key, value) for value, key in behind]
    if parting := _SEPARATOR.search(line):
        return [(line[: parting.start()].rstrip(), line[parting.end() :].lstrip())]
    bare = _BARE.fullmatch(short)
    return [(bare[1], bare[2])] if bare else []
