"""Connections that break: a proxy in front of real servers that counts, cuts and stalls; and a site that misbehaves."""

import contextlib
import http.server
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stores

PASSIVE = re.compile(rb"229 [^\r\n]*\(\|\|\|(\d+)\|\)|227 [^\r\n]*\((?:\d+,){4}(\d+),(\d+)\)")


class Wire:
    """Passes bytes on to a server of this machine.

    Attributes:
        port: where it listens.
        sent: bytes that went from the server to clients.
        cuts: at each of these counts the connection that is sending ends.
        down_after_cut: whether nobody can connect after the next cut, until ``up``.
        stall_at: at this count it falls silent.
    """

    def __init__(self, target: int, counts_as: "Wire | None" = None) -> None:
        self.target, self.sent, self.cuts = target, 0, list[int]()
        self.down_after_cut, self.down, self.stall_at = False, False, float("inf")
        self.without_mlsd = False
        self._total = counts_as or self
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._data: list[Wire] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def up(self) -> None:
        self.down = self.down_after_cut = False

    def close(self) -> None:
        for wire in self._data:
            wire.close()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._total.down:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            for pump in (self._to_client, self._to_server):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := client.recv(1 << 16)) and not self._total.down:
                server.sendall(data.replace(b"MLSD", b"XLSD") if self.without_mlsd else data)
            server.shutdown(socket.SHUT_WR)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        total = self._total
        with contextlib.suppress(OSError), _ended(client), _ended(server):
            while data := server.recv(1 << 14):
                client.sendall(self._rerouted(data))
                with total._lock:
                    total.sent += len(data)
                    cut = bool(total.cuts) and total.sent >= total.cuts[0]
                    if cut:
                        total.cuts.pop(0)
                        total.down = total.down_after_cut
                if cut:
                    return
                while total.sent >= total.stall_at:
                    time.sleep(0.05)

    def _rerouted(self, data: bytes) -> bytes:
        """FTP's answer to EPSV or PASV, with a port that leads through the proxy, too."""
        if (found := PASSIVE.search(data)) is None:
            return data
        wire = Wire(int(found[1] or 256 * int(found[2]) + int(found[3])), self._total)
        self._data.append(wire)
        if found[1]:
            return data.replace(b"|||" + found[1] + b"|", b"|||%d|" % wire.port)
        old = b"%d,%d)" % (int(found[2]), int(found[3]))
        return data.replace(old, b"%d,%d)" % divmod(wire.port, 256))


@contextlib.contextmanager
def _ended(connection: socket.socket) -> Iterator[None]:
    """Closes a connection even while another thread waits for it."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


@dataclass
class Place:
    """Where a served folder is found, through a wire."""

    url: str
    options: dict[str, Any]
    wire: Wire


@contextlib.contextmanager
def served(kind: str, folder: Path, scratch: Path) -> Iterator[Place]:
    """A real server over a folder whose sub-folder ``share`` is the delivery; needs USER_NAME and PASSWORD."""
    login = ["--user", "anna", "--pass", "a b&c"]
    named = {"username_env": "USER_NAME", "password_env": "PASSWORD"}
    options: dict[str, list[str]] = {"ftp": login, "webdav": login, "http": [], "s3": ["--auth-key", "key,secret"]}
    if kind == "sftp":
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(scratch / name)]
            subprocess.run(command, check=True)
        options["sftp"] = [*login, "--key", f"{scratch}/host", "--authorized-keys", f"{scratch}/user.pub"]
    with stores.rclone(kind, folder, "--dir-cache-time", "0s", *options[kind]) as port:
        wire = Wire(port)
        host = f"127.0.0.1:{wire.port}"
        try:
            if kind == "s3":
                config = stores.LENIENT | {"retries": {"max_attempts": 0}}
                yield Place("s3://share", {"endpoint_url": f"http://{host}", "config_kwargs": config}, wire)
            elif kind == "http":
                yield Place(f"http://{host}/share/big.bin", {}, wire)
            elif kind == "sftp":
                known = scratch / "known hosts"
                known.write_text(f"[127.0.0.1]:{wire.port} {(scratch / 'host.pub').read_text()}")
                keys = {"key_file": f"{scratch}/user", "known_hosts": str(known)}
                yield Place(f"sftp://{host}/share", {"username_env": "USER_NAME", **keys}, wire)
            else:
                yield Place(f"{kind}://{host}/share", named, wire)
        finally:
            wire.close()


@dataclass
class Page:
    """What a site answers under a path.

    The first answer that is read ends after ``breaks_once_at`` bytes; then it ``becomes`` another page.
    """

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    ranges: bool = True
    length: bool = True
    breaks_once_at: int = 0
    becomes: "Page | None" = None


@contextlib.contextmanager
def site(pages: dict[str, Page]) -> Iterator[tuple[str, list[str]]]:
    """A web server over pages that may change; yields its address and a log of paths and ranges asked for."""
    log: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            log.append(f"{self.path} {asked}".strip())
            page = pages.get(self.path, Page(b"gone", status=404))
            body, status = page.body, page.status
            extra = dict(page.headers)
            known = self.headers.get("If-Range") in (None, page.headers.get("ETag"))
            if status == 200 and page.ranges and known and (found := re.fullmatch(r"bytes=(\d+)-(\d*)", asked)):
                start, end = int(found[1]), min(int(found[2] or len(body) - 1), len(body) - 1)
                status = 206 if start < len(body) else 416
                told = f"{start}-{end}" if status == 206 else "*"
                extra["Content-Range"] = f"bytes {told}/{len(body)}"
                body = body[start : end + 1] if status == 206 else b""
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value.encode().decode("latin-1"))
            if page.length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if page.breaks_once_at and asked != "bytes=0-0":
                body, page.breaks_once_at = body[: page.breaks_once_at], 0
                pages[self.path] = page.becomes or page
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", log
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
