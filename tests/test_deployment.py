"""The installation of docs/deployment.md, run for real: its logins, its limits, and that runs survive in PostgreSQL."""

import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from production import (
    GUEST,
    HOST,
    MANAGER,
    Installation,
    basic,
    exec_start,
    fill,
    installation,
    main_file,
    nginx_program,
    postgres,
)
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

LOCATION = "aqqua_dataset.definitions"
SELECTOR = f'repositoryName: "__repository__", repositoryLocationName: "{LOCATION}"'
REGISTRY = 'pipelineName: "update_collection", assetSelection: [{path: ["registry"]}], assetCheckSelection: []'
LAUNCH = f"""mutation {{ launchRun(executionParams: {{
    selector: {{{SELECTOR}, {REGISTRY}}}
    mode: "default", runConfigData: {{}} }}) {{
        __typename ... on LaunchRunSuccess {{ run {{ runId }} }} ... on Error {{ message }} }} }}"""
ADD = f"""mutation {{ addDynamicPartition(
    repositorySelector: {{{SELECTOR}}}, partitionsDefName: "contribution", partitionKey: "x") {{ __typename }} }}"""

#: Everything that Dagster's web server answers, spelt as it is and as somebody would who wants to get past nginx.
CLOSED = (
    "/", "/graphql", "/graphql?query=%7Bversion%7D", "/server_info", "/dagit_info", "/logs/x/compute_logs/a/out",
    "/notebook", "/download_debug/x", "/report_asset_materialization/registry", "/report_asset_check/registry", "/runs",
    "/guest/", "/guest/graphql", "/guest/server_info", "/reports/", "/reports/x/index.html",
    "//graphql", "/./graphql", "/%67raphql", "/%2egraphql", "/x/../graphql", "/site/../graphql", "/site/%2e%2e/graphql",
    "/site/..%2fgraphql", "/site/%2e%2e%2f%2e%2e/graphql", "/healthz/../graphql", "/site../graphql",
    "/guest/../graphql", "/guest//../graphql", "/_web_answers/../graphql", "/graphql/", "/GRAPHQL",
    "/graphql;x=/site/", "/graphql?/site/", "/graphql%00",
)  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """PostgreSQL, code, daemon, both web servers, and nginx with the login by passwords."""
    nginx = nginx_program()
    with postgres() as told, installation(tmp_path_factory.mktemp("production"), told) as made:
        (made.folder / "site/index.html").write_text("<p>public</p>")
        (made.folder / "site/.unfinished-1").write_text("half")
        (made.folder / "warehouse/reports/page.html").write_text("<p>report</p>")
        filled = fill(made.folder / "nginx", made.variables)
        assert filled.returncode == 0, filled.stderr
        # Before anything starts side by side: two processes that create the tables at once get in each other's way.
        migrate(made)
        made.start_unit("aqqua-code")
        made.wait("aqqua-code", made.variables["AQQUA_CODE_SOCKET"])
        for unit in ("aqqua-web", "aqqua-guests", "aqqua-daemon"):
            made.start_unit(unit)
        made.start("nginx", [str(nginx), "-c", str(main_file(made.folder))])
        for name, variable in (("nginx", "LISTEN"), ("aqqua-web", "WEB"), ("aqqua-guests", "GUESTS")):
            made.wait(name, made.variables[f"AQQUA_{variable}"])
        yield made


def migrate(made: Installation) -> str:
    command = [exec_start("aqqua-code", made.variables)[0], "instance", "migrate"]
    done = subprocess.run(command, env=made.surroundings, capture_output=True, text=True, check=True)
    return done.stdout


def graphql(made: Installation, query: str, login: tuple[str, str], prefix: str = "") -> dict[str, Any]:
    body = json.dumps({"query": query})
    status, text, _ = made.ask(f"{prefix}/graphql", login, "POST", body, Content_Type="application/json")
    assert status == 200, (status, text)
    told = json.loads(text)
    assert "errors" not in told, told
    return dict(told["data"])


def run_status(made: Installation, run: str) -> str:
    query = f'{{ runOrError(runId: "{run}") {{ ... on Run {{ status }} }} }}'
    return str(graphql(made, query, MANAGER)["runOrError"]["status"])


@pytest.mark.parametrize("path", CLOSED)
def test_nothing_of_dagsters_is_reached_without_a_login(running: Installation, path: str) -> None:
    for method in ("GET", "POST"):
        status, text, _ = running.ask(path, None, method)
        # 400: nginx takes a zero byte for no path; 403: refused before the login is asked for; 404 inside the site.
        assert status in (400, 401, 403, 404), (method, status)
        assert "agster" not in text
        assert "dagster_version" not in text


def test_a_wrong_password_and_a_guest_are_refused_the_ui(running: Installation) -> None:
    assert running.ask("/", ("anna", "guess"))[0] == 401
    assert running.ask("/", ("anna", ""))[0] == 401
    assert running.ask("/", GUEST)[0] == 401
    assert running.ask("/graphql", GUEST, "POST", "{}", Content_Type="application/json")[0] == 401
    assert running.ask("/reports/page.html", GUEST)[0] == 401


def test_a_manager_gets_the_ui_with_headers_that_protect_it(running: Installation) -> None:
    status, text, headers = running.ask("/", MANAGER)
    assert status == 200
    assert 'id="initialization-data"' in text
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert headers["X-Frame-Options"] == "DENY"
    assert any("frame-ancestors 'none'" in value for value in headers.get_all("Content-Security-Policy", []))
    assert headers["Server"] == "nginx"
    assert running.ask("/reports/page.html", MANAGER)[:2] == (200, "<p>report</p>")


def test_what_is_public_and_no_more(running: Installation) -> None:
    assert running.ask("/site/")[:2] == (200, "<p>public</p>")
    assert running.ask("/site/.unfinished-1")[0] == 404
    assert running.ask("/site/", None, "POST")[0] == 403
    assert running.ask("/healthz")[:2] == (200, "ok\n")
    assert running.ask("/_web_answers")[0] == 404


def test_another_name_gets_no_answer(running: Installation) -> None:
    for name in ("evil.example.org", "127.0.0.1", ""):
        assert running.ask("/", MANAGER, Host=name)[0] in (0, 400)


def test_what_another_sites_page_sends_is_refused(running: Installation) -> None:
    own = f"https://{HOST}:{running.variables['AQQUA_LISTEN'].rpartition(':')[2]}"
    body = json.dumps({"query": "{ version }"})

    def post(origin: str) -> int:
        return running.ask("/graphql", MANAGER, "POST", body, Content_Type="application/json", Origin=origin)[0]

    assert post(own) == 200
    for origin in ("https://evil.example.org", "null", own.replace("https", "http"), own + ".evil.example.org"):
        assert post(origin) == 403
    # Dagster runs a mutation that stands in the address; a link or a picture elsewhere would be enough.
    for query in (
        "?query=%7Bversion%7D",
        "?%71uery=%7Bversion%7D",
        "?op=X&query=%7Bversion%7D",
        "/?query=%7Bversion%7D",
    ):
        for method in ("GET", "HEAD", "POST"):
            assert running.ask(f"/graphql{query}", MANAGER, method)[0] == 403
    assert running.ask("/graphql?op=Version", MANAGER, "POST", body, Content_Type="application/json")[0] == 200
    assert running.ask("/graphql", MANAGER, Sec_Fetch_Site="cross-site")[0] == 403
    assert running.ask("/runs", MANAGER, Sec_Fetch_Site="cross-site")[0] == 200  # a link in a message


def test_too_large_a_body_is_refused(running: Installation) -> None:
    assert running.ask("/graphql", MANAGER, "POST", "x" * 2_000_000, Content_Type="application/json")[0] == 413


def test_a_websocket_passes_with_a_login_only(running: Installation) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    place = running.variables["AQQUA_LISTEN"]

    def open_socket(**headers: str) -> ClientConnection:
        host, _, port = place.rpartition(":")
        given: dict[str, Any] = {"sock": socket.create_connection((host, int(port)), timeout=30), "ssl": context}
        given |= {"subprotocols": ["graphql-ws"], "additional_headers": headers, "proxy": None}
        opened: ClientConnection = connect(f"wss://{HOST}:{port}/graphql", **given)
        return opened

    with open_socket(Authorization=basic(MANAGER)) as opened:
        opened.send(json.dumps({"type": "connection_init"}))
        assert json.loads(opened.recv(timeout=20)) == {"type": "connection_ack"}
    for headers, expected in (
        ({}, 401),
        ({"Authorization": basic(MANAGER), "Origin": "https://evil.example.org"}, 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            open_socket(**headers)
        assert refused.value.response.status_code == expected


@pytest.mark.parametrize(
    ("path", "login", "words"),
    [("/asset-groups", MANAGER, "harmonise"), ("/guest/automation", GUEST, "nightly_collection")],
)
def test_the_ui_works_behind_nginx_in_a_browser(
    running: Installation, path: str, login: tuple[str, str], words: str
) -> None:
    port = running.variables["AQQUA_LISTEN"].rpartition(":")[2]
    answers: list[tuple[int, str]] = []
    sockets: list[str] = []
    with chromium(f"--host-resolver-rules=MAP {HOST} 127.0.0.1") as browser:
        context = browser.new_context(
            ignore_https_errors=True, http_credentials={"username": login[0], "password": login[1]}
        )
        page = context.new_page()
        page.on("response", lambda answer: answers.append((answer.status, answer.url)))
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.goto(f"https://{HOST}:{port}{path}")
        page.get_by_text(words).first.wait_for(timeout=90_000)
    assert [answer for answer in answers if answer[0] >= 400] == []
    assert any("/graphql?op=" in address for _, address in answers)
    assert sockets


def test_a_guest_looks_and_changes_nothing(running: Installation) -> None:
    assert running.ask("/guest/", GUEST)[0] == 200
    assert graphql(running, "{ version }", GUEST, "/guest")
    before = graphql(running, "{ runsOrError { ... on Runs { count } } }", MANAGER)
    assert graphql(running, LAUNCH, GUEST, "/guest")["launchRun"]["__typename"] == "UnauthorizedError"
    assert graphql(running, ADD, GUEST, "/guest")["addDynamicPartition"]["__typename"] == "UnauthorizedError"
    assert (
        running.ask(
            "/guest/report_asset_materialization/registry", GUEST, "POST", "{}", Content_Type="application/json"
        )[0]
        == 401
    )
    assert graphql(running, "{ runsOrError { ... on Runs { count } } }", MANAGER) == before


def test_a_run_goes_through_and_is_still_there_after_a_restart(running: Installation) -> None:
    launched = graphql(running, LAUNCH, MANAGER)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = str(launched["run"]["runId"])
    commands: set[str] = set()
    until = time.monotonic() + 90
    while (status := run_status(running, run)) not in ("SUCCESS", "FAILURE") and time.monotonic() < until:
        commands |= {read_command(p) for p in Path("/proc").glob("[0-9]*/cmdline")}
        time.sleep(0.5)
    assert status == "SUCCESS", running.log("aqqua-code")[-3000:]
    assert any(running.variables["AQQUA_CODE_SOCKET"] in c for c in commands), "command lines were seen"
    password = running.variables["PGPASSWORD"]
    assert not [c for c in commands if password in c]

    running.stop("aqqua-web")
    assert running.ask("/healthz")[0] == 500
    assert running.ask("/", MANAGER)[0] == 502
    running.start_unit("aqqua-web")
    running.wait("aqqua-web", running.variables["AQQUA_WEB"])
    assert run_status(running, run) == "SUCCESS"
    asked = ["psql", "-At", "-c", f"select status from runs where run_id = '{run}'"]
    assert subprocess.run(asked, env=running.surroundings, capture_output=True, check=True).stdout == b"SUCCESS\n"


def read_command(file: Path) -> str:
    try:
        return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""  # ended meanwhile


def test_no_secret_is_in_a_log(running: Installation) -> None:
    written = [
        p for p in running.folder.rglob("*") if p.is_file() and p.suffix in (".log", ".yaml", ".conf", ".err", ".out")
    ]
    assert {"aqqua-code.log", "aqqua-web.log", "access.log", "error.log"} <= {p.name for p in written}
    for file in written:
        text = file.read_text(errors="replace")
        for secret in (running.variables["PGPASSWORD"], MANAGER[1], GUEST[1], basic(MANAGER).split()[1]):
            assert secret not in text, file


def test_migrating_again_changes_nothing(running: Installation) -> None:
    told = migrate(running)
    revisions = re.findall(r"current: (\S+)\n\s+latest: (\S+)", told)
    assert len(revisions) == 6
    assert all(current == latest for current, latest in revisions)


def test_the_doctor_finds_this_installation_well(running: Installation) -> None:
    done = running.cli("doctor", "--free-gb", "0.1")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok     ") >= 11, done.stdout
    assert "PostgresRunStorage" in done.stdout


def test_the_doctor_says_which_service_is_down(running: Installation) -> None:
    done = running.cli("doctor", "--free-gb", "0.1", AQQUA_GUESTS="127.0.0.1:9", AQQUA_CODE_SOCKET="/nowhere/code.sock")
    assert done.returncode == 1
    assert re.search(r"ERROR\s+web servers", done.stdout)
    assert "no Dagster web server answers here [found: 127.0.0.1:9]" in done.stdout
    assert re.search(r"ERROR\s+code location", done.stdout)


def test_draining_ends_at_once_where_nothing_runs(running: Installation) -> None:
    done = running.cli("drain", "--minutes", "0.1")
    assert (done.returncode, done.stdout) == (0, "0 runs going on, 0 queued\n")
