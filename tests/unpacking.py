"""Everything in published files as bytes that can be searched, unpacked without this project's code."""

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import blosc2
import lmdb
import pyarrow.parquet as pq
from PIL import Image


def unpacked(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file below a folder, and of whatever is inside of it, in small letters."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        yield name, name.casefold().encode()
        yield from ((place, _small(data)) for place, data in _inside(name, path.read_bytes()))


def _small(data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    return (text + "\n" + text.replace("\0", "")).casefold().encode()


def _inside(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, data
    ending = name.rsplit(".", 1)[-1]
    if ending == "parquet":
        table = pq.read_table(io.BytesIO(data))
        shown = json.dumps(table.to_pydict(), default=str, ensure_ascii=False)
        yield name, f"{table.schema.metadata}{table.schema}{shown}".encode()
        if "image" in table.column_names:
            for image in table["image"].to_pylist():
                yield from _inside(f"{name}/{image['path']}", image["bytes"])
    elif ending == "tar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                assert stream is not None
                yield from _inside(f"{name}/{member.name}", stream.read())
    elif ending == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for inner in archive.namelist():
                yield from _inside(f"{name}/{inner}", archive.read(inner))
    elif ending in ("png", "jpg", "jpeg", "tif"):
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            yield name, f"{image.info}{dict(image.getexif())}{dict(getattr(image, 'tag_v2', {}))}".encode()
            yield name, b"".join(v for v in image.info.values() if isinstance(v, bytes))
    elif ending == "mdb":
        yield from _lmdb(name, data)


def _lmdb(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data.mdb").write_bytes(data)
        with lmdb.open(folder, readonly=True, lock=False, max_dbs=2) as environment:
            images = environment.open_db(b"image_data", integerkey=True, create=False)
            with environment.begin(images) as transaction:
                for key, value in transaction.cursor():
                    array = blosc2.ndarray_from_cframe(value, True)
                    yield f"{name}/{key!r}", f"{dict(array.meta)}{dict(array.vlmeta)}".encode()
