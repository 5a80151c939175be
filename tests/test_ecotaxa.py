"""Pulling from EcoTaxa against a server on loopback: equal rows, rights, resuming, and each of the server's traps."""

import csv
import datetime as dt
import io
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builders import collection, contribution
from ecotaxa_server import PASSWORD, USER, Server, ecotaxa_server, export_zip, project_of
from stores import KEYS, LENIENT, s3

from aqqua_dataset.compute import open_executor
from aqqua_dataset.ecotaxa import export, windows
from aqqua_dataset.ecotaxa.client import Access, EcoTaxa, EcoTaxaRefused
from aqqua_dataset.ecotaxa.message import downloads
from aqqua_dataset.ecotaxa.pull import Pulled, pull, shared_projects
from aqqua_dataset.ecotaxa.snapshot import Changes, Pulls
from aqqua_dataset.ecotaxa.staging import Pieces
from aqqua_dataset.findings import Finding
from aqqua_dataset.pipeline import Collection, core_path, harmonise_rows, manifest, read_rows
from aqqua_dataset.registry.models import Event, Source
from aqqua_dataset.storage import Storage
from aqqua_dataset.warehouse import Warehouse

NOW = dt.datetime(2026, 11, 21, 16, tzinfo=dt.UTC)
EXPORT = "ecotaxa/ecotaxa_back/ref_exports/tsv_by_acquisition"
KNOWN = Access(name=USER, password=PASSWORD)

pytestmark = pytest.mark.realdata


@pytest.fixture
def real(real_data: Path) -> Path:
    """A real export of a project of three samples, with images."""
    return real_data / EXPORT


@pytest.fixture
def server(real: Path) -> Iterator[Server]:
    with ecotaxa_server(project_of(real, 42)) as state:
        yield state


def holdings(folder: Path, **changes: Any) -> Collection:
    """A collection with one contribution, EcoTaxa's project 42, to be pulled into ``eco``."""
    source = Source(format="ecotaxa", location="eco", dataset_id="42")
    return collection(folder, contribution("c1", None, **{"source": source, **changes}))


def client(server: Server, allowed: tuple[int, ...] = (42,), access: Access = KNOWN, waits: Any = None) -> EcoTaxa:
    wait = (lambda _: None) if waits is None else waits.append
    return EcoTaxa(server.address, access, "https://example.org", allowed, wait, pause=0.0, image_pause=0.0)


def pulled(made: Collection, server: Server, now: dt.datetime = NOW, **options: Any) -> Pulled:
    return pull(made, "c1", client(server, **options), now, lambda _: None)


def refused(made: Collection, server: Server, **options: Any) -> Finding:
    with pytest.raises(EcoTaxaRefused) as caught:
        pulled(made, server, **options)
    (finding,) = caught.value.findings
    return finding


def core(made: Collection) -> pd.DataFrame:
    """The core rows of the contribution, by image."""
    assert read_rows(made, "c1").outcome == "done"
    with open_executor("serial") as (executor, workers):
        harmonise_rows(made, "c1", executor, workers)
    found = manifest(made.warehouse, "c1", "core")
    assert found is not None
    paths = [core_path(found["folder"], part) for part in range(len(found["parts"]))]
    tables = [made.warehouse.read_parquet(path).to_pandas() for path in paths]
    return pd.concat(tables).sort_values("image_id").reset_index(drop=True)


@pytest.fixture(scope="module")
def expected(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The core rows of the real export as it is."""
    folder, real = tmp_path_factory.mktemp("original"), real_data / EXPORT
    source = Source(format="ecotaxa", location=str(real), dataset_id="42")
    return core(collection(folder, contribution("c1", None, source=source)))


def delivered(folder: Path) -> dict[str, bytes]:
    """All members of all zip files of the delivery."""
    found = {}
    for path in sorted((folder / "eco").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            found.update({n: archive.read(n) for n in archive.namelist()})
    return found


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter="\t"))


# --- the same rows


def test_a_pulled_export_gives_the_core_rows_of_the_original(
    expected: pd.DataFrame, server: Server, tmp_path: Path
) -> None:
    made = holdings(tmp_path)
    done = pulled(made, server)
    assert (done.pull.way, done.pull.objects, done.pull.images, done.pull.missing) == ("export", 12, 13, 0)
    assert len(expected) == 13
    pd.testing.assert_frame_equal(core(made), expected)


def test_windows_give_the_core_rows_of_the_original(
    expected: pd.DataFrame, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 5)
    server.projects[42].right = "View"
    made = holdings(tmp_path)
    done = pulled(made, server)
    assert (done.pull.way, done.pull.objects, done.pull.images) == ("windows", 12, 13)
    assert len(done.pull.files) == 3
    found = core(made)
    others = ["source_image_file"]  # its folder is the sample here, the acquisition there
    pd.testing.assert_frame_equal(found.drop(columns=others), expected.drop(columns=others))
    base = [name.rpartition("/")[2] for name in expected["source_image_file"]]
    assert [name.rpartition("/")[2] for name in found["source_image_file"]] == base


def test_the_delivery_holds_the_images_byte_for_byte_whichever_way(real: Path, server: Server, tmp_path: Path) -> None:
    pictures = sorted(p.read_bytes() for p in real.rglob("*.*g") if p.suffix in (".jpg", ".png"))
    for right in ("Manage", "View"):
        server.projects[42].right = right
        pulled(holdings(tmp_path / right), server)
        got = [d for n, d in delivered(tmp_path / right).items() if not n.endswith(".tsv")]
        assert sorted(got) == pictures


def test_a_table_of_an_export_keeps_every_cell_but_those_about_persons(server: Server, tmp_path: Path) -> None:
    rows = server.projects[42].rows
    rows[0]["object_annotation_category"] = 'say "egg"\tor\nnot, \u00e9 \u2603'
    rows[1]["sample_comment"] = ""
    pulled(holdings(tmp_path), server)
    found = [r for n, d in delivered(tmp_path).items() if n.endswith(".tsv") for r in table(d)]
    dropped = {"classif_who", "object_annotation_person_name", "object_annotation_person_email"}
    order = sorted(rows, key=lambda r: r["sample_id"])
    assert found == [{k: v for k, v in r.items() if k not in dropped} for r in order]


# --- nobody's name, nobody's token


@pytest.mark.parametrize("right", ["Manage", "View"])
def test_no_person_gets_past_the_door(server: Server, tmp_path: Path, right: str) -> None:
    server.projects[42].right = right
    made = holdings(tmp_path)
    pulled(made, server)
    told = [d for n, d in delivered(tmp_path).items() if n.endswith(".tsv")]
    told += [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.suffix in (".json", ".txt", ".csv")]
    assert len(told) > 3
    for text in told:
        for person in (b"Otator", b"ann@", b"mia@", b"Manager", b"reader@"):
            assert person not in text
    assert not any(n.endswith(".log") for n in delivered(tmp_path))
    assert made.warehouse.find("ecotaxa") == []  # what the server sent is gone


def test_tokens_and_passwords_are_in_no_file_address_or_message(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = {"/api/object_set": ["expired"]}
    pulled(holdings(tmp_path), server)
    tokens = {s.headers["authorization"].removeprefix("Bearer ") for s in server.log if "authorization" in s.headers}
    assert len(tokens) == 2  # one expired and was renewed
    for secret in (*tokens, PASSWORD):
        assert not any(secret in f"{s.path}?{s.query}" for s in server.log)
        assert not any(secret.encode() in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
        assert secret not in repr(KNOWN)
    assert "token" not in capsys.readouterr().out


def test_a_token_goes_to_https_or_to_this_machine_only() -> None:
    for server in ("http://example.org", "ftp://127.0.0.1", "https://"):
        with pytest.raises(EcoTaxaRefused, match="https"):
            EcoTaxa(server, KNOWN, "", ())
    for server in ("https://example.org", "http://[::1]:8", "http://localhost:8"):
        EcoTaxa(server, KNOWN, "", ())


def test_images_are_asked_for_without_a_token_and_everything_says_who_asks(server: Server, tmp_path: Path) -> None:
    server.projects[42].right = "View"
    pulled(holdings(tmp_path), server)
    images = server.asked("GET", "/vault/")
    assert len(images) == 13
    assert not any("authorization" in s.headers for s in images)
    assert {s.headers["user-agent"].partition("/")[0] for s in server.log} == {"aqqua_dataset"}
    assert all("https://example.org" in s.headers["user-agent"] for s in server.log)


# --- only what was shared


def test_a_project_that_is_not_in_the_registry_is_refused_before_any_request(server: Server, tmp_path: Path) -> None:
    server.projects[43] = server.projects[42]
    eco = client(server)
    for ask in (
        lambda: eco.project(43), lambda: eco.start_export(43), lambda: eco.objects(43, ["obj.objid"], 0, 1),
        lambda: eco.images(43, 1), lambda: eco.samples(43), lambda: eco.acquisitions(43), lambda: eco.process(43, 1),
        lambda: eco.change_project(43, "{}"),
    ):  # fmt: skip
        with pytest.raises(EcoTaxaRefused, match="nothing was asked"):
            ask()
    other = holdings(tmp_path, source=Source(location="x", dataset_id="x"))
    assert "nothing was asked" in refused(other, server).message
    assert server.log == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"permissions": ()}, "permission_missing"),
        ({"history": (Event(date=NOW.date(), state="revoked", scope="all", reason="x"),)}, "permission_withdrawn"),
        ({"history": (Event(date=NOW.date(), state="received", scope="ecotaxa_access"),)}, "ecotaxa_access_ended"),
        ({"source": Source(format="ecotaxa", location="eco.zip", dataset_id="42")}, "ecotaxa_location"),
    ],
)  # fmt: skip
def test_what_may_not_be_pulled_is_not_asked_about(
    server: Server, tmp_path: Path, changes: dict[str, Any], rule: str
) -> None:
    made = holdings(tmp_path, **changes)
    shared, why = shared_projects(made.registry)
    assert shared == {}
    assert [f.rule for f in why] == [rule]
    assert refused(made, server).rule == "ecotaxa_not_shared"
    assert server.log == []


def test_a_folder_with_other_files_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "eco").mkdir()
    (tmp_path / "eco/ecotaxa_sent.tsv").write_text("object_id\n")
    assert refused(holdings(tmp_path), server).rule == "ecotaxa_folder_in_use"
    assert server.log == []


def test_a_project_in_two_contributions_is_pulled_once(tmp_path: Path) -> None:
    source = Source(format="ecotaxa", location="eco", dataset_id="42")
    made = collection(tmp_path, contribution("c1", None, source=source), contribution("c2", None, source=source))
    shared, why = shared_projects(made.registry)
    assert shared == {"c1": 42}
    assert [(f.rule, f.contribution) for f in why] == [("ecotaxa_project_twice", "c2")]


# --- the server's traps


def test_an_expired_token_alone_is_a_refusal_that_says_what_to_do(server: Server, tmp_path: Path) -> None:
    server.tokens.add("old")
    server.faults = {"/api/object_set": ["expired"]}
    found = refused(holdings(tmp_path), server, access=Access(token="old"))
    assert "401" in found.message
    assert "ECOTAXA_USER" in found.message


def test_a_wrong_password_is_said_once(server: Server, tmp_path: Path) -> None:
    assert refused(holdings(tmp_path), server, access=Access(name=USER, password="wrong")).rule == "ecotaxa_login"
    assert len(server.log) == 1


def test_busy_and_broken_servers_are_asked_again_when_they_say(server: Server, tmp_path: Path) -> None:
    server.faults = {"/api/projects": ["429:7", "503"], "/api/jobs/1/file": ["429:11"]}
    waits: list[float] = []
    assert pulled(holdings(tmp_path), server, waits=waits).pull.objects == 12
    assert waits[0] == 7.0
    assert 11.0 in waits


def test_a_server_that_stays_away_is_a_refusal_not_a_traceback(server: Server, tmp_path: Path) -> None:
    server.faults = {"/api/projects": ["503"] * 9}
    assert refused(holdings(tmp_path), server).rule == "ecotaxa_unanswered"


def test_an_export_that_fails_says_so_and_the_next_pull_begins_anew(server: Server, tmp_path: Path) -> None:
    server.states = ["P", "E"]
    made = holdings(tmp_path)
    found = refused(made, server)
    assert found.rule == "ecotaxa_job_failed"
    assert "disk full" in found.message
    assert "root@" not in found.message
    assert server.jobs == {}  # its place is free again
    server.states = ["F"]
    assert pulled(made, server).pull.objects == 12


def test_a_slow_job_is_left_running_and_found_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.states = ["R"] * 40 + ["F"]
    monkeypatch.setattr(export, "LONGEST_JOB", 100.0)
    made = holdings(tmp_path)
    assert refused(made, server).rule == "ecotaxa_job_slow"
    monkeypatch.undo()
    waits: list[float] = []
    assert pulled(made, server, waits=waits).pull.objects == 12
    assert len(server.asked("POST", "/api/object_set/export")) == 1
    assert max(waits) <= 60


def test_a_broken_connection_is_taken_up_where_it_broke(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PIECE_BYTES", 20_000)
    server.faults = {"/api/jobs/1/file": ["", "cut:100", "cut:9000"]}
    assert pulled(holdings(tmp_path), server).pull.images == 13
    ranges = [s.headers["range"] for s in server.asked("GET", "/api/jobs/1/file")]
    assert ranges[:4] == ["bytes=0-19999", "bytes=20000-39999", "bytes=20100-39999", "bytes=29100-39999"]


def test_a_stopped_pull_goes_on_behind_the_last_piece(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PIECE_BYTES", 20_000)
    server.faults = {"/api/jobs/1/file": ["", "503", "503", "503", "503"]}
    made = holdings(tmp_path)
    assert refused(made, server).rule == "ecotaxa_broken_off"
    assert pulled(made, server).pull.images == 13
    ranges = [s.headers["range"] for s in server.asked("GET", "/api/jobs/1/file")]
    assert ranges.count("bytes=0-19999") == 1
    assert len(server.asked("POST", "/api/object_set/export")) == 1


def test_a_server_without_ranges_gives_the_file_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PIECE_BYTES", 20_000)
    server.faults = {"/api/jobs/1/file": ["noranges"]}
    assert pulled(holdings(tmp_path), server).pull.images == 13


@pytest.mark.parametrize("place", [0.002, 0.3, 0.5, 0.7])
def test_a_damaged_export_is_thrown_away(server: Server, tmp_path: Path, place: float) -> None:
    data = bytearray(export_zip(server.projects[42]))
    data[int(len(data) * place)] ^= 0xFF
    server.result = bytes(data)
    made = holdings(tmp_path)
    assert refused(made, server).rule == "ecotaxa_zip_damaged"
    assert not (tmp_path / "eco").exists()
    server.result = None
    assert pulled(made, server).pull.images == 13


def test_images_that_the_vault_lost_are_counted(server: Server, tmp_path: Path) -> None:
    project = server.projects[42]
    project.skipped = (sorted(project.images)[3],)
    for right, rules in (
        ("Manage", ["ecotaxa_images_missing"]),
        ("View", ["ecotaxa_image_lost", "ecotaxa_images_missing"]),
    ):
        project.right = right
        done = pulled(holdings(tmp_path / right), server)
        assert (done.pull.images, done.pull.missing) == (12, 1)
        assert [f.rule for f in done.findings] == rules


def test_a_page_in_the_place_of_an_image_is_no_image(server: Server, tmp_path: Path) -> None:
    server.projects[42].right = "View"
    server.faults = {"/vault/": ["", "html"]}
    assert pulled(holdings(tmp_path), server).pull.missing == 1


def test_two_images_of_one_name_in_an_export_are_an_error(server: Server, tmp_path: Path) -> None:
    made = io.BytesIO(export_zip(server.projects[42]))
    with zipfile.ZipFile(made, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(sorted(server.projects[42].images)[0], b"another")
    server.result = made.getvalue()
    assert [f.rule for f in pulled(holdings(tmp_path), server).findings] == ["ecotaxa_name_twice"]


def test_images_of_one_name_in_one_sample_are_kept_apart_in_windows(server: Server, tmp_path: Path) -> None:
    project = server.projects[42]
    project.right = "View"
    one, two = [r for r in project.rows if r["sample_id"] == "m106_mn01_n2_sml"][:2]
    project.images[f"twin/{one['img_file_name'].rpartition('/')[2]}"] = project.images.pop(two["img_file_name"])
    two["img_file_name"] = f"twin/{one['img_file_name'].rpartition('/')[2]}"
    pulled(holdings(tmp_path), server)
    found = delivered(tmp_path)
    told = {r["object_id"]: r["img_file_name"] for n, d in found.items() if n.endswith(".tsv") for r in table(d)}
    for row in (one, two):
        assert found[told[row["object_id"]]] == project.images[row["img_file_name"]]


def test_windows_go_on_behind_the_last_whole_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 4)
    monkeypatch.setattr(windows, "CONNECTIONS", 1)
    server.projects[42].right = "View"
    server.faults = {"/vault/": [""] * 6 + ["503"] * 4}
    made = holdings(tmp_path)
    assert refused(made, server).rule == "ecotaxa_broken_off"
    first = len(server.asked("GET", "/vault/"))
    assert pulled(made, server).pull.images == 13
    asked = [urllib.parse.parse_qs(s.query)["window_start"] for s in server.asked("POST", "/api/object_set/42")]
    assert asked == [["0"], ["4"], ["4"], ["8"], ["12"]]
    assert len(server.asked("GET", "/vault/")) - first == 13 - 4  # those of the first window aren't asked for again


def test_windows_of_a_project_that_changes_meanwhile_are_thrown_away(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 4)
    project = server.projects[42]
    project.right = "View"
    gone = project.rows[0]
    ask = EcoTaxa.taxa

    def meanwhile(self: EcoTaxa, ids: Any) -> dict[int, list[str]]:
        if gone in project.rows:
            project.rows.remove(gone)
        return ask(self, ids)

    monkeypatch.setattr(EcoTaxa, "taxa", meanwhile)
    made = holdings(tmp_path)
    assert refused(made, server).rule == "ecotaxa_changed_meanwhile"
    assert pulled(made, server).pull.objects == 11


def test_windows_that_shift_by_one_object_are_thrown_away(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 4)
    project = server.projects[42]
    project.right = "View"
    ask = EcoTaxa.taxa

    def meanwhile(self: EcoTaxa, ids: Any) -> dict[int, list[str]]:
        last = max(project.rows, key=lambda r: int(r["objid"]))
        last["objid"] = "4199999999"  # one gone behind, one come before: as many as there were
        return ask(self, ids)

    monkeypatch.setattr(EcoTaxa, "taxa", meanwhile)
    assert refused(holdings(tmp_path), server).rule == "ecotaxa_changed_meanwhile"


def test_a_piece_is_never_taken_from_a_server_that_stops_giving_ranges(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PIECE_BYTES", 20_000)
    server.faults = {"/api/jobs/1/file": ["cut:100", "noranges"]}
    made = holdings(tmp_path)
    assert refused(made, server).rule == "ecotaxa_broken_off"
    assert pulled(made, server).pull.images == 13


# --- pulls that follow each other


def later(days: int) -> dt.datetime:
    return NOW + dt.timedelta(days=days)


def test_a_pull_that_brings_the_same_again_leaves_the_delivery_alone(server: Server, tmp_path: Path) -> None:
    made = holdings(tmp_path)
    first = pulled(made, server)
    with made.delivery("eco") as delivery:
        before = delivery.fingerprint()
    second = pulled(made, server, later(1))
    with made.delivery("eco") as delivery:
        assert delivery.fingerprint() == before
    assert second.pull.same_as == first.pull.stamp
    assert pulled(made, server, later(2)).pull.same_as == first.pull.stamp
    assert (second.pull.changes, second.message) == (Changes(), "")
    assert len(list((tmp_path / "eco.pulls").rglob("*.zip"))) == 1


def test_what_changed_is_counted_by_object_and_the_earlier_pull_is_kept(server: Server, tmp_path: Path) -> None:
    made, project = holdings(tmp_path), server.projects[42]
    first = pulled(made, server)
    names = sorted({r["object_id"] for r in project.rows})
    by = {n: [r for r in project.rows if r["object_id"] == n] for n in names}
    for row in by[names[0]]:
        row["object_annotation_category"] = "Copepoda"
    for row in by[names[1]]:
        row["object_annotation_status"] = "validated"
    for row in by[names[2]]:
        row["object_lat"] = "19.5"
    project.images[by[names[3]][0]["img_file_name"]] = project.images[by[names[4]][0]["img_file_name"]]
    project.rows = [r for r in project.rows if r["object_id"] not in names[5:8]]
    project.rows.append({**by[names[0]][0], "object_id": "new one", "objid": "4200009999"})
    second = pulled(made, server, later(1))
    assert second.pull.changes == Changes(added=1, removed=3, relabelled=2, moved=1, pictured=1)
    assert "2 relabelled" in (tmp_path / "warehouse" / second.message).read_text()
    kept = Pulls(str(tmp_path / "eco"), {})
    assert kept.newest() == second.pull
    for one in (first, second):
        for name, digest in one.pull.files.items():
            assert kept.store.sha256(kept.path(one.pull.stamp, name)) == digest
    assert read_rows(made, "c1").numbers == {"rows": len(project.rows)}


def test_numbers_from_before_june_2026_are_kept_with_their_new_ones(server: Server, tmp_path: Path) -> None:
    made, project = holdings(tmp_path), server.projects[42]
    old: dict[str, int] = {}
    for number, row in enumerate(project.rows):
        old[row["object_id"]] = old.get(row["object_id"], 1_000 + number)
    new = {r["object_id"]: int(r["objid"]) for r in project.rows}
    for row in project.rows:
        row["objid"] = str(old[row["object_id"]])
    pulled(made, server)
    for row in project.rows:
        row["objid"] = str(new[row["object_id"]])
    server.migrated = {old[name]: new[name] for name in list(new)[1:]}
    second = pulled(made, server, later(1))
    assert second.pull.changes == Changes(renumbered=12)
    text = (tmp_path / f"eco.pulls/{second.pull.stamp}/migrated_ids.csv").read_text()
    expected = [f"ecotaxa_object,{o},ecotaxa_object,{n}" for o, n in sorted(server.migrated.items())]
    assert text.splitlines() == ["scheme,id,other_scheme,other_id", *expected]


def test_parts_of_an_earlier_way_leave_the_delivery(server: Server, tmp_path: Path) -> None:
    made = holdings(tmp_path)
    server.projects[42].right = "View"
    pulled(made, server)
    server.projects[42].right = "Manage"
    second = pulled(made, server, later(1))
    assert [p.name for p in (tmp_path / "eco").iterdir()] == ["ecotaxa_42.zip"]
    assert second.pull.changes == Changes()


def test_a_pull_that_was_stopped_before_its_manifest_does_not_count(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = holdings(tmp_path)
    first = pulled(made, server)
    server.projects[42].rows[0]["object_lat"] = "19.5"
    write = Warehouse.write_json

    def dies(self: Warehouse, path: str, value: object) -> None:
        if path.endswith("manifest.json"):
            raise KeyboardInterrupt
        write(self, path, value)

    monkeypatch.setattr(Warehouse, "write_json", dies)
    with pytest.raises(KeyboardInterrupt):
        pulled(made, server, later(1))
    monkeypatch.undo()
    assert Pulls(str(tmp_path / "eco"), {}).newest() == first.pull
    exports = len(server.asked("POST", "/api/object_set/export"))
    second = pulled(made, server, later(2))
    assert second.pull.changes == Changes(moved=1)
    assert len(server.asked("POST", "/api/object_set/export")) == exports  # what was fetched is still there


def test_the_message_says_that_access_may_be_taken_back(server: Server, tmp_path: Path) -> None:
    made = holdings(tmp_path)
    pulled(made, server)
    text = downloads(made.warehouse)["c1"].text()
    for told in ("project 42", "12 objects with 13 images", "may now take back the access",
                 "--projects 42 --revoke", "does not withdraw your permission"):  # fmt: skip
        assert told in " ".join(text.split())


@pytest.mark.parametrize("right", ["Manage", "View"])
def test_deliveries_and_warehouse_may_lie_in_an_object_store(
    server: Server, tmp_path: Path, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.projects[42].right = right
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "bucket").mkdir()
    with s3(tmp_path) as endpoint:
        options = {"endpoint_url": endpoint, "config_kwargs": LENIENT}
        made = holdings(tmp_path)
        config = replace(made.config, deliveries="s3://bucket/in", storage=Storage(options, options))
        made = replace(made, config=config, warehouse=Warehouse("s3://bucket/out", options))
        first = pulled(made, server)
        server.projects[42].rows[0]["object_lat"] = "19.5"
        assert pulled(made, server, later(1)).pull.changes == Changes(moved=1)
        assert read_rows(made, "c1").numbers == {"rows": 13}
        second = Pulls("s3://bucket/in/eco", options).newest()
        assert second is not None
    assert pulled(holdings(tmp_path / "local"), server).pull.files == second.files != first.pull.files


def test_pieces_read_as_one_stream(tmp_path: Path) -> None:
    data = bytes(range(250))
    store = Warehouse(str(tmp_path))
    for number in range(3):
        store.write_bytes(f"p{number}", data[number * 100 : number * 100 + 100])
    stream = io.BufferedReader(Pieces(store, ["p0", "p1", "p2"]), 7)
    for start, length in ((0, 250), (95, 10), (199, 2), (240, 99), (249, 1), (250, 5)):
        stream.seek(start)
        assert stream.read(length) == data[start : start + length]
    assert stream.seek(-3, io.SEEK_END) == 247
