"""Names of fetched files: what a source calls a file, and a name that is safe on our disks and unique."""

import contextlib
import hashlib
import posixpath
import re
from email.message import Message
from urllib.parse import quote, unquote, urlsplit

from aqqua_dataset.warehouse import UNFINISHED

_LONGEST = 255  # bytes of a name on ext4, XFS and most others
# Control characters, the backslash, which other programs take for a separator, and halves of characters.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*([\w-]+)'[^']*'([^;\s]+)", re.IGNORECASE)


def readable(name: bytes) -> str:
    """A name as text: UTF-8 as servers should send it, else Latin-1."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def safe_path(name: str) -> str:
    """A relative path from a source's path; what isn't safe in it stands percent-encoded."""
    parts = [p for p in name.split("/") if p]
    return "/".join(_safe_part(p, folder=i < len(parts) - 1) for i, p in enumerate(parts)) or "download"


def _safe_part(part: str, folder: bool) -> str:
    if part in (".", ".."):
        return part.replace(".", "%2E")
    safe = _UNSAFE.sub(lambda m: quote(m[0].encode("utf-8", "surrogateescape")), part)
    if safe.startswith(UNFINISHED):
        safe = "%2E" + safe[1:]
    if folder and safe.endswith("!"):  # "!/" leads into an archive
        safe = safe[:-1] + "%21"
    return safe if len(safe.encode()) <= _LONGEST else _marked(safe, part)


def _marked(path: str, name: str) -> str:
    """A path told apart by a short hash of the source's name, no longer than a disk allows."""
    folder, last = posixpath.split(path)
    stem, ending = posixpath.splitext(last)
    mark = "~" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8] + ending[:20]
    stem = stem.encode()[: _LONGEST - len(mark.encode())].decode(errors="ignore")
    return posixpath.join(folder, stem + mark)


class Names:
    """Gives every file of a delivery a path of its own; the same files in the same order get the same paths."""

    def __init__(self) -> None:
        """No path is taken yet."""
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def path_for(self, name: str) -> str:
        """A safe path that no other file or folder has; ``name`` is what the source calls the file."""
        path = safe_path(name)
        folders = _above(path)
        while path in self._files or path in self._folders or not self._files.isdisjoint(folders):
            taken = next((f for f in folders if f in self._files), path)
            path = _marked(taken, name) + path.removeprefix(taken)
            folders = _above(path)
        self._files.add(path)
        self._folders.update(folders)
        return path


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def link_name(url: str, disposition: str) -> str:
    """Name of the file behind a link: from ``Content-Disposition`` (RFC 6266), else the last part of the URL."""
    found = ""
    if extended := _EXTENDED_NAME.search(disposition):
        found = unquote(extended[2], extended[1], errors="replace")
    elif disposition:
        message = Message()
        message["Content-Disposition"] = disposition
        found = message.get_filename() or ""
        with contextlib.suppress(UnicodeError):  # HTTP headers arrive as Latin-1; servers write UTF-8
            found = found.encode("latin-1").decode()
    found = found or unquote(urlsplit(url).path)
    return re.split(r"[/\\]", found.rstrip("/\\"))[-1] or "download"
