"""The thresholds of all quality tests, declared once in schemas/vocabularies/thresholds.csv."""

import functools

from aqqua_dataset import schema

#: QARTOD / IODE primary levels of a flag's severity.
LEVELS = {"note": 1, "suspect": 3, "fail": 4}


@functools.cache
def _values() -> dict[str, float]:
    table = schema.vocabulary("thresholds.csv")
    return {f"{test}.{name}": float(value) for test, name, value in table[["test", "name", "value"]].to_numpy()}


def threshold(name: str) -> float:
    """The number a test compares with, in the unit the table states.

    Args:
        name: ``<test>.<name>``, e.g. ``G08.distance_km``.

    Raises:
        KeyError: the table has no such threshold.
    """
    return _values()[name]
