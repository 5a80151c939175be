"""A release of a small collection: gate, embargo, personal data, resume, withdrawal, and other parties' readers."""

import datetime as dt
import io
import json
import signal
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml
from builders import GIVEN, collection, contribution, registry
from PIL import Image, PngImagePlugin

from aqqua_dataset import privacy
from aqqua_dataset.compute import open_executor
from aqqua_dataset.dedup.exact import find_duplicates
from aqqua_dataset.demo.draw import encode, organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.findings import Finding
from aqqua_dataset.images.read import read_image
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.progress.examples import quarantined
from aqqua_dataset.registry.models import Attribution, Consent, Event, Permission
from aqqua_dataset.release import build as building
from aqqua_dataset.release import doi, snapshot
from aqqua_dataset.release.build import Release, build_release
from aqqua_dataset.release.gate import ReleaseRefused, ReleaseRequest, gate

BERLIN = ZoneInfo("Europe/Berlin")
RELEASE_DAY = dt.date(2027, 7, 15)
REHEARSAL = ReleaseRequest("0.1.0", "public", RELEASE_DAY, rehearsal=True)
PUBLIC = ReleaseRequest("1.0.0", "public", RELEASE_DAY, rehearsal=False)
TODAY = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
ON_THE_DAY = dt.datetime(2027, 7, 15, 0, 0, tzinfo=BERLIN)
ROOT = Path(__file__).parent.parent


def deliver(folder: Path, seed: int, count: int, sample: str, **values: str) -> list[bytes]:
    """An EcoTaxa folder of ``count`` PNG images; returns their bytes."""
    rng = np.random.default_rng(seed)
    images = [encode(organism(rng, 50, 40), "PNG") for _ in range(count)]
    rows = [net_row(sample, i, f"{sample}_{i}.png", **values) for i in range(count)]
    write_files(folder, {f"ecotaxa_{sample}.tsv": ecotaxa_tsv(rows)})
    write_files(folder, {f"{sample}_{i}.png": data for i, data in enumerate(images)})
    return images


def run(made: Collection) -> None:
    with open_executor("serial") as (workers, count):
        for name in made.registry.contributions:
            run_contribution(made, name, workers, count, lambda _: None)
    find_duplicates(made)


def build(made: Collection, request: ReleaseRequest = REHEARSAL, now: dt.datetime = TODAY) -> Release:
    with open_executor("serial") as (workers, count):
        return build_release(made, [], request, now, workers, count, lambda _: None)


@pytest.fixture
def two(tmp_path: Path) -> Collection:
    """Two contributions; two images of the second equal images of the first, one with other bytes."""
    images = deliver(tmp_path / "one", 1, 6, "n1")
    deliver(tmp_path / "two", 2, 5, "n2")
    (tmp_path / "two" / "n2_0.png").write_bytes(images[0])
    again = io.BytesIO()
    Image.open(io.BytesIO(images[1])).save(again, "PNG", compress_level=0)
    (tmp_path / "two" / "n2_1.png").write_bytes(again.getvalue())
    made = collection(
        tmp_path,
        contribution("one", tmp_path / "one"),
        contribution("two", tmp_path / "two", owners=("owner-two",)),
    )
    run(made)
    return made


# --- gate and embargo


@pytest.mark.parametrize(
    ("date", "now", "rules"),
    [
        (dt.date(2027, 7, 14), dt.datetime(2027, 7, 14, 12, tzinfo=BERLIN), {"embargo_release_date", "embargo_today"}),
        (RELEASE_DAY, dt.datetime(2027, 7, 14, 23, 59, 59, tzinfo=BERLIN), {"embargo_today"}),
        (RELEASE_DAY, dt.datetime(2027, 7, 14, 22, 0, tzinfo=dt.UTC), set()),  # midnight in Berlin
        (dt.date(2027, 7, 14), ON_THE_DAY, {"embargo_release_date"}),
        (dt.date(2027, 8, 1), ON_THE_DAY, {"release_date_in_future"}),
        (RELEASE_DAY, ON_THE_DAY, set()),
    ],
)
def test_embargo(date: dt.date, now: dt.datetime, rules: set[str]) -> None:
    findings = gate(registry(), [], [], replace(PUBLIC, date=date), now)
    assert {f.rule for f in findings if f.severity == "error"} == rules


def test_a_public_release_the_day_before_is_refused_and_writes_nothing(two: Collection) -> None:
    request = replace(PUBLIC, date=dt.date(2027, 7, 14))
    with pytest.raises(ReleaseRefused, match="nothing is public before 2027-07-15"):
        build(two, request, dt.datetime(2027, 7, 14, 23, tzinfo=BERLIN))
    assert two.warehouse.find("releases") == []


def test_a_public_release_with_a_missing_permission_is_refused(two: Collection) -> None:
    unsigned = two.registry.contributions["two"].model_copy(
        update={"permissions": (Permission(id="model-development", date=GIVEN),)}
    )
    changed = replace(two, registry=registry(two.registry.contributions["one"], unsigned))
    with pytest.raises(ReleaseRefused, match="permission missing: public-release, model-release") as refused:
        build(changed, PUBLIC, ON_THE_DAY)
    assert [f.contribution for f in refused.value.findings if f.severity == "error"] == ["two"]
    rehearsed = build(changed)  # a rehearsal goes on without it and says so
    assert rehearsed.facts.images == {"one": 6 - 2}  # what the unsigned owner also holds is withheld
    assert "permission_missing" in {f.rule for f in rehearsed.findings}
    assert {f.severity for f in rehearsed.findings} == {"warning"}


def test_a_public_release_on_the_day_is_built_once_and_never_changed(two: Collection) -> None:
    made = build(two, PUBLIC, ON_THE_DAY)
    assert made.facts.image_count == 9
    with pytest.raises(ReleaseRefused, match="never changed"):
        build(two, PUBLIC, ON_THE_DAY)


def test_the_command_line_has_no_way_round_the_embargo(two: Collection) -> None:
    command = [sys.executable, "-m", "aqqua_dataset.cli", "release", "build", "--date", "2027-07-15"]
    places = ["--registry", str(ROOT / "contributor_registry"), "--warehouse", two.warehouse.root]
    done = subprocess.run([*command, *places], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "nothing is public before 2027-07-15" in done.stdout
    assert "Traceback" not in done.stderr


# --- withholding, withdrawal, credit


def test_duplicates_keep_every_owners_credit(two: Collection) -> None:
    made = build(two)
    rows = {r["contribution_id"]: r for r in made.ledger.to_pylist()}
    assert (rows["two"]["accepted"], rows["two"]["duplicate"], rows["two"]["published"]) == (5, 2, 3)
    duplicates = two.warehouse.read_parquet(f"{made.folder}/duplicates.parquet").to_pylist()
    assert sorted(d["duplicate_kind"] for d in duplicates) == ["bytes", "pixels"]
    attributed = pd.read_csv(two.warehouse.url(f"{made.folder}/attribution.csv")).set_index("contribution_id")
    assert attributed["images_credited"].to_dict() == {"one": 6, "two": 5}
    kept = read_image(two.warehouse, made.folder, duplicates[0]["kept_image_id"])
    assert kept.row["credited_contributions"] == ["one", "two"]
    with pytest.raises(KeyError, match=duplicates[0]["kept_image_id"]):
        read_image(two.warehouse, made.folder, duplicates[0]["image_id"])


def test_what_the_owners_of_copies_say_is_kept_beside_the_image(tmp_path: Path) -> None:
    said = {"object_annotation_category": "Calanus", "object_annotation_status": "validated", "object_lat": "54.25"}
    images = deliver(tmp_path / "one", 1, 3, "n1", object_annotation_category="Copepoda", object_lat="54.5")
    deliver(tmp_path / "two", 2, 3, "n2", **said)
    for n in (0, 1):
        (tmp_path / "two" / f"n2_{n}.png").write_bytes(images[n])
    made = collection(
        tmp_path,
        contribution("one", tmp_path / "one"),
        contribution("two", tmp_path / "two", owners=("owner-two",)),
    )
    run(made)
    folder = build(made).folder
    rows = [r for p in made.warehouse.find(f"{folder}/annotations") for r in made.warehouse.read_parquet(p).to_pylist()]
    published = pd.concat(
        made.warehouse.read_parquet(p).to_pandas() for p in made.warehouse.find(f"{folder}/metadata")
    ).set_index("image_id")
    core = pd.concat(
        pd.read_parquet(made.warehouse.url(p)) for p in made.warehouse.find("contributions") if "/core-0" in p
    ).set_index("image_id")
    assert len(rows) == 2
    for row in rows:
        kept, copy = published.loc[row["image_id"]], core.loc[row["copy_image_id"]]
        assert kept["contribution_id"] != copy["contribution_id"] == row["contribution_id"]
        assert kept["credited_contributions"].tolist() == ["one", "two"]
        assert (row["label_verbatim"], row["label_status"]) == (copy["label_verbatim"], copy["label_status"])
        assert {kept["latitude"], row["latitude"]} == {54.5, 54.25}
        assert row["longitude"] == copy["longitude"]  # a position is given whole
        assert row["datetime_utc"] is None  # equal, so there is nothing to choose from
        assert kept["label_verbatim"] != row["label_verbatim"]
    assert {"train", "validation", "test"} >= set(published["split"])
    assert published.groupby("event_id")["split"].nunique().max() == 1


def test_withdrawal_removes_every_image_and_rewrites_only_its_shards(two: Collection) -> None:
    before = build(two)
    revoked = Event(date=dt.date(2026, 1, 1), state="revoked", scope="all", reason="withdrawn")
    one, second = two.registry.contributions["one"], two.registry.contributions["two"]
    gone = one.model_copy(update={"history": (*one.history, revoked)})
    changed = replace(two, registry=registry(gone, second))
    find_duplicates(changed)
    after = build(changed)
    assert before.facts.images == {"one": 6, "two": 3}
    assert after.facts.images == {"two": 5}  # the next copy of what both held takes its place
    assert not any("one" in p for p in two.warehouse.find(after.folder))
    assert {r["contribution_id"]: r["withheld"] for r in after.ledger.to_pylist()} == {"one": 6, "two": 0}


def test_taking_back_ecotaxa_access_changes_nothing(two: Collection) -> None:
    event = Event(date=dt.date(2026, 1, 1), state="revoked", scope="ecotaxa_access", reason="as foreseen")
    one = two.registry.contributions["one"]
    changed = replace(
        two,
        registry=registry(one.model_copy(update={"history": (*one.history, event)}), two.registry.contributions["two"]),
    )
    assert build(changed).facts.images == build(two).facts.images


def test_an_owners_later_date_withholds_from_the_public_view_only(two: Collection) -> None:
    later = two.registry.contributions["two"].model_copy(update={"not_before": dt.date(2028, 1, 1)})
    changed = replace(two, registry=registry(two.registry.contributions["one"], later))
    public, internal = (
        build(changed),
        build(changed, ReleaseRequest("0.1.0", "internal", TODAY.date(), rehearsal=False)),
    )
    assert public.facts.images == {"one": 4}
    assert internal.facts.images == {"one": 6, "two": 3}
    reasons = {r["contribution_id"]: r["withheld_reason"] for r in public.ledger.to_pylist()}
    assert reasons == {"one": "stricter terms of another holder", "two": "not_before_2028-01-01"}


def test_a_permission_only_edit_reads_and_packs_nothing_again(two: Collection) -> None:
    later = two.registry.contributions["two"].model_copy(update={"not_before": dt.date(2028, 1, 1)})
    changed = replace(two, registry=registry(two.registry.contributions["one"], later))
    with open_executor("serial") as (workers, count):
        reports = run_contribution(changed, "two", workers, count, lambda _: None)
    assert [r.outcome for r in reports] == ["unchanged"] * 4


# --- personal data

CANARY = "canary.person@example.org"


def test_planted_addresses_never_reach_a_release(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    row = net_row("n1", 1, f"{CANARY}_1.png")
    planted = {
        name: f"{value} {CANARY}".strip()
        for name, value in row.items()
        if name.startswith(("sample", "process_id", "acq_id"))
    }
    planted |= {
        "object_id": f"n1_{CANARY}", "object_annotation_category": f"Copepoda {CANARY}", "object_remark": CANARY,
        f"object_{CANARY}": "x", "object_annotation_hierarchy": CANARY, "sample_operator": "Pat Example",
    }  # fmt: skip
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", CANARY)
    exif = Image.Exif()
    exif[0x013B] = CANARY
    png, jpeg = io.BytesIO(), io.BytesIO()
    Image.fromarray(organism(rng, 50, 40)).save(png, "PNG", pnginfo=info, exif=exif)
    Image.fromarray(organism(rng, 50, 40)).save(jpeg, "JPEG", exif=exif, comment=CANARY.encode())
    second = net_row("n1", 2, f"{CANARY}/two.jpg")
    write_files(
        tmp_path / "d",
        {
            f"{CANARY}/ecotaxa_{CANARY}.tsv": ecotaxa_tsv([row | planted, second]),
            f"{CANARY}/{CANARY}_1.png": png.getvalue(),
            f"{CANARY}/{CANARY}/two.jpg": jpeg.getvalue(),
        },
    )
    made = collection(tmp_path, contribution("planted", tmp_path / "d"))
    run(made)
    release = build(made)
    assert release.facts.image_count == 2
    assert list(privacy.stored_leaks(made.warehouse, "planted")) == []
    for path in made.warehouse.find(release.folder):
        data = made.warehouse.open(path).read()
        assert b"canary" not in data.lower(), path
        if path.endswith(".parquet"):
            table = made.warehouse.read_parquet(path)
            shown = json.dumps([table.column_names, table.to_pydict()], default=str)
            assert "canary" not in shown, path
            assert "Pat Example" not in shown, path


def test_the_scan_finds_what_the_filter_lets_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(tmp_path / "d", 5, 2, "n1", sample_comment=f"ask {CANARY}")
    made = collection(tmp_path, contribution("leaky", tmp_path / "d"))
    monkeypatch.setattr(privacy.Blotter, "frame", lambda self, rows, keep=(): rows)
    run(made)
    with pytest.raises(ReleaseRefused, match="something personal stands in a file of the release"):
        build(made)
    assert not any(p.endswith("RELEASED.json") for p in made.warehouse.find("releases"))


def test_an_address_in_an_acknowledgement_stops_the_release(two: Collection) -> None:
    one = two.registry.contributions["one"].model_copy(
        update={"attribution": Attribution(state="given", text="ask", acknowledgement=f"write to {CANARY}")}
    )
    with pytest.raises(ReleaseRefused, match=CANARY):
        build(replace(two, registry=registry(one, two.registry.contributions["two"])))


def test_a_damaged_file_in_a_zip_is_unreadable_and_the_others_go_on(tmp_path: Path) -> None:
    images = deliver(tmp_path / "d", 6, 3, "n1")
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for file in sorted((tmp_path / "d").iterdir()):
            archive.write(file, file.name)
    data = (tmp_path / "d.zip").read_bytes()
    assert data.count(images[1]) == 1
    (tmp_path / "d.zip").write_bytes(data.replace(images[1], images[1][:-40] + b"x" * 40))
    made = collection(tmp_path, contribution("damaged", tmp_path / "d.zip"))
    run(made)
    assert [(e.kind, e.images) for e in quarantined(made)] == [("image_unreadable", 1)]
    assert build(made).facts.images == {"damaged": 2}


# --- crash and resume

PACKER = """
import os, signal, sys; sys.path.insert(0, {tests!r})
from pathlib import Path
from builders import collection, contribution
from aqqua_dataset import pipeline
from aqqua_dataset.compute import open_executor
from aqqua_dataset.images import pack, shards
from aqqua_dataset.sources import rows
rows.ROWS_PER_PART, pack.PARTS_PER_SHARD = 13, 2
left, add = {images}, shards.ShardWriter.add
def add_or_die(self, *image):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return add(self, *image)
shards.ShardWriter.add = add_or_die
made = collection(Path({folder!r}), contribution("one", {delivery!r}))
with open_executor("serial") as (workers, count):
    pipeline.run_contribution(made, "one", workers, count, lambda text: print(text, flush=True))
"""


def test_a_run_killed_while_packing_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    whole, killed, delivery = tmp_path / "whole", tmp_path / "killed", tmp_path / "delivery"
    deliver(delivery, 4, 200, "n1")

    def pack(folder: Path, dies_at: int) -> int:
        script = PACKER.format(tests=str(ROOT / "tests"), folder=str(folder), delivery=str(delivery), images=dies_at)
        return subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, cwd=ROOT).returncode

    assert pack(whole, 0) == 0
    for dies_at in (10, 37, 90):  # images added by that run; finished shards are not packed again
        assert pack(killed, dies_at) == -signal.SIGKILL
        assert not (killed / "warehouse/contributions/one/images.json").exists()
    assert pack(killed, 0) == 0

    def files(folder: Path) -> dict[str, bytes]:
        base = folder / "warehouse"
        found = {p.relative_to(base).as_posix(): p.read_bytes() for p in base.rglob("*") if p.is_file()}
        return {n: d for n, d in found.items() if ".unfinished-" not in n}

    assert files(killed) == files(whole)
    assert len([n for n in files(whole) if n.endswith(".tar")]) == 8


# --- other parties


def test_duckdb_and_pandas_read_the_tables(two: Collection) -> None:
    folder = two.warehouse.url(build(two).folder)
    counted = duckdb.sql(
        f"select contribution_id, count(*) from '{folder}/metadata/*/*.parquet' group by all order by 1"
    )
    assert counted.fetchall() == [("one", 6), ("two", 3)]
    images = pd.read_parquet(f"{folder}/metadata")
    verbatim = pd.concat(pd.read_parquet(p) for p in sorted(Path(folder, "verbatim").rglob("*.parquet")))
    assert set(images["image_id"]) == set(verbatim["image_id"])
    assert images["datetime_utc"].dt.tz is not None
    assert "object_annotation_person_name" not in verbatim


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset leaves files open
def test_webdataset_and_tarfile_read_the_archives(two: Collection) -> None:
    import webdataset

    folder = Path(two.warehouse.url(build(two).folder))
    rows = pd.read_parquet(folder / "metadata").set_index("image_id")
    seen = 0
    for shard in sorted((folder / "images").rglob("*.tar")):
        with tarfile.open(shard) as archive:
            names = archive.getnames()
        samples = list(webdataset.WebDataset(str(shard), shardshuffle=False, empty_check=False).decode("l8"))
        assert [s["__key__"] for s in samples] == [n.rsplit(".", 1)[0] for n in names]
        for sample in samples:
            row = rows.loc[sample["__key__"]]
            assert sample["png"].shape == (row["height_px"], row["width_px"])
            seen += 1
    assert seen == len(rows) == 9


@pytest.mark.filterwarnings("ignore")  # the library's own imports warn
def test_the_datasets_library_loads_tables_and_archives(two: Collection, tmp_path: Path) -> None:
    import datasets

    folder = Path(two.warehouse.url(build(two).folder))
    cache = str(tmp_path / "cache")
    tables = [str(p) for p in sorted(folder.glob("metadata/*/*.parquet"))]
    table = datasets.load_dataset("parquet", data_files=tables, split="train", cache_dir=cache)
    assert table.num_rows == 9
    shards = [str(p) for p in sorted((folder / "images").rglob("*.tar"))]
    images = datasets.load_dataset("webdataset", data_files=shards, split="train", cache_dir=cache)
    assert set(images["__key__"]) == set(table["image_id"])


def test_records_satisfy_datacite_and_cff_schemas(two: Collection) -> None:
    folder = Path(two.warehouse.url(build(two).folder))
    record = json.loads((folder / "datacite.json").read_text())
    assert doi.datacite_problems(record) == []
    root = ET.parse(folder / "datacite.xml").getroot()
    names = {e.text for e in root.iter("{http://datacite.org/schema/kernel-4}contributorName")}
    assert names == {"One, Owner", "Two, Owner", "Institute One"}
    card = yaml.safe_load((folder / "CITATION.cff").read_text())
    schema = json.loads((ROOT / "tests/data/cff-1.2.0.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(json.loads(json.dumps(card, default=str)))
    assert card["license"] == "CC-BY-NC-4.0"


def test_the_datacite_checks_find_what_the_schema_overlooks(two: Collection) -> None:
    record = json.loads(Path(two.warehouse.url(build(two).folder), "datacite.json").read_text())
    wrong = {"nameIdentifier": "https://orcid.org/0000-0000-0000-0011", "nameIdentifierScheme": "ORCID"}
    broken = {
        "e-mail": {"titles": [{"title": f"Data of {CANARY}"}]},
        "no day": {"dates": [{"date": "next summer", "dateType": "Issued"}]},
        "year": {"publicationYear": "2020"},
        "ORCID": {"creators": [{"name": "A, B", "nameIdentifiers": [wrong]}]},
        "metadata record": {"event": "publish"},
        "empty": {"creators": [{"name": " "}]},
    }  # fmt: skip
    for expected, change in broken.items():
        problems = doi.datacite_problems({**record, **change})
        assert any(expected in p for p in problems), (expected, problems)


def test_a_public_release_waits_for_every_credit_line_and_decision(two: Collection) -> None:
    pending = two.registry.contributions["two"].model_copy(update={"attribution": Attribution(state="pending")})
    waiting = replace(two, registry=registry(two.registry.contributions["one"], pending))
    twice = Finding("person_twice", "warning", "same name as owner-one", file="people/owner-two.yaml")
    with open_executor("serial") as (workers, count), pytest.raises(ReleaseRefused) as refused:
        build_release(waiting, [twice], PUBLIC, ON_THE_DAY, workers, count, lambda _: None)
    errors = {(f.rule, f.contribution) for f in refused.value.findings if f.severity == "error"}
    assert errors == {("G09", "two"), ("person_undecided", "")}
    assert two.warehouse.find("releases") == []
    said = [(f.rule, f.contribution, f.severity) for f in build(waiting).findings if f.rule != "G01"]
    assert said == [("G09", "two", "warning")]
    agreed = pending.model_copy(update={"attribution": Attribution(state="pending", fallback_agreed=GIVEN)})
    assert build(replace(two, registry=registry(two.registry.contributions["one"], agreed)), PUBLIC, ON_THE_DAY)


def test_a_public_release_names_those_who_were_frozen(two: Collection) -> None:
    rehearsed = build(two)
    tables = two.warehouse.find(f"{rehearsed.folder}/metadata")
    credited = building.credited_images(two.warehouse, tables)
    frozen = snapshot.freeze(two.registry, credited, dt.date(2027, 5, 31), [])
    two.warehouse.write_bytes(snapshot.FROZEN, frozen.to_json().encode())
    hidden = two.registry.people["core-member"].model_copy(update={"consent": Consent.ANONYMOUS})
    changed = two.registry.model_copy(update={"people": two.registry.people | {"core-member": hidden}})
    with pytest.raises(ReleaseRefused, match="gone: Core Member") as refused:
        build(replace(two, registry=changed), PUBLIC, ON_THE_DAY)
    assert {f.rule for f in refused.value.findings} == {"author_list_changed"}
    assert not two.warehouse.exists("releases/public/v1.0.0/RELEASED.json")
    made = build(two, PUBLIC, ON_THE_DAY)
    text = Path(two.warehouse.url(made.folder), "authors/author_list_snapshot.json").read_text()
    assert snapshot.read_snapshot(text).authors == frozen.authors
    two.warehouse.write_bytes(snapshot.FROZEN, b"{}")
    assert "author_list_unreadable" in {f.rule for f in build(two).findings}


def test_every_credited_contribution_has_its_page(two: Collection) -> None:
    folder = Path(two.warehouse.url(build(two).folder))
    table = pd.read_csv(folder / "attribution.csv")
    listed = [folder / p for p in (*table["credit_page"], "contributions/index.html")]
    assert sorted(listed) == sorted((folder / "contributions").iterdir())
    assert len(table) == 2


def test_release_documents_name_the_same_people(two: Collection) -> None:
    folder = Path(two.warehouse.url(build(two).folder))
    record = json.loads((folder / "datacite.json").read_text())
    people = {c["name"] for c in record["creators"] if c["nameType"] == "Personal"}
    people |= {c["name"] for c in record["contributors"] if c["nameType"] == "Personal"}
    table = pd.read_csv(folder / "authors/authors.csv")
    assert {f"{r.family}, {r.given}" for r in table.itertuples()} == people
    frozen = snapshot.read_snapshot((folder / "authors/author_list_snapshot.json").read_text())
    assert {f"{a.family}, {a.person.given}" for a in frozen.authors.authors} == people
    assert "Owner Two" in (folder / "authors/authors.md").read_text()
    assert building.release_folder(REHEARSAL) in str(folder)
