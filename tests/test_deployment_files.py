"""The files of ``deploy/`` by themselves: other parties' checkers read them, and they fit each other and the locks."""

import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from production import DEPLOY, ROOT, example, fill, main_file, nginx_program, places, variables

from aqqua_dataset import cli, doctor

#: A password or secret that is followed by a value, not by a path or a variable.
WRITTEN = re.compile(r"(?i)(password|secret)\w*\s*[=:]\s*['\"]?[A-Za-z0-9+][A-Za-z0-9+/]{7,}")

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    return places(tmp_path, {}) | {"AQQUA_OAUTH2_PROXY": "127.0.0.1:4180"}


@pytest.mark.parametrize("login", ["password", "oidc"])
def test_nginx_takes_the_filled_files(tmp_path: Path, given: dict[str, str], login: str) -> None:
    filled = fill(tmp_path / "nginx", given | {"AQQUA_LOGIN": login})
    assert filled.returncode == 0, filled.stderr
    assert not [p for p in (tmp_path / "nginx").rglob("*") if p.is_file() and "${AQQUA" in p.read_text()]
    command = [str(nginx_program()), "-t", "-c", str(main_file(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.replace('the "listen ... http2" directive is deprecated', "")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AQQUA_HOST", "", "AQQUA_HOST isn't set"),
        ("AQQUA_HOST", "a.example.org; return 200", "AQQUA_HOST: letters"),
        ("AQQUA_SITE", "/srv/$(id)", "AQQUA_SITE: letters"),
        ("AQQUA_LOGIN", "none", "expected password or oidc"),
        ("AQQUA_LOGIN", "", "expected password or oidc"),
        ("AQQUA_PASSWORDS", "", "AQQUA_PASSWORDS isn't set"),
    ],
)
def test_filling_refuses_what_is_missing_or_would_be_a_directive(
    tmp_path: Path, given: dict[str, str], name: str, value: str, told: str
) -> None:
    done = fill(tmp_path / "nginx", given | {name: value})
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "nginx/aqqua.conf").exists()


def test_only_what_is_meant_to_be_public_switches_the_login_off(tmp_path: Path, given: dict[str, str]) -> None:
    """And nothing that does is passed on to Dagster, but for the health check's own question."""
    text = (DEPLOY / "nginx/aqqua.conf.template").read_text()
    open_ones = [
        re.sub(r"\s+", " ", head)
        for head, body in re.findall(r"location ([^{]+) \{\n(.*?)\n    \}", text, re.DOTALL)
        if "auth_basic off" in body
    ]
    assert open_ones == ["^~ /site/", "= /healthz", "= /_web_answers"]
    assert "internal;" in text.partition("= /_web_answers")[2]


def test_systemd_takes_the_units() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze isn't installed")
    files = [str(p) for p in (DEPLOY / "systemd").iterdir() if p.suffix in (".service", ".target", ".timer")]
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    # The programs are installed elsewhere; everything else it says is a mistake in a unit.
    said = [x for x in done.stderr.splitlines() if "is not executable" not in x and "/opt/aqqua" not in x]
    assert not said


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.stem)
def test_a_unit_gives_away_no_more_than_it_must(unit: Path) -> None:
    text = unit.read_text()
    for line in (
        "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "CapabilityBoundingSet=",
        "EnvironmentFile=-/etc/aqqua/secrets.env", "UMask=0027",
    ):  # fmt: skip
        assert f"\n{line}\n" in text, line
    assert "User=aqqua" in text or "DynamicUser=yes" in text
    assert not re.search(r"(?i)environment=.*(password|secret|key)", text)


def test_the_units_commands_exist() -> None:
    started = [
        line.partition("=")[2].split()
        for unit in UNITS
        for line in unit.read_text().splitlines()
        if line.startswith(("ExecStart=", "ExecStop=", "ExecStartPre=")) and "/bin/aqqua " in line
    ]
    assert {words[1] for words in started} == {"doctor", "drain", "backup"}
    for words in started:
        cli._parser().parse_args([re.sub(r"\$\{(\w+)\}", r"/\1", w) for w in words[1:]])


def test_ports_of_units_and_example_are_the_same() -> None:
    for unit, variable in (("web", "AQQUA_WEB"), ("guests", "AQQUA_GUESTS")):
        text = (DEPLOY / f"systemd/aqqua-{unit}.service").read_text()
        assert f"--host 127.0.0.1 --port {example()[variable].partition(':')[2]}" in text
    assert "--read-only --path-prefix /guest" in (DEPLOY / "systemd/aqqua-guests.service").read_text()


def test_the_example_names_everything_and_holds_no_secret() -> None:
    assert set(doctor.VARIABLES) <= set(example())
    assert variables(DEPLOY / "secrets.env") == {}
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            assert not re.search(
                r"(?i)(password|secret)\w*\s*[=:]\s*['\"]?[A-Za-z0-9+][A-Za-z0-9+/]{7,}", file.read_text()
            ), file


def test_every_variable_of_the_files_is_explained() -> None:
    known = (DEPLOY / "aqqua.env").read_text() + (DEPLOY / "secrets.env").read_text()
    # fill.sh sets this one itself.
    for file in [p for p in DEPLOY.rglob("*") if p.is_file()]:
        for name in set(re.findall(r"\b(?:AQQUA|PG|OAUTH2_PROXY)_?[A-Z_]{3,}\b", file.read_text())) - {"AQQUA_NGINX"}:
            assert f"{name}=" in known, f"{name} in {file.name}"


def test_the_locked_versions_fit_each_other() -> None:
    locked = pins(ROOT / "requirements.lock")
    beside = pins(DEPLOY / "requirements-production.lock")
    assert set(beside) == {"dagster-postgres", "psycopg2-binary"}
    # Dagster numbers its libraries 0.16 below itself: 1.13.27 and 0.29.27.
    major, minor, patch = locked["dagster"].split(".")
    assert (major, beside["dagster-postgres"]) == ("1", f"0.{int(minor) + 16}.{patch}")
    assert locked["dagster-webserver"] == locked["dagster"]


def pins(file: Path) -> dict[str, str]:
    text = file.read_text()
    found = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    blocks = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    return found


def services() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].items()


def test_in_containers_only_nginx_is_reached_from_outside() -> None:
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert told["networks"]["inside"] == {"internal": True}
    open_ones = {name for name, service in services() if "ports" in service}
    assert open_ones == {"nginx"}
    for name, service in services():
        assert service.get("networks"), name
        if service.get("image") == "aqqua":
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
        if name not in ("backup", "oauth2-proxy"):
            assert "healthcheck" in service, name
    guests = dict(services())["guests"]["command"]
    assert "--read-only" in guests


def test_the_image_is_built_from_the_locks_and_is_nobodys_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert text.count("--require-hashes") == 2
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name


def test_the_scripts_can_be_run() -> None:
    assert (DEPLOY / "nginx/fill.sh").stat().st_mode & stat.S_IXUSR
    assert subprocess.run(["sh", "-n", DEPLOY / "nginx/fill.sh"], check=False).returncode == 0
