"""Talks to a DataCite REST API: read, make a draft, change, publish; and nothing else.

Not ``datacite.DataCiteRESTClient``: that one aims at production unless told otherwise, writes ``event`` into the
caller's record so that the next draft is published, creates what it should change, takes 201 for an error after it did,
has no time-out, no gzip and no Retry-After, and reads affiliations back as plain text. What is left of it is two calls.
"""

import base64
import gzip
import json
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.web import TIMEOUT, Unanswered, Web

__all__ = ["Account", "DataCiteClient", "DataCiteRefused", "Stored", "Unanswered"]

#: What the server takes in one request (nginx ``client_max_body_size``), counted as sent: compressed.
MOST_BYTES = 10 * 1024 * 1024
#: Larger requests are compressed.
GZIP_FROM = 256 * 1024

_NEVER_SENT = ("event", "state", "prefix", "suffix", "email")


class DataCiteRefused(Refused):
    """A rule or the server refused the step; nothing more was sent."""

    what = "the DOI step"


@dataclass(frozen=True)
class Account:
    """A repository account; its password is never shown."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Stored:
    """A DOI as the server holds it: ``state`` is draft, registered or findable."""

    doi: str
    state: str
    url: str
    attributes: Mapping[str, Any]


class DataCiteClient:
    """One account on one system. ``changes`` counts the requests that could change something."""

    def __init__(
        self, api: str, account: Account, agent: str, timeout: float = TIMEOUT,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """Connects to nothing yet.

        Args:
            api: address of the API, without a path.
            account: who asks.
            agent: User-Agent with an address that DataCite can write to.
            timeout: seconds to wait for an answer.
            wait: how to wait when the server asks for it.
        """
        token = base64.b64encode(f"{account.name}:{account.password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "User-Agent": agent, "Accept": "application/vnd.api+json"}
        self._web = Web(api, headers, timeout, wait)

    @property
    def changes(self) -> int:
        """Requests so far that could change something."""
        return self._web.changes

    def read(self, doi: str) -> Stored | None:
        """The DOI as it is now, affiliations and publisher in full; None where the account has no such DOI."""
        status, answer = self._request("GET", f"{_path(doi)}?affiliation=true&publisher=true", None)
        if status == 404:
            return None
        if status != 200:
            raise _refusal(status, answer, doi)
        found = answer["data"]["attributes"]
        return Stored(str(found["doi"]), str(found["state"]), str(found.get("url") or ""), found)

    def create_draft(self, doi: str, url: str, record: Mapping[str, Any]) -> None:
        """Makes a DOI that nobody else can see and that can still be deleted."""
        self._change("POST", "/dois", doi, {**record, "doi": doi, "url": url}, expected=201)

    def replace(self, doi: str, url: str, record: Mapping[str, Any]) -> None:
        """Replaces what a DOI says; its state stays. Only after ``read`` has found it: the server would create it."""
        self._change("PUT", _path(doi), doi, {**record, "url": url}, expected=200)

    def publish(self, doi: str) -> None:
        """Makes a DOI findable, for ever."""
        self._send("PUT", _path(doi), doi, {"event": "publish"}, expected=200)

    def _change(self, method: str, path: str, doi: str, attributes: dict[str, Any], expected: int) -> None:
        if wrong := [k for k in _NEVER_SENT if k in attributes]:
            raise ValueError(f"{', '.join(wrong)} must never be part of a metadata record")
        self._send(method, path, doi, attributes, expected)

    def _send(self, method: str, path: str, doi: str, attributes: dict[str, Any], expected: int) -> None:
        body = json.dumps({"data": {"type": "dois", "attributes": attributes}}, ensure_ascii=False).encode()
        status, answer = self._request(method, path, body)
        if status == 201 and expected == 200:
            message = "the DOI was gone when it was to be changed, and the server made it anew: look at it"
            raise DataCiteRefused([Finding("doi_created", "error", message, value=doi)])
        if status != expected:
            raise _refusal(status, answer, doi)

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, dict[str, Any]]:
        """Status and answer; waits when the server asks for it, and asks again what changes nothing.

        Raises:
            Unanswered: there was no answer, or one that doesn't say what was done.
        """
        headers = {}
        if body is not None:
            headers["Content-Type"] = "application/vnd.api+json"
            if len(body) > GZIP_FROM:
                body = gzip.compress(body, mtime=0)
                headers["Content-Encoding"] = "gzip"
            if len(body) > MOST_BYTES:
                message = f"the record has {len(body):,} bytes compressed; the server takes {MOST_BYTES:,}"
                raise DataCiteRefused([Finding("doi_too_large", "error", message)])
        reply = self._web.send(method, path, body, headers)
        assert reply.status is not None
        found = reply.json()
        return reply.status, found if isinstance(found, dict) else {}


def _path(doi: str) -> str:
    return f"/dois/{urllib.parse.quote(doi, safe='/')}"


_MEANING = {
    401: "name or password of the account is wrong",
    403: "the account may not use this DOI or prefix",
    405: "the DOI is past being a draft and can't be deleted",
    413: "the record is larger than the server takes",
    429: "too many requests; wait five minutes",
}


def _refusal(status: int, answer: dict[str, Any], doi: str) -> DataCiteRefused:
    """The server's no, in its words; asking again wouldn't help."""
    errors = answer.get("errors") or []
    told = "; ".join(f"{e.get('source', '')} {e.get('title', '')}".strip() for e in errors if isinstance(e, dict))
    if "already been taken" in told:
        told += ". Another account has it, or another run has just made it: look with aqqua doi status"
    message = ": ".join(filter(None, (f"DataCite answered {status}", _MEANING.get(status), told)))
    return DataCiteRefused([Finding("doi_server", "error", message, value=doi)])
