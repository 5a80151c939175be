"""Whether secrets are kept: files that others can read, passwords written down, or that everybody knows."""

import os
import re
import stat
from pathlib import Path

from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding

#: Passwords that come with examples and tutorials.
KNOWN = frozenset({"", "admin", "aqqua", "changeme", "dagster", "example", "password", "postgres", "secret", "test"})

_WRITTEN = re.compile(r"postgres_url:.*://[^\s:@/]+:[^\s@]+@|^\s*password:\s*[^\s{#]", re.MULTILINE)

#: bcrypt, as ``htpasswd -B`` writes it.
_BCRYPT = re.compile(r"^[^:\s]+:\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$")


def look(config: Config) -> tuple[str, list[Finding]]:
    """What was looked at, and what is wrong."""
    named = [Path(os.environ[n]) for n in ("AQQUA_SECRETS", "PGPASSFILE") if os.environ.get(n)]
    contacts = sorted((config.registry / "private").glob("*")) if config.registry.is_dir() else []
    findings = [f for path in [*named, *contacts] for f in _readable(path, stat.S_IRWXG | stat.S_IRWXO)]
    passwords = _password_files()
    for path in passwords:
        # nginx's workers read it, as members of its group.
        findings += _readable(path, stat.S_IRWXO | stat.S_IWGRP) + _weak(path)
    findings += _written() + _everybody_knows()
    return f"{len(named) + len(contacts) + len(passwords)} files", findings


def _password_files() -> list[Path]:
    folder = os.environ.get("AQQUA_PASSWORDS")
    return sorted(Path(folder).glob("*.htpasswd")) if folder and Path(folder).is_dir() else []


def _readable(path: Path, forbidden: int) -> list[Finding]:
    """A file that more people can read or write than may."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except PermissionError:
        return []  # kept even from this user
    except FileNotFoundError:
        return [Finding("doctor_secret", "error", "this file is named by the environment, and missing", file=str(path))]
    if not mode & forbidden:
        return []
    message = f"others can get at this file: chmod {mode & ~forbidden:o}"
    return [Finding("doctor_secret", "error", message, file=str(path), value=f"{mode:o}")]


def _weak(path: Path) -> list[Finding]:
    """Lines of a password file that aren't bcrypt; the line itself is never repeated."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except PermissionError:
        return []
    message = "expected a name and a bcrypt hash (htpasswd -B); other hashes are guessed in hours"
    return [
        Finding("doctor_secret", "error", message, file=str(path), line=number)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#") and not _BCRYPT.match(line)
    ]


def _written() -> list[Finding]:
    file = Path(os.environ.get("DAGSTER_HOME") or "/") / "dagster.yaml"
    if not file.is_file() or not (found := _WRITTEN.search(text := file.read_text(encoding="utf-8"))):
        return []
    line = text.count("\n", 0, found.start()) + 1
    message = "a password stands in this file; libpq's variables or PGPASSFILE carry it (docs/deployment.md)"
    return [Finding("doctor_secret", "error", message, file=str(file), line=line)]


def _everybody_knows() -> list[Finding]:
    message = "is a password that everybody knows; make one with: openssl rand -base64 24"
    return [
        Finding("doctor_secret", "error", f"{name} {message}", key=name)
        for name in ("PGPASSWORD", "OAUTH2_PROXY_CLIENT_SECRET", "OAUTH2_PROXY_COOKIE_SECRET")
        if name in os.environ and os.environ[name].lower() in KNOWN
    ]
