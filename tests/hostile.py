"""Ways to look at an image that crash or hang, as a broken decoder would; workers import them by name."""

import os
import time
from dataclasses import replace

from aqqua_dataset.images import pack, suspects
from aqqua_dataset.images.inspect import PackedImage
from aqqua_dataset.transfer.delivery import Delivery

SECONDS = 5.0  # a process that has just begun takes a second for its first image on a busy machine


def look(delivery: Delivery, sheets: pack.Sheets, at: pack.Locator) -> PackedImage:
    """Crashes and hangs on images whose name says so."""
    if at.path is not None and "aborts" in at.path:
        os.abort()
    if at.path is not None and "hangs" in at.path:
        time.sleep(3600)
    return pack.look_at(delivery, sheets, at)


pack_shard_as_it_is = pack.pack_shard  # a test puts another one in its place


def pack_shard(task: pack.PackTask) -> int:
    """The product's task with the broken decoder and less patience."""
    pack.IMAGE_SECONDS = SECONDS
    return pack_shard_as_it_is(task, look)


def pack_carefully(task: pack.PackTask) -> int:
    """The product's last resort with the same decoder."""
    return pack_shard_as_it_is(replace(task, crashing=suspects.find(task, look, SECONDS)), look)
