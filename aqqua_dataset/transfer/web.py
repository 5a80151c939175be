"""Files behind links (GigaMove, cloud drives, data portals) and WebDAV folders (Nextcloud), over HTTP."""

import base64
import contextlib
import email.utils
import posixpath
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

import requests
import urllib3

from aqqua_dataset.transfer.names import link_name
from aqqua_dataset.transfer.remote import BLOCK, TIMEOUT_S, NotTheFile, RemoteFile

#: Schemes of WebDAV folders and what they are on the wire.
DAV = {"webdav": "http", "webdavs": "https", "dav": "http", "davs": "https"}

_PAGE_ENDINGS = (".html", ".htm", ".xhtml")
_PAGE_STARTS = (b"<!doctype html", b"<html")
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_DIGESTS = {"sha-256": "sha256", "sha-512": "sha512", "sha": "sha1", "md5": "md5"}  # RFC 3230 and RFC 9530
_CHECKSUMS = {"md5": "md5", "sha1": "sha1", "sha256": "sha256"}  # Nextcloud's and ownCloud's names
_PROPERTIES = b"""<?xml version="1.0" encoding="utf-8"?>
<d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop><d:resourcetype/><d:getcontentlength/>
<d:getetag/><d:getlastmodified/><oc:checksums/></d:prop></d:propfind>"""
_NS = {"d": "DAV:", "oc": "http://owncloud.org/ns"}


class _Web:
    """A session with one server."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"  # a packed answer can't be resumed
        if "username" in options or "password" in options:
            self._session.auth = (str(options.get("username", "")), str(options.get("password", "")))
        if "token" in options:
            self._session.headers["Authorization"] = f"Bearer {options['token']}"

    def _ask(self, method: str, url: str, **more: Any) -> requests.Response:
        """An answer that is worth reading; raises as ``Transport.read`` does."""
        answer = self._session.request(method, url, stream=True, timeout=TIMEOUT_S, **more)
        if answer.status_code < 400 or answer.status_code == 416:
            return answer
        answer.close()
        told = f"the server answers {answer.status_code} {answer.reason}"
        if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
            raise ConnectionError(told)
        raise NotTheFile("link_refused", f"{told}: is the link still valid, and is a password needed?")

    def _from(self, url: str, offset: int, stamp: str) -> requests.Response:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and stamp:
            headers["If-Range"] = stamp  # a file that changed meanwhile is sent whole
        return self._ask("GET", url, headers=headers)

    def read(self, file: RemoteFile, offset: int) -> tuple[int, Iterator[bytes]]:
        """See ``Transport``."""
        answer = self._from(file.name, offset, _strong(file.stamp))
        if offset and (answer.status_code == 416 or "Content-Encoding" in answer.headers):
            answer.close()
            answer = self._from(file.name, 0, "")
        if _is_page(answer, file.path):
            answer.close()
            raise _page()
        whole = answer.status_code != 206
        start = 0 if whole else int(re.sub(r"^bytes (\d+)-.*$", r"\1", answer.headers.get("Content-Range", "bytes 0-")))
        if start not in (0, offset):
            answer.close()
            raise ConnectionError(f"the server answers from byte {start}, not from {offset}")
        return start, _body(answer, file.path if start == 0 else "")

    def close(self) -> None:
        """Ends the connections."""
        self._session.close()


class Link(_Web):
    """A link to one file."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Asks nothing yet; ``options`` may hold username, password or token."""
        super().__init__(options)
        self._url = url

    def files(self) -> Iterator[RemoteFile]:
        """The file, from the headers of an answer of one byte: a HEAD is refused by many portals."""
        answer = self._ask("GET", self._url, headers={"Range": "bytes=0-0"})
        headers = answer.headers
        if answer.status_code == 416 and not headers.get("Content-Range", "").endswith("/0"):
            answer.close()
            answer = self._ask("GET", self._url)
            headers = answer.headers
        path = link_name(answer.url, headers.get("Content-Disposition", ""))
        with contextlib.closing(answer):
            if _is_page(answer, path) and "Content-Disposition" not in headers:
                raise _page()
        length = headers.get("Content-Length") if answer.status_code == 200 else None
        if answer.status_code in (206, 416):
            length = headers.get("Content-Range", "").rpartition("/")[2]
        size = int(length) if length and length.isdigit() and "Content-Encoding" not in headers else None
        stamp = headers.get("ETag") or headers.get("Last-Modified") or ""
        yield RemoteFile(path, self._url, size, stamp, _stated(headers, answer.status_code == 200))


def _strong(stamp: str) -> str:
    """A stamp that If-Range may hold (RFC 9110): a strong ETag or a date."""
    return stamp if stamp.startswith('"') or email.utils.parsedate(stamp) else ""


def _is_page(answer: requests.Response, path: str) -> bool:
    kind = answer.headers.get("Content-Type", "").lower()
    return kind.startswith(("text/html", "application/xhtml")) and not path.lower().endswith(_PAGE_ENDINGS)


def _page() -> NotTheFile:
    message = "the link gives a web page instead of a file: it may have expired, or lead to a log-in or preview page"
    return NotTheFile("link_gives_page", message)


def _body(answer: requests.Response, path: str) -> Iterator[bytes]:
    """The bytes of an answer; with a path, a page that calls itself something else is refused."""
    with contextlib.closing(answer):
        first = bool(path) and not path.lower().endswith(_PAGE_ENDINGS)
        try:
            for block in answer.raw.stream(BLOCK, decode_content=True):
                if first and block.lstrip()[:20].lower().startswith(_PAGE_STARTS):
                    raise _page()
                first = False
                yield block
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(str(error)) from error


def _stated(headers: Mapping[str, str], whole: bool) -> tuple[tuple[str, str], ...]:
    """Hashes of the whole file in an answer's headers."""
    found: dict[str, str] = {}
    told = ",".join(headers.get(n, "") for n in ("Repr-Digest", "Digest", "x-goog-hash"))
    for name, value in re.findall(r"([\w-]+)=:?([A-Za-z0-9+/]+=*):?", told):
        if name.lower() in _DIGESTS:
            found[_DIGESTS[name.lower()]] = base64.b64decode(value).hex()
    if whole and (md5 := headers.get("Content-MD5")):  # of a range it is the range's
        found["md5"] = base64.b64decode(md5).hex()
    # An ETag is a hash only where it is S3's own, uploaded in one piece and not encrypted by KMS.
    encrypted = headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    if "x-amz-request-id" in headers and not encrypted and (etag := _MD5.fullmatch(headers.get("ETag", ""))):
        found["md5"] = etag[1]
    return tuple(sorted((found | _checksums(headers.get("OC-Checksum", ""))).items()))


def _checksums(text: str) -> dict[str, str]:
    """Checksums as Nextcloud writes them: ``SHA1:… MD5:… ADLER32:…``."""
    pairs = (word.split(":", 1) for word in text.split() if ":" in word)
    return {_CHECKSUMS[name.lower()]: value.lower() for name, value in pairs if name.lower() in _CHECKSUMS}


class WebDav(_Web):
    """A WebDAV folder with all below it."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Asks nothing yet; ``options`` may hold username, password or token."""
        super().__init__(options)
        scheme, _, rest = url.partition("://")
        self._url = f"{DAV[scheme.lower()]}://{rest}"
        self._base = unquote(urlsplit(self._url).path).rstrip("/") + "/"

    def files(self) -> Iterator[RemoteFile]:
        """See ``Transport``; folders are listed one by one, because many servers refuse endless depth."""
        waiting, seen = [self._base], {self._base}
        while waiting:
            for path, found in self._listed(waiting.pop()):
                if found.find("d:resourcetype/d:collection", _NS) is not None:
                    folder = path.rstrip("/") + "/"
                    if folder not in seen and folder.startswith(self._base):
                        seen.add(folder)
                        waiting.append(folder)
                elif path.startswith(self._base) or path == self._base.rstrip("/"):
                    yield self._file(path, found)

    def _listed(self, folder: str) -> Iterator[tuple[str, ET.Element]]:
        url = urljoin(self._url, quote(folder))
        headers = {"Depth": "1", "Content-Type": "application/xml"}
        with contextlib.closing(self._ask("PROPFIND", url, headers=headers, data=_PROPERTIES)) as answer:
            if answer.status_code != 207:
                raise NotTheFile("link_no_webdav", f"no WebDAV folder: the server answers {answer.status_code}")
            try:
                tree = ET.fromstring(answer.content)
            except ET.ParseError as error:
                raise ConnectionError(f"the listing can't be read: {error}") from error
        for response in tree.findall("d:response", _NS):
            path = unquote(urlsplit(response.findtext("d:href", "", _NS)).path)
            for properties in response.findall("d:propstat", _NS):
                told = properties.find("d:prop", _NS)
                if told is not None and " 200 " in f"{properties.findtext('d:status', '', _NS)} ":
                    yield path, told

    def _file(self, path: str, found: ET.Element) -> RemoteFile:
        size = found.findtext("d:getcontentlength", "", _NS)
        stamp = found.findtext("d:getetag", "", _NS) or found.findtext("d:getlastmodified", "", _NS)
        told = " ".join(e.text or "" for e in found.findall("oc:checksums/oc:checksum", _NS))
        inside = path.removeprefix(self._base) if path.startswith(self._base) else posixpath.basename(path)
        hashes = tuple(sorted(_checksums(told).items()))
        return RemoteFile(inside, urljoin(self._url, quote(path)), int(size) if size.isdigit() else None, stamp, hashes)
