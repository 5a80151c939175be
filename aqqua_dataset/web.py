"""Asks web servers: once in a while, again when it may help, and only where it was told to.

Shared by everything that talks to a service (DataCite, EcoTaxa, IFCB dashboards). Redirects are not followed, so that
a password or token goes nowhere else; waits asked for by the server (Retry-After) are kept.
"""

import datetime as dt
import email.utils
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import IO, Any

#: Seconds to wait for an answer.
TIMEOUT = 120.0

_TRIES = 4
_FIRST_WAIT = 2.0  # seconds, doubled each time
_LONGEST_WAIT = 600.0  # seconds
_PIECE = 1 << 20
_PASSING = (500, 502, 503, 504)


class Unanswered(Exception):
    """No answer that says whether a change was made: a time-out, a broken connection or a 5xx."""


@dataclass(frozen=True)
class Reply:
    """An answer; ``headers`` are in small letters. ``status`` is None where there was none."""

    status: int | None
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The answer as JSON; None where it is none."""
        try:
            return json.loads(self.data)
        except ValueError:
            return None


class Web:
    """One server. ``changes`` counts the requests that could change something. Safe to use from several threads."""

    def __init__(
        self, address: str, headers: Mapping[str, str], timeout: float = TIMEOUT,
        wait: Callable[[float], None] = time.sleep, pause: float = 0.0,
    ) -> None:  # fmt: skip
        """Connects to nothing yet.

        Args:
            address: of the server, without the path that requests name.
            headers: sent with every request, ``User-Agent`` among them.
            timeout: seconds to wait for an answer.
            wait: how to wait.
            pause: least seconds from the start of one request to that of the next.
        """
        self.address, self.headers, self.changes = address.rstrip("/"), dict(headers), 0
        self._timeout, self._wait, self._pause = timeout, wait, pause
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._lock, self._next = threading.Lock(), 0.0

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> Reply:  # fmt: skip
        """The answer to a request, whatever its status; asks again when told to, and after no answer or a 5xx.

        Args:
            method: GET, POST, ...
            path: with its query, from the address on.
            body: what is sent.
            headers: further ones.
            repeatable: whether it may be asked again without knowing what the first one did; GET alone by default.

        Raises:
            Unanswered: there was no answer, or one that doesn't say what was done.
        """
        repeatable = method == "GET" if repeatable is None else repeatable
        for tried in range(_TRIES):
            reply = self._try(method, path, body, headers)
            if reply.status == 429:  # refused before anything was done, so it may be asked again
                again = True
            elif reply.status is None or reply.status >= 500:
                again = repeatable
            else:
                return reply
            if not again or tried == _TRIES - 1:
                if reply.status == 429:
                    return reply
                raise Unanswered(f"{method} {path.partition('?')[0]}: {reply.status or 'no answer'}")
            self._wait(seconds(reply.headers.get("retry-after"), self._otherwise(reply, tried)))
        raise AssertionError("unreachable")

    def fetch(self, path: str, target: IO[bytes], start: int = 0, end: int | None = None) -> Reply:
        """Writes a file's bytes from ``start`` to before ``end`` into a stream; goes on where a connection broke.

        Returns:
            Status 200 (the whole file, from its beginning) or 206 (the bytes asked for), with the headers of the last
            answer and no data; or another status with what the server says, nothing having been written.

        Raises:
            Unanswered: it broke off too often, or the file became another one on the way.
        """
        done, stamp, status = start, "", 206
        for tried in range(_TRIES):
            whole = done == 0 and end is None
            span = {} if whole else {"Range": f"bytes={done}-{'' if end is None else end - 1}"}
            before = done
            reply, got = self._stream(path, span, target, expect=done)
            done += got
            if reply.status == 200 and (start or (end is not None and before)):
                raise Unanswered(f"GET {path.partition('?')[0]}: the server gives no part of a file")
            if reply.status in (200, 206):
                status = reply.status if before == start else status
                told = reply.headers.get("etag") or reply.headers.get("last-modified", "")
                if stamp and told != stamp:
                    raise Unanswered(f"GET {path.partition('?')[0]}: the file changed while it was fetched")
                stamp = told
                if not reply.data:
                    return Reply(status, b"", reply.headers)
            elif reply.status is not None and reply.status != 429 and reply.status not in _PASSING:
                if done > start:
                    raise Unanswered(f"GET {path.partition('?')[0]}: {reply.status} after {done - start:,} bytes")
                return reply
            if tried < _TRIES - 1:
                self._wait(seconds(reply.headers.get("retry-after"), self._otherwise(reply, tried)))
        raise Unanswered(f"GET {path.partition('?')[0]}: broke off after {done - start:,} bytes")

    @staticmethod
    def _otherwise(reply: Reply, tried: int) -> float:
        return 30.0 if reply.status == 429 else _FIRST_WAIT * 2**tried

    def _try(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> Reply:
        self.changes += method != "GET"
        self._take_turn()
        request = urllib.request.Request(self.address + path, body, {**self.headers, **(headers or {})}, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return Reply(response.status, response.read(), _small(response.headers))
        except urllib.error.HTTPError as error:
            return _refused(error)
        except (OSError, HTTPException):  # no connection, a time-out, an answer cut short
            return Reply(None)

    def _stream(self, path: str, span: Mapping[str, str], target: IO[bytes], expect: int) -> tuple[Reply, int]:
        """One request for a file; its bytes go to the target. ``data`` of the reply says why it ended too early."""
        self._take_turn()
        request = urllib.request.Request(self.address + path, headers={**self.headers, **span})
        got, told = 0, Reply(None)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                told = Reply(response.status, b"", _small(response.headers))
                if response.status == 200:  # the server knows no ranges: what is there already is skipped
                    _skip(response, expect)
                while piece := response.read(_PIECE):
                    target.write(piece)
                    got += len(piece)
            short = _expected(told, expect) - got
        except urllib.error.HTTPError as error:
            return _refused(error), 0
        except (OSError, HTTPException):
            short = 1
        return (told if short <= 0 else Reply(told.status, b"cut", told.headers)), got

    def _take_turn(self) -> None:
        if self._pause:
            with self._lock:
                now = time.monotonic()
                turn = max(now, self._next)
                self._next = turn + self._pause
            if turn > now:
                self._wait(turn - now)


def query(path: str, **values: str | int) -> str:
    """A path with a query."""
    return f"{path}?{urllib.parse.urlencode(values)}" if values else path


def seconds(retry_after: str | None, otherwise: float = 30.0) -> float:
    """Retry-After in seconds: a number or an HTTP date."""
    text = (retry_after or "").strip()
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return otherwise
    now = dt.datetime.now(dt.UTC)
    return min(max(0.0, (until.replace(tzinfo=until.tzinfo or dt.UTC) - now).total_seconds()), _LONGEST_WAIT)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A secret goes nowhere else than where it was told to."""

    def redirect_request(self, *_: Any) -> None:
        """Follows nothing."""


def _small(headers: Any) -> dict[str, str]:
    return {str(k).lower(): str(v) for k, v in headers.items()}


def _refused(error: urllib.error.HTTPError) -> Reply:
    with error:
        try:
            data = error.read()
        except (OSError, HTTPException):
            data = b""
        return Reply(error.code, data, _small(error.headers))


def _skip(response: Any, count: int) -> None:
    while count > 0 and (piece := response.read(min(_PIECE, count))):
        count -= len(piece)


def _expected(reply: Reply, skipped: int) -> int:
    """Bytes that an answer announced; none where it announced nothing."""
    length = reply.headers.get("content-length", "")
    if not length.isdecimal():
        return 0
    return int(length) - (skipped if reply.status == 200 else 0)
