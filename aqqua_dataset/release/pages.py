"""A page per contribution: everything that whoever uses its images has to say, and who took part.

Static HTML without scripts and without any request; what contributors wrote is text there and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping

from aqqua_dataset.release.attribution import TOLD, credit_page, grants_licence
from aqqua_dataset.release.escape import markup, visible
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import Author, AuthorList
from aqqua_dataset.release.shell import document, link, notes
from aqqua_dataset.release.snapshot import Snapshot


def credit_pages(
    snapshot: Snapshot, rows: Iterable[Mapping[str, object]], facts: ReleaseFacts
) -> Iterator[tuple[str, str]]:
    """Path inside the release and text of each contribution's page.

    Args:
        snapshot: who is named.
        rows: rows of the ``attribution`` table.
        facts: the release.
    """
    people: dict[str, list[Author]] = {}
    for author in (*snapshot.authors.authors, *snapshot.authors.acknowledged):
        for contribution in author.contributions:
            people.setdefault(contribution, []).append(author)
    for row in rows:
        name = str(row["contribution_id"])
        yield credit_page(name), _page(snapshot, row, people.get(name, []), facts)


def _page(snapshot: Snapshot, row: Mapping[str, object], people: list[Author], facts: ReleaseFacts) -> str:
    title = markup(f"{facts.mark}{row['title']}")
    told = [f'<p class="mark">{markup(text)}</p>' for text in _notes(row, facts)]
    images = f"{row['images_credited']:,} image{'' if row['images_credited'] == 1 else 's'}"
    version = f"release {markup(facts.version)}, {facts.date.isoformat()}, view {facts.view}"
    body = f"""<header><p class="soft"><a href="../index.html">{markup(snapshot.work.title)}</a>, {version}</p>
<h1>{title}</h1></header>
<main>
{"".join(told)}
<p class="credit">{_lines(str(row["attributed_to"]))}</p>
<p class="soft">{images}; contribution <code>{markup(str(row["contribution_id"]))}</code></p>
<dl>
{"".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in _entries(snapshot.authors, row, people) if text)}
</dl>
</main>
<footer><p class="soft">Every image of the release has a contribution_id;
<a href="../attribution.csv">attribution.csv</a> holds these words for all of them.</p></footer>
"""
    return document(f"{facts.mark}{row['title']}", body)


def contribution_index(snapshot: Snapshot, rows: Iterable[Mapping[str, object]], facts: ReleaseFacts) -> str:
    """The page of all credited contributions, by title: a link to each."""
    listed = sorted(rows, key=lambda r: (str(r["title"]).casefold(), str(r["contribution_id"])))
    entries = "".join(
        f'<tr><td><a href="{markup(str(r["contribution_id"]))}.html">{markup(str(r["title"]))}</a></td>'
        f'<td>{markup(str(r["institutions"] or ""))}</td><td class="n">{r["images_credited"]:,}</td></tr>\n'
        for r in listed
    )
    title = f"{facts.mark}{len(listed):,} contributions to release {facts.version}"
    body = f"""<header><p class="soft"><a href="../index.html">{markup(snapshot.work.title)}</a></p>
<h1>{markup(title)}</h1>{notes(facts)}</header>
<main><table><thead><tr><th scope="col">contribution</th><th scope="col">institutions</th>
<th scope="col" class="n">images credited</th></tr></thead><tbody>
{entries}</tbody></table></main>
"""
    return document(title, body)


def _notes(row: Mapping[str, object], facts: ReleaseFacts) -> Iterator[str]:
    if facts.rehearsal:
        yield "This is a rehearsal and not a release. Nothing in it is licensed to anybody."
    elif not grants_licence(facts):
        yield "This is the internal view. Nothing in it is licensed to anybody."
    if row["attribution_state"] == "pending":
        yield "The owner's own wording is still to come."


def _entries(authors: AuthorList, row: Mapping[str, object], people: list[Author]) -> Iterator[tuple[str, str]]:
    yield "People", _listed(_person(authors, a) for a in people)
    yield "Institutions", _listed(_institutions(row))
    basis = " (of the public copy; no form was signed)" if row["permission_type"] == "public_licence" else ""
    yield "Licence", f"{link(str(row['licence_url']), str(row['licence_spdx']))}{basis}"
    for name, term in TOLD:
        text = str(row[name] or "")
        if name == "cite_dois":
            yield term, _listed(link(f"https://doi.org/{doi}", doi) for doi in text.split("; ") if doi)
        else:
            yield term, link(text, text) if name == "source_url" else _lines(text)
    if row["retrieved_on"]:
        yield "Taken from the source on", markup(str(row["retrieved_on"]))


def _person(authors: AuthorList, author: Author) -> str:
    places = ", ".join(markup(i.name) for i in authors.affiliations(author))
    orcid = f" {link(author.person.orcid, author.person.orcid)}" if author.person.orcid else ""
    return f"{markup(author.name)}{f' ({places})' if places else ''}{orcid}"


def _institutions(row: Mapping[str, object]) -> Iterator[str]:
    names = str(row["institutions"] or "").split("; ")
    rors = str(row["institution_rors"] or "").split("; ")
    for n, name in enumerate(filter(None, names)):
        yield link(rors[n], name) if n < len(rors) else markup(name)


def _listed(items: Iterable[str]) -> str:
    entries = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{entries}</ul>" if entries else ""


def _lines(text: str) -> str:
    return "<br>".join(markup(line) for line in visible(text).split("\n"))
