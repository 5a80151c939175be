"""Any collection of copies: groups, who stays, credit and terms, whatever the order, the buckets and who withdraws."""

import datetime as dt
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from builders import collection, contribution, registry
from copies import Copy, decide, put, rows_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from aqqua_dataset.dedup.exact import TABLE, find_duplicates
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.progress import ledger
from aqqua_dataset.registry.decisions import DuplicateDecision
from aqqua_dataset.registry.models import Contribution, Event
from aqqua_dataset.release.build import _write_exceptions
from aqqua_dataset.release.gate import ReleaseRequest, withheld_reason

PUBLIC = ReleaseRequest("1.0.0", "public", dt.date(2027, 7, 15), rehearsal=True)
REVOKED = Event(date=dt.date(2026, 1, 1), state="revoked", scope="all", reason="withdrawn")
OWNERS = ("owner-one", "owner-two")
LABELS = ("validated", "predicted", "unclassified")


@dataclass(frozen=True)
class World:
    """Contributions with their images, and what people decided."""

    images: dict[str, list[Copy]]
    later: frozenset[str]
    decisions: tuple[DuplicateDecision, ...]

    def contributions(self) -> list[Contribution]:
        return [
            contribution(
                name, ".", owners=(OWNERS[n % 2],), not_before=dt.date(2028, 1, 1) if name in self.later else None
            )
            for n, name in enumerate(sorted(self.images))
        ]

    def without(self, made: Collection, gone: str) -> Collection:
        """The same collection after one owner has withdrawn."""
        known = {c.id: c for c in self.contributions()}
        known[gone] = known[gone].model_copy(update={"history": (*known[gone].history, REVOKED)})
        changed = registry(*known.values()).model_copy(update={"duplicate_decisions": self.decisions})
        return replace(made, registry=changed)

    def build(self, folder: Path, order: Iterable[str], one_by_one: bool) -> Collection:
        """The collection after all have arrived in an order, with a search after each or none."""
        known = {c.id: c for c in self.contributions()}
        made = collection(folder)
        for name in order:
            made = replace(made, registry=registry(*(known[n] for n in (*made.registry.contributions, name))))
            put(made, name, self.images[name])
            if one_by_one:
                find_duplicates(made)
        told = made.registry.model_copy(update={"duplicate_decisions": self.decisions})
        return replace(made, registry=told)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    images: dict[str, list[Copy]] = {}
    for name in ("a", "b", "c")[: draw(st.integers(2, 3))]:
        some = []
        for n in range(draw(st.integers(1, 5))):
            picture = draw(st.integers(0, 5))
            values = {
                "label_status": draw(st.sampled_from(LABELS)), "qc_level": draw(st.sampled_from((1, 3))),
                "image_format": draw(st.sampled_from(("png", "jpeg"))),
            }  # fmt: skip
            normal = f"n{picture // 2}" if picture < 4 else None
            some.append(Copy(f"{name}{n}", f"p{picture}", normal, draw(st.integers(0, 1)), tuple(values.items())))
        images[name] = some
    ids = [image.id for some in images.values() for image in some]
    pairs = draw(st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(ids), st.booleans()), max_size=3))
    decided = {tuple(sorted(pair[:2])): pair[2] for pair in pairs if pair[0] != pair[1]}
    decisions = tuple(decide(one, other, "same" if same else "not_same") for (one, other), same in decided.items())
    later = draw(st.frozensets(st.sampled_from(sorted(images)), max_size=1))
    return World(images, later, decisions)


def expected_groups(world: World, living: Iterable[str]) -> list[set[str]]:
    """Groups by comparing all with all: strongest links first, none that joins what a person keeps apart."""
    images = {image.id: image for name in living for image in world.images[name]}
    groups = {i: {i} for i in images}
    apart = {(d.image_id, d.other_image_id) for d in world.decisions if d.decision == "not_same"}
    linked = [
        (0, d.image_id, d.other_image_id) for d in world.decisions
        if d.decision == "same" and d.image_id in images and d.other_image_id in images
    ]  # fmt: skip
    for one, other in itertools.combinations(sorted(images), 2):
        a, b = images[one], images[other]
        if (a.normal or a.picture) == (b.normal or b.picture):
            linked.append((1, one, other))
    for _, one, other in sorted(linked):
        mine, theirs = groups[one], groups[other]
        crossing = any(tuple(sorted(pair)) in apart for pair in itertools.product(mine, theirs))
        if mine is not theirs and not crossing:
            mine |= theirs
            groups.update(dict.fromkeys(mine, mine))
    return [set(g) for g in {frozenset(g) for g in groups.values()}]


def check_world(made: Collection, world: World, living: list[str]) -> None:
    """Groups, the order of who stays, credit, terms and ledger, each against what the world says itself."""
    owner = {image.id: name for name in living for image in world.images[name]}
    images = {image.id: image for name in living for image in world.images[name]}
    rows = {row["image_id"]: row for row in rows_of(made)}
    groups = expected_groups(world, living)

    def rank(i: str) -> tuple[Any, ...]:
        values = dict(images[i].values)
        terms = owner[i] in world.later
        return (
            terms, values["image_format"] == "jpeg", values["qc_level"], LABELS.index(values["label_status"]),
            owner[i], i,
        )  # fmt: skip

    for group in groups:
        best = min(group, key=rank)
        assert best not in rows
        assert {i: rows[i]["kept_image_id"] for i in group - {best}} == dict.fromkeys(group - {best}, best)
    assert set(rows) == {i for g in groups for i in g} - {min(g, key=rank) for g in groups}

    left_out, shared = _write_exceptions(made, PUBLIC)
    gone = set(made.warehouse.read_parquet(left_out)["image_id"].to_pylist())
    credited = {r["image_id"]: set(r["credited"]) for r in made.warehouse.read_parquet(shared).to_pylist()}
    reasons = {n: withheld_reason(made.registry, made.registry.contributions[n], PUBLIC) for n in living}
    published: Counter[str] = Counter()
    for group in groups:
        best, holders = min(group, key=rank), {owner[i] for i in group}
        assert credited.get(best, set()) | {owner[best]} == holders  # every owner is credited
        if any(reasons[n] for n in holders):  # the strictest terms of the group win
            assert best in gone or reasons[owner[best]]
        else:
            assert best not in gone
            published[owner[best]] += 1
    counted = ledger.count(made, PUBLIC, dict(published))
    assert ledger.imbalances(counted) == []


@settings(
    max_examples=8, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)  # shrinking takes minutes
@given(worlds(), st.randoms(use_true_random=False), st.sampled_from((1, 2, 8)))
def test_any_order_any_buckets_any_withdrawal(world: World, random: Any, buckets: int) -> None:
    names = sorted(world.images)
    order = random.sample(names, len(names))
    with tempfile.TemporaryDirectory() as folder:
        made = world.build(Path(folder) / "one", order, one_by_one=True)
        find_duplicates(made, buckets=buckets)
        check_world(made, world, names)
        whole = world.build(Path(folder) / "two", names, one_by_one=False)
        find_duplicates(whole)
        assert whole.warehouse.sha256(TABLE) == made.warehouse.sha256(TABLE)
        gone = random.choice(names)
        left = world.without(made, gone)
        find_duplicates(left, buckets=buckets)
        check_world(left, world, [n for n in names if n != gone])
