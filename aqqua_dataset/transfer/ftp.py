"""Files on FTP servers, with or without TLS."""

import ftplib
import posixpath
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from aqqua_dataset.transfer.names import readable
from aqqua_dataset.transfer.remote import BLOCK, TIMEOUT_S, NotTheFile, RemoteFile

_BROKEN = (ftplib.error_temp, ftplib.error_reply, ftplib.error_proto, EOFError)


class Ftp:
    """A folder or file of an FTP server.

    Names travel as Latin-1, which keeps every byte, and are shown as UTF-8 where they are.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Connects with the first request; ``options`` may hold username and password (else anonymous)."""
        self._url = urlsplit(url)
        self._options = options
        self._open: ftplib.FTP | None = None
        self._base = unquote(self._url.path).encode().decode("latin-1").rstrip("/") or "/"

    def _connected(self) -> ftplib.FTP:
        if self._open is None:
            secure = self._url.scheme.lower() == "ftps"
            made: ftplib.FTP = ftplib.FTP_TLS(context=ssl.create_default_context()) if secure else ftplib.FTP()
            made.encoding = "latin-1"
            try:
                made.connect(self._url.hostname or "", self._url.port or 0, TIMEOUT_S)
                made.login(str(self._options.get("username", "")), str(self._options.get("password", "")))
                if isinstance(made, ftplib.FTP_TLS):
                    made.prot_p()
                made.voidcmd("TYPE I")
            except ftplib.error_perm as error:
                made.close()
                raise NotTheFile("link_refused", f"the server refuses: {error}") from error
            except _BROKEN as error:
                made.close()
                raise ConnectionError(str(error)) from error
            self._open = made
        return self._open

    def files(self) -> Iterator[RemoteFile]:
        """See ``Transport``."""
        try:
            yield from self._below(self._base)
        except ftplib.error_perm as error:
            raise NotTheFile("link_refused", f"the server refuses: {error}") from error
        except _BROKEN as error:
            raise ConnectionError(str(error)) from error

    def _below(self, base: str) -> Iterator[RemoteFile]:
        waiting = [base]
        while waiting:
            folder = waiting.pop()
            for path, kind, size, stamp in self._listed(folder):
                if kind == "dir":
                    waiting.append(path)
                elif kind == "file":
                    shown = path.removeprefix(base).lstrip("/") or posixpath.basename(path)
                    yield RemoteFile(readable(shown.encode("latin-1")), path, size, stamp)

    def _listed(self, folder: str) -> Iterator[tuple[str, str, int | None, str]]:
        """Path, kind, bytes and stamp of what lies in a folder: MLSD (RFC 3659), else name by name."""
        ftp = self._connected()
        try:
            found = list(ftp.mlsd(folder))  # without OPTS, which some refuse
        except ftplib.error_perm as error:
            if not str(error).startswith("50"):  # 500 and 502: the server doesn't know the command
                raise
            yield from self._one_by_one(folder)
            return
        for name, facts in found:
            size = facts.get("size", "")
            kind = facts.get("type", "file").lower()
            path = folder if kind == "file" and name == folder else posixpath.join(folder, name)
            yield path, kind, int(size) if size.isdigit() else None, facts.get("modify", "")

    def _one_by_one(self, folder: str) -> Iterator[tuple[str, str, int | None, str]]:
        ftp = self._connected()
        for name in sorted(posixpath.basename(n) for n in ftp.nlst(folder)):
            path = posixpath.join(folder, name)
            if name in (".", ".."):
                continue
            try:
                ftp.cwd(path)
            except ftplib.error_perm:
                yield path, "file", ftp.size(path), ftp.voidcmd(f"MDTM {path}").partition(" ")[2]
            else:
                ftp.cwd("/")
                yield path, "dir", None, ""

    def read(self, file: RemoteFile, offset: int) -> tuple[int, Iterator[bytes]]:
        """See ``Transport``."""
        ftp = self._connected()
        try:
            try:
                data = ftp.transfercmd(f"RETR {file.name}", offset or None)
            except ftplib.error_perm as error:
                if not offset or str(error).startswith("550"):
                    raise
                offset, data = 0, ftp.transfercmd(f"RETR {file.name}")  # no REST here
        except (ftplib.error_perm, ValueError) as error:  # ValueError: a line break in the name
            raise NotTheFile("remote_file_unreadable", f"the server refuses: {error}") from error
        except _BROKEN as error:
            raise ConnectionError(str(error)) from error
        return offset, self._blocks(data, None if file.size is None else file.size - offset)

    def _blocks(self, data: socket.socket, expected: int | None) -> Iterator[bytes]:
        received = 0
        with data:
            while block := data.recv(BLOCK):
                received += len(block)
                yield block
        if expected is not None and received < expected:
            raise ConnectionError("the connection ended")  # some servers then never answer
        try:
            self._connected().voidresp()
        except (ftplib.error_perm, *_BROKEN) as error:
            raise ConnectionError(str(error)) from error

    def close(self) -> None:
        """Ends the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None
