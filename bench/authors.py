"""A registry of 3,000 contributions and 1,000 people goes to authors, attribution and pages: time, size, duplicates.

    python bench/authors.py --table projects.tsv [--contributions 3000] [--folder DIR]

The table is EcoTaxa's list of projects, tab-separated, with the columns ID, annotators, managers, viewers and Nb
objects; people in it are written ``name: Given Surname, email: x@example.org; …``. Every account becomes a person,
managers are owners and the others contributors, and projects beyond the table's are second data sets of its first
ones. Institutions, papers, grants and thanks are invented: 200 institutes, a paper for every second contribution.
The registry is written as files and read back as a data manager's would be.
"""

import argparse
import csv
import datetime as dt
import io
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import yaml

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from aqqua_dataset.registry.load import load_contacts, load_registry
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.registry.same_people import same_people
from aqqua_dataset.release import attribution, author_tables, doi, pages, snapshot
from aqqua_dataset.release.authors import render
from aqqua_dataset.release.facts import Draft, ReleaseFacts

T = TypeVar("T")
_PERSON = re.compile(r"name: (.*?), email: ([^;]*)(?:;|$)")
_COLUMNS = ("managers", "annotators", "viewers")
_INSTITUTES = 200
_DAY = "2025-08-01"
_MANDATORY = ("model-development", "public-release", "model-release")


def main() -> None:
    """Prints one line per step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--contributions", type=int, default=3000)
    parser.add_argument("--folder", type=Path, help="keep the registry and what is made from it here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        write_registry(folder / "registry", options.table, options.contributions)
        measure(folder)


def measure(folder: Path) -> None:
    """Takes the registry through every step and prints CPU seconds, wall seconds and bytes."""
    registry, findings = timed("read and check the registry", lambda: load_registry(folder / "registry"))
    assert registry is not None, findings
    mails = {c.person: c.email for c in load_contacts(folder / "registry")[0]}
    pairs = timed("suggest who may be one person", lambda: list(same_people(registry, mails)))
    signs = Counter(pair.sign for pair in pairs)
    print(f"{'':34}{len(pairs)} pairs ({', '.join(f'{count} by {sign}' for sign, count in signs.items())})")
    decisions = [[p.first.id, p.other.id, "same", "p1", "2027-05-20", "bench"] for p in pairs]
    text = author_tables.csv_text(["person", "other", "decision", "decided_by", "decided_on", "why"], decisions)
    (folder / "registry/people_decisions.csv").write_text(text, encoding="utf-8")
    loaded, findings = load_registry(folder / "registry")
    assert loaded is not None, findings
    images = {c.id: c.expected_images or 0 for c in loaded.contributions.values()}
    frozen = timed("freeze", lambda: snapshot.freeze(loaded, images, dt.date(2027, 5, 31), findings))
    named = frozen.authors
    print(
        f"{'':34}{len(loaded.contributions):,} contributions, {len(loaded.people):,} records of people: "
        f"{len(named.core)} core, {len(named.members):,} members, {len(named.acknowledged)} acknowledged, "
        f"{len(named.institutions)} institutions"
    )
    files = timed("render all lists of authors", lambda: render(frozen, Draft("bench")))
    print("".join(f"{'':34}{len(t.encode()):>12,} bytes {n}\n" for n, t in files.items()), end="")
    publish(folder, loaded, frozen, images)


def publish(folder: Path, registry: Registry, frozen: snapshot.Snapshot, images: dict[str, int]) -> None:
    """Attribution, pages and DOI record of a release with these images."""
    day = dt.date(2027, 7, 15)
    facts = ReleaseFacts("1.0.0", "public", day, False, images, {"zooscan": sum(images.values())}, 0, None, None, None)
    rows = timed("rows of the attribution", lambda: attribution.attribution_rows(registry, facts, images))
    markdown = timed("ATTRIBUTION.md", lambda: attribution.attribution_markdown(rows, facts))
    made = timed("a page per contribution", lambda: list(pages.credit_pages(frozen, rows, facts)))
    table = author_tables.csv_text(attribution.ATTRIBUTION_COLUMNS, (r.values() for r in rows))
    sizes = {"ATTRIBUTION.md": markdown, "attribution.csv": table, f"{len(made):,} pages": "".join(t for _, t in made)}
    record = timed("DataCite record", lambda: doi.datacite_record(registry, facts, frozen.authors))
    problems = timed("check it", lambda: doi.datacite_problems(record))
    assert not problems, problems[:3]
    sizes["datacite.json"] = doi.datacite_json(record)
    print("".join(f"{'':34}{len(t.encode()):>12,} bytes {n}\n" for n, t in sizes.items()), end="")
    for path, text in made[:3]:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def timed(what: str, step: Callable[[], T]) -> T:
    """Runs a step and prints CPU seconds and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = step()
    print(f"{what:34}{time.process_time() - cpu:8.2f} s CPU {time.perf_counter() - wall:8.2f} s", flush=True)
    return result


def write_registry(folder: Path, table: Path, wanted: int) -> None:
    """The registry as files: people, institutions, contributions, papers, settings, addresses."""
    for name in ("people", "institutions", "contributions", "private"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with table.open(encoding="utf-8", newline="") as stream:
        projects = list(csv.DictReader(stream, delimiter="\t"))
    accounts: dict[str, str] = {}
    for project in projects:
        for column in _COLUMNS:
            accounts |= {mail: name for name, mail in _people(project[column])}
    ids = {mail: f"p{n}" for n, mail in enumerate(sorted(accounts), start=1)}
    for mail, name in accounts.items():
        _write(folder / f"people/{ids[mail]}.yaml", _person(ids[mail], name))
    for n in range(_INSTITUTES):
        _write(folder / f"institutions/i{n}.yaml", {"id": f"i{n}", "name": f"Institute {n}", "country": "FR"})
    contacts = [{"person": ids[mail], "email": mail} for mail in accounts]
    _write(folder / "private/contacts.yaml", contacts)
    for n in range(wanted):
        record = _contribution(n, projects[n % len(projects)], ids)
        _write(folder / f"contributions/{record['id']}.yaml", record)
    stream_out = io.StringIO()
    csv.writer(stream_out).writerows(_papers(wanted))
    (folder / "papers.csv").write_text(stream_out.getvalue(), encoding="utf-8")
    example = (ROOT / "contributor_registry/settings.yaml").read_text(encoding="utf-8")
    (folder / "settings.yaml").write_text(re.sub(r"^(authors|instrument_aliases):\n( .*\n)+", "", example, flags=re.M))


def _people(cell: str) -> Iterator[tuple[str, str]]:
    return ((name, mail.strip()) for name, mail in _PERSON.findall(cell) if name != "AqQua")


def _person(person: str, name: str) -> dict[str, object]:
    given, _, family = name.partition(" ")
    number = int(person[1:])
    consent = {0: "acknowledge_only", 1: "anonymous", 2: "consortium_only"}.get(number % 50, "author")
    return {
        "id": person, "given": given, "family": family or given, "affiliations": [f"i{number % _INSTITUTES}"],
        "consent": consent, "consent_date": _DAY, "core_team": number % 60 == 7,
    }  # fmt: skip


def _contribution(n: int, project: dict[str, str], ids: dict[str, str]) -> dict[str, object]:
    owners = list(dict.fromkeys(ids[mail] for _, mail in _people(project["managers"]))) or ["p1"]
    everybody = (ids[mail] for column in _COLUMNS for _, mail in _people(project[column]))
    others = dict.fromkeys(person for person in everybody if person not in owners)
    given: dict[str, object] = {"state": "given", "text": f"Owners of project {n}"}
    if n % 2 == 0:
        given |= {"cite_dois": [f"10.1234/paper.{n}"], "acknowledgement": f"We thank the crew of cruise {n // 20}."}
        given["funding"] = [{"funder": f"Fund {n % 40}", "award_number": f"F-{n}"}]
    return {
        "id": f"project-{project['ID']}-{n}", "title": f"EcoTaxa project {project['ID']}", "description": "As listed.",
        "owners": owners, "institutions": [f"i{int(owners[0][1:]) % _INSTITUTES}"],
        "contributors": [{"person": p, "type": "DataCurator"} for p in others],
        "form_id": f"F-{n}", "form_date": _DAY, "interim_terms": "cc-by",
        "permissions": [{"id": p, "date": _DAY} for p in _MANDATORY], "attribution": given,
        "expected_images": int(project["Nb objects"]) if project["Nb objects"].isdigit() else 0,
        "history": [{"date": _DAY, "state": "pledged"}, {"date": _DAY, "state": "agreed"}],
    }  # fmt: skip


def _papers(wanted: int) -> Iterator[list[str]]:
    yield ["doi", "kind", "title", "authors", "year", "container", "volume", "pages", "publisher"]
    for n in range(0, wanted, 4):
        yield [f"10.1234/paper.{n}", "article", f"Paper {n}", "Vallon, Claire de", "2020", "Journal", "1", "1-9", ""]


def _write(path: Path, record: object) -> None:
    path.write_text(yaml.dump(record, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
