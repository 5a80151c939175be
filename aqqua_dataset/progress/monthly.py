"""The files that the project's earlier page reads: ``YYYY_MM.csv`` for every month, and ``filelist.json``.

Format: Kainmueller-Lab/aqqua on GitHub, ``plot_creation/fetch_and_update.py`` (write_csv, combine) and
``assets/progress.js``, as of June 2026. A file is a line ``Label, A, B`` and a line ``2026/06, 12, 3``, the largest
instrument first; instruments below a quarter of a percent are summed up as ``Other``. The page cuts lines at commas.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

from aqqua_dataset.progress.history import Day

#: Share of all images below which an instrument is part of Other (``_OTHER_THRESHOLD`` of fetch_and_update.py).
LEAST_SHARE = 0.0025

FOLDER = "assets/data"
_OTHER = "Other"


def files(history: Sequence[Day]) -> Iterator[tuple[str, str]]:
    """Path inside the site and text of each file; a month counts as on its last counted day."""
    months: dict[tuple[int, int], Day] = {}
    for day in history:
        if day.total:
            months[day.day.year, day.day.month] = day
    names = []
    for (year, month), day in sorted(months.items()):
        names.append(f"{year}_{month:02d}.csv")
        yield f"{FOLDER}/{names[-1]}", _text(dt.date(year, month, 1), combined(day))
    yield f"{FOLDER}/filelist.json", json.dumps(names, indent=2) + "\n"


def combined(day: Day) -> dict[str, int]:
    """Images by the page's names, the most first; small ones are part of ``Other``, which comes by its size as well."""
    named: dict[str, int] = defaultdict(int)
    for group, images in day.images.items():
        named[group.label] += images
    sums: dict[str, int] = defaultdict(int)
    for name, images in named.items():
        sums[name if images / day.total >= LEAST_SHARE else _OTHER] += images
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def _text(month: dt.date, counts: dict[str, int]) -> str:
    names, numbers = ", ".join(counts), ", ".join(map(str, counts.values()))
    return f"Label, {names}\n{month.year}/{month.month:02d}, {numbers}\n"
