"""``aqqua doctor``: each thing that can be wrong is made wrong, and said in words."""

import datetime as dt
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from production import DEPLOY, GUEST_LINE, ROOT, postgres
from stores import KEYS, LENIENT, s3

from aqqua_dataset import cli
from aqqua_dataset.dagster_state import DagsterState
from aqqua_dataset.doctor_services import MOST_SILENT_S, dagster, web_servers


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with postgres() as told:
        yield told


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation's places, all as they should be, named by the environment; no database."""
    for name in [n for n in os.environ if n.startswith(("AQQUA_", "PG", "DAGSTER_", "OAUTH2_"))]:
        monkeypatch.delenv(name)
    shutil.copytree(ROOT / "contributor_registry", tmp_path / "registry")
    (tmp_path / "registry/private").chmod(0o700)
    (tmp_path / "registry/private/contacts.yaml").chmod(0o600)
    for name in ("deliveries", "warehouse", "dagster", "passwords"):
        (tmp_path / name).mkdir()
    for name in ("registry", "deliveries", "warehouse", "passwords"):
        monkeypatch.setenv(f"AQQUA_{name.upper()}", str(tmp_path / name))
    (tmp_path / "dagster/dagster.yaml").symlink_to(DEPLOY / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("AQQUA_EXECUTOR", "serial")
    (tmp_path / "passwords/managers.htpasswd").write_text(f"# the team\n{GUEST_LINE}\n")
    (tmp_path / "passwords/managers.htpasswd").chmod(0o640)
    return tmp_path


def look(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = cli.main(["doctor", "--before-start", "--free-gb", "0.001", *options])
    return code, capsys.readouterr().out


def errors(text: str) -> list[str]:
    """Names of the checks that found an error."""
    return re.findall(r"^ERROR  (.+?)  ", text, re.MULTILINE)


def test_a_sound_installation_is_found_sound(
    home: Path, server: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    code, text = look(capsys)
    assert (code, errors(text)) == (0, []), text
    assert "10 contributions" in text
    assert "PostgreSQL 1" in text
    assert server["PGPASSWORD"] not in text
    assert list((home / "warehouse").iterdir()) == []


def test_everything_that_isnt_set_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AQQUA_WAREHOUSE", "DAGSTER_HOME"):
        monkeypatch.delenv(name)
    code, text = look(capsys)
    assert code == 1
    assert "3 of 6 set" in text
    for name in ("AQQUA_WAREHOUSE", "DAGSTER_HOME", "PGDATABASE"):
        assert f"{name}: isn't set" in text


@pytest.mark.parametrize("name", ["deliveries", "warehouse", "registry"])
def test_a_disk_that_isnt_mounted_is_said(home: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    shutil.rmtree(home / name)
    code, text = look(capsys)
    assert code == 1
    assert name in errors(text)
    assert str(home / name) in text
    assert not (home / name).exists()


def test_an_instance_file_that_isnt_there_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "dagster/dagster.yaml").unlink()
    assert "holds no dagster.yaml; link deploy/dagster.yaml there" in look(capsys)[1]


def test_a_full_disk_is_said_with_both_numbers(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = look(capsys, "--free-gb", "1e9")
    assert code == 1
    assert "free space" in errors(text)
    assert "expected at least 1e+09 GB free" in text


def test_a_store_is_written_and_read(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "buckets/warehouse").mkdir(parents=True)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with s3(home / "buckets") as address:
        (home / "storage.yaml").write_text(f"warehouse: {{endpoint_url: '{address}', config_kwargs: {LENIENT}}}\n")
        monkeypatch.setenv("AQQUA_STORAGE", str(home / "storage.yaml"))
        monkeypatch.setenv("AQQUA_WAREHOUSE", "s3://warehouse/collection")
        text = look(capsys)[1]
        assert "warehouse" not in errors(text), text
        assert [p for p in (home / "buckets").rglob("*") if p.is_file()] == []
        monkeypatch.setenv("AQQUA_WAREHOUSE", "s3://nowhere/collection")
        text = look(capsys)[1]
        assert "warehouse" in errors(text)
        assert "can't be written to" in text


def test_a_store_whose_secret_isnt_set_is_refused_with_its_name(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "storage.yaml").write_text("warehouse: {key_env: AQQUA_S3_KEY}\n")
    monkeypatch.setenv("AQQUA_STORAGE", str(home / "storage.yaml"))
    monkeypatch.setenv("AQQUA_WAREHOUSE", "s3://warehouse/collection")
    code, text = look(capsys)
    assert code == 1
    assert "the environment has no variable AQQUA_S3_KEY" in text


@pytest.mark.parametrize(
    ("path", "mode", "told"),
    [
        ("registry/private/contacts.yaml", 0o644, "chmod 600"),
        ("registry/private/contacts.yaml", 0o660, "chmod 600"),
        ("passwords/managers.htpasswd", 0o644, "chmod 640"),
        ("secrets.env", 0o640, "chmod 600"),
        ("pgpass", 0o604, "chmod 600"),
    ],
)
def test_a_secret_that_others_can_read_is_named_with_its_remedy(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: str, mode: int, told: str
) -> None:
    for variable, name in (("AQQUA_SECRETS", "secrets.env"), ("PGPASSFILE", "pgpass")):
        (home / name).write_text("kept: tern-9f2c1e\n")
        (home / name).chmod(0o600)
        monkeypatch.setenv(variable, str(home / name))
    assert "secrets" not in errors(look(capsys)[1])
    (home / path).chmod(mode)
    code, text = look(capsys)
    assert code == 1
    assert f"error {home / path} others can get at this file: {told} [found: {mode:o}]" in text
    assert "tern-9f2c1e" not in text


@pytest.mark.parametrize(
    "line",
    [
        "anna:$apr1$4Lh0Jq5q$Ju1sJd1J0cVbq5Xw0uYQx/",  # MD5
        "anna:{SHA}fEqNCco3Yq9h5ZUglD3CZJT4lBs=",
        "anna:plainpassword",
        "anna:",
    ],
)
def test_weak_password_lines_are_found_and_never_repeated(
    home: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    file = home / "passwords/managers.htpasswd"
    file.write_text(f"{GUEST_LINE}\n{line}\n")
    code, text = look(capsys)
    assert code == 1
    assert f"{file}:2 expected a name and a bcrypt hash" in text
    assert line not in text


@pytest.mark.parametrize("password", ["", "postgres", "Password", "changeme"])
def test_a_password_that_everybody_knows_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], password: str
) -> None:
    monkeypatch.setenv("PGPASSWORD", password)
    code, text = look(capsys)
    assert code == 1
    assert "PGPASSWORD is a password that everybody knows" in text


@pytest.mark.parametrize(
    "written", ["storage: {postgres: {postgres_url: postgresql://aqqua:tern-9f@db/x}}", "a:\n  password: tern-9f"]
)
def test_a_password_in_the_instance_file_is_found(home: Path, capsys: pytest.CaptureFixture[str], written: str) -> None:
    (home / "dagster/dagster.yaml").unlink()
    (home / "dagster/dagster.yaml").write_text(f"# ours\n{written}\n")
    code, text = look(capsys)
    assert code == 1
    assert "a password stands in this file" in text
    assert "tern-9f" not in text


def test_a_database_that_refuses_is_said_in_its_own_words(
    home: Path, server: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (server | {"PGPASSWORD": "tern-wrong"}).items():
        monkeypatch.setenv(name, value)
    code, text = look(capsys)
    assert code == 1
    assert errors(text) == ["PostgreSQL"]
    assert "password authentication failed" in text
    monkeypatch.setenv("PGHOST", str(home / "nowhere"))
    assert "No such file or directory" in look(capsys)[1]


def test_a_clock_that_is_wrong_is_said(
    home: Path, server: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    now = dt.datetime.now(dt.UTC).timestamp()
    # The database's clock can't be set; what it would say can.
    monkeypatch.setattr("aqqua_dataset.postgres.ask", lambda _: str(now - 3600))
    assert "this machine's clock and the database's differ" in look(capsys)[1]


def test_daemon_tables_and_schedules_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(**changes: object) -> list[tuple[str, str]]:
        told: dict[str, object] = {
            "storage": "PostgresRunStorage", "schema": ("b", "b"), "running": 0, "queued": 0,
            "heartbeats": {"SENSOR": 20.0}, "stopped": [],
        }  # fmt: skip
        state = DagsterState(**told | changes)  # type: ignore[arg-type]
        monkeypatch.setattr("aqqua_dataset.dagster_state.ask", lambda: state)
        return [(f.rule, f.value or f.key) for f in dagster()[1]]

    assert judged() == []
    assert judged(storage="SqliteRunStorage") == [("doctor_dagster", "SqliteRunStorage")]
    assert judged(schema=("a", "b")) == [("doctor_dagster", "a")]
    silent = {"SENSOR": MOST_SILENT_S + 1, "SCHEDULER": None, "MONITORING": MOST_SILENT_S - 1}
    assert judged(heartbeats=silent) == [("doctor_daemon", "SENSOR, SCHEDULER")]
    assert judged(stopped=["nightly_contributions"]) == [("doctor_schedule", "nightly_contributions")]


@pytest.mark.parametrize(("address", "open_to_all"), [("127.0.0.1", False), ("0.0.0.0", True), ("::", True)])
def test_a_web_server_past_nginx_is_found(monkeypatch: pytest.MonkeyPatch, address: str, open_to_all: bool) -> None:
    monkeypatch.setattr("aqqua_dataset.doctor_services._answers", lambda place, prefix: True)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as listening:
        listening.bind((address, 0))
        listening.listen()
        for name in ("AQQUA_WEB", "AQQUA_GUESTS"):
            monkeypatch.setenv(name, f"127.0.0.1:{listening.getsockname()[1]}")
        found = {f.message.partition(";")[0] for f in web_servers()[1]}
    expected = {"this web server can be reached from other machines without a login"} if open_to_all else set()
    assert found == expected
