"""Images in sequence: shards read from front to back, shuffled and shared out among workers as training wants it."""

import hashlib
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

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


class Run(NamedTuple):
    """Images that were read at once, the table they stand in, and their rows of it."""

    table: str
    rows: pa.RecordBatch
    images: list[bytes]


def read_runs(selection: Selection, tables: Sequence[str], columns: str = "", verify: bool = True) -> Iterator[Run]:
    """The chosen images of some tables with their rows, shard after shard, each read from front to back.

    Args:
        selection: what was chosen.
        tables: paths of tables of images; a run never holds images of two.
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
                for run in _runs(batch):
                    images = _read(selection, run)
                    if verify:
                        _verify(run, images)
                    yield Run(table, run, images)


def read_images(
    selection: Selection, tables: Sequence[str], columns: str = "", verify: bool = True
) -> Iterator[StoredImage]:
    """The same, one image at a time."""
    for run in read_runs(selection, tables, columns, verify):
        yield from map(StoredImage, run.images, run.rows.to_pylist())


def _read(selection: Selection, rows: pa.RecordBatch) -> list[bytes]:
    shard, offsets, lengths = rows["shard"][0].as_py(), rows["offset"].to_numpy(), rows["length"].to_numpy()
    start, size = int(offsets[0]), int(offsets[-1] + lengths[-1] - offsets[0])
    data = memoryview(selection.release.warehouse.read_range(shard, start, size))
    if len(data) != size:
        raise OSError(f"expected {size} bytes of {shard} from byte {start}, found {len(data)}")
    return [bytes(data[at : at + n]) for at, n in zip((offsets - start).tolist(), lengths.tolist(), strict=True)]


def _verify(rows: pa.RecordBatch, images: list[bytes]) -> None:
    columns = (rows[c].to_pylist() for c in ("image_id", "image_sha256", "shard"))
    for image, image_id, digest, shard in zip(images, *columns, strict=True):
        if (found := hashlib.sha256(image).hexdigest()) != digest:
            raise OSError(f"{image_id}: expected SHA-256 {digest} in {shard}, found {found}")


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
