"""The gate's verdict as a page that a lawyer can read: HTML without scripts, and Markdown."""

import html
from collections.abc import Sequence

from aqqua_dataset.release.escape import markdown
from aqqua_dataset.release.gate_rules import Verdict

_STYLE = """:root { color-scheme: light dark; --ink: #1c2733; --page: #fff; --card: #f6f8fa; --good: #1e7d4f;
  --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --page: #14191e; --card: #1f262d; --good: #57c08d;
  --bad: #ff8a80; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem;
  color: var(--ink); background: var(--page); overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; }
section { border-left: 5px solid var(--good); margin: 0.8rem 0; padding: 0.2rem 0.9rem; background: var(--card); }
section.red { border-color: var(--bad); } h2 { font-size: 1.05rem; margin: 0.3rem 0; } p { margin: 0.3rem 0; }
table { border-collapse: collapse; margin: 0.4rem 0; }
td, th { text-align: left; padding: 0.2rem 0.9rem 0.2rem 0; vertical-align: top; }
td { overflow-wrap: anywhere; } td:first-child { min-width: 7rem; }
@media print { section { break-inside: avoid; } }"""
_LEAD = (
    "These rules decide whether the release may be published. Each says what is expected and what that rests on; where "
    "it isn't so, what was found follows. The red ones come first."
)


def summary(verdicts: Sequence[Verdict]) -> str:
    """The outcome in one sentence."""
    red = [v.rule.code for v in verdicts if not v.green]
    if red:
        return f"Red: {', '.join(red)}. It must not be published."
    if not any(v.rule.code == "G19" for v in verdicts):
        return "Everything but the signatures (G19) was asked, and is green. They are still needed."
    return "All rules are green. It may be published."


def gate_html(verdicts: Sequence[Verdict], title: str) -> str:
    """The page; every rule with what it says, rests on and, where it is red, what was found."""
    parts = "\n".join(_section(v) for v in _red_first(verdicts))
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{_STYLE}</style></head>
<body><h1>{html.escape(title)}</h1>
<p><strong>{summary(verdicts)}</strong></p>
<p>{_LEAD}</p>
{parts}
</body></html>
"""


def _red_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return sorted(verdicts, key=lambda v: v.green)


def _section(verdict: Verdict) -> str:
    rule = verdict.rule
    rows = "".join(
        f"<tr><td>{html.escape(contribution or 'the release')}</td><td>{html.escape(found)}</td></tr>"
        for contribution, found in verdict.objections
    )
    table = f"<table><tr><th>Contribution</th><th>Found</th></tr>{rows}</table>" if rows else ""
    return (
        f'<section class="{_colour(verdict)}"><h2>{rule.code} is {_colour(verdict)}</h2>'
        f"<p>Expected: {html.escape(rule.says)}</p><p>Rests on: {html.escape(rule.basis)}</p>{table}</section>"
    )


def _colour(verdict: Verdict) -> str:
    return "green" if verdict.green else "red"


def gate_markdown(verdicts: Sequence[Verdict], title: str) -> str:
    """The same as Markdown."""
    lines = [f"# {markdown(title)}", "", f"**{summary(verdicts)}**", "", _LEAD, ""]
    for verdict in _red_first(verdicts):
        rule = verdict.rule
        lines += [f"## {rule.code} is {_colour(verdict)}", "", f"Expected: {rule.says}", ""]
        lines += [f"Rests on: {rule.basis}", ""]
        lines += [f"- {markdown(c or 'the release')}: {markdown(found)}" for c, found in verdict.objections]
        lines += [""] if verdict.objections else []
    return "\n".join(lines)
