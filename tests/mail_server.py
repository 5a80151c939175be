"""A mail server on loopback that does what a test tells it to: takes, refuses, hangs up, asks for a password."""

import asyncio
import contextlib
import email
import email.policy
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


@dataclass
class Mails:
    """What came, and how to answer.

    Attributes:
        port: where it listens.
        taken: messages that were taken, in order, and to whom.
        refused: addresses that are refused for good.
        busy: addresses that are put off.
        hangs_up_at: number of the message (from 0) in whose middle the connection ends.
        logins: names and passwords that came.
    """

    port: int = 0
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    hangs_up_at: int = -1
    took_it: bool = False
    logins: list[tuple[str, str]] = field(default_factory=list)

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        del server, session, options
        if address in self.refused:
            return "550 no such mailbox here"
        if address in self.busy:
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        del session
        hangs_up = len(self.taken) == self.hangs_up_at
        if not hangs_up or self.took_it:
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert len(envelope.rcpt_tos) == 1  # nobody sees whom else we write to
            self.taken.append((envelope.rcpt_tos[0], message))
        if hangs_up:
            self.hangs_up_at = -1
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 taken"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        del server, session, envelope, mechanism
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == ("robot", "s3cret"))


@contextlib.contextmanager
def mail_server(context: ssl.SSLContext | None = None) -> Iterator[Mails]:
    """The server; with a certificate it takes mail after STARTTLS and a login only."""
    mails = Mails()
    options: dict[str, Any] = {}
    if context is not None:
        options = {"tls_context": context, "require_starttls": True, "auth_required": True,
                   "authenticator": mails.authenticate}  # fmt: skip
    controller = Controller(mails, hostname="127.0.0.1", port=0, **options)
    controller.port = _free_port()
    controller.start()
    mails.port = controller.port
    try:
        yield mails
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of one's own for localhost, and the server's side of it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return cert, context
