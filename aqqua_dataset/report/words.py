"""Small words of the report: counts, shares, numbers, quoted values, units."""

_UNITS = {
    "um": "micrometres (µm)",
    "mm": "millimetres",
    "m": "metres",
    "px/um": "pixels per micrometre",
    "px/mm": "pixels per millimetre",
    "dpi": "dots per inch",
}


def images(count: int) -> str:
    """``1 image``, ``1,200 images``."""
    return f"{count:,} image" + ("" if count == 1 else "s")


def share(part: int, whole: int) -> str:
    """Part of a whole in per cent; never 0 % or 100 % where that isn't true."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 1:
        return "less than 1 %"
    if 99 < percent < 100:
        return "more than 99 %"
    return f"{percent:.0f} %"


def number(value: float) -> str:
    """A number as people write it, with three digits that count."""
    if value and (abs(value) < 1e-4 or abs(value) >= 1e7):
        return f"{value:.2e}"
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{float(text):g}" if "e" in text else text


def length(millimetres: float) -> str:
    """A length with the unit that suits it."""
    if millimetres < 0.1:
        return f"{number(1000 * millimetres)} µm"
    return f"{number(millimetres)} mm"


def quoted(value: str, most: int = 80) -> str:
    """A delivered value in quotation marks, in one line and not too long."""
    line = " ".join(value.split())
    return f"“{line if len(line) <= most else line[: most - 1] + '…'}”"


def unit_in_words(unit: str) -> str:
    """A unit of a pixel size in words."""
    return _UNITS.get(unit, unit)


def sentence(text: str) -> str:
    """The text with a capital first and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".") if text else ""
