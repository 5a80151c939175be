"""Where every file lies, and how it gets there whole: nothing half-written is ever read.

All paths are relative to the warehouse's root, which is a local folder or any fsspec URL. A file
appears under its name only when complete: local files are renamed into place, object stores show an
object only after its upload has ended. A set of files counts only once its manifest names it.
"""

import contextlib
import datetime as dt
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 5_000
DUCKDB_MEMORY = "4GB"


class Warehouse:
    """A tree of immutable files and small manifests on a local disk or an object store."""

    def __init__(self, root: str, storage_options: dict[str, Any] | None = None) -> None:
        """Opens the tree at ``root`` (path or URL); ``storage_options`` go to fsspec."""
        self.root = root
        self.storage_options = storage_options or {}
        self._fs, self._base = fsspec.core.url_to_fs(root, **self.storage_options)
        self.is_local = "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,))

    def url(self, path: str) -> str:
        """Full path or URL of a file, for other readers (DuckDB, pyarrow)."""
        return f"{self._base}/{path}" if self.is_local else self._fs.unstrip_protocol(f"{self._base}/{path}")

    def exists(self, path: str) -> bool:
        """Whether a complete file stands under this name."""
        return bool(self._fs.exists(f"{self._base}/{path}"))

    def size(self, path: str) -> int:
        """Size of a file in bytes."""
        return int(self._fs.size(f"{self._base}/{path}"))

    def modified(self, path: str) -> dt.datetime:
        """When a file was written."""
        return cast("dt.datetime", self._fs.modified(f"{self._base}/{path}"))

    def find(self, folder: str) -> list[str]:
        """All files below a folder, sorted; empty when there is no such folder. Unfinished files are not listed."""
        base = f"{self._base}/{folder}".rstrip("/")
        if not self._fs.exists(base):
            return []
        self._fs.invalidate_cache()
        found = (p.removeprefix(f"{self._base}/") for p in self._fs.find(base))
        return sorted(p for p in found if not p.rsplit("/", 1)[-1].startswith(".unfinished-"))

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[IO[bytes]]:
        """A file to write; it appears under its name when the block ends without an error."""
        target = f"{self._base}/{path}"
        if not self.is_local:
            with self._fs.open(target, "wb") as stream:
                try:
                    yield stream
                except BaseException:
                    stream.discard()
                    raise
            return
        aside = Path(target).with_name(f".unfinished-{uuid.uuid4().hex}")
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def open(self, path: str) -> IO[bytes]:
        """A complete file to read; raises FileNotFoundError."""
        return cast("IO[bytes]", self._fs.open(f"{self._base}/{path}", "rb"))

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``: one request on an object store."""
        data = self._fs.cat_file(f"{self._base}/{path}", start=offset, end=offset + length)
        return cast("bytes", data)

    def write_bytes(self, path: str, data: bytes) -> None:
        """Writes a small file at once."""
        with self.create(path) as stream:
            stream.write(data)

    def write_json(self, path: str, value: object) -> None:
        """Writes JSON with sorted keys, so that equal values give equal bytes."""
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        self.write_bytes(path, (text + "\n").encode())

    def read_json(self, path: str) -> Any:
        """Reads a JSON file, or None when there is none."""
        if not self.exists(path):
            return None
        return json.loads(self._fs.cat_file(f"{self._base}/{path}"))

    def write_parquet(self, path: str, table: pa.Table | Iterator[pa.RecordBatch], schema: pa.Schema) -> int:
        """Writes Parquet (zstd, fixed row groups) from a table or a stream of batches; returns rows."""
        batches = table.to_batches() if isinstance(table, pa.Table) else table
        rows = 0
        with (
            self.create(path) as stream,
            pq.ParquetWriter(stream, schema, compression="zstd") as writer,
        ):
            for piece in _regroup(batches, schema):
                rows += piece.num_rows
                writer.write_table(piece, row_group_size=ROW_GROUP_ROWS)
        return rows

    def read_parquet(
        self,
        path: str,
        columns: list[str] | None = None,
        filters: list[tuple[str, str, Any]] | None = None,
    ) -> pa.Table:
        """Reads one Parquet file, or the columns and rows asked for."""
        with self.open(path) as stream:
            return pq.read_table(stream, columns=columns, filters=filters)

    @contextlib.contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB session that reads the warehouse's files, within bounded memory, spilling to disk."""
        with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
            connection.execute(f"set temp_directory = '{spill}'")
            connection.execute(f"set memory_limit = '{DUCKDB_MEMORY}'")
            connection.execute("set preserve_insertion_order = false")
            if not self.is_local:
                connection.register_filesystem(self._fs)
            yield connection

    def copy(self, source: str, target: str) -> None:
        """Puts a file under a second name: a hard link where the disk can, else a copy."""
        origin, goal = f"{self._base}/{source}", f"{self._base}/{target}"
        if not self.is_local:
            self._fs.cp_file(origin, goal)
            return
        aside = Path(goal).with_name(f".unfinished-{uuid.uuid4().hex}")
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(origin, aside)
        except OSError:
            shutil.copyfile(origin, aside)
        aside.replace(goal)

    def remove(self, folder: str) -> None:
        """Removes a folder or file with all it holds; nothing happens when there is none."""
        target = f"{self._base}/{folder}"
        if self._fs.exists(target):
            self._fs.rm(target, recursive=True)

    def sha256(self, path: str) -> str:
        """SHA-256 of a file, read in pieces."""
        digest = hashlib.sha256()
        with self.open(path) as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()


def _regroup(batches: Any, schema: pa.Schema) -> Iterator[pa.Table]:
    """Cuts a stream into full row groups, so that file bytes don't depend on how it was chunked."""
    waiting: list[pa.Table] = []
    rows = 0
    for batch in batches:
        waiting.append(pa.Table.from_batches([batch]).cast(schema))
        rows += batch.num_rows
        if rows >= ROW_GROUP_ROWS:
            joined = pa.concat_tables(waiting)
            full = rows - rows % ROW_GROUP_ROWS
            yield joined.slice(0, full)
            waiting, rows = [joined.slice(full)], rows - full
    if rows:
        yield pa.concat_tables(waiting)
