"""Says plainly that a disk is full, instead of ending with a traceback."""

import contextlib
import errno
from collections.abc import Iterator

import duckdb

from aqqua_dataset.findings import Finding, Refused

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NoSpace(Refused):
    """The disk of the warehouse, or that of temporary files, is full."""

    what = "writing"


@contextlib.contextmanager
def needed() -> Iterator[None]:
    """Raises ``NoSpace`` where what is done inside finds a full disk; other errors pass."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        full = error.errno in _FULL if isinstance(error, OSError) else "No space left" in str(error)
        if not full:
            raise
        message = (
            "no space is left where the warehouse or the temporary files (TMPDIR) lie: free some and start again; "
            "finished parts are kept and nothing half-written counts"
        )
        raise NoSpace([Finding("no_space", "error", message, value=str(error)[:200])]) from error
