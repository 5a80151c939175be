"""Private contacts: proposed, accepted, shown and erased. Nothing of this stands in a message or outside ``private/``.

What an import said is kept as a hash of the address only: enough to know the person again, and not to propose an
address again that was erased.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from aqqua_dataset.findings import Finding
from aqqua_dataset.intake.proposals import PROPOSALS, SOURCES, Outcome
from aqqua_dataset.intake.yaml_text import flow
from aqqua_dataset.registry.check import CONTACTS
from aqqua_dataset.registry.load import read_yaml
from aqqua_dataset.warehouse import Warehouse

#: Contacts that wait for the acceptance of their person.
PROPOSED = f"{PROPOSALS}/{CONTACTS}"
#: What imports said of contacts: person, hash of the address, consent to the mailing list.
SAID = "private/imported_contacts.jsonl"
_HEAD = "# Contact data are personal data: kept apart, never read by a release, erased on request.\n"


@dataclass(frozen=True)
class ContactDraft:
    """An address and, where it was asked, the consent to the mailing list."""

    person: str
    email: str
    mailing_list: bool | None = None


@dataclass(frozen=True)
class Said:
    """What an import said of a contact."""

    source: str
    person: str
    email_sha256: str
    mailing_list: bool | None


def address_hash(email: str) -> str:
    """What an address is known by once it was imported."""
    return hashlib.sha256(f"aqqua contact {email.strip().casefold()}".encode()).hexdigest()


def load_said(folder: Path) -> list[Said]:
    """What imports said so far."""
    if not (folder / SAID).exists():
        return []
    return [Said(**json.loads(line)) for line in (folder / SAID).read_text(encoding="utf-8").splitlines()]


def save_said(folder: Path, said: Iterable[Said]) -> None:
    """Keeps what imports said."""
    rows = sorted(said, key=lambda s: (s.source, s.person, s.email_sha256))
    lines = "".join(f"{json.dumps(asdict(row), sort_keys=True)}\n" for row in rows)
    Warehouse(str(folder)).write_bytes(SAID, lines.encode())


def entries(folder: Path, file: str = CONTACTS) -> dict[str, dict[str, Any]]:
    """The entries of a file of contacts by person, of those that wait only what is new; what is none is left out."""
    if not (folder / file).exists():
        return {}
    try:
        found = read_yaml((folder / file).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError):
        return {}
    return {str(e["person"]): e for e in found or () if isinstance(e, dict) and "person" in e}


def addresses(folder: Path) -> dict[str, str]:
    """Address by person: those of the registry, and those that wait."""
    both = [*entries(folder, PROPOSED).items(), *entries(folder).items()]
    return {person: str(entry["email"]) for person, entry in both if "email" in entry}


def propose_contacts(folder: Path, source: str, drafts: Iterable[ContactDraft], outcome: Outcome) -> None:
    """Proposes new and changed contacts; what an editor changed or erased is left as it is, and said."""
    said = {(s.source, s.person, s.email_sha256): s for s in load_said(folder)}
    stands, waiting = entries(folder), entries(folder, PROPOSED)
    for draft in drafts:
        new = Said(source, draft.person, address_hash(draft.email), draft.mailing_list)
        before = [s for s in said.values() if s.person == draft.person]
        same = said.get((source, draft.person, new.email_sha256))
        if same is not None and same.mailing_list is None and new.mailing_list is None:
            outcome.counts["contacts: unchanged"] += 1
        else:
            entry = {**stands.get(draft.person, {}), **waiting.get(draft.person, {})}
            wanted = _wanted(draft, entry, before, same, outcome)
            if wanted is not None:
                waiting[draft.person] = {**waiting.get(draft.person, {"person": draft.person}), **wanted}
            outcome.counts[f"contacts: {'unchanged' if wanted is None else 'changed' if entry else 'new'}"] += 1
        said[(source, draft.person, new.email_sha256)] = new
    save_said(folder, said.values())
    write_proposed(folder, waiting)


def _wanted(
    draft: ContactDraft, entry: dict[str, Any], before: list[Said], same: Said | None, outcome: Outcome
) -> dict[str, Any] | None:  # fmt: skip
    """What to change of an entry, or None where nothing is."""
    consent = {} if draft.mailing_list is None else {"mailing_list": draft.mailing_list}
    if "email" not in entry:
        if same is not None and same.mailing_list == draft.mailing_list:
            return None  # thrown away or erased
        return {"email": draft.email, **consent}
    made: dict[str, Any] = {}
    if address_hash(str(entry["email"])) != address_hash(draft.email) and same is None:
        if address_hash(str(entry["email"])) in {s.email_sha256 for s in before if s.source in SOURCES}:
            made["email"] = draft.email
        else:
            _say(outcome, draft.person, "email", "another address than the registry's, which is kept")
    listed = bool(entry.get("mailing_list", False))
    if consent and listed is not draft.mailing_list and (same is None or same.mailing_list != draft.mailing_list):
        asked = [s.mailing_list for s in before if s.mailing_list is not None]
        if "mailing_list" not in entry or listed in asked:
            made |= consent
        else:
            message = f"mailing list: the form says {'yes' if draft.mailing_list else 'no'}; the registry's is kept"
            _say(outcome, draft.person, "mailing_list", message)
    return made or None


def _say(outcome: Outcome, person: str, key: str, message: str) -> None:
    text = f"{person}: {message}; look at both"
    outcome.findings.append(Finding("contact_differs", "warning", text, file=CONTACTS, key=key))


def write_proposed(folder: Path, waiting: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the contacts that wait, or removes their file where none does."""
    registry = Warehouse(str(folder))
    if waiting:
        lines = "".join(f"- {flow(dict(entry))}\n" for _, entry in sorted(waiting.items()))
        registry.write_bytes(PROPOSED, (_HEAD + lines).encode())
    else:
        registry.remove(PROPOSED)
        registry.prune(PROPOSED)


def accept_contacts(folder: Path, people: Iterable[str]) -> int:
    """Takes the waiting contacts of these people over; returns how many."""
    waiting = entries(folder, PROPOSED)
    stands = entries(folder)
    whole = {person: {**stands.get(person, {}), **waiting.pop(person)} for person in people if person in waiting}
    taken = {person: entry for person, entry in whole.items() if "email" in entry}  # the address was taken away since
    if whole:
        text = (folder / CONTACTS).read_text(encoding="utf-8") if (folder / CONTACTS).exists() else _HEAD
        text = _without(text, set(taken))
        text += "" if text.endswith("\n") or not text else "\n"
        text += "".join(f"- {flow(entry)}\n" for _, entry in sorted(taken.items()))
        Warehouse(str(folder)).write_bytes(CONTACTS, text.encode())
        write_proposed(folder, waiting)
    return len(taken)


def erase_contact(folder: Path, person: str) -> list[str]:
    """Removes a person's address and consent from the registry and the proposals; returns the files it stood in."""
    files = []
    for file in (CONTACTS, PROPOSED):
        if person in entries(folder, file):
            text = (folder / file).read_text(encoding="utf-8")
            Warehouse(str(folder)).write_bytes(file, _without(text, {person}).encode())
            files.append(file)
    return files


def _without(text: str, people: set[str]) -> str:
    """The text of a file of contacts without the entries of some people; all other lines as they stand.

    Raises:
        ValueError: the file isn't written with one block entry per person, so it has to be changed by hand.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return text
    if not isinstance(root, yaml.SequenceNode) or root.flow_style:
        raise ValueError(f"{CONTACTS}: expected one entry in each line, beginning with a hyphen")
    lines = text.splitlines(keepends=True)
    starts = [node.start_mark.line for node in root.value]
    gone: set[int] = set()
    for node, start in zip(root.value, starts, strict=True):
        values = {k.value: v.value for k, v in node.value} if isinstance(node, yaml.MappingNode) else {}
        if values.get("person") in people:
            last = node.end_mark.line if node.flow_style else max(v.end_mark.line for _, v in node.value)
            gone |= set(range(start, last + 1))
    return "".join(line for number, line in enumerate(lines) if number not in gone)
