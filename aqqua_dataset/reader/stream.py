"""Images in sequence: shards read from front to back, shuffled and shared out among workers as training wants it."""

import hashlib
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aqqua_dataset.images.read import StoredImage
from aqqua_dataset.reader.release import PLACE, Selection, quoted

#: Bytes of a shard that are read at once.
READ = 8 << 20

#: Unwanted bytes between two images that are read along: cheaper than another request.
GAP = 256 << 10

_ROWS = 2_000


class ImageStream:
    """Iterates over ``StoredImage``; PyTorch's DataLoader takes it as an IterableDataset.

    Each worker of a DataLoader, and each rank of a distributed training, reads its own shards. Equal seed and epoch
    give equal order, for an equal number of workers.
    """

    def __init__(
        self,
        selection: Selection,
        columns: Sequence[str] = (),
        *,
        shuffle: bool = False,
        seed: int = 0,
        buffer: int = 2_000,
        rank: int = 0,
        ranks: int = 1,
        verify: bool = False,
        transform: Callable[[StoredImage], Any] | None = None,
    ) -> None:
        """Prepares a stream; nothing is read before it is iterated.

        Args:
            selection: the images.
            columns: columns of the metadata in each image's ``row``, beside id, contribution, format, hash and place.
            shuffle: take the shards in random order, and mix the images in a buffer.
            seed: of the order.
            buffer: images that are mixed; each takes its size of memory.
            rank, ranks: this process among those of a distributed training.
            verify: compare every image with its SHA-256.
            transform: what to give instead of the image; must be importable where workers are spawned.
        """
        self._selection, self._transform = selection, transform
        self._columns = tuple(c for c in columns if c not in PLACE)
        self._shuffle, self._seed, self._buffer = shuffle, seed, buffer
        self._rank, self._ranks, self._verify = rank, ranks, verify
        self._epoch = 0
        if "torch" in sys.modules:
            from torch.utils.data import IterableDataset

            IterableDataset.register(ImageStream)

    def set_epoch(self, epoch: int) -> None:
        """Chooses another order; call it before each epoch, while no worker lives on (``persistent_workers``)."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        """Images of this worker's shards."""
        worker, workers = self._place()
        tables = list(self._selection.release.tables)
        order = f"{self._seed} {self._epoch}"
        if self._shuffle:
            random.Random(order).shuffle(tables)
        images = read_images(self._selection, tables[worker::workers], quoted(self._columns), self._verify)
        if self._shuffle:
            images = _mixed(images, self._buffer, random.Random(f"{order} {worker}"))
        yield from images if self._transform is None else map(self._transform, images)

    def _place(self) -> tuple[int, int]:
        """Number of this worker and how many there are, in all ranks together."""
        torch = sys.modules.get("torch")
        info = torch.utils.data.get_worker_info() if torch else None
        inside, workers = (info.id, info.num_workers) if info else (0, 1)
        return self._rank * workers + inside, self._ranks * workers


def read_images(
    selection: Selection, tables: Sequence[str], columns: str = "", verify: bool = True
) -> Iterator[StoredImage]:
    """The chosen images of some tables with their rows, shard after shard, each read from front to back.

    Args:
        selection: what was chosen.
        tables: paths of tables of images.
        columns: further columns of the rows, as SQL.
        verify: compare every image with its SHA-256.

    Raises:
        OSError: a shard ends too early, or an image isn't the one that was published.
    """
    wanted = f"{quoted(PLACE)}, {columns}" if columns else quoted(PLACE)
    with selection.connect() as connection:
        connection.execute("set threads = 1")  # workers share the machine
        for table in tables:
            rows = selection.query(connection, [table], wanted, 'order by shard, "offset"')
            for batch in rows.to_arrow_reader(_ROWS):
                yield from _images(selection, batch, verify)


def _images(selection: Selection, batch: pa.RecordBatch, verify: bool) -> Iterator[StoredImage]:
    for run in _runs(batch):
        rows = run.to_pylist()
        shard, start = rows[0]["shard"], rows[0]["offset"]
        size = rows[-1]["offset"] + rows[-1]["length"] - start
        data = memoryview(selection.release.warehouse.read_range(shard, start, size))
        if len(data) != size:
            raise OSError(f"expected {size} bytes of {shard} from byte {start}, found {len(data)}")
        for row in rows:
            image = bytes(data[row["offset"] - start : row["offset"] - start + row["length"]])
            if verify and (found := hashlib.sha256(image).hexdigest()) != row["image_sha256"]:
                expected = f"expected SHA-256 {row['image_sha256']} in {shard}"
                raise OSError(f"{row['image_id']}: {expected}, found {found}")
            yield StoredImage(image, row)


def _runs(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Rows whose images are read at once: close together in one shard, and about ``READ`` bytes."""
    if not batch.num_rows:
        return
    offsets, lengths = batch["offset"].to_numpy(), batch["length"].to_numpy()
    shards = batch["shard"].dictionary_encode().indices.to_numpy()
    apart = offsets[1:] - (offsets[:-1] + lengths[:-1]) > GAP
    far = offsets[1:] // READ != offsets[:-1] // READ
    cuts = np.flatnonzero(apart | far | (shards[1:] != shards[:-1])) + 1
    for start, end in zip([0, *cuts], [*cuts, batch.num_rows], strict=True):
        yield batch.slice(start, end - start)


def _mixed(images: Iterator[StoredImage], size: int, chance: random.Random) -> Iterator[StoredImage]:
    """The images in an order that differs from theirs by up to ``size`` places or more."""
    held: list[StoredImage] = []
    for image in images:
        if len(held) < size:
            held.append(image)
            continue
        place = chance.randrange(size)
        yield held[place]
        held[place] = image
    chance.shuffle(held)
    yield from held
