"""Small, invented deliveries in real formats for the example registry; the same bytes every time.

Here is only which delivery goes where. ``ecotaxa``, ``ifcb`` and ``tables`` hold the writers of the formats, which
tests use as well; ``draw`` holds the pictures and how files get reproducible bytes.
"""

from pathlib import Path

from aqqua_dataset.demo import ecotaxa, ifcb, tables


def write_deliveries(folder: Path) -> None:
    """Writes the deliveries that contributor_registry/ speaks of; a second call gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    ecotaxa.write_kattegat(folder / "kattegat-net-2019.zip")
    ecotaxa.write_oresund(folder / "oresund-net-2019.zip")
    ecotaxa.write_flowcam(folder / "kattegat-flowcam-2020")
    ecotaxa.write_skagerrak(folder / "skagerrak-messy-2018")
    ifcb.write_boknis(folder / "boknis-ifcb-2021")
    tables.write_lake(folder / "lake-stechlin-2022")
    tables.write_simple(folder / "fram-loki-withdrawn", tables.Mooring("fram", 2021, 78.83, 4.12, 10))
    tables.write_simple(folder / "gotland-mooring-2024", tables.Mooring("gotland", 2024, 57.42, 19.21, 12), "images/")
    tables.write_simple(folder / "arkona-unsigned-2023", tables.Mooring("arkona", 2023, 54.88, 13.86, 8), "images/")
