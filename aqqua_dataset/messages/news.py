"""What can be told to each owner about their contributions; each piece is known by its content, so it is told once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from aqqua_dataset.ecotaxa.message import Download, downloads
from aqqua_dataset.findings import Finding
from aqqua_dataset.nightly.state import MISSING, Seen, read_seen, short
from aqqua_dataset.nightly.tries import whose
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.models import Contribution
from aqqua_dataset.release.people import identities

#: Kinds of news in the order in which a message tells them.
KINDS = ("received", "download", "accepted", "report", "finding", "question")
Kind = Literal["received", "download", "accepted", "report", "finding", "question"]


@dataclass(frozen=True)
class Item:
    """One piece of news: about which contribution, what, and the hash that it is known by."""

    contribution: str
    kind: Kind
    key: str
    text: str


def news(collection: Collection) -> dict[str, list[Item]]:
    """Everything that can be told to each owner now, told before or not, by the id of the person behind the record."""
    registry = collection.registry
    seen, pulled, people = read_seen(collection.warehouse), downloads(collection.warehouse), identities(registry)
    found: dict[str, list[Item]] = {}
    for key, contribution in sorted(registry.contributions.items()):
        if contribution.revoked or key not in seen:
            continue
        items = list(_items(contribution, seen[key], pulled))
        for person in dict.fromkeys(people[owner].id for owner in contribution.owners if owner in people):
            found.setdefault(person, []).extend(items)
    return {person: items for person, items in sorted(found.items()) if items}


def _items(contribution: Contribution, seen: Seen, pulled: Mapping[str, Download]) -> Iterator[Item]:
    key = contribution.id
    days = {event.state: event.date.isoformat() for event in contribution.history}
    # A delivery that was received and can't be found now is nothing to thank for.
    if seen.numbers.get("rows") or ("received" in days and seen.delivery != MISSING):
        yield Item(key, "received", short("received", key), "Your delivery has arrived.")
    if key in pulled:
        yield Item(key, "download", short("download", key, pulled[key].stamp), pulled[key].text())
    if "accepted" in days:
        text = "Your data set is accepted: it will be part of the release."
        yield Item(key, "accepted", short("accepted", key, days["accepted"]), text)
    if seen.reported and seen.kind in ("usable", "errors"):
        yield Item(key, "report", short("report", key), "The report on what we understood of your data is ready.")
    for finding in seen.findings:
        if whose(finding) == "theirs":
            about = (finding.rule, finding.file, finding.key, finding.value)
            yield Item(key, "finding", short("finding", key, *about), _told(finding))
    for question in seen.questions if seen.kind != "waiting" else ():  # a pledge is asked by people, with the form
        yield Item(key, "question", short("question", key, question), question)


def _told(finding: Finding) -> str:
    place = finding.file + (f", line {finding.line}" if finding.line is not None else "")
    parts = [place, finding.key, finding.message]
    return ": ".join(p for p in parts if p) + (f" ({finding.count:,} times)" if finding.count > 1 else "")
