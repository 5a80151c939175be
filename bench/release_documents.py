"""All documents of a release of 3,000 contributions and 1,000 people: CPU time and size of each, duplicates suggested.

    python bench/release_documents.py --table projects.tsv [--contributions 3000] [--folder DIR]

The table is EcoTaxa's list of projects, as for bench/authors.py, which makes the registry. Images, instruments,
positions and flags are drawn by a fixed seed: 60,000 images per contribution on average, 12 instruments, 4,000 cells.
"""

import argparse
import datetime as dt
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "bench")]

from authors import timed, write_registry

from aqqua_dataset import schema
from aqqua_dataset.checksums import PARTS
from aqqua_dataset.registry.load import load_contacts, load_registry
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.registry.same_people import same_people
from aqqua_dataset.release import attribution, author_tables, doi, pages
from aqqua_dataset.release.authors import render
from aqqua_dataset.release.citation import citation_cff
from aqqua_dataset.release.concept import concept_page
from aqqua_dataset.release.croissant import croissant_card, croissant_json, croissant_problems
from aqqua_dataset.release.datapackage import data_package
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.known_problems import known_problems
from aqqua_dataset.release.landing import landing_page
from aqqua_dataset.release.legal import licence_file
from aqqua_dataset.release.readme import readme_card
from aqqua_dataset.release.rocrate import ro_crate
from aqqua_dataset.release.sample import sample_archive
from aqqua_dataset.release.signposts import linkset_json
from aqqua_dataset.release.snapshot import Snapshot, take_snapshot
from aqqua_dataset.release.stats import Stats, stats_json

DAY = dt.date(2027, 7, 15)
HASH = "0123456789abcdef" * 4


def main() -> None:
    """Prints a row of a Markdown table per document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--contributions", type=int, default=3000)
    parser.add_argument("--folder", type=Path, help="keep the registry and the documents here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        write_registry(folder / "registry", options.table, options.contributions)
        registry, findings = timed("read and check the registry", lambda: load_registry(folder / "registry"))
        assert registry is not None, findings
        mails = {c.person: c.email for c in load_contacts(folder / "registry")[0]}
        pairs = timed("suggest who may be one person", lambda: list(same_people(registry, mails)))
        print(f"{len(registry.contributions):,} contributions, {len(registry.people):,} people, "
              f"{len(pairs)} pairs of records suggested as one person\n")  # fmt: skip
        measure(folder / "release", registry)


def drawn(registry: Registry) -> tuple[ReleaseFacts, Stats]:
    """Facts and numbers of an invented release."""
    rng = np.random.default_rng(1)
    ids = sorted(registry.contributions)
    images = dict(zip(ids, rng.integers(1, 120_000, len(ids)).tolist(), strict=True))
    names = schema.vocabulary("instruments.csv")["instrument_id"].tolist()[:12]
    shares = sorted(rng.integers(1_000, 10**9, len(names)).tolist())
    cells = sorted({(int(x), int(y)) for x, y in zip(rng.integers(-180, 180, 4_000), rng.integers(-78, 85, 4_000),
                                                     strict=True)})  # fmt: skip
    flags = schema.vocabulary("flags.csv")["flag"].tolist()
    stats = Stats(
        instruments=tuple((n, s, 100) for n, s in zip(sorted(names), shares, strict=True)),
        years=tuple((y, 10**6) for y in range(1990, 2027)), labels=(("predicted", 10**8), ("validated", 10**7)),
        flags=tuple((f, 12_345, 67) for f in sorted(flags)), cells=tuple((x, y, 20_000) for x, y in cells),
        ledger=(("declared", 10**9), ("accepted", 10**9)), states=(("accepted", len(ids)),), credited=len(ids),
    )  # fmt: skip
    facts = ReleaseFacts(
        "1.0.0", "public", DAY, False, images, dict(zip(names, shares, strict=True)), 72 * 10**12,
        (-180.0, -78.0, 180.0, 85.0), dt.date(1990, 1, 1), dt.date(2026, 12, 31),
    )  # fmt: skip
    return facts, stats


def measure(folder: Path, registry: Registry) -> None:
    """Makes every document once, prints it as a row and writes it."""
    facts, stats = drawn(registry)
    images = facts.images
    print("| what | CPU s | files | bytes |\n|---|---:|---:|---:|")
    kept: dict[str, str] = {}

    def row(what: str, step: Callable[[], dict[str, str]]) -> None:
        started = time.process_time()
        made = step()
        size = sum(len(text.encode()) for text in made.values())
        print(f"| {what} | {time.process_time() - started:.2f} | {len(made):,} | {size:,} |", flush=True)
        kept.update(made)

    started = time.process_time()
    snapshot = take_snapshot(registry, images, DAY)
    named = snapshot.authors
    print(f"| author list: {len(named.core)} core, {len(named.members):,} members | "
          f"{time.process_time() - started:.2f} | | |")  # fmt: skip
    row("authors/ (LaTeX, JATS, BibTeX, CSV, Markdown)", lambda: in_folder(render(snapshot, facts)))
    rows = attribution.attribution_rows(registry, facts, images)
    row("attribution", lambda: {
        "ATTRIBUTION.md": attribution.attribution_markdown(rows, facts),
        "attribution.csv": author_tables.csv_text(attribution.ATTRIBUTION_COLUMNS, (r.values() for r in rows)),
    })  # fmt: skip
    row("contributions/<id>.html", lambda: dict(pages.credit_pages(snapshot, rows, facts)))
    index = "contributions/index.html"
    row(index, lambda: {index: pages.contribution_index(snapshot, rows, facts)})
    record = doi.datacite_record(registry, facts, named)
    row("DataCite JSON and XML", lambda: {"datacite.json": doi.datacite_json(record), "datacite.xml":
                                          doi.datacite_xml(record)})  # fmt: skip
    row("DataCite record checked", lambda: {f"problem {n}": p for n, p in enumerate(doi.datacite_problems(record))})
    row("index.html", lambda: {"index.html": landing_page(registry, facts, snapshot, stats, HASH)})
    cards(row, registry, facts, stats, snapshot, kept)
    for path, text in kept.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def cards(
    row: Callable[[str, Callable[[], dict[str, str]]], None], registry: Registry, facts: ReleaseFacts, stats: Stats,
    snapshot: Snapshot, texts: dict[str, str],
) -> None:  # fmt: skip
    """The small cards, each by itself."""
    named = snapshot.authors
    digests = {sample_archive(facts): HASH, PARTS: HASH, "attribution.csv": HASH}
    tables = {p: (texts[p], HASH) for p in ("attribution.csv", "authors/authors.csv", "authors/funding.csv")}
    card = croissant_card(registry, facts, snapshot, digests)
    assert croissant_problems(card) == []
    small: dict[str, Callable[[], str]] = {
        "croissant.json": lambda: croissant_json(croissant_card(registry, facts, snapshot, digests)),
        "ro-crate-metadata.json": lambda: ro_crate(registry, facts, named),
        "CITATION.cff": lambda: citation_cff(registry, facts, named),
        "README.md": lambda: readme_card(registry, facts, named, stats, HASH),
        "KNOWN-PROBLEMS.md": lambda: known_problems(facts, stats),
        "LICENSE": lambda: licence_file(registry.settings, facts),
        "stats.json": lambda: stats_json(facts, stats),
        "datapackage.json": lambda: data_package(registry, facts, tables),
        "linkset.json": lambda: linkset_json(registry, facts, named),
        "../index.html (all versions)": lambda: concept_page(registry, "public", ()),
    }
    for name, step in small.items():
        path = name.split(" ")[0].replace("../", "all-versions/")
        row(name, lambda path=path, step=step: {path: step()})  # type: ignore[misc]


def in_folder(files: dict[str, str]) -> dict[str, str]:
    """Files of the folder ``authors``."""
    return {f"authors/{name}": text for name, text in files.items()}


if __name__ == "__main__":
    main()
