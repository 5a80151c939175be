"""What every page of a release has in common: static HTML without scripts and without any request."""

from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.release.escape import markup, web_address
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.legal import INTERNAL, REHEARSAL

_STYLE = """:root { color-scheme: light dark; --ink: #1c2733; --page: #fff; --soft: #5a6875; --line: #dde3e8;
  --link: #1b6ca8; --bar: #1b6ca8; --card: #f4f7f9; --sea: #eef4f8; --land: #cfd6cd; --cell: #c0392b; --mark: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --page: #14191e; --soft: #a3afba; --line: #323b44;
  --link: #6bb4e6; --bar: #5aa9e0; --card: #1d242b; --sea: #1a2229; --land: #3a443d; --cell: #ff8a7a;
  --mark: #ff8a80; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 0 auto; padding: 1rem 1.2rem 3rem;
  color: var(--ink); background: var(--page); overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.6rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; padding-top: 0.8rem; border-top: 1px solid var(--line); }
p, dl { max-width: 46rem; } a { color: var(--link); }
.soft, figcaption { color: var(--soft); font-size: 0.92rem; }
.mark { border-left: 4px solid var(--mark); padding: 0.3rem 0.8rem; background: var(--card); }
.credit { font-size: 1.15rem; }
dt { font-weight: 600; margin-top: 0.9rem; padding-top: 0.9rem; border-top: 1px solid var(--line); }
dd { margin: 0.2rem 0 0; } ul { padding-left: 1.2rem; margin: 0.2rem 0; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 0.7rem 0.9rem;
  font-size: 0.88rem; white-space: pre-wrap; }
table { border-collapse: collapse; font-size: 0.94rem; max-width: 100%; }
th, td { padding: 0.3rem 0.9rem 0.3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.facts td:first-child, .facts th { overflow-wrap: normal; }
@media (max-width: 36rem) { .facts td, .facts th { display: block; }
  .facts td:first-child, .facts th { border-bottom: 0; padding-bottom: 0; } }
summary { cursor: pointer; color: var(--link); } figure { margin: 0.6rem 0; max-width: 46rem; }"""
# The browser itself then refuses whatever a delivered text might try to load or run.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document(title: str, body: str, head: str = "", style: str = "") -> str:
    """A whole page; ``title`` is text, the others are markup."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{markup(title)}</title>
{head}<style>{_STYLE}{style}</style>
</head>
<body>
{body}</body>
</html>
"""


def notes(facts: ReleaseFacts) -> str:
    """What a page of a rehearsal or of the internal view says first."""
    if grants_licence(facts):
        return ""
    texts = [text for text, holds in ((REHEARSAL, facts.rehearsal), (INTERNAL, facts.view == "internal")) if holds]
    return "".join(f'<p class="mark">{markup(text)}</p>' for text in texts)


def counted(number: int, what: str) -> str:
    """A number of things: ``1 image``, ``2,000 images``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def link(address: str, text: str) -> str:
    """A link where the address is one of the web, else the text alone."""
    target = web_address(address)
    return f'<a href="{markup(target)}" rel="noreferrer">{markup(text)}</a>' if target else markup(text)
