"""The two ways out: a mail server, or files in an outbox. Each says whether a message surely left, or surely didn't."""

import contextlib
import os
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, Protocol

from aqqua_dataset.config import Config
from aqqua_dataset.registry.models import MailServer
from aqqua_dataset.warehouse import Warehouse

#: Seconds to wait for the mail server.
TIMEOUT = 60.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

#: ``sent``: the server took it, or the file is written; ``refused``: it never will be; ``later``: surely not sent, try
#: again; ``doubtful``: the connection ended before the server said whether it took it.
State = Literal["sent", "refused", "later", "doubtful"]


@dataclass(frozen=True)
class Sent:
    """What became of a message, and in the server's words why."""

    state: State
    told: str = ""


class Post(Protocol):
    """A way out."""

    def send(self, message: EmailMessage, to: str) -> Sent:
        """Sends one message to one address."""


@contextlib.contextmanager
def open_post(server: MailServer | None, sender: str, config: Config) -> Iterator[Post]:
    """The mail server that the settings name, else the outbox."""
    if server is None:
        yield Outbox(outbox_folder(config))
        return
    post = Smtp(server, sender)
    try:
        yield post
    finally:
        post.close()


def outbox_folder(config: Config) -> Path:
    """Where messages lie as files: they bear addresses, so beside the registry's private data by default."""
    return config.outbox or config.registry / "private" / "outbox"


class Outbox:
    """Messages as .eml files that any mail program opens; a message written twice is one file."""

    def __init__(self, folder: Path) -> None:
        """Makes no folder yet."""
        self._folder = folder

    def send(self, message: EmailMessage, to: str) -> Sent:
        """Writes the file, for its owner's eyes only."""
        name = f"{str(message['Message-ID']).strip('<>').partition('@')[0]}.eml"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            Warehouse(str(self._folder)).write_bytes(name, bytes(message))
            (self._folder / name).chmod(0o600)
        except OSError as error:
            return Sent("later", f"the outbox {self._folder} can't be written: {_told(error)}")
        return Sent("sent", str(self._folder / name))


class Smtp:
    """A mail server; one connection for all messages, opened with the first."""

    def __init__(self, server: MailServer, sender: str) -> None:
        """Connects to nothing yet."""
        self._server, self._sender = server, sender
        self._connection: smtplib.SMTP | None = None
        self._down = ""

    def send(self, message: EmailMessage, to: str) -> Sent:
        """Hands one message over; after a server that can't be reached, the others aren't tried any more."""
        if self._down:
            return Sent("later", self._down)
        try:
            connection = self._connection or self._connect()
            code, told = connection.mail(self._sender)
            if code != 250:  # it is we who aren't welcome: nothing is said of the address
                self._forget(f"the mail server takes no mail from us: {_words(code, told)}")
                return Sent("later", self._down)
            code, told = connection.rcpt(to)
            if code not in (250, 251):
                connection.rset()
                return Sent("refused" if code >= 500 else "later", _words(code, told))
        except (OSError, smtplib.SMTPException, LookupError) as error:
            self._forget(f"the mail server can't be used: {_told(error)}")
            return Sent("later", self._down)
        return self._data(connection, message)

    def _data(self, connection: smtplib.SMTP, message: EmailMessage) -> Sent:
        try:
            code, told = connection.data(bytes(message))
        except smtplib.SMTPDataError as error:  # refused before a byte of it was sent
            return Sent("refused" if error.smtp_code >= 500 else "later", _words(error.smtp_code, error.smtp_error))
        except (OSError, smtplib.SMTPException) as error:
            self._forget("")
            return Sent("doubtful", f"the connection ended while it was handed over: {_told(error)}")
        if code == 250:
            return Sent("sent")
        return Sent("refused" if code >= 500 else "later", _words(code, told))

    def _connect(self) -> smtplib.SMTP:
        """Raises LookupError for a variable that isn't set, or a password that would be sent in the clear."""
        told = self._server
        host = _variable(told.host_env)
        port = int(_variable(told.port_env)) if told.port_env else _PORTS[told.security]
        if told.security == "none" and told.user_env and host not in _LOOPBACK:
            raise LookupError("a password isn't sent without encryption: expected security starttls or tls")
        context = ssl.create_default_context()
        if told.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(host, port, timeout=TIMEOUT)
        self._connection = connection
        if told.security == "starttls":
            connection.starttls(context=context)
        connection.ehlo_or_helo_if_needed()
        if told.user_env and told.password_env:
            connection.login(_variable(told.user_env), _variable(told.password_env))
        return connection

    def _forget(self, down: str) -> None:
        self.close()
        self._down = down

    def close(self) -> None:
        """Says goodbye, as far as the server still listens."""
        if self._connection is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._connection.quit()
            self._connection.close()
            self._connection = None


def _variable(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise LookupError(f"the environment has no variable {name}")
    return value


def _words(code: int, told: bytes | str) -> str:
    return f"{code} {told.decode(errors='replace') if isinstance(told, bytes) else told}"[:300]


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
