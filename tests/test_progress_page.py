"""The progress site's pages and pictures: whole, without requests, readable, usable by keyboard, phone and desk."""

import datetime as dt
import functools
import html
import http.server
import io
import re
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chromium import Tab, chromium
from pages import Page
from PIL import Image
from progress_cases import IMAGES, large

from aqqua_dataset.progress import build, charts, drawing, earth
from aqqua_dataset.progress.history import Day
from aqqua_dataset.progress.instruments import group_of_label
from aqqua_dataset.progress.numbers import Named
from aqqua_dataset.release import shell
from aqqua_dataset.warehouse import Warehouse

PAGES = ("index.html", "contributions.html")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a collection as large as the real one."""
    made = tmp_path_factory.mktemp("site")
    using, progress = large()
    build.write(using, progress, Warehouse(str(made)))
    return made


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_runs_and_loads_nothing(folder: Path, name: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    found = Page(text)
    assert found.problems == []
    assert len(found.ids) == len(set(found.ids))
    assert "default-src 'none'" in text
    assert not {"script", "img", "iframe", "object", "embed", "audio", "video", "form", "link"} & set(found.elements)
    assert "url(" not in text
    assert "@import" not in text
    for element in re.findall(r"<svg[^>]*>", text):
        assert 'aria-hidden="true"' in element or ('role="img"' in element and 'aria-label="' in element), element
    for element in re.findall(r"<th[ >][^>]*>", text):
        assert " scope=" in element, element
    assert text.count("<table") == text.count("<caption") + text.count('aria-labelledby="words"><tr')
    local = [a for a in found.addresses if a and not a.startswith(("https://", "#"))]
    assert [a for a in local if not (folder / a).is_file()] == []
    inner = [a[1:] for a in found.addresses if a and a.startswith("#")]
    assert set(inner) <= set(found.ids)


def test_the_first_page_says_the_numbers_and_the_rules_in_words(folder: Path) -> None:
    words = Page((folder / "index.html").read_text(encoding="utf-8")).words
    for told in (
        "7,485,434,819 images, each picture counted once", "2,490 contributions", "2,500,120,000 more images announced",
        "0 images published", "ISIIS 4,129,541,474", "The number can go down", "3 contributions were withdrawn",
        "2026-10-14: 89,076,675 fewer (1 contribution withdrawn by the owner)", "41,233 on land",
        "Until 2026-08-14 these are the project's earlier totals", "at least 100 images of at least 2 contributions",
        "61 announced contributions and 9 institutions",
        "Natural Earth, public domain", "Equal Earth projection", "from 2027-07-15 on",
    ):  # fmt: skip
        assert told in words, told


def test_hostile_words_are_only_text() -> None:
    using, progress = large()
    attack = '</title><script>alert(1)</script>" onload=x <img src=x>'
    [first, *others] = progress.named
    told = Named(attack, (attack,), first.instrument, first.state, first.counts)
    stars = (replace(progress.map.stars[0], names=(attack,)), *progress.map.stars[1:])
    bad = replace(progress, title=attack, named=(told, *others), map=replace(progress.map, stars=stars))
    made = dict(build.files(using, bad))
    for name in PAGES:
        text = made[name].decode()
        assert Page(text).problems == []
        assert "<script" not in text
        assert "<img" not in text
        assert html.escape(attack) in text


def test_an_empty_collection_has_a_site_too(tmp_path: Path) -> None:
    using, progress = large()
    nothing = replace(
        progress, counts=type(progress.counts)(), instruments=(), states=(), named=(), unnamed=0, history=(), falls=(),
        map=replace(progress.map, cells=(), pledges=(), stars=(), left_out=()),
    )  # fmt: skip
    build.write(using, nothing, Warehouse(str(tmp_path)))
    for name in PAGES:
        assert Page((tmp_path / name).read_text()).problems == []
    assert (tmp_path / "assets/data/filelist.json").read_text() == "[]\n"


# --- drawings


def lengths(drawn: drawing.Drawing) -> list[float]:
    """Lengths of the bars in the order in which they are drawn, those of pledges left out."""
    areas = [s for s in drawn.shapes if isinstance(s, drawing.Area) and not s.kind.endswith("-pledged")]
    return [a.rings[0][1][0] - a.rings[0][0][0] for a in areas]


def test_bars_are_as_long_as_the_numbers_and_on_the_other_scale_as_their_logarithms() -> None:
    _, progress = large()
    counted = [c.images for _, c in progress.instruments]
    linear, log = (lengths(charts.bars(progress.instruments, scale)) for scale in charts.SCALES)
    longest = counted.index(max(counted))
    for n, images in enumerate(counted):
        assert linear[n] / linear[longest] == pytest.approx(max(images / max(counted), 1 / linear[longest]), rel=1e-6)
    by_size = sorted(zip(counted, log, strict=True))
    assert [length for _, length in by_size] == sorted(log)
    # From 4 billion down to 1.4 million are three and a half powers of ten of nine and a half.
    assert 0.6 < min(log) / max(log) < 0.7


def test_every_level_of_the_growth_is_where_its_number_is() -> None:
    _, progress = large()
    drawn = charts.growth(progress.history)
    top_of_all = min(y for s in drawn.shapes if isinstance(s, drawing.Area) for ring in s.rings[:1] for _, y in ring)
    [grid] = [s for s in drawn.shapes if isinstance(s, drawing.Line) and s.kind == "grid"]
    [axis] = [s for s in drawn.shapes if isinstance(s, drawing.Line) and s.kind == "axis"]
    bottom, two_billion = axis.lines[0][0][1], grid.lines[0][0][1]
    most = max(day.total for day in progress.history)
    assert (bottom - top_of_all) / (bottom - two_billion) == pytest.approx(most / 2e9, rel=1e-6)
    assert "2 billion" in [s.text for s in drawn.shapes if isinstance(s, drawing.Words)]


def test_years_of_days_are_thinned_and_the_last_day_stays() -> None:
    group = group_of_label("IFCB")
    start = dt.date(2026, 1, 1)
    days = [Day(start - dt.timedelta(days=30), {group: 5}, earlier=True)]
    days += [Day(start + dt.timedelta(days=n), {group: 1_000 + n}) for n in range(1_000)]
    drawn = charts.growth(days)
    [layer] = [s for s in drawn.shapes if isinstance(s, drawing.Area) and len(s.rings[0]) > 4]
    upper = layer.rings[0][: len(layer.rings[0]) // 2]
    assert 100 <= len(upper) <= 121
    [axis] = [s for s in drawn.shapes if isinstance(s, drawing.Line) and s.kind == "axis"]
    left, right = (x for x, _ in axis.lines[0])
    assert (upper[0][0], upper[-1][0]) == (left, right)
    # From day 30 on the software counted; the line is where that lies in the 1,029 days between first and last.
    [begun] = [s for s in drawn.shapes if isinstance(s, drawing.Line) and s.kind == "begun"]
    assert abs((begun.lines[0][0][0] - left) / (right - left) - 30 / 1_029) < 1 / 100
    assert "1,999 on 2028-09-26" in drawn.alt


def test_pictures_and_vector_files_show_the_same_map(folder: Path) -> None:
    for name in ("bars", "bars-log", "growth", "map"):
        root = ET.parse(folder / f"{name}.svg").getroot()
        title = root.find("{http://www.w3.org/2000/svg}title")
        assert title is not None
        assert title.text
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.width in (1080, 1600)
            assert picture.width / picture.height == pytest.approx(
                float(root.attrib["width"]) / float(root.attrib["height"]), rel=0.01
            )
            assert set(picture.info) <= {"dpi"}
    with Image.open(folder / "map.png") as picture:
        there = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or ()}
        for kind in (*drawing.CLASSES, "pledge", "star"):
            if kind != "other":  # of which the map has no cell
                assert tuple(bytes.fromhex(drawing.PAINTS[kind].light[1:])) in there, kind
        scale = picture.width / earth.WIDTH
        pixels = picture.convert("RGB")
        for (longitude, latitude), kind in (((24, 24), "land"), ((-140, -50), "sea")):
            x, y = earth.project(longitude, latitude)
            found = pixels.getpixel((round(x * scale), round(y * scale)))
            wanted = tuple(bytes.fromhex(drawing.PAINTS[kind].light[1:]))
            assert isinstance(found, tuple)
            assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 6, (kind, found)


def test_files_stay_small(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            assert path.stat().st_size < 300_000, path.name


# --- contrast, by the formula of WCAG 2.2 (relative luminance, contrast ratio)


def luminance(colour: str) -> float:
    channels = [value / 255 for value in bytes.fromhex(colour.removeprefix("#"))]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_from_what_lies_behind_them(scheme: str) -> None:
    paints = {name: getattr(paint, scheme) for name, paint in drawing.PAINTS.items()}
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for text in ("ink", "faint"):
        assert contrast(paints[text], paints["page"]) >= 4.5, text
    for kind in drawing.CLASSES:
        assert contrast(paints[kind], paints["page"]) >= 3, kind
        assert contrast(paints[kind], paints["sea"]) >= 3, kind
        assert contrast(paints[kind], paints["land"]) >= 3, kind
    assert contrast(paints["pledge"], paints["sea"]) >= 3
    outer = paints["rim"] if scheme == "light" else paints["star"]
    assert contrast(outer, paints["sea"]) >= 3
    assert contrast(outer, paints["land"]) >= 3
    # The page around the drawings is the one that the shell paints.
    blocks = re.findall(r":root \{(.*?)\}", shell.document("", ""), re.DOTALL)
    assert f"--page: {paints['page']}" in blocks[scheme == "dark"].replace("#fff;", "#ffffff;")


# --- in a browser


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as browser:
        yield Tab(browser)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing."""

        def log_error(self, *args: object) -> None:
            """Says nothing of the icon that browsers ask for."""

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_ask_nobody_and_fit(tab: Tab, server: str, name: str, width: int, scripts: bool) -> None:
    tab.open(f"{server}/{name}", width, scripts)
    assert [r for r in tab.requests if not r.startswith(f"{server}/")] == []
    assert [p for p in tab.problems if "favicon" not in p and "404" not in p] == []
    assert tab.value("document.documentElement.scrollWidth") <= width
    seen = tab.value("document.body.innerText")
    if name == "index.html":
        for told in ("7,485,434,819", "Growth over time", "Where they were taken", "delivery received"):
            assert told in seen, told
        drawn = tab.value("[...document.querySelectorAll('figure svg')].filter(e => e.checkVisibility()).length")
        assert drawn == 3  # bars on one scale, growth, map
        cut = tab.value("[...document.querySelectorAll('figure svg')].flatMap(s => [...s.querySelectorAll('text')]"
                        ".filter(e => e.checkVisibility() && (e.getBBox().x < 0 || e.getBBox().x + e.getBBox().width"
                        " > s.viewBox.baseVal.width)).map(e => e.textContent))")  # fmt: skip
        assert cut == []
        small = tab.value("[...document.querySelectorAll('figure svg.linear text')].map("
                          "e => e.getBoundingClientRect().height).sort((a, b) => a - b)[0]")  # fmt: skip
        assert small >= 9
    else:
        assert "Plankton of the Northern Sea, cruise 0" in seen


def test_the_browser_itself_refuses_what_comes_from_elsewhere(tab: Tab, server: str) -> None:
    tab.open(f"{server}/index.html", 1280)
    tab.problems.clear()
    tab.value("document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.org/seen.png\">')")
    tab.value("new Promise(done => setTimeout(done, 200))")
    tab.page.screenshot()
    assert any("Content Security Policy" in problem for problem in tab.problems)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_scale_is_switched_with_the_keyboard_alone(tab: Tab, server: str, scripts: bool) -> None:
    tab.open(f"{server}/index.html", 1280, scripts)

    def shown() -> list[str]:
        found = tab.value(
            "[...document.querySelectorAll('.scale svg')].filter(e => e.checkVisibility()).map(e => e.classList[0])"
        )
        return [str(name) for name in found]

    assert shown() == ["linear"]
    reached = []
    for _ in range(12):
        tab.page.keyboard.press("Tab")
        reached.append(tab.value("document.activeElement.name || document.activeElement.textContent.slice(0, 14)"))
        if reached[-1] == "scale":
            break
    assert reached[0] == "To the content"
    assert reached[-1] == "scale"
    assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.page.keyboard.press("ArrowRight")
    assert shown() == ["log"]
    label = tab.value("document.querySelector('.scale svg.log').getAttribute('aria-label')")
    assert label.startswith("Images by instrument, logarithmic scale: ")
    assert all(f"{images:,}" in label for images in IMAGES.values())
    tab.page.keyboard.press("ArrowLeft")
    assert shown() == ["linear"]


def test_a_screen_reader_finds_headings_tables_and_pictures_by_name(tab: Tab, server: str) -> None:
    tab.open(f"{server}/index.html", 1280, scripts=False)
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tab.accessible()
        if not node.get("ignored")
    ]
    roles = {role for role, _ in named}
    assert {"main", "navigation", "heading", "table", "radio", "image"} <= roles
    for role in ("image", "table", "radio", "region", "heading", "link"):
        assert [name for found, name in named if found == role and not name.strip()] == [], role
    assert [name for role, name in named if role == "radio"] == ["linear", "logarithmic"]
    assert sum(role == "heading" for role, _ in named) >= 7


def test_the_dark_page_is_dark(tab: Tab, server: str) -> None:
    tab.open(f"{server}/index.html", 1280, scripts=False, dark=True)
    with Image.open(io.BytesIO(tab.page.screenshot())) as picture:
        assert np.asarray(picture.convert("L")).mean() < 80
