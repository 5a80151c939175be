"""How results are shown in the UI: column schemas, tables of findings, counts."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import dagster as dg
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.findings import Finding, worst_first
from aqqua_dataset.progress.examples import Example, Picture

_MOST_ROWS = 200
#: What the pictures of one check may take in the event log, where they stay for good.
_MOST_PICTURE_CHARACTERS = 30_000


def column_schema(table: str) -> dg.TableSchema:
    """A declared table as Dagster shows it: type, meaning, unit and constraints of each column."""
    spec = schema.tables()[table]
    columns = []
    for name in spec.columns:
        field = schema.fields()[name]
        limits = [f"{word} {value}" for word, value in ((">=", field.min), ("<=", field.max)) if value is not None]
        columns.append(
            dg.TableColumn(
                name=name,
                type=field.type,
                description=field.description + (f" Unit: {field.unit}." if field.unit else ""),
                constraints=dg.TableColumnConstraints(
                    nullable=name not in spec.required, unique=spec.key == (name,), other=limits
                ),
                tags=dict.fromkeys(field.terms, ""),
            )
        )
    return dg.TableSchema(columns=columns)


def findings_table(findings: Iterable[Finding]) -> dg.TableMetadataValue:
    """Findings as a table, worst first; what is wrong stands before where, so that a narrow window shows it."""
    return rows_table(
        [
            {
                "severity": f.severity,
                "contribution": f.contribution,
                "what is wrong": f.message + (f" ({f.count:,} times)" if f.count > 1 else ""),
                "found": f.value[:200],
                "where": f.file + (f":{f.line}" if f.line else "") + (f" {f.key}" if f.key else ""),
                "rule": f.rule,
            }
            for f in worst_first(findings)
        ]
    )


def examples_table(examples: Iterable[Example]) -> dg.TableMetadataValue:
    """Reasons or flags by contribution, with what to do."""
    return rows_table(
        [
            {
                "contribution": e.contribution,
                e.severity if e.severity == "quarantine" else "flag": e.kind,
                "images": e.images,
                "found": e.found[:200],
                "expected": e.expected,
                "what to do": e.action,
                "where": e.where,
            }
            for e in examples
        ]
    )


def contact_sheet(examples: Iterable[tuple[Example, Sequence[Picture]]]) -> dg.MarkdownMetadataValue:
    """Small pictures of the first examples that have any, inside the event itself: a browser asks nobody for them."""
    lines, size = ["| contribution | why | pictures |", "|---|---|---|"], 0
    for example, pictures in examples:
        shown = " ".join(f"![]({_data_uri(p)})" for p in pictures)
        size += len(shown)
        if size > _MOST_PICTURE_CHARACTERS:
            break
        if shown:
            lines.append(f"| {example.contribution} | {example.kind} | {shown} |")
    return dg.MetadataValue.md("\n".join(lines) if size else "None of these images has a stored picture.")


def _data_uri(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"


def rows_table(rows: Sequence[Mapping[str, object]]) -> dg.TableMetadataValue:
    """The first rows of a table of plain values; the last line says how many more there are."""
    kept = [{k: v if isinstance(v, int | float) else str(v or "") for k, v in row.items()} for row in rows[:_MOST_ROWS]]
    names = list(kept[0]) if kept else ["nothing"]
    if len(rows) > _MOST_ROWS:
        kept.append({**dict.fromkeys(names, "…"), names[-1]: f"and {len(rows) - _MOST_ROWS:,} more"})
    return dg.MetadataValue.table(
        [dg.TableRecord(row) for row in kept],
        schema=dg.TableSchema([dg.TableColumn(n) for n in names]),
    )


def counts_chart(counts: dict[str, int], unit: str) -> dg.MarkdownMetadataValue:
    """Counts as a bar chart in plain text."""
    widest = max(counts.values(), default=0) or 1
    lines = [f"| {name} | {'█' * max(1, round(30 * n / widest))} | {n:,} {unit} |" for name, n in counts.items()]
    return dg.MetadataValue.md("\n".join(["| | | |", "|---|---|---:|", *lines]))


class Report(Protocol):
    """What was done for one contribution, whatever it was."""

    @property
    def contribution(self) -> str:
        """Its id."""

    @property
    def outcome(self) -> str:
        """What became of it."""

    @property
    def numbers(self) -> Mapping[str, int]:
        """Counts."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What was found wrong or noteworthy."""


def stage_metadata(report: Report) -> dict[str, dg.MetadataValue]:
    """What one stage did for one contribution; numbers become plots over time by themselves."""
    found: dict[str, dg.MetadataValue] = {
        "outcome": dg.MetadataValue.text(report.outcome),
        **{name: dg.MetadataValue.int(n) for name, n in report.numbers.items()},
    }
    if report.findings:
        found["findings"] = findings_table(report.findings)
    return found


def table_metadata(table: pa.Table) -> dict[str, dg.MetadataValue]:
    """Row count and size of a table in memory."""
    return {
        "dagster/row_count": dg.MetadataValue.int(table.num_rows),
        "bytes": dg.MetadataValue.int(table.nbytes),
    }
