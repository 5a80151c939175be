"""Cultures: position and time of the original sampling, where the form says them (``declared.culture_origin``)."""

import pandas as pd

from aqqua_dataset.harmonise.work import Work, culture


def interpret(work: Work) -> None:
    """Adds the origin to the rows of a culture that have no position or no time of their own.

    Position and time are judged apart. Where the rows' own are the laboratory's (``replaces``), they are left out.
    """
    origin = work.contribution.declared.culture_origin
    if origin is None or work.contribution.declared.water_type != "culture":
        return
    _supply(
        work, ("latitude", "longitude"), {"latitude": origin.latitude, "longitude": origin.longitude}, origin.replaces
    )
    if origin.date is not None:
        _supply(work, ("datetime", "date", "time"), {"datetime": origin.date.isoformat()}, origin.replaces)


def _supply(work: Work, inputs: tuple[str, ...], values: dict[str, object], replaces: bool) -> None:
    columns = {name: {c.column for c in work.candidates(name)} for name in inputs}
    rows = work.rows.copy()
    if replaces:
        rows = rows.assign(**dict.fromkeys(set().union(*columns.values()), work.empty()))
        own = pd.Series(False, rows.index)
    elif "latitude" in columns:
        own = work.text("latitude").notna() & work.text("longitude").notna()
    else:
        own = work.text("datetime").notna() | work.text("date").notna()
    for name, value in values.items():
        rows[culture(name).column] = work.constant(str(value)).mask(own)
    work.rows = rows
