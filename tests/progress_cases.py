"""A collection as large as the real one, as the progress site sees it; places, institutions and days are invented."""

import datetime as dt

import numpy as np
from builders import registry

from aqqua_dataset.progress.history import Day, falls
from aqqua_dataset.progress.instruments import Group, classes, group_of_label
from aqqua_dataset.progress.numbers import Counts, Named, Progress
from aqqua_dataset.progress.places import Cell, Pledge, Star, WorldMap
from aqqua_dataset.registry.models import Registry

TODAY = dt.date(2026, 11, 21)

#: Images by instrument, of the size that the collection had in June 2026.
IMAGES = {
    "ISIIS": 4_129_541_474, "IFCB": 1_817_634_959, "PlanktonImager": 1_130_089_666, "CPICS": 234_877_157,
    "UVP": 75_825_918, "FlowCam": 33_933_791, "Zooscan": 27_113_792,
    "DSPC (Dual-magnification Scripps Plankton Camera)": 25_122_924, "PlanktoScope": 9_894_541, "LOKI": 1_400_597,
}  # fmt: skip
_PLEDGED = {"UVP": 120_000, "FlowCam": 2_500_000_000}


def large() -> tuple[Registry, Progress]:
    """A registry for settings, and what the site says of 2,492 contributions in 60 institutions."""
    random = np.random.default_rng(8)
    instruments = []
    for label, images in IMAGES.items():
        copies = images // 400
        pledged = _PLEDGED.get(label, 0)
        counts = Counts(249, pledged, images + 2 * copies, images + copies, copies, images, 0)
        instruments.append((group_of_label(label), counts))
    order = list(classes())
    instruments.sort(key=lambda i: (order.index(i[0].kind), -i[1].images))
    total = _sum([c for _, c in instruments])
    shares = (("agreed", 0.2), ("received", 0.5), ("accepted", 0.3))
    states = tuple((s, Counts(*(round(v * share) for v in vars(total).values()))) for s, share in shares)
    named = tuple(
        Named(f"Plankton of the {sea} Sea, cruise {n}", (f"Institute of the {sea} Sea",), instruments[n % 10][0],
              "accepted", Counts(1, 0, 3_700, 3_650, 40, 3_610, 0))
        for n, sea in enumerate(["Northern", "Eastern", "Western"] * 40)
    )  # fmt: skip
    history = _history()
    progress = Progress(
        TODAY, "A large plankton image collection", total, tuple(instruments), states, 3, named,
        total.contributions - len(named), history, tuple(falls(history)), _places(random),
    )  # fmt: skip
    return registry(), progress


def _sum(counts: list[Counts]) -> Counts:
    return Counts(*(sum(values) for values in zip(*(vars(c).values() for c in counts), strict=True)))


def _history() -> tuple[Day, ...]:
    """Earlier months, then a hundred counted days with a withdrawal."""
    whole: dict[Group, int] = {group_of_label(label): n for label, n in IMAGES.items()}
    shares = {(2025, 6): 0.02, (2025, 7): 0.2, (2025, 9): 0.29, (2026, 1): 0.30, (2026, 6): 0.99}
    days = [Day(dt.date(y, m, 28), {g: int(n * s) for g, n in whole.items()}, earlier=True)
            for (y, m), s in shares.items()]  # fmt: skip
    for n in range(100):
        gone = 1 if n > 60 else 0
        share = 0.99 + n / 10_000 - 0.012 * gone
        day = TODAY - dt.timedelta(days=99 - n)
        days.append(Day(day, {g: int(i * share) for g, i in whole.items()}, False, 2 + gone, 19_000_000, 9_000))
    return tuple(days)


def _places(random: np.random.Generator) -> WorldMap:
    tracks = [(-30, 20, 60, 1.1), (-70, 40, 50, 0.3), (5, 55, 30, 0.2), (150, -40, 60, -0.9), (-179, 10, 80, 0.4),
              (-20, 80, 40, -0.1), (60, -65, 80, 0.05), (18, 42, 20, 0.2)]  # fmt: skip
    cells = set()
    for number, (west, south, steps, slope) in enumerate(tracks):
        kind = list(classes())[number % 9]
        for step in range(steps):
            at_west = (west + step + 180) % 360 - 180
            at_south = int(np.clip(south + slope * step + random.integers(-1, 2), -90, 89))
            cells.add(Cell(kind, int(at_west), at_south, 1, 10_000, coarse=False))
        for _ in range(6):
            far = int(random.integers(-36, 36)) * 5, int(random.integers(-14, 16)) * 5
            cells.add(Cell(kind, *far, 5, 100, coarse=True))
    order = list(classes())
    drawn = sorted(cells, key=lambda c: (not c.coarse, order.index(c.kind), c.south, c.west))
    stars = [
        Star(float(random.uniform(36, 68)), float(random.uniform(-10, 25)), (f"Institute {n}",)) for n in range(30)
    ]
    stars += [Star(*at, (f"Institute {at}",)) for at in ((41.5, -70.7), (32.9, -117.3), (35.7, 139.8), (-42.9, 147.3))]
    pledges = tuple(Pledge(lat, lon, 1) for lat, lon in ((-57.5, -42.5), (12.5, 62.5), (77.5, 12.5), (2.5, -112.5)))
    return WorldMap(tuple(drawn), pledges, tuple(stars), 7_100_000_000, (("on land", 41_233),), 61, 9)
