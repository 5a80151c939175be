"""One row of the template as values of a contribution; cells that can't be taken are said, with what was expected."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from aqqua_dataset.harmonise.instrument import instrument_id
from aqqua_dataset.intake.tables import HandedIn
from aqqua_dataset.intake.template import TemplateColumn, columns
from aqqua_dataset.intake.yaml_text import as_day
from aqqua_dataset.privacy import blot
from aqqua_dataset.registry.check import check_registry
from aqqua_dataset.registry.models import Contribution, Registry, Settings

_BY_NAME = {c.name: c for c in columns()}
_BY_KEY = {c.writes: c for c in columns() if c.writes}

#: Parts of a record that make sense together only.
_TOGETHER = {"pixel_size": ("value", "unit"), "culture_origin": ("latitude", "longitude")}


@dataclass
class Dataset:
    """What a row says: values of a contribution by key, and remarks for the editor."""

    title: str
    values: dict[str, Any]
    remarks: list[str] = field(default_factory=list)


def dataset_of(table: HandedIn, line: int, row: Mapping[str, str], settings: Settings) -> Dataset | None:
    """The data set of a row; None where it has no title."""
    if "dataset" not in row:
        table.say("row_without_dataset", "expected the title of the data set; the row isn't taken", line, "dataset")
        return None
    values: dict[str, Any] = {}
    for name, text in row.items():
        column = _BY_NAME[name]
        if column.writes and (value := _value(table, line, column, text)) is not None:
            _put(values, column.writes, value)
    _complete(table, line, row, values)
    made = Dataset(values["title"], _readable(table, line, values, settings))
    for name in ("delivery", "comments"):
        if name in row:
            made.remarks.append(f"{name}: {_public(table, line, name, row[name])}")
    if row.get("shared", "").casefold() == "no":
        table.say("not_shared", "the project isn't shared with us yet", line, "shared", "no", "note")
    return made


def _value(table: HandedIn, line: int, column: TemplateColumn, text: str) -> Any:
    """A cell as the value it stands for, or None with a finding."""
    text = text[1:] if text.startswith(("'=", "'+", "'-", "'@")) else text
    found: Any = None
    if column.name == "instrument":
        found = [known] if (known := instrument_id(text)) else None
        if text != "?" and found is None:
            message = "no instrument of the vocabulary; left open: add it to the contribution, or to the vocabulary"
            table.say("instrument_open", message, line, column.name, text)
        return found
    expected = {"integer": "a whole number", "number": "a number such as 0.5", "date": "a day such as 2015-03-02"}
    if column.kind == "choice":
        found = {c.casefold(): c for c in column.choices}.get(text.casefold())
        expected[column.kind] = f"one of {', '.join(column.choices)}"
    elif column.kind == "integer":
        found = int(text) if re.fullmatch(r"\d{1,15}", text) else None
        if column.name == "ecotaxa_project" and found is not None:
            return str(found)
    elif column.kind == "number":
        found = _number(text)
    elif column.kind == "date":
        found = as_day(text)
    else:
        return _public(table, line, column.name, text)
    return found if found is not None else _no(table, line, column, text, expected)


def _no(table: HandedIn, line: int, column: TemplateColumn, text: str, expected: Mapping[str, str]) -> None:
    table.say("cell_invalid", f"expected {expected[column.kind]}; the cell isn't taken", line, column.name, text)


def _number(text: str) -> float | int | None:
    """A number, also with a decimal comma; not where the comma may part thousands."""
    if not re.fullmatch(r"-?\d{1,12}([.,]\d{1,12})?", text) or re.fullmatch(r"-?[1-9]\d{0,2},\d{3}", text):
        return None
    number = float(text.replace(",", "."))
    return int(number) if number.is_integer() else number


def _public(table: HandedIn, line: int, column: str, text: str) -> str:
    """A text that may stand in a public record: addresses and telephone numbers are taken out."""
    clean = " ".join(blot(text).split())
    if clean != " ".join(text.split()):
        message = "addresses, telephone numbers or names of users were taken out; nobody's belong here"
        table.say("personal_in_text", message, line, column, clean)
    return clean


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *above, name = path.split(".")
    for key in above:
        values = values.setdefault(key, {})
    values[name] = value


def _complete(table: HandedIn, line: int, row: Mapping[str, str], values: dict[str, Any]) -> None:
    """What has to come together, and what follows from other cells."""
    if "description" not in values:
        table.say("description_missing", "expected a description; the title stands for it", line, "description")
        values["description"] = values["title"]
    declared = values.get("declared", {})
    for key, need in _TOGETHER.items():
        names = [_BY_KEY[f"declared.{key}.{part}"].name for part in need]
        if key in declared and not set(need) <= set(declared[key]):
            table.say("cells_incomplete", f"expected together: {', '.join(names)}; not taken", line, names[0])
            del declared[key]
    if "culture_origin" in declared and declared.get("water_type", "culture") != "culture":
        message = "a culture's origin is given: expected culture"
        table.say("cell_contradicts", message, line, "water", declared["water_type"])
    if "culture_origin" in declared:
        declared["water_type"] = "culture"
    if "expected_instruments" in values and "instrument" in row:
        declared["instrument"] = row["instrument"]
    if declared:
        values["declared"] = declared
    else:
        values.pop("declared", None)


def _readable(table: HandedIn, line: int, values: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The values without those that the registry would refuse; each is said with its column."""
    while problem := _problem(values, settings):
        key, expected = problem
        column = next((c for k, c in _BY_KEY.items() if key == k or k.startswith(f"{key}.")), None)
        if column is None:  # no cell is to blame
            raise ValueError(f"{key}: {expected}")
        told = _taken_out(values, column.writes)
        table.say("cell_invalid", f"{expected}; the cell isn't taken", line, column.name, str(told))
    return values


def _problem(values: Mapping[str, Any], settings: Settings) -> tuple[str, str] | None:
    """The first key that the registry would refuse, and what it expects."""
    day = dt.date(2000, 1, 1)
    rest = {"id": "a-row", "owners": ["nobody"], "attribution": {"state": "pending"}}
    source = {"location": "a-row", **values.get("source", {})}
    try:
        record = {**values, **rest, "source": source, "history": [{"date": day, "state": "pledged"}]}
        made = Contribution.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        return ".".join(map(str, first["loc"])), first["msg"].replace("Input should be", "expected a value")
    alone = Registry(settings=settings, people={}, institutions={}, contributions={"a-row": made})
    for finding in check_registry(alone, {}, {}):
        if finding.file == "contributions/a-row.yaml" and finding.key.startswith(("source", "declared", "not_before")):
            return finding.key, finding.message
    return None


def _taken_out(values: dict[str, Any], path: str) -> Any:
    """Takes a value out; where it went before, what is left of its group goes, which means nothing without it."""
    *above, name = path.split(".")
    for key in above:
        if name not in values[key] and key == above[-1]:
            return values.pop(key)
        values = values[key]
    return values.pop(name)
