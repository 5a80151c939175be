"""A contribution is taken back after the publication: twenty contributions, one of them withdrawn."""

import csv
import datetime as dt
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from builders import collection, contribution
from pages import Page
from small import DAY, PUBLIC, build, changed, copied, deliver, multiply, pictures, with_core_team, withdrawn

from aqqua_dataset import cli
from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.registry.models import Event
from aqqua_dataset.release.absence import Absence, AbsenceUnknown, proof_of_absence
from aqqua_dataset.release.build import Release
from aqqua_dataset.release.changelog import Changes, changes
from aqqua_dataset.release.gate import ReleaseRefused, ReleaseRequest
from aqqua_dataset.release.history import number, previous_releases, version_problems

NAMES = tuple(f"haul-{n:02}" for n in range(20))
LATER = dt.datetime(2027, 10, 1, 12, tzinfo=dt.UTC)
MINOR = replace(PUBLIC, version="1.1.0", date=dt.date(2027, 10, 1))
PATCH = replace(MINOR, version="1.0.1")
#: Its first two pictures are also in another contribution, and one picture of ``TWICE`` is there twice.
GONE, PARTNER, TWICE = "haul-07", "haul-12", "haul-15"
TITLE = "Cast of the seventh haul"


def given_pictures() -> dict[str, list[bytes]]:
    """Pictures by contribution; the first has the most."""
    given = {name: pictures(100 + n, 6 if n == 0 else 3 + n % 3) for n, name in enumerate(NAMES)}
    given[PARTNER] = given[PARTNER][:3] + given[GONE][:2]
    given[TWICE] = given[TWICE][:3] + given[TWICE][:1]
    return given


def collected(home: Path, given: dict[str, list[bytes]]) -> Collection:
    """All contributions, packed in a warehouse in ``home``: the first from its delivery, the others like it."""
    one = [contribution(n, home / n, owners=("owner-two",) if n == PARTNER else ("owner-one",)) for n in NAMES]
    one[NAMES.index(GONE)] = contribution(GONE, home / GONE, title=TITLE)
    made = collection(home, *one)
    made = replace(made, registry=with_core_team(*one))
    deliver(home / NAMES[0], NAMES[0], given[NAMES[0]])
    run_contribution(made, NAMES[0], SerialExecutor(), 1, lambda _: None)
    multiply(made, NAMES[0], {n: images for n, images in given.items() if n != NAMES[0]})
    return made


@dataclass(frozen=True)
class Story:
    """What happened: published, one withdrawn, published again."""

    before: Collection
    after: Collection
    given: dict[str, list[bytes]]
    first: Release
    second: Release
    written: int  # bytes written by the second build

    def folder(self, release: Release) -> Path:
        return Path(self.after.warehouse.url(release.folder))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("story")
    given = given_pictures()
    before = collected(home, given)
    first = build(before, PUBLIC)
    after = changed(before, withdrawn(before.registry.contributions[GONE]))
    start = after.warehouse.bytes_written
    second = build(after, MINOR, LATER)
    return Story(before, after, given, first, second, after.warehouse.bytes_written - start)


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def prove(using: Collection, release: Release, name: str = GONE) -> Absence:
    return proof_of_absence(using, release.folder, name, SerialExecutor(), 1)


# --- what is written


def test_only_what_the_withdrawal_touches_is_written_again(story: Story) -> None:
    old, new = story.folder(story.first), story.folder(story.second)
    shards = {p.relative_to(new).as_posix(): p for p in (new / "images").rglob("*.tar")}
    before = {p.relative_to(old).as_posix(): p for p in (old / "images").rglob("*.tar")}
    assert set(before) - set(shards) == {f"images/contribution={GONE}/shard-00000.tar"}
    differs = {name for name, path in shards.items() if path.stat().st_ino != before[name].stat().st_ino}
    assert differs == {f"images/contribution={PARTNER}/shard-00000.tar"}  # it shows its own copies now
    # Even that one was not written: with all of its pictures shown it is the packed one.
    assert (story.first.shards_rewritten, story.second.shards_rewritten) == (2, 0)
    assert shards[f"images/contribution={TWICE}/shard-00000.tar"].stat().st_nlink == 2  # both releases' own
    written = sum(p.stat().st_size for p in new.rglob("*") if p.is_file() and p not in shards.values())
    assert written <= story.written < written + 200_000  # beside it plans, splits and the gate's pages


def test_a_full_rebuild_gives_the_same_bytes(story: Story, tmp_path: Path) -> None:
    fresh = copied(story.before, tmp_path)
    for folder in ("releases", "dedup", "gates"):
        fresh.warehouse.remove(folder)
    find_duplicates(fresh)
    build(fresh, PUBLIC)
    again = build(changed(fresh, withdrawn(fresh.registry.contributions[GONE])), MINOR, LATER)
    expected = {n: hashlib.sha256(d).hexdigest() for n, d in files(story.folder(story.second)).items()}
    found = files(Path(fresh.warehouse.url(again.folder)))
    assert {n: hashlib.sha256(d).hexdigest() for n, d in found.items()} == expected


def test_a_damaged_earlier_shard_is_not_taken_over(story: Story, tmp_path: Path) -> None:
    using = changed(copied(story.before, tmp_path))
    shard = Path(using.warehouse.url(f"{story.first.folder}/images/contribution={TWICE}/shard-00000.tar"))
    whole = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(whole[:900] + bytes([whole[900] ^ 1]) + whole[901:])
    using.warehouse.remove(story.second.folder)
    again = build(using, replace(PUBLIC, version="1.0.1"))
    # The partner's is taken over, this one is written from the packed shard.
    assert again.shards_rewritten == 1
    assert (
        Path(using.warehouse.url(f"{again.folder}/images/contribution={TWICE}/shard-00000.tar")).read_bytes() == whole
    )


# --- what is gone, and how it is proved


def test_nothing_of_it_is_left_but_its_id(story: Story) -> None:
    new = files(story.folder(story.second))
    owned = {hashlib.sha256(d).hexdigest() for d in story.given[GONE][2:]}
    of_it = story.before.warehouse.find(f"{story.first.folder}/metadata/contribution={GONE}")
    rows = story.before.warehouse.read_parquet(of_it[0]).to_pylist()
    assert len(owned & {r["delivered_sha256"] for r in rows}) == len(owned)
    traces = {r["image_id"] for r in rows} | owned | {TITLE, f"{GONE}_2.png"}
    for name, data in new.items():
        text = repr(story.after.warehouse.read_parquet(f"{story.second.folder}/{name}").to_pydict()) if (
            name.endswith(".parquet")
        ) else data.decode("utf-8", "replace")  # fmt: skip
        assert [t for t in traces if t in text] == [], name
        assert all(picture not in data for picture in story.given[GONE][2:]), name
    named = {name for name, data in new.items() if GONE.encode() in data}
    assert named == {"withdrawn.csv", f"contributions/{GONE}.html", "CHANGELOG.md"} | (
        named & {"index.html", "manifest/part-00000.tsv"}
    )


def test_the_scan_proves_it_and_finds_it_where_it_was(story: Story) -> None:
    proof = prove(story.after, story.second)
    images = len(story.given[GONE])
    assert proof.found == ()
    assert proof.files == len(files(story.folder(story.second)))
    assert proof.looked_for["image id"] == images
    assert proof.shared["SHA-256"] >= 2  # the partner delivered two of the pictures as well
    told = json.loads(story.after.warehouse.open(f"gates/public/v1.1.0/absence-{GONE}.json").read())
    assert (told["files"], told["found"]) == (proof.files, [])
    where = {(s.file.removeprefix(f"{story.first.folder}/").split("/")[0], s.kind) for s in
             prove(story.after, story.first).found}  # fmt: skip
    assert {("images", "image id"), ("images", "SHA-256"), ("metadata", "image id"), ("metadata", "SHA-256"),
            ("metadata", "delivered id"), ("verbatim", "image id"), ("verbatim", "delivered id")} <= where  # fmt: skip


@pytest.mark.parametrize("kind", ["image id", "SHA-256", "delivered id"])
@pytest.mark.parametrize("file", ["README.md", "some.csv", "deep/page.html"])
def test_the_scan_finds_a_single_trace_in_any_text(story: Story, tmp_path: Path, kind: str, file: str) -> None:
    of_it = story.after.warehouse.find(f"{story.first.folder}/metadata/contribution={GONE}")
    row = story.after.warehouse.read_parquet(of_it[0]).sort_by("source_object_id").to_pylist()[-1]
    trace = {"image id": "image_id", "SHA-256": "delivered_sha256", "delivered id": "source_object_id"}[kind]
    folder = "releases/public/v8.0.0"
    story.after.warehouse.write_bytes(f"{folder}/{file}", f"<p>left: {row[trace]}.png,</p>".encode())
    try:
        found = proof_of_absence(story.after, folder, GONE, SerialExecutor(), 1).found
        text = f"<p>left: {row[trace]},</p>".encode()
        story.after.warehouse.write_bytes(f"{folder}/{file}", text)
        exact = proof_of_absence(story.after, folder, GONE, SerialExecutor(), 1).found
    finally:
        story.after.warehouse.remove(folder)
        story.after.warehouse.remove("gates/public/v8.0.0")
    assert [(s.kind, s.example) for s in exact] == [(kind, row[trace])]
    assert {s.kind for s in found} <= {kind}


def test_what_is_not_known_cannot_be_proved(story: Story) -> None:
    with pytest.raises(AbsenceUnknown, match="nothing is known of its images"):
        prove(story.after, story.second, "never-seen")


def test_an_earlier_release_tells_what_to_look_for_when_the_data_are_gone(story: Story, tmp_path: Path) -> None:
    using = copied(story.after, tmp_path)
    using.warehouse.remove(f"contributions/{GONE}")
    assert prove(using, story.second).found == ()
    assert prove(using, story.second).looked_for["image id"] == len(story.given[GONE])


def test_the_command_says_it(story: Story, registry_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--registry", str(registry_folder), "--warehouse", story.after.warehouse.root, "--executor", "serial"]
    assert cli.main(["absence", GONE, "--release", story.first.folder, *places]) == 1
    assert "traces found" in capsys.readouterr().out


# --- what stays


def test_the_tombstone_says_when_and_nothing_else(story: Story) -> None:
    page = Page((story.folder(story.second) / f"contributions/{GONE}.html").read_text())
    for word in (GONE, "2027-09-01", "1.0.0", "1.1.0", "https://doi.org/10.1234/test.v1"):
        assert word in page.words
    for word in (TITLE, "told in confidence", f"Owner One ({GONE})", "Owner"):
        assert word not in page.words.replace("The owner has withdrawn", "")
    with (story.folder(story.second) / "withdrawn.csv").open() as stream:
        assert list(csv.DictReader(stream)) == [
            {"contribution_id": GONE, "withdrawn_on": "2027-09-01", "release": "1.1.0"}
        ]
    with (story.folder(story.first) / "withdrawn.csv").open() as stream:
        assert list(csv.DictReader(stream)) == []


def test_a_reason_is_told_in_words_meant_for_the_public(story: Story, tmp_path: Path) -> None:
    told = withdrawn(story.before.registry.contributions[GONE], public_reason="Some <b>labels</b> were wrong.")
    using = copied(story.before, tmp_path, told)
    using.warehouse.remove(story.second.folder)
    folder = build(using, MINOR, LATER).folder
    page = Page(using.warehouse.open(f"{folder}/contributions/{GONE}.html").read().decode())
    assert "Some <b>labels</b> were wrong." in page.words
    assert "told in confidence" not in page.words


def test_the_other_owners_copy_takes_its_place_under_their_credit_alone(story: Story) -> None:
    def partner(release: Release) -> list[tuple[str, list[str]]]:
        tables = story.after.warehouse.find(f"{release.folder}/metadata/contribution={PARTNER}")
        rows = [r for t in tables for r in story.after.warehouse.read_parquet(t).to_pylist()]
        return [(r["source_image_file"], r["credited_contributions"]) for r in rows]

    own = len(story.given[PARTNER]) - 2
    assert len(partner(story.first)) == own
    assert len(partner(story.second)) == own + 2
    assert {c for _, credited in partner(story.second) for c in credited} == {PARTNER}
    counts = {r["contribution_id"]: r["published"] for r in story.second.ledger.to_pylist()}
    assert counts[GONE] == 0
    assert counts[PARTNER] == own + 2
    kept = story.after.warehouse.read_parquet(f"{story.second.folder}/ledger.parquet").to_pylist()
    assert {r["contribution_id"] for r in kept} == set(NAMES) - {GONE}


def test_the_changelog_counts_every_version(story: Story) -> None:
    lines = (story.folder(story.second) / "CHANGELOG.md").read_text().splitlines()
    total = sum(map(len, story.given.values())) - 3  # two shared pictures and one that is there twice
    of_it = len(story.given[GONE])
    assert [line for line in lines if line.startswith("## ")] == ["## 1.1.0, 2027-10-01", "## 1.0.0, 2027-07-15"]
    assert f"20 contributions, {total} images." in lines
    assert f"19 contributions, {total - of_it + 2} images." in lines
    assert f"- Withdrawn by their owners: 1 contribution, {of_it} images" in lines
    assert f"- `{GONE}` was withdrawn on 2027-09-01" in lines
    assert "- Grown: 1 contribution, 2 images" in lines
    assert f"- Added: 20 contributions, {total} images" in lines


def test_changes_are_counted_apart() -> None:
    before = {"a": 5, "b": 3, "c": 2, "d": 9, "e": 4}
    after = {"a": 5, "b": 7, "c": 1, "f": 10}
    assert changes(before, after, ["d"]) == Changes(
        added=(1, 10), withdrawn=(1, 9), left_out=(1, 4), more=(1, 4), fewer=(1, 1)
    )


# --- versions


def refusal(using: Collection, request: ReleaseRequest) -> dict[str, str]:
    with pytest.raises(ReleaseRefused) as refused:
        build(using, request, LATER)
    return {f.rule: str(f) for f in refused.value.findings if f.severity == "error"}


def test_a_withdrawal_needs_a_minor_version(story: Story, tmp_path: Path) -> None:
    using = copied(story.before, tmp_path, withdrawn(story.before.registry.contributions[GONE]))
    using.warehouse.remove(story.second.folder)
    found = refusal(using, PATCH)
    assert set(found) == {"withdrawal_needs_minor"}
    assert GONE in found["withdrawal_needs_minor"]
    assert "1.1.0" in found["withdrawal_needs_minor"]
    assert not using.warehouse.exists("releases/public/v1.0.1")


@pytest.mark.parametrize(
    ("version", "rule"),
    [("1.1.1", None), ("2.0.0", None), ("1.0.5", "version_not_later"), ("0.9.0", "version_not_later"),
     ("1.2", "version_invalid"), ("01.2.0", "version_invalid"), ("1.2.0-rc1", "version_invalid"),
     ("../x", "version_invalid")],
)  # fmt: skip
def test_versions_go_up(story: Story, version: str, rule: str | None) -> None:
    asked = replace(MINOR, version=version)
    before = previous_releases(story.after.warehouse, "public")
    found = version_problems(story.after.registry, story.after.warehouse, asked, before)
    assert [f.rule for f in found] == ([rule] if rule else [])
    assert (number(version) is None) == (rule == "version_invalid")


def test_what_was_published_is_marked_and_never_dropped(story: Story) -> None:
    left = {n: c for n, c in story.after.registry.contributions.items() if n != PARTNER}
    using = story.after.registry.model_copy(update={"contributions": left})
    before = previous_releases(story.after.warehouse, "public")
    found = version_problems(using, story.after.warehouse, replace(MINOR, version="1.2.0"), before)
    assert [(f.rule, f.contribution, f.severity) for f in found] == [("contribution_vanished", PARTNER, "error")]


def test_the_facts_tell_of_what_went_before(story: Story) -> None:
    sealed = json.loads((story.folder(story.first) / "RELEASED.json").read_text())
    (before,) = story.second.facts.previous
    assert (before.version, before.date, before.manifest_sha256) == ("1.0.0", DAY, sealed["manifest_sha256"])
    (gone,) = story.second.facts.withdrawn
    assert (gone.contribution_id, gone.date, gone.last_version) == (GONE, dt.date(2027, 9, 1), "1.0.0")
    assert (story.first.facts.previous, story.first.facts.withdrawn) == ((), ())


def test_who_withdrew_before_any_release_is_never_named(story: Story, tmp_path: Path) -> None:
    early = Event(date=dt.date(2026, 1, 1), state="revoked", scope="all", reason="x")
    known = story.before.registry.contributions[GONE]
    using = copied(story.before, tmp_path, known.model_copy(update={"history": (*known.history, early)}))
    using.warehouse.remove("releases")
    release = build(using, PUBLIC)
    assert release.facts.withdrawn == ()
    for name, data in files(Path(using.warehouse.url(release.folder))).items():
        assert GONE.encode() not in data, name
        assert TITLE.encode() not in data, name
