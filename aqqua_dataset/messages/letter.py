"""A message as RFC 5322 has it: to one person, in plain text, with the report's link or the report itself."""

import datetime as dt
import textwrap
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from aqqua_dataset.messages.news import KINDS, Item
from aqqua_dataset.nightly.state import short
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.privacy import blot
from aqqua_dataset.registry.models import Person
from aqqua_dataset.report.build import PAGE

#: Bytes of reports that are attached to one message at most; those that don't fit are sent when asked for.
MOST_ATTACHED = 5_000_000
_WIDTH = 76
_MOST_LINES = 20
_HEADINGS = {"finding": "Please look at this:", "question": "What we would like to know:"}


def message_key(to: str, items: list[str]) -> str:
    """Hash that a message is known by: the same news to the same person give the same."""
    return short(to, *sorted(items))


def letter(collection: Collection, person: Person, address: str, items: list[Item], now: dt.datetime) -> EmailMessage:
    """The message to a contributor; raises ValueError for an address that can't be written in a header."""
    count = len({item.contribution for item in items})
    subject = "News of your plankton images" + (f" ({count} data sets)" if count > 1 else "")
    key = message_key(person.id, [item.key for item in items])
    made = envelope(collection, name_of(person), address, subject, key, now)
    pages = _pages(collection, items)
    made.set_content(text_of(collection, person, items, set(pages)))
    for name, page in pages.items():
        made.add_attachment(page.decode(), subtype="html", filename=f"{name}.html")
    if pages:
        made.set_boundary(f"=_{key}")  # equal news give equal bytes
    return made


def envelope(
    collection: Collection, name: str, address: str, subject: str, key: str, now: dt.datetime
) -> EmailMessage:  # fmt: skip
    """A message without content; raises ValueError for an address that can't be written in a header."""
    told = collection.registry.settings.dataset
    # 7 bit: it passes through servers that know neither 8BITMIME nor SMTPUTF8.
    made = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    made["From"] = Address(_line(told.consortium), addr_spec=told.contact_email)
    try:
        made["To"] = Address(_line(name), addr_spec=address)
        address.encode("ascii")
    except (MessageError, ValueError, IndexError) as error:
        raise ValueError(f"no address that a mail can bear ({type(error).__name__})") from error
    made["Subject"] = _line(subject)
    made["Date"] = now
    made["Message-ID"] = f"<{key}@{told.contact_email.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    return made


def name_of(person: Person) -> str:
    """Given name, particle and family name."""
    return " ".join(filter(None, (person.given, person.particle, person.family, person.suffix)))


def text_of(collection: Collection, person: Person, items: list[Item], attached: set[str]) -> str:
    """The message's text; whatever looks like an address in it is blotted out."""
    told = collection.registry.settings
    paragraphs = [f"Dear {_line(name_of(person))},"]
    for contribution in dict.fromkeys(item.contribution for item in items):
        own = [item for item in items if item.contribution == contribution]
        title = _line(collection.registry.contributions[contribution].title)
        paragraphs += [f"{title} ({contribution})\n{'-' * min(_WIDTH, len(title) + len(contribution) + 3)}"]
        paragraphs += _paragraphs(own)
        paragraphs += _report_place(collection, contribution, attached)
    paragraphs.append(
        "You get this message because you own these data sets. Answers, and a word if you don't want such messages: "
        f"{told.dataset.contact_url or told.dataset.url}"
    )
    filled = [p if "\n" in p else textwrap.fill(p, _WIDTH, break_long_words=False, break_on_hyphens=False)
              for p in [*paragraphs, told.dataset.consortium]]  # fmt: skip
    return blot("\n\n".join(filled)) + "\n"


def _paragraphs(items: list[Item]) -> list[str]:
    found = []
    for kind in KINDS:
        texts = [_line(item.text) for item in items if item.kind == kind]
        if kind not in _HEADINGS:
            found += texts
        elif texts:
            more = len(texts) - _MOST_LINES
            lines = texts[:_MOST_LINES] + ([f"and {more:,} more, which the report lists"] if more > 0 else [])
            bullets = [
                textwrap.fill(t, _WIDTH, initial_indent="* ", subsequent_indent="  ", break_long_words=False)
                for t in lines
            ]
            found.append("\n".join([_HEADINGS[kind], *bullets]))
    return found


def _report_place(collection: Collection, contribution: str, attached: set[str]) -> list[str]:
    """Where the contributor finds the report; nothing where none was written."""
    base = collection.registry.settings.messages.reports_url
    if base is not None and collection.warehouse.exists(f"reports/{contribution}/{PAGE}"):
        return [f"Report: {base.rstrip('/')}/{contribution}/{PAGE}"]
    return [f"The report is attached: {contribution}.html"] if contribution in attached else []


def _pages(collection: Collection, items: list[Item]) -> dict[str, bytes]:
    """The reports to attach, as long as they fit."""
    if collection.registry.settings.messages.reports_url is not None:
        return {}
    found: dict[str, bytes] = {}
    for contribution in dict.fromkeys(item.contribution for item in items):
        path = f"reports/{contribution}/{PAGE}"
        if collection.warehouse.exists(path):
            room = MOST_ATTACHED - sum(map(len, found.values()))
            if collection.warehouse.size(path) <= room:
                with collection.warehouse.open(path) as stream:
                    found[contribution] = stream.read()
    return found


def _line(text: str) -> str:
    """A text on one line: what a header may hold."""
    return " ".join(text.split())
