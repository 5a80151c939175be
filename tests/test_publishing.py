"""From the built release to the published one: the gate before the seal, the sign-off, latest.json, public copies."""

import datetime as dt
import json
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from builders import collection, contribution
from small import DAY, INTERNAL, NOW, PUBLIC, build, changed, copied, deliver, pack, pictures, signed, with_core_team

from aqqua_dataset import cli, maintenance, workflow
from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.definitions import build_definitions
from aqqua_dataset.findings import Refused
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import Collection, intake_refusal
from aqqua_dataset.registry.check import check_registry
from aqqua_dataset.registry.models import Attribution, Contribution, Permission, Source
from aqqua_dataset.registry.publishing import PositionReview
from aqqua_dataset.release import announce
from aqqua_dataset.release.build import Release
from aqqua_dataset.release.gate import ReleaseRefused, ReleaseRequest, withheld_reason
from aqqua_dataset.release.released import read_released
from aqqua_dataset.warehouse import CommitConflict

REHEARSAL = ReleaseRequest("0.9.0", "public", DAY, rehearsal=True)
UNANSWERED = {"form_id": None, "form_date": None, "form": None, "permissions": (), "interim_terms": None}


def public_copy(name: str, location: Path, licence: str | None, **changes: object) -> Contribution:
    source = Source(
        format="ecotaxa", location=str(location), licence=licence, licence_seen=dt.date(2026, 1, 2),
        url="https://example.org/project/7",
    )  # fmt: skip
    credit = Attribution(state="given", text=f"Owner Two ({name})", copyright_notice="© Owner Two")
    given = {"owners": ("owner-two",), "source": source, "attribution": credit, **UNANSWERED}
    return contribution(name, None, **(given | changes))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """One signed contribution and one that is taken by its licence."""
    home = tmp_path_factory.mktemp("packed")
    deliver(home / "one", "one", pictures(1, 4))
    deliver(home / "open", "open", pictures(2, 3))
    made = collection(home, contribution("one", home / "one"), public_copy("open", home / "open", "CC-BY-4.0"))
    made = replace(made, registry=with_core_team(*made.registry.contributions.values()))
    pack(made)
    return made


@pytest.fixture
def made(packed: Collection, tmp_path: Path) -> Collection:
    return copied(packed, tmp_path)


@pytest.fixture(scope="module")
def released(packed: Collection, tmp_path_factory: pytest.TempPathFactory) -> tuple[Collection, Release]:
    """The public release, built on the day; tests may not change it."""
    using = copied(packed, tmp_path_factory.mktemp("released"))
    return using, build(using, PUBLIC)


def rules(error: pytest.ExceptionInfo[Refused]) -> set[str]:
    return {f.rule for f in error.value.findings if f.severity == "error"}


def red(using: Collection, folder: str, now: dt.datetime = NOW) -> set[str]:
    return {v.rule.code for v in workflow.judge_release(using, folder, now) if not v.green}


# --- the gate in the build


def test_a_release_with_everything_in_order_lacks_nothing_but_the_signatures(
    released: tuple[Collection, Release],
) -> None:
    using, release = released
    assert release.findings == ()
    assert release.facts.images == {"one": 4, "open": 3}
    assert red(using, release.folder) == {"G19"}
    tables = using.warehouse.find(f"{release.folder}/metadata/contribution=open")
    assert using.warehouse.read_parquet(tables[0])["license"].to_pylist() == ["CC-BY-4.0"] * 3


def test_what_only_the_registry_knows_is_red_before_anything_is_built(made: Collection) -> None:
    seen = PositionReview(state="open", by="core-member", date=dt.date(2026, 5, 1))
    one = made.registry.contributions["one"].model_copy(update={"positions": seen})
    with pytest.raises(ReleaseRefused) as refused:
        build(changed(made, one), PUBLIC)
    assert rules(refused) == {"G18"}
    assert made.warehouse.find("releases") == []


def test_what_the_files_show_keeps_the_release_unsealed_and_a_rehearsal_says_it(made: Collection) -> None:
    credit = Attribution(state="given", text="Owner Two")  # a public copy needs its notice as well
    wrong = changed(made, made.registry.contributions["open"].model_copy(update={"attribution": credit}))
    with pytest.raises(ReleaseRefused) as refused:
        build(wrong, PUBLIC)
    assert rules(refused) == {"G10"}
    folder = "releases/public/v1.0.0"
    assert not made.warehouse.exists(f"{folder}/RELEASED.json")
    page = made.warehouse.open("gates/public/v1.0.0/gate.html").read().decode()
    assert "Red: G10." in page
    for request in (REHEARSAL, INTERNAL):
        told = build(wrong, request, dt.datetime(2026, 11, 21, tzinfo=dt.UTC))
        assert {(f.rule, f.severity) for f in told.findings} == {("G01", "warning"), ("G10", "warning")}
    assert build(made, PUBLIC).facts.image_count == 7  # put right, the same version is built


def test_a_file_changed_after_the_seal_is_red(made: Collection) -> None:
    folder = build(made, PUBLIC).folder
    shard = next(p for p in made.warehouse.find(f"{folder}/images") if p.endswith(".tar"))
    place = Path(made.warehouse.url(shard))
    data = bytearray(place.read_bytes())
    data[700] ^= 1
    place.unlink()  # the packed shard has the same bytes under another name
    place.write_bytes(bytes(data))
    assert red(made, folder) == {"G15", "G19"}


# --- sign-off and publication


def test_two_signatures_make_it_the_latest_once(released: tuple[Collection, Release]) -> None:
    using, release = released
    sealed = using.warehouse.read_json(f"{release.folder}/RELEASED.json")
    with pytest.raises(announce.AnnounceRefused) as refused:
        workflow.publish(using, [], release.folder, NOW)
    assert rules(refused) == {"G19"}
    assert not using.warehouse.exists("releases/public/latest.json")
    other = replace(using, registry=signed(using.registry, "1.0.0", "0" * 64))
    with pytest.raises(announce.AnnounceRefused):
        workflow.publish(other, [], release.folder, NOW)
    ready = replace(using, registry=signed(using.registry, "1.0.0", sealed["manifest_sha256"]))
    with pytest.raises(announce.AnnounceRefused) as early:
        workflow.publish(ready, [], release.folder, NOW - dt.timedelta(seconds=1))
    assert rules(early) == {"G01", "G19"}
    workflow.publish(ready, [], release.folder, NOW)
    latest = Path(using.warehouse.url("releases/public/latest.json"))
    assert json.loads(latest.read_text()) == {
        "version": "1.0.0", "prefix": "v1.0.0/", "doi": "10.1234/test.v1",
        "manifest_sha256": sealed["manifest_sha256"],
    }  # fmt: skip
    page = (latest.parent / "index.html").read_text()
    assert '<a href="v1.0.0/index.html">1.0.0</a>' in page
    before = latest.stat()
    workflow.publish(ready, [], release.folder, NOW)
    assert (latest.stat().st_mtime_ns, latest.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert maintenance.orphans(using) == []  # what is said of a view isn't rubbish


def test_only_a_sealed_release_that_is_not_older_and_no_rehearsal_is_announced(made: Collection) -> None:
    for folder in (build(made, REHEARSAL).folder, "releases/public/v7.0.0"):
        with pytest.raises(announce.AnnounceRefused) as refused:
            announce.announce(made.registry, made.warehouse, folder, [])
        assert rules(refused) <= {"rehearsal_announced", "release_unfinished"}
    first, second = build(made, INTERNAL), build(made, replace(INTERNAL, version="1.1.0"))
    said = announce.announce(made.registry, made.warehouse, second.folder, [])
    assert (said["version"], said["doi"]) == ("1.1.0", None)
    with pytest.raises(announce.AnnounceRefused) as older:
        announce.announce(made.registry, made.warehouse, first.folder, [])
    assert rules(older) == {"older_than_latest"}


def test_two_who_announce_at_once_do_not_overwrite_each_other(
    made: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(made, INTERNAL).folder
    read = made.warehouse.read_json

    def meanwhile(path: str) -> object:
        found = read(path)
        if path == "releases/internal/latest.json":
            made.warehouse.write_json(path, {"version": "0.1.0"})
        return found

    monkeypatch.setattr(made.warehouse, "read_json", meanwhile)
    with pytest.raises(CommitConflict):
        announce.announce(made.registry, made.warehouse, folder, [])


def test_an_internal_build_is_the_latest_of_its_view_at_once(made: Collection) -> None:
    workflow.release(made, [], replace(INTERNAL, date=dt.date(2026, 1, 1)), SerialExecutor(), 1, lambda _: None)
    assert made.warehouse.read_json("releases/internal/latest.json")["version"] == "1.0.0"


def test_the_command_refuses_a_rehearsal_and_names_every_red_rule(
    made: Collection, registry_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build(made, REHEARSAL).folder
    places = ["--registry", str(registry_folder), "--warehouse", made.warehouse.root, "--executor", "serial"]
    assert cli.main(["publish", "--release", folder, *places]) == 1
    told = capsys.readouterr()
    assert "a rehearsal is never published" in told.out
    assert "the publication refused" in told.err
    assert "G02: 4 images of one, which is not in the registry" in told.out
    assert not made.warehouse.exists("releases/public/latest.json")


def test_the_job_fails_on_a_red_gate_and_never_runs_by_itself(made: Collection, registry_folder: Path) -> None:
    folder = build(made, REHEARSAL).folder
    definitions = build_definitions(
        CollectionResource(registry=str(registry_folder), warehouse=made.warehouse.root, workers="serial")
    )
    job = definitions.resolve_job_def("publish_release")
    asked = {"ops": {"announce_release": {"config": {"release": folder}}}}
    done = job.execute_in_process(run_config=asked, raise_on_error=False, instance=dg.DagsterInstance.ephemeral())
    assert not done.success
    repository = definitions.get_repository_def()
    scheduled = {s.job_name for s in repository.schedule_defs}
    sensed = {t.job_name for s in repository.sensor_defs for t in s.targets}
    assert "publish_release" not in scheduled | sensed


# --- public data without a form


@pytest.mark.parametrize("licence", ["CC0-1.0", "cc-by-4.0", "CC-BY-NC-3.0"])
def test_a_public_copy_comes_in_when_its_licence_allows_it(made: Collection, licence: str) -> None:
    copy = public_copy("open", Path("x"), licence)
    assert intake_refusal(made.registry, copy) is None
    assert withheld_reason(made.registry, copy, PUBLIC) is None


@pytest.mark.parametrize(
    ("licence", "changes"),
    [
        ("CC-BY-SA-4.0", {}),
        ("CC-BY-ND-4.0", {}),
        ("OGL-UK-3.0", {}),
        ("unheard-of", {}),
        (None, {}),
        # A form that says no weighs more than the licence of a public copy.
        ("CC-BY-4.0", {"form_id": "F-9"}),
        ("CC-BY-4.0", {"permissions": (Permission(id="model-development", date=dt.date(2025, 8, 1)),)}),
    ],
)
def test_a_public_copy_is_refused_otherwise(made: Collection, licence: str | None, changes: dict[str, object]) -> None:
    copy = public_copy("open", Path("x"), licence, **changes)
    refusal = intake_refusal(made.registry, copy)
    assert refusal is not None
    assert refusal.rule == "permission_missing"
    assert withheld_reason(made.registry, copy, PUBLIC) == "permission_missing"
    with pytest.raises(ReleaseRefused) as refused:  # it is packed already: somebody once thought it permitted
        build(changed(made, copy), PUBLIC)
    assert rules(refused) == {"permission_missing"}


def test_the_registry_asks_where_a_public_copy_was_and_when_its_licence_was_read(made: Collection) -> None:
    def found(copy: Contribution) -> set[tuple[str, str]]:
        using = made.registry.model_copy(update={"contributions": {"open": copy}})
        return {(f.rule, f.severity) for f in check_registry(using, {}, {})}

    assert found(public_copy("open", Path("x"), "CC-BY-4.0")) == set()
    bare = Source(format="ecotaxa", location="x", licence="CC-BY-SA-4.0")
    assert found(public_copy("open", Path("x"), None, source=bare)) == {
        ("licence_not_enough", "warning"), ("public_copy_incomplete", "error"),
    }  # fmt: skip


def test_names_without_a_form_are_checked_too(made: Collection) -> None:
    nobody = PositionReview(state="none", by="no-body", date=DAY)
    using = made.registry.model_copy(
        update={"contributions": {"one": made.registry.contributions["one"].model_copy(update={"positions": nobody})}}
    )
    assert {f.key for f in check_registry(using, {}, {})} == {"positions.by"}


def test_hashing_goes_over_the_executor(released: tuple[Collection, Release]) -> None:
    using, release = released
    given: list[tuple[object, ...]] = []

    class Counting(Executor):
        def submit(self, fn, /, *args, **kwargs) -> Future:  # type: ignore[no-untyped-def,type-arg]
            given.append(args)
            return SerialExecutor().submit(fn, *args, **kwargs)

    read = read_released(using.warehouse, release.folder, frozenset(), Counting(), 2)
    assert read.damaged == ()
    hashed = {task[0][0] for task in given if isinstance(task[0], tuple)}
    files = {p.removeprefix(f"{release.folder}/") for p in using.warehouse.find(release.folder)}
    assert hashed == files - {"RELEASED.json", "manifest-sha256.txt"}
