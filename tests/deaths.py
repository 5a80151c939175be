"""Work for executors, some of it deadly; light to import, since every new worker does."""

import os
import signal
from pathlib import Path


def die_once(mark: str) -> str:
    """Ends its worker the first time it is called for a mark."""
    if "once" in mark and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if "always" in mark:
        os.kill(os.getpid(), signal.SIGKILL)
    return mark


def name_of(mark: str) -> str:
    """A last resort that leaves the deadly part out."""
    return f"carefully {Path(mark).name}"


def double(number: int) -> int:
    """Harmless work."""
    return 2 * number


def fail(number: int) -> int:
    """Work that raises."""
    raise OSError(28, f"no space for {number}")
