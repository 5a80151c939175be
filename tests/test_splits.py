"""Splits: no haul, bin, copy or near duplicate on both sides; the same in every run and order; shares as declared."""

import datetime as dt
import hashlib
import itertools
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from builders import collection, contribution, registry
from copies import Copy, put
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from aqqua_dataset.dedup.components import connect_components
from aqqua_dataset.dedup.exact import PAIRS, find_duplicates
from aqqua_dataset.dedup.splits import LARGEST, NEAR_GROUPS, SHARES, TABLE, split_counts, write_splits
from aqqua_dataset.pipeline import Collection


def in_event(name: str, event: str | None, picture: str = "", **values: Any) -> Copy:
    return Copy(name, picture or name, values=(("event_id", event), *values.items()))


def key_of(name: str) -> int:
    """Lower half of the MD5 of a unit's name, as DuckDB's md5_number_lower takes it: the last eight bytes, reversed."""
    return int.from_bytes(hashlib.md5(name.encode(), usedforsecurity=False).digest()[8:], "little")


def expected_split(units: Iterable[str]) -> str:
    """The split of a group by its definition: hash of the smallest unit, in percent."""
    percent = key_of(str(min(key_of(u) for u in units))) % 100
    return "train" if percent < 80 else "validation" if percent < 90 else "test"


def splits_of(made: Collection) -> dict[int, str]:
    find_duplicates(made)
    write_splits(made)
    return {row["unit_key"]: row["split"] for row in made.warehouse.read_parquet(TABLE).to_pylist()}


def with_near_groups(made: Collection, groups: dict[str, str]) -> None:
    rows = [{"image_id": i, "near_group": g, "contribution_id": "one"} for i, g in groups.items()]
    table = pa.Table.from_pylist(rows)
    made.warehouse.write_parquet(NEAR_GROUPS, table, table.schema)


@pytest.fixture
def hauls(tmp_path: Path) -> Collection:
    """Two contributions of forty hauls each; the first image of a haul has its copy in the other contribution."""
    made = collection(tmp_path, contribution("one", "."), contribution("two", "."))
    for name in ("one", "two"):
        images = [
            in_event(f"{name} {h} {n}", f"h{h}", f"both {h}" if n == 0 else "") for h in range(40) for n in range(3)
        ]
        put(made, name, images)
    return made


def test_hauls_that_share_a_picture_are_in_one_part_by_their_smallest_key(hauls: Collection) -> None:
    found = splits_of(hauls)
    assert len(found) == 80
    for haul in range(40):
        units = [f"one/event h{haul}", f"two/event h{haul}"]
        assert {found[key_of(u)] for u in units} == {expected_split(units)}
    counts = {row["split"]: row for row in split_counts(hauls).to_pylist()}
    assert sum(row["images"] for row in counts.values()) == 240
    assert counts["train"]["units"] == 2 * counts["train"]["groups"]


def test_near_duplicates_and_compared_pairs_join_their_hauls(hauls: Collection) -> None:
    ids = [Copy(f"one {h} 1", "").id for h in (0, 1, 2)]
    with_near_groups(hauls, dict.fromkeys(ids, min(ids)))
    pair = sorted((Copy("one 2 2", "").id, Copy("two 3 2", "").id))
    names = (
        "image_id",
        "other_image_id",
        "contribution_id",
        "other_contribution_id",
        "pair_kind",
        "verdict",
        "decided_by",
    )
    apart = (Copy("one 4 1", "").id, Copy("one 5 1", "").id)
    rows = [
        (*pair, "one", "two", "near", "same", "machine"),
        (*apart, "one", "one", "near", "different", "machine"),
    ]
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    hauls.warehouse.write_parquet(PAIRS, table, table.schema)
    found = splits_of(hauls)
    joined = [f"{c}/event h{h}" for c in ("one", "two") for h in (0, 1, 2, 3)]
    assert {found[key_of(u)] for u in joined} == {expected_split(joined)}
    groups = {r["unit_key"]: r["unit_group"] for r in hauls.warehouse.read_parquet(TABLE).to_pylist()}
    assert groups[key_of("one/event h4")] != groups[key_of("one/event h5")]
    assert len(set(groups.values())) == 40 - 3


def test_a_group_larger_than_a_tenth_is_for_training(tmp_path: Path) -> None:
    made = collection(tmp_path, contribution("one", "."))
    large = next(f"big {n}" for n in itertools.count() if expected_split([f"one/event big {n}"]) == "test")
    small = [f"s{n}" for n in range(80)]
    images = [in_event(f"l{n}", large) for n in range(20)] + [
        in_event(f"i {s} {n}", s) for s in small for n in range(2)
    ]
    put(made, "one", images)
    assert len([i for i in images if dict(i.values)["event_id"] == large]) > LARGEST * len(images)
    found = splits_of(made)
    assert found[key_of(f"one/event {large}")] == "train"
    assert all(found[key_of(f"one/event {s}")] == expected_split([f"one/event {s}"]) for s in small)
    # with as many others as make it smaller than a tenth it is where its hash puts it
    put(made, "one", images + [in_event(f"more {n}", f"m{n}") for n in range(40)])
    assert splits_of(made)[key_of(f"one/event {large}")] == "test"


def test_images_without_an_event_are_in_a_unit_by_acquisition_or_day_and_place(tmp_path: Path) -> None:
    made = collection(tmp_path, contribution("one", "."))
    evening = dt.datetime(2020, 6, 1, 23, 59, tzinfo=dt.UTC)
    next_day = evening + dt.timedelta(minutes=2)
    there: dict[str, Any] = {"latitude": 54.5, "longitude": 7.25}
    images = [
        in_event("a", None, parent_event_id="leg"),
        in_event("b", None, datetime_utc=evening, **there),
        in_event("c", None, datetime_utc=next_day, **there),
    ]
    put(made, "one", images)
    names = ("one/acquisition leg", "one/day 2020-06-01 54.5 7.25", "one/day 2020-06-02 54.5 7.25")
    assert set(splits_of(made)) == {key_of(n) for n in names}


def test_shares_of_many_units_are_as_declared() -> None:
    """Ten thousand units: the share of each part within four standard deviations of what is declared."""
    assert sum(SHARES.values()) == 100
    found = [expected_split([f"one/event {n}"]) for n in range(10_000)]
    for name, share in SHARES.items():
        deviation = (10_000 * share / 100 * (1 - share / 100)) ** 0.5
        assert abs(found.count(name) - 100 * share) < 4 * deviation


def test_nothing_is_written_again_when_nothing_changed(hauls: Collection) -> None:
    splits_of(hauls)
    before = hauls.warehouse.modified(TABLE)
    assert write_splits(hauls) == 80
    assert hauls.warehouse.modified(TABLE) == before


# --- components


def components_of(edges: list[tuple[int, int]]) -> dict[int, int]:
    with duckdb.connect() as connection:
        connection.register("told", pa.table({"a": [a for a, _ in edges], "b": [b for _, b in edges]}))
        connection.execute("create table edges as from told")
        connect_components(connection, "edges", "found")
        return dict(connection.sql("from found").fetchall())


def walked(edges: list[tuple[int, int]]) -> dict[int, int]:
    """The same by walking from every node."""
    near: dict[int, set[int]] = defaultdict(set)
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)
    smallest = {}
    for start in near:
        seen, waiting = {start}, [start]
        while waiting:
            waiting += [n for n in near[waiting.pop()] if n not in seen and not seen.add(n)]  # type: ignore[func-returns-value]
        smallest[start] = min(seen)
    return smallest


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=25))
def test_components_are_those_a_walk_finds(edges: list[tuple[int, int]]) -> None:
    assert components_of(edges) == walked(edges)


def test_a_long_chain_in_any_order_is_one_component() -> None:
    numbers = list(range(500))
    random.Random(1).shuffle(numbers)
    assert set(components_of(list(itertools.pairwise(numbers))).values()) == {0}


# --- any order of arrival


@settings(max_examples=4, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.data())
def test_no_picture_and_no_haul_on_both_sides_in_any_order(data: st.DataObject) -> None:
    names = ("a", "b", "c")
    pictures = {
        n: [(data.draw(st.integers(0, 5)), data.draw(st.integers(0, 25))) for _ in range(12)] for n in names
    }  # (haul, picture)
    results = []
    for order in (names, data.draw(st.permutations(names))):
        with tempfile.TemporaryDirectory() as folder:
            made = collection(Path(folder))
            for name in order:
                known = (*made.registry.contributions.values(), contribution(name, "."))
                made = replace(made, registry=registry(*known))
                put(made, name, [in_event(f"{name}{n}", f"h{h}", f"p{p}") for n, (h, p) in enumerate(pictures[name])])
            results.append(splits_of(made))
    assert results[0] == results[1]
    sides: dict[int, set[str]] = defaultdict(set)
    for name, images in pictures.items():
        for haul, picture in images:
            sides[picture].add(results[0][key_of(f"{name}/event h{haul}")])
    assert all(len(side) == 1 for side in sides.values())
