"""What the pages of the progress site are made of: their style, and their tables."""

from collections.abc import Iterable

from aqqua_dataset.progress.drawing import colours, style
from aqqua_dataset.progress.instruments import classes
from aqqua_dataset.progress.numbers import COLUMNS, Counts, Progress
from aqqua_dataset.release.escape import markup

STYLE = f"""
:root {{ {colours(dark=False)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {colours(dark=True)} }} }}
body {{ max-width: 72rem; }}
.skip {{ position: absolute; left: -99rem; }}
.skip:focus {{ left: 1rem; top: 0.4rem; background: var(--page); padding: 0.4rem; }}
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible, input:focus-visible {{
  outline: 3px solid var(--link); outline-offset: 2px; }}
.big {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: 0.7rem;
  padding: 0; list-style: none; margin: 1.2rem 0; }}
.big li {{ background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 0.6rem 0.9rem; }}
.big strong {{ display: block; font-size: 1.5rem; line-height: 1.3; white-space: nowrap; }}
.big span {{ color: var(--soft); font-size: 0.92rem; }}
figure {{ max-width: none; }} figure svg {{ width: 100%; height: auto; display: block; }}
.narrow {{ max-width: 34rem; }} .sides {{ display: grid; gap: 0 2.5rem; }} .sides > * {{ min-width: 0; }}
@media (min-width: 62rem) {{ .sides {{ grid-template-columns: minmax(0, 34rem) minmax(0, 1fr); }} }}
svg text {{ font-family: system-ui, sans-serif; }}
fieldset {{ border: 0; margin: 0 0 0.6rem; padding: 0; min-width: 0; }} legend {{ padding: 0; color: var(--soft); }}
fieldset label {{ margin-right: 1.2rem; display: inline-block; padding: 0.3rem 0; }}
.scale svg.log {{ display: none; }} .scale:has(input.log:checked) svg.log {{ display: block; }}
.scale:has(input.log:checked) svg.linear {{ display: none; }}
.wide {{ overflow-x: auto; }} .wide table {{ width: 100%; overflow-wrap: normal; }}
.wide td, .wide th {{ padding-right: 0.8rem; }} .wide .t {{ min-width: 13rem; }}
caption {{ text-align: left; color: var(--soft); font-size: 0.92rem; padding-bottom: 0.3rem; }}
tbody th {{ font-weight: 400; }} tr.kind th {{ font-weight: 600; padding-top: 0.8rem; }} tfoot * {{ font-weight: 600; }}
.key {{ list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.3rem 1.3rem; }}
.key svg {{ width: 1rem; height: 1rem; vertical-align: -0.15rem; margin-right: 0.4rem; }}
details {{ margin: 0.8rem 0; }} summary {{ padding: 0.2rem 0; }} h3 {{ font-size: 1rem; margin: 1rem 0 0.3rem; }}
{style("svg ")}
"""

#: Columns of the short table; the long one has all of them.
SHORT = ("images", "pledged", "published")
LONG = ("contributions", *(name for name, _, _ in COLUMNS))
IMAGES = LONG[1:]

_TITLES = {name: title for name, _, title in COLUMNS}


def table(caption: str, head: Iterable[str], body: str, foot: str = "") -> str:
    """A table that scrolls by itself where a screen is too narrow, also with the keyboard."""
    end = f"<tfoot>{foot}</tfoot>" if foot else ""
    label = markup(caption)
    return (
        f'<div class="wide" role="region" aria-label="{label}" tabindex="0"><table><caption>{label}</caption>'
        f"<thead><tr>{''.join(head)}</tr></thead><tbody>{body}</tbody>{end}</table></div>"
    )


def heads(texts: Iterable[str], columns: Iterable[str]) -> list[str]:
    """Head cells: of texts, then of columns of counts."""
    told = [f'<th scope="col">{text}</th>' for text in texts]
    return told + [f'<th scope="col" class="n">{_TITLES.get(name, name)}</th>' for name in columns]


def row(name: str, counts: Counts, columns: Iterable[str]) -> str:
    """A row of counts under a name."""
    return f'<tr><th scope="row">{markup(name)}</th>{numbers(counts, columns)}</tr>'


def numbers(counts: Counts, columns: Iterable[str]) -> str:
    """Cells with counts."""
    return "".join(f'<td class="n">{getattr(counts, name):,}</td>' for name in columns)


def instruments(progress: Progress, columns: tuple[str, ...], caption: str) -> str:
    """Counts by instrument, under their classes."""
    rows, kind = [], ""
    for group, counts in progress.instruments:
        if group.kind != kind:
            kind = group.kind
            across = len(columns) + 1
            rows.append(f'<tr class="kind"><th scope="rowgroup" colspan="{across}">{classes()[kind]}</th></tr>')
        rows.append(row(group.label, counts, columns))
    return table(caption, heads(["Instrument"], columns), "".join(rows), row("All", progress.counts, columns))
