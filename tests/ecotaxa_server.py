"""An EcoTaxa server on loopback that behaves as the real one was read to (ecotaxa_back, June 2026).

Written from the list of endpoints and from real exports, and not from the client: it holds a project as the rows of an
export, answers the object query and the searches out of them, and zips them up again as an export job does. What a
test wants to go wrong is told to ``Server.faults``.
"""

import contextlib
import csv
import io
import json
import re
import threading
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from serving import serving

USER, PASSWORD = "reader@example.org", "a secret: word"
READER = {"id": 77, "name": "AqQua", "email": "reader@example.org"}
MANAGER = {"id": 5, "name": "Mia Manager", "email": "mia@example.org"}
Row = dict[str, str]

_OWN = ("lat", "lon", "date", "time", "link", "depth_min", "depth_max", "id")


@dataclass(frozen=True)
class Seen:
    """One request as it came; headers in small letters."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Project:
    """A project: its rows as an export gives them, its images by the name in the table, and its settings."""

    number: int
    rows: list[Row]
    images: dict[str, bytes]
    right: str = "Manage"
    settings: dict[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()  # images that the vault has lost

    def columns(self, prefix: str, without: tuple[str, ...]) -> list[str]:
        names = [c for c in self.rows[0] if c.startswith(prefix)]
        return [c.removeprefix(prefix) for c in names if c.removeprefix(prefix) not in without]

    @property
    def free(self) -> list[str]:
        return [c for c in self.columns("object_", _OWN) if not c.startswith("annotation_")]

    def objects(self) -> list[list[Row]]:
        """Rows of each object, by its number."""
        found: dict[int, list[Row]] = {}
        for row in self.rows:
            found.setdefault(int(row["objid"]), []).append(row)
        return [sorted(found[n], key=lambda r: int(r["img_rank"])) for n in sorted(found)]

    def told(self) -> dict[str, Any]:
        def numbered(names: list[str], letter: str) -> dict[str, str]:
            return {n: f"{letter}{i:02d}" for i, n in enumerate(names, 1)}

        return {
            "projid": self.number, "title": f"Net hauls {self.number}", "visible": True, "instrument": "Zooscan",
            "status": "Annotate", "access": "1", "objcount": float(len(self.objects())), "pctvalidated": 12.5,
            "comments": "ask mia@example.org",
            "obj_free_cols": numbered(self.free, "n"),
            "sample_free_cols": numbered(self.columns("sample_", ("id", "dataportal_descriptor")), "t"),
            "acquisition_free_cols": numbered(self.columns("acq_", ("id", "instrument")), "t"),
            "process_free_cols": numbered(self.columns("process_", ("id",)), "t"),
            "managers": [MANAGER], "annotators": [], "viewers": [], "contact": MANAGER,
            "formulae": "total_water_volume: sam.tot_vol/1000", "highest_right": self.right, **self.settings,
        }  # fmt: skip


@dataclass
class Server:
    """What the server holds and was asked; ``faults`` are done to the next requests whose path begins so.

    A fault is ``429:<seconds>``, ``503``, ``cut:<bytes>`` (the connection breaks behind them), ``expired`` (the tokens
    given so far end), ``noranges``, or ``html`` (a page in the place of a file).
    """

    address: str = ""
    projects: dict[int, Project] = field(default_factory=dict)
    users: list[dict[str, Any]] = field(default_factory=lambda: [READER, MANAGER])
    me: dict[str, Any] = field(default_factory=lambda: dict(READER))
    migrated: dict[int, int] = field(default_factory=dict)
    log: list[Seen] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    jobs: dict[int, dict[str, Any]] = field(default_factory=dict)
    states: list[str] = field(default_factory=lambda: ["P", "R", "F"])  # what a job goes through, look by look
    result: bytes | None = None  # in the place of what a job makes
    put: list[str] = field(default_factory=list)  # settings that were sent
    meddle: dict[str, Any] = field(default_factory=dict)  # what else changes with the next settings sent

    def asked(self, method: str, beginning: str) -> list[Seen]:
        return [s for s in self.log if s.method == method and s.path.startswith(beginning)]


def project_of(folder: Path, number: int, **changes: Any) -> Project:
    """A project from a real export with images (tables in a folder, images as the tables name them)."""
    rows: list[Row] = []
    images: dict[str, bytes] = {}
    for table in sorted(folder.glob("ecotaxa_*.tsv")):
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows += [dict(r) for r in csv.DictReader(stream, delimiter="\t")]
    ids = sorted({r["object_id"] for r in rows})
    for row in rows:
        images[row["img_file_name"]] = (folder / row["img_file_name"]).read_bytes()
        row["objid"] = str(number * 100_000_000 + 1 + ids.index(row["object_id"]))
        row["classif_who"] = "5"
        row["object_annotation_person_name"] = "Ann Otator"
        row["object_annotation_person_email"] = "ann@example.org"
    return Project(number, rows, images, **changes)


def export_zip(project: Project) -> bytes:
    """The zip of an export job: one table for each sample, images beside it, and the job's log."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for sample in sorted({r["sample_id"] for r in project.rows}):
            rows = [r for r in project.rows if r["sample_id"] == sample]
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, list(rows[0]), delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
            archive.writestr(f"ecotaxa_{sample}.tsv", text.getvalue().encode("utf-8-sig"))
        for name, data in project.images.items():
            if name not in project.skipped:
                archive.writestr(name, data)
        archive.writestr("job_9.log", "asked by reader@example.org")
    return made.getvalue()


def _taxon(name: str) -> int:
    return 10_000 + sum(name.encode()) * 7 % 80_000


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server
    lock: threading.Lock

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        place = urllib.parse.urlsplit(self.path)
        headers = {k.lower(): v for k, v in self.headers.items()}
        with self.lock:
            seen = Seen(self.command, place.path, place.query, headers, body)
            self.state.log.append(seen)
            fault = self.fault(place.path)
            if fault.startswith("429"):
                self.send(429, b"{}", retry=fault[4:])
            elif fault == "503":
                self.send(503, b"")
            elif place.path.startswith("/vault/"):
                self.file(self.vault(place.path), fault)
            else:
                if fault == "expired":
                    self.state.tokens.clear()
                self.api(seen, place.path.removeprefix("/api"), fault)

    def fault(self, path: str) -> str:
        for beginning, waiting in self.state.faults.items():
            if path.startswith(beginning) and waiting:
                return waiting.pop(0)
        return ""

    def api(self, seen: Seen, path: str, fault: str) -> None:
        if path == "/login":
            told = json.loads(seen.body)
            if (told["username"], told["password"]) != (USER, PASSWORD):
                self.told(403, {"detail": "no such user"})
                return
            token = f"token-{len(self.state.log)}"
            self.state.tokens.add(token)
            self.told(200, token)
            return
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.state.tokens:
            self.told(401, {"detail": "Could not validate credentials"})
            return
        asked = {k: v[0] for k, v in urllib.parse.parse_qs(seen.query).items()}
        if match := re.fullmatch(r"/jobs/(\d+)/file", path):
            job = self.state.jobs.get(int(match[1]))
            self.file(None if job is None else job["data"], fault)
            return
        for method, pattern, answer in _ROUTES:
            if method == seen.method and (match := re.fullmatch(pattern, path)):
                status, found = answer(self, asked, seen.body, *match.groups())
                self.told(status, found, fault)
                return
        self.told(404, {"detail": "Not Found"})

    def project(self, number: str) -> Project | None:
        return self.state.projects.get(int(number))

    def vault(self, path: str) -> bytes | None:
        match = re.fullmatch(r"/vault/(\d{4})/(\d{4})\.(\w+)", path)
        if match is None:
            return None
        number = int(match[1]) * 10_000 + int(match[2])
        for project in self.state.projects.values():
            for index, name in enumerate(sorted(project.images)):
                if project.number * 1_000 + index == number and name not in project.skipped:
                    return project.images[name]
        return None

    # --- answers

    def settings(self, asked: Row, _: bytes, number: str) -> tuple[int, Any]:
        project = self.project(number)
        if project is None:
            return 404, {"detail": "NOT_FOUND"}
        if asked.get("for_managing") and project.right != "Manage":
            return 403, {"detail": "NOT_AUTHORIZED"}
        return 200, project.told()

    def change(self, _: Row, body: bytes, number: str) -> tuple[int, Any]:
        project = self.project(number)
        if project is None or project.right != "Manage":
            return 403, {"detail": "NOT_AUTHORIZED"}
        told = json.loads(body)
        if not told.get("contact"):
            return 422, {"detail": "A valid Contact is needed."}
        self.state.put.append(body.decode())
        project.settings |= told | self.state.meddle
        return 200, None

    def search(self, asked: Row, _: bytes) -> tuple[int, Any]:
        listed = [p.told() for _, p in sorted(self.state.projects.items())]
        start = int(asked["window_start"])
        return 200, listed[start : start + int(asked["window_size"])]

    def user(self, _: Row, __: bytes, number: str) -> tuple[int, Any]:
        found = [u for u in self.state.users if str(u["id"]) == number]
        if number == "me":
            found = [self.state.me]
        return (200, found[0]) if found else (404, {"detail": "User not found"})

    def find_user(self, asked: Row, _: bytes) -> tuple[int, Any]:
        return 200, [u for u in self.state.users if asked["by_name"].strip("%").lower() in u["name"].lower()]

    def export(self, _: Row, body: bytes) -> tuple[int, Any]:
        request = json.loads(body)["request"]
        project = self.state.projects[int(request["project_id"])]
        assert request["split_by"] in ("sample", "acquisition", "none")
        if request["with_images"] != "none" and project.right != "Manage":
            return 403, {"detail": "NOT_AUTHORIZED"}
        number = len(self.state.jobs) + 1
        data = export_zip(project) if self.state.result is None else self.state.result
        self.state.jobs[number] = {"states": list(self.state.states), "data": data}
        return 200, {"errors": [], "warnings": [], "job_id": number}

    def job(self, _: Row, __: bytes, number: str) -> tuple[int, Any]:
        job = self.state.jobs.get(int(number))
        if job is None:
            return 404, {"detail": "Job not found"}
        state = job["states"].pop(0) if len(job["states"]) > 1 else job["states"][0]
        errors = ["disk full, tell root@example.org"] if state == "E" else []
        return 200, {"id": int(number), "owner_id": 77, "type": "GeneralExport", "state": state, "errors": errors,
                     "progress_pct": 40, "progress_msg": "Row 10000"}  # fmt: skip

    def drop_job(self, _: Row, __: bytes, number: str) -> tuple[int, Any]:
        return (200, 0) if self.state.jobs.pop(int(number), None) else (404, {"detail": "Job not found"})

    def query(self, asked: Row, _: bytes, number: str) -> tuple[int, Any]:
        project = self.project(number)
        if project is None or not project.right:
            return 403, {"detail": "NOT_AUTHORIZED"}
        assert asked["order_field"] == "obj.objid"
        objects = project.objects()
        start = int(asked["window_start"])
        some = objects[start : start + int(asked["window_size"])]
        fields = asked["fields"].split(",")
        return 200, {
            "object_ids": [int(o[0]["objid"]) for o in some],
            "acquisition_ids": [self.number(project, "acq_id", o[0]) for o in some],
            "sample_ids": [self.number(project, "sample_id", o[0]) for o in some],
            "project_ids": [project.number for _ in some],
            "details": [[self.value(project, o, f) for f in fields] for o in some],
            "total_ids": len(objects),
        }

    def number(self, project: Project, column: str, row: Row) -> int:
        each = 10_000_000 if column == "acq_id" else 1_000_000
        return project.number * each + sorted({r[column] for r in project.rows}).index(row[column])

    def value(self, project: Project, rows: list[Row], name: str) -> Any:
        prefix, _, of = name.partition(".")
        first = rows[0]
        if prefix == "img":
            return self.image(project, first)[of]
        if prefix == "txo":
            return first["object_annotation_category"] or None
        if prefix == "fre":
            return _number(first[f"object_{of}"])
        return {
            "orig_id": first["object_id"], "latitude": _number(first["object_lat"]), "imgcount": len(rows),
            "longitude": _number(first["object_lon"]), "objdate": first["object_date"], "objtime": first["object_time"],
            "object_link": first["object_link"], "depth_min": _number(first["object_depth_min"]),
            "depth_max": _number(first["object_depth_max"]), "complement_info": first.get("complement_info") or None,
            "classif_qual": {"predicted": "P", "validated": "V", "dubious": "D"}.get(first["object_annotation_status"]),
            "classif_id": _taxon(first["object_annotation_category"]) if first["object_annotation_category"] else None,
        }[of]  # fmt: skip

    def image(self, project: Project, row: Row) -> dict[str, Any]:
        name = row["img_file_name"]
        number = project.number * 1_000 + sorted(project.images).index(name)
        ending = name.rpartition(".")[2]
        return {
            "imgid": number, "imgrank": int(row["img_rank"]), "orig_file_name": name.rpartition("/")[2],
            "file_name": f"{number // 10_000:04d}/{number % 10_000:04d}.{ending}",
        }  # fmt: skip

    def one_object(self, _: Row, __: bytes, number: str) -> tuple[int, Any]:
        for project in self.state.projects.values():
            for rows in project.objects():
                if rows[0]["objid"] == number:
                    return 200, {"objid": int(number), "images": [self.image(project, r) for r in rows]}
        return 404, {"detail": "Object not found"}

    def samples(self, asked: Row, _: bytes) -> tuple[int, Any]:
        return 200, self.parents("sample", "sample_id", asked["project_ids"])

    def acquisitions(self, asked: Row, _: bytes) -> tuple[int, Any]:
        return 200, self.parents("acquis", "acq_id", asked["project_id"])

    def process(self, _: Row, __: bytes, number: str) -> tuple[int, Any]:
        for project in self.state.projects.values():
            for row in project.rows:
                if self.number(project, "acq_id", row) == int(number):
                    columns = project.columns("process_", ("id",))
                    free = {c: row[f"process_{c}"] for c in columns}
                    return 200, {"processid": int(number), "orig_id": row["process_id"], "free_columns": free}
        return 404, {"detail": "Process not found"}

    def parents(self, kind: str, column: str, number: str) -> list[dict[str, Any]]:
        project = self.state.projects[int(number)]
        first: dict[str, Row] = {}
        for row in project.rows:
            first.setdefault(row[column], row)
        prefix = column.removesuffix("id")
        columns = project.columns(prefix, ("id", "dataportal_descriptor", "instrument"))
        return [
            {
                f"{kind}id": self.number(project, column, row), "orig_id": name,
                "instrument": row["acq_instrument"], "dataportal_descriptor": row["sample_dataportal_descriptor"],
                "free_columns": {c: row[f"{prefix}{c}"] for c in columns},
            }
            for name, row in first.items()
        ]  # fmt: skip

    def taxa(self, asked: Row, _: bytes) -> tuple[int, Any]:
        wanted = set(asked["ids"].split(","))
        found = {}
        for project in self.state.projects.values():
            for row in project.rows:
                number = _taxon(row["object_annotation_category"])
                if str(number) in wanted and row["object_annotation_hierarchy"]:
                    lineage = row["object_annotation_hierarchy"].split(">")[::-1]
                    found[number] = {"id": number, "name": lineage[0], "lineage": lineage}
        return 200, list(found.values())

    def migrated(self, asked: Row, _: bytes) -> tuple[int, Any]:
        wanted = [int(i) for i in asked.get("object_ids", "").split(",") if i]
        objects = {str(i): self.state.migrated[i] for i in wanted if i in self.state.migrated}
        return 200, {"projects": {}, "samples": {}, "acquisitions": {}, "objects": objects}

    # --- sending

    def told(self, status: int, found: Any, fault: str = "") -> None:
        self.send(status, json.dumps(found, indent=1, ensure_ascii=False).encode(), cut=fault)

    def file(self, data: bytes | None, fault: str) -> None:
        if data is None:
            self.send(404, b"<html>not found</html>", kind="text/html")
            return
        if fault == "html":
            self.send(200, b"<html>maintenance</html>", kind="text/html")
            return
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span is None or fault == "noranges":
            self.send(200, data, cut=fault)
            return
        start, end = int(span[1]), min(int(span[2] or len(data) - 1), len(data) - 1)
        if start >= len(data):
            self.send(416, b"")
            return
        self.send(206, data[start : end + 1], span=f"bytes {start}-{end}/{len(data)}", cut=fault)

    def send(
        self, status: int, data: bytes, retry: str = "", span: str = "", kind: str = "application/json", cut: str = ""
    ) -> None:
        self.send_response(status)
        for name, value in (("Retry-After", retry), ("Content-Range", span)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if cut.startswith("cut:"):
            self.wfile.write(data[: int(cut[4:])])
            self.wfile.flush()
            self.close_connection = True
        else:
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


_ROUTES: list[tuple[str, str, Any]] = [
    ("GET", r"/projects/search", _Handler.search),
    ("GET", r"/projects/(\d+)", _Handler.settings),
    ("PUT", r"/projects/(\d+)", _Handler.change),
    ("GET", r"/users/search", _Handler.find_user),
    ("GET", r"/users/(\d+|me)", _Handler.user),
    ("POST", r"/object_set/export/general", _Handler.export),
    ("GET", r"/jobs/(\d+)/", _Handler.job),
    ("DELETE", r"/jobs/(\d+)", _Handler.drop_job),
    ("POST", r"/object_set/(\d+)/query", _Handler.query),
    ("GET", r"/object/(\d+)", _Handler.one_object),
    ("GET", r"/samples/search", _Handler.samples),
    ("GET", r"/acquisitions/search", _Handler.acquisitions),
    ("GET", r"/process/(\d+)", _Handler.process),
    ("GET", r"/taxon_set/query", _Handler.taxa),
    ("GET", r"/migrated_ids", _Handler.migrated),
]


def _number(text: str) -> float | str | None:
    try:
        return float(text)
    except ValueError:
        return text or None


@contextlib.contextmanager
def ecotaxa_server(*projects: Project) -> Iterator[Server]:
    """A fresh server on a free port with these projects."""
    state = Server(projects={p.number: p for p in projects})
    with serving(_Handler, state) as running:
        yield running
