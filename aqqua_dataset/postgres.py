"""Dagster's database by PostgreSQL's own programs, which learn where it is from libpq's variables (PGHOST, PGUSER …).

So no password stands on a command line, and no driver is imported.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO

from aqqua_dataset.findings import Finding, Refused

_PIECE = 1 << 20
_TABLES = "select count(*) from pg_catalog.pg_tables where schemaname = 'public'"


class DatabaseRefused(Refused):
    """The database can't be reached, read or written."""

    what = "the database"


def is_named() -> bool:
    """Whether the environment names a database."""
    return bool(os.environ.get("PGDATABASE"))


def dump(stream: IO[bytes]) -> None:
    """Writes a dump in pg_dump's own format, compressed; raises DatabaseRefused."""
    with _run(["pg_dump", "--format=custom", "--no-owner", "--no-privileges"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(_PIECE):
            stream.write(piece)


def load(stream: IO[bytes]) -> None:
    """Restores a dump in one transaction: all or nothing; raises DatabaseRefused."""
    command = ["pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
    with _run([*command, "--dbname", os.environ["PGDATABASE"]], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        # A pg_restore that gave up closes its end; what it said is raised when it is waited for.
        with contextlib.suppress(BrokenPipeError):
            while piece := stream.read(_PIECE):
                process.stdin.write(piece)
            process.stdin.close()


def tables() -> int:
    """How many tables the database holds; raises DatabaseRefused."""
    return int(ask(_TABLES))


def ask(query: str) -> str:
    """The answer to a query of one row and one column; raises DatabaseRefused."""
    command = ["psql", "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", query]
    with _run(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        return process.stdout.read().decode().strip()


@contextlib.contextmanager
def _run(
    command: list[str], stdin: int | None = None, stdout: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs one of PostgreSQL's programs; what it complained about becomes the finding."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=said)
        except FileNotFoundError:
            message = f"{command[0]} isn't installed; it comes with PostgreSQL's client programs"
            raise DatabaseRefused([Finding("database_program", "error", message)]) from None
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError), process:
                process.wait()
        if process.returncode:
            said.seek(0)
            told = said.read().decode("utf-8", "replace").strip()[-500:]
            message = f"{command[0]} ended with code {process.returncode}"
            raise DatabaseRefused([Finding("database", "error", message, value=told)])
