"""An IFCB dashboard on loopback that answers as ifcbdb does (its views, read in 2026), with real bins.

What a test wants to go wrong is told to ``Server.faults``, as for the EcoTaxa server.
"""

import contextlib
import csv
import datetime as dt
import io
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from serving import serving

Row = dict[str, str]


@dataclass
class Server:
    """The dashboard's table of bins and its files by name; ``metadata`` and ``listing`` say which addresses exist.

    A fault is ``cut:<bytes>``, ``503``, ``403``, ``429:<seconds>``, ``noranges`` or ``nolength``, for the next
    requests whose path begins so.
    """

    address: str = ""
    dataset: str = "mvco"
    rows: list[Row] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    metadata: bool = True
    listing: bool = False  # removed from dashboards in March 2026
    log: list[tuple[str, str]] = field(default_factory=list)  # path with query, range
    faults: dict[str, list[str]] = field(default_factory=dict)

    def asked(self, beginning: str) -> list[str]:
        return [path for path, _ in self.log if path.startswith(beginning)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server
    lock: threading.Lock

    def do_GET(self) -> None:
        place = urllib.parse.urlsplit(self.path)
        asked = {k: v[0] for k, v in urllib.parse.parse_qs(place.query).items()}
        with self.lock:
            self.state.log.append((self.path, self.headers.get("Range", "")))
            faults = [w for beginning, w in self.state.faults.items() if place.path.startswith(beginning) and w]
            fault = faults[0].pop(0) if faults else ""
        if fault[:3] in ("403", "429", "503"):
            self.send(int(fault[:3]), b"", retry=fault[4:])
        elif place.path.startswith("/api/"):
            self.table(place.path, asked)
        else:
            self.file(self.state.files.get(place.path.removeprefix("/data/")), fault)

    def table(self, path: str, asked: Row) -> None:
        name = urllib.parse.unquote(path.rpartition("/")[2])
        if path.startswith("/api/export_metadata/") and self.state.metadata and name == self.state.dataset:
            rows = self.within(asked)
            text = io.StringIO(newline="")
            if rows:
                writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
                self.send(200, text.getvalue().encode())
                return
        elif path == "/api/list_bins" and self.state.listing:
            known = self.within(asked) if asked["dataset"] == self.state.dataset else []
            listed = [{"pid": r["pid"], "sample_time": r["sample_time"], "skip": r["skip"] == "True"} for r in known]
            self.send(200, json.dumps({"data": listed}).encode())
            return
        self.send(404, b"<h1>Not Found</h1>")

    def within(self, asked: Row) -> list[Row]:
        """Bins between the days asked for; the end takes in the next day's midnight, as the real one does."""
        first = dt.datetime.fromisoformat(asked.get("start_date", "0001-01-01")).replace(tzinfo=dt.UTC)
        last = dt.datetime.fromisoformat(asked.get("end_date", "9000-01-01")).replace(tzinfo=dt.UTC)
        last += dt.timedelta(days=1)
        return [r for r in self.state.rows if first <= dt.datetime.fromisoformat(r["sample_time"]) <= last]

    def file(self, data: bytes | None, fault: str) -> None:
        if data is None:
            self.send(404, b"<h1>raw data not found</h1>")
            return
        asked = "" if fault == "noranges" else self.headers.get("Range", "")
        span = re.fullmatch(r"bytes=(\d+)-", asked)
        start = int(span[1]) if span else 0
        told = f"bytes {start}-{len(data) - 1}/{len(data)}" if span else ""
        self.send(206 if span else 200, data[start:], span=told, fault=fault)

    def send(self, status: int, data: bytes, retry: str = "", span: str = "", fault: str = "") -> None:
        self.send_response(status)
        for name, value in (("Retry-After", retry), ("Content-Range", span)):
            if value:
                self.send_header(name, value)
        if fault == "nolength":
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if fault.startswith("cut:"):
            data = data[: int(fault[4:])]
            self.close_connection = True
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def ifcb_server(**settings: Any) -> Iterator[Server]:
    """A fresh dashboard on a free port."""
    state = Server(**settings)
    with serving(_Handler, state) as running:
        yield running
