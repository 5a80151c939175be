"""A DataCite REST server on loopback that behaves as the real one was read to (datacite/lupo, August 2026).

Written from the server's rules and not from the client: states and their silent transitions, upsert on PUT, drafts
hidden from strangers, rewritten rights, lower-case DOIs, plain affiliations unless asked for, size and rate limits,
gzip. What a test wants to go wrong is told to ``Server.faults``.

``python tests/datacite_server.py`` serves until it is stopped, for practice without the internet (docs/release.md).
"""

import base64
import contextlib
import copy
import gzip
import json
import re
import sys
import threading
import time
import urllib.parse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from serving import serving

USER, PASSWORD = "TEST.AQQUA", "a secret: word"
MOST_BYTES = 10 * 1024 * 1024  # nginx: client_max_body_size 10M, of what is sent

_SYNTAX = re.compile(r"\A10\.\d{4,5}/[-._;()/:a-zA-Z0-9*~$=]+\Z")
_URL = re.compile(r"^(ftp|http|https)://\S+$")
#: State that each event leads to, by the state it is allowed in; any other event is ignored without a word.
_TRANSITIONS = {
    "register": {"draft": "registered"},
    "publish": {"draft": "findable", "registered": "findable"},
    "hide": {"findable": "registered"},
    "show": {"registered": "findable"},
}
_LICENCES = {
    "cc-by-nc-4.0": (
        "Creative Commons Attribution Non Commercial 4.0 International",
        "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
    ),
    "cc-by-4.0": (
        "Creative Commons Attribution 4.0 International",
        "https://creativecommons.org/licenses/by/4.0/legalcode",
    ),
}
_REQUIRED = ("creators", "titles", "publisher", "publicationYear", "types")


@dataclass(frozen=True)
class Seen:
    """One request as it came: headers in small letters, bytes on the wire."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    bytes: int
    body: dict[str, Any] | None


@dataclass
class Server:
    """What the server holds and was asked; ``faults`` are done to the next requests of that method.

    A fault is ``429:<seconds>``, ``429:<HTTP date>``, ``504`` (committed, then an error), ``504-before`` (nothing
    done), ``hang`` (committed, then no answer for a second) or ``vanish`` (the DOI is deleted first).
    """

    address: str = ""
    prefix: str = "10.5072"
    domains: tuple[str, ...] = ("example.org",)
    dois: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[Seen] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)

    @property
    def changing(self) -> list[Seen]:
        """Requests that could change something."""
        return [s for s in self.log if s.method != "GET"]

    def hold(self, doi: str, state: str, **attributes: Any) -> None:
        """Puts a DOI there as if it had been made before."""
        self.dois[doi.lower()] = {"doi": doi.lower(), "state": state, **attributes}


def _rewritten(entry: dict[str, Any]) -> dict[str, Any]:
    """A right as the server stores it: one it knows by id or address is replaced as a whole."""
    told = [str(entry.get(k, "")).lower().rstrip("/") for k in ("rightsIdentifier", "rightsUri")]
    for spdx, (name, url) in _LICENCES.items():
        if spdx in told or url in told or url.removesuffix("/legalcode") in told:
            return {
                "rights": name, "rightsUri": url, "schemeUri": "https://spdx.org/licenses/",
                "rightsIdentifier": spdx, "rightsIdentifierScheme": "SPDX",
            }  # fmt: skip
    return entry


def _stored(attributes: dict[str, Any]) -> dict[str, Any]:
    kept = copy.deepcopy({k: v for k, v in attributes.items() if k not in ("event", "prefix", "suffix", "state")})
    if kept.get("rightsList"):
        kept["rightsList"] = [_rewritten(r) for r in kept["rightsList"]]
    if str(kept.get("publicationYear", "")).isdigit():
        kept["publicationYear"] = int(kept["publicationYear"])
    return kept


def _shown(stored: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
    """The attributes as GET gives them, with the many it adds by itself."""
    shown = copy.deepcopy(stored)
    if query.get("affiliation") != ["true"]:
        for person in [*(shown.get("creators") or []), *(shown.get("contributors") or [])]:
            person["affiliation"] = [a["name"] for a in person.get("affiliation") or []]
    if query.get("publisher") != ["true"] and isinstance(shown.get("publisher"), dict):
        shown["publisher"] = shown["publisher"]["name"]
    for person in [*(shown.get("creators") or []), *(shown.get("contributors") or [])]:
        person.setdefault("affiliation", [])
        person.setdefault("nameIdentifiers", [])
    types = shown.get("types") or {}
    shown["types"] = {"ris": "DATA", "bibtex": "misc", "citeproc": "dataset", "schemaOrg": "Dataset", **types}
    return {
        "identifiers": [], "alternateIdentifiers": [], "container": {}, "contentUrl": None, "relatedItems": [],
        "metadataVersion": 1, "isActive": shown["state"] == "findable", "source": "api", "viewCount": 0,
        "created": "2026-11-21T00:00:00.000Z", "updated": "2026-11-21T00:00:00.000Z", "reason": None,
        "subjects": [], "contributors": [], "language": None, "sizes": [], "formats": [], "version": None,
        "geoLocations": [], "fundingReferences": [], "relatedIdentifiers": [], "descriptions": [], "rightsList": [],
        **shown,
    }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server
    lock: threading.Lock

    def handle_any(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        place = urllib.parse.urlsplit(self.path)
        headers = {k.lower(): v for k, v in self.headers.items()}
        with self.lock:
            seen = Seen(self.command, place.path, place.query, headers, len(raw), self.parsed(raw))
            self.state.log.append(seen)
            waiting = self.state.faults.get(self.command, [])
            fault = waiting.pop(0) if waiting else ""
            doi = urllib.parse.unquote(place.path).removeprefix("/dois").strip("/").lower()
            if fault.startswith("429"):
                self.send({"errors": [{"status": "429", "title": "Rate limit exceeded"}]}, 429, fault[4:])
                return
            if fault == "504-before":
                self.send({}, 504)
                return
            if fault == "vanish":
                self.state.dois.pop(doi, None)
            status, answer = self.answer(doi, raw, seen, urllib.parse.parse_qs(place.query))
        if fault == "hang":
            time.sleep(1)
        self.send({} if fault == "504" else answer, 504 if fault == "504" else status)

    def parsed(self, raw: bytes) -> dict[str, Any] | None:
        try:
            if self.headers.get("Content-Encoding") == "gzip":
                raw = gzip.decompress(raw)
            elif self.headers.get("Content-Encoding") == "deflate":
                raw = zlib.decompress(raw)
            found = json.loads(raw)["data"]["attributes"]
        except (ValueError, KeyError, TypeError, OSError, zlib.error):
            return None
        return found if isinstance(found, dict) else None

    def answer(self, doi: str, raw: bytes, seen: Seen, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        if len(raw) > MOST_BYTES:
            return 413, {}
        told = self.headers.get("Authorization")
        known = told == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if (told is not None and not known) or (not known and self.command != "GET"):
            return 401, {"errors": [{"status": "401", "title": "Bad credentials."}]}
        if self.command == "GET":
            found = self.state.dois.get(doi)
            if found is None or (found["state"] != "findable" and not known):
                return 404, {"errors": [{"status": "404", "title": "The resource you are looking for doesn't exist."}]}
            return 200, {"data": {"id": doi, "type": "dois", "attributes": _shown(found, query)}}
        if self.command == "DELETE":
            if self.state.dois.get(doi, {"state": ""})["state"] != "draft":
                return 405, {"errors": [{"status": "405", "title": "Method not allowed"}]}
            del self.state.dois[doi]
            return 204, {}
        if seen.body is None:
            return 400, {"errors": [{"status": "400", "title": "You need to provide a payload"}]}
        return self.write(doi, seen.body)

    def write(self, doi: str, told: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = str(told.get("doi") or doi).lower()
        before = self.state.dois.get(name)
        if not name.startswith(f"{self.state.prefix}/"):
            return 403, {"errors": [{"status": "403", "title": "You are not authorized to use this prefix."}]}
        if self.command == "POST" and before is not None:
            return self.invalid("doi", "This DOI has already been taken")
        if not _SYNTAX.match(str(told.get("doi") or doi)):
            return self.invalid("doi", "is invalid")
        state = before["state"] if before else "draft"
        after = _TRANSITIONS.get(str(told.get("event", "")), {}).get(state, state)  # anything else: ignored
        made = {**(before or {}), **_stored(told), "doi": name, "state": after}
        if problem := self.problem(made, after):
            return self.invalid(*problem)
        self.state.dois[name] = made
        shown = {"data": {"id": name, "type": "dois", "attributes": _shown(made, {"affiliation": ["true"]})}}
        return (200 if before else 201), shown

    def problem(self, made: dict[str, Any], state: str) -> tuple[str, str] | None:
        url = made.get("url")
        if url and not _URL.match(str(url)):
            return "url", "is not a valid URL"
        if url and urllib.parse.urlsplit(str(url)).hostname not in self.state.domains:
            return "url", "URL is not allowed by repository domain settings."
        if any(len(str(r.get("rights") or "")) > 2000 for r in made.get("rightsList") or []):
            return "rights", "is too long"
        if len(str(made.get("version") or "")) > 191:
            return "version", "Data too long for column 'version'"
        if state == "draft":
            return None
        if not url:
            return "url", "Can't be blank"
        if missing := [k for k in _REQUIRED if not made.get(k)]:
            return "xml", f"Missing child element(s): {missing[0]}"
        return None

    def invalid(self, source: str, title: str) -> tuple[int, dict[str, Any]]:
        return 422, {"errors": [{"source": source, "title": title}]}

    def send(self, answer: dict[str, Any], status: int, retry: str = "") -> None:
        data = b"" if status == 204 else json.dumps(answer).encode()
        self.send_response(status)
        if retry:
            self.send_header("Retry-After", retry)
        self.send_header("Content-Type", "application/vnd.api+json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def datacite_server(port: int = 0, **settings: Any) -> Iterator[Server]:
    """A fresh server, on a free port by default; ``prefix`` and ``domains`` are those of the repository account."""
    state = Server(**settings)
    with serving(_Handler, state, port) as running:
        yield running


def main() -> None:
    """Serves on port 8765, for the account whose name and password are the two arguments; shows every change."""
    global USER, PASSWORD
    USER, PASSWORD = sys.argv[1:3]
    with datacite_server(port=8765, domains=("example.org",)) as running:
        print(f"{running.address}, prefix {running.prefix}, landing pages at {', '.join(running.domains)}", flush=True)
        shown = 0
        while True:
            time.sleep(0.2)
            for seen in running.log[shown:]:
                print(seen.method, seen.path, f"{seen.bytes:,} bytes", flush=True)
                shown += 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
