"""Loads schemas/ and derives everything else from it: Arrow and Pandera schemas, the data dictionary.

A field, a unit, an enumeration or a vocabulary term is declared once, as data, in schemas/. Nothing
here knows a single column by name.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import yaml

if TYPE_CHECKING:
    import pandera.pandas as pandera

_TERMS = {
    "dwc": "Darwin Core",
    "ifdo": "iFDO",
    "p01": "NERC P01",
    "cf": "CF standard name",
}

_ARROW = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float64": pa.float64(),
    "date32": pa.date32(),
    "timestamp[ms, UTC]": pa.timestamp("ms", tz="UTC"),
    "list<string>": pa.list_(pa.string()),
}


@cache
def folder() -> Path:
    """The schemas folder: inside an installed wheel, or at the root of the checkout."""
    packaged = Path(__file__).parent / "_schemas"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "schemas"


@dataclass(frozen=True)
class Field:
    """One column: its type, unit, range, allowed values, terms and meaning (see fields.yaml)."""

    name: str
    type: str
    description: str
    unit: str | None = None
    min: float | str | None = None
    max: float | str | None = None
    enum: str | None = None
    pattern: str | None = None
    dwc: str | None = None
    ifdo: str | None = None
    p01: str | None = None
    cf: str | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of the column."""
        return _ARROW[self.type]

    @property
    def terms(self) -> dict[str, str]:
        """Terms of the field's standards, by standard."""
        return {title: getattr(self, key) for key, title in _TERMS.items() if getattr(self, key)}


@dataclass(frozen=True)
class Table:
    """One table: what a row is, its key, its columns and which of them may not be null."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    required: frozenset[str]
    files: str | None


@cache
def fields() -> dict[str, Field]:
    """All fields by name."""
    raw = yaml.safe_load((folder() / "fields.yaml").read_text(encoding="utf-8"))
    return {name: Field(name=name, **spec) for name, spec in raw.items()}


@cache
def tables() -> dict[str, Table]:
    """All tables by name, with the columns of the tables they extend in front, but for those they are ``without``."""
    raw = yaml.safe_load((folder() / "tables.yaml").read_text(encoding="utf-8"))
    result: dict[str, Table] = {}
    for name, spec in raw.items():
        bases = [result[base] for base in spec.get("extends", [])]
        left_out = spec.get("without", [])
        columns = [c for base in bases for c in base.columns if c not in left_out] + spec["columns"]
        required = {c for base in bases for c in base.required} | set(spec["required"])
        result[name] = Table(
            name=name,
            row=spec["row"],
            key=tuple(spec["key"]),
            columns=tuple(dict.fromkeys(columns)),
            required=frozenset(required),
            files=spec.get("files"),
        )
    return result


@cache
def vocabulary(name: str) -> pd.DataFrame:
    """A vocabulary file as text columns, e.g. ``instruments.csv``; empty cells are ""."""
    return pd.read_csv(folder() / "vocabularies" / name, dtype=str, keep_default_na=False)


@cache
def mapping(source: str) -> pd.DataFrame:
    """The columns that a source's inputs are read from, in order of trust (text columns).

    A row whose input is ``extends`` stands for all rows of the mapping its column names.
    """
    own = pd.read_csv(folder() / "mappings" / f"{source}.csv", dtype=str, keep_default_na=False)
    pieces = [mapping(row["column"]) if row["input"] == "extends" else row.to_frame().T for _, row in own.iterrows()]
    return pd.concat(pieces, ignore_index=True)


@cache
def enumerations() -> dict[str, dict[str, str]]:
    """All closed lists: name -> value -> meaning; vocabularies are read from their files."""
    raw = yaml.safe_load((folder() / "enumerations.yaml").read_text(encoding="utf-8"))
    return {name: _values(spec) for name, spec in raw.items()}


def _values(spec: dict[str, str]) -> dict[str, str]:
    if "vocabulary" not in spec:
        return spec
    table = vocabulary(spec["vocabulary"])
    if "words_of" in spec:
        told = table[table["field"].isin(spec["words_of"].split("|"))]
        return {str(value): "in labels: " + ", ".join(words) for value, words in told.groupby("value")["token"]}
    meaning = next(c for c in table.columns if c in ("display_name", "meaning", "action"))
    return dict(zip(table[spec["key"]], table[meaning], strict=True))


#: Words for people who hand something in; another wording mustn't make a billion rows stale.
_OF_NO_RESULT = frozenset({"template_columns.csv"})


@cache
def fingerprint() -> str:
    """SHA-256 over the files of schemas/ that results depend on: those are stale when it changes."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder().rglob("*") if p.is_file() and p.name not in _OF_NO_RESULT):
        digest.update(path.relative_to(folder()).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def arrow(table: str) -> pa.Schema:
    """The Arrow schema of a table; unit, terms and meaning travel as field metadata."""
    spec = tables()[table]
    columns = []
    for name in spec.columns:
        field = fields()[name]
        metadata = {
            "description": field.description,
            **({"unit": field.unit} if field.unit else {}),
        }
        metadata |= field.terms
        columns.append(pa.field(name, field.arrow_type, name not in spec.required, metadata=metadata))
    return pa.schema(columns, metadata={"table": table, "row": spec.row})


@cache
def pandera_schema(table: str) -> "pandera.DataFrameSchema":
    """The Pandera schema of a table: nullability, ranges, patterns and allowed values.

    Types are guaranteed by the Arrow schema the data come from, so only values are checked here, and columns that
    may hold anything are left out.
    """
    import pandera.pandas as pandera

    spec = tables()[table]
    columns = {
        name: pandera.Column(
            None,
            checks=_checks(fields()[name]),
            nullable=name not in spec.required,
            description=fields()[name].description,
        )
        for name in spec.columns
        if name in spec.required or _checks(fields()[name])
    }
    return pandera.DataFrameSchema(columns, name=table)


def _checks(field: Field) -> list["pandera.Check"]:
    import pandera.pandas as pandera

    def bound(value: float | str) -> Any:
        return pd.Timestamp(value, tz="UTC") if isinstance(value, str) else value

    checks = []
    if field.min is not None:
        checks.append(pandera.Check.ge(bound(field.min)))
    if field.max is not None:
        checks.append(pandera.Check.le(bound(field.max)))
    if field.enum is not None and not field.type.startswith("list"):
        checks.append(pandera.Check.isin(list(enumerations()[field.enum])))
    if field.pattern is not None:
        checks.append(pandera.Check.str_matches(field.pattern))
    return checks


def dictionary_markdown() -> str:
    """The data dictionary: every table, field, enumeration and vocabulary, as Markdown."""
    lines = ["# Data dictionary", "", "Generated from `schemas/`; do not edit by hand.", ""]
    for table in tables().values():
        place = f" Files: `{table.files}`." if table.files else " Stays in the warehouse."
        lines += [f"## Table `{table.name}`", "", f"One row: {table.row}.{place}", ""]
        lines += [
            "| column | type | unit | null | allowed | terms | meaning |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_dictionary_row(fields()[c], c in table.required) for c in table.columns]
        lines.append("")
    lines += ["## Enumerations", ""]
    for name, values in enumerations().items():
        lines += [f"### {name}", "", "| value | meaning |", "|---|---|"]
        lines += [f"| `{value}` | {meaning} |" for value, meaning in values.items()] + [""]
    lines += ["## Inputs of a mapping", "", "| input | units | meaning |", "|---|---|---|"]
    inputs = vocabulary("inputs.csv")[["input", "units", "meaning"]]
    for name, units, text in inputs.itertuples(index=False):
        lines.append(f"| `{name}` | {units.replace('|', ', ')} | {text} |")
    lines.append("")
    lines += ["## Columns of the template", "", "| column | kind | becomes | meaning |", "|---|---|---|---|"]
    template = vocabulary("template_columns.csv")[["column", "kind", "writes", "meaning"]]
    lines += [f"| `{name}` | {kind} | {key and f'`{key}`'} | {text} |" for name, kind, key, text in template.to_numpy()]
    lines.append("")
    flags = vocabulary("flags.csv")
    lines += [
        "## Flags",
        "",
        "| flag | severity | field | meaning | what to do |",
        "|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in flags.itertuples(index=False)]
    lines += ["", "## Quality tests", "", "Thresholds are in `schemas/vocabularies/thresholds.csv`.", ""]
    lines += ["| test | name | flags and reasons | note |", "|---|---|---|---|"]
    for test, name, marks, note in vocabulary("quality_tests.csv").itertuples(index=False):
        lines.append(f"| {test} | {name} | {marks.replace('|', ', ')} | {note} |")
    return "\n".join(lines) + "\n"


def _dictionary_row(field: Field, required: bool) -> str:
    allowed = field.enum or field.pattern or ""
    if field.min is not None or field.max is not None:
        low = "" if field.min is None else field.min
        high = "" if field.max is None else field.max
        allowed = f"{low} .. {high}"
    terms = "; ".join(f"{standard}: {term}" for standard, term in field.terms.items())
    cells = [
        f"`{field.name}`",
        field.type,
        field.unit or "",
        "no" if required else "yes",
        allowed.replace("|", "\\|"),
        terms,
        field.description,
    ]
    return "| " + " | ".join(cells) + " |"
