"""Reads published images back: by id, with one range read each, or shard by shard in sequence.

A reader opens a release once. Its index is 32 bytes per image in flat arrays sorted by id, mapped into memory from
files that are made at the first look-up and kept for the release's next readers, so that millions of images cost no
start-up and no memory of their own. Local shards are read with ``pread`` on files that stay open, others with one range
request.
"""

import hashlib
import mmap
import os
import tempfile
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aqqua_dataset.checksums import listed_files
from aqqua_dataset.images.decode import Pixels, decode
from aqqua_dataset.images.shards import members
from aqqua_dataset.warehouse import Warehouse

#: Shards kept open at once; systems commonly allow a process 1,024 files.
OPEN_SHARDS = 256

_COLUMNS = {"high": np.uint64, "low": np.uint64, "offset": np.int64, "length": np.uint32, "shard": np.uint32}

_PLACES = pa.schema([("image_id", pa.string()), *((n, pa.int64()) for n in ("offset", "length", "shard"))])


@dataclass(frozen=True)
class StoredImage:
    """An image as published: its bytes and its row of the ``images`` table."""

    data: bytes
    row: dict[str, Any]

    def pixels(self) -> Pixels:
        """Height x width, or height x width x channels; colour whose channels are equal comes as grey.

        Raises:
            BadImage: the bytes are no image.
        """
        return decode(self.data).pixels


class ReleaseReader:
    """Random and sequential access to the images of a release, on a local disk, an object store or a web server."""

    def __init__(self, warehouse: Warehouse, release: str, cache: Path | None = None) -> None:
        """Opens a release; the index is read or made at the first ``read``.

        Args:
            warehouse: where the release lies; a web server's URL will do, for nothing is listed.
            release: folder of the release, or "" where the warehouse's root is the release itself.
            cache: folder of indexes; default: ``aqqua`` in the user's cache folder (``XDG_CACHE_HOME``).

        Raises:
            FileNotFoundError: no sealed release lies there.
        """
        self._warehouse, self._prefix = warehouse, f"{release}/" if release else ""
        sealed = warehouse.read_json(f"{self._prefix}RELEASED.json")
        if sealed is None:
            raise FileNotFoundError(f"no release at {warehouse.url(release)}")
        self.sealed: dict[str, Any] = sealed
        self._digest = str(sealed["manifest_sha256"])
        self._cache = cache or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "aqqua"
        self._files: list[str] = []
        self._index: _Index | None = None
        self._shards: OrderedDict[int, _OpenShard] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to other processes as a place; they map the same index."""
        return ReleaseReader, (self._warehouse, self._prefix.rstrip("/"), self._cache)

    def __len__(self) -> int:
        """Images in the release."""
        return len(self._opened().high)

    def __contains__(self, image_id: str) -> bool:
        """Whether the release holds an image."""
        return self._opened().find(image_id) is not None

    def read(self, image_id: str) -> bytes:
        """Bytes of an image: one ``pread`` on a local disk, one request elsewhere.

        Raises:
            KeyError: the release holds no such image.
            OSError: the store gave fewer bytes than the image has.
        """
        index = self._opened()
        place = index.find(image_id)
        if place is None:
            raise KeyError(image_id)
        shard, offset, length = index.shard[place], index.offset[place], index.length[place]
        if self._warehouse.is_local:
            data = os.pread(self._shard(shard).handle, length, offset)
        else:
            data = self._warehouse.read_range(self._prefix + index.shards[shard], offset, length)
        if len(data) != length:
            raise OSError(f"{image_id}: expected {length} bytes of {index.shards[shard]}, found {len(data)}")
        return data

    def stream(self) -> Iterator[tuple[str, bytes]]:
        """Id and bytes of every image, shard after shard, each read once from front to back; needs no index."""
        for path in self.files():
            if path.startswith("images/"):
                with self._warehouse.open(self._prefix + path) as stream:
                    yield from members(stream)

    def row(self, image_id: str) -> dict[str, Any]:
        """What is known of an image, from the release's tables; some milliseconds.

        Raises:
            KeyError: the release holds no such image; the message says what stands in its place, if anything.
        """
        for row in self._look_up([p for p in self.files() if p.startswith("metadata/")], image_id):
            return row
        for row in self._look_up(["duplicates.parquet"], image_id):
            raise KeyError(f"{image_id} is published as {row['kept_image_id']} (equal {row['duplicate_kind']})")
        raise KeyError(f"no image {image_id} in {self._warehouse.url(self._prefix.rstrip('/'))}")

    def image(self, image_id: str) -> StoredImage:
        """An image with its row, found through the tables and compared with its SHA-256; makes no index.

        Raises:
            KeyError: as ``row`` does.
            OSError: the bytes aren't those that were published.
        """
        row = self.row(image_id)
        data = self._warehouse.read_range(self._prefix + row["shard"], row["offset"], row["length"])
        if (found := hashlib.sha256(data).hexdigest()) != row["image_sha256"]:
            raise OSError(f"{image_id}: expected SHA-256 {row['image_sha256']} in {row['shard']}, found {found}")
        return StoredImage(data, row)

    def files(self) -> list[str]:
        """All files of the release, from its lists of checksums; sorted."""
        if not self._files:
            self._files = sorted(listed_files(self._warehouse, self._prefix))
        return self._files

    def _look_up(self, tables: list[str], image_id: str) -> Iterator[dict[str, Any]]:
        """Rows of an image in tables of the release; each is sorted by id, so that most row groups are skipped."""
        if tables:
            query = "from read_parquet($tables, hive_partitioning=false) where image_id = $image_id"
            params = {"tables": [self._warehouse.url(self._prefix + t) for t in tables], "image_id": image_id}
            with self._warehouse.connect() as connection:
                yield from connection.sql(query, params=params).to_arrow_table().to_pylist()

    def _opened(self) -> "_Index":
        if self._index is None:
            folder = self._cache / f"release-{self._digest}"
            if not folder.is_dir():
                self._make_index(folder)
            self._index = _Index(folder)
        return self._index

    def _shard(self, number: int) -> "_OpenShard":
        shard = self._shards.get(number)
        if shard is None:
            shard = self._shards[number] = _OpenShard(self._warehouse.url(self._prefix + self._opened().shards[number]))
            while len(self._shards) > OPEN_SHARDS:
                self._shards.popitem(last=False)  # closed once no other thread reads from it
        return shard

    def _make_index(self, folder: Path) -> None:
        """Sorts the places of all images by id, out of core, and puts the arrays into ``folder`` at once."""
        tables = [p for p in self.files() if p.startswith("metadata/")]
        shards: dict[str, int] = {}

        def places() -> Iterator[pa.RecordBatch]:
            for path in tables:
                table = self._warehouse.read_parquet(self._prefix + path, ["image_id", "offset", "length", "shard"])
                named = table["shard"].combine_chunks().dictionary_encode()
                numbers = np.array([shards.setdefault(s, len(shards)) for s in named.dictionary.to_pylist()], np.int64)
                of_image = pa.array(numbers[named.indices.to_numpy()] if len(table) else numbers)
                yield from table.set_column(3, "shard", of_image).cast(_PLACES).to_batches()

        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unfinished-") as scratch:
            aside = Path(scratch) / "index"
            aside.mkdir()
            with self._warehouse.connect() as connection:
                connection.register("places", pa.RecordBatchReader.from_batches(_PLACES, places()))
                ordered = connection.sql("from places order by image_id").to_arrow_reader(100_000)
                _write_arrays(aside, ordered)
            (aside / "shards.txt").write_text("".join(f"{s}\n" for s in shards), encoding="utf-8")
            try:
                aside.replace(folder)
            except OSError:
                if not folder.is_dir():  # else another reader of the release was faster
                    raise


class _Index:
    """Flat arrays sorted by image id, mapped into memory."""

    def __init__(self, folder: Path) -> None:
        self.shards = (folder / "shards.txt").read_text(encoding="utf-8").splitlines()
        arrays = {name: _mapped(folder / name, kind) for name, kind in _COLUMNS.items()}
        self.high, self.low, self.offset = arrays["high"], arrays["low"], arrays["offset"]
        self.length, self.shard = arrays["length"], arrays["shard"]

    def find(self, image_id: str) -> int | None:
        """Row of an image, or None."""
        try:
            number = int(image_id.replace("-", ""), 16)
        except ValueError:
            return None
        high, low = number >> 64, number & 0xFFFFFFFFFFFFFFFF
        place = bisect_left(self.high, high)
        while place < len(self.high) and self.high[place] == high:
            if self.low[place] == low:
                return place
            place += 1
        return None


class _OpenShard:
    """A file that is closed when nobody uses it any more."""

    def __init__(self, path: str) -> None:
        self.handle = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            os.close(self.handle)


def _mapped(path: Path, kind: Any) -> memoryview:
    """An array in a file as a sequence of Python's integers, which are looked up faster than NumPy's."""
    if not path.stat().st_size:
        return memoryview(b"").cast(np.dtype(kind).char)  # an empty file can't be mapped
    with path.open("rb") as stream:
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)).cast(np.dtype(kind).char)


def read_image(warehouse: Warehouse, release: str, image_id: str) -> StoredImage:
    """One image of a release with what is known of it.

    Args:
        warehouse: where the release lies.
        release: folder of the release.
        image_id: UUID of the image.

    Raises:
        KeyError: the release holds no such image; the message says what stands in its place, if anything.
    """
    return ReleaseReader(warehouse, release).image(image_id)


def _write_arrays(folder: Path, ordered: pa.RecordBatchReader) -> None:
    streams = {name: (folder / name).open("wb") for name in _COLUMNS}
    try:
        for batch in ordered:
            high, low = _numbers(batch["image_id"])
            values = {"high": high, "low": low, **{n: batch[n].to_numpy() for n in ("offset", "length", "shard")}}
            for name, kind in _COLUMNS.items():
                values[name].astype(kind).tofile(streams[name])
    finally:
        for stream in streams.values():
            stream.close()


def _numbers(ids: pa.Array) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Upper and lower half of UUIDs in their usual spelling; their order is that of the text."""
    text = np.array(ids.to_numpy(zero_copy_only=False).astype("S36")).view(np.uint8).reshape(-1, 36)
    digits = np.delete(text, [8, 13, 18, 23], axis=1)
    nibbles = np.where(digits >= ord("a"), digits - (ord("a") - 10), digits - ord("0")).astype(np.uint8)
    together = (nibbles[:, ::2] << 4) | nibbles[:, 1::2]
    halves = np.ascontiguousarray(together).view(">u8").astype(np.uint64)
    return halves[:, 0], halves[:, 1]
