"""Small, invented deliveries in real formats for the example registry; the same bytes every time."""

from pathlib import Path

import numpy as np

from aqqua_dataset.demo import messy, nets, tables
from aqqua_dataset.demo.ifcb import write_ifcb_delivery

_SEED = 20270715


def write_deliveries(folder: Path) -> None:
    """Writes the deliveries that contributor_registry/ speaks of; a second call gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(_SEED)
    shared = nets.write_kattegat(folder, rng)
    nets.write_flowcam(folder, rng)
    write_ifcb_delivery(folder / "boknis-ifcb-2021", rng)
    tables.write_lake(folder / "lake-stechlin-2022", rng)
    nets.write_oresund(folder, rng, shared)
    messy.write_skagerrak(folder / "skagerrak-messy-2018", rng)
    tables.write_simple(folder / "fram-loki-withdrawn", rng, 10, "")
    tables.write_simple(folder / "gotland-mooring-2024", rng, 12, "images")
    tables.write_simple(folder / "arkona-unsigned-2023", rng, 8, "images")
