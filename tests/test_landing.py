"""The landing page and the page of all versions: what they say, what they must not ask for, and how they fit."""

import dataclasses
import datetime as dt
import html
import json
import re
from pathlib import Path

import pytest
from builders import contribution, person
from chromium import widths
from described import DOI
from pages import Page
from test_release_documents import CREDITS, REGISTRY, STATS, documents, facts, rehearsal, snapshot_of

from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.registry.publishing import DoiSettings
from aqqua_dataset.release.announce import announce
from aqqua_dataset.release.concept import concept_page, concept_path
from aqqua_dataset.release.facts import PreviousRelease, ReleaseFacts, Withdrawn
from aqqua_dataset.release.figures import bars, cell_map
from aqqua_dataset.release.landing import landing_page
from aqqua_dataset.release.pages import contribution_index
from aqqua_dataset.release.stats import in_bytes

HASH = "0123456789abcdef" * 4
EARLIER = (
    PreviousRelease("0.9.0", dt.date(2027, 7, 15), "a" * 64),
    PreviousRelease("1.0.0", dt.date(2027, 8, 1), "b" * 64),
)


def page(about: ReleaseFacts | None = None, using: Registry = REGISTRY) -> str:
    said = about or facts()
    return landing_page(using, said, snapshot_of(using, said), STATS, HASH)


def words(text: str) -> str:
    return Page(text).words


@pytest.mark.parametrize(
    "about", [facts(), rehearsal(), facts(view="internal")], ids=["public", "rehearsal", "internal"]
)
def test_the_page_is_whole_asks_for_nothing_and_runs_nothing(about: ReleaseFacts) -> None:
    text = page(about)
    found = Page(text)
    assert found.problems == []
    assert len(found.ids) == len(set(found.ids))
    assert "default-src 'none'" in text
    # One data block, and no element that would load anything.
    assert re.findall(r"<script[^>]*>", text) == ['<script type="application/ld+json">']
    assert not {"img", "iframe", "object", "embed", "audio", "video", "form"} & set(found.elements)
    assert "url(" not in text
    assert "@import" not in text
    loaded = [e for e in re.findall(r"<link [^>]*>", text) if "stylesheet" in e or "preload" in e or "icon" in e]
    assert loaded == []
    assert [e for e in re.findall(r"<svg[^>]*>", text) if 'role="img"' not in e or "aria-label=" not in e] == []


def test_a_reader_finds_all_they_need() -> None:
    found = words(page())
    for told in (
        "Version 1.0.0, 2027-07-15, view public", "https://doi.org/10.1234/aqqua.v1",
        "Ålund, Zoe; Zimmer, Ada; Test Data Provider Consortium (2027): Test collection. Version 1.0.0.",
        "not for commercial purposes", "7", "70 kB", "4 with images, 5 credited", "1990-05-01 to 2024-02-29",
        "50.0 and 60.0 degrees north, -5.5 and 12.2 degrees east", "release=https://example.org/test/v1.0.0/",
        "sha256sum --check --quiet manifest-sha256.txt", HASH, "3 members of the Test Data Provider Consortium",
        "Claire de Vallon, Bo Junior Jr., Hal Quiet", "Sea Fund, SF-1", "Thanks to the crew", "Known problems",
        "https://doi.org/10.1234/paper", "All versions", "2 kinds of doubtful values, 5 flags on images",
        "We thank Tom Thanked (Institute Three).",
    ):  # fmt: skip
        assert told in found, told
    assert "dataset@example.org" not in page()
    assert "Nobody" not in found


def test_every_relative_link_is_a_file_of_the_release() -> None:
    made = documents(facts())
    written = {*made, "manifest-sha256.txt", "attribution.csv", "ledger.csv", "sample/images.tar",
               "manifest/parts-sha256.txt"}  # fmt: skip
    local = [a for a in Page(page()).addresses if a and not a.startswith(("https://", "#", "../"))]
    assert set(local) - written == set()
    assert "KNOWN-PROBLEMS.md" in local


def test_versions_and_withdrawn_contributions_are_named() -> None:
    gone = Withdrawn("nets-gone", dt.date(2027, 7, 20), "0.9.0")
    found = page(facts(version="1.1.0", previous=EARLIER, withdrawn=(gone,)))
    assert re.findall(r'href="\.\./v([\d.]+)/index.html"', found) == ["1.0.0", "0.9.0"]
    assert "nets-gone, 2027-07-20" in words(found)


def test_a_rehearsal_and_the_internal_view_say_so_and_have_no_doi() -> None:
    for about, mark in ((rehearsal(), "REHEARSAL. This is not a release"), (facts(view="internal"), "internal view")):
        found = page(about)
        assert mark in words(found).split("How to cite")[0]
        assert "10.1234/aqqua.v1" not in found
        assert '<meta name="robots" content="noindex">' in found
        assert "Nothing on this page or in these files is licensed to anybody" in words(found)
        assert "curl" not in found


def test_hostile_words_are_only_text() -> None:
    attack = '</script><script>alert(1)</script>" onload=x <img src=x>'
    dataset = REGISTRY.settings.dataset.model_copy(update={"title": attack, "description": attack})
    using = REGISTRY.model_copy(update={"settings": REGISTRY.settings.model_copy(update={"dataset": dataset})})
    using = using.model_copy(
        update={"contributions": using.contributions | {
            "nets-one": using.contributions["nets-one"].model_copy(update={"title": attack})}}
    )  # fmt: skip
    text = page(using=using)
    assert Page(text).problems == []
    assert len(re.findall("<script", text)) == 1
    [linked] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text)
    assert json.loads(linked)["name"] == attack
    rows = [{"contribution_id": "nets-one", "title": attack, "institutions": attack, "images_credited": 2}]
    listed = contribution_index(snapshot_of(using, facts()), rows, facts())
    assert Page(listed).problems == []
    assert "<script" not in listed


def test_the_page_stays_small_with_thousands_of_people_and_contributions() -> None:
    found = [person(f"given{n}-family{n}") for n in range(1000)]
    many = {f"c{n}": contribution(f"c{n}", None, owners=(found[n % 1000].id,)) for n in range(3000)}
    using = REGISTRY.model_copy(update={"people": {p.id: p for p in found}, "contributions": many})
    from aqqua_dataset.release.snapshot import take_snapshot

    snapshot = take_snapshot(using, dict.fromkeys(many, 1), dt.date(2027, 7, 15))
    text = landing_page(using, facts(), snapshot, STATS, HASH)
    assert "1,000 members" in words(text)
    assert len(text) < 120_000
    before, after = text.split("<details>", 1)
    assert "Given999 Family999" not in before
    assert "Given999 Family999" in after


@pytest.mark.parametrize("width", [360, 1280])
def test_the_pages_fit_a_phone_and_a_desk(width: int) -> None:
    rows = [{"contribution_id": f"a-very-long-contribution-name-{n}", "title": "Net samples of a summer " * 4,
             "institutions": "Institute of Very Long Names", "images_credited": 10**9} for n in range(3)]  # fmt: skip
    index = contribution_index(snapshot_of(REGISTRY, facts()), rows, facts())
    for text in (page(), index, concept_page(REGISTRY, "public", EARLIER)):
        needed, available, wide = widths(text, width)
        assert needed <= available, wide


def test_bars_on_two_scales() -> None:
    """Ten times as many is a tenth of the length on the one, and one step less on the other."""
    entries = [("A", 1000), ("B", 100), ("C", 10)]
    lengths = {
        kind: [float(w) for w in re.findall(r'class="bar" x="0" y="\d+" width="([\d.]+)"', bars(entries, kind))]
        for kind in ("linear", "log")
    }
    a, b, c = lengths["linear"]
    assert (round(a / b), round(b / c)) == (10, 10)
    a, b, c = lengths["log"]
    assert a - b == pytest.approx(b - c, abs=0.2)
    assert "A 1,000; B 100; C 10" in bars(entries, "linear")


def test_cells_lie_where_they_are() -> None:
    """West and south edge to the upper left corner of a square, north up."""
    drawn = cell_map([(-180, -90, 1), (179, 89, 5_000), (0, 0, 10**6)], "alt & text")
    assert re.findall(r'class="(\w+)" d="(M[^"]*)"', drawn.split('<g class="cells">')[1]) == [
        ("many", "M180 89h1v1h-1z"), ("some", "M359 0h1v1h-1z"), ("few", "M0 179h1v1h-1z"),
    ]  # fmt: skip
    assert 'aria-label="alt &amp; text"' in drawn


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (72_100_000_000_000, "72.1 TB"),
        (999_600, "1,000 kB"),
        (10**18, "1,000 PB"),
    ],
)
def test_sizes_in_words(size: int, told: str) -> None:
    assert in_bytes(size) == told


# --- the page of all versions


def test_all_versions_the_newest_first_with_the_doi_of_all() -> None:
    settings = REGISTRY.settings.model_copy(update={"doi": DoiSettings(concept="10.1234/aqqua")})
    using = REGISTRY.model_copy(update={"settings": settings})
    stats = {"images": 7, "contributions": {"published": 4}}
    text = concept_page(using, "public", EARLIER, stats)
    found = Page(text)
    assert found.problems == []
    assert re.findall(r'<td><a href="v([\d.]+)/index.html">', text) == ["1.0.0", "0.9.0"]
    assert "Newest version: 1.0.0 : 7 images of 4 contributions" in found.words
    [linked] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text)
    record = json.loads(linked)
    assert record["@id"] == "https://doi.org/10.1234/aqqua"
    assert [v["version"] for v in record["workExample"]] == ["0.9.0", "1.0.0"]
    internal = concept_page(using, "internal", EARLIER, stats)
    assert "10.1234" not in internal
    assert "internal view" in internal
    assert "No version is finished" in concept_page(using, "public", ())


def test_an_announced_release_stands_on_the_page_of_all_versions(described: Collection, public: Path) -> None:
    folder = str(public.relative_to(described.warehouse.root))
    announce(described.registry, described.warehouse, folder, [])
    text = (public.parent / "index.html").read_text(encoding="utf-8")
    assert concept_path("public") == "releases/public/index.html"
    assert 'href="v1.0.0/index.html"' in text
    assert "17 images of 2 contributions" in html.unescape(words(text))
    assert DOI not in text
    announce(described.registry, described.warehouse, folder, [])
    assert (public.parent / "index.html").read_text(encoding="utf-8") == text


def test_documents_differ_only_where_the_facts_do() -> None:
    assert page() == page(dataclasses.replace(facts(), images=dict(reversed(facts().images.items()))))
    assert sorted(CREDITS) == list(snapshot_of(REGISTRY, facts()).authors.contributions)
