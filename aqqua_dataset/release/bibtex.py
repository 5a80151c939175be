"""The papers that contributors ask to be cited, and the dataset itself, as BibTeX.

What a DOI stands for comes from the registry's ``papers.csv``; nothing is looked up. A DOI that isn't described there
becomes a ``@misc`` entry with the DOI alone and is on the list of papers to be completed.
"""

import csv
import io
import re

from aqqua_dataset.registry.credit import Paper
from aqqua_dataset.release.escape import csv_row, latex, latex_comment
from aqqua_dataset.release.facts import Draft, Marked
from aqqua_dataset.release.people import Author
from aqqua_dataset.release.snapshot import Snapshot


def references_bib(snapshot: Snapshot, label: Marked) -> str:
    """The dataset first, then every paper once by its DOI in small letters."""
    known = {paper.doi.lower(): paper for paper in snapshot.papers}
    papers = (_paper(known[d]) if d in known else _entry("misc", _key(d), _doi(d)) for d in cited(snapshot))
    head = latex_comment(f"{label.mark}References, {label.what}")
    return "\n\n".join([head, dataset_entry(snapshot, label), *papers]) + "\n"


def cited(snapshot: Snapshot) -> dict[str, list[str]]:
    """DOIs to cite in small letters, sorted, each with the ids of the contributions that ask for it."""
    found: dict[str, list[str]] = {}
    for contribution in snapshot.contributions:
        for doi in dict.fromkeys(d.lower() for d in contribution.cite_dois):
            found.setdefault(doi, []).append(contribution.id)
    return dict(sorted(found.items()))


def papers_to_complete(snapshot: Snapshot, label: Marked) -> str:
    """The DOIs of which only the DOI is known, as CSV: to be described in the registry's ``papers.csv``."""
    known = {paper.doi.lower() for paper in snapshot.papers}
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["doi", "contributions", "release"])
    missing = ((doi, "; ".join(ids), label.version) for doi, ids in cited(snapshot).items() if doi not in known)
    writer.writerows(map(csv_row, missing))
    return stream.getvalue()


def dataset_entry(snapshot: Snapshot, label: Marked) -> str:
    """The dataset itself as an entry."""
    work = snapshot.work
    names = [_author(a) for a in snapshot.authors.core]
    fields = {
        "author": " and ".join([*names, _group(work.consortium)]),
        "title": f"{{{latex(label.mark + work.title)}}}",
        "year": str(work.year),
        **({} if isinstance(label, Draft) else {"version": latex(label.version)}),
        "publisher": latex(work.publisher),
        **(_doi(work.doi.lower()) if work.doi else {"url": work.url}),
    }
    return _entry("misc", "aqqua-dataset", fields)


def _author(author: Author) -> str:
    person = author.person
    family = " ".join(filter(None, (person.particle, person.family)))
    return ", ".join(_part(text) for text in (family, person.suffix, person.given) if text)


def _part(text: str) -> str:
    """A part of a name; in braces where BibTeX would take it apart."""
    return _group(text) if re.search(r",|\band\b", text, re.IGNORECASE) else latex(text)


def _group(name: str) -> str:
    return f"{{{latex(name)}}}"


def _paper(paper: Paper) -> str:
    authors = [name.strip() for name in paper.authors.split(";") if name.strip()]
    fields = {
        "author": " and ".join(_written(name) for name in authors),
        "title": f"{{{latex(paper.title)}}}",
        "year": str(paper.year),
        "journal": latex(paper.container or ""),
        "volume": latex(paper.volume or ""),
        "pages": latex(paper.pages or ""),
        "publisher": latex(paper.publisher or ""),
        **_doi(paper.doi.lower()),
    }
    return _entry(paper.kind, _key(paper.doi.lower()), {k: v for k, v in fields.items() if v})


def _written(name: str) -> str:
    """An author of ``papers.csv``: ``Family, Given``, or a group in braces."""
    if name.startswith("{") and name.endswith("}"):
        return _group(name[1:-1])
    return ", ".join(latex(part) if " and " not in part.lower() else _group(part) for part in name.split(","))


def _doi(doi: str) -> dict[str, str]:
    """A DOI as it is: styles take the field word for word."""
    return {"doi": doi, "url": f"https://doi.org/{doi}"}


def _key(doi: str) -> str:
    """A citation key from a DOI: its letters and digits, everything else as its code, so that no two are equal."""
    return "doi:" + "".join(c if re.fullmatch(r"[a-z0-9./-]", c) else f"+{ord(c):x}+" for c in doi)


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}}}"
