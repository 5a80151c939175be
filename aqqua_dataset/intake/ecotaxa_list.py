"""The list of EcoTaxa projects that were shared with the collection: pledged contributions, and their people."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aqqua_dataset.harmonise.instrument import instrument_id
from aqqua_dataset.intake.contacts import ContactDraft, propose_contacts
from aqqua_dataset.intake.people import People, name_of, person_values
from aqqua_dataset.intake.proposals import PROPOSALS, Draft, Outcome, Proposing
from aqqua_dataset.intake.tables import HandedIn, read_text_table
from aqqua_dataset.privacy import EMAIL, blot
from aqqua_dataset.registry.load import load_records
from aqqua_dataset.registry.models import Contribution, Registry

SOURCE = "ecotaxa-list"
NUMBER, INSTRUMENT, TITLE, OBJECTS = "ID", "Instrument", "Title - manager or contact", "Nb objects"
#: Columns of people, and the DataCite contributor type of their part; who may only look has none.
PARTS: Mapping[str, str | None] = {"managers": "DataManager", "annotators": "DataCurator", "viewers": None}
_COLUMNS = (NUMBER, INSTRUMENT, TITLE, *PARTS, OBJECTS)
_ACCOUNT = re.compile(r"name:\s*(?P<name>.*?),\s*email:\s*(?P<email>[^\s,;]+)\s*", re.DOTALL)
_MADE_ONCE = frozenset({"description", "attribution", "history", "source.location", "source.format"})
_PAGE = "https://ecotaxa.obs-vlfr.fr/prj/{}"


@dataclass
class ProjectList:
    """One run over a list.

    Attributes:
        registry: the registry as it stands.
        people: everybody known, and met.
        table: the list.
        day: the day it was made.
        reader: name of the account that reads for the collection, which is nobody.
    """

    registry: Registry
    people: People
    table: HandedIn
    day: dt.date
    reader: str
    projects: dict[str, Contribution] = field(default_factory=dict)
    contacts: dict[str, ContactDraft] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)
    met: dict[str, int] = field(default_factory=dict)
    unreadable: set[tuple[str, str]] = field(default_factory=set)


def import_list(folder: Path, registry: Registry, path: Path, day: dt.date, reader: str) -> Outcome:
    """Proposes what a list says; second runs propose what is new or changed in it.

    Args:
        folder: the registry's folder.
        registry: the registry as it stands.
        path: the list, as EcoTaxa's table of projects in TSV or CSV.
        day: the day the list was made.
        reader: name of the account that reads for the collection.
    """
    table = read_text_table(path, _COLUMNS)
    run = ProjectList(registry, People.load(folder), table, day, reader.casefold())
    waiting = load_records(folder / PROPOSALS, "contributions", Contribution)
    for contribution in (*waiting.values(), *registry.contributions.values()):
        if (number := project_of(contribution)) is not None:
            run.projects.setdefault(number, contribution)
    proposing = Proposing(folder, SOURCE)
    if missing := [c for c in _COLUMNS if c not in table.heads]:
        table.say("column_missing", f"expected the columns {', '.join(_COLUMNS)}", key=missing[0], severity="error")
    else:
        _rows(run, proposing)
    outcome = proposing.run([*_people(run), *run.drafts])
    propose_contacts(folder, SOURCE, run.contacts.values(), outcome)
    outcome.counts["rows"] = len(table.rows)
    outcome.findings[:0] = [*table.findings, *run.people.doubtful(registry, run.met, path.name)]
    return outcome


def project_of(contribution: Contribution) -> str | None:
    """Number of the EcoTaxa project that a contribution comes from."""
    source = contribution.source
    ours = source is not None and (source.format == "ecotaxa" or "ecotaxa" in (source.url or ""))
    return source.dataset_id if source is not None and ours else None


def _rows(run: ProjectList, proposing: Proposing) -> None:
    """Every row; and the projects of the last list that this one lacks."""
    seen: dict[str, int] = {}
    for line, row in run.table.rows:
        number = row.get(NUMBER, "")
        if not re.fullmatch(r"[1-9]\d{0,9}", number):
            run.table.say(
                "row_without_number", "expected the number of a project", line, NUMBER, number, severity="error"
            )
        elif number in seen:
            message = f"expected every project once; the row in line {seen[number]} is taken"
            run.table.say("project_twice", message, line, NUMBER, number)
        else:
            seen[number] = line
            _row(run, proposing, line, row)
    for file, (number, _) in sorted(proposing.states[SOURCE].records.items()):
        if file.startswith("contributions/") and number not in seen:
            message = "the last list had this project, and this one hasn't; its file is left as it is"
            run.table.say("project_gone", message, 1, NUMBER, number)


def _row(run: ProjectList, proposing: Proposing, line: int, row: Mapping[str, str]) -> None:
    number = row[NUMBER]
    title, contact = _title(run, line, row.get(TITLE, ""), f"EcoTaxa project {number}")
    parts = {c: list(_accounts(run, line, c, row.get(c, ""))) for c in PARTS}
    managers = parts["managers"] or parts["annotators"]
    if not managers:
        message = "expected a manager or annotator who is a person; without one there is no owner, nothing is proposed"
        run.table.say("project_without_owner", message, line, "managers", row.get("managers", ""), severity="error")
        return
    owner = next((p for name, p in managers if name == contact), None)
    if owner is None:
        owner = managers[0][1]
        message = f"the contact isn't among the managers; the first of them, {owner}, is proposed as owner"
        run.table.say("contact_not_a_manager", message, line, TITLE, contact)
    values: dict[str, Any] = {"title": title, "expected_images": _objects(run, line, row)}
    values["expected_instruments"] = _instruments(run, line, row)
    where = f"{run.table.file}:{line}"
    standing = run.projects.get(number)
    file, before = proposing.states[SOURCE].known(number)
    if standing is not None and "id" not in before:  # written by hand, or from a form: only what a list knows
        known = {k: v for k, v in values.items() if v}
        run.drafts.append(Draft(f"contributions/{standing.id}.yaml", number, known, where))
        return
    name = f"ecotaxa-{number}"
    full = _record(run, name, number, owner, parts, values)
    run.drafts.append(Draft(file or f"contributions/{name}.yaml", number, full, where, (), _MADE_ONCE))


def _record(
    run: ProjectList, name: str, number: str, owner: str, parts: Mapping[str, list[tuple[str, str]]],
    values: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """A pledged contribution."""
    others: dict[str, str] = {}
    for column, kind in PARTS.items():
        for _, person in parts[column] if kind else ():
            others.setdefault(person, str(kind))
    others.pop(owner, None)
    record = {
        "id": name,
        "title": values["title"],
        "description": f"EcoTaxa project {number}, shared with the collection; listed on {run.day}.",
        "owners": [owner],
        "contributors": [{"person": p, "type": kind} for p, kind in others.items()],
        "attribution": {"state": "pending"},
        "expected_images": values["expected_images"],
        "expected_instruments": values["expected_instruments"],
        "source": {"format": "ecotaxa", "location": name, "dataset_id": number, "url": _PAGE.format(number)},
        "history": [{"date": run.day, "state": "pledged"}],
    }
    return {k: v for k, v in record.items() if v not in (None, [])}


def _title(run: ProjectList, line: int, text: str, otherwise: str) -> tuple[str, str]:
    """Title and contact, which two spaces keep apart."""
    title, gap, contact = text.rpartition("  ")
    if not gap:
        title, contact = text, ""
    clean = " ".join(blot(title).split())
    if clean != " ".join(title.split()):
        message = "an address in the title was taken out"
        run.table.say("email_in_public_record", message, line, TITLE, title)
    if not clean:
        run.table.say("title_missing", "expected a title; the project's number stands for it", line, TITLE, text)
    return clean or otherwise, contact.strip()


def _objects(run: ProjectList, line: int, row: Mapping[str, str]) -> int | None:
    text = row.get(OBJECTS, "")
    if re.fullmatch(r"\d{1,15}", text):
        return int(text)
    message = "expected a number of objects; the number of images is left open"
    run.table.say("count_missing", message, line, OBJECTS, text, severity="note")
    return None


def _instruments(run: ProjectList, line: int, row: Mapping[str, str]) -> list[str]:
    text = row.get(INSTRUMENT, "")
    found = instrument_id(text)
    if found is None:
        message = "no instrument of the vocabulary; left open"
        run.table.say("instrument_open", message, line, INSTRUMENT, text, severity="note")
    return [found] if found else []


def _accounts(run: ProjectList, line: int, column: str, cell: str) -> Iterator[tuple[str, str]]:
    """Name and person id of the accounts in a cell; ours is left out."""
    for text in filter(None, (part.strip() for part in cell.split(";"))):
        match = _ACCOUNT.fullmatch(text)
        email = match["email"] if match and EMAIL.fullmatch(match["email"]) else None
        said = " ".join(match["name"].split()) if match else ""
        if match is None or email is None:
            message = "expected name: GIVEN SURNAME, email: ADDRESS; this account isn't taken"
            run.table.say("account_unreadable", message, line, column, text)
        elif said.casefold() != run.reader:
            name = name_of(said)
            if name is None:
                if (said, email) not in run.unreadable:
                    run.unreadable.add((said, email))
                    message = "expected a given name and a surname; an account of a group is nobody, and isn't taken"
                    run.table.say("account_not_a_person", message, line, column, said)
                continue
            person, new = run.people.meet(name, email)
            if person not in run.met:
                run.met[person] = line
                run.contacts[person] = ContactDraft(person, email)
                if new and not name.certain:
                    message = f"which is the given name, which the surname? proposed: {name.given} | {name.family}"
                    run.table.say("name_parts_uncertain", message, line, column, name.text, severity="note")
            yield said, person


def _people(run: ProjectList) -> Iterable[Draft]:
    for person in run.people.new:
        record = run.people.known[person]
        name = name_of(" ".join(filter(None, (record.given, record.particle, record.family))))
        if name is None:
            continue
        values = person_values(person, name, {"consent": "not_asked", "consent_date": run.day})
        where = f"{run.table.file}:{run.met[person]}"
        yield Draft(f"people/{person}.yaml", person, values, where, (), frozenset(values))
