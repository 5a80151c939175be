"""The progress site's numbers: cells counted by hand, what the map may show, growth that goes down, the files."""

import datetime as dt
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import stores
from builders import GIVEN, collection, contribution, person, registry
from progress_cases import IMAGES, TODAY
from small import pictures, withdrawn

from aqqua_dataset import privacy, schema
from aqqua_dataset.cli import main
from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.demo.draw import write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.progress import build, cells, earth, history, monthly
from aqqua_dataset.progress.cells import CellCounts
from aqqua_dataset.progress.history import Day
from aqqua_dataset.progress.instruments import Group, classes, group_of, group_of_label
from aqqua_dataset.progress.naming import UNTITLED, PublicTitles, may_be_named, title_findings
from aqqua_dataset.progress.numbers import Progress
from aqqua_dataset.progress.places import Pledge, Star, WorldMap, world_map
from aqqua_dataset.registry.earlier import EARLIER, as_table, load_earlier, read_monthly
from aqqua_dataset.registry.models import Contribution, Declared, Event, Institution, Registry, Sea
from aqqua_dataset.registry.publishing import EarlierTotal, PositionReview, ProgressPolicy
from aqqua_dataset.warehouse import Warehouse
from aqqua_dataset.workflow import update_ledger

NOW = dt.datetime(2026, 11, 21, 2, 0, tzinfo=dt.UTC)

#: Latitude and longitude of the images of contribution ``one``, by sample, and the cell each belongs to.
PLACES: dict[str, list[tuple[str, str, tuple[int, int] | None]]] = {
    "kattegat": [("56.5208", "11.4917", (11, 56)), ("56.9999", "11.0", (11, 56)), ("57.0", "11.4917", (11, 57))],
    "date-line": [("-20.5", "180", (179, -21)), ("-20.5", "-180", (-180, -21)), ("-20.5", "-179.5", (-180, -21))],
    "pole": [("90", "-45.5", (-46, 89)), ("-70.2", "-40.1", (-41, -71))],
    "desert": [("21.5", "12.5", None), ("21.6", "12.5", None)],
    "equator": [("0", "-25.5", None), ("0", "-24.5", None)],
}  # fmt: skip
ON_LAND, DOUBTFUL = 2, 2


def deliver(folder: Path) -> None:
    """An EcoTaxa folder with an image at each of the places, and one without a usable file."""
    files: dict[str, bytes] = {}
    rows = []
    number = 0
    drawn = pictures(3, 12)
    for sample, places in PLACES.items():
        for latitude, longitude, _ in places:
            name = f"{sample}-{number}.png"
            files[name] = drawn[number]
            at = {"object_lat": latitude, "object_lon": longitude}
            rows.append(net_row(sample, number, name, sample_ship="", sample_stationid=sample, **at))
            number += 1
    rows.append(net_row("kattegat", number, "broken.png", object_lat="56.6", object_lon="11.5"))
    write_files(folder, {"ecotaxa_one.tsv": ecotaxa_tsv(rows), "broken.png": b"not a picture", **files})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Two contributions with images, one that copies the other, a pledge, and one that was withdrawn before it came."""
    home = tmp_path_factory.mktemp("progress")
    deliver(home / "one")
    write_files(home / "two", {
        "ecotaxa_two.tsv": ecotaxa_tsv([net_row("two", n, f"{n}.png") for n in range(4)]),
        **{f"{n}.png": data for n, data in enumerate([pictures(3, 1)[0], *pictures(4, 3)])},
    })  # fmt: skip
    sea = Sea(name="Kattegat", south=56, north=58, west=10, east=13)
    pledge = contribution(
        "soon", None, history=(Event(date=GIVEN, state="pledged"),), permissions=(), form_id=None, form=None,
        expected_images=500, expected_instruments=("uvp6",), declared=Declared(sea=sea),
    )  # fmt: skip
    gone = withdrawn(contribution("gone", None))
    one = contribution("one", home / "one", title="First nets")
    two = contribution("two", home / "two", title="Second nets")
    result = collection(home, one, two, pledge, gone)
    for name in ("one", "two"):
        run_contribution(result, name, SerialExecutor(), 1, lambda _: None)
    update_ledger(result)
    return result


def update(made: Collection, now: dt.datetime = NOW) -> Progress:
    return build.update(made, SerialExecutor(), 1, now)


def test_images_are_counted_in_the_cells_they_lie_in(made: Collection) -> None:
    found = cells.refresh(made, SerialExecutor(), 1)
    expected: dict[tuple[int, int], int] = {}
    for places in PLACES.values():
        for _, _, cell in places:
            if cell is not None:
                expected[cell] = expected.get(cell, 0) + 1
    one = found["one"]
    assert {(west, south): images for _, west, south, images in one.cells} == expected
    assert {instrument for instrument, *_ in one.cells} == {"zooscan"}
    assert (one.on_land, one.doubtful) == (ON_LAND, DOUBTFUL)
    assert found["two"].cells == (("zooscan", 11, 56, 4),)
    assert set(found) == {"one", "two"}


def test_an_unchanged_contribution_is_not_counted_again_and_a_withdrawn_one_is_forgotten(
    made: Collection, tmp_path: Path
) -> None:
    first = cells.refresh(made, SerialExecutor(), 1)
    kept = Path(made.warehouse.root) / cells.FOLDER / "one.json"
    before = kept.stat().st_mtime_ns
    told = json.loads(kept.read_text())
    kept.write_text(json.dumps({**told, "on_land": 77}))
    assert cells.refresh(made, SerialExecutor(), 1)["one"].on_land == 77  # what is kept is read, not counted
    kept.write_text(json.dumps({**told, "key": "another", "on_land": 77}))
    assert cells.refresh(made, SerialExecutor(), 1) == first
    assert kept.stat().st_mtime_ns > before
    without = changed_registry(made, one=withdrawn(made.registry.contributions["one"]))
    assert set(cells.refresh(without, SerialExecutor(), 1)) == {"two"}
    assert not kept.exists()


def test_batches_of_shards_add_up(made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cells.refresh(made, SerialExecutor(), 1)
    made.warehouse.remove(cells.FOLDER)
    monkeypatch.setattr(cells, "SHARDS_PER_TASK", 1)
    assert cells.refresh(made, SerialExecutor(), 1) == whole


def changed_registry(made: Collection, **contributions: Contribution) -> Collection:
    everything = made.registry.contributions | contributions
    return replace(made, registry=made.registry.model_copy(update={"contributions": everything}))


# --- what the map may show


def counts(name: str, images: int, west: int = 11, south: int = 56, instrument: str = "zooscan") -> CellCounts:
    return CellCounts(name, ((instrument, west, south, images),), 0, 0)


def shown(using: Registry, *found: CellCounts, published: tuple[str, ...] = (), day: dt.date = TODAY) -> WorldMap:
    rows = [
        {"contribution_id": c, "received": 1, "published": int(c in published)} for c in sorted(using.contributions)
    ]
    return world_map(using, {c.contribution: c for c in found}, rows, (), day)


def three(**changes: object) -> Registry:
    """Contributions a, b and c; the first one changed."""
    return registry(contribution("a", "a", **changes), contribution("b", "b"), contribution("c", "c"))


def places_of(found: WorldMap) -> list[tuple[int, int, int]]:
    return [(c.west, c.south, c.size) for c in found.cells]


def test_a_small_cell_needs_enough_contributions_and_images_of_its_class() -> None:
    using = three()
    assert places_of(shown(using, counts("a", 60), counts("b", 40))) == [(11, 56, 1)]
    assert places_of(shown(using, counts("a", 59), counts("b", 40))) == [(10, 55, 5)]
    assert places_of(shown(using, counts("a", 10**9))) == [(10, 55, 5)]
    apart = shown(using, counts("a", 500), counts("b", 500, instrument="uvp6"))
    assert [(c.kind, c.size) for c in apart.cells] == [("darkfield", 5), ("scanner", 5)]


def test_thresholds_and_sizes_come_from_the_settings() -> None:
    policy = ProgressPolicy(cell_deg=2, coarse_cell_deg=30, fewest_images=3, fewest_contributions=1)
    using = three()
    using = using.model_copy(update={"settings": using.settings.model_copy(update={"progress": policy})})
    assert places_of(shown(using, counts("a", 3, west=-1, south=-1))) == [(-2, -2, 2)]
    assert places_of(shown(using, counts("a", 2, west=-1, south=-1))) == [(-30, -30, 30)]
    with pytest.raises(ValueError, match="multiple"):
        ProgressPolicy(cell_deg=10, coarse_cell_deg=15)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"positions": PositionReview(state="open", by="core-member", date=GIVEN)}, "may not be public"),
        ({"not_before": TODAY + dt.timedelta(days=1)}, "a later day"),
        ({"permissions": ()}, "permission is missing"),
    ],
)
def test_what_may_not_be_shown_is_only_counted(changes: dict[str, object], why: str) -> None:
    found = shown(three(**changes), counts("a", 700), counts("b", 60), counts("c", 60))
    assert found.images == 120
    [(reason, images)] = found.left_out
    assert why in reason
    assert images == 700


def test_positions_nobody_has_looked_at_are_coarse_even_among_others() -> None:
    found = shown(three(positions=None), counts("a", 700), counts("b", 60), counts("c", 60))
    assert places_of(found) == [(10, 55, 5), (11, 56, 1)]
    # The coarse cell holds 700 images; only their power of a hundred is told.
    assert [c.at_least for c in found.cells] == [100, 100]


def test_what_is_published_is_shown_in_small_cells_and_says_nothing_of_others_there() -> None:
    found = shown(three(positions=None), counts("a", 5), counts("b", 70), published=("a",))
    assert places_of(found) == [(10, 55, 5), (11, 56, 1)]
    assert [c.at_least for c in found.cells] == [1, 1]


def test_cells_at_the_date_line_and_the_poles_stay_on_the_map() -> None:
    corners = [(-180, -90), (-180, 89), (179, -90), (179, 89)]
    found = shown(three(), *(CellCounts(n, tuple(("zooscan", *c, 60) for c in corners), 0, 0) for n in ("a", "b")))
    assert sorted(places_of(found)) == [(w, s, 1) for w, s in corners]
    coarse = shown(three(), CellCounts("a", tuple(("zooscan", *c, 60) for c in corners), 0, 0))
    assert sorted(places_of(coarse)) == [(-180, -90, 5), (-180, 85, 5), (175, -90, 5), (175, 85, 5)]
    for cell in (*found.cells, *coarse.cells):
        ring = earth.outline(cell.west, cell.south, cell.west + cell.size, cell.south + cell.size)
        across = [x for x, _ in ring]
        assert max(across) - min(across) < 20
        assert all(-1e-9 <= x <= earth.WIDTH and -1e-9 <= y <= earth.HEIGHT + 1e-9 for x, y in ring)


def test_pledges_stand_at_their_region_or_are_counted_without_place() -> None:
    def pledge(name: str, **declared: Any) -> Contribution:
        return contribution(name, None, history=(Event(date=GIVEN, state="pledged"),), declared=Declared(**declared))

    pacific = Sea(name="Chukchi Sea", south=66, north=74, west=-175, east=-155)
    across = Sea(name="Fiji", south=-20, north=-10, west=175, east=-175)
    oceans = Sea(name="All", south=-60, north=60, west=-100, east=100)
    using = registry(
        pledge("a", latitude=56.5, longitude=11.49), pledge("b", latitude=57.1, longitude=350.2), pledge("c"),
        pledge("d", sea=pacific), pledge("e", sea=across), pledge("f", sea=oceans),
        pledge("g", latitude=90, longitude=180), pledge("i", latitude=58, longitude=14),
        withdrawn(pledge("h", latitude=1, longitude=1)),
    )  # fmt: skip
    rows = [{"contribution_id": c, "received": 0, "published": 0} for c in using.contributions]
    found = world_map(using, {}, rows, (), TODAY)
    assert set(found.pledges) == {
        Pledge(57.5, 12.5, 2), Pledge(57.5, -7.5, 1), Pledge(70, -165, 1), Pledge(-15, -180, 1),
        Pledge(87.5, -177.5, 1),
    }  # fmt: skip
    assert found.pledges_without_place == 2


def test_institutions_of_contributions_that_may_be_named_are_stars() -> None:
    homes = [
        Institution(id=f"home-{n}", name=f"Home {n}", country="DE", latitude=54.33, longitude=10.18) for n in (1, 2)
    ]
    homes.append(Institution(id="nowhere", name="Nowhere", country="DE"))
    homes.append(Institution(id="secret", name="Secret", country="DE", latitude=1, longitude=1))
    using = registry(contribution("a", "a", institutions=("home-1", "home-2", "nowhere")))
    using = using.model_copy(update={"institutions": {h.id: h for h in homes}})
    found = world_map(using, {}, [], list(using.contributions.values()), TODAY)
    assert found.stars == (Star(54.3, 10.2, ("Home 1", "Home 2")),)
    assert found.institutions_without_place == 1


# --- who is named


def test_only_what_its_owner_agreed_to_is_named() -> None:
    pledged = (Event(date=GIVEN, state="pledged"),)
    cases = {
        "agreed": (contribution("a", "a"), True),
        "pledged": (contribution("a", None, history=pledged), False),
        "withdrawn": (withdrawn(contribution("a", "a")), False),
        "no-permission": (contribution("a", "a", permissions=()), False),
        "later": (contribution("a", "a", not_before=TODAY + dt.timedelta(days=1)), False),
        "from-today": (contribution("a", "a", not_before=TODAY), True),
    }
    found = {name: may_be_named(registry(case), case, TODAY) for name, (case, _) in cases.items()}
    assert found == {name: wanted for name, (_, wanted) in cases.items()}


@pytest.mark.parametrize(
    ("family", "title", "hidden"),
    [
        ("Li", "IFCB Li 2019", True),
        ("Li", "Light of the Baltic", False),
        ("Müller", "Zooplankton MULLER cruise", True),
        ("Müller-Schmidt", "Data of schmidt", True),
        ("Le Goff", "Plankton le monde", False),
        ("Le Goff", "Samples_Le_Goff_2", True),
        ("Ålund", "Nets, ask anna@example.org", True),
        ("Ålund", "Nets of the Åland Sea", False),
        ("Ålund", "Nets, tel. +49 431 555 0199", True),
        ("Ålund", "Nets of form F-1", True),
    ],
)
def test_no_title_names_a_person(family: str, title: str, hidden: bool) -> None:
    case = contribution("a", "a", title=title)
    using = registry(case)
    using = using.model_copy(update={"people": {"p": person("anna-x").model_copy(update={"family": family})}})
    assert PublicTitles(using).of(case) == (UNTITLED if hidden else title)
    assert [f.contribution for f in title_findings(using, [case])] == (["a"] if hidden else [])


# --- growth


def ledger_of(*rows: tuple[str, str | None, int, int]) -> pa.Table:
    """Contributions with instrument, usable images and copies; nothing rejected or missing."""
    made = [
        {"contribution_id": name, "state": "received", "instrument": instrument, "declared": n, "missing": 0,
         "received": n, "rejected": 0, "accepted": n, "duplicate": d, "unique": n - d, "withheld": 0,
         "permitted": n - d, "published": n - d, "flagged": 0, "withheld_reason": None}
        for name, instrument, n, d in rows
    ]  # fmt: skip
    return pa.Table.from_pylist(made, schema.arrow("ledger"))


def test_a_day_counted_again_replaces_itself_and_no_other(tmp_path: Path) -> None:
    warehouse, using = Warehouse(str(tmp_path)), three()

    def count(day: int, *rows: tuple[str, str | None, int, int]) -> pa.Table:
        found = history.current_ledger(using, warehouse, ledger_of(*rows))
        return history.record(warehouse, dt.date(2026, 11, day), found)

    count(1, ("a", "uvp6", 10, 0))
    count(2, ("a", "uvp6", 10, 0), ("b", None, 5, 0))
    first = Path(warehouse.url(history.TABLE)).read_bytes()
    count(2, ("a", "uvp6", 1, 0))
    told = history.days(count(3, ("a", "uvp6", 7, 2)), ())
    assert [(d.day.day, d.images) for d in told] == [
        (1, {Group("darkfield", "UVP"): 10}), (2, {Group("darkfield", "UVP"): 1}), (3, {Group("darkfield", "UVP"): 5})
    ]  # fmt: skip
    warehouse.remove(history.TABLE)
    count(2, ("a", "uvp6", 10, 0), ("b", None, 5, 0))
    count(1, ("a", "uvp6", 10, 0))
    assert Path(warehouse.url(history.TABLE)).read_bytes() == first


def test_what_was_withdrawn_since_the_ledger_counts_no_more_and_the_fall_says_why(tmp_path: Path) -> None:
    warehouse, using = Warehouse(str(tmp_path)), three()
    table = ledger_of(("a", "uvp6", 100, 0), ("b", "ifcb", 50, 0), ("left-the-registry", "ifcb", 9, 0))
    history.record(warehouse, dt.date(2026, 11, 1), history.current_ledger(using, warehouse, table))
    gone = using.model_copy(update={"contributions": using.contributions | {"a": withdrawn(using.contributions["a"])}})
    history.record(warehouse, dt.date(2026, 11, 2), history.current_ledger(gone, warehouse, table))
    copied = ledger_of(("b", "ifcb", 50, 20))
    told = history.record(warehouse, dt.date(2026, 11, 3), history.current_ledger(gone, warehouse, copied))
    days = history.days(told, ())
    assert [(d.total, d.withdrawn, d.duplicate) for d in days] == [(150, 0, 0), (50, 1, 0), (30, 1, 20)]
    later, sooner = history.falls(days)
    assert (sooner.fewer, sooner.why) == (100, ("1 contribution withdrawn by the owner",))
    assert (later.fewer, later.why) == (20, ("20 more images recognised as copies of others",))


def test_published_is_what_the_latest_release_holds(tmp_path: Path) -> None:
    warehouse, using = Warehouse(str(tmp_path)), three()
    table = ledger_of(("a", "uvp6", 100, 0), ("b", "uvp6", 3, 0))
    assert [r["published"] for r in history.current_ledger(using, warehouse, table)] == [0, 0, 0]
    warehouse.write_json("releases/public/latest.json", {"version": "1.2.0"})
    released = ledger_of(("a", "uvp6", 40, 0))
    warehouse.write_parquet("releases/public/v1.2.0/ledger.parquet", released, released.schema)
    assert [r["published"] for r in history.current_ledger(using, warehouse, table)] == [40, 0, 0]


def test_earlier_totals_come_before_the_counted_days_and_are_told_apart(tmp_path: Path) -> None:
    warehouse, using = Warehouse(str(tmp_path)), three()
    earlier = [EarlierTotal(day=dt.date(2026, m, 28), label=label, images=n)
               for m, label, n in ((1, "UVP5", 60), (1, "UVP6", 40), (1, "IFCB", 500), (12, "IFCB", 9))]  # fmt: skip
    rows = history.current_ledger(using, warehouse, ledger_of(("a", "ifcb", 300, 0)))
    days = history.days(history.record(warehouse, dt.date(2026, 11, 1), rows), earlier)
    assert [(d.day, d.earlier, d.images) for d in days] == [
        (dt.date(2026, 1, 28), True, {Group("darkfield", "UVP"): 100, Group("flow_in_situ", "IFCB"): 500}),
        (dt.date(2026, 11, 1), False, {Group("flow_in_situ", "IFCB"): 300}),
    ]
    [fall] = history.falls(days)
    assert fall.fewer == 300
    assert "from here on" in fall.why[0]


def test_every_instrument_has_a_class_and_a_name_that_the_page_can_read() -> None:
    for instrument in schema.vocabulary("instruments.csv")["instrument_id"]:
        group = group_of(instrument)
        assert group.kind in classes(), instrument
        assert group.label, instrument
        assert "," not in group.label, instrument
    kinds = {"Zooscan": "scanner", "PlanktonImager": "flow_lab", "UVP5": "darkfield", "?": "other",
             "CPICS": "darkfield", "ISIIS": "flow_in_situ", "Other": "other", "LOKI": "other"}  # fmt: skip
    assert {label: group_of_label(label).kind for label in kinds} == kinds
    # The project's own names of June 2026 keep their name.
    assert {group_of_label(label).label for label in IMAGES} == set(IMAGES)


# --- the files of the project's earlier page


def read_as_the_page_does(folder: Path) -> dict[str, dict[str, int]]:
    """What assets/progress.js reads: names and numbers of every file in the list, sorted by name."""
    found = {}
    for name in sorted(json.loads((folder / "filelist.json").read_text())):
        lines = (folder / name).read_text().strip().split("\n")
        heads, numbers = ([cell.strip() for cell in line.split(",")[1:]] for line in lines[:2])
        assert lines[1].split(",")[0] == name.removesuffix(".csv").replace("_", "/")
        found[name] = dict(zip(heads, map(int, numbers), strict=True))
    return found


def test_monthly_files_are_what_the_earlier_page_reads(tmp_path: Path) -> None:
    uvp, ifcb, zoo = Group("darkfield", "UVP"), Group("flow_in_situ", "IFCB"), Group("scanner", "Zooscan")
    days = [
        Day(dt.date(2026, 9, 30), {ifcb: 10}, earlier=True),
        Day(dt.date(2026, 10, 3), {uvp: 1}),
        # A quarter of a percent of 4,000 is 10: what has 9 is part of Other, what has 10 is not.
        Day(dt.date(2026, 10, 31), {zoo: 9, uvp: 10, ifcb: 3_901, group_of("flatbed"): 9, group_of(None): 71}),
        Day(dt.date(2026, 11, 1), {}),
    ]  # fmt: skip
    for path, text in monthly.files(days):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    folder = tmp_path / "assets/data"
    assert (folder / "2026_10.csv").read_text() == "Label, IFCB, Other, UVP\n2026/10, 3901, 89, 10\n"
    assert (folder / "filelist.json").read_text() == '[\n  "2026_09.csv",\n  "2026_10.csv"\n]\n'
    assert read_as_the_page_does(folder) == {
        "2026_09.csv": {"IFCB": 10}, "2026_10.csv": {"IFCB": 3901, "Other": 89, "UVP": 10}
    }  # fmt: skip


def test_earlier_files_are_turned_into_the_registrys_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Both ways in which the project has written them.
    (tmp_path / "2025_06.csv").write_text("Label, IFCB, UVP5\n2025/06, 2169828, 9758304\n")
    (tmp_path / "2024_02.csv").write_text("Label,DSPC (Dual-magnification Scripps Plankton Camera),IFCB\n2024/02,25,")
    assert main(["progress", "earlier", *map(str, sorted(tmp_path.glob("*.csv")))]) == 0
    text = capsys.readouterr().out
    assert text.splitlines() == [
        "day,label,images",
        "2024-02-29,DSPC (Dual-magnification Scripps Plankton Camera),25",
        "2025-06-30,IFCB,2169828",
        "2025-06-30,UVP5,9758304",
    ]
    (tmp_path / EARLIER).write_text(text)
    totals, findings = load_earlier(tmp_path)
    assert findings == []
    assert as_table(totals) == text


@pytest.mark.parametrize(
    ("content", "line"),
    [("", 1), ("Name, IFCB\n2025/06, 1\n", 1), ("Label, IFCB, UVP\n2025/06, 1\n", 1), ("Label, IFCB\nJune, 1\n", 2),
     ("Label, IFCB\n2025/13, 1\n", 2), ("Label, IFCB\n2025/06, 1.5e6\n", 2)],
)  # fmt: skip
def test_a_mistake_in_an_earlier_file_is_named(
    tmp_path: Path, content: str, line: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "2025_06.csv"
    path.write_text(content)
    totals, [finding] = read_monthly(path)
    assert totals == []
    assert (finding.file, finding.line) == (str(path), line)
    assert main(["progress", "earlier", str(path)]) == 1
    assert str(path) in capsys.readouterr().err


def test_mistakes_in_the_registrys_table_are_named_with_their_line(tmp_path: Path) -> None:
    rows = "day,label,images\n2025-06-30,IFCB,10\n2025-06-30,IFCB,11\n30.6.2025,IFCB,10\n2025-07-31,UVP,-1\n"
    (tmp_path / EARLIER).write_text(rows)
    totals, findings = load_earlier(tmp_path)
    assert [t.images for t in totals] == [10]
    assert sorted((f.line, f.key) for f in findings) == [(3, "label"), (4, "day"), (5, "images")]


# --- the projection, against what its authors say of it


def test_equal_areas_stay_equal_and_the_poles_are_as_long_as_published() -> None:
    def area(ring: earth.Ring) -> float:
        x, y = np.array(ring).T
        return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2

    ratios = []
    for south in range(-90, 90, 15):
        for west in (-180, -30, 120):
            sphere = math.radians(15) * (math.sin(math.radians(south + 15)) - math.sin(math.radians(south)))
            ratios.append(area(earth.outline(west, south, west + 15, south + 15)) / sphere)
    assert max(ratios) / min(ratios) < 1.003
    # "The poles are 0.59247 times as long as the equator" (Šavrič, Patterson and Jenny 2019, section 3).
    pole = earth.project(180, 90)[0] - earth.project(-180, 90)[0]
    assert pole / earth.WIDTH == pytest.approx(0.59247, abs=1e-5)
    assert earth.project(0, 0) == pytest.approx((earth.WIDTH / 2, earth.HEIGHT / 2))


def test_no_coast_runs_across_the_map() -> None:
    coasts, inland = earth.land()
    assert len(coasts) > 100
    assert len(inland) == 1  # the Caspian
    for ring in coasts:
        steps = [abs(x - a) for (x, _), (a, _) in zip(ring[1:], ring, strict=False)]
        south = max(y for _, y in ring) > earth.HEIGHT - 1  # along the pole Antarctica is as wide as the map
        assert max(steps) < 12 or south


# --- the site as a whole


@pytest.fixture
def site(made: Collection) -> tuple[Progress, dict[str, bytes]]:
    for folder in ("progress", build.FOLDER):
        made.warehouse.remove(folder)
    return update(made), files_of(made.warehouse)


def files_of(warehouse: Warehouse) -> dict[str, bytes]:
    paths = warehouse.find(build.FOLDER)
    return {p.removeprefix(f"{build.FOLDER}/"): Path(warehouse.url(p)).read_bytes() for p in paths}


def test_the_sites_numbers_are_the_ledgers(made: Collection, site: tuple[Progress, dict[str, bytes]]) -> None:
    progress, files = site
    told = json.loads(files["progress.json"])
    # 13 images were delivered with ``one``, one of them broken; ``two`` has 4, one of them a copy.
    assert told["totals"] == {
        "contributions": 3, "pledged": 500, "received": 17, "accepted": 16, "copies": 1, "images": 15, "published": 0
    }  # fmt: skip
    assert told["withdrawn_contributions"] == 1
    assert [(s["state"], s["contributions"]) for s in told["states"]] == [("pledged", 1), ("agreed", 2)]
    assert [(i["label"], i["images"], i["pledged"]) for i in told["instruments"]] == [
        ("UVP", 0, 500),
        ("Zooscan", 15, 0),
    ]
    assert [n["title"] for n in told["contributions"]] == ["First nets", "Second nets"]
    assert told["pledges"] == [[57.0, 11.5, 1]]
    assert told["images_on_map"] == 12
    assert sum(told["images_left_out"].values()) == ON_LAND + DOUBTFUL
    assert told["cells"] == [["scanner", w, s, 5, 1] for w, s in
                             ((-45, -75), (-180, -25), (175, -25), (10, 55), (-50, 85))]  # fmt: skip
    assert progress.history[-1].total == 15


def test_the_same_day_gives_the_same_bytes_and_another_day_adds_a_line(
    made: Collection, site: tuple[Progress, dict[str, bytes]], tmp_path: Path
) -> None:
    progress, files = site
    update(made, NOW + dt.timedelta(hours=5))
    build.write(made.registry, progress, Warehouse(str(tmp_path)))
    for path, data in files.items():
        assert Path(made.warehouse.url(f"{build.FOLDER}/{path}")).read_bytes() == data, path
        assert (tmp_path / path).read_bytes() == data, path
    later = update(made, NOW + dt.timedelta(days=40))
    assert [d.day.isoformat() for d in later.history] == ["2026-11-21", "2026-12-31"]
    assert read_as_the_page_does(Path(made.warehouse.url(f"{build.FOLDER}/assets/data"))) == {
        "2026_11.csv": {"Zooscan": 15}, "2026_12.csv": {"Zooscan": 15}
    }  # fmt: skip


def test_an_object_store_gets_the_same_files_as_a_disk(
    made: Collection, site: tuple[Progress, dict[str, bytes]], tmp_path: Path
) -> None:
    shutil.copytree(Path(made.warehouse.root) / "contributions", tmp_path / "store/bucket/contributions")
    shutil.copytree(Path(made.warehouse.root) / "ledger", tmp_path / "store/bucket/ledger")
    with stores.s3(tmp_path / "store") as address:
        options = {"key": "key", "secret": "secret", "client_kwargs": {"endpoint_url": address}}
        there = replace(made, warehouse=Warehouse("s3://bucket", options))
        update(there)
    folder = tmp_path / "store/bucket" / build.FOLDER
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == site[1]


def test_nothing_personal_and_nothing_withdrawn_is_in_any_file(made: Collection) -> None:
    people = {
        name: p.model_copy(update={"given": f"Xaverine{n}", "family": f"Quillfeather{n}"})
        for n, (name, p) in enumerate(made.registry.people.items())
    }
    kept = made.registry.contributions["one"]
    titled = kept.model_copy(update={"title": "Nets of Quillfeather0", "description": "by xaverine1@example.org"})
    named = changed_registry(made, one=titled)
    named = replace(named, registry=named.registry.model_copy(update={"people": people}))
    update(named)
    words = ("xaverine", "quillfeather", "@", "Åsa", "told in confidence", "contribution gone", "contribution soon",
             "owner-one", "core-member", "kattegat")  # fmt: skip
    for path, data in files_of(made.warehouse).items():
        if path.endswith(".png"):
            assert b"tEXt" not in data
            assert b"eXIf" not in data
        else:
            text = data.decode().casefold().replace("@media", "")
            assert [w for w in words if w.casefold() in text] == [], path
            assert path.endswith(".svg") or [*privacy.found_in(data.decode())] == [], path
    assert UNTITLED in (Path(made.warehouse.url(build.FOLDER)) / "contributions.html").read_text()


def test_without_a_ledger_the_command_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(__file__).parent.parent / "contributor_registry"
    told = main(["progress", "site", "--registry", str(root), "--warehouse", str(tmp_path), "--executor", "serial"])
    assert told == 1
    assert "aqqua ledger" in capsys.readouterr().out
