"""For those who share: a table of their projects, and the reader's access given or taken back for many at once.

Giving access changes the list of viewers and nothing else: the settings are sent back as they came, character by
character, with that one list replaced, and are read again afterwards.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aqqua_dataset.ecotaxa.client import EcoTaxa, refusal
from aqqua_dataset.intake.template import columns
from aqqua_dataset.web import Unanswered

#: Columns of the table of projects, and what each says: those of the template that EcoTaxa can fill.
COLUMNS: Mapping[str, str] = {c.name: c.meaning for c in columns() if c.listed}

_RIGHTS = (("managers", "manage"), ("annotators", "annotate"), ("viewers", "view"))
#: Members of the settings that the server works out anew at any time.
_COUNTED = frozenset({"objcount", "pctvalidated", "pctclassified", "highest_right", "contact"})


@dataclass(frozen=True)
class Shared:
    """What was done for one project: ``given``, ``taken back``, ``would be given``, …, ``unchanged``; and what else."""

    project: int
    title: str
    done: str
    note: str = ""


def projects_table(client: EcoTaxa, server: str, reader: str) -> str:
    """All projects of the account as CSV with a byte-order mark, as spreadsheet programs want it.

    Args:
        client: asks.
        server: address for the links.
        reader: name or id of the account that reads for the collection.
    """
    made, me = io.StringIO(newline=""), str(client.user("me")["id"])
    writer = csv.DictWriter(made, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    for project in client.my_projects():
        number = int(project["projid"])
        writer.writerow(
            {
                "dataset": _cell(project.get("title")), "ecotaxa_project": number,
                "url": f"{server.rstrip('/')}/prj/{number}", "instrument": _cell(project.get("instrument") or "?"),
                "objects": int(project.get("objcount") or 0),
                "percent_validated": round(float(project.get("pctvalidated") or 0), 2),
                "my_right": _right(project, me), "shared": "yes" if _right(project, reader) else "no",
                "description": _cell(project.get("description")), "comments": "",
            }
        )  # fmt: skip
    return "\ufeff" + made.getvalue()


def _right(project: Mapping[str, Any], account: str) -> str:
    """The strongest right of an account, by its name or id; "" where it has none."""
    wanted = account.casefold()
    for people, right in _RIGHTS:
        for person in project.get(people) or ():
            if wanted and wanted in {str(person.get(k, "")).casefold() for k in ("name", "id")}:
                return right
    return ""


def _cell(value: Any) -> str:
    """Text that no spreadsheet program takes for a formula."""
    text = " ".join(str(value or "").split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def share(client: EcoTaxa, projects: list[int], reader: str, revoke: bool, dry_run: bool) -> Iterator[Shared]:
    """Gives the reader the right to view projects, or takes it back.

    Raises:
        EcoTaxaRefused: the server refused, or the settings read back aren't what was sent.
    """
    account = client.user(reader)
    for project in projects:
        before = client.project_text(project, for_managing=True)
        told: dict[str, Any] = json.loads(before)
        title = str(told.get("title") or "")
        right = next((r for people, r in _RIGHTS if account["id"] in _ids(told, people)), "")
        if right in ("manage", "annotate"):
            note = f"the account has the right to {right}; change that in EcoTaxa itself" if revoke else ""
            yield Shared(project, title, "unchanged", note)
        elif bool(right) is not revoke:
            yield Shared(project, title, "unchanged")
        else:
            after = _with_viewers(before, told, account, revoke)
            if not dry_run:
                _change(client, project, before, after)
            done = "taken back" if revoke else "given"
            yield Shared(project, title, f"would be {done}" if dry_run else done)


def _ids(settings: Mapping[str, Any], people: str) -> list[Any]:
    return [p.get("id") for p in settings.get(people) or ()]


def _with_viewers(before: str, settings: Mapping[str, Any], account: Mapping[str, Any], revoke: bool) -> str:
    """The settings' text with only the list of viewers replaced."""
    listed = list(settings.get("viewers") or ())
    if revoke:
        listed = [p for p in listed if p.get("id") != account["id"]]
    else:
        listed.append({k: account[k] for k in ("id", "email", "name") if k in account})
    spans = members(before)
    if "viewers" not in spans:
        raise refusal("ecotaxa_settings", "the project's settings have no list of viewers; nothing was changed")
    start, end = spans["viewers"]
    return before[:start] + json.dumps(listed, ensure_ascii=False) + before[end:]


def _change(client: EcoTaxa, project: int, before: str, after: str) -> None:
    """Sends the settings and reads them back."""
    silence = ""
    try:
        client.change_project(project, after)
    except Unanswered as unknown:  # what was done shows when it is read back
        silence = f"; the server didn't say so itself ({unknown})"
    now = client.project_text(project, for_managing=True)
    wanted, found = _values(after), _values(now)
    if sorted(_ids(wanted, "viewers")) != sorted(_ids(found, "viewers")):
        message = f"the list of viewers isn't what was sent{silence}; look at the project's settings in EcoTaxa"
        raise refusal("ecotaxa_not_shared_yet", message, value=f"project {project}")
    kept = {n for n in members(before) if n not in _COUNTED and n != "viewers"}
    if changed := sorted(n for n in kept if wanted.get(n) != found.get(n)):
        message = f"other settings were changed at the same time ({', '.join(changed)}); look at them in EcoTaxa"
        raise refusal("ecotaxa_settings_changed", message, value=f"project {project}")


def _values(text: str) -> dict[str, Any]:
    return dict(json.loads(text))


def members(text: str) -> dict[str, tuple[int, int]]:
    """Where the value of each member of a JSON object stands in its text."""
    decoder, found = json.JSONDecoder(), {}
    place = _next(text, text.index("{") + 1)
    while text[place] != "}":
        name, end = decoder.raw_decode(text, _next(text, place + (text[place] == ",")))
        start = _next(text, _next(text, end) + 1)  # behind the colon
        _, end = decoder.raw_decode(text, start)
        found[str(name)] = (start, end)
        place = _next(text, end)
    return found


def _next(text: str, place: int) -> int:
    while text[place].isspace():
        place += 1
    return place
