"""AqQua Data Format: images as blosc2 arrays in LMDB, metadata in Parquet under iFDO's names, delivered ones beside.

Checked against pixel-patrol-aqqua 0.8.0. ``<stem>-images-N.lmdb`` has a sub-database ``image_data`` with integer keys;
each value is a blosc2 frame whose metadata say ``image-uuid`` and ``image-channels``. ``<stem>-meta-N.parquet`` has the
rows by ``image-uuid``, ``<stem>-raw-N.parquet`` what was delivered, as JSON. ``image-set.toml`` names the axes.
Depth is given twice: ``image-depth`` downwards, ``image-altitude-meters`` upwards; ``image-pixel-magnitude`` is in µm.
"""

import json
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import blosc2
import lmdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.export.folder import granted_licence, release_facts
from aqqua_dataset.export.target import Target, in_files
from aqqua_dataset.images.decode import Pixels, decode
from aqqua_dataset.reader.release import PLACE, Selection, quoted
from aqqua_dataset.reader.stream import Run

#: Which images the format can hold.
CONDITION = "true"

#: Bytes of pixels in one database.
DATABASE = 4 << 30

#: Bytes of pixels that are compressed as one piece.
CHUNK = 1 << 20

Axes = Literal["YXS", "CYX"]

_ADDRESS_SPACE = 4 * DATABASE  # a database never grows to it, for arrays that don't shrink hardly grow
_CHANNELS = {1: ["grey"], 2: ["grey", "alpha"], 3: ["red", "green", "blue"], 4: ["red", "green", "blue", "alpha"]}
_COPIED_AT_ONCE = 1 << 20
_ROWS = 5_000

_READING = """## Reading it

`pixel-patrol` with `pixel-patrol-aqqua` opens the folder. By hand:

```python
import blosc2, lmdb, pandas

rows = pandas.read_parquet("{stem}-meta-1.parquet").set_index("image-uuid")
database = lmdb.open("{stem}-images-1.lmdb", readonly=True, lock=False, max_dbs=2)
images = database.open_db(b"image_data", integerkey=True, create=False)
with database.begin(images) as transaction:
    for key, value in transaction.cursor():
        array = blosc2.ndarray_from_cframe(value)
        pixels, row = array[:], rows.loc[array.meta["image-uuid"]]
```

Two dimensions are height and width; of three, `image-axes` in `image-set.toml` says the order.
"""


def write(selection: Selection, target: Target, axes: Axes = "YXS") -> str:
    """Writes databases and tables; returns how to read them.

    Args:
        selection: the images.
        target: the folder.
        axes: order of the three dimensions of a colour image; the public reader takes them as YXS.
    """
    further = [c for c in target.columns if c not in PLACE]
    fields = [pa.field(_NAMES.get(f.name, f.name.replace("_", "-")), f.type) for f in target.fields]
    table = pa.schema([*fields, pa.field("image-key", pa.int64())])
    key = 0
    for number, runs in in_files(target.runs(quoted(further)), DATABASE, _pixel_bytes):
        name = f"{target.stem}-images-{number + 1}.lmdb"
        ids: dict[str, list[pa.Array]] = {}
        with (
            _database(target, f"{name}/data.mdb") as images,
            target.parquet(f"{target.stem}-meta-{number + 1}.parquet", table) as rows,
        ):
            for run in runs:
                images.add(key, run, axes)
                keys = pa.array(np.arange(key, key + len(run.images)), pa.int64())
                rows.write_table(pa.Table.from_arrays([*(run.rows[c] for c in target.columns), keys], schema=table))
                ids.setdefault(run.table, []).append(run.rows["image_id"])
                key += len(run.images)
        _write_raw(target, f"{target.stem}-raw-{number + 1}.parquet", ids)
    target.write_text("image-set.toml", _image_set(target, axes))
    return _READING.format(stem=target.stem)


def _names() -> dict[str, str]:
    """iFDO's name of each column that has one of its own there; the others keep theirs, with hyphens."""
    terms = [f.ifdo for f in schema.fields().values() if f.ifdo]
    columns = schema.tables()["images"].columns
    mine = {c: schema.fields()[c].ifdo for c in columns}
    return {c: t.replace(".", "-") for c, t in mine.items() if t and terms.count(t) == 1}


_NAMES = _names()


def _pixel_bytes(run: Run) -> int:
    """Bytes of a run's decoded pixels."""
    sizes = (run.rows[c].to_numpy().astype(np.int64) for c in ("height_px", "width_px", "channels", "bit_depth"))
    height, width, channels, bits = sizes
    return int((height * width * channels * np.maximum(bits, 8) // 8).sum())


class _Images:
    """An LMDB in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Nothing is synced: the file is read back once and thrown away.
        self._environment = lmdb.open(
            str(folder / "growing"), map_size=_ADDRESS_SPACE, max_dbs=2, sync=False, metasync=False, lock=False
        )
        self._database = self._environment.open_db(b"image_data", integerkey=True)

    def add(self, key: int, run: Run, axes: Axes) -> None:
        """Adds a run's images under keys from ``key`` on, in one transaction."""
        columns = (run.rows[c].to_pylist() for c in ("image_id", "taxon_name"))
        with self._environment.begin(db=self._database, write=True) as transaction:
            for number, (data, image_id, taxon) in enumerate(zip(run.images, *columns, strict=True), key):
                frame = encode(decode(data).pixels, image_id, taxon, axes)
                transaction.put(struct.pack("=Q", number), frame, append=True)

    def finish(self) -> Path:
        """Closes it and returns a compact copy, whose bytes depend on nothing but what was added."""
        (self._folder / "compact").mkdir()
        self._environment.copy(str(self._folder / "compact"), compact=True)
        self._environment.close()
        return self._folder / "compact/data.mdb"


@contextmanager
def _database(target: Target, path: str) -> Iterator[_Images]:
    """A database to fill, in a scratch folder; LMDB writes to local disks only."""
    with tempfile.TemporaryDirectory() as scratch:
        images = _Images(Path(scratch))
        yield images
        with images.finish().open("rb") as whole, target.create(path) as stream:
            shutil.copyfileobj(whole, stream, _COPIED_AT_ONCE)


def encode(pixels: Pixels, image_id: str, taxon: str | None, axes: Axes) -> bytes:
    """An image as a blosc2 frame, the same on every machine: blosc2's own choice of blocks depends on the cache."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    array: npt.NDArray[np.generic] = pixels
    tall = 0
    if axes == "CYX" and pixels.ndim == 3:
        array, tall = np.ascontiguousarray(np.moveaxis(pixels, 2, 0)), 1
    lines = max(1, CHUNK * array.shape[tall] // array.nbytes)
    chunk = tuple(min(lines, n) if axis == tall else n for axis, n in enumerate(array.shape))
    told = {"image-uuid": image_id, "image-channels": _CHANNELS[channels], **({"class": taxon} if taxon else {})}
    settings = {"codec": blosc2.Codec.ZSTD, "clevel": 5, "nthreads": 1, "typesize": array.itemsize}
    frame: bytes = blosc2.asarray(array, chunks=chunk, blocks=chunk, cparams=settings, meta=told).to_cframe()
    return frame


def _write_raw(target: Target, path: str, ids: dict[str, list[pa.Array]]) -> None:
    """Writes what was delivered with some images, each as one JSON text: columns differ from one to the next."""
    columns = pa.schema([(n, pa.string()) for n in ("image-uuid", "delivered")])
    with target.selection.connect() as connection, target.parquet(path, columns) as writer:
        for table, pieces in ids.items():
            connection.register("wanted", pa.table({"image_id": pa.chunked_array(pieces)}))
            rows = connection.sql(
                """select image_id, to_json(delivered)
                   from read_parquet($table, hive_partitioning = false) as delivered semi join wanted using (image_id)
                   order by image_id""",
                params={"table": target.release.warehouse.url(table.replace("metadata/", "verbatim/", 1))},
            )
            for batch in rows.to_arrow_reader(_ROWS):
                writer.write_table(pa.Table.from_batches([batch]).rename_columns(columns.names).cast(columns))


def _image_set(target: Target, axes: Axes) -> str:
    """The set's own file: what holds for all images."""
    facts = release_facts(target.release)
    released = json.loads(target.release.text("datacite.json"))
    meta = {
        "image-set-name": released["titles"][0]["title"],
        "image-set-version": facts.version,
        "image-set-creators": [c["name"] for c in released["creators"]],
        "image-set-selection": target.selection.where,
        "image-axes": axes,
    }
    lines = ["[meta]", *(f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in meta.items()), ""]
    for name in dict.fromkeys(c for names in _CHANNELS.values() for c in names):
        lines += ["[[meta.image-set-channel]]", f'name = "{name}"', ""]
    licence, _ = granted_licence(target.release) or ("none: see LICENSE", "")
    lines += ["[image-defaults]", f"image-license = {json.dumps(licence)}", ""]
    return "\n".join(lines)
