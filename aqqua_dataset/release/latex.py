"""The list of authors and the thanks as LaTeX, for the classes of Copernicus and Springer Nature and for authblk.

Two files each, to be read with ``\\input``: the front (authors, affiliations) and the back (members of the consortium,
acknowledgements, funding). Commands as in copernicus.cls 7, sn-jnl.cls 3 and authblk 1.3. Nobody's e-mail address is
in them: the corresponding author's belongs into the manuscript.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from aqqua_dataset.release.escape import latex, latex_comment
from aqqua_dataset.release.facts import Marked
from aqqua_dataset.release.people import Author, AuthorList, NamedInstitution, country
from aqqua_dataset.release.snapshot import Snapshot
from aqqua_dataset.release.thanks import acknowledged_people, funding_sentence, thanks

_UNICODE = "Letters beyond Latin ones need XeLaTeX or LuaLaTeX and a font that has them."


def copernicus_front(snapshot: Snapshot, label: Marked) -> str:
    r"""``\Author[1,2]{Given}{Family}`` and ``\affil[1]{...}``; the consortium is the last author."""
    lines = [rf"\Author[{_numbers(a)}]{{{latex(a.person.given)}}}{{{latex(a.family)}}}" for a in snapshot.authors.core]
    lines += [rf"\Author[]{{}}{{{latex(snapshot.work.consortium)}}}"] if snapshot.authors.members else []
    places = [rf"\affil[{n}]{{{_place(i)}}}" for n, i in _places(snapshot.authors)]
    return _file(label, [*lines, "", *places])


def copernicus_back(snapshot: Snapshot, label: Marked) -> str:
    r"""``\teamlist``, ``\financialsupport`` and the acknowledgements."""
    blocks = []
    if snapshot.authors.members:
        intro = f"{latex(snapshot.work.consortium)}: "
        blocks.append(rf"\teamlist{{{intro}{_members(snapshot.authors)}}}")
    if funding := funding_sentence(snapshot):
        blocks.append(rf"\financialsupport{{{latex(funding)}}}")
    blocks.append("\n".join([r"\begin{acknowledgements}", *_thanks(snapshot), r"\end{acknowledgements}"]))
    return _file(label, ["\n\n".join(blocks)])


def springer_front(snapshot: Snapshot, label: Marked) -> str:
    r"""``\author[1]{\fnm{} \spfx{} \sur{} \sfx{}}`` and ``\affil[1]{\orgname{}, \orgaddress{}}`` of sn-jnl."""
    lines = [rf"\author[{_numbers(a)}]{{{_springer_name(a)}}}" for a in snapshot.authors.core]
    lines += [rf"\author{{\sur{{{latex(snapshot.work.consortium)}}}}}"] if snapshot.authors.members else []
    places = [rf"\affil[{n}]{{{_springer_place(i)}}}" for n, i in _places(snapshot.authors)]
    note = [latex_comment(r"\orcidlink is a command of the package orcidlink.")]
    return _file(label, [*note, *lines, "", *places])


def springer_back(snapshot: Snapshot, label: Marked) -> str:
    r"""Members, acknowledgements and funding under ``\bmhead``."""
    return _file(label, _sections(snapshot, r"\bmhead"))


def authblk_front(snapshot: Snapshot, label: Marked) -> str:
    r"""``\author[1,2]{Name}`` and ``\affil[1]{...}`` of the package authblk, for any class."""
    lines = [rf"\author[{_numbers(a)}]{{{latex(a.name)}}}" for a in snapshot.authors.core]
    lines += [rf"\author{{{latex(snapshot.work.consortium)}}}"] if snapshot.authors.members else []
    places = [rf"\affil[{n}]{{{_place(i)}}}" for n, i in _places(snapshot.authors)]
    return _file(label, [*lines, "", *places])


def authblk_back(snapshot: Snapshot, label: Marked) -> str:
    r"""Members, acknowledgements and funding under ``\section*``."""
    return _file(label, _sections(snapshot, r"\section*"))


@dataclass(frozen=True)
class _Section:
    title: str
    lines: list[str]


def _sections(snapshot: Snapshot, command: str) -> list[str]:
    """Back matter of a class that has no commands of its own for it."""
    members, funding = _members(snapshot.authors), latex(funding_sentence(snapshot))
    sections = [
        _Section(snapshot.work.consortium, [members] if members else []),
        _Section("Acknowledgements", _thanks(snapshot)),
        _Section("Funding", [funding] if funding else []),
    ]
    return ["\n\n".join("\n".join([rf"{command}{{{latex(s.title)}}}", *s.lines]) for s in sections if s.lines)]


def _file(label: Marked, lines: Iterable[str]) -> str:
    head = latex_comment(f"{label.mark}Rendered from the frozen author list, {label.version}. {_UNICODE}")
    return "\n".join([head, *lines]) + "\n"


def _numbers(author: Author) -> str:
    return ",".join(map(str, author.affiliations))


def _places(authors: AuthorList) -> Iterable[tuple[int, NamedInstitution]]:
    return enumerate(authors.institutions, start=1)


def _place(institution: NamedInstitution) -> str:
    parts = (institution.name, institution.city, country(institution.country))
    return ", ".join(latex(p) for p in parts if p)


def _springer_place(institution: NamedInstitution) -> str:
    city = rf"\city{{{latex(institution.city)}}}, " if institution.city else ""
    address = rf"{city}\country{{{latex(country(institution.country))}}}"
    return rf"\orgname{{{latex(institution.name)}}}, \orgaddress{{{address}}}"


def _springer_name(author: Author) -> str:
    person = author.person
    parts = ((r"\fnm", person.given), (r"\spfx", person.particle), (r"\sur", person.family), (r"\sfx", person.suffix))
    name = " ".join(rf"{command}{{{latex(text)}}}" for command, text in parts if text)
    return name + (rf"\orcidlink{{{person.orcid.rsplit('/', 1)[-1]}}}" if person.orcid else "")


def _members(authors: AuthorList) -> str:
    """Names with the numbers of their affiliations, one line each in the source."""
    return ",\n".join(
        latex(a.name) + (rf"\textsuperscript{{{_numbers(a)}}}" if a.affiliations else "") for a in authors.members
    )


def _thanks(snapshot: Snapshot) -> list[str]:
    """A paragraph for each wording, with the contributions that ask for it as a comment."""
    people = acknowledged_people(snapshot)
    lines = [latex(people), ""] if people else []
    for entry in thanks(snapshot):
        lines += [latex_comment(", ".join(entry.contributions)), latex(entry.text), ""]
    return lines[:-1]
