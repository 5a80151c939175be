"""How messages leave: the mail server by names of environment variables, who gets the digest, and how many at most."""

from collections.abc import Collection, Iterator
from typing import Annotated, Literal

from pydantic import Field

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.credit import Record, Slug, Text


class MailServer(Record):
    """A mail server (SMTP); each value but ``security`` is the name of an environment variable.

    Attributes:
        host_env: holds the server's name.
        port_env: holds its port; the usual one of ``security`` (587, 465, 25) where the variable is left out.
        user_env, password_env: hold the account; left out for a server that asks for none.
        security: ``starttls``, ``tls`` from the first byte, or ``none``, which a password is never sent over.
    """

    host_env: Text = "AQQUA_SMTP_HOST"
    port_env: Text | None = None
    user_env: Text | None = None
    password_env: Text | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"


class MessageSettings(Record):
    """Messages to contributors and the digest to the data manager.

    Attributes:
        smtp: the mail server; without one messages become files in the outbox.
        digest_to: people who get the digest, at their private address; the dataset's ``contact_email`` when left out.
        most_per_night: where more messages wait nothing is sent until a person allows it.
        reports_url: web address of the folder of reports behind a login; without it the report is attached.
    """

    smtp: MailServer | None = None
    digest_to: tuple[Slug, ...] = ()
    most_per_night: Annotated[int, Field(ge=0)] = 50
    reports_url: Text | None = None


def check_messages(messages: MessageSettings, people: Collection[str]) -> Iterator[Finding]:
    """Findings about people whom the settings name for the digest."""
    for position, name in enumerate(messages.digest_to):
        if name not in people:
            key = f"messages.digest_to.{position}"
            message = "expected the id of a person in people/"
            yield Finding("person_unknown", "error", message, file="settings.yaml", key=key, value=name)
