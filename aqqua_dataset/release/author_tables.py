"""The list of authors, the thanks and the grants as tables and as text that people read."""

import csv
import io
from collections.abc import Iterable, Iterator

from aqqua_dataset.release.escape import csv_row, markdown
from aqqua_dataset.release.facts import Marked
from aqqua_dataset.release.people import Author, AuthorList, country, orcid_url, ror_url
from aqqua_dataset.release.snapshot import Snapshot
from aqqua_dataset.release.thanks import acknowledged_people, funding_sentence, grants, thanks

#: Columns of authors.csv.
AUTHOR_COLUMNS = (
    "order", "role", "family", "given", "particle", "suffix", "orcid",
    "affiliations", "affiliation_rors", "contributions", "release",
)  # fmt: skip
#: Columns of funding.csv.
FUNDING_COLUMNS = ("funder", "funder_ror", "award_number", "award_title", "contributions", "release")


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table as CSV in which no cell is a formula to a spreadsheet."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(csv_row(row) for row in rows)
    return stream.getvalue()


def authors_csv(authors: AuthorList, label: Marked) -> str:
    """One row per named person; several affiliations are separated by ``; ``, and so are their ROR ids."""
    roles = {"core": authors.core, "consortium": authors.members, "acknowledged": authors.acknowledged}
    rows = [(role, author) for role, people in roles.items() for author in people]
    return csv_text(AUTHOR_COLUMNS, (_row(authors, n, role, a, label) for n, (role, a) in enumerate(rows, start=1)))


def _row(authors: AuthorList, order: int, role: str, author: Author, label: Marked) -> Iterator[object]:
    person, places = author.person, authors.affiliations(author)
    yield from (order, role, person.family, person.given, person.particle or "", person.suffix or "")
    yield orcid_url(person.orcid) or ""
    yield "; ".join(i.name for i in places)
    yield "; ".join(ror_url(i.ror) or "" for i in places)
    yield "; ".join(author.contributions)
    yield label.version


def authors_markdown(authors: AuthorList, label: Marked) -> str:
    """The list as people read it, with numbered affiliations."""
    lines = [f"# {label.mark}Authors of release {label.version}", ""]
    for title, people in (
        ("Core team", authors.core), ("Data provider consortium", authors.members),
        ("Acknowledged", authors.acknowledged),
    ):  # fmt: skip
        if people:
            lines += [f"## {title}", "", *(_markdown_line(a) for a in people), ""]
    lines += ["## Affiliations", ""]
    for n, institution in enumerate(authors.institutions, start=1):
        parts = (institution.name, institution.city, country(institution.country), ror_url(institution.ror))
        lines.append(f"{n}. {', '.join(markdown(p) for p in parts if p)}")
    return "\n".join(lines) + "\n"


def _markdown_line(author: Author) -> str:
    numbers = f" ({', '.join(map(str, author.affiliations))})" if author.affiliations else ""
    orcid = orcid_url(author.person.orcid)
    return f"- {markdown(author.name)}{numbers}" + (f", {orcid}" if orcid else "")


def acknowledgements_text(snapshot: Snapshot, label: Marked) -> str:
    """People to thank, every wording once with the contributions that ask for it, and the funders in one sentence."""
    paragraphs = [f"{label.mark}Acknowledgements, {label.version}", acknowledged_people(snapshot)]
    paragraphs += [f"{t.text}\n[{', '.join(t.contributions)}]" for t in thanks(snapshot)]
    if funding := funding_sentence(snapshot):
        paragraphs.append(f"Funding: {funding}.")
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def funding_csv(snapshot: Snapshot, label: Marked) -> str:
    """One row per grant with the contributions it paid for."""
    return csv_text(
        FUNDING_COLUMNS,
        (
            (g.funder, g.ror or "", g.number or "", g.title or "", "; ".join(g.contributions), label.version)
            for g in grants(snapshot)
        ),
    )
