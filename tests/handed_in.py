"""What people hand in, written by tests: exports of a survey as LimeSurvey writes them, and filled templates."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl

from aqqua_dataset.intake.template import template

#: Heads of the export by code, with the wording of the same question.
HEADS = {
    "id": "Response ID", "submitdate": "Date submitted", "lastpage": "Last page", "startlanguage": "Start language",
    "seed": "Seed", "OwnerName": "Name of the data owner", "OwnerMail": "E-mail address of the data owner",
    "OwnerPlace": "Institute or company", "OwnerCountry": "Country of the institute",
    "MailList": "Do you want to join the mailing list of data providers?", "Several": "Do you share several data sets?",
    "DataTitle": "Title of the data set", "DataText": "Description of the data set",
    "DataSheet": "Spreadsheet of your data sets", "DataSheet[filecount]": "filecount - Spreadsheet of your data sets",
    "Permit[SQ001]": "I permit [Development of models, including fine-tuning]",
    "Permit[SQ002]": "I permit [Public release under CC BY-NC 4.0 from 15 July 2027]",
    "Permit[SQ003]": "I permit [Release of trained models from 1 November 2025]",
    "Permit[SQ004]": "I permit [Global distribution models]", "Permit[SQ005]": "I permit [Estimates of process rates]",
    "Terms": "Legal terms until 15 July 2027", "Terms[other]": "Legal terms until 15 July 2027 [Other]",
    "Credit": "Acknowledgement and attribution", "Comments": "Anything else we should know?",
}  # fmt: skip


def response(number: int, **changes: str) -> dict[str, str]:
    """A response of an invented owner with all mandatory permissions; ``Permit_SQ001`` stands for Permit[SQ001]."""
    row = {
        "id": str(number), "submitdate": "2025-09-14 10:11:12", "lastpage": "5", "startlanguage": "en",
        "seed": "1846253", "OwnerName": "Ines Kowalczyk", "OwnerMail": "ines@ocean.example.org",
        "OwnerPlace": "Example Ocean Institute", "MailList": "Y", "Several": "N", "DataTitle": "Mooring camera 2021",
        "DataText": "Images of a camera on a mooring.", "Permit[SQ001]": "Y", "Permit[SQ002]": "Y",
        "Permit[SQ003]": "Y", "Permit[SQ004]": "", "Permit[SQ005]": "", "Terms": "AO02",
        "Credit": "I. Kowalczyk, Example Ocean Institute",
    }  # fmt: skip
    return row | {k.replace("_", "[") + ("]" if "_" in k else ""): v for k, v in changes.items()}


def files(*names: str) -> str:
    """The cell of an upload question."""
    told = {"title": "", "comment": "", "size": "9.5"}
    made = [{**told, "name": quote(n), "filename": f"fu_{i}", "ext": n.rpartition(".")[2]} for i, n in enumerate(names)]
    return json.dumps(made)


def export(
    path: Path, rows: Sequence[Mapping[str, str]], heads: Mapping[str, str] | None = None, sep: str = ","
) -> Path:  # fmt: skip
    """Writes an export: byte-order mark, every cell in quotes, lines ended by CR LF, an empty line at the end.

    Args:
        path: file to write.
        rows: responses by code.
        heads: code -> head as written; the codes themselves when left out.
        sep: delimiter.
    """
    codes = [*HEADS, *(k for row in rows[:1] for k in row if k not in HEADS)]
    written = [(heads or {}).get(code, code) for code in codes]
    table = [written, *([row.get(code, "") for code in codes] for row in rows)]
    lines = [sep.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in table]
    path.write_bytes("\ufeff".encode() + "".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    return path


def book() -> Any:
    """The empty template, to be filled with ``sheet.append`` or by cells."""
    return openpyxl.load_workbook(io.BytesIO(template()))


def filled(path: Path, *rows: Mapping[str, Any]) -> Path:
    """Writes a template with these data sets from row 13 on."""
    made = book()
    sheet = made.worksheets[0]
    heads = [cell.value for cell in sheet[12]]
    for number, row in enumerate(rows, start=13):
        for name, value in row.items():
            sheet.cell(number, heads.index(name) + 1, value)
    made.save(path)
    return path
