"""Pairs from packed shards to verdicts, groups and the page; the images are read from real shards by their bytes."""

import csv
import datetime as dt
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from builders import collection as built
from builders import contribution
from pages import Page
from PIL import Image
from writers.table import SOURCE

from aqqua_dataset import workflow
from aqqua_dataset.cli import main
from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup import near, page, pairs
from aqqua_dataset.demo.draw import Pixels, encode, organism
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.registry.decisions import load_decisions
from aqqua_dataset.registry.models import Attribution, Declared, Source
from aqqua_dataset.stage_tables import table_paths

DECLARED = Declared(instrument="ISIIS", time_zone="UTC")
HOSTILE = '<script>alert("x")</script> <img src=https://example.org/x.png onerror=y> & one@example.org'


@dataclass(frozen=True)
class Picture:
    """One image of a delivery."""

    name: str
    data: bytes
    time: str = "14.06.2019 13:30:00"
    place: tuple[float, float] = (54.5, 11.5)
    label: str = "Copepoda"


def drawn(seed: int, side: int = 96) -> Pixels:
    return organism(np.random.default_rng(seed), side + seed % 7 * 8, side)


def png(pixels: Pixels) -> bytes:
    return encode(pixels, "PNG")


def jpeg(pixels: Pixels, quality: int = 98) -> bytes:
    return encode(pixels, "JPEG", quality=quality)


def deliver(folder: Path, pictures: list[Picture]) -> None:
    """A laboratory's table with one image per object."""
    (folder / "crops").mkdir(parents=True)
    table = io.StringIO()
    writer = csv.writer(table, delimiter=";")
    writer.writerow(["ID", "Datei", "Zeit", "Breite", "Laenge", "Tiefe", "Pixel", "Art", "Fang"])
    for number, p in enumerate(pictures):
        (folder / "crops" / p.name).write_bytes(p.data)
        at = [str(value).replace(".", ",") for value in p.place]
        writer.writerow([f"o{number}", p.name, p.time, *at, "10,5", "60", p.label, "haul-1"])
    (folder / "objects.csv").write_text(table.getvalue())


def source(folder: Path) -> Source:
    mapping = {**SOURCE["mapping"], "label": {"column": "Art"}, "event_id": {"column": "Fang"}}
    return Source(format="table", location=str(folder), **{**SOURCE, "mapping": mapping})


def collect(home: Path, **deliveries: list[Picture]) -> Collection:
    """A collection of these deliveries, each packed; a delivery is a contribution by its name."""
    told: list[Any] = []
    for name, pictures in deliveries.items():
        deliver(home / "in" / name, pictures)
        text = HOSTILE if name == "arctic" else f"Owner of {name}"
        given = Attribution(state="given", text=text)
        told.append(contribution(name, None, source=source(home / "in" / name), declared=DECLARED, attribution=given))
    made = built(home, *told)
    with open_executor("serial") as (executor, workers):
        for name in deliveries:
            reports = run_contribution(made, name, executor, workers, lambda _: None)
            assert [r.outcome for r in reports] == ["done"] * 4, reports
    return made


def compare(made: Collection, workers: str = "serial") -> dict[str, int]:
    with open_executor(workers) as (executor, count):
        return workflow.compare_images(made, executor, count)


def ids(made: Collection, name: str) -> dict[str, str]:
    """Image id by file name."""
    paths = table_paths(made.warehouse, name, "core")
    rows = [r for path in paths for r in made.warehouse.read_parquet(path).to_pylist()]
    return {r["source_image_file"].rsplit("/", 1)[-1]: r["image_id"] for r in rows}


def table(made: Collection) -> dict[tuple[str, str], dict[str, Any]]:
    rows = made.warehouse.read_parquet(pairs.TABLE).to_pylist()
    return {(r["image_id"], r["other_image_id"]): r for r in rows}


def between(made: Collection, one: tuple[str, str], other: tuple[str, str]) -> dict[str, Any] | None:
    """The row of a pair, each image by contribution and file."""
    found = sorted((ids(made, one[0])[one[1]], ids(made, other[0])[other[1]]))
    return table(made).get((found[0], found[1]))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two owners share some animals, sent in different dress; one of them filmed an animal in two frames."""
    home = tmp_path_factory.mktemp("pairs")
    shared = [drawn(n) for n in range(8)]
    frame = drawn(50).astype(int)
    second = np.clip(frame + np.random.default_rng(1).normal(0, 2, frame.shape), 0, 255).astype(np.uint8)
    baltic = [Picture(f"{n}.png", png(p)) for n, p in enumerate(shared)]
    baltic += [Picture(f"own{n}.png", png(drawn(100 + n))) for n in range(6)]
    baltic += [
        Picture("frame1.png", png(drawn(50))), Picture("frame2.png", png(second), time="14.06.2019 13:30:01"),
        Picture("later.png", jpeg(drawn(50), 95), time="14.06.2019 15:30:00"),
    ]  # fmt: skip
    arctic = [Picture(f"{n}.jpg", jpeg(p), label=HOSTILE) for n, p in enumerate(shared)]
    arctic += [Picture("inverted.png", png(255 - drawn(0)), time="20.06.2020 10:00:00", place=(70.0, 11.5))]
    arctic += [Picture("equal.png", png(shared[1])), Picture("alone.png", png(drawn(200)))]
    made = collect(home, baltic=baltic, arctic=arctic)
    assert compare(made)["pairs"] > 0
    page.write_page(made)
    return home


@pytest.fixture
def made(home: Path, tmp_path: Path) -> Collection:
    """The compared collection, for a test to do with as it likes."""
    shutil.copytree(home / "warehouse", tmp_path / "warehouse")
    told = [
        contribution(
            n, None, source=source(home / "in" / n), declared=DECLARED,
            attribution=Attribution(state="given", text=HOSTILE if n == "arctic" else f"Owner of {n}"),
        )
        for n in ("baltic", "arctic")
    ]  # fmt: skip
    return built(tmp_path, *told)


def test_an_encoded_copy_of_another_owner_is_the_same_and_nothing_else_is(made: Collection) -> None:
    for number in range(8):
        row = between(made, ("baltic", f"{number}.png"), ("arctic", f"{number}.jpg"))
        assert row is not None, number
        assert row["verdict"] == "same", row
        assert row["decided_by"] == "machine"
        assert row["correlation"] > 0.9
        assert row["hamming_distance"] <= near.DISTANCE
        assert {"same_time", "same_place"} <= set(row["evidence"])
        assert {row["contribution_id"], row["other_contribution_id"]} == {"baltic", "arctic"}
    truth = {frozenset((ids(made, "baltic")[f"{n}.png"], ids(made, "arctic")[f"{n}.jpg"])) for n in range(8)}
    first = {ids(made, "baltic")["0.png"], ids(made, "arctic")["0.jpg"], ids(made, "arctic")["inverted.png"]}
    second = {ids(made, "arctic")[f] for f in ("1.jpg", "equal.png")}
    frames = {ids(made, "baltic")[f"{f}.png"] for f in ("frame1", "frame2", "later")}
    for pair, row in table(made).items():
        if row["verdict"] == "same":
            known = frozenset(pair) in truth or any(set(pair) <= group for group in (first, second, frames))
            assert known, row


def test_equal_pixels_are_no_pair_and_a_negative_is_told(made: Collection) -> None:
    assert between(made, ("baltic", "1.png"), ("arctic", "equal.png")) is None
    row = between(made, ("baltic", "0.png"), ("arctic", "inverted.png"))
    assert row is not None
    assert row["verdict"] == "same"
    assert {"other_time", "other_place"} <= set(row["evidence"])
    assert not {"same_time", "same_place"} & set(row["evidence"])
    assert row["pair_kind"] == ("normalised" if "same_normalised" in row["evidence"] else "near")


def test_consecutive_frames_are_a_group_and_the_next_haul_is_not(made: Collection) -> None:
    rows = made.warehouse.read_parquet(pairs.GROUPS).to_pylist()
    frames = {ids(made, "baltic")[f] for f in ("frame1.png", "frame2.png")}
    groups = [r for r in rows if r["image_id"] in frames]
    assert {r["image_id"] for r in groups} == frames
    assert {r["near_group"] for r in groups} == {min(frames)}
    assert all(r["contribution_id"] == "baltic" for r in groups)
    assert ids(made, "baltic")["later.png"] not in {r["image_id"] for r in rows}


def test_groups_are_what_the_pairs_connect() -> None:
    rows = [("a", "c"), ("c", "d"), ("b", "e")]
    columns = {"image_id": [r[0] for r in rows], "other_image_id": [r[1] for r in rows], "contribution_id": ["x"] * 3}
    found = pairs.group(pa.table(columns)).to_pylist()
    assert {r["image_id"]: r["near_group"] for r in found} == {"a": "a", "c": "a", "d": "a", "b": "b", "e": "b"}
    assert pairs.group(pa.table({n: pa.array([], pa.string()) for n in columns})).num_rows == 0


def test_nothing_is_read_twice_and_the_bytes_stay(made: Collection) -> None:
    before = {path: made.warehouse.sha256(path) for path in (pairs.TABLE, pairs.GROUPS, near.CANDIDATES)}
    for name in ("baltic", "arctic"):
        for path in made.warehouse.find(f"contributions/{name}"):
            if path.endswith(".tar"):
                made.warehouse.write_bytes(path, b"nobody may read this")
    assert compare(made)["compared_now"] == 0
    assert {path: made.warehouse.sha256(path) for path in before} == before
    assert not [n for n in made.warehouse.names(near.FOLDER) if n.startswith(("compare-", "search-"))]


def test_the_same_from_the_beginning_by_two_workers(made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = (pairs.TABLE, pairs.GROUPS, near.CANDIDATES)
    before = {path: made.warehouse.sha256(path) for path in paths}
    made.warehouse.remove("dedup")
    monkeypatch.setattr(pairs, "PAIRS_PER_TASK", 3)
    numbers = compare(made, "processes:2")
    assert numbers["compared_now"] == numbers["pairs"] > 3
    assert {path: made.warehouse.sha256(path) for path in paths} == before


def test_an_image_that_cannot_be_decoded_is_for_a_person(made: Collection) -> None:
    made.warehouse.remove("dedup")
    [shard] = [p for p in made.warehouse.find("contributions/arctic") if p.endswith(".tar")]
    made.warehouse.write_bytes(shard, bytes(made.warehouse.size(shard)))
    compare(made)
    row = between(made, ("baltic", "3.png"), ("arctic", "3.jpg"))
    assert row is not None
    assert (row["verdict"], row["correlation"]) == ("unsure", None)
    assert "not_readable" in row["evidence"]


def write_decision(registry: Path, first: str, second: str, decision: str) -> None:
    registry.mkdir(exist_ok=True)
    head = "image_id,other_image_id,decision,by,date,why"
    (registry / "duplicates.csv").write_text(
        f"{head}\n{second},{first},{decision},owner-one,2026-01-01,looked at both\n"
    )


def test_a_person_s_word_wins_until_it_is_taken_back(made: Collection, tmp_path: Path) -> None:
    one, other = ids(made, "baltic")["4.png"], ids(made, "arctic")["4.jpg"]
    write_decision(tmp_path / "registry", one, other, "not_same")
    decisions, findings = load_decisions(tmp_path / "registry", {"owner-one"})
    assert findings == []
    told = made.registry.model_copy(update={"duplicate_decisions": decisions})
    compare(Collection(told, made.config, made.warehouse))
    row = between(made, ("baltic", "4.png"), ("arctic", "4.jpg"))
    assert row is not None
    assert (row["verdict"], row["decided_by"]) == ("different", "person")
    assert compare(made)["compared_now"] == 0
    row = between(made, ("baltic", "4.png"), ("arctic", "4.jpg"))
    assert row is not None
    assert (row["verdict"], row["decided_by"]) == ("same", "machine")


def text(made: Collection, path: str) -> str:
    with made.warehouse.open(path) as stream:
        return stream.read().decode()


def test_the_page_is_well_formed_self_contained_and_escapes_what_owners_wrote(made: Collection) -> None:
    shown = text(made, page.PAGE)
    seen = Page(shown)
    assert seen.problems == []
    assert all(a.startswith(("#", "data:image/")) for a in seen.addresses), seen.addresses
    assert "script" not in seen.elements
    assert "<script>" in seen.words  # as text
    assert "one@example.org" not in shown
    assert shown == (page.write_page(made), text(made, page.PAGE))[1]


def test_the_page_shows_both_pictures_reasons_and_owners(made: Collection) -> None:
    shown = text(made, page.PAGE)
    words = Page(shown).words
    rows = table(made)
    assert shown.count('src="data:image/') == 2 * len(rows)
    for one, other in rows:
        assert f"{one} {other}" in words
    assert "Evidence: same time, same place" in words
    assert "credit is shared by" in words
    assert "Owner of baltic" in words


def test_the_list_to_decide_in_is_one_the_registry_reads(made: Collection, tmp_path: Path) -> None:
    listed = list(csv.DictReader(io.StringIO(text(made, page.DECISIONS_CSV))))
    waiting = [
        pair for pair, r in table(made).items()
        if r["contribution_id"] != r["other_contribution_id"]
        and (r["verdict"] == "unsure" or (r["verdict"] == "same" and r["pair_kind"] == "near"))
    ]  # fmt: skip
    assert len(waiting) >= 7
    assert sorted((r["image_id"], r["other_image_id"]) for r in listed) == sorted(waiting)
    (tmp_path / "registry").mkdir()
    target = tmp_path / "registry" / "duplicates.csv"
    target.write_text(text(made, page.DECISIONS_CSV))
    decisions, [note] = load_decisions(tmp_path / "registry", {"owner-one"})
    assert (decisions, note.rule, note.count) == ((), "table_rows_open", len(listed))
    listed[0] |= {"decision": "same", "by": "owner-one", "date": "2026-01-01", "why": "the same antenna"}
    with target.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    [decided], _ = load_decisions(tmp_path / "registry", {"owner-one"})
    assert (decided.image_id, decided.date) == (listed[0]["image_id"], dt.date(2026, 1, 1))
    told = made.registry.model_copy(update={"duplicate_decisions": (decided,)})
    compare(Collection(told, made.config, made.warehouse))
    page.write_page(Collection(told, made.config, made.warehouse))
    left = list(csv.DictReader(io.StringIO(text(made, page.DECISIONS_CSV))))
    assert len(left) == len(listed) - 1


def test_all_pairs_are_listed_with_their_measures(made: Collection) -> None:
    listed = {(r["image_id"], r["other_image_id"]): r for r in csv.DictReader(io.StringIO(text(made, page.PAIRS_CSV)))}
    rows = table(made)
    assert listed.keys() == rows.keys()
    for pair, row in rows.items():
        assert listed[pair]["evidence"].split() == row["evidence"]
        assert float(listed[pair]["correlation"]) == pytest.approx(row["correlation"])


def test_a_long_list_is_cut_on_the_page_and_says_so(made: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_SHOWN", 2)
    page.write_page(made)
    words = Page(text(made, page.PAGE)).words
    same = sum(r["verdict"] == "same" for r in table(made).values())
    assert f"The first 2 of {same:,}; all are in duplicate-pairs.csv." in words


def test_a_collection_without_pairs_has_a_page_too(tmp_path: Path) -> None:
    made = collect(tmp_path, baltic=[Picture("a.png", png(drawn(1)))])
    assert compare(made)["pairs"] == 0
    assert page.write_page(made) == []
    assert "Nothing proposes that two images are the same." in Page(text(made, page.PAGE)).words


def test_the_command_says_what_it_found_and_where_the_page_is(
    tmp_path: Path, registry_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from aqqua_dataset.demo import write_deliveries

    write_deliveries(tmp_path / "deliveries")
    places = [
        "--registry", str(registry_folder), "--deliveries", str(tmp_path / "deliveries"),
        "--warehouse", str(tmp_path / "warehouse"), "--executor", "serial",
    ]  # fmt: skip
    assert main(["run", "kattegat-net-2019", "oresund-net-2019", *places]) == 0
    capsys.readouterr()
    assert main(["duplicates", "--distance", "90", *places]) == 0
    said = capsys.readouterr().out
    assert "candidates" in said
    assert f"page: {tmp_path}/warehouse/site/duplicates.html" in said
    assert (tmp_path / "warehouse/site/duplicates.csv").exists()
    with pytest.raises(SystemExit):
        main(["duplicates", "--distance", "300", *places])
    assert "'300': expected a number from 0 to 256" in capsys.readouterr().err


def test_a_16_bit_image_is_compared_with_its_8_bit_copy(tmp_path: Path) -> None:
    deep = drawn(7).astype(np.uint16) * 257
    stream = io.BytesIO()
    Image.fromarray(deep).save(stream, "PNG")
    made = collect(
        tmp_path, baltic=[Picture("a.png", stream.getvalue())], arctic=[Picture("b.jpg", jpeg(drawn(7), 95))]
    )
    compare(made)
    row = between(made, ("baltic", "a.png"), ("arctic", "b.jpg"))
    assert row is not None
    assert row["verdict"] == "same"
