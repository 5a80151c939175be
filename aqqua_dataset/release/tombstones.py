"""What stays of a withdrawn contribution: a row in withdrawn.csv, and its page with the day and nothing of its content.

Its title, owners and credit lines are gone with its images; the reason is told only in words meant for the public.
"""

from collections.abc import Iterator

from aqqua_dataset import schema
from aqqua_dataset.release.attribution import credit_page
from aqqua_dataset.release.author_tables import csv_text
from aqqua_dataset.release.escape import markup
from aqqua_dataset.release.facts import ReleaseFacts, Withdrawn
from aqqua_dataset.release.history import WITHDRAWN
from aqqua_dataset.release.shell import document


def tombstones(facts: ReleaseFacts, title: str, doi: str | None) -> Iterator[tuple[str, str]]:
    """Path inside the release and text of withdrawn.csv and of the page of each withdrawn contribution, if any is.

    Args:
        facts: the release.
        title: the dataset's title.
        doi: its DOI, where the release may carry it.
    """
    rows = [(w.contribution_id, w.date.isoformat(), facts.version) for w in facts.withdrawn]
    if rows:
        yield WITHDRAWN, csv_text(schema.tables()["withdrawn"].columns, rows)
    for withdrawn in facts.withdrawn:
        yield credit_page(withdrawn.contribution_id), _page(facts, withdrawn, title, doi)


def successor(facts: ReleaseFacts, withdrawn: Withdrawn) -> str:
    """The first version without a withdrawn contribution."""
    versions = [*(r.version for r in facts.previous), facts.version]
    return versions[versions.index(withdrawn.last_version) + 1]


def _page(facts: ReleaseFacts, withdrawn: Withdrawn, title: str, doi: str | None) -> str:
    name = markup(withdrawn.contribution_id)
    heading = f"{markup(facts.mark)}Withdrawn: {name}"
    address = f"https://doi.org/{markup(doi or '')}"
    cited = f', <a href="{address}">{address}</a>' if doi else ""
    entries = (
        ("Withdrawn since", withdrawn.date.isoformat()),
        ("Last version with its images", markup(withdrawn.last_version)),
        ("Succeeded by", f'version {markup(successor(facts, withdrawn))}; please use <a href="../index.html">this '
                         f"version, {markup(facts.version)}</a>"),
        ("Reason", markup(withdrawn.reason) if withdrawn.reason else ""),
        ("Data set", f"{markup(title)}{cited}"),
    )  # fmt: skip
    body = f"""<main>
<h1>{heading}</h1>
<p>The owner has withdrawn this contribution. None of its images is in this version. A picture that another owner
delivered as well may be here, under that owner's permission and credit.</p>
<p>Copies obtained from an earlier version keep the licence they came with.</p>
<dl>
{"".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in entries if text)}
</dl>
</main>
<footer><p class="soft"><a href="../withdrawn.csv">withdrawn.csv</a> lists all withdrawn contributions.</p></footer>
"""
    return document(f"{facts.mark}Withdrawn: {withdrawn.contribution_id}", body)
