"""Tools for those who share, and the commands, against the EcoTaxa server on loopback."""

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ecotaxa_server import MANAGER, PASSWORD, READER, USER, Project, Server, ecotaxa_server

from aqqua_dataset import cli
from aqqua_dataset.ecotaxa.client import Access, EcoTaxa, EcoTaxaRefused
from aqqua_dataset.ecotaxa.share import COLUMNS, Shared, members, share

DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000 3a7e9b55 0000000a49444154789c63680000008200 81".replace(
        " ", ""
    )
)
ROW = {
    "img_file_name": "s1/a.png", "img_rank": "0", "object_id": "a", "object_lat": "54.5", "object_lon": "10.0",
    "object_date": "2024-05-01", "object_time": "10:00:00", "object_link": "", "object_depth_min": "0.0",
    "object_depth_max": "10.0", "object_annotation_status": "validated", "object_annotation_category": "Copepoda",
    "object_annotation_hierarchy": "Biota>Animalia>Copepoda", "complement_info": "", "object_area": "10.0",
    "sample_id": "s1", "sample_dataportal_descriptor": "", "process_id": "p1", "acq_id": "q1",
    "acq_instrument": "Zooscan", "objid": "700000001",
}  # fmt: skip


def project(number: int, **changes: object) -> Project:
    return Project(number, [ROW], {"s1/a.png": DOT}, settings=dict(changes))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with ecotaxa_server(project(7), project(8)) as state:
        state.me = dict(MANAGER)
        for name, value in {"ECOTAXA_URL": state.address, "ECOTAXA_USER": USER, "ECOTAXA_PASSWORD": PASSWORD}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("ECOTAXA_TOKEN", raising=False)
        yield state


def client(server: Server, *allowed: int) -> EcoTaxa:
    return EcoTaxa(server.address, Access(name=USER, password=PASSWORD), "", allowed, lambda _: None, pause=0.0)


def shared(server: Server, number: int = 7, reader: str = "AqQua", revoke: bool = False, dry: bool = False) -> Shared:
    (one,) = share(client(server, number), [number], reader, revoke, dry)
    return one


def viewers(server: Server, number: int = 7) -> list[object]:
    return [v["id"] for v in server.projects[number].told()["viewers"]]


def without_viewers(text: str) -> str:
    """The settings as sent, with the one list cut out."""
    start, end = members(text)["viewers"]
    return text[:start] + text[end:]


# --- sharing


def test_sharing_changes_the_list_of_viewers_and_no_other_character(server: Server) -> None:
    other = {"id": 12, "name": "Vera Viewer", "email": "vera@example.org"}
    server.projects[7].settings = {"viewers": [other], "title": 'A "quoted" \\ title: é, {"viewers": []}', "pct": 1.10}
    before = json.dumps(server.projects[7].told(), indent=1, ensure_ascii=False)  # as the server writes it
    assert shared(server).done == "given"
    (sent,) = server.put
    assert without_viewers(sent) == without_viewers(before)
    assert json.loads(sent)["viewers"] == [other, READER]
    assert shared(server).done == "unchanged"
    assert shared(server, revoke=True).done == "taken back"
    assert json.loads(server.put[1])["viewers"] == [other]
    assert shared(server, revoke=True).done == "unchanged"
    assert len(server.put) == 2


@pytest.mark.parametrize("revoke", [False, True])
def test_a_dry_run_changes_nothing(server: Server, revoke: bool) -> None:
    server.projects[7].settings = {"viewers": [READER] if revoke else []}
    assert shared(server, revoke=revoke, dry=True).done == ("would be taken back" if revoke else "would be given")
    assert server.put == []


@pytest.mark.parametrize("people", ["managers", "annotators"])
def test_a_stronger_right_is_left_alone(server: Server, people: str) -> None:
    server.projects[7].settings = {people: [MANAGER, READER]}
    assert shared(server).done == "unchanged"
    assert "EcoTaxa itself" in shared(server, revoke=True).note
    assert server.put == []


def test_who_is_no_manager_can_not_share(server: Server) -> None:
    server.projects[7].right = "View"
    with pytest.raises(EcoTaxaRefused, match="403"):
        shared(server)
    assert server.put == []


def test_the_servers_own_rules_are_told(server: Server) -> None:
    server.projects[7].settings = {"contact": None}
    with pytest.raises(EcoTaxaRefused, match=r"422.*Contact"):
        shared(server)


@pytest.mark.parametrize("fault", ["503", "cut:3"])
def test_silence_after_a_change_is_looked_into(server: Server, fault: str) -> None:
    server.faults = {"/api/projects/7": ["", fault]}
    if fault == "503":  # refused before it was done
        with pytest.raises(EcoTaxaRefused, match="isn't what was sent"):
            shared(server)
        assert viewers(server) == []
    else:
        assert shared(server).done == "given"
        assert viewers(server) == [77]
    assert len(server.asked("PUT", "/api/projects/7")) == 1  # never sent twice


@pytest.mark.parametrize(("change", "named"), [({"viewers": []}, "isn't what was sent"), ({"title": "x"}, "title")])
def test_what_is_read_back_must_be_what_was_sent(server: Server, change: dict[str, object], named: str) -> None:
    server.meddle = change
    with pytest.raises(EcoTaxaRefused, match=named):
        shared(server)


def test_two_accounts_of_one_name_are_told_apart_by_their_id(server: Server) -> None:
    server.users = [*server.users, {"id": 666, "name": "aqqua", "email": "other@example.org"}]
    with pytest.raises(EcoTaxaRefused, match=r"2 accounts.*77, 666"):
        shared(server)
    assert shared(server, reader="77").done == "given"
    with pytest.raises(EcoTaxaRefused, match="no such account"):
        shared(server, reader="AqQ")  # a part of a name is no name


@pytest.mark.parametrize("text", ["{}", " {\n} ", '{"a": 1}', '{ "a" : [1, {"b": "}"}] ,\t"c":"\\"",\n"d": -1.50e3 }'])
def test_members_of_an_object_are_found_in_its_text(text: str) -> None:
    found = {name: json.loads(text[start:end]) for name, (start, end) in members(text).items()}
    assert found == json.loads(text)


# --- the commands


def test_the_list_fits_the_template(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.projects[8].settings = {"viewers": [READER], "title": "=2+3", "managers": [], "annotators": [MANAGER]}
    assert cli.main(["ecotaxa", "list", "--out", str(tmp_path / "my.csv")]) == 0
    text = (tmp_path / "my.csv").read_bytes().decode("utf-8-sig")
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert list(first) == list(COLUMNS)
    assert (first["dataset"], first["ecotaxa_project"], first["my_right"], first["shared"]) == (
        "Net hauls 7", "7", "manage", "no",
    )  # fmt: skip
    assert first["url"] == f"{server.address}/prj/7"
    assert (first["objects"], first["percent_validated"], first["instrument"]) == ("1", "12.5", "Zooscan")
    assert (second["dataset"], second["my_right"], second["shared"]) == ("'=2+3", "annotate", "yes")
    assert "@" not in text.replace(server.address, "")
    assert cli.main(["ecotaxa", "list"]) == 0
    assert capsys.readouterr().out.endswith(text.replace("\r\n", "\n"))


def test_many_projects_are_shared_at_once_and_one_that_fails_stops_no_other(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.projects[7].right = "View"
    assert cli.main(["ecotaxa", "share", "--projects", "7", "8", "8"]) == 1
    told = capsys.readouterr()
    assert "project 7" in told.err
    assert told.out == "8  Net hauls 8: given\n"
    assert viewers(server, 8) == [77]
    assert cli.main(["ecotaxa", "share", "--projects", "8", "--revoke", "--dry-run"]) == 0
    assert viewers(server, 8) == [77]
    assert cli.main(["ecotaxa", "share", "--projects", "8", "--revoke"]) == 0
    assert viewers(server, 8) == []


def test_without_an_account_the_commands_say_which_variables_to_set(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ECOTAXA_USER")
    assert cli.main(["ecotaxa", "list"]) == 1
    assert "ECOTAXA_TOKEN" in capsys.readouterr().out
    assert server.log == []


def test_a_token_on_the_command_line_is_refused(server: Server) -> None:
    for option in ("--token", "--password"):
        with pytest.raises(SystemExit):
            cli.main(["ecotaxa", "list", option, "x"])


@pytest.fixture
def registry(registry_folder: Path, tmp_path: Path) -> Path:
    """The example registry with two contributions from EcoTaxa."""
    folder = tmp_path / "registry"
    shutil.copytree(registry_folder, folder)
    told = yaml.safe_load((folder / "contributions/boknis-ifcb-2021.yaml").read_text(encoding="utf-8"))
    for number in (7, 8):
        told |= {"id": f"eco-{number}", "title": f"Hauls {number}", "form_id": f"F-9{number}"}
        told["source"] = {"format": "ecotaxa", "location": f"eco-{number}", "dataset_id": str(number)}
        (folder / f"contributions/eco-{number}.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    return folder


def test_pull_downloads_what_the_registry_names_and_says_what_to_note(
    server: Server, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--registry", str(registry), "--deliveries", str(tmp_path / "d"), "--warehouse", str(tmp_path / "w")]
    del server.projects[8]
    server.states = ["F"]
    assert cli.main(["ecotaxa", "pull", *places]) == 1  # one project is gone, the other is pulled all the same
    told = capsys.readouterr()
    assert "eco-7: 1 objects, 1 images" in told.out
    assert "source.retrieved: " in told.out
    assert "404" in told.err
    assert (tmp_path / "d/eco-7/ecotaxa_7.zip").exists()
    assert cli.main(["ecotaxa", "pull", *places, "--contribution", "boknis-ifcb-2021"]) == 1
    assert "not shared" in capsys.readouterr().err
