"""Opens a page that asks for a name and a password in Chromium, and waits until its script has drawn it."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from browser import OPTIONS
from websockets.sync.client import ClientConnection, connect

_SECONDS = 90


class Page:
    """One tab, driven through Chromium's debugging port (Chrome DevTools Protocol)."""

    def __init__(self, socket: ClientConnection, login: tuple[str, str]) -> None:
        self._socket, self._login = socket, login
        self._number = 0
        #: Status and address of every answer but the first 401, which is the question for the login.
        self.answers: list[tuple[int, str]] = []

    def send(self, method: str, **given: Any) -> int:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": given}))
        return self._number

    def ask(self, method: str, **given: Any) -> Any:
        number = self.send(method, **given)
        while (told := json.loads(self._socket.recv(timeout=_SECONDS))).get("id") != number:
            self._heard(told)
        return told["result"]

    def _heard(self, told: Mapping[str, Any]) -> None:
        given = told.get("params", {})
        if told.get("method") == "Fetch.authRequired":
            name, password = self._login
            answer = {"response": "ProvideCredentials", "username": name, "password": password}
            self.send("Fetch.continueWithAuth", requestId=given["requestId"], authChallengeResponse=answer)
        elif told.get("method") == "Fetch.requestPaused":
            self.send("Fetch.continueRequest", requestId=given["requestId"])
        elif told.get("method") in ("Network.responseReceived", "Network.webSocketHandshakeResponseReceived"):
            answered = given["response"]
            self.answers.append((answered["status"], answered.get("url", "websocket")))

    def wait_for(self, words: str) -> str:
        """The page's text once it holds these words."""
        until, text = time.monotonic() + _SECONDS, ""
        while words not in text and time.monotonic() < until:
            text = str(self.ask("Runtime.evaluate", expression="document.body.innerText")["result"].get("value", ""))
            time.sleep(0.2)
        assert words in text, (text[:500], self.answers[-10:])
        return text


def read_page(address: str, host: str, login: tuple[str, str], words: str, folder: Path) -> tuple[str, Page]:
    """Text of a page once it holds some words, and what was answered; skips where there is no Chromium."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine: that the UI works behind nginx is not checked")
    options = [*OPTIONS, f"--user-data-dir={folder}", "--ignore-certificate-errors", "--remote-debugging-port=0"]
    command = [
        browser,
        *options,
        "--remote-allow-origins=*",
        f"--host-resolver-rules=MAP {host} 127.0.0.1",
        "about:blank",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_tab(folder / "DevToolsActivePort"), max_size=None, proxy=None) as socket:
            page = Page(socket, login)
            page.ask("Network.enable")
            page.ask("Fetch.enable", handleAuthRequests=True, patterns=[{"urlPattern": "*"}])
            page.send("Page.navigate", url=address)
            return page.wait_for(words), page
    finally:
        process.terminate()
        process.wait(30)


def _tab(file: Path) -> str:
    """Address of the first tab; Chromium writes the port it has chosen into a file."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        try:
            port = file.read_text().splitlines()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
                return str(next(t["webSocketDebuggerUrl"] for t in json.load(answer) if t["type"] == "page"))
        except (OSError, IndexError, StopIteration, urllib.error.URLError):
            time.sleep(0.1)
    pytest.fail("Chromium didn't open its debugging port")
