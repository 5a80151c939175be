"""The report to a contributor: its numbers, its words, and that its page is safe, small and the same every time."""

import datetime as dt
import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from builders import collection as built
from builders import contribution
from pages import Page

from aqqua_dataset import schema, workflow
from aqqua_dataset.cli import main
from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config
from aqqua_dataset.demo import write_deliveries
from aqqua_dataset.images.inspect import inspect_file
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.registry.models import Declared, Quantity
from aqqua_dataset.report import build, plots
from aqqua_dataset.report.content import document
from aqqua_dataset.report.facts import Arrival, Bar, Dot, Facts, Finding, Label
from aqqua_dataset.report.gather import gather
from aqqua_dataset.report.html import page
from aqqua_dataset.report.markdown import markdown
from aqqua_dataset.report.questions import answers, questions
from aqqua_dataset.report.understood import around
from aqqua_dataset.report.words import length, number, quoted, share


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, registry_folder: Path) -> Collection:
    """The example collection, taken through all stages and counted."""
    home = tmp_path_factory.mktemp("demo")
    write_deliveries(home / "deliveries")
    config = Config(registry_folder, str(home / "deliveries"), str(home / "warehouse"), "serial")
    made, _ = workflow.open_collection(config)
    with open_executor("serial") as (executor, workers):
        for _ in workflow.run_all(made, executor, workers, progress=lambda _: None):
            pass
    workflow.update_ledger(made)
    return made


def ledger(demo: Collection) -> dict[str, dict[str, int]]:
    return {row["contribution_id"]: row for row in demo.warehouse.read_parquet("ledger/ledger.parquet").to_pylist()}


def test_every_report_has_the_numbers_of_the_ledger(demo: Collection) -> None:
    for name, row in ledger(demo).items():
        counts = gather(demo, name).arrival
        assert (counts.declared, counts.missing, counts.received, counts.held_back, counts.usable) == (
            row["declared"], row["missing"], row["received"], row["rejected"], row["accepted"],
        ), name  # fmt: skip
        assert counts.ledger is not None
        assert (counts.ledger.duplicate, counts.ledger.withheld, counts.ledger.permitted) == (
            row["duplicate"], row["withheld"], row["permitted"],
        ), name  # fmt: skip


def test_the_sum_of_a_messy_delivery_balances_on_the_page(demo: Collection) -> None:
    words = Page(page(document(gather(demo, "skagerrak-messy-2018")))).words
    assert "25 images of 23 objects. 24 arrived, and 10 can be used." in words
    assert "All 25 = 10 + 14 + 1" in words
    assert "14 images held back, 1 missing." in words


def test_every_page_is_well_formed_self_contained_and_small(demo: Collection) -> None:
    for name in demo.registry.contributions:
        text = page(document(gather(demo, name)))
        seen = Page(text)
        assert seen.problems == [], name
        assert all(a.startswith(("#", "data:image/")) for a in seen.addresses), (name, seen.addresses)
        assert not {"script", "iframe", "link", "object", "form"} & set(seen.elements), name
        assert len(seen.ids) == len(set(seen.ids)), name
        assert {a[1:] for a in seen.addresses if a.startswith("#")} <= set(seen.ids), name
        assert '<html lang="en">' in text
        assert seen.elements.count("h1") == 1
        assert len(text.encode()) < 1_000_000, name


def test_no_report_has_an_email_address(demo: Collection) -> None:
    for name in demo.registry.contributions:
        made = document(gather(demo, name))
        assert "@" not in markdown(made), name
        assert "@" not in Page(page(made)).words, name


def test_two_runs_give_the_same_bytes(demo: Collection) -> None:
    for name in ("skagerrak-messy-2018", "kattegat-net-2019"):
        first, second = (document(gather(demo, name)) for _ in range(2))
        assert page(first).encode() == page(second).encode()
        assert markdown(first) == markdown(second)


def test_page_and_markdown_say_the_same(demo: Collection) -> None:
    made = document(gather(demo, "lake-stechlin-2022"))
    words, text = Page(page(made)).words, html.unescape(markdown(made).replace("\\", ""))
    for told in (
        "24 images of 24 objects", "Europe/Berlin", "53.1", "60 m above sea level: altitudes of",
        "Your own wording is still to come; until then this one is used.", "How do you want to be credited?",
    ):  # fmt: skip
        assert told in words, told
        assert told in text, told


def test_what_was_understood_names_unit_zone_and_who_says_so(demo: Collection) -> None:
    words = Page(page(document(gather(demo, "kattegat-net-2019")))).words
    assert (
        "10.6 µm per pixel: 48 images. From “0.0106” in “process_particle_pixel_size_mm”, taken as millimetres" in words
    )
    assert "ZooScan, called “zooscan” in the delivery: 48 images." in words
    assert "For example “20190615 420” was read as 2019-06-15 04:20:00 UTC." in words
    assert "For example “56.4433, 11.6105” was read as 56.4433° north, 11.6105° east." in words
    assert "40 images (83 %) with a label; 4 different labels." in words


def test_flags_and_reasons_come_with_meaning_action_count_and_place(demo: Collection) -> None:
    facts = gather(demo, "skagerrak-messy-2018")
    flags = {m.name: m for m in facts.flags}
    raised = {"DEPTH_MIN_GT_MAX", "LABEL_STATUS_UNKNOWN", "LOW_VALIDATION", "COUNT_UNCERTAINTY"}
    assert set(flags) == raised
    [example] = flags["DEPTH_MIN_GT_MAX"].examples
    assert (example.table, example.line, example.column, example.value) == (
        "ecotaxa_ska18_n3.tsv",
        17,
        "depth",
        "50 to 10",
    )
    reasons = {m.name: m for m in facts.reasons}
    assert reasons["time_unparsable"].images == 2
    assert [e.value for e in reasons["time_unparsable"].examples] == ["20140433 133015", "20180822 99:20"]
    assert [e.line for e in reasons["time_unparsable"].examples] == [12, 13]
    words = Page(page(document(facts))).words
    assert "Upper depth was greater than lower depth; they were swapped. 1 image (10 %)." in words
    assert "What to do: Check the two columns." in words
    expected = "YYYYMMDD, YYYY-MM-DD or ISO 8601, or the pattern that format of the mapped column names"
    assert f"Time unparsable. Expected: {expected}. 2 images (8 %)." in words


def test_worst_flags_come_first_and_notes_last(demo: Collection) -> None:
    severities = [m.severity for m in gather(demo, "lake-stechlin-2022").flags]
    assert severities == sorted(severities, key=["fail", "suspect", "note"].index)
    assert len(severities) >= 1


def test_the_contact_sheet_is_small_and_takes_every_label(demo: Collection) -> None:
    facts = gather(demo, "kattegat-net-2019")
    assert len(facts.thumbnails) == 24
    assert {t.label for t in facts.thumbnails} == {"", "Oncaeidae", "Cyclopoida", "detritus", "Copepoda<Multicrustacea"}
    assert all(max(t.width, t.height) <= 96 for t in facts.thumbnails)
    assert sum(len(t.data) for t in facts.thumbnails) < 500_000
    assert all(inspect_file(t.data).width_px == t.width for t in facts.thumbnails)


def test_credit_is_what_the_registry_says(demo: Collection) -> None:
    credit = gather(demo, "boknis-ifcb-2021").credit
    assert credit is not None
    assert credit.available_from == dt.date(2027, 7, 15)
    assert credit.licence == "CC-BY-NC-4.0"
    late = gather(demo, "gotland-mooring-2024").credit
    assert late is not None
    assert (late.line, late.available_from) == ("G. Okafor, Example Ocean Institute", dt.date(2028, 1, 1))
    unsigned = gather(demo, "arkona-unsigned-2023").credit
    assert unsigned is not None
    assert unsigned.missing == ("Public release under CC BY-NC 4.0 from 15 July 2027",)


def test_a_withdrawn_and_an_unsigned_contribution_say_so(demo: Collection) -> None:
    withdrawn = Page(page(document(gather(demo, "fram-loki-withdrawn")))).words
    assert "The delivery was not read: the permission was withdrawn." in withdrawn
    assert "The permission was withdrawn: nothing of this contribution is published." in withdrawn
    unsigned = Page(page(document(gather(demo, "arkona-unsigned-2023")))).words
    assert "Do you permit: Public release under CC BY-NC 4.0 from 15 July 2027?" in unsigned


def test_what_nobody_said_becomes_a_question_with_its_line(tmp_path: Path) -> None:
    write_deliveries(tmp_path)
    made = built(tmp_path, contribution("net", "kattegat-net-2019.zip", declared=Declared()))
    with open_executor("serial") as (executor, workers):
        run_contribution(made, "net", executor, workers, lambda _: None)
    asked = questions(gather(made, "net"))
    assert [(q.key, q.line.split(":")[0]) for q in asked] == [
        ("declared", "time_zone"), ("declared", "water_type"), ("declared", "deployment_type"),
    ]  # fmt: skip
    assert answers(asked).startswith("declared:\n  time_zone: ZONE\n  water_type: marine | ")


def test_a_delivery_of_which_nothing_is_usable_is_still_understood(tmp_path: Path) -> None:
    write_deliveries(tmp_path)
    made = built(
        tmp_path, contribution("bins", "boknis-ifcb-2021", format="ifcb", declared=Declared(instrument="IFCB"))
    )
    with open_executor("serial") as (executor, workers):
        run_contribution(made, "bins", executor, workers, lambda _: None)
    facts = gather(made, "bins")
    known = facts.understood
    assert facts.arrival.usable == 0
    assert known is not None
    assert known.partial
    assert known.instruments == (("ifcb", "IFCB", 27),)
    assert known.first == dt.datetime(2021, 6, 15, 10, 15, tzinfo=dt.UTC)
    assert (known.pixel_sizes, known.box, known.depth) == ((), None, None)
    assert len(facts.thumbnails) == 24
    assert {q.line.split(":")[0] for q in questions(facts)} >= {"pixel_size", "latitude", "depth_min_m"}
    assert "No image is usable yet." in Page(page(document(facts))).words


def test_a_value_that_was_refused_is_not_shown_as_understood(tmp_path: Path) -> None:
    """All positions at 0/0: refused as a placeholder, so no dot stands there."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/ecotaxa_a.tsv").write_text(
        "object_id\timg_file_name\tobject_lat\tobject_lon\tobject_date\nx\tx.png\t0\t0\t20200101\n"
    )
    declared = Declared(instrument="ZooScan", pixel_size=Quantity(value=10.6, unit="um"), depth_min_m=1, depth_max_m=1)
    made = built(tmp_path, contribution("c", "d", declared=declared))
    with open_executor("serial") as (executor, workers):
        run_contribution(made, "c", executor, workers, lambda _: None)
    known = gather(made, "c").understood
    assert known is not None
    assert (known.box, known.dots, known.positions) == (None, (), 0)
    assert known.first == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


HOSTILE = "<script>alert(1)</script> a|b `c` [d](http://evil.example) \"e\" 'f' someone@example.org"


def hostile(facts: Facts) -> Facts:
    known = facts.understood
    assert known is not None
    label = Label(HOSTILE, HOSTILE, 1, 3)
    return replace(
        facts, title=HOSTILE, description=HOSTILE, refused=HOSTILE,
        understood=replace(
            known, taxonomy=replace(known.taxonomy, most=(label,), unresolved=(label,)),
            instruments=(("", HOSTILE, 1),),
        ),
        findings=(Finding("table_empty", "error", HOSTILE, file=HOSTILE, value=HOSTILE),),
        thumbnails=tuple(replace(t, label=HOSTILE, object_id=HOSTILE) for t in facts.thumbnails[:2]),
        flags=tuple(replace(m, examples=tuple(replace(e, value=HOSTILE) for e in m.examples)) for m in facts.flags),
    )  # fmt: skip


def test_hostile_text_stays_text(demo: Collection) -> None:
    made = document(hostile(gather(demo, "skagerrak-messy-2018")))
    text, seen = page(made), Page(page(made))
    assert seen.problems == []
    assert "script" not in seen.elements
    assert "<script>alert(1)</script>" in seen.words
    assert all(a.startswith(("#", "data:image/")) for a in seen.addresses)
    assert "someone@example.org" not in text
    written = markdown(made)
    assert "<script>" not in written
    assert r"\[d\](http" in written
    assert "someone@example.org" not in written
    assert r"a\|b" in written


def test_a_label_with_markup_from_a_delivery_stays_text(tmp_path: Path) -> None:
    write_deliveries(tmp_path / "made")
    source = tmp_path / "made/skagerrak-messy-2018/ecotaxa_ska18_n3.tsv"
    source.write_bytes(source.read_bytes().replace(b"Oncaeidae", b"<script>alert(1)</script>"))
    made = built(tmp_path, contribution("c", tmp_path / "made/skagerrak-messy-2018"))
    with open_executor("serial") as (executor, workers):
        run_contribution(made, "c", executor, workers, lambda _: None)
    seen = Page(page(document(gather(made, "c"))))
    assert "script" not in seen.elements
    assert "“<script>alert(1)</script>”" in seen.words


def test_reports_stand_in_the_warehouse_and_are_written_only_when_something_changed(demo: Collection) -> None:
    first = build.write_report(demo, "oresund-net-2019")
    assert first.is_new
    with demo.warehouse.open("reports/oresund-net-2019/index.html") as stream:
        written = stream.read()
    again = build.write_report(demo, "oresund-net-2019")
    assert (again.is_new, again.markdown) == (False, first.markdown)
    one = demo.registry.contributions["oresund-net-2019"]
    changed = one.model_copy(update={"title": "Another title"})
    other = demo.registry.model_copy(update={"contributions": {**demo.registry.contributions, one.id: changed}})
    assert build.write_report(replace(demo, registry=other), one.id).is_new
    build.write_report(demo, "oresund-net-2019")
    with demo.warehouse.open("reports/oresund-net-2019/index.html") as stream:
        assert stream.read() == written


def test_aqqua_report_writes_page_and_markdown(
    demo: Collection, tmp_path: Path, capsys: pytest.CaptureFixture[str], registry_folder: Path
) -> None:
    places = ["--registry", str(registry_folder), "--warehouse", demo.config.warehouse]
    assert main(["report", "kattegat-net-2019", "--out", str(tmp_path / "r"), *places]) == 0
    assert "index.html" in capsys.readouterr().out
    assert (tmp_path / "r/report.md").read_text().startswith("# Net samples of the Kattegat 2019\n")
    assert main(["report", "kattegat-net-2019", *places]) == 0
    assert demo.warehouse.exists("reports/kattegat-net-2019/index.html")
    assert main(["report", "no-such-thing", *places]) == 2


def test_every_flag_and_reason_has_words() -> None:
    for name, columns in (("flags.csv", ("meaning", "action")), ("reasons.csv", ("expected", "action"))):
        table = schema.vocabulary(name)
        for column in columns:
            assert (table[column].str.len() > 3).all(), (name, column)


def test_shares_are_never_rounded_to_nothing_or_to_all() -> None:
    assert share(1, 100_000) == "less than 1 %"
    assert share(99_999, 100_000) == "more than 99 %"
    assert share(0, 5) == "0 %"
    assert share(5, 5) == "100 %"
    assert share(0, 0) == "0 %"


def test_numbers_lengths_and_quotes() -> None:
    assert [number(v) for v in (0.294117, 1234.5, 0.0, 10.6, 59.8)] == ["0.294", "1,234", "0", "10.6", "59.8"]
    assert length(0.0353) == "35.3 µm"
    assert length(2.5) == "2.5 mm"
    assert quoted("two\nlines  here") == "“two lines here”"
    assert quoted("x" * 100, 10) == "“xxxxxxxxx…”"


@pytest.mark.parametrize(
    ("spans", "ends"),
    [
        ([(10.0, 10.5), (12.0, 12.2)], (10.0, 12.2)),
        ([(-179.0, -178.5), (178.0, 178.5)], (178.0, 181.5)),
        ([(5.0, 5.0)], (5.0, 5.0)),
        ([(-170.0, -170.0), (-60.0, -60.0), (40.0, 40.0), (120.0, 120.0)], (-170.0, 120.0)),
    ],
)
def test_the_box_is_the_shortest_way_around_all_places(
    spans: list[tuple[float, float]], ends: tuple[float, float]
) -> None:
    west, east = around(spans)
    assert (west, east) == ends


@pytest.mark.parametrize(
    ("box", "regional"),
    [((178.0, 10.0, 181.0, 11.0), True), ((10.0, 54.0, 12.0, 58.0), True), ((-170.0, -60.0, 120.0, 60.0), False)],
)
def test_maps_enlarge_only_regions_and_cross_the_date_line(box: plots.Box, regional: bool) -> None:
    assert plots.is_regional(box) is regional
    dots = tuple(Dot(box[1], (x + 180) % 360 - 180, 1) for x in (box[0], box[2]))
    drawn = Page(plots.world_map(dots, box, "a") + plots.inset(dots, box, "b"))
    assert drawn.problems == []
    assert drawn.elements.count("circle") == 4


def test_an_enlarged_map_shows_the_dots_on_both_sides_of_the_date_line() -> None:
    drawn = plots.inset((Dot(0.0, 179.0, 1), Dot(0.0, -179.0, 1)), (179.0, 0.0, 181.0, 0.0), "b")
    places = [float(x) for x in re.findall(r'cx="([-0-9.]+)"', drawn)]
    assert places == [140.0, 220.0]  # 5 degrees of latitude on 200 units: 40 units a degree around 180


def test_drawings_hold_what_they_are_given() -> None:
    bars = (Bar(0, 10, 3), Bar(30, 40, 6))
    assert Page(plots.depth_bars(bars, "depth")).words == "3 6 0 m 10 m 20 m 30 m 40 m 50 m"
    columns = Page(plots.time_columns((Bar(0, 86_400, 5), Bar(86_400, 172_800, 9)), "time"))
    assert columns.words == "from 1970-01-01 to 1970-01-02 most in one bar: 9"
    assert Page(plots.label_bars((Label("a < b", "", None, 2),), "labels")).words == "a < b 2"


def test_a_delivery_of_no_image_makes_a_report(demo: Collection) -> None:
    facts = gather(demo, "svalbard-uvp6-pledge")
    empty = replace(facts, arrival=Arrival(0, 0, 0, 0, 0), credit=None)
    seen = Page(page(document(empty)))
    assert seen.problems == []
    assert "No image with metadata was found." in seen.words
