"""Every document about people, rendered from one snapshot, so that none can name others than the rest."""

from aqqua_dataset.release import author_tables, bibtex, jats, latex
from aqqua_dataset.release.facts import Marked
from aqqua_dataset.release.snapshot import Snapshot


def render(snapshot: Snapshot, label: Marked, jats_version: jats.Version = "1.3") -> dict[str, str]:
    """Text by file name, for the folder ``authors`` of a release or for a manuscript."""
    return {
        "author_list_snapshot.json": snapshot.to_json(label),
        "authors.csv": author_tables.authors_csv(snapshot.authors, label),
        "authors.md": author_tables.authors_markdown(snapshot.authors, label),
        "authors.jats.xml": jats.authors_jats(snapshot, label, jats_version),
        "latex/copernicus-front.tex": latex.copernicus_front(snapshot, label),
        "latex/copernicus-back.tex": latex.copernicus_back(snapshot, label),
        "latex/springer-front.tex": latex.springer_front(snapshot, label),
        "latex/springer-back.tex": latex.springer_back(snapshot, label),
        "latex/authblk-front.tex": latex.authblk_front(snapshot, label),
        "latex/authblk-back.tex": latex.authblk_back(snapshot, label),
        "references.bib": bibtex.references_bib(snapshot, label),
        "references-to-complete.csv": bibtex.papers_to_complete(snapshot, label),
        "acknowledgements.txt": author_tables.acknowledgements_text(snapshot, label),
        "funding.csv": author_tables.funding_csv(snapshot, label),
    }
