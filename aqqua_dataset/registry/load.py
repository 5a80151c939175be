"""Reads a registry folder: one YAML file per thing, every mistake named with file, line and key."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.bridges import bridge_problem
from aqqua_dataset.registry.check import CONTACTS, UNREADABLE, Lines, check_registry, nearest_line
from aqqua_dataset.registry.decisions import load_decisions
from aqqua_dataset.registry.dois import check_dois
from aqqua_dataset.registry.earlier import load_earlier
from aqqua_dataset.registry.labels import load_answers, with_taxonomy
from aqqua_dataset.registry.messages import check_messages
from aqqua_dataset.registry.models import Contact, Contribution, Institution, Person, Record, Registry, Settings
from aqqua_dataset.registry.people_decisions import (
    check_names,
    check_policy,
    load_papers,
    load_people_decisions,
    load_sign_offs,
)
from aqqua_dataset.registry.survey_columns import load_survey_columns

R = TypeVar("R", bound=Record)


# A registry holds thousands of files, and the parser in C reads them ten times as fast.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """Safe YAML without surprises: NO is Norway, 010 is not eight, 54:30 is no number, a date is checked later."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:[0-9]*\.[0-9]+|[0-9]+\.)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)
# More than any record needs; the parser in C dies of a hundred thousand levels.
_DEEPEST = 20

_A_DATE = "expected a date such as 2025-08-31"
_EXPECTED = {
    "missing": "this key is missing",
    "string_type": "expected text; put numbers in quotes",
    "string_too_short": "expected some text; leave the key out if there is none",
    "tuple_type": "expected a list, such as [one, two]",
    "date_type": _A_DATE,
    "date_from_datetime_parsing": _A_DATE,
    "date_from_datetime_inexact": _A_DATE,
}
_FORMS = {"country": "expected a country code of two capitals, such as DE", "email": "expected an e-mail address"}
_SLUG = "expected lower-case letters and digits with single hyphens between them, such as anna-lindqvist"


def load_registry(folder: Path) -> tuple[Registry | None, list[Finding]]:
    """The registry and everything that is wrong with it, in one run.

    A file with an error is left out and reported, and so is a contribution that no stage could read;
    the rest is still checked as a whole. The registry is None only when the settings can't be read.
    """
    files = _Files(folder)
    settings = files.record("settings.yaml", Settings)
    people = files.records("people", Person)
    institutions = files.records("institutions", Institution)
    contributions = files.records("contributions", Contribution)
    contacts = files.contacts()
    if settings is None:
        return None, files.findings
    if settings.longhurst is not None:
        settings = settings.model_copy(update={"longhurst": str((folder / settings.longhurst).absolute())})
    settings, wrong = with_taxonomy(settings, folder)
    files.findings += wrong
    if settings is None:
        return None, files.findings
    labels, wrong = load_answers(folder, people)
    files.findings += wrong
    decisions, wrong = load_decisions(folder, people)
    files.findings += [*wrong, *bridge_problem(folder)]
    people_decisions, wrong = load_people_decisions(folder, people)
    files.findings += [*wrong, *check_policy(settings, people), *check_names(people)]
    papers, wrong = load_papers(folder)
    files.findings += wrong
    sign_offs, wrong = load_sign_offs(folder, people)
    files.findings += [*wrong, *check_dois(settings), *check_messages(settings.messages, people)]
    files.findings += load_survey_columns(folder, settings)[1]
    earlier, wrong = load_earlier(folder)
    files.findings += wrong
    registry = Registry(
        settings=settings, people=people, institutions=institutions, contributions=contributions, labels=labels,
        duplicate_decisions=decisions, decisions=people_decisions, papers=papers,
        sign_offs=sign_offs, progress_earlier=earlier,
    )  # fmt: skip
    found = check_registry(registry, files.lines, contacts)
    unreadable = {f.contribution for f in found if f.rule in UNREADABLE}
    usable = {name: c for name, c in contributions.items() if name not in unreadable}
    return registry.model_copy(update={"contributions": usable}), files.findings + found


def load_form(path: Path, rest: Mapping[str, Any], settings: Settings) -> tuple[Contribution | None, list[Finding]]:
    """One contribution's file that stands alone and may be incomplete, e.g. one that a contributor is writing.

    Args:
        path: the file.
        rest: values of the keys that the file leaves out; keys of ``source`` are filled in one by one.
        settings: the collection's settings.

    Returns:
        The contribution, or None where something in the file stops it from being read; and the findings that say so.
    """
    files = _Files(path.absolute().parent)
    values = files.values(path.name)
    if values is None and not files.findings:
        values = {}
    if isinstance(values, dict):
        source = values.get("source")
        merged = {**rest["source"], **source} if isinstance(source, dict) else rest["source"]
        values = {**rest, **values, "source": merged}
    form = None if files.findings else files.validated(path.name, Contribution, values)
    if form is None:
        return None, files.findings
    alone = Registry(settings=settings, people={}, institutions={}, contributions={form.id: form})
    # The check names a contribution's file as it stands in a registry.
    lines = {f"contributions/{form.id}.yaml": files.lines[path.name]}
    found = [replace(f, file=path.name) for f in check_registry(alone, lines, {}) if f.rule in UNREADABLE]
    return (None if found else form), found


def load_contacts(folder: Path) -> tuple[list[Contact], list[Finding]]:
    """Private contact data and what is wrong with them; nothing of either where the file isn't there."""
    files = _Files(folder)
    contacts = files.contacts()
    return list(contacts.values()), files.findings


def load_records(folder: Path, name: str, model: type[R]) -> dict[str, R]:
    """The records of one kind by id, without those that have errors; none where there is no such folder."""
    return _Files(folder).records(name, model) if (folder / name).is_dir() else {}


@dataclass
class _Files:
    """The files of one registry folder: what was wrong with them, and the line of every key."""

    folder: Path
    findings: list[Finding] = field(default_factory=list)
    lines: Lines = field(default_factory=dict)

    def error(
        self, file: str, rule: str, message: str, line: int | None = None, key: str = "", value: str = ""
    ) -> None:
        contribution = Path(file).stem if file.startswith("contributions/") else ""
        self.findings.append(Finding(rule, "error", message, contribution, file, line, key, value))

    def records(self, name: str, model: type[R]) -> dict[str, R]:
        """The records of a folder by id; a file that can't be taken for a record is reported."""
        found: dict[str, R] = {}
        if not (self.folder / name).is_dir():
            message = "expected a folder of this name; without it there are no such records"
            self.findings.append(Finding("folder_missing", "warning", message, file=name))
            return found
        for path in sorted((self.folder / name).iterdir()):
            file = f"{name}/{path.name}"
            if path.suffix != ".yaml":
                if path.suffix.lower() in (".yml", ".yaml"):
                    self.error(file, "file_ignored", f"not read; expected the name {path.stem}.yaml")
                continue
            record = self.record(file, model)
            if record is None:
                continue
            identity = str(record.model_dump()["id"])
            if identity == path.stem:
                found[identity] = record
            else:
                message = f"expected the file's name, {path.stem}"
                self.error(file, "id_differs_from_file", message, self.lines[file].get(("id",)), "id", identity)
        return found

    def record(self, file: str, model: type[R]) -> R | None:
        """One file as a record, or None with findings."""
        before = len(self.findings)
        values = self.values(file)
        if values is None and len(self.findings) > before:
            return None
        record = self.validated(file, model, values)
        return record if len(self.findings) == before else None

    def contacts(self) -> dict[int, Contact]:
        """The private contacts by their position in the file; the file is optional."""
        if not (self.folder / CONTACTS).exists():
            return {}
        entries = self.values(CONTACTS)
        if entries is None:
            return {}
        if not isinstance(entries, list):
            self.error(CONTACTS, "not_a_list", "expected a list of entries with person and email", 1)
            return {}
        found = {i: self.validated(CONTACTS, Contact, entry, (i,)) for i, entry in enumerate(entries)}
        return {i: contact for i, contact in found.items() if contact is not None}

    def values(self, file: str) -> Any:
        """What a file holds, and in ``lines`` where; None with a finding when it can't be parsed."""
        places = self.lines.setdefault(file, {})
        try:
            values, repeated = _parsed((self.folder / file).read_text(encoding="utf-8"), places)
        except (FileNotFoundError, IsADirectoryError):
            self.error(file, "file_missing", "expected a file of this name")
        except UnicodeDecodeError as error:
            self.error(file, "not_utf8", f"expected text in UTF-8 ({error.reason} at byte {error.start})")
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            message = f"not readable as YAML: {getattr(error, 'problem', None) or error}"
            self.error(file, "yaml_syntax", message, mark.line + 1 if mark else None)
        except ValueError as error:  # a number of thousands of digits
            self.error(file, "yaml_syntax", f"not readable as YAML: {error}")
        else:
            for key, line in repeated:
                self.error(file, "key_repeated", "the key stands twice; keep one", line, key)
            return values
        places.clear()
        return None

    def validated(self, file: str, model: type[R], values: Any, within: tuple[int, ...] = ()) -> R | None:
        """Values as a record of the model, or None with one finding per mistake."""
        places = self.lines[file]
        if not isinstance(values, dict):
            self.error(file, "not_a_record", "expected keys with values", nearest_line(places, within) or 1)
            return None
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for problem in error.errors():
                at = (*within, *problem["loc"])
                # What stands in the private file is not repeated in a message.
                value = "" if file == CONTACTS else _shown(problem)
                key = ".".join(map(str, at))
                self.error(file, "record_invalid", _expected(problem), nearest_line(places, at), key, value)
        return None


def read_yaml(text: str) -> Any:
    """What a registry file's text holds; raises yaml.YAMLError or ValueError where it can't be read."""
    return _parsed(text, {})[0]


def _parsed(text: str, places: dict[tuple[str, ...], int]) -> tuple[Any, list[tuple[str, int]]]:
    """What a text holds, and the keys that stand twice; the line of every key is filled in."""
    _only_plain(text)
    loader = _Loader(text)
    node = loader.get_single_node()
    repeated = _places(node, (), places) if node else []
    return (loader.construct_document(node) if node else None), repeated


def _only_plain(text: str) -> None:
    """Goes over a text's YAML events, before anything is built from them.

    Raises:
        yaml.MarkedYAMLError: something that a record never needs and that can hide or multiply content.
    """
    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        problem = f"nested deeper than {_DEEPEST} levels" if depth > _DEEPEST else None
        if any(getattr(event, name, None) for name in ("anchor", "tag")):
            problem = "anchors (&), aliases (*) and tags (!) are not used here; put a text with such a sign in quotes"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _places(node: yaml.Node, path: tuple[str, ...], places: dict[tuple[str, ...], int]) -> list[tuple[str, int]]:
    """Fills in the line of every key and item from a node on; returns the keys that stand twice."""
    repeated: list[tuple[str, int]] = []
    places.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            if here in places:
                repeated.append((".".join(here), key.start_mark.line + 1))
                continue
            places[here] = key.start_mark.line + 1
            repeated += _places(value, here, places)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            repeated += _places(value, (*path, str(position)), places)
    return repeated


def _expected(problem: ErrorDetails) -> str:
    """What was expected, in words for a person who writes the file."""
    kind, key = problem["type"], str(problem["loc"][-1] if problem["loc"] else "")
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(key, _KEYS, n=1)
        return f"unknown key; did you mean {close[0]}?" if close else "unknown key; check its spelling, or remove it"
    if kind == "string_pattern_mismatch":
        return _FORMS.get(key, _SLUG)
    return _EXPECTED.get(kind, problem["msg"].removeprefix("Value error, "))


_KEYS = sorted({name for model in Record.__subclasses__() for name in model.model_fields})


def _shown(problem: Mapping[str, Any]) -> str:
    """The offending value, if it is a plain one."""
    value = problem["input"]
    return str(value)[:200] if isinstance(value, str | int | float) else ""
