"""A real installation on loopback: PostgreSQL, the services as the systemd units start them, nginx before them.

What is run are the files of ``deploy/``, with their variables set to this machine's free ports and temporary folders.
"""

import base64
import contextlib
import getpass
import http.client
import os
import pwd
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"

#: Names, passwords and what ``htpasswd -nbB`` made of them.
MANAGER, MANAGER_LINE = (
    ("anna", "tern-skua-gannet"),
    "anna:$2y$05$lWc6V3rK6w0P5Wg9UVMi0.SWfgB2NfOPHjOpK4h21qWw8Lrz0yBh2",
)
GUEST, GUEST_LINE = ("guest", "kelp-dulse-laver"), "guest:$2y$05$leSCgvEsZfY2zWZEu6Cm..BO3qXICibkoL7L1Yzvz3fVvWYD6oU5O"
HOST = "aqqua.example.org"


def example() -> dict[str, str]:
    """The variables of deploy/aqqua.env."""
    return variables(DEPLOY / "aqqua.env")


def variables(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def surroundings() -> dict[str, str]:
    """This process's variables without any that speak of an installation or a database."""
    return {
        k: v for k, v in os.environ.items() if not k.startswith(("AQQUA_", "DAGSTER_", "PG", "OAUTH2_", "PYTHONDONT"))
    } | {"PYTHONPATH": str(ROOT)}


def _newest_postgres() -> Path:
    """Folder of PostgreSQL's server programs; skips where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    beside = shutil.which("initdb")
    if not found and beside is None:
        pytest.skip("PostgreSQL's server (initdb, postgres) isn't installed")
    return found[-1].parent if found else Path(str(beside)).parent


@contextlib.contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """A server of its own behind a socket, with passwords; yields libpq's variables of an empty database ``aqqua``."""
    try:
        metadata.version("dagster-postgres")
    except metadata.PackageNotFoundError:
        pytest.skip("dagster-postgres isn't installed (extra production)")
    programs = _newest_postgres()
    # PostgreSQL refuses to run as root; and a socket's path may have 107 characters, pytest's folders are longer.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="aqqua-pg-"))
    password = folder / "password"
    password.write_text("tern-9f2c1e\n")
    if user is not None:
        for path in (folder, password):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1)
    port = str(free_port())
    told = {"PGHOST": str(folder), "PGPORT": port, "PGUSER": "aqqua", "PGPASSWORD": "tern-9f2c1e"}
    told["PGDATABASE"] = "aqqua"
    quiet = {"user": user, "check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    make = [
        "--auth=scram-sha-256",
        "--username=aqqua",
        f"--pwfile={password}",
        "--no-sync",
        "--no-locale",
        "-E",
        "UTF8",
    ]
    try:
        subprocess.run([programs / "initdb", "-D", folder / "data", *make], **quiet)  # type: ignore[call-overload]
        options = f"-k {folder} -p {port} -c listen_addresses='' -c fsync=off -c max_connections=200"
        control = [programs / "pg_ctl", "-D", folder / "data", "-w"]
        subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **quiet)  # type: ignore[call-overload]
        try:
            create_database(told, "aqqua")
            yield told
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(folder)


def create_database(told: Mapping[str, str], name: str) -> None:
    """A new, empty database."""
    query = ["psql", "--no-psqlrc", "-d", "postgres", "-c", f'create database "{name}"']
    subprocess.run(query, env=surroundings() | dict(told), check=True, stdout=subprocess.DEVNULL)


def nginx_program() -> Path:
    """nginx: the system's, else Debian's package unpacked beside the tests' other environments; else skips."""
    if installed := shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return Path(installed)
    home = Path(tempfile.gettempdir()) / f"aqqua-environments-{getpass.getuser()}"
    folder = home / "nginx"
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for command in (["apt-get", "download", "nginx"], ["sh", "-c", "dpkg -x nginx_*.deb ."]):
            try:
                subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
            except (OSError, subprocess.CalledProcessError) as error:
                said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
                pytest.skip(f"nginx isn't installed and can't be had: {said[-1]}")
        (folder / "installed").touch()
    return folder / "usr/sbin/nginx"


def fill(out: Path, given: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Runs deploy/nginx/fill.sh."""
    command = [str(DEPLOY / "nginx/fill.sh"), str(out)]
    return subprocess.run(command, env=surroundings() | dict(given), capture_output=True, text=True, check=False)


def main_file(folder: Path) -> Path:
    """The smallest nginx.conf around the filled files in ``folder/nginx``."""
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"{'user root;' if os.geteuid() == 0 else ''}\n"  # temporary folders of root's, which nobody else may enter
        f"http {{\naccess_log {folder}/access.log;\n{paths}include {folder}/nginx/aqqua.conf;\n}}\n"
    )
    return file


def certificate(folder: Path) -> dict[str, str]:
    """A certificate of our own for the example's name."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl isn't installed")
    key, made = folder / "key.pem", folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*command, "-subj", f"/CN={HOST}", "-keyout", key, "-out", made], check=True, capture_output=True)
    return {"AQQUA_TLS_KEY": str(key), "AQQUA_TLS_CERTIFICATE": str(made)}


def places(folder: Path, told: Mapping[str, str]) -> dict[str, str]:
    """The example's variables with this machine's places and free ports."""
    given = example() | dict(told) | certificate(folder)
    for name in ("DELIVERIES", "WAREHOUSE", "ACME", "SITE", "PASSWORDS"):
        (folder / name.lower()).mkdir()
        given[f"AQQUA_{name}"] = str(folder / name.lower())
    # No contribution: the sensor would start two runs for each.
    shutil.copytree(ROOT / "contributor_registry", folder / "registry", ignore=lambda path, _: _contributions(path))
    (folder / "registry/private").chmod(0o700)
    for file in (folder / "registry/private").iterdir():
        file.chmod(0o600)
    (folder / "warehouse/reports").mkdir()
    (folder / "dagster").mkdir()
    (folder / "dagster/dagster.yaml").symlink_to(DEPLOY / "dagster.yaml")
    for name, line in (("managers", MANAGER_LINE), ("guests", GUEST_LINE)):
        file = folder / f"passwords/{name}.htpasswd"
        file.write_text(f"{line}\n")
        file.chmod(0o640)
    given.pop("AQQUA_SECRETS")
    return given | {
        "AQQUA_REGISTRY": str(folder / "registry"),
        "AQQUA_REPORTS": str(folder / "warehouse/reports"),
        "AQQUA_EXECUTOR": "serial",
        "AQQUA_LISTEN": f"127.0.0.1:{free_port()}",
        "AQQUA_LISTEN_PLAIN": f"127.0.0.1:{free_port()}",
        "AQQUA_WEB": f"127.0.0.1:{free_port()}",
        "AQQUA_GUESTS": f"127.0.0.1:{free_port()}",
        "AQQUA_CODE_SOCKET": str(Path(told["PGHOST"]) / "code.sock") if "PGHOST" in told else "/run/aqqua/code.sock",
        "DAGSTER_HOME": str(folder / "dagster"),
    }


def _contributions(path: str) -> list[str]:
    return [p.name for p in Path(path).iterdir()] if path.endswith("/contributions") else []


def exec_start(unit: str, given: Mapping[str, str]) -> list[str]:
    """What a systemd unit starts, with this checkout's programs, paths and ports."""
    [line] = [x for x in (DEPLOY / f"systemd/{unit}.service").read_text().splitlines() if x.startswith("ExecStart=")]
    text = line.removeprefix("ExecStart=")
    for name, value in given.items():
        text = text.replace(f"${{{name}}}", value)
    text = text.replace("/opt/aqqua/.venv/bin/", f"{Path(sys.executable).parent}/").replace("/opt/aqqua/", f"{ROOT}/")
    ports = {"3000": given["AQQUA_WEB"], "3001": given["AQQUA_GUESTS"]}
    return [ports[word].rpartition(":")[2] if word in ports else word for word in shlex.split(text)]


@dataclass
class Installation:
    """What runs, and where."""

    folder: Path
    variables: dict[str, str]
    processes: dict[str, "subprocess.Popen[bytes]"]

    @property
    def surroundings(self) -> dict[str, str]:
        return surroundings() | self.variables

    def start(self, name: str, command: list[str]) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        with log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=self.surroundings, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def start_unit(self, unit: str) -> None:
        self.start(unit, exec_start(unit, self.variables))

    def stop(self, *names: str) -> None:
        for name in names:
            self.processes[name].terminate()
        for name in names:
            self.processes.pop(name).wait(30)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait(self, name: str, address: str, seconds: float = 90) -> None:
        """Until a service listens on a port or a socket."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.processes[name].poll() is None, f"{name} ended: {self.log(name)[-3000:]}"
            with socket.socket(socket.AF_UNIX if address.startswith("/") else socket.AF_INET) as probe:
                host, _, port = address.rpartition(":")
                if probe.connect_ex(address if address.startswith("/") else (host, int(port))) == 0:
                    return
            time.sleep(0.1)
        pytest.fail(f"{name} doesn't answer: {self.log(name)[-3000:]}")

    def cli(self, *words: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        """An aqqua command in this installation's surroundings."""
        command = [sys.executable, "-m", "aqqua_dataset.cli", *words]
        given = {k: v for k, v in (self.surroundings | changes).items() if v}
        return subprocess.run(command, env=given, cwd=self.folder, capture_output=True, text=True, check=False)

    def ask(
        self, path: str, login: tuple[str, str] | None = None, method: str = "GET", body: str | None = None,
        **headers: str,
    ) -> tuple[int, str, http.client.HTTPMessage]:  # fmt: skip
        """One request to nginx, its path as it stands; status 0 when the connection is closed without an answer."""
        host, _, port = self.variables["AQQUA_LISTEN"].rpartition(":")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
        given = {"Host": f"{HOST}:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if login is not None:
            given["Authorization"] = basic(login)
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace"), answer.headers
        except http.client.RemoteDisconnected:
            return 0, "", http.client.HTTPMessage()
        finally:
            connection.close()


def basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()


@contextlib.contextmanager
def installation(folder: Path, told: Mapping[str, str]) -> Iterator[Installation]:
    """Places and variables; services are started by the tests, and end with it."""
    made = Installation(folder, places(folder, told), {})
    try:
        yield made
    finally:
        made.stop(*made.processes)
