"""One run at a time for one thing: a lock that ends with the process that holds it."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.warehouse import Warehouse

_LOCKS = "nightly/locks"


class Busy(Refused):
    """Another run is at it."""

    what = "a second run"


@contextlib.contextmanager
def alone(warehouse: Warehouse, what: str) -> Iterator[None]:
    """Holds ``what`` for this run.

    The lock lies in the warehouse where that is a disk, so that it holds for every machine that shares the disk; beside
    an object store it holds for this user on this machine.

    Raises:
        Busy: another run holds it.
    """
    folder = Path(warehouse.url(_LOCKS)) if warehouse.is_local else Path(tempfile.gettempdir(), _name(warehouse.root))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700 if not warehouse.is_local else 0o777)
    handle = os.open(folder / f"{what}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another run is at {what} now; this one left it alone"
            raise Busy([Finding("pull_busy", "error", message, value=what)]) from None
        yield
    finally:
        os.close(handle)


def _name(root: str) -> str:
    return f"aqqua-locks-{os.getuid()}-{hashlib.sha256(root.encode()).hexdigest()[:16]}"
