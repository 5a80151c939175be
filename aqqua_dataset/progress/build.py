"""Counts the day and writes the public progress site: into the warehouse, and wherever a web server takes it from."""

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import Executor
from zoneinfo import ZoneInfo

from aqqua_dataset import space
from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.progress import cells, charts, history, ledger, monthly, site
from aqqua_dataset.progress.drawing import Drawing, png, svg_file
from aqqua_dataset.progress.naming import named_contributions
from aqqua_dataset.progress.numbers import Progress, gather, progress_json
from aqqua_dataset.progress.places import world_map
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.warehouse import Warehouse

#: Where the site lies in the warehouse.
FOLDER = "site/progress"

#: Width of the PNG files in pixels.
_NARROW_PX, _WIDE_PX = 1080, 1600


class SiteRefused(Refused):
    """There is nothing to show yet."""

    what = "the progress site"


@space.needed()
def update(collection: Collection, executor: Executor, workers: int, now: dt.datetime) -> Progress:
    """Records the day's totals, writes the site into the warehouse and returns what it says.

    Args:
        collection: registry and warehouse; the ledger was counted before.
        executor, workers: where positions of new and changed contributions are counted.
        now: the present moment, with a time zone; it decides the day.

    Raises:
        SiteRefused: the ledger was never counted.
    """
    registry, warehouse = collection.registry, collection.warehouse
    if not warehouse.exists(ledger.TABLE):
        raise SiteRefused(
            [Finding("ledger_missing", "error", "expected a ledger; run: aqqua ledger", file=ledger.TABLE)]
        )
    day = now.astimezone(ZoneInfo(registry.settings.time_zone)).date()
    rows = history.current_ledger(registry, warehouse, warehouse.read_parquet(ledger.TABLE))
    days = history.days(history.record(warehouse, day, rows), registry.progress_earlier)
    named = named_contributions(registry, day)
    counts = cells.refresh(collection, executor, workers)
    progress = gather(registry, rows, named, days, world_map(registry, counts, rows, named, day), day)
    write(registry, progress, warehouse, FOLDER)
    return progress


def write(registry: Registry, progress: Progress, warehouse: Warehouse, folder: str = "") -> None:
    """Writes all files of the site into a folder of a warehouse; other files that lie there stay."""
    for path, data in files(registry, progress):
        warehouse.write_bytes(f"{folder}/{path}".lstrip("/"), data)


def files(registry: Registry, progress: Progress) -> Iterator[tuple[str, bytes]]:
    """Path inside the site and content of every file; the page comes last, when all that it links to is there."""
    drawings: tuple[tuple[str, Drawing, int], ...] = (
        ("bars", charts.bars(progress.instruments, "linear"), _NARROW_PX),
        ("bars-log", charts.bars(progress.instruments, "log"), _NARROW_PX),
        ("growth", charts.growth(progress.history), _NARROW_PX),
        ("map", charts.world(progress.map, legend=True), _WIDE_PX),
    )
    for name, drawing, width in drawings:
        yield f"{name}.svg", svg_file(drawing).encode()
        yield f"{name}.png", png(drawing, width)
    for path, text in monthly.files(progress.history):
        yield path, text.encode()
    yield site.NUMBERS, progress_json(progress).encode()
    yield site.CONTRIBUTIONS, site.contributions_page(registry, progress).encode()
    yield site.INDEX, site.index_page(registry, progress).encode()
