"""The report as Markdown: the same words and numbers as the page, without the drawings and pictures."""

import html
import re

from aqqua_dataset import privacy
from aqqua_dataset.report.blocks import Block, Card, Code, Document, Figure, Figures, Pairs, Sheet, Table, Text

_SPECIAL = re.compile(r"([\\`*_\[\]|#~])")


def markdown(document: Document) -> str:
    """The whole report as text."""
    pieces = [f"# {_text(document.title)}", _text(document.subtitle)]
    for section in document.sections:
        pieces.append(f"## {_text(section.title)}")
        pieces += [text for block in section.blocks if (text := _block(block))]
    return "\n\n".join(pieces) + "\n"


def _text(text: str) -> str:
    """Text in one line that no Markdown reader takes for markup, without e-mail addresses."""
    line = " ".join(privacy.blot(text).split())
    return _SPECIAL.sub(r"\\\1", html.escape(line, quote=False))


def _block(block: Block) -> str:
    match block:
        case Text(text, tone):
            return _text(text) if tone == "plain" else f"**{_text(text)}**"
        case Pairs(rows):
            return "\n".join(_pair(term, lines) for term, lines in rows)
        case Table():
            return _table(block)
        case Figure():
            return _figure(block)
        case Figures(figures):
            return "\n\n".join(_figure(f) for f in figures)
        case Card():
            return _card(block)
        case Sheet(pictures, words):
            shown = zip(pictures, words, strict=True)
            return "\n".join(f"- {_text(f'object {p.object_id}')}: {_text(told)}" for p, told in shown)
        case Code(text):
            return f"```yaml\n{privacy.blot(text).replace('```', '')}\n```"


def _pair(term: str, lines: tuple[str, ...]) -> str:
    if len(lines) == 1:
        return f"- **{_text(term)}**: {_text(lines[0])}"
    return "\n".join([f"- **{_text(term)}**", *(f"    - {_text(line)}" for line in lines)])


def _figure(figure: Figure) -> str:
    words = _text(figure.caption or figure.alt)
    return f"{words}\n\n{_table(figure.table)}" if figure.table else words


def _table(table: Table) -> str:
    rule = "|".join("---:" if n in table.numbers else "---" for n in range(len(table.head)))
    rows = "\n".join(f"| {' | '.join(map(_text, row))} |" for row in table.rows)
    return f"{_text(table.caption)}\n\n| {' | '.join(map(_text, table.head))} |\n|{rule}|\n{rows}"


def _card(card: Card) -> str:
    told = " ".join(map(_text, card.lines))
    first = f"- **{_text(card.title)}** ({_text(card.badge)}; {_text(card.name)}) {told}".rstrip()
    return "\n".join([first, *(f"    - {_text(e)}" for e in card.examples)])
