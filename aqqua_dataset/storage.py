"""How stores are reached: one YAML block for the warehouse, one for the deliveries; secrets by name only.

The file named by ``AQQUA_STORAGE`` holds what fsspec's file system takes (``endpoint_url``, ``profile``,
``config_kwargs`` …). A key or password never stands in it: ``key_env: NAME`` says which environment variable holds
it, and it is looked up on each worker when the store is opened, so that no task, log or pickle carries it.
"""

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import yaml

from aqqua_dataset.findings import Finding, Refused

#: Options that hold a secret, in fsspec's file systems for S3, HTTP, SFTP, FTP and WebDAV.
SECRETS = ("key", "secret", "token", "password", "username")

_BY_NAME = "_env"


class StorageRefused(Refused):
    """The storage file can't be used."""

    what = "the storage settings"


@dataclass(frozen=True)
class Storage:
    """Options for fsspec, by what they are for; empty for local folders and for what the environment says."""

    warehouse: dict[str, Any] = field(default_factory=dict, hash=False)
    deliveries: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_environment(cls) -> "Storage":
        """What the file named by ``AQQUA_STORAGE`` says; raises StorageRefused."""
        named = os.environ.get("AQQUA_STORAGE")
        return load(Path(named)) if named else cls()


def load(path: Path) -> Storage:
    """Reads the storage file.

    Raises:
        StorageRefused: it isn't YAML, has a block nobody knows, or a secret stands in it.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _refused(path, f"can't be read ({error})") from None
    blocks = ("warehouse", "deliveries")
    if not isinstance(found, dict) or not set(found) <= set(blocks):
        raise _refused(path, f"expected the blocks {' and '.join(blocks)}")
    for name, options in found.items():
        if not isinstance(options, dict):
            raise _refused(path, "expected options, as name: value", name)
        if written := written_secrets(options):
            told = f"a secret never stands in a file; write {written[0]}_env: NAME_OF_A_VARIABLE, or profile: NAME"
            raise _refused(path, told, f"{name}.{written[0]}")
    return Storage(**found)


def with_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with ``name_env: VARIABLE`` replaced by ``name`` and what the variable holds.

    Raises:
        StorageRefused: a variable that the options name isn't set.
    """
    given = dict(options)
    for name in [n for n in options if n.endswith(_BY_NAME)]:
        variable = str(given.pop(name))
        if variable not in os.environ:
            message = f"the environment has no variable {variable}"
            raise StorageRefused([Finding("storage_secret_missing", "error", message, key=name)])
        given[name.removesuffix(_BY_NAME)] = os.environ[variable]
    return given


def open_store(location: str, options: dict[str, Any]) -> tuple[Any, str]:
    """The fsspec file system of a path or URL and the path inside it, with secrets looked up by name.

    Raises:
        StorageRefused: a variable that the options name isn't set.
    """
    given = with_secrets(options)
    if location.startswith(("s3://", "s3a://")):
        given.setdefault("use_listings_cache", False)  # other workers write too; a cached listing wouldn't show it
    file_system, path = fsspec.core.url_to_fs(location, **given)
    return file_system, path


class WebFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A web server's files as DuckDB wants to see them: asked once for their size, never changed.

    DuckDB asks for each file many times, and also when it was changed, which web servers need not say. What is read
    there are releases, which never change.
    """

    protocol = ("http", "https")
    cachable = False

    def __init__(self, web: Any) -> None:
        """``web`` is fsspec's file system for HTTP."""
        super().__init__()
        self._web = web
        self._known: dict[str, dict[str, Any]] = {}

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name and size of a file; raises FileNotFoundError."""
        if path not in self._known:
            self._known[path] = self._web.info(path)
        return self._known[path]

    def exists(self, path: str, **_: Any) -> bool:
        """Whether the server has the file."""
        try:
            return bool(self.info(path))
        except FileNotFoundError:
            return False

    def glob(self, path: str, **_: Any) -> list[str]:
        """The file itself: web servers list nothing."""
        return [path] if self.exists(path) else []

    def modified(self, path: str) -> dt.datetime:
        """A moment long ago."""
        return dt.datetime.fromtimestamp(0, dt.UTC)

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        """The file, read by ranges."""
        return self._web.open(path, mode, size=self.info(path)["size"])


def written_secrets(options: Mapping[str, Any]) -> list[str]:
    """Names of the options, at any depth, that hold a secret."""
    found = [
        n for n in options if n in SECRETS or n.endswith(("_secret", "_key", "_token", "_password", "access_key_id"))
    ]
    for value in options.values():
        if isinstance(value, dict):
            found += written_secrets(value)
    return found


def _refused(path: Path, message: str, key: str = "") -> StorageRefused:
    return StorageRefused([Finding("storage_file", "error", message, file=str(path), key=key)])
