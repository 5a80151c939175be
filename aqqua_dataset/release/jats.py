"""The list of authors, thanks and funding as JATS XML, the way publishers exchange articles.

Journal Publishing 1.3 by default. JATS 1.4 calls the group's name ``collab-name`` in a ``collab-wrap``.
"""

import xml.etree.ElementTree as ET
from typing import Literal

from aqqua_dataset.release.escape import one_line
from aqqua_dataset.release.facts import Marked
from aqqua_dataset.release.people import Author, NamedInstitution, country
from aqqua_dataset.release.snapshot import Snapshot
from aqqua_dataset.release.thanks import Grant, acknowledged_people, grants, thanks

Version = Literal["1.3", "1.4"]


def authors_jats(snapshot: Snapshot, label: Marked, version: Version = "1.3") -> str:
    """An article of front and back matter only: contributors with ORCID iDs, affiliations with ROR ids, funding."""
    article = ET.Element("article", {"dtd-version": version, "article-type": "data-paper", "xml:lang": "en"})
    front = ET.SubElement(article, "front")
    journal = ET.SubElement(front, "journal-meta")
    ET.SubElement(journal, "journal-id", {"journal-id-type": "publisher-id"}).text = "to-be-chosen"
    ET.SubElement(journal, "issn").text = "0000-0000"
    meta = ET.SubElement(front, "article-meta")
    title = ET.SubElement(ET.SubElement(meta, "title-group"), "article-title")
    title.text = f"{label.mark}{one_line(snapshot.work.title)} ({label.version})"
    group = ET.SubElement(meta, "contrib-group")
    for author in snapshot.authors.core:
        _contrib(group, author)
    if snapshot.authors.members:
        _consortium(group, snapshot, version)
    for number, institution in enumerate(snapshot.authors.institutions, start=1):
        _affiliation(meta, number, institution)
    paid = grants(snapshot)
    if paid:
        _funding(meta, paid)
    people = [acknowledged_people(snapshot)] if snapshot.authors.acknowledged else []
    texts = [*people, *(t.text for t in thanks(snapshot))]
    if texts:
        ack = ET.SubElement(ET.SubElement(article, "back"), "ack")
        for text in texts:
            ET.SubElement(ack, "p").text = text
    ET.indent(article)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(article, encoding="unicode")}\n'


def _consortium(group: ET.Element, snapshot: Snapshot, version: Version) -> None:
    contrib = ET.SubElement(group, "contrib", {"contrib-type": "author"})
    if version == "1.3":
        collab = ET.SubElement(contrib, "collab", {"collab-type": "authors"})
        collab.text = snapshot.work.consortium
    else:
        collab = ET.SubElement(contrib, "collab-wrap", {"collab-wrap-type": "authors"})
        ET.SubElement(collab, "collab-name").text = snapshot.work.consortium
    members = ET.SubElement(collab, "contrib-group")
    for author in snapshot.authors.members:
        _contrib(members, author)


def _contrib(group: ET.Element, author: Author) -> None:
    person = author.person
    contrib = ET.SubElement(group, "contrib", {"contrib-type": "author"})
    if person.orcid:
        ET.SubElement(contrib, "contrib-id", {"contrib-id-type": "orcid"}).text = person.orcid
    name = ET.SubElement(contrib, "name")
    ET.SubElement(name, "surname").text = " ".join(filter(None, (person.particle, person.family)))
    ET.SubElement(name, "given-names").text = person.given
    if person.suffix:
        ET.SubElement(name, "suffix").text = person.suffix
    for number in author.affiliations:
        ET.SubElement(contrib, "xref", {"ref-type": "aff", "rid": f"aff{number}"}).text = str(number)


def _affiliation(meta: ET.Element, number: int, institution: NamedInstitution) -> None:
    aff = ET.SubElement(meta, "aff", {"id": f"aff{number}"})
    ET.SubElement(aff, "label").text = str(number)
    wrap = ET.SubElement(aff, "institution-wrap")
    if institution.ror:
        ET.SubElement(wrap, "institution-id", {"institution-id-type": "ROR"}).text = institution.ror
    ET.SubElement(wrap, "institution").text = institution.name
    if institution.city:
        ET.SubElement(aff, "city").text = institution.city
    ET.SubElement(aff, "country", {"country": institution.country}).text = country(institution.country)


def _funding(meta: ET.Element, paid: list[Grant]) -> None:
    group = ET.SubElement(meta, "funding-group")
    for grant in paid:
        award = ET.SubElement(group, "award-group")
        source = ET.SubElement(award, "funding-source")
        if grant.ror:
            wrap = ET.SubElement(source, "institution-wrap")
            ET.SubElement(wrap, "institution-id", {"institution-id-type": "ROR"}).text = grant.ror
            ET.SubElement(wrap, "institution").text = grant.funder
        else:
            source.text = grant.funder
        if grant.number or grant.title:
            ET.SubElement(award, "award-id").text = grant.number or grant.title
