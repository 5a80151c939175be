"""The report as one HTML page: no scripts, no requests, readable on a phone, in the dark and on paper."""

import base64
import html as escaping

from aqqua_dataset import privacy
from aqqua_dataset.report.blocks import (
    Block,
    Card,
    Code,
    Document,
    Figure,
    Figures,
    Pairs,
    Section,
    Sheet,
    Table,
    Text,
)

_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1c2733; --soft: #5a6875; --line: #dde3e8; --card: #f6f8fa;
  --bar: #1b6ca8; --pale: #a9c6dd; --land: #d5dbd3; --sea: #eef4f8; --dot: #c0392b;
  --good: #1e7d4f; --note: #5a6875; --suspect: #b06a00; --fail: #b3261e; --missing: #9aa5b1; }
@media (prefers-color-scheme: dark) { :root { --page: #14191e; --ink: #e4e9ee; --soft: #a3afba; --line: #323b44;
  --card: #1d242b; --bar: #5aa9e0; --pale: #3f6482; --land: #3a443d; --sea: #1a2229; --dot: #ff8a7a;
  --good: #5cc491; --note: #a3afba; --suspect: #f0b04a; --fail: #ff8a80; --missing: #6b7783; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; margin: 0 auto; max-width: 62rem;
  padding: 1rem 1.2rem 3rem; color: var(--ink); background: var(--page); overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1rem 0 0.3rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 0.8rem; padding-top: 0.8rem; border-top: 1px solid var(--line); }
p { margin: 0.5rem 0; max-width: 46rem; }
.soft, figcaption, caption, footer { color: var(--soft); font-size: 0.9rem; }
nav { margin: 0.8rem 0; display: flex; flex-wrap: wrap; gap: 0.3rem 0.9rem; font-size: 0.9rem; }
a { color: var(--bar); }
.good, .suspect, .fail, .note { border-left: 4px solid; padding: 0.5rem 0.9rem; background: var(--card);
  border-radius: 0 6px 6px 0; }
p.good { border-color: var(--good); } p.suspect { border-color: var(--suspect); } p.fail { border-color: var(--fail); }
table { border-collapse: collapse; margin: 0.8rem 0; font-size: 0.92rem; max-width: 100%; }
caption { text-align: left; padding-bottom: 0.3rem; }
th, td { padding: 0.3rem 0.9rem 0.3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: normal; white-space: nowrap; }
tbody th { font-weight: 600; min-width: 5.5rem; }
dl { margin: 0.5rem 0; display: grid; grid-template-columns: minmax(8rem, 13rem) 1fr; }
dt, dd { padding: 0.55rem 0; border-bottom: 1px solid var(--line); margin: 0; }
dt { font-weight: 600; padding-right: 1rem; }
dd p { margin: 0 0 0.25rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.4rem 2rem;
  align-items: start; }
figure { margin: 0.6rem 0; max-width: 34rem; }
figure svg { width: 100%; height: auto; display: block; border-radius: 4px; }
figcaption { margin-top: 0.4rem; }
details { font-size: 0.9rem; } summary { cursor: pointer; color: var(--soft); }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
svg .land { fill: var(--land); } svg .sea { fill: var(--sea); }
svg .grid { fill: none; stroke: var(--line); stroke-width: 0.5; } svg .axis { stroke: var(--soft); fill: none; }
svg .frame { fill: none; stroke: var(--ink); stroke-width: 0.7; }
svg .dots { fill: var(--dot); fill-opacity: 0.75; stroke: var(--page);
  stroke-width: 0.4; }
svg .bar, svg .usable { fill: var(--bar); } svg .none { fill: var(--pale); } svg .held { fill: var(--suspect); }
svg .missing { fill: var(--missing); }
.card { border: 1px solid var(--line); border-left: 4px solid var(--note); border-radius: 0 6px 6px 0;
  padding: 0.7rem 0.9rem; margin: 0.7rem 0; background: none; }
.card.fail { border-left-color: var(--fail); } .card.suspect { border-left-color: var(--suspect); }
.card h3 { font-size: 1rem; margin: 0 0 0.2rem; } .card p { margin: 0.15rem 0; }
.badge { font-size: 0.8rem; font-weight: 600; color: var(--note); }
.fail > .badge { color: var(--fail); } .suspect > .badge { color: var(--suspect); }
.card ul { margin: 0.3rem 0; padding-left: 1.1rem; font-size: 0.92rem; }
.name { color: var(--soft); font-size: 0.78rem; }
.sheet { list-style: none; margin: 1rem 0; padding: 0; display: grid; gap: 0.9rem;
  grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); }
.sheet li { font-size: 0.78rem; line-height: 1.3; color: var(--soft); }
.sheet div { height: 104px; display: flex; align-items: center; justify-content: center; background: var(--card);
  border: 1px solid var(--line); border-radius: 4px; margin-bottom: 0.25rem; }
.sheet img { max-width: 100%; max-height: 96px; object-fit: contain; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 0.8rem; font-size: 0.85rem;
  white-space: pre-wrap; }
@media (max-width: 36rem) { body { padding: 0.6rem 0.9rem 2rem; } h1 { font-size: 1.4rem; }
  dl { display: block; } dt { border: 0; padding-bottom: 0; } dd { padding-top: 0.1rem; } }
@media print { nav, summary { display: none; } h2, .card, figure, .sheet li { break-inside: avoid; }
  body { max-width: none; padding: 0; } }
"""
# The browser itself then refuses whatever a delivered text might try to load or run.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(document: Document) -> str:
    """The whole page as text."""
    links = "".join(f'<a href="#{s.anchor}">{_text(s.title)}</a>' for s in document.sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{_text(document.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{_text(document.title)}</h1>
<p class="soft">{_text(document.subtitle)}</p>
<nav aria-label="Sections">{links}</nav>
</header>
<main>
{"".join(_section(s) for s in document.sections)}</main>
<footer><p>{_text(document.footer)}</p></footer>
</body>
</html>
"""


def _text(text: str) -> str:
    """Text that is safe in the page: no markup, no e-mail address."""
    return escaping.escape(privacy.blot(text))


def _section(section: Section) -> str:
    body = "\n".join(_block(b) for b in section.blocks)
    heading = f'<h2 id="{section.anchor}-h">{_text(section.title)}</h2>'
    return f'<section id="{section.anchor}" aria-labelledby="{section.anchor}-h">\n{heading}\n{body}\n</section>\n'


def _block(block: Block) -> str:
    match block:
        case Text(text, tone):
            return f"<p>{_text(text)}</p>" if tone == "plain" else f'<p class="{tone}">{_text(text)}</p>'
        case Pairs(rows):
            return f"<dl>{''.join(f'<dt>{_text(term)}</dt><dd>{_lines(lines)}</dd>' for term, lines in rows)}</dl>"
        case Table():
            return _table(block)
        case Figure():
            return _figure(block)
        case Figures(figures):
            return f'<div class="figures">{"".join(_figure(f) for f in figures)}</div>'
        case Card():
            return _card(block)
        case Sheet():
            return _sheet(block)
        case Code(text):
            return f"<pre><code>{_text(text)}</code></pre>"


def _lines(lines: tuple[str, ...]) -> str:
    return "".join(f"<p>{_text(line)}</p>" for line in lines)


def _table(table: Table) -> str:
    kinds = [' class="n"' if n in table.numbers else "" for n in range(len(table.head))]
    head = "".join(f'<th scope="col"{kind}>{_text(t)}</th>' for t, kind in zip(table.head, kinds, strict=True))
    rows = "".join(
        f'<tr><th scope="row">{_text(row[0])}</th>'
        + "".join(f"<td{kind}>{_text(cell)}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True))
        + "</tr>"
        for row in table.rows
    )
    return (
        f"<table><caption>{_text(table.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _figure(figure: Figure) -> str:
    caption = f"<figcaption>{_text(figure.caption)}</figcaption>" if figure.caption else ""
    numbers = f"<details><summary>The numbers</summary>{_table(figure.table)}</details>" if figure.table else ""
    return f"<figure>{privacy.blot(figure.svg)}{caption}{numbers}</figure>"


def _card(card: Card) -> str:
    examples = "".join(f"<li>{_text(e)}</li>" for e in card.examples)
    return (
        f'<article class="card {card.tone}"><span class="badge">{_text(card.badge)}</span>'
        f"<h3>{_text(card.title)}</h3>{_lines(card.lines)}{f'<ul>{examples}</ul>' if examples else ''}"
        f'<span class="name">in the tables: {_text(card.name)}</span></article>'
    )


def _sheet(sheet: Sheet) -> str:
    items = "".join(
        f'<li><div><img src="data:{p.media_type};base64,{base64.b64encode(p.data).decode()}" width="{p.width}" '
        f'height="{p.height}" alt="{_text(f"object {p.object_id}, {words}")}"></div>{_text(words)}</li>'
        for p, words in zip(sheet.pictures, sheet.words, strict=True)
    )
    return f'<ul class="sheet">{items}</ul>'
