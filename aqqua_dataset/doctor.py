"""Whether this installation can work: asked before it starts, and whenever something is odd.

Each check looks at one thing and gives a line: what was found, and findings where that isn't enough. Nothing is
changed but for a small file that is written, read and removed again where the pipeline must be able to write.
"""

import datetime as dt
import os
import shutil
import subprocess
import tempfile
import uuid
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from aqqua_dataset import __version__, doctor_secrets, doctor_services, postgres
from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding, Refused, has_errors
from aqqua_dataset.warehouse import UNFINISHED, Warehouse

#: What must be set in production: without them the example registry or a folder in the checkout would be used.
VARIABLES = ("AQQUA_REGISTRY", "AQQUA_DELIVERIES", "AQQUA_WAREHOUSE", "AQQUA_EXECUTOR", "DAGSTER_HOME", "PGDATABASE")

#: Schedules, embargo and release day are in this zone.
ZONE = "Europe/Berlin"

#: Seconds by which this machine's clock and the database's may differ.
MOST_CLOCK_S = 30.0

_GB = 10**9


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: what was looked at.
        told: what was found, in a few words.
        findings: what is wrong; none when all is well.
    """

    name: str
    told: str
    findings: list[Finding] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The check as lines for a terminal."""
        state = "ERROR" if has_errors(self.findings) else "look" if self.findings else "ok"
        yield f"{state:6} {self.name:22} {self.told}"
        for finding in self.findings:
            yield f"         {finding}"


def examine(config: Config, before_start: bool, free_gb: float) -> list[Check]:
    """Looks at everything; no check stops the others.

    Args:
        config: where the collection lives.
        before_start: only what must be right before the services start.
        free_gb: gigabytes that must be free on each local disk.
    """
    looks: list[Callable[[], Check]] = [
        versions,
        variables,
        lambda: registry(config),
        lambda: place("deliveries", config.deliveries, config.storage.deliveries),
        lambda: place("warehouse", config.warehouse, config.storage.warehouse),
        lambda: disks(config, free_gb),
        lambda: Check("secrets", *doctor_secrets.look(config)),
        database,
        clock,
    ]
    if not before_start:
        looks += [
            lambda: Check("Dagster", *doctor_services.dagster()),
            lambda: Check("code location", *doctor_services.code_location()),
            lambda: Check("web servers", *doctor_services.web_servers()),
        ]
    return [_guarded(look) for look in looks]


def _guarded(look: Callable[[], Check]) -> Check:
    """A check, or what kept it from looking: a folder that this user may not enter, a disk that is gone."""
    try:
        return look()
    except OSError as error:
        message = "this user can't look there"
        return Check(error.filename or "system", "", [Finding("doctor_place", "error", message, value=str(error))])


def versions() -> Check:
    """Versions of what was installed, and whether Dagster's parts fit each other."""
    found = {name: _version(name) for name in ("dagster", "dagster-webserver", "dagster-postgres")}
    told = ", ".join([f"aqqua {__version__}", *(f"{name} {version or 'missing'}" for name, version in found.items())])
    findings = [
        Finding("doctor_version", "error", "isn't installed; see docs/deployment.md", key=name)
        for name, version in found.items()
        if version is None
    ]
    if found["dagster"] != found["dagster-webserver"]:
        message = "Dagster and its web server must have one version"
        findings.append(Finding("doctor_version", "error", message, value=told))
    return Check("versions", told, findings)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def variables() -> Check:
    """Whether everything is named that would otherwise be taken from the checkout."""
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    message = "isn't set; in production nothing may come from the checkout's examples"
    findings = [Finding("doctor_variable", "error", message, key=name) for name in missing]
    home = Path(os.environ.get("DAGSTER_HOME") or "/")
    if "DAGSTER_HOME" not in missing and not (home / "dagster.yaml").exists():
        message = "DAGSTER_HOME holds no dagster.yaml; link deploy/dagster.yaml there"
        findings.append(Finding("doctor_variable", "error", message, file=str(home)))
    return Check("variables", f"{len(VARIABLES) - len(missing)} of {len(VARIABLES)} set", findings)


def registry(config: Config) -> Check:
    """Whether the registry can be read."""
    found = len(list(config.registry.glob("contributions/*.yaml"))) if config.registry.is_dir() else 0
    findings = []
    if not (config.registry / "settings.yaml").is_file():
        message = "no registry here: expected a folder with settings.yaml, people/ and contributions/"
        findings.append(Finding("doctor_place", "error", message, file=str(config.registry)))
    elif not os.access(config.registry / "settings.yaml", os.R_OK):
        findings.append(Finding("doctor_place", "error", "can't be read by this user", file=str(config.registry)))
    return Check("registry", f"{config.registry}, {found:,} contributions", findings)


def place(name: str, location: str, options: dict[str, object]) -> Check:
    """Whether a small file can be written, read and removed."""
    data, probe = uuid.uuid4().bytes, f"{UNFINISHED}{uuid.uuid4().hex}"
    if "://" not in location and not Path(location).is_dir():
        message = "this folder isn't there; is a disk not mounted?"
        return Check(name, location, [Finding("doctor_place", "error", message, file=location)])
    try:
        store = Warehouse(location, dict(options))
        store.write_bytes(probe, data)
        read = store.read_range(probe, 0, len(data))
        store.remove(probe)
    except Refused as refused:
        return Check(name, location, refused.findings)
    except Exception as error:  # every kind of store has its own errors, and all mean the same here
        message = "can't be written to, read and cleaned up"
        told = f"{type(error).__name__}: {error}"[:300]
        return Check(name, location, [Finding("doctor_place", "error", message, file=location, value=told)])
    wrong = (
        [] if read == data else [Finding("doctor_place", "error", "gave back other bytes than written", file=location)]
    )
    return Check(name, f"{location}, written and read", wrong)


def disks(config: Config, free_gb: float) -> Check:
    """Free space where local files are written, temporary ones included."""
    places = [config.deliveries, config.warehouse, os.environ.get("DAGSTER_HOME", ""), tempfile.gettempdir()]
    free: dict[str, float] = {}
    for folder in places:
        if folder and "://" not in folder and Path(folder).is_dir():
            free[folder] = shutil.disk_usage(folder).free / _GB
    findings = [
        Finding("doctor_disk", "error", f"expected at least {free_gb:g} GB free", file=folder, value=f"{found:.1f} GB")
        for folder, found in free.items()
        if found < free_gb
    ]
    return Check("free space", ", ".join(f"{folder} {found:.0f} GB" for folder, found in free.items()), findings)


def database() -> Check:
    """Whether PostgreSQL answers."""
    if not postgres.is_named():
        message = "PGDATABASE isn't set; SQLite serves one machine and a handful of contributions"
        return Check("PostgreSQL", "none", [Finding("doctor_database", "error", message)])
    try:
        return Check("PostgreSQL", postgres.ask("select split_part(version(), ' on ', 1)"))
    except Refused as refused:
        return Check("PostgreSQL", "no answer", refused.findings)


def clock() -> Check:
    """Whether the clock is right: against the database's, and as the system says; and the time zone's data."""
    findings = []
    try:
        berlin = dt.datetime.now(zoneinfo.ZoneInfo(ZONE))
    except zoneinfo.ZoneInfoNotFoundError:
        return Check("clock", "", [Finding("doctor_clock", "error", "no data for this time zone", value=ZONE)])
    if postgres.is_named():
        try:
            apart = (
                float(postgres.ask("select extract(epoch from clock_timestamp())"))
                - dt.datetime.now(dt.UTC).timestamp()
            )
        except Refused:
            apart = 0.0  # the check of the database says why
        if abs(apart) > MOST_CLOCK_S:
            message = "this machine's clock and the database's differ; embargo and schedules go by the clock"
            findings.append(Finding("doctor_clock", "error", message, value=f"{apart:+.0f} s"))
    if _unsynchronised():
        message = "the system's clock isn't synchronised (timedatectl)"
        findings.append(Finding("doctor_clock", "warning", message))
    return Check("clock", f"{berlin:%Y-%m-%d %H:%M %Z}", findings)


def _unsynchronised() -> bool:
    if shutil.which("timedatectl") is None:
        return False
    asked = ["timedatectl", "show", "--property", "NTPSynchronized", "--value"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "no"


def failed(checks: Sequence[Check]) -> bool:
    """Whether any check found an error."""
    return any(has_errors(check.findings) for check in checks)
