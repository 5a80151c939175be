"""Where every file lies, and how it gets there whole: nothing half-written is ever read.

All paths are relative to the warehouse's root, which is a local folder or any fsspec URL. A file
appears under its name only when complete: local files are renamed into place, object stores show an
object only after its upload has ended; nothing is ever renamed there. A set of files counts only once its manifest
names it, and a manifest is replaced only by a writer that has seen it (``watch``, ``commit_json``).
"""

import contextlib
import datetime as dt
import fcntl
import functools
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
import pyarrow as pa
import pyarrow.parquet as pq

from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.storage import WebFiles, open_store

ROW_GROUP_ROWS = 5_000
DUCKDB_MEMORY = "4GB"

#: Part of a multipart upload in bytes; a store takes 10,000 of them, so a shard may have 160 GB.
UPLOAD_PART = 16 << 20

UNFINISHED = ".unfinished-"


class CommitConflict(Refused):
    """Somebody else has replaced a manifest since it was read; nothing was written."""

    what = "the commit"


class Warehouse:
    """A tree of immutable files and small manifests on a local disk or an object store."""

    def __init__(self, root: str, storage_options: dict[str, Any] | None = None) -> None:
        """Opens the tree at ``root`` (path or URL) with options for fsspec; see ``storage`` for secrets."""
        self.root = root
        self.storage_options = storage_options or {}
        self._fs, self._base = open_store(root, self.storage_options)
        self._base = self._base.rstrip("/")
        self.is_local = "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,))
        self.is_web = "http" in self._fs.protocol
        self._watched: dict[str, str | None] = {}
        #: Bytes of the files that this object has written whole; files put under a second name aren't among them.
        self.bytes_written = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to workers as a place and options; a secret is looked up again where it arrives."""
        return Warehouse, (self.root, self.storage_options)

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
        return [p for p in self.times(folder) if not is_unfinished(p)]

    def times(self, folder: str) -> dict[str, dt.datetime]:
        """All files below a folder, unfinished ones included, sorted, and when each was written."""
        base = f"{self._base}/{folder}".rstrip("/")
        self._fs.invalidate_cache()
        if not self._fs.exists(base):
            return {}
        found = self._fs.find(base, detail=True)
        return {p.removeprefix(f"{self._base}/"): _written(found[p]) for p in sorted(found)}

    def sizes(self, folder: str) -> dict[str, int]:
        """Size in bytes of every complete file below a folder, from one listing."""
        base = f"{self._base}/{folder}".rstrip("/")
        self._fs.invalidate_cache()
        found = self._fs.find(base, detail=True) if self._fs.exists(base) else {}
        return {p.removeprefix(f"{self._base}/"): int(i["size"]) for p, i in found.items() if not is_unfinished(p)}

    def names(self, folder: str) -> list[str]:
        """Names directly in a folder, sorted; empty when there is no such folder."""
        self._fs.invalidate_cache()
        try:
            return sorted(
                str(p).rstrip("/").rsplit("/", 1)[-1] for p in self._fs.ls(f"{self._base}/{folder}", detail=False)
            )
        except FileNotFoundError:
            return []

    @contextlib.contextmanager
    def create(self, path: str, digest: "hashlib._Hash | None" = None) -> Iterator[IO[bytes]]:
        """A file to write; it appears under its name when the block ends without an error.

        Args:
            path: where.
            digest: told every byte that is written.
        """
        with self._create(path) as stream:
            yield stream if digest is None else cast("IO[bytes]", _Hashed(stream, digest))

    @contextlib.contextmanager
    def _create(self, path: str) -> Iterator[IO[bytes]]:
        target = f"{self._base}/{path}"
        if not self.is_local:
            stream = self._fs.open(target, "wb", block_size=UPLOAD_PART)
            try:
                yield stream
                self.bytes_written += stream.tell()
                stream.close()
            except BaseException:
                if not stream.closed:
                    stream.discard()
                    stream.closed = True  # closing would try to upload the rest
                raise
            return
        aside = Path(target).with_name(f"{UNFINISHED}{uuid.uuid4().hex}")
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as stream:
                yield stream
                self.bytes_written += stream.tell()
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
        self.write_bytes(path, _json(value))

    def watch(self, path: str) -> None:
        """Remembers the present state of a manifest, for ``commit_json`` to replace that and no other."""
        self._watched[path] = self._state(path)

    def commit_json(self, path: str, value: object) -> None:
        """Writes a manifest in one step, only if it is still as it was when it was watched.

        A local disk locks the folder; an object store is asked for a conditional write where it has one
        (``conditional_writes``), else a writer in the instant between look and write can't be seen.

        Raises:
            CommitConflict: another writer was faster.
        """
        seen = self._watched.pop(path) if path in self._watched else self._state(path)
        message = "this manifest was replaced by another run since this one began; run again"
        conflict = CommitConflict([Finding("commit_conflict", "error", message, file=self.url(path))])
        if self.is_local:
            with _locked(Path(f"{self._base}/{path}").parent):
                if self._state(path) != seen:
                    raise conflict
                self.write_json(path, value)
            return
        if self._state(path) != seen:
            raise conflict
        condition: dict[str, str] = {}
        if self.conditional_writes:
            condition = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": seen}
        try:
            self._fs.pipe_file(f"{self._base}/{path}", _json(value), **condition)
        except OSError as error:
            if self._state(path) == seen:
                raise
            raise conflict from error

    @functools.cached_property
    def conditional_writes(self) -> bool:
        """Whether the object store refuses to create what is there: asked once, with a small object of its own."""
        if "s3" not in self._fs.protocol:
            return False
        probe = f"{self._base}/{UNFINISHED}{uuid.uuid4().hex}"
        try:
            self._fs.pipe_file(probe, b"?", IfNoneMatch="*")
            self._fs.pipe_file(probe, b"?", IfNoneMatch="*")
        except (OSError, NotImplementedError):
            return bool(self._fs.exists(probe))  # the first was written, the second refused
        else:
            return False
        finally:
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(probe)

    def _state(self, path: str) -> str | None:
        """What changes when a small file does: ETag, else a hash of its bytes; None where there is none."""
        self._fs.invalidate_cache()
        try:
            if "ETag" in (info := self._fs.info(f"{self._base}/{path}")):
                return str(info["ETag"])
            return hashlib.sha256(self._fs.cat_file(f"{self._base}/{path}")).hexdigest()
        except FileNotFoundError:
            return None

    def read_json(self, path: str) -> Any:
        """Reads a JSON file, or None when there is none."""
        try:
            return json.loads(self._fs.cat_file(f"{self._base}/{path}"))
        except FileNotFoundError:
            return None

    def write_parquet(
        self,
        path: str,
        table: pa.Table | Iterator[pa.RecordBatch],
        schema: pa.Schema,
        digest: "hashlib._Hash | None" = None,
    ) -> int:
        """Writes Parquet (zstd, fixed row groups) from a table or a stream of batches; returns rows."""
        batches = table.to_batches() if isinstance(table, pa.Table) else table
        rows = 0
        with (
            self.create(path, digest) as stream,
            pq.ParquetWriter(stream, schema, compression="zstd", write_page_checksum=True) as writer,
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
        verify: bool = False,
    ) -> pa.Table:
        """Reads one Parquet file, or the columns and rows asked for; ``verify`` compares the checksum of each page."""
        with self.open(path) as stream:
            return pq.read_table(stream, columns=columns, filters=filters, page_checksum_verification=verify)

    def parquet_columns(self, path: str) -> list[str]:
        """Names of a Parquet file's columns."""
        with self.open(path) as stream:
            return list(pq.read_schema(stream).names)

    @contextlib.contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB session that reads the warehouse's files, within bounded memory, spilling to disk."""
        with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
            connection.execute(f"set temp_directory = '{spill}'")
            connection.execute(f"set memory_limit = '{DUCKDB_MEMORY}'")
            connection.execute("set preserve_insertion_order = false")
            if not self.is_local:
                connection.register_filesystem(self._web_files if self.is_web else self._fs)
            yield connection

    @functools.cached_property
    def _web_files(self) -> WebFiles:
        return WebFiles(self._fs)

    def copy(self, source: str, target: str) -> None:
        """Puts a file under a second name: a hard link where the disk can, else a copy."""
        origin, goal = f"{self._base}/{source}", f"{self._base}/{target}"
        if not self.is_local:
            self._fs.cp_file(origin, goal)
            return
        aside = Path(goal).with_name(f"{UNFINISHED}{uuid.uuid4().hex}")
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

    def prune(self, path: str) -> None:
        """Removes the folders above a removed file that are now empty; object stores have none."""
        for folder in list(Path(path).parents)[:-1] if self.is_local else ():
            try:
                Path(f"{self._base}/{folder}").rmdir()
            except OSError:
                return

    def abort_uploads(self, before: dt.datetime, dry_run: bool = False) -> list[str]:
        """Ends uploads to an S3 store that were begun and never completed: unseen in listings, but paid for.

        Returns:
            Path of each, as ``path (upload)``; empty where the store can't list them.
        """
        if "s3" not in self._fs.protocol:
            return []
        bucket, _, prefix = f"{self._base}/".partition("/")
        try:
            begun = self._fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix).get("Uploads", [])
        except (OSError, NotImplementedError):
            return []
        old = [u for u in begun if u["Initiated"] <= before]
        for upload in () if dry_run else old:
            self._fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        return [f"{u['Key'].removeprefix(prefix)} (upload)" for u in old]

    def sha256(self, path: str) -> str:
        """SHA-256 of a file, read in pieces."""
        digest = hashlib.sha256()
        with self.open(path) as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()


class _Hashed:
    """A stream to write to that tells a hash what it is given."""

    def __init__(self, stream: IO[bytes], digest: "hashlib._Hash") -> None:
        self._stream, self._digest = stream, digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._stream.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def is_unfinished(path: str) -> bool:
    """Whether a file is one that a killed writer left behind, or that is being written."""
    return path.rsplit("/", 1)[-1].startswith(UNFINISHED)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _written(info: dict[str, Any]) -> dt.datetime:
    """When a file was written, from a listing; stores differ in how they say it."""
    found = info.get("mtime") or info.get("LastModified") or info.get("last_modified") or info.get("created")
    if isinstance(found, int | float):
        return dt.datetime.fromtimestamp(found, dt.UTC)
    return found if isinstance(found, dt.datetime) else dt.datetime.now(dt.UTC)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder that other processes on this machine (and on most network disks) respect."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


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
