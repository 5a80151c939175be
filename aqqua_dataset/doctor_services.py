"""Whether the services run and are reached the right way only: daemon, code location, web servers."""

import ipaddress
import os
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from aqqua_dataset import dagster_state
from aqqua_dataset.findings import Finding, Refused

#: Seconds after which a silent part of the daemon counts as dead: it reports every thirty.
MOST_SILENT_S = 300.0

_TIMEOUT_S = 10.0
_LISTENS = "0A"


def dagster() -> tuple[str, list[Finding]]:
    """Storage, tables, daemon and schedules."""
    try:
        state = dagster_state.ask()
    except Refused as refused:
        return "no answer", refused.findings
    findings = []
    if not state.storage.startswith("Postgres"):
        message = "runs aren't kept in PostgreSQL; link deploy/dagster.yaml into DAGSTER_HOME"
        findings.append(Finding("doctor_dagster", "error", message, value=state.storage))
    if state.schema[0] != state.schema[1]:
        message = f"tables of another version, expected {state.schema[1]}: stop the services, dagster instance migrate"
        findings.append(Finding("doctor_dagster", "error", message, value=state.schema[0]))
    silent = [name for name, age in state.heartbeats.items() if age is None or age > MOST_SILENT_S]
    if silent:
        message = "these parts of the daemon don't report: nothing starts by itself; systemctl status aqqua-daemon"
        findings.append(Finding("doctor_daemon", "error", message, value=", ".join(silent)))
    findings += [
        Finding("doctor_schedule", "warning", "somebody has turned this off; switch it on under Automation", key=name)
        for name in state.stopped
    ]
    return f"{state.storage}, {state.running} runs going on, {state.queued} queued", findings


def code_location() -> tuple[str, list[Finding]]:
    """The socket through which the code is spoken to."""
    named = os.environ.get("AQQUA_CODE_SOCKET")
    if not named:
        return "none", [Finding("doctor_code", "error", "AQQUA_CODE_SOCKET isn't set; deploy/workspace.yaml needs it")]
    socket = Path(named)
    if not socket.is_socket():
        return named, [Finding("doctor_code", "error", "no socket; systemctl status aqqua-code", file=named)]
    # Who may open it may run anything as this user, and a socket is as open as its folder.
    if stat.S_IMODE(socket.parent.stat().st_mode) & stat.S_IRWXO and stat.S_IMODE(socket.stat().st_mode) & stat.S_IRWXO:
        message = "others can reach the code's socket: its folder needs mode 750"
        return named, [Finding("doctor_code", "error", message, file=str(socket.parent))]
    return named, []


def web_servers() -> tuple[str, list[Finding]]:
    """Whether both web servers answer, and only to this machine."""
    places = {name: os.environ.get(name, "") for name in ("AQQUA_WEB", "AQQUA_GUESTS")}
    findings = []
    for name, place in places.items():
        if not place:
            findings.append(Finding("doctor_web", "error", "isn't set: where nginx finds this web server", key=name))
        elif not _answers(place, "/guest" if name == "AQQUA_GUESTS" else ""):
            findings.append(Finding("doctor_web", "error", "no Dagster web server answers here", key=name, value=place))
        else:
            findings += _open_to_all(place)
    return ", ".join(p for p in places.values() if p), findings


def _answers(place: str, prefix: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{place}{prefix}/server_info", timeout=_TIMEOUT_S) as answer:
            return b"dagster_version" in answer.read(1000)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _open_to_all(place: str) -> Iterator[Finding]:
    """A web server that other machines reach without a login, past nginx; in containers the network keeps them out."""
    host, _, port = place.rpartition(":")
    if host not in ("127.0.0.1", "localhost", "[::1]"):
        return
    for address in _listening(int(port)):
        if not address.is_loopback:
            message = (
                "this web server can be reached from other machines without a login; start it with --host 127.0.0.1"
            )
            yield Finding("doctor_web", "error", message, value=f"{address} port {port}")


def _listening(port: int) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Addresses on which some process of this machine waits for connections to a port (Linux: proc(5), net/tcp)."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, _, state, *_ = line.split()
            address, _, found = local.partition(":")
            if state == _LISTENS and int(found, 16) == port:
                # Words of four bytes, each in the machine's order.
                raw = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
                yield ipaddress.ip_address(raw)
