"""The landing page's lists of people, grants, thanks and papers: folded, because there may be thousands."""

from aqqua_dataset.release.bibtex import cited
from aqqua_dataset.release.escape import markup
from aqqua_dataset.release.shell import counted, link
from aqqua_dataset.release.snapshot import Snapshot
from aqqua_dataset.release.thanks import acknowledged_people, grants, thanks

#: A list longer than this is only linked: nobody reads it on this page, and everybody would load it.
_MOST = 100


def people_block(snapshot: Snapshot) -> str:
    """Core team by name, the consortium's members folded, and where they stand with their institutions."""
    authors = snapshot.authors
    core = "; ".join(markup(a.name) for a in authors.core)
    members = ", ".join(markup(a.name) for a in authors.members)
    summary = f"{counted(len(authors.members), 'member')} of the {markup(snapshot.work.consortium)}"
    folded = f"<details><summary>{summary}</summary><p>{members}</p></details>" if authors.members else ""
    return (
        f"<p>{core + '; ' if core else ''}{markup(snapshot.work.consortium)}.</p>{folded}"
        f'<p>With institutions and contributions: <a href="authors/authors.md">authors</a>, '
        f'<a href="authors/authors.csv">as a table</a>. By contribution: '
        f'<a href="contributions/index.html">{counted(len(authors.contributions), "credited contribution")}</a>.</p>'
    )


def credits_block(snapshot: Snapshot) -> str:
    """Grants, acknowledgements and papers, each list folded where it is long."""
    funding = [markup(", ".join(filter(None, (g.funder, g.number, g.title)))) for g in grants(snapshot)]
    words = [markup(t.text) for t in thanks(snapshot)]
    known = {paper.doi.lower(): paper for paper in snapshot.papers}
    papers = []
    for doi in cited(snapshot):
        paper = known.get(doi)
        told = f"{paper.authors} ({paper.year}): {paper.title}. " if paper else ""
        papers.append(f"{markup(told)} {link(f'https://doi.org/{doi}', f'https://doi.org/{doi}')}")
    people = acknowledged_people(snapshot)
    return (
        _folded("grant", funding, "authors/funding.csv")
        + _folded("acknowledgement", words, "authors/acknowledgements.txt")
        + (f"<p>{markup(people)}</p>" if people else "")
        + _folded("paper", papers, "authors/references.bib", " that contributors ask to be cited")
    )


def _folded(what: str, items: list[str], file: str, which: str = "") -> str:
    """A list to be opened; of a long one only where it stands."""
    if not items:
        return ""
    if len(items) > _MOST:
        return f'<p><a href="{file}">{counted(len(items), what)}</a>{which}.</p>'
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f"<details><summary>{counted(len(items), what)}{which}</summary><ul>{listed}</ul></details>"
