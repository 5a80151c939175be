"""The ledger as one page that works anywhere: no scripts, no requests to third parties."""

import html
from collections import defaultdict

import pyarrow as pa

from aqqua_dataset import schema

_BARS = (
    ("permitted", "ready for release", "#1b6ca8"),
    ("withheld", "withheld", "#e0a030"),
    ("duplicate", "duplicate", "#9aa5b1"),
    ("rejected", "rejected", "#c0392b"),
)
_COUNTS = (
    "declared", "missing", "received", "rejected", "accepted", "duplicate", "unique", "withheld", "permitted",
    "published", "flagged",
)  # fmt: skip

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 78rem; padding: 1rem; color: #1c2733; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { padding: 0.3rem 0.5rem; text-align: right; border-bottom: 1px solid #e3e7eb; white-space: nowrap; }
th:first-child, td:first-child, th.text, td.text { text-align: left; }
tfoot td { font-weight: 600; border-top: 2px solid #1c2733; }
.wide { overflow-x: auto; }
.key span { display: inline-block; width: 0.9em; height: 0.9em; margin: 0 0.3em 0 1em; vertical-align: -0.1em; }
.mark { background: #fff3cd; padding: 0.5rem 1rem; border-left: 4px solid #e0a030; }
svg { min-width: 40rem; }
svg text { font: 13px system-ui, sans-serif; fill: #1c2733; }
@media (max-width: 40rem) { body { padding: 0.6rem; } }
"""


def ledger_page(ledger: pa.Table, title: str, note: str) -> str:
    """The page as HTML.

    Args:
        ledger: the ``ledger`` table.
        title: heading of the page.
        note: one sentence below it, e.g. that this is a rehearsal.
    """
    rows = ledger.to_pylist()
    totals = {name: sum(row[name] for row in rows) for name in _COUNTS}
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
<p class="mark">{html.escape(note)}</p>
<p>{totals["declared"]:,} images declared in {len(rows)} contributions, {totals["received"]:,} received,
{totals["accepted"]:,} usable, {totals["permitted"]:,} ready for release.</p>
<h2>Images per instrument</h2>
{_key()}
<div class="wide">{_chart(rows)}</div>
<h2>Every contribution, from declared to published</h2>
<p>declared = missing + received; received = rejected + accepted; accepted = duplicate + unique;
unique = withheld + permitted; permitted = published.</p>
<div class="wide">{_table(rows, totals)}</div>
</body>
</html>
"""


def _key() -> str:
    parts = (f'<span style="background:{colour}"></span>{text}' for _, text, colour in _BARS)
    return f'<p class="key">{"".join(parts)}</p>'


def _chart(rows: list[dict[str, object]]) -> str:
    """One stacked bar of received images per instrument; a contribution counts for its commonest instrument."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        for name in ("missing", *(n for n, _, _ in _BARS)):
            sums[str(row["instrument"] or "unknown")][name] += int(str(row[name]))
    names = schema.enumerations()["instrument_id"]
    received = {i: sum(v[name] for name, _, _ in _BARS) for i, v in sums.items()}
    ordered = sorted(sums, key=lambda i: (-received[i], i))
    widest = max(received.values(), default=0) or 1
    height, left, width = 30, 190, 640
    bars = []
    for position, instrument in enumerate(ordered):
        top, x = position * height, float(left)
        label = html.escape(names.get(instrument, instrument).split(" (")[0])
        bars.append(f'<text x="{left - 8}" y="{top + 19}" text-anchor="end">{label}</text>')
        for name, text, colour in _BARS:
            count = sums[instrument][name]
            length = width * count / widest
            if count:
                tip = html.escape(f"{instrument}: {count:,} {text}")
                bars.append(
                    f'<rect x="{x:.1f}" y="{top + 4}" width="{length:.1f}" height="{height - 8}" fill="{colour}">'
                    f"<title>{tip}</title></rect>"
                )
            x += length
        expected = f" + {sums[instrument]['missing']:,} not delivered" if sums[instrument]["missing"] else ""
        bars.append(f'<text x="{x + 6:.1f}" y="{top + 19}">{received[instrument]:,}{expected}</text>')
    box = f"0 0 {left + width + 210} {max(1, len(ordered)) * height}"
    return f'<svg viewBox="{box}" width="100%" role="img" aria-label="Images per instrument">{"".join(bars)}</svg>'


def _table(rows: list[dict[str, object]], totals: dict[str, int]) -> str:
    head = "".join(f"<th>{name}</th>" for name in _COUNTS)
    body = "".join(_row(row) for row in rows)
    foot = "".join(f"<td>{totals[name]:,}</td>" for name in _COUNTS)
    return (
        f'<table><thead><tr><th>contribution</th><th class="text">state</th>{head}<th class="text">why withheld</th>'
        f"</tr></thead><tbody>{body}</tbody>"
        f"<tfoot><tr><td>all</td><td></td>{foot}<td></td></tr></tfoot></table>"
    )


def _row(row: dict[str, object]) -> str:
    counts = "".join(f"<td>{row[name]:,}</td>" for name in _COUNTS)
    contribution, state = html.escape(str(row["contribution_id"])), html.escape(str(row["state"]))
    why = html.escape(str(row["withheld_reason"] or "").replace("_", " "))
    return f'<tr><td>{contribution}</td><td class="text">{state}</td>{counts}<td class="text">{why}</td></tr>'
