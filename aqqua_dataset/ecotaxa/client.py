"""Talks to EcoTaxa's API: only about the projects it was told, only what is asked for here.

Paths, parameters and rights as of ecotaxa_back in June 2026. A token lives in this object alone: it is read from the
environment or asked for, sent to EcoTaxa's API and to nobody else (images are served without one), and in no message.
"""

import ipaddress
import json
import os
import time
import urllib.parse
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from aqqua_dataset import __version__
from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.privacy import blot
from aqqua_dataset.web import Reply, Unanswered, Web, query

SERVER = "https://ecotaxa.obs-vlfr.fr"
SERVER_VARIABLE, TOKEN_VARIABLE = "ECOTAXA_URL", "ECOTAXA_TOKEN"
NAME_VARIABLE, PASSWORD_VARIABLE = "ECOTAXA_USER", "ECOTAXA_PASSWORD"

#: Images asked for in a second at most.
IMAGE_RATE = 20.0

_PAUSE = 0.2  # seconds between two requests: five in a second at most
_WINDOW = 500  # projects in one answer
_IDS = 500  # ids in one request, which stand in its address


class EcoTaxaRefused(Refused):
    """EcoTaxa, or a rule of ours, refused a step."""

    what = "the step with EcoTaxa"


def refusal(rule: str, message: str, **about: Any) -> EcoTaxaRefused:
    """The refusal with one finding."""
    return EcoTaxaRefused([Finding(rule, "error", message, **about)])


@dataclass(frozen=True)
class Access:
    """How to get a token: a token, or name and password to get one and a new one when it has expired."""

    token: str = field(default="", repr=False)
    name: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, ask: Callable[[str, bool], str] | None) -> "Access":
        """From ``ECOTAXA_TOKEN``, else ``ECOTAXA_USER`` and ``ECOTAXA_PASSWORD``, else from the person at the terminal.

        Args:
            ask: shows a question and returns the answer, hidden where the second argument is true; None: nobody
                is there to be asked.

        Raises:
            EcoTaxaRefused: nothing is set and nobody is there.
        """
        found = cls(*(os.environ.get(n, "").strip() for n in (TOKEN_VARIABLE, NAME_VARIABLE, PASSWORD_VARIABLE)))
        if found.token or (found.name and found.password):
            return found
        if ask is None:
            message = f"set {TOKEN_VARIABLE}, or {NAME_VARIABLE} and {PASSWORD_VARIABLE}, in the environment"
            raise refusal("ecotaxa_no_access", message)
        name = found.name or ask("e-mail address of the EcoTaxa account: ", False).strip()
        return cls(name=name, password=ask("its password (not shown): ", True))


@dataclass(frozen=True)
class Job:
    """A job on the server: state P (pending), R (running), A (asks), E (error) or F (finished)."""

    number: int
    state: str
    progress: int
    told: str


@dataclass(frozen=True)
class Page:
    """A window of a project's objects: their values in the order of the fields asked for, and how many there are."""

    objects: list[int]
    acquisitions: list[int]
    samples: list[int]
    values: list[list[Any]]
    total: int


class EcoTaxa:
    """One account on one server, and the projects it may be asked about."""

    def __init__(
        self, server: str, access: Access, contact: str, allowed: Collection[int],
        wait: Callable[[float], None] = time.sleep, pause: float = _PAUSE, image_pause: float = 1 / IMAGE_RATE,
    ) -> None:  # fmt: skip
        """Connects to nothing yet.

        Args:
            server: its address, without ``/api``.
            access: token, or name and password.
            contact: address or page that EcoTaxa's people can write to, sent with every request.
            allowed: ids of the only projects that may be asked about.
            wait: how to wait.
            pause: least seconds between the starts of two requests.
            image_pause: the same for images.

        Raises:
            EcoTaxaRefused: the address would carry the token in the clear.
        """
        if not _is_safe(server):
            raise refusal("ecotaxa_not_https", "a token is sent to https:// addresses only", value=server)
        agent = f"aqqua_dataset/{__version__} ({contact})"
        self.allowed = frozenset(allowed)
        self._access = access
        base = server.rstrip("/")
        self._web = Web(f"{base}/api", {"User-Agent": agent, "Accept": "application/json"}, wait=wait, pause=pause)
        self.vault = Web(f"{base}/vault", {"User-Agent": agent}, wait=wait, pause=image_pause)
        self.wait = wait

    def project(self, project: int, for_managing: bool = False) -> dict[str, Any]:
        """A project's settings; raises EcoTaxaRefused."""
        found = json.loads(self.project_text(project, for_managing))
        return dict(found)

    def project_text(self, project: int, for_managing: bool = False) -> str:
        """A project's settings as the server wrote them; raises EcoTaxaRefused."""
        self._check(project)
        path = f"/projects/{project}"
        reply = self._ask("GET", query(path, for_managing="true") if for_managing else path)
        if reply.status == 200 and isinstance(reply.json(), dict):
            return reply.data.decode("utf-8")
        raise self._no(reply, project)

    def change_project(self, project: int, settings: str) -> None:
        """Replaces a project's settings as a whole.

        Raises:
            EcoTaxaRefused: the server refused.
            Unanswered: whether it was changed isn't known.
        """
        self._check(project)
        reply = self._ask("PUT", f"/projects/{project}", settings.encode(), repeatable=False)
        if reply.status not in (200, 204):
            raise self._no(reply, project)

    def my_projects(self) -> Iterator[dict[str, Any]]:
        """All projects that the account has a right on, in the order of their ids."""
        start = 0
        while True:
            path = query("/projects/search", order_field="projid", window_start=start, window_size=_WINDOW)
            reply = self._ask("GET", path)
            found = reply.json()
            if reply.status != 200 or not isinstance(found, list):
                raise self._no(reply, 0)
            yield from found
            if len(found) < _WINDOW:
                return
            start += len(found)

    def user(self, wanted: str) -> dict[str, Any]:
        """The account with this id, with exactly this name, or ``me``; raises EcoTaxaRefused where it isn't one."""
        if wanted.isdecimal() or wanted == "me":
            reply = self._ask("GET", f"/users/{wanted}")
            found = [reply.json()] if reply.status == 200 and isinstance(reply.json(), dict) else []
        else:
            reply = self._ask("GET", query("/users/search", by_name=wanted))
            listed = reply.json() if reply.status == 200 else []
            found = [u for u in listed or [] if str(u.get("name", "")).casefold() == wanted.casefold()]
        if len(found) != 1:
            ids = ", ".join(str(u.get("id")) for u in found)
            told = f"{len(found)} accounts have this name (ids {ids}); name the id" if found else "no such account"
            raise refusal("ecotaxa_account", f"expected one account: {told}", value=wanted)
        return dict(found[0])

    def start_export(self, project: int) -> int | None:
        """Starts an export of all tables and images; returns the job, or None where the account may not."""
        self._check(project)
        request = {
            "project_id": project, "export_type": "general", "split_by": "sample", "with_images": "all",
            "with_internal_ids": True, "with_types_row": False, "only_annotations": False, "out_to_ftp": False,
        }  # fmt: skip
        body = json.dumps({"filters": {}, "request": request}).encode()
        reply = self._ask("POST", "/object_set/export/general", body, repeatable=False)
        if reply.status == 403:
            return None
        found = reply.json()
        if reply.status != 200 or not isinstance(found, dict) or not found.get("job_id"):
            raise self._no(reply, project)
        return int(found["job_id"])

    def job(self, number: int) -> Job | None:
        """The state of a job; None where there is no such job any more."""
        reply = self._ask("GET", f"/jobs/{number}/")
        if reply.status == 404:
            return None
        found = reply.json()
        if reply.status != 200 or not isinstance(found, dict):
            raise self._no(reply, 0)
        told = "; ".join([*(found.get("errors") or []), str(found.get("progress_msg") or "")]).strip("; ")
        return Job(number, str(found.get("state")), int(found.get("progress_pct") or 0), blot(told))

    def fetch_result(self, job: int, target: IO[bytes], start: int, end: int) -> Reply:
        """Bytes of a finished job's file, written to a stream; see ``Web.fetch``."""
        reply = self._web.fetch(f"/jobs/{job}/file", target, start, end)
        if reply.status == 401 and self._renew():
            reply = self._web.fetch(f"/jobs/{job}/file", target, start, end)
        if reply.status in (200, 206, 416):
            return reply
        raise self._no(reply, 0)

    def forget_job(self, job: int) -> None:
        """Frees the job's place on the server; it doesn't matter when it is gone already."""
        reply = self._ask("DELETE", f"/jobs/{job}", repeatable=True)
        if reply.status not in (200, 204, 404):
            raise self._no(reply, 0)

    def objects(self, project: int, fields: Collection[str], start: int, size: int) -> Page:
        """A window of the project's objects in the order of their ids; the right to view is enough."""
        self._check(project)
        path = query(
            f"/object_set/{project}/query", fields=",".join(fields), order_field="obj.objid",
            window_start=start, window_size=size,
        )  # fmt: skip
        reply = self._ask("POST", path, b"{}", repeatable=True)
        found = reply.json()
        if reply.status != 200 or not isinstance(found, dict):
            raise self._no(reply, project)
        return Page(
            found["object_ids"], found["acquisition_ids"], found["sample_ids"], found["details"],
            int(found["total_ids"]),
        )  # fmt: skip

    def images(self, project: int, number: int) -> list[dict[str, Any]]:
        """All images of one object of a project."""
        self._check(project)
        return list(self._record(f"/object/{number}", project).get("images") or [])

    def samples(self, project: int) -> list[dict[str, Any]]:
        """The samples of a project."""
        return self._records(project, "/samples/search", project_ids=project, id_pattern="*")

    def acquisitions(self, project: int) -> list[dict[str, Any]]:
        """The acquisitions of a project."""
        return self._records(project, "/acquisitions/search", project_id=project)

    def process(self, project: int, number: int) -> dict[str, Any]:
        """The process of an acquisition of a project: it has the acquisition's id."""
        self._check(project)
        return self._record(f"/process/{number}", project)

    def taxa(self, ids: Collection[int]) -> dict[int, list[str]]:
        """Names from the root to each taxon."""
        found: dict[int, list[str]] = {}
        for some in _some(sorted(ids)):
            reply = self._ask("GET", query("/taxon_set/query", ids=",".join(map(str, some))))
            listed = reply.json()
            if reply.status != 200 or not isinstance(listed, list):
                raise self._no(reply, 0)
            found.update({int(t["id"]): _from_root(list(t["lineage"]), str(t["name"])) for t in listed})
        return found

    def migrated_ids(self, kind: str, ids: Collection[int]) -> dict[int, int]:
        """New id of each id from before June 2026; ``kind`` is projects, samples, acquisitions or objects."""
        found: dict[int, int] = {}
        for some in _some(sorted(ids)):
            reply = self._ask("GET", query("/migrated_ids", **{_MIGRATED[kind]: ",".join(map(str, some))}))
            told = reply.json()
            if reply.status != 200 or not isinstance(told, dict):
                raise self._no(reply, 0)
            found.update({int(old): int(new) for old, new in (told.get(kind) or {}).items()})
        return found

    def _record(self, path: str, project: int) -> dict[str, Any]:
        reply = self._ask("GET", path)
        found = reply.json()
        if reply.status != 200 or not isinstance(found, dict):
            raise self._no(reply, project)
        return found

    def _records(self, project: int, path: str, **values: str | int) -> list[dict[str, Any]]:
        self._check(project)
        reply = self._ask("GET", query(path, **values))
        found = reply.json()
        if reply.status != 200 or not isinstance(found, list):
            raise self._no(reply, project)
        return found

    def _check(self, project: int) -> None:
        if project not in self.allowed:
            message = "this project isn't among those that were shared with us; nothing was asked"
            raise refusal("ecotaxa_not_shared", message, value=str(project))

    def _ask(self, method: str, path: str, body: bytes | None = None, repeatable: bool | None = None) -> Reply:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            if "Authorization" not in self._web.headers:
                self._log_in()
            reply = self._web.send(method, path, body, headers, repeatable)
            if reply.status == 401 and self._renew():
                reply = self._web.send(method, path, body, headers, repeatable)
        except Unanswered as silence:
            if method == "PUT":
                raise
            raise refusal("ecotaxa_unanswered", f"EcoTaxa doesn't answer ({silence}); run it again later") from None
        return reply

    def _log_in(self) -> None:
        token = self._access.token
        if not token:
            body = json.dumps({"username": self._access.name, "password": self._access.password}).encode()
            reply = self._web.send("POST", "/login", body, {"Content-Type": "application/json"}, repeatable=True)
            told = reply.json() if reply.status == 200 else None
            if not isinstance(told, str):
                raise refusal("ecotaxa_login", f"EcoTaxa answered {reply.status}: name or password is wrong")
            token = told
        self._web.headers["Authorization"] = f"Bearer {token}"

    def _renew(self) -> bool:
        """A new token in the place of one that expired, where name and password are known."""
        if not (self._access.name and self._access.password):
            return False
        self._access = Access(name=self._access.name, password=self._access.password)
        self._log_in()
        return True

    def _no(self, reply: Reply, project: int) -> EcoTaxaRefused:
        """The server's no, in its words."""
        told = reply.json()
        detail = told.get("detail") if isinstance(told, dict) else told
        words = blot(detail if isinstance(detail, str) else json.dumps(detail)) if detail else ""
        parts = [f"EcoTaxa answered {reply.status}", _MEANING.get(reply.status or 0, ""), words[:300]]
        message = ": ".join(p for p in parts if p)
        return refusal("ecotaxa_server", message, value=f"project {project}" if project else "")


_MIGRATED: Mapping[str, str] = {
    "projects": "project_ids", "samples": "sample_ids", "acquisitions": "acquisition_ids", "objects": "object_ids",
}  # fmt: skip

_MEANING = {
    401: f"the token is wrong or has expired; get a new one, or set {NAME_VARIABLE} and {PASSWORD_VARIABLE}",
    403: "the account has no right to this; the project's manager can give it",
    404: "there is no such thing, or the project's number is another since June 2026",
    429: "too many requests; run it again later",
}


def _is_safe(server: str) -> bool:
    parts = urllib.parse.urlsplit(server)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.scheme == "http" and parts.hostname == "localhost"


def _from_root(lineage: list[str], name: str) -> list[str]:
    """A lineage with the taxon itself last; the server begins with it."""
    return lineage[::-1] if lineage and lineage[0] == name else lineage


def _some(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _IDS):
        yield ids[start : start + _IDS]
