"""Copies: which are found, which one stays, who is credited, whatever the order, the buckets and who withdraws."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from builders import GIVEN, collection, contribution, registry
from copies import Copy, decide, digest, put, rows_of

from aqqua_dataset import schema
from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup import bridge, exact, fingerprints
from aqqua_dataset.dedup.exact import PAIRS, TABLE, duplicate_findings, find_duplicates
from aqqua_dataset.dedup.links import Item, cut_group
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.bridges import bridge_problem
from aqqua_dataset.registry.decisions import load_decisions
from aqqua_dataset.registry.models import Event, Permission

REVOKED = Event(date=dt.date(2026, 1, 1), state="revoked", scope="all", reason="withdrawn")


def kept_of(made: Collection) -> dict[str, str]:
    return {row["image_id"]: row["kept_image_id"] for row in rows_of(made)}


def with_pairs(made: Collection, pairs: Iterable[tuple[str, str, str, str, str]]) -> None:
    """Stores (image, other image, contribution, other contribution, verdict) as compared pairs with one id."""
    names = ("image_id", "other_image_id", "contribution_id", "other_contribution_id", "verdict")
    rows = [dict(zip(names, p, strict=True)) | {"pair_kind": "source_id", "decided_by": "machine"} for p in pairs]
    table = pa.Table.from_pylist(rows, pa.schema([(n, pa.string()) for n in (*names, "pair_kind", "decided_by")]))
    made.warehouse.write_parquet(PAIRS, table, table.schema)


# --- which copy stays


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({}, {"qc_flags": ["PIXEL_UNIT_INFERRED"]}),  # the inferred one would be withheld
        ({}, {"image_variant": "processed"}),
        ({}, {"pixel_rescale_factor": 2.0}),
        ({"significant_bits": 12}, {}),
        ({}, {"source_system": "ecotaxa"}),
        ({}, {"image_format": "jpeg"}),
        ({}, {"qc_level": 3}),
        ({}, {"coordinate_source": "contributor_form"}),
        ({}, {"timezone_source": "assumed_utc"}),
        ({}, {"datetime_precision": "day"}),
        ({}, {"event_id": None}),
        ({}, {"label_status": "predicted"}),
        ({"label_status": "predicted"}, {"label_status": "unclassified"}),
        # what comes first counts, however good the rest is
        ({"image_variant": "raw", "label_status": "unclassified", "qc_level": 4}, {"image_variant": "processed"}),
        ({"label_status": "unclassified"}, {"qc_level": 3}),
        ({"qc_level": 3}, {"image_format": "jpeg"}),
        ({}, {}),  # all equal: the first contribution by id
    ],
)
def test_which_copy_stays(tmp_path: Path, better: dict[str, Any], worse: dict[str, Any]) -> None:
    for first, second in (("a-one", "b-two"), ("b-two", "a-one")):
        if not better and not worse and first == "b-two":
            continue
        made = collection(tmp_path / first, contribution("a-one", "."), contribution("b-two", "."))
        put(made, first, [Copy("good", "p", values=tuple(better.items()))])
        put(made, second, [Copy("bad", "p", values=tuple(worse.items()))])
        assert find_duplicates(made) == 1
        [row] = rows_of(made)
        assert (row["kept_contribution_id"], row["contribution_id"]) == (first, second), (better, worse)


def test_the_copy_that_may_be_published_first_stays(tmp_path: Path) -> None:
    later = contribution("a-later", ".", not_before=dt.date(2028, 1, 1))
    unsigned = contribution("b-unsigned", ".", permissions=(Permission(id="model-development", date=GIVEN),))
    made = collection(tmp_path, later, unsigned, contribution("c-free", "."))
    for name in ("a-later", "b-unsigned", "c-free"):
        put(made, name, [Copy(name, "p")])
    find_duplicates(made)
    assert {r["contribution_id"]: r["kept_contribution_id"] for r in rows_of(made)} == {
        "a-later": "c-free", "b-unsigned": "c-free",
    }  # fmt: skip


# --- links: ids, people, variants


def test_a_confirmed_id_joins_and_a_refuted_one_is_reported(tmp_path: Path) -> None:
    made = collection(tmp_path, contribution("one", "."), contribution("two", "."))
    put(made, "one", [Copy("a", "p"), Copy("b", "q"), Copy("c", "r")])
    put(made, "two", [Copy("a2", "p2"), Copy("b2", "q2"), Copy("c2", "r2")])
    a, b, c, a2, b2, c2 = (Copy(n, "").id for n in ("a", "b", "c", "a2", "b2", "c2"))
    verdicts = ((a, a2, "same"), (b, b2, "different"), (c, c2, "unsure"))
    with_pairs(made, [(min(x, y), max(x, y), "one", "two", verdict) for x, y, verdict in verdicts])
    find_duplicates(made)
    [row] = rows_of(made)
    assert (row["image_id"], row["kept_image_id"], row["duplicate_kind"]) == (a2, a, "source_id")
    [finding] = duplicate_findings(made)
    assert (finding.rule, finding.contribution, finding.count) == ("same_id_other_pixels", "one", 1)
    assert set(finding.value.split()) == {b, b2}
    assert "two" in finding.message


def test_a_person_wins_over_the_machine(tmp_path: Path) -> None:
    made = collection(tmp_path, contribution("one", "."), contribution("two", "."))
    put(made, "one", [Copy("a", "p"), Copy("b", "q")])
    put(made, "two", [Copy("a2", "p"), Copy("b2", "other")])
    told = (
        decide(Copy("a", "").id, Copy("a2", "").id, "not_same"),
        decide(Copy("b", "").id, Copy("b2", "").id, "same"),
    )
    find_duplicates(made)
    assert [r["duplicate_kind"] for r in rows_of(made)] == ["bytes"]
    made = replace(made, registry=made.registry.model_copy(update={"duplicate_decisions": told}))
    find_duplicates(made)
    [row] = rows_of(made)
    assert (row["image_id"], row["kept_image_id"], row["duplicate_kind"]) == (
        Copy("b2", "").id, Copy("b", "").id, "person",
    )  # fmt: skip


def test_a_decision_about_unknown_images_is_a_note(tmp_path: Path) -> None:
    made = collection(tmp_path, contribution("one", "."))
    put(made, "one", [Copy("a", "p")])
    told = (decide(Copy("a", "").id, Copy("gone", "").id, "same"),)
    made = replace(made, registry=made.registry.model_copy(update={"duplicate_decisions": told}))
    find_duplicates(made)
    [finding] = duplicate_findings(made)
    assert (finding.rule, finding.severity, finding.value) == (
        "duplicate_decision_unknown",
        "note",
        Copy("gone", "").id,
    )


def test_the_processed_form_leads_to_the_raw_image_of_another_owner(tmp_path: Path) -> None:
    """B delivered only what A delivered as the processed form of a raw image: A's raw image stands for all three."""
    made = collection(tmp_path, contribution("a", "."), contribution("b", "."), contribution("c", "."))
    same = ("source_object_id", "o1")
    raw = Copy("raw", "raw", values=(("image_variant", "raw"), same, ("source_image_rank", 100)))
    shown = Copy("shown", "shown", values=(("image_variant", "processed"), same))
    alone = Copy("alone", "alone", values=(("image_variant", "processed"), ("source_object_id", "o2")))
    put(made, "a", [raw, shown, alone])
    put(made, "b", [Copy("only", "shown")])
    put(made, "c", [Copy("also-raw", "raw", values=(("label_status", "unclassified"),))])
    find_duplicates(made)
    found = {(r["image_id"], r["kept_image_id"], r["duplicate_kind"]) for r in rows_of(made)}
    assert found == {
        (shown.id, raw.id, "variant"),
        (Copy("only", "").id, raw.id, "variant"),
        (Copy("also-raw", "").id, raw.id, "bytes"),
    }


# --- groups that people cut


def test_of_three_equal_pictures_the_third_stays_with_the_pair_that_comes_first() -> None:
    items = [Item(name, 1, True) for name in "abc"]
    assert cut_group(items, [], {frozenset("ac")}) == ({"a": "a", "b": "a", "c": "c"}, [])
    assert cut_group(items, [], {frozenset("ab")}) == ({"a": "a", "b": "b", "c": "a"}, [])
    assert cut_group(items, [], {frozenset("ab"), frozenset("ac")}) == ({"a": "a", "b": "b", "c": "b"}, [])


def test_a_persons_same_comes_before_equal_pixels_and_a_contradiction_is_told() -> None:
    items = [Item("a", 1, True), Item("b", 1, True), Item("c", 2, True)]
    joined = [("b", "c", "person")]
    assert cut_group(items, joined, {frozenset("ac")}) == ({"a": "a", "b": "b", "c": "b"}, [])
    twice = [("a", "c", "person"), ("b", "c", "person")]
    assert cut_group(items, twice, {frozenset("ab")}) == ({"a": "a", "b": "b", "c": "a"}, [("b", "c")])


def test_unnamed_copies_follow_the_first_piece(tmp_path: Path) -> None:
    made = collection(tmp_path, contribution("one", "."), contribution("two", "."))
    names = sorted((f"i{n}" for n in range(8)), key=lambda n: Copy(n, "").id)
    put(made, "one", [Copy(n, "p") for n in names[:4]])
    put(made, "two", [Copy(n, "p") for n in names[4:]])
    apart = (decide(Copy(names[1], "").id, Copy(names[6], "").id, "not_same"),)
    made = replace(made, registry=made.registry.model_copy(update={"duplicate_decisions": apart}))
    find_duplicates(made, buckets=4)
    kept = kept_of(made)
    # Items: the six unnamed as one (first id names[0]), names[1] and names[6]; (0, 1) comes before (0, 6).
    assert kept == {Copy(n, "").id: Copy(names[0], "").id for n in names if n not in (names[0], names[6])}


# --- incremental, buckets, workers


def test_a_new_contribution_reads_none_of_the_others_tables(tmp_path: Path) -> None:
    names = ("one", "two", "three")
    made = collection(tmp_path, *(contribution(n, ".") for n in names))
    for name in names[:2]:
        put(made, name, [Copy(f"{name}{n}", f"p{n}") for n in range(5)])
    find_duplicates(made)
    before = {n: made.warehouse.read_json(f"{fingerprints.FOLDER}/{n}/fingerprints.json") for n in names[:2]}
    times = made.warehouse.times(fingerprints.FOLDER)
    for name in names[:2]:  # what isn't there can't be read
        for path in made.warehouse.find(f"contributions/{name}"):
            if path.endswith(".parquet"):
                made.warehouse.remove(path)
    put(made, "three", [Copy(f"three{n}", f"p{n}") for n in range(3)])
    assert find_duplicates(made) == 5 + 3
    after = made.warehouse.times(fingerprints.FOLDER)
    assert {p: t for p, t in after.items() if p in times} == times
    assert {n: made.warehouse.read_json(f"{fingerprints.FOLDER}/{n}/fingerprints.json") for n in names[:2]} == before


def test_nothing_is_done_when_nothing_changed_and_a_withdrawal_removes_the_fingerprints(tmp_path: Path) -> None:
    made = collection(tmp_path, contribution("one", "."), contribution("two", "."))
    put(made, "one", [Copy("a", "p")])
    put(made, "two", [Copy("b", "p")])
    find_duplicates(made)
    written = made.warehouse.modified(TABLE)
    assert find_duplicates(made) == 1
    assert made.warehouse.modified(TABLE) == written
    one, two = made.registry.contributions.values()
    revoked = one.model_copy(update={"history": (*one.history, REVOKED)})
    assert find_duplicates(replace(made, registry=registry(revoked, two))) == 0
    assert made.warehouse.names(fingerprints.FOLDER) == ["two"]


@pytest.mark.parametrize("buckets", [1, 4, 64])
def test_files_and_buckets_of_any_number_give_the_same(tmp_path: Path, buckets: int) -> None:
    made = collection(tmp_path, contribution("large", "."), contribution("small", "."))
    put(made, "large", [Copy(f"l{n}", f"p{n % 300}") for n in range(1000)], parts=3)
    put(made, "small", [Copy(f"s{n}", f"p{n + 290}") for n in range(20)])
    tables = exact.usable_images(made, ["large"])
    key = str(fingerprints._key(made.warehouse, "large"))
    cut = fingerprints.fingerprint(fingerprints.FingerprintTask(made.warehouse, "large", key, tables, 100))
    assert (len(cut["images"]), sum(cut["images"]), len(cut["ids"])) == (16, 1000, 32)  # 1000 and 2000 rows, 100 a file
    with open_executor("processes:2" if buckets == 4 else "serial") as (executor, workers):
        assert find_duplicates(made, executor, workers, buckets) == 700 + 10
    assert len(set(kept_of(made).values())) == 300
    read = {p for b in range(buckets) for p in fingerprints.files_between(cut, "images", b, buckets)}
    assert read == set(made.warehouse.find(cut["folder"])) - {
        p for p in made.warehouse.find(cut["folder"]) if "ids-" in p
    }


# --- ids


def test_ids_of_bins_and_objects_meet_and_the_bridge_joins_others(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    names = ("dashboard", "ecotaxa", "seanoe")
    made = collection(tmp_path, *(contribution(n, ".") for n in names))
    bin_name = "D20220522T000439_IFCB134"
    put(made, "dashboard", [
        Copy(f"{bin_name}_00002", "roi2", values=(("source_system", "ifcb"),)),
        Copy(f"{bin_name}_00003", "roi3", values=(("source_system", "ifcb"),)),
    ])  # fmt: skip
    put(made, "ecotaxa", [
        Copy("e2", "stretched2", values=(("source_object_id", f"{bin_name}_2"), ("source_dataset_id", "77"))),
        Copy("e3", "roi3", values=(("source_object_id", f"{bin_name}_00003"),)),  # equal pixels need no comparison
        Copy("e4", "four", values=(("source_image_file", "images/Copepoda__25828/7700000012_0.jpg"),)),
    ])  # fmt: skip
    put(made, "seanoe", [
        Copy("s1", "recropped", values=(("source_image_file", "IMAGES/4711.png"),)),
        Copy("s2", "another", values=(("source_dataset_id", "77"), ("source_object_id", f"{bin_name}_2"))),
    ])  # fmt: skip
    rows = "ecotaxa_object,7700000012,image_file,4711\nnobody,1,image_file,2\nimage_file,,image_file,3\n"
    (tmp_path / "registry" / "bridge.csv").write_text(f"scheme,id,other_scheme,other_id\n{rows}")

    def named(*pair: str) -> tuple[str, ...]:
        return tuple(sorted(Copy(n, "").id for n in pair))

    for buckets in (1, 4):
        assert bridge.write_candidates(made, buckets=buckets) == 4
        made.warehouse.remove("dedup/id_candidates.json")
        found = made.warehouse.read_parquet(bridge.TABLE).to_pylist()
        assert {(r["image_id"], r["other_image_id"]): r["bridge"] for r in found} == {
            named(f"{bin_name}_00002", "e2"): "ifcb_roi",
            named(f"{bin_name}_00002", "s2"): "ifcb_roi",
            named("e2", "s2"): "ifcb_roi",
            named("e4", "s1"): "ecotaxa_object=image_file",
        }
        owner = {Copy(n, "").id: c for n, c in (("e4", "ecotaxa"), ("s1", "seanoe"))}
        [row] = [r for r in found if r["bridge"] == "ecotaxa_object=image_file"]
        assert row["contribution_id"] == owner[row["image_id"]]
        assert row["other_contribution_id"] == owner[row["other_image_id"]]
    bridge.write_candidates(made)
    assert [(f.rule, f.line, f.key) for f in bridge.candidate_findings(made)] == [
        ("bridge_row_invalid", 3, "scheme"), ("bridge_row_invalid", 4, "id"),
    ]  # fmt: skip


def test_an_id_that_too_many_share_is_no_id(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    made = collection(tmp_path, contribution("one", "."), contribution("two", "."))
    for name in ("one", "two"):
        same = (("source_object_id", "1"), ("source_dataset_id", "5"))
        put(made, name, [Copy(f"{name}{n}", f"{name}{n}", values=same) for n in range(30)])
    assert bridge.write_candidates(made) == 0
    assert [(f.rule, f.count) for f in bridge.candidate_findings(made)] == [("id_not_unique", 1)]


def test_a_bridge_with_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bridge.csv").write_text("old,new\n1,2\n")
    assert [(f.rule, f.line, f.value) for f in bridge_problem(tmp_path)] == [("bridge_columns", 1, "old,new")]


# --- decisions as people write them


def test_decisions_are_read_and_every_mistake_is_named(tmp_path: Path) -> None:
    a, b, c = sorted(Copy(n, "").id for n in "abc")
    lines = [
        f"{b},{a},same,owner-one,2026-11-01,same spines",
        f"{a},{b},not_same,owner-one,2026-11-02,changed my mind",
        f"{a},{c},,,,",
        f"{a},{c},maybe,nobody,1.11.2026,",
        f"{a},{a},same,owner-one,2026-11-01,x",
        f"{a},{c},same,owner-one,2026-11-01,ask me@example.org",
        "short,row",
    ]
    (tmp_path / "duplicates.csv").write_text("image_id,other_image_id,decision,by,date,why\n" + "\n".join(lines) + "\n")
    found, findings = load_decisions(tmp_path, {"owner-one"})
    assert [(d.image_id, d.other_image_id, d.decision) for d in found] == [(a, b, "same")]
    assert sorted((f.line or 0, f.key, f.rule) for f in findings) == [
        (0, "", "table_rows_open"),
        (3, "image_id", "table_row_invalid"),
        (5, "by", "table_row_invalid"),
        (5, "date", "table_row_invalid"),
        (5, "decision", "table_row_invalid"),
        (5, "why", "table_row_invalid"),
        (6, "other_image_id", "table_row_invalid"),
        (7, "why", "table_row_invalid"),
        (8, "", "table_row_invalid"),
    ]
    (tmp_path / "duplicates.csv").write_text("a,b\n1,2\n")
    assert [f.rule for f in load_decisions(tmp_path, {})[1]] == ["table_columns"]


def test_tables_hold_what_they_declare(tmp_path: Path) -> None:
    made = collection(tmp_path, contribution("one", "."), contribution("two", "."))
    put(made, "one", [Copy("a", "p", "n")])
    put(made, "two", [Copy("b", "p2", "n")])
    find_duplicates(made)
    table = made.warehouse.read_parquet(TABLE)
    assert table.schema.names == list(schema.tables()["duplicates"].columns)
    schema.pandera_schema("duplicates").validate(table.to_pandas())
    assert table["duplicate_kind"].to_pylist() == ["normalised"]
    [made_of_one, _] = fingerprints.present(made)
    prints = made.warehouse.read_parquet(fingerprints.file_path(made_of_one["folder"], "images", 0)).to_pylist()
    assert prints[0]["key_high"] == int(digest("n", 32)[:16], 16)
