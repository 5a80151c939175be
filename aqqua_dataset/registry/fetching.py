"""Where a delivery is fetched from, and what can be wrong with what a contribution says of it."""

import datetime as dt
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, model_validator

from aqqua_dataset.findings import Finding, Severity
from aqqua_dataset.registry.credit import Record, Text
from aqqua_dataset.storage import written_secrets

#: Schemes of links; what has none is a local path.
SCHEMES = ("http", "https", "webdav", "webdavs", "ftp", "ftps", "sftp", "s3", "file")

_SECRET_PARAMETERS = re.compile(
    r"token|secret|password|passwd|signature|credential|^sig$|^key$|api_?key", re.IGNORECASE
)


class FetchFrom(Record):
    """Where the files lie at the contributor's side; ``location`` is where they are put and read.

    Attributes:
        urls: links to files (http, https) or to folders or files (webdav, ftp, sftp, s3, file or a local path).
        urls_env: environment variable that holds the links, with white space between them, where a link is a secret.
        options: for the transport: username_env, password_env, token_env (names of variables); key_file and
            known_hosts (SFTP); what fsspec takes (S3).
        quota_gb: the most this delivery may have, in place of the settings' ``fetch_quota_gb``.
    """

    urls: tuple[Text, ...] = ()
    urls_env: Text | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    quota_gb: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _says_where(self) -> "FetchFrom":
        if bool(self.urls) == (self.urls_env is not None):
            raise ValueError("expected either urls or urls_env")
        return self


class DashboardBins(Record):
    """Bins of an IFCB dashboard that are fetched by themselves: from ``first`` to ``last`` (days, UTC), or ``bins``.

    Naming nothing is no way to say all: a data set may hold years.
    """

    first: dt.date | None = None
    last: dt.date | None = None
    bins: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _says_which(self) -> "DashboardBins":
        if self.first is None and not self.bins:
            raise ValueError("expected first (a day), or a list of bins")
        return self


class At(Protocol):
    """Makes the findings about one file."""

    def __call__(
        self, keys: tuple[str | int, ...], rule: str, message: str, value: object = "", severity: Severity = "error"
    ) -> Finding:
        """A finding about a key."""


class _Sourced(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def source(self) -> Any: ...


def link_problem(url: str) -> tuple[str, str] | None:
    """Rule and message of what is wrong with a link; the message never repeats a secret."""
    if "://" not in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return "fetch_link_invalid", f"no link ({error})"
    if parts.scheme.lower() not in SCHEMES:
        return "fetch_link_invalid", f"expected a link that begins with one of {', '.join(SCHEMES)}"
    if parts.scheme != "file" and (not parts.hostname or parts.hostname.startswith("-")):
        return "fetch_link_invalid", "expected the name of a server after ://"
    named = [name for name, _ in parse_qsl(parts.query) if _SECRET_PARAMETERS.search(name)]
    if parts.username or parts.password or named:
        told = "a secret or user name never stands in a link: use username_env and password_env in options"
        return "fetch_secret_written", f"{told}, or urls_env for a link that is a secret as a whole"
    return None


def fetch_problems(fetch: FetchFrom, location: str, at: At) -> Iterator[Finding]:
    """What is wrong with one contribution's ``source.fetch_from``, and with ``location`` because of it."""
    keys = ("source", "fetch_from")
    for position, url in enumerate(fetch.urls):
        if problem := link_problem(url):
            rule, message = problem
            shown = "" if rule == "fetch_secret_written" else url
            yield at((*keys, "urls", position), rule, message, shown)
    if written := written_secrets(fetch.options):
        message = f"a secret never stands in a file; write {written[0]}_env: NAME_OF_A_VARIABLE"
        yield at((*keys, "options", written[0]), "fetch_secret_written", message)
    # The delivery is written there, so it must lie among the deliveries and be a name of its own.
    outside = "://" in location or location.startswith(("/", "../", "fetched/")) or location in (".", "..", "fetched")
    if outside or posixpath.normpath(location) != location:
        message = "what is fetched is put among the deliveries: expected a relative path, such as the contribution's id"
        yield at(("source", "location"), "fetch_location_invalid", message, location)


def shared_locations(contributions: Iterable[_Sourced], at: Callable[[str], At]) -> Iterator[Finding]:
    """Fetched contributions that would be put in, above or below each other's place."""
    fetched = [c for c in contributions if c.source is not None and c.source.fetch_from is not None]
    for contribution in fetched:
        place = f"{contribution.source.location}/"
        others = [c.id for c in fetched if c is not contribution and place.startswith(f"{c.source.location}/")]
        if others:
            message = f"{', '.join(sorted(others))} is fetched to the same place; expected one of its own"
            yield at(contribution.id)(("source", "location"), "fetch_location_shared", message, place[:-1])
