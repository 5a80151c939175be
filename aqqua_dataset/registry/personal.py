"""What the registry holds about one person, in every file of it; and a record with what belongs to it, to be shown."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.check import CONTACTS
from aqqua_dataset.registry.credit import Person
from aqqua_dataset.registry.load import read_yaml
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.registry.same_people import plain_letters, standing_for


def records_of(registry: Registry, person: str) -> list[str]:
    """Ids of all records of the person behind an id: those joined to it by ``same_as`` or a decision."""
    stands = standing_for(registry.people.values(), registry.decisions)
    return sorted(name for name, one in stands.items() if one == stands[person])


def stored_about(folder: Path, registry: Registry, person: str) -> dict[str, Any]:
    """Everything that the registry's files hold about a person, proposals and private contacts included.

    Returns:
        ``records``: the person's own; ``contacts``: addresses and consents; ``imported``: what imports said of them;
        ``named_in``: file and key where an id of theirs stands; ``table_rows``: rows of tables with an id of theirs;
        ``mentions``: texts with their name or address, as in a comment or in somebody's words of credit.
    """
    ids = set(records_of(registry, person))
    found: dict[str, Any] = {"person": person, "records": {}, "contacts": []}
    found |= {"imported": [], "named_in": [], "table_rows": []}
    texts = dict(_texts(folder))
    for file, text in texts.items():
        if Path(file).parts[-2:-1] == ("people",) and Path(file).stem in ids:
            found["records"][file] = text
        elif file.endswith(CONTACTS):
            found["contacts"] += [{"file": file, **e} for e in _entries(text) if e.get("person") in ids]
        elif file.endswith(".csv"):
            found["table_rows"] += _rows(file, text, ids)
        elif file.endswith(".jsonl"):
            own, places = _imported(file, text, ids)
            found["imported"] += own
            found["named_in"] += places
        else:
            found["named_in"] += _places(file, text, ids)
    mails = {str(e["email"]) for e in found["contacts"] if "email" in e}
    found["mentions"] = list(_mentions(texts, [registry.people[i] for i in sorted(ids)], mails, set(found["records"])))
    return found


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file of text in the registry's folder."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and ".git" not in p.parts):
        try:
            yield path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:  # a snapshot's table or picture: nothing that this software writes about people
            continue


def _entries(text: str) -> list[dict[str, Any]]:
    return [e for e in _parsed(text) or () if isinstance(e, dict)]


def _parsed(text: str) -> Any:
    try:
        return read_yaml(text)
    except (yaml.YAMLError, ValueError):
        return None


def _rows(file: str, text: str, ids: set[str]) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text))
    return [{"file": file, "line": reader.line_num, **row} for row in reader if ids & set(map(str, row.values()))]


def _places(file: str, text: str, ids: set[str]) -> list[dict[str, Any]]:
    """Keys whose value is one of the ids."""
    if file.endswith(".yaml"):
        return [{"file": file, "key": key} for key in _keys(_parsed(text), ids)]
    return [{"file": file, "key": key} for key in _keys(json.loads(text), ids)] if file.endswith(".json") else []


def _imported(
    file: str, text: str, ids: set[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:  # fmt: skip
    """What an import said of the person, and where it named them elsewhere; one record in each line."""
    own, places = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        record = json.loads(line)
        if record.get("person") in ids or record.get("file") in {f"people/{i}.yaml" for i in ids}:
            own.append({"in": file, "line": number, **record})
        else:
            places += [{"file": file, "line": number, "key": key} for key in _keys(record, ids)]
    return own, places


def _keys(value: Any, ids: set[str], above: str = "") -> Iterator[str]:
    """Places below a value where one of the ids stands; ids as parts of a file's name included."""
    inner: Mapping[Any, Any] = value if isinstance(value, dict) else {}
    inner = dict(enumerate(value)) if isinstance(value, list) else inner
    for key, below in inner.items():
        yield from _keys(below, ids, f"{above}.{key}" if above else str(key))
        if Path(str(key)).stem in ids:
            yield f"{above}.{key}" if above else str(key)
    if isinstance(value, str) and Path(value).stem in ids:
        yield above


def _mentions(
    texts: Mapping[str, str], records: list[Person], mails: set[str], own: set[str]
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Lines outside their own records with the name, either way round, or an address."""
    names = {f"{p.given} {' '.join(filter(None, (p.particle, p.family)))}" for p in records}
    names |= {f"{p.family}, {p.given}" for p in records} | {f"{p.given[0]}. {p.family}" for p in records}
    wanted = [plain_letters(n) for n in sorted(names | mails)]
    for file, text in texts.items():
        if file in own or file.endswith(CONTACTS):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if any(w in plain_letters(line) for w in wanted):
                told = _leaves(json.loads(line)) if file.endswith(".jsonl") else [line.strip()]
                hits = [t for t in told if any(w in plain_letters(t) for w in wanted)]
                yield from ({"file": file, "line": number, "text": hit} for hit in hits)


def _leaves(value: Any) -> Iterator[str]:
    """Every text below a value."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _leaves(inner)


def shown(folder: Path, registry: Registry, name: str, findings: list[Finding]) -> str | None:
    """A record as it stands with what belongs to it, for a terminal; None where there is no such id."""
    made = [*_contribution(registry, name), *_person(registry, name), *_institution(registry, name)]
    if not made:
        return None
    files = [f for f in (f"{kind}/{name}.yaml" for kind in _KINDS) if (folder / f).exists()]
    told = [f"{f}\n\n{(folder / f).read_text(encoding='utf-8')}" for f in files]
    told += ["\n".join(made)]
    told += [str(f) for f in findings if f.file in files]
    return "\n".join(told)


_KINDS = ("contributions", "people", "institutions")


def _contribution(registry: Registry, name: str) -> list[str]:
    contribution = registry.contributions.get(name)
    if contribution is None:
        return []
    missing = registry.missing_mandatory(contribution)
    form = contribution.form_id
    same = [c.id for c in registry.contributions.values() if form is not None and c.form_id == form]
    return [
        f"state: {contribution.state}",
        f"owners: {', '.join(_named(registry, o) for o in contribution.owners)}",
        f"mandatory permissions missing: {', '.join(missing) or 'none'}",
        f"contributions of the same form: {', '.join(c for c in same if c != name) or 'none'}",
    ]


def _person(registry: Registry, name: str) -> list[str]:
    if name not in registry.people:
        return []
    ids = set(records_of(registry, name))
    owned = [c.id for c in registry.contributions.values() if ids & set(c.owners)]
    others = [c.id for c in registry.contributions.values() if ids & {p.person for p in c.contributors}]
    return [
        f"records of this person: {', '.join(sorted(ids))}",
        f"owner of: {', '.join(owned) or 'nothing'}",
        f"other parts in: {', '.join(others) or 'nothing'}",
    ]


def _institution(registry: Registry, name: str) -> list[str]:
    if name not in registry.institutions:
        return []
    people = [p.id for p in registry.people.values() if name in p.affiliations]
    given = [c.id for c in registry.contributions.values() if name in c.institutions]
    return [f"people: {', '.join(people) or 'none'}", f"contributions: {', '.join(given) or 'none'}"]


def _named(registry: Registry, name: str) -> str:
    person = registry.people.get(name)
    return " ".join(filter(None, (person.given, person.particle, person.family))) if person else f"{name} (no record)"
