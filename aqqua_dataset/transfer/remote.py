"""Where deliveries are fetched from: one small interface, and the transports of local folders and object stores.

A transport lists files and reads one from any byte on. It belongs to one thread.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import aiohttp
from botocore.exceptions import BotoCoreError, NoCredentialsError, ProfileNotFound

from aqqua_dataset.registry.fetching import SCHEMES
from aqqua_dataset.storage import open_store, with_secrets

#: Bytes read at once: what may have to be sent again after a cut.
BLOCK = 1 << 20
_OBJECT_BLOCK = 8 << 20  # one request each
#: A server that says nothing for so many seconds is taken for gone.
TIMEOUT_S = 60

_MD5 = re.compile(r"[0-9a-f]{32}")


class NotTheFile(Exception):
    """The source answers, but not with the file: nothing that another attempt would change.

    Attributes:
        rule: name of the rule for the finding.
    """

    def __init__(self, rule: str, message: str) -> None:
        """Keeps the rule; ``message`` says what was found and what to do."""
        self.rule = rule
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at its source.

    Attributes:
        path: path inside the delivery, as the source calls it.
        name: what the transport opens.
        size: bytes; None where the source doesn't say.
        stamp: changes with the file; "" where the source gives nothing of that kind.
        hashes: hexadecimal digests that the source states, by algorithm.
        link: which of the contribution's links it comes from.
    """

    path: str
    name: str
    size: int | None
    stamp: str
    hashes: tuple[tuple[str, str], ...] = ()
    link: int = 0


class Transport(Protocol):
    """One way to a source."""

    def files(self) -> Iterator[RemoteFile]:
        """Everything that lies there; raises OSError where the source can't be reached, or NotTheFile."""

    def read(self, file: RemoteFile, offset: int) -> tuple[int, Iterator[bytes]]:
        """The bytes from ``offset`` on, and where they really start: 0 where the server can't begin in the middle.

        Raises:
            OSError: the connection failed; another attempt may succeed.
            NotTheFile: it won't.
        """

    def close(self) -> None:
        """Ends the connection."""


class Store:
    """A local folder or file (also one that Globus filled), or an object store, through fsspec."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Opens nothing yet; ``options`` are fsspec's."""
        self._fs, base = open_store(url, dict(options))
        self._base = base.rstrip("/")
        self._local = "file" in self._fs.protocol

    def files(self) -> Iterator[RemoteFile]:
        """See ``Transport``."""
        with _reaching():
            if not self._fs.exists(self._base):
                raise NotTheFile("source_missing", "nothing lies there; check the place, and whether it is mounted")
            found = {} if self._local else self._fs.find(self._base, detail=True)
            hashed = self._etag_is_md5(next(iter(found), ""))
        if self._local:
            yield from self._local_files(Path(self._base))
        for full in sorted(f for f in found if not f.endswith("/")):  # some clients write empty objects for folders
            info = found[full]
            etag = str(info.get("ETag", "")).strip('"')
            path = full.removeprefix(f"{self._base}/") if full != self._base else full.rsplit("/", 1)[-1]
            md5 = (("md5", etag),) if hashed and _MD5.fullmatch(etag) else ()
            yield RemoteFile(path, full, int(info["size"]), etag or str(info.get("LastModified", "")), md5)

    def _local_files(self, base: Path) -> Iterator[RemoteFile]:
        if base.is_file():
            yield _local_file(base, base.parent)
            return
        for folder, folders, names in os.walk(base):
            folders.sort()
            for name in sorted(names):
                if (path := Path(folder) / name).is_file():  # neither sockets nor links to nowhere
                    yield _local_file(path, base)

    def _etag_is_md5(self, first: str) -> bool:
        """Whether ETags without a dash are MD5: they aren't where Amazon's KMS encrypts."""
        if not first or "s3" not in self._fs.protocol:
            return False
        bucket, _, key = first.partition("/")
        head = self._fs.call_s3("head_object", Bucket=bucket, Key=key)
        return not str(head.get("ServerSideEncryption", "")).startswith("aws:kms")

    def read(self, file: RemoteFile, offset: int) -> tuple[int, Iterator[bytes]]:
        """See ``Transport``."""
        return offset, self._local_blocks(file, offset) if self._local else self._blocks(file, offset)

    def _local_blocks(self, file: RemoteFile, offset: int) -> Iterator[bytes]:
        with _reaching():
            stream = open(file.name, "rb", buffering=0)  # noqa: PTH123, SIM115 - closed below
        with stream:
            stream.seek(offset)
            while block := stream.read(BLOCK):
                yield block

    def _blocks(self, file: RemoteFile, offset: int) -> Iterator[bytes]:
        for start in range(offset, file.size or 0, _OBJECT_BLOCK):
            end = min(start + _OBJECT_BLOCK, file.size or 0)
            with _reaching():
                block = cast("bytes", self._fs.cat_file(file.name, start=start, end=end))
            yield block

    def close(self) -> None:
        """Nothing is kept open."""


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    """Turns what the libraries raise into OSError, where another attempt may help, and NotTheFile, where not."""
    try:
        yield
    except (FileNotFoundError, PermissionError) as error:
        raise NotTheFile("remote_file_unreadable", str(error)) from error
    except (NoCredentialsError, ProfileNotFound) as error:
        raise NotTheFile("link_refused", f"{error}: set key_env and secret_env, or profile, in options") from error
    except (BotoCoreError, aiohttp.ClientError) as error:
        raise ConnectionError(str(error)) from error


def _local_file(path: Path, base: Path) -> RemoteFile:
    state = path.stat()
    return RemoteFile(path.relative_to(base).as_posix(), str(path), state.st_size, str(state.st_mtime_ns))


def open_transport(url: str, options: Mapping[str, Any]) -> Transport:
    """The transport of a URL or local path, with secrets looked up by name.

    Raises:
        StorageRefused: a variable that the options name isn't set.
        NotTheFile: no transport knows the URL's scheme.
    """
    from aqqua_dataset.transfer import ftp, sftp, web  # they import what is above

    scheme = urlsplit(url).scheme.lower() if "://" in url else "file"
    if scheme in ("", "file", "s3", "s3a"):
        return Store(url, options)
    known = with_secrets(options)
    if scheme in ("http", "https"):
        return web.Link(url, known)
    if scheme in web.DAV:
        return web.WebDav(url, known)
    if scheme in ("ftp", "ftps"):
        return ftp.Ftp(url, known)
    if scheme == "sftp":
        return sftp.Sftp(url, known)
    raise NotTheFile("link_scheme", f"expected a link that begins with one of {', '.join(SCHEMES)}")
