"""Finds the images of a shard that end the process which decodes them, so that all others are packed.

A child process inspects image after image and notes the number of each before it begins. When it is ended
(by the decoder, or by the kernel's timer when the decoder hangs) the noted image is tried once more, alone
at the head of a new child; if that ends as well the image is a suspect, and a child goes on behind it.
"""

import contextlib
import itertools
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from aqqua_dataset.compute import WorkerDied
from aqqua_dataset.images.pack import (
    IMAGE_SECONDS,
    Look,
    PackTask,
    Sheets,
    load_task_rows,
    locators,
    look_at,
    outcome_of,
    pack_shard,
)
from aqqua_dataset.transfer.delivery import Delivery

_ENDS = -1


def pack_carefully(task: PackTask, look: Look | None = None, seconds: float = IMAGE_SECONDS) -> int:
    """Packs a shard that ended its worker again and again; images that crash a decoder go to quarantine."""
    return pack_shard(replace(task, crashing=find(task, look, seconds)), look)


def find(task: PackTask, look: Look | None = None, seconds: float = IMAGE_SECONDS) -> tuple[tuple[str, str], ...]:
    """Images of a shard that end their process, by id, with what happened.

    Args:
        task: the shard.
        look: how an image is inspected, as in ``pack_shard``.
        seconds: time that one image may take.

    Raises:
        WorkerDied: the child ended before it came to any image.
    """
    found: list[tuple[str, str]] = []
    ids = [image_id for rows in load_task_rows(task) for image_id in rows["aqqua_image_id"]]
    start = 0
    tried = _ENDS
    while start < len(ids):
        at, code = _walk_apart(task, look or look_at, start, seconds)
        if code == 0:
            break
        if at < 0:
            raise WorkerDied(f"{task}: no image could be inspected (exit code {code})")
        if at == tried:
            took = f"no end within {seconds:g} s" if code == -signal.SIGALRM else f"the process ended with code {code}"
            found.append((ids[at], took))
            start = at + 1
        else:
            start = tried = at
    return tuple(found)


def _walk_apart(task: PackTask, look: Look, start: int, seconds: float) -> tuple[int, int]:
    """Inspects the images from ``start`` in a child; returns the number noted last (-1: none) and the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "task").write_bytes(pickle.dumps((task, look, start, seconds)))
        note = Path(folder, "note")
        note.touch()
        # A program, not a multiprocessing child: workers of Dask may not have those.
        child = subprocess.run(
            [sys.executable, "-m", __name__, folder],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},  # noqa: PTH109
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        noted = note.read_bytes()
    return (int(noted) if noted else _ENDS), child.returncode


def _walk(folder: Path) -> None:
    """The child: notes the number of each image, then inspects it within the time."""
    task, look, start, seconds = pickle.loads((folder / "task").read_bytes())
    images = itertools.chain.from_iterable(map(locators, load_task_rows(task)))
    note = os.open(folder / "note", os.O_WRONLY)
    with Delivery(task.delivery) as delivery:
        sheets = Sheets(delivery)
        for number, (_, locator) in itertools.islice(enumerate(images), start, None):
            os.pwrite(note, b"%020d" % number, 0)
            with contextlib.suppress(OSError):  # a store that is slow to answer is no decoder that hangs
                delivery.read_range(locator.path or "", 0, 1)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            outcome_of(look, delivery, sheets, locator)
            signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    _walk(Path(sys.argv[1]))
