"""Reads a registry folder: one YAML file per thing, every mistake named with file, line and key."""

import datetime as dt
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.check import Lines, check_registry
from aqqua_dataset.registry.models import (
    Contact,
    Contribution,
    Institution,
    Person,
    Registry,
    Settings,
)

Record = TypeVar("Record", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """Safe YAML in which only true and false are truth values: NO is Norway and ON is Ontario."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))

_EXPECTED = {
    "extra_forbidden": "this key is not known; check its spelling",
    "missing": "this key is missing",
}


def load_registry(folder: Path) -> tuple[Registry | None, list[Finding]]:
    """The registry and everything that is wrong with it.

    A file with an error is left out and reported; the rest is still validated as a whole. The
    registry is None only when the settings can't be read.
    """
    findings: list[Finding] = []
    lines: Lines = {}
    settings = _read_file(folder, folder / "settings.yaml", Settings, findings, lines)
    if settings is None:
        return None, findings
    registry = Registry(
        settings=settings,
        people=_read_folder(folder, "people", Person, findings, lines),
        institutions=_read_folder(folder, "institutions", Institution, findings, lines),
        contributions=_read_folder(folder, "contributions", Contribution, findings, lines),
    )
    contacts = load_contacts(folder, findings)
    return registry, findings + check_registry(registry, lines, contacts)


def load_contacts(folder: Path, findings: list[Finding]) -> list[Contact]:
    """Private contact data, where there are any; only the check for duplicate people looks at them."""
    path = folder / "private" / "contacts.yaml"
    if not path.exists():
        return []
    parsed = _parse(folder, path, findings)
    if parsed is None:
        return []
    return [c for entry in parsed[0] or [] if (c := _validate(folder, path, Contact, entry, {}, findings))]


def _read_folder(
    folder: Path, name: str, model: type[Record], findings: list[Finding], lines: Lines
) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for path in sorted((folder / name).glob("*.yaml")):
        record = _read_file(folder, path, model, findings, lines)
        if record is None:
            continue
        identity = str(getattr(record, "id"))  # noqa: B009 - every record of these folders has an id
        if identity != path.stem:
            message = f"the id is {identity!r}, but the file is named {path.stem!r}; they must be equal"
            place = lines.get((path.relative_to(folder).as_posix(), ("id",)))
            findings.append(
                Finding(
                    "id_differs_from_file",
                    "error",
                    message,
                    file=f"{name}/{path.name}",
                    line=place,
                    key="id",
                )
            )
        found[path.stem] = record
    return found


def _read_file(folder: Path, path: Path, model: type[Record], findings: list[Finding], lines: Lines) -> Record | None:
    if not path.exists():
        message = "the file is missing"
        findings.append(Finding("file_missing", "error", message, file=path.relative_to(folder).as_posix()))
        return None
    parsed = _parse(folder, path, findings)
    if parsed is None:
        return None
    values, places = parsed
    lines.update({(path.relative_to(folder).as_posix(), key): line for key, line in places.items()})
    return _validate(folder, path, model, values, places, findings)


def _parse(folder: Path, path: Path, findings: list[Finding]) -> tuple[Any, dict[tuple[Any, ...], int]] | None:
    """The file's values and the line of every key, or None with a finding."""
    name = path.relative_to(folder).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_Loader)
        places: dict[tuple[Any, ...], int] = {}
        repeated = _places(node, (), places)
        for key, line in repeated:
            findings.append(
                Finding(
                    "key_repeated",
                    "error",
                    "the key stands twice; keep one",
                    file=name,
                    line=line,
                    key=key,
                )
            )
        return (None if repeated else yaml.load(text, Loader=_Loader)), places
    except UnicodeDecodeError as error:
        findings.append(Finding("not_utf8", "error", f"expected UTF-8 text ({error})", file=name))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = f"not readable as YAML: {getattr(error, 'problem', None) or error}"
        findings.append(Finding("yaml_syntax", "error", message, file=name, line=mark.line + 1 if mark else None))
    return None


def _places(node: Any, path: tuple[Any, ...], places: dict[tuple[Any, ...], int]) -> list[tuple[str, int]]:
    """Fills in the line of every key and item below a node; returns keys that stand twice."""
    repeated = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, key.value)
            if here in places:
                repeated.append((str(key.value), key.start_mark.line + 1))
            places[here] = key.start_mark.line + 1
            repeated += _places(value, here, places)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            places[(*path, position)] = value.start_mark.line + 1
            repeated += _places(value, (*path, position), places)
    return repeated


def _validate(
    folder: Path, path: Path, model: type[Record], values: Any, places: dict[tuple[Any, ...], int],
    findings: list[Finding],
) -> Record | None:  # fmt: skip
    name = path.relative_to(folder).as_posix()
    if not isinstance(values, dict):
        if values is not None or not places:
            findings.append(Finding("not_a_record", "error", "expected keys with values", file=name))
        return None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            at = tuple(problem["loc"])
            line = next((places[at[:n]] for n in range(len(at), 0, -1) if at[:n] in places), 1)
            message = _EXPECTED.get(problem["type"], problem["msg"])
            findings.append(
                Finding(
                    "record_invalid", "error", message, file=name, line=line,
                    key=".".join(str(p) for p in at), value=_shown(problem["input"]),
                )
            )  # fmt: skip
    return None


def _shown(value: Any) -> str:
    """The offending value, if it is a plain one."""
    return str(value)[:200] if isinstance(value, str | int | float | bool | dt.date) else ""
