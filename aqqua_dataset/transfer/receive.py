"""One file at a time, whole or not at all: received, resumed at the byte after a cut, counted and hashed."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from aqqua_dataset import space
from aqqua_dataset.transfer.remote import NotTheFile, RemoteFile, Transport, open_transport
from aqqua_dataset.transfer.staging import digests_of

#: Attempts in a row that bring no byte, before a file is left for the next run.
ATTEMPTS = 5
#: Seconds before the second attempt; twice as many before each further one.
PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class LinkPlace:
    """One of a contribution's links.

    Attributes:
        url: the whole link, which may be a secret.
        shown: how it is named in logs and findings.
        options: for its transport; secrets by the names of variables.
    """

    url: str
    shown: str
    options: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Hash by which the link is known again."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    def hide(self, text: str) -> str:
        """A text without what of the link isn't shown: libraries put whole links into their messages."""
        parts = urlsplit(self.url) if "://" in self.url else None
        if parts is None or self.shown == self.url:
            return text
        pieces = [self.url, f"{parts.path}?{parts.query}", parts.query]
        if self.shown != self.url.partition("?")[0]:  # the link is a secret as a whole
            pieces += [parts.path, unquote(parts.path), parts.netloc, parts.hostname or ""]
        for piece in sorted((p for p in pieces if len(p) > 1), key=len, reverse=True):
            text = text.replace(piece, self.shown)
        return text


class Connections:
    """A connection for each thread and link, opened when it is first used."""

    def __init__(self, links: list[LinkPlace]) -> None:
        """Opens nothing yet."""
        self._links = links
        self._lock = threading.Lock()
        self._open: dict[tuple[int, int], Transport] = {}

    def __enter__(self) -> "Connections":
        """The connections themselves; leaving ends them all."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every connection."""
        for transport in self._open.values():
            transport.close()

    def get(self, link: int) -> Transport:
        """This thread's connection."""
        key = (threading.get_ident(), link)
        if key not in self._open:
            place = self._links[link]
            made = open_transport(place.url, place.options)
            with self._lock:
                self._open[key] = made
        return self._open[key]

    def drop(self, link: int) -> None:
        """Ends this thread's connection, so that the next attempt has a fresh one."""
        with self._lock:
            transport = self._open.pop((threading.get_ident(), link), None)
        if transport is not None:
            transport.close()


@dataclass(frozen=True)
class Received:
    """A file that has arrived: bytes, digests, and whether it had to be begun anew because of the server."""

    size: int
    hashes: dict[str, str]
    began_anew: bool


@dataclass
class Receiver:
    """Receives files into parts.

    Attributes:
        connections: where they come from.
        count: told the bytes of each block that arrives.
    """

    connections: Connections
    count: Callable[[int], None]

    def receive(self, file: RemoteFile, part: Path, algorithms: Iterable[str]) -> Received:
        """Brings a file, going on after cuts as long as each attempt brings something.

        Raises:
            OSError: the source can't be reached any more; what has arrived stays in the part.
            NotTheFile: the source has something else, or nothing.
        """
        attempts, anew = 0, False
        while True:
            before = _length(part)
            try:
                found = self._once(file, part, {"sha256", *algorithms})
                return Received(found.size, found.hashes, anew or found.began_anew)
            except NotTheFile:
                self.connections.drop(file.link)
                raise
            except OSError:
                self.connections.drop(file.link)
                attempts = 1 if _length(part) > before else attempts + 1
                if attempts >= ATTEMPTS:
                    raise
                time.sleep(pause(attempts))

    def _once(self, file: RemoteFile, part: Path, algorithms: set[str]) -> Received:
        held = _length(part)
        if file.size is not None and held > file.size:
            held = 0
        digests = digests_of(part, held, algorithms)
        anew = False
        if file.size is None or held < file.size or not part.exists():
            start, blocks = self.connections.get(file.link).read(file, held)
            if start != held:
                digests, held, anew = digests_of(part, start, algorithms), start, True
            held = self._append(part, held, blocks, digests)
        if file.size is not None and held < file.size:
            raise ConnectionError(f"the connection ended after {held:,} of {file.size:,} bytes")
        if file.size is not None and held > file.size:
            part.unlink()
            raise ConnectionError(f"{held:,} bytes came, {file.size:,} were announced")
        return Received(held, {name: digest.hexdigest() for name, digest in digests.items()}, anew)

    def _append(
        self, part: Path, held: int, blocks: Iterable[bytes], digests: "dict[str, hashlib._Hash]"
    ) -> int:  # fmt: skip
        """Adds blocks to a part from a byte on; returns its length. Raises NoSpace."""
        with space.needed():
            stream = part.open("r+b" if part.exists() else "wb", buffering=0)
        with stream:
            stream.truncate(held)
            stream.seek(held)
            for block in blocks:
                with space.needed():
                    view = memoryview(block)
                    while view:
                        view = view[stream.write(view) :]
                for digest in digests.values():
                    digest.update(block)
                held += len(block)
                self.count(len(block))
        return held


def pause(attempts: int) -> float:
    """Seconds to wait after so many attempts in vain."""
    return float(min(PAUSE_S * 2 ** (attempts - 1), _LONGEST_PAUSE_S))


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
