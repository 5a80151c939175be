"""Files on SFTP servers, through the system's OpenSSH.

``ssh -s host sftp`` brings the connection, host keys, agent and ``~/.ssh/config``; what is spoken over it is the SFTP
protocol, version 3 (draft-ietf-secsh-filexfer-02), of which listing and reading is enough. No SFTP library is under
a permissive licence, and OpenSSH's own ``sftp`` lists names in a form that can't be read back.
"""

import contextlib
import os
import stat
import struct
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit

from aqqua_dataset.transfer.names import readable
from aqqua_dataset.transfer.remote import TIMEOUT_S, NotTheFile, RemoteFile

_INIT, _OPEN, _CLOSE, _READ, _OPENDIR, _READDIR, _REALPATH, _STAT = 1, 3, 4, 5, 11, 12, 16, 17
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS = 101, 102, 103, 104, 105
_EOF, _NO_SUCH_FILE, _DENIED = 1, 2, 3
_PIECE = 32 << 10  # what every server sends at once
_AHEAD = 32  # pieces asked for before the first arrives, so that distance costs no speed
_LARGEST_PACKET = 4 << 20


#: Seconds that ssh may take to end after its output has ended.
_LAST_WORDS_S = 10.0


class Sftp:
    """A folder or file of an SFTP server."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Connects with the first request.

        Args:
            url: ``sftp://host:port/path``; the host may be one of ``~/.ssh/config``. ``/~/`` is the login's folder.
            options: username, password, key_file (path of a private key), known_hosts (path).
        """
        self._url, self._options = urlsplit(url), options
        self._ssh: subprocess.Popen[bytes] | None = None
        self._cleanup = contextlib.ExitStack()
        self._number = 0
        self._answers: dict[int, tuple[int, bytes]] = {}
        self._path = unquote(self._url.path).removeprefix("/~/") or "/"

    def files(self) -> Iterator[RemoteFile]:
        """See ``Transport``; links to folders are not followed."""
        base = self._real(self._path.encode())
        kind, size, stamp = self._state(base)
        if not stat.S_ISDIR(kind):
            yield _file(base.rpartition(b"/")[2], base, size, stamp)
            return
        waiting = [base]
        while waiting:
            folder = waiting.pop()
            for name, (kind, size, stamp) in self._listed(folder):
                path = folder.rstrip(b"/") + b"/" + name
                if stat.S_ISLNK(kind):
                    try:
                        kind, size, stamp = self._state(path)
                    except NotTheFile:
                        continue  # a link to nowhere
                    if stat.S_ISDIR(kind):
                        continue
                if stat.S_ISDIR(kind):
                    waiting.append(path)
                elif stat.S_ISREG(kind):
                    yield _file(path.removeprefix(base).lstrip(b"/"), path, size, stamp)

    def read(self, file: RemoteFile, offset: int) -> tuple[int, Iterator[bytes]]:
        """See ``Transport``."""
        name = file.name.encode("latin-1")
        handle = self._opened(_OPEN, name, struct.pack(">II", 1, 0))
        return offset, self._blocks(handle, offset, file.size or 0)

    def _blocks(self, handle: bytes, offset: int, size: int) -> Iterator[bytes]:
        asked: deque[tuple[int, int, int]] = deque()
        while asked or offset < size:
            while offset < size and len(asked) < _AHEAD:
                length = min(_PIECE, size - offset)
                asked.append((self._ask(_READ, _text(handle) + struct.pack(">QI", offset, length)), offset, length))
                offset += length
            number, start, length = asked.popleft()
            kind, body = self._answer(number)
            if kind == _STATUS:
                if _code(body) == _EOF:
                    break  # shorter than it was when listed; who asked for it compares the size
                raise ConnectionError(f"the server can't read on: {_told(body)}")
            piece = _string(body, 0)[0]
            if len(piece) < length:  # servers may send less; ask for the rest
                rest = struct.pack(">QI", start + len(piece), length - len(piece))
                asked.appendleft((self._ask(_READ, _text(handle) + rest), start + len(piece), length - len(piece)))
            yield piece
        for number, _, _ in asked:
            self._answer(number)
        self._answer(self._ask(_CLOSE, _text(handle)))

    def _listed(self, folder: bytes) -> Iterator[tuple[bytes, tuple[int, int, str]]]:
        handle = self._opened(_OPENDIR, folder, b"")
        while True:
            kind, body = self._answer(self._ask(_READDIR, _text(handle)))
            if kind != _NAME:
                break
            (count,) = struct.unpack_from(">I", body)
            at = 4
            for _ in range(count):
                name, at = _string(body, at)
                _, at = _string(body, at)
                state, at = _attributes(body, at)
                if name not in (b".", b".."):
                    yield name, state
        self._answer(self._ask(_CLOSE, _text(handle)))

    def _opened(self, request: int, path: bytes, more: bytes) -> bytes:
        kind, body = self._answer(self._ask(request, _text(path) + more))
        if kind != _HANDLE:
            raise _refused(path, body)
        return _string(body, 0)[0]

    def _real(self, path: bytes) -> bytes:
        kind, body = self._answer(self._ask(_REALPATH, _text(path)))
        if kind != _NAME:
            raise _refused(path, body)
        return _string(body, 4)[0]

    def _state(self, path: bytes) -> tuple[int, int, str]:
        kind, body = self._answer(self._ask(_STAT, _text(path)))
        if kind != _ATTRS:
            raise _refused(path, body)
        return _attributes(body, 0)[0]

    def _ask(self, request: int, body: bytes) -> int:
        """Sends a request; returns its number."""
        _, sent = self._pipes()
        self._number += 1
        sent.write(struct.pack(">IBI", len(body) + 5, request, self._number) + body)
        sent.flush()
        return self._number

    def _answer(self, number: int) -> tuple[int, bytes]:
        """Kind and body of the answer to a request; answers to others are kept until they are asked for."""
        while number not in self._answers:
            packet = self._packet()
            self._answers[struct.unpack_from(">I", packet, 1)[0]] = packet[0], packet[5:]
        return self._answers.pop(number)

    def _packet(self) -> bytes:
        received, _ = self._pipes()
        head = received.read(4)
        length = struct.unpack(">I", head)[0] if len(head) == 4 else 0
        packet = received.read(length) if 0 < length <= _LARGEST_PACKET else b""
        if not packet or len(packet) < length:
            raise ConnectionError(f"the connection ended {self._last_words()}".rstrip())
        return packet

    def _last_words(self) -> str:
        """What ssh said before it ended."""
        if self._ssh is None or self._ssh.stderr is None:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._ssh.wait(_LAST_WORDS_S)  # its output ends a moment before it does
        if self._ssh.poll() is None:
            return ""
        return self._ssh.stderr.read().decode(errors="replace").strip()[-300:]

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """What comes from and what goes to the server."""
        if self._ssh is None:
            self._ssh = self._start()
            sent = cast("IO[bytes]", self._ssh.stdin)
            sent.write(struct.pack(">IBI", 5, _INIT, 3))
            sent.flush()
            try:
                self._packet()  # its version and extensions
            except ConnectionError as error:
                if any(sign in str(error) for sign in ("Permission denied", "verification failed", "not known by")):
                    raise NotTheFile("link_refused", f"ssh: {error}") from error
                raise
        return cast("IO[bytes]", self._ssh.stdout), cast("IO[bytes]", self._ssh.stdin)

    def _start(self) -> "subprocess.Popen[bytes]":
        wanted = {"ConnectTimeout": "30", "ServerAliveInterval": str(TIMEOUT_S // 4), "ServerAliveCountMax": "4"}
        environment = dict(os.environ)
        if "password" in self._options:
            wanted["NumberOfPasswordPrompts"] = "1"
            environment |= self._password_helper(str(self._options["password"]))
        else:
            wanted["BatchMode"] = "yes"
        if key := self._options.get("key_file"):
            wanted |= {"IdentityFile": f'"{Path(key).expanduser()}"', "IdentitiesOnly": "yes"}
        if hosts := self._options.get("known_hosts"):
            wanted["UserKnownHostsFile"] = f'"{Path(hosts).expanduser()}"'
        if self._url.port:
            wanted["Port"] = str(self._url.port)
        if "username" in self._options:
            wanted["User"] = str(self._options["username"])
        command = ["ssh", *(f"-o{name}={value}" for name, value in wanted.items()), "-s"]
        return subprocess.Popen(
            [*command, "--", self._url.hostname or "", "sftp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment, start_new_session=True, bufsize=_AHEAD * _PIECE,
        )  # fmt: skip

    def _password_helper(self, password: str) -> dict[str, str]:
        """Environment in which ssh asks a small program for the password, which then stands in no argument list."""
        folder = self._cleanup.enter_context(tempfile.TemporaryDirectory())
        helper = Path(folder, "ask")
        helper.write_text('#!/bin/sh\nprintf "%s\\n" "$AQQUA_SSH_PASSWORD"\n')
        helper.chmod(0o700)
        return {"SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force", "AQQUA_SSH_PASSWORD": password}

    def close(self) -> None:
        """Ends the connection."""
        if self._ssh is not None:
            self._ssh.terminate()
            with contextlib.suppress(BrokenPipeError):
                self._ssh.communicate()
            self._ssh = None
        self._answers.clear()
        self._cleanup.close()


def _file(path: bytes, full: bytes, size: int, stamp: str) -> RemoteFile:
    return RemoteFile(readable(path), full.decode("latin-1"), size, stamp)


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _string(body: bytes, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from(">I", body, at)
    return body[at + 4 : at + 4 + length], at + 4 + length


def _attributes(body: bytes, at: int) -> tuple[tuple[int, int, str], int]:
    """File type with permissions, size and time of change; and where the next field begins."""
    (flags,) = struct.unpack_from(">I", body, at)
    at += 4
    size, mode, changed = 0, 0, ""
    if flags & 1:
        (size,) = struct.unpack_from(">Q", body, at)
        at += 8
    if flags & 2:  # owner and group
        at += 8
    if flags & 4:
        (mode,) = struct.unpack_from(">I", body, at)
        at += 4
    if flags & 8:
        changed = str(struct.unpack_from(">II", body, at)[1])
        at += 8
    if flags & 0x80000000:
        (count,) = struct.unpack_from(">I", body, at)
        at += 4
        for _ in range(2 * count):
            _, at = _string(body, at)
    return (mode, size, changed), at


def _code(body: bytes) -> int:
    return int(struct.unpack_from(">I", body)[0])


def _told(body: bytes) -> str:
    return _string(body, 4)[0].decode(errors="replace") if len(body) > 8 else f"status {_code(body)}"


def _refused(path: bytes, body: bytes) -> Exception:
    message = f"{readable(path)}: {_told(body)}"
    if _code(body) in (_NO_SUCH_FILE, _DENIED):
        return NotTheFile("remote_file_unreadable", message)
    return ConnectionError(message)
