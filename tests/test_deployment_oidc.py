"""The login at an identity provider: nginx asks, and nothing passes without a yes.

oauth2-proxy itself can't be had for tests; a small server answers as it does on /oauth2/auth: 401 without a session,
202 or 403 by the session's groups and the ``allowed_groups`` that nginx's files ask for. What stands behind nginx is a
small server, too, that tells what reached it; ``test_deployment.py`` has the real one.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from production import Installation, fill, installation, main_file, nginx_program

GROUPS = {"manager": {"aqqua-managers"}, "guest": {"aqqua-guests"}, "colleague": {"library"}}
PAGE = "text/html,application/xhtml+xml"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extra: tuple[tuple[str, str], ...] = ()

    def reply(self, status: int, text: str = "") -> None:
        self.send_response(status)
        for name, value in self.extra:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


class Proxy(Handler):
    """Answers like oauth2-proxy; the cookie is the name of a person, and a session to be renewed has a plus."""

    def do_GET(self) -> None:
        cookie = dict(p.split("=", 1) for p in self.headers.get("Cookie", "").split("; ") if "=" in p)
        who, renewed, _ = cookie.get("__Host-aqqua", "").partition("+")
        asked = urlsplit(self.path)
        if asked.path == "/oauth2/auth":
            allowed = set(parse_qs(asked.query)["allowed_groups"][0].split(","))
            # As a session of a person in many groups: longer than one of nginx's usual buffers.
            self.extra = (("Set-Cookie", "__Host-aqqua=" + "r" * 6000),) if renewed else ()
            self.reply(401 if who not in GROUPS else 202 if GROUPS[who] & allowed else 403)
        else:
            self.reply(200, f"sign in: {self.path}")


class Behind(Handler):
    def do_GET(self) -> None:
        self.reply(200, json.dumps({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}}))

    do_POST = do_GET  # noqa: N815


def serve(handler: type[Handler]) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    nginx = nginx_program()
    servers = [serve(Behind), serve(Behind), serve(Proxy)]
    told = {
        name: f"127.0.0.1:{server.server_address[1]}"
        for name, server in zip(("AQQUA_WEB", "AQQUA_GUESTS", "AQQUA_OAUTH2_PROXY"), servers, strict=True)
    }
    with installation(tmp_path_factory.mktemp("oidc"), {}) as made:
        made.variables |= told | {"AQQUA_LOGIN": "oidc"}
        (made.folder / "site/index.html").write_text("public")
        (made.folder / "warehouse/reports/a.html").write_text("report")
        assert fill(made.folder / "nginx", made.variables).returncode == 0
        made.start("nginx", [str(nginx), "-c", str(main_file(made.folder))])
        made.wait("nginx", made.variables["AQQUA_LISTEN"])
        yield made
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(
    made: Installation, path: str, who: str = "", method: str = "GET", **headers: str
) -> tuple[int, str, http.client.HTTPMessage]:
    given = headers | ({"Cookie": f"__Host-aqqua={who}"} if who else {})
    return made.ask(path, None, method, None, **given)


PATHS = (
    "/",
    "/graphql",
    "/report_asset_materialization/x",
    "//graphql",
    "/site/../graphql",
    "/oauth2/../graphql",
    "/logs/x",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("who", ["", "colleague", "guest", "nobody"])
def test_who_isnt_a_manager_gets_nothing_of_the_ui(running: Installation, path: str, who: str) -> None:
    for method in ("GET", "POST"):
        status, text, _ = ask(running, path, who, method)
        assert status == (403 if who in GROUPS else 401)
        assert '"path"' not in text


def test_a_manager_reaches_everything_and_the_session_ends_at_nginx(running: Installation) -> None:
    status, text, headers = ask(running, "/graphql", "manager")
    told = json.loads(text)
    assert (status, told["path"]) == (200, "/graphql")
    assert told["x-forwarded-proto"] == "https"
    assert "cookie" not in told
    assert "authorization" not in told
    assert "Set-Cookie" not in headers
    assert ask(running, "/reports/a.html", "manager")[:2] == (200, "report")
    assert ask(running, "/guest/", "manager")[0] == 200


def test_a_guest_reaches_the_read_only_server_alone(running: Installation) -> None:
    status, text, _ = ask(running, "/guest/graphql", "guest")
    assert (status, json.loads(text)["path"]) == (200, "/guest/graphql")
    assert ask(running, "/reports/a.html", "guest")[0] == 403
    assert ask(running, "/guest/graphql", "colleague")[0] == 403
    assert ask(running, "/guest/../graphql", "guest")[0] == 403
    assert ask(running, "/", "guest", Accept=PAGE)[0] == 403  # not sent to the sign-in again and again


def test_a_page_leads_to_the_sign_in_and_back_to_itself_only(running: Installation) -> None:
    status, _, headers = ask(running, "/runs?view=all", "", Accept=PAGE)
    assert (status, headers["Location"].partition("/oauth2")[2]) == (302, "/start?rd=/runs?view=all")
    assert ask(running, "/runs", "", "POST", Accept=PAGE)[0] == 401
    assert ask(running, "/oauth2/start?rd=/runs")[:2] == (200, "sign in: /oauth2/start?rd=/runs")


def test_a_renewed_session_reaches_the_browser(running: Installation) -> None:
    for path in ("/", "/guest/"):
        status, _, headers = ask(running, path, "manager+")
        assert status == 200
        assert headers["Set-Cookie"] == "__Host-aqqua=" + "r" * 6000
        assert headers["Strict-Transport-Security"]  # an add_header of its own would have dropped it


def test_what_is_public_needs_no_sign_in(running: Installation) -> None:
    assert ask(running, "/site/")[:2] == (200, "public")
    assert ask(running, "/healthz")[:2] == (200, "ok\n")
    for path in ("/_oidc/managers", "/_oidc/guests", "/_web_answers"):
        assert ask(running, path, "manager")[0] == 404


def test_somebody_elses_word_for_who_asks_isnt_passed_on(running: Installation) -> None:
    forged = {"X_Auth_Request_Groups": "aqqua-managers", "X_Forwarded_User": "anna", "X_Forwarded_For": "10.0.0.1"}
    assert ask(running, "/", "guest", **forged)[0] == 403
    told = json.loads(ask(running, "/", "manager", **forged)[1])
    assert told["x-forwarded-for"] == "127.0.0.1"


def test_sign_ins_are_slowed_down(running: Installation) -> None:
    """Last: the address of the tests has used its share then."""
    answers = [ask(running, "/oauth2/start")[0] for _ in range(40)]
    assert answers.count(429) >= 10
    assert answers[0] == 200


def test_a_proxy_that_is_down_lets_nobody_in(tmp_path: Path) -> None:
    nginx, behind = nginx_program(), serve(Behind)
    place = f"127.0.0.1:{behind.server_address[1]}"
    told = {"AQQUA_WEB": place, "AQQUA_GUESTS": place, "AQQUA_OAUTH2_PROXY": "127.0.0.1:9", "AQQUA_LOGIN": "oidc"}
    with installation(tmp_path, {}) as made:
        made.variables |= told
        assert fill(made.folder / "nginx", made.variables).returncode == 0
        made.start("nginx", [str(nginx), "-c", str(main_file(made.folder))])
        made.wait("nginx", made.variables["AQQUA_LISTEN"])
        assert ask(made, "/", "manager")[0] == 500
        assert ask(made, "/guest/", "manager")[0] == 500
    behind.shutdown()
    behind.server_close()
