"""The list of EcoTaxa projects: every project, person and doubtful pair is accounted for; second runs and edits."""

import collections
import csv
import datetime as dt
import re
import shutil
from pathlib import Path

import pytest

from aqqua_dataset import cli, schema
from aqqua_dataset.intake.accept import accept
from aqqua_dataset.intake.ecotaxa_list import import_list
from aqqua_dataset.intake.proposals import Outcome
from aqqua_dataset.registry.load import load_contacts, load_registry
from aqqua_dataset.registry.models import Registry

HEADS = ("ID", "Instrument", "Title - manager or contact", "annotators", "managers", "viewers", "Status", "Access",
         "Nb objects", "%validated")  # fmt: skip
DAY = dt.date(2026, 1, 21)
OURS = "name: AqQua, email: aqqua@example.org"
ADA = "name: Ada Nowak, email: ada@example.org"
BO = "name: Bo Lind, email: bo@example.org"


@pytest.fixture
def folder(tmp_path: Path, registry_folder: Path) -> Path:
    return Path(shutil.copytree(registry_folder, tmp_path / "registry"))


def load(folder: Path) -> Registry:
    registry, _ = load_registry(folder)
    assert registry is not None
    return registry


def project(number: object, **changes: str) -> dict[str, str]:
    row = dict.fromkeys(HEADS, "") | {
        "ID": str(number), "Instrument": "Zooscan", "Title - manager or contact": f"Nets {number}  Ada Nowak",
        "managers": ADA, "viewers": OURS, "Status": "ANNOTATE", "Access": "Private", "Nb objects": "12",
        "%validated": "50%",
    }  # fmt: skip
    named = {"title": HEADS[2], "objects": "Nb objects", "instrument": "Instrument"}
    return row | {named.get(k, k): v for k, v in changes.items()}


def listed(folder: Path, *rows: dict[str, str]) -> Outcome:
    path = folder.parent / "projects_2026-01-21.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADS, delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return import_list(folder, load(folder), path, DAY, "AqQua")


def rules(outcome: Outcome) -> list[tuple[str, int | None]]:
    return sorted((f.rule, f.line) for f in outcome.findings)


def text(folder: Path, number: int) -> str:
    return (folder / f"contributions/ecotaxa-{number}.yaml").read_text(encoding="utf-8")


@pytest.mark.realdata
@pytest.mark.timeout(240)
def test_the_whole_list_is_accounted_for(real_data: Path, folder: Path) -> None:
    table = real_data.parent / "tables" / "ecotaxa_projects_2026-01-21_pseudonymised.tsv"
    if not table.is_file():
        pytest.skip(f"no list of projects at {table}")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    accounts = {
        (name, mail)
        for row in rows
        for cell in (row["annotators"], row["managers"], row["viewers"])
        for name, mail in re.findall(r"name: ([^;]*?), email: ([^;]*)", cell)
        if name != "AqQua"
    }
    names = collections.Counter(name for name, _ in accounts)
    assert (len(rows), len(accounts), len(names)) == (2492, 1054, 1038)
    said = {v.casefold(): i for i, d, a in zip(
        *(schema.vocabulary("instruments.csv")[c] for c in ("instrument_id", "display_name", "aliases")), strict=True
    ) for v in (i, d, *a.split("|"))}  # fmt: skip
    before = load(folder)

    outcome = import_list(folder, before, table, DAY, "AqQua")
    pairs = [f for f in outcome.findings if f.rule == "person_twice"]
    open_counts = [f.line for f in outcome.findings if f.rule == "count_missing"]
    open_instruments = [f.line for f in outcome.findings if f.rule == "instrument_open"]
    assert len(pairs) == sum(n - 1 for n in names.values()) == 16
    assert open_counts == [n for n, row in enumerate(rows, start=2) if row["Nb objects"] == "null"]
    assert open_instruments == [n for n, row in enumerate(rows, start=2) if row["Instrument"] == "?"]
    assert len(outcome.findings) == len(pairs) + len(open_counts) + len(open_instruments)
    accepted = accept(folder, [], everything=True)
    assert not accepted.findings
    after, findings = load_registry(folder)
    assert after is not None
    assert not [f for f in findings if f.severity == "error"]
    new = {c.source.dataset_id: c for n, c in after.contributions.items() if n not in before.contributions and c.source}
    assert new.keys() == {row["ID"] for row in rows}
    people = {n: p for n, p in after.people.items() if n not in before.people}
    assert collections.Counter(f"{p.given} {p.family}" for p in people.values()) == names
    mails = {c.person: c.email for c in load_contacts(folder)[0] if c.person in people}
    assert {(f"{p.given} {p.family}", mails[n]) for n, p in people.items()} == accounts
    for row in rows:
        made = new[row["ID"]]
        title, contact = row["Title - manager or contact"].split("  ")
        owner = people[made.owners[0]]
        assert (made.title, f"{owner.given} {owner.family}", made.state) == (title, contact, "pledged")
        assert made.expected_images == (None if row["Nb objects"] == "null" else int(row["Nb objects"]))
        assert made.expected_instruments == (() if row["Instrument"] == "?" else (said[row["Instrument"].casefold()],))
        parts = set(re.findall(r"email: ([^;]*)", f"{row['managers']}; {row['annotators']}")) - {"aqqua@example.org"}
        assert {mails[p] for p in (*made.owners, *(c.person for c in made.contributors))} == {p.strip() for p in parts}
    again = import_list(folder, after, table, DAY, "AqQua")
    assert not (folder / "proposals" / "contributions").exists()
    assert again.counts["contributions: unchanged"] == 2492
    assert not [c for c in again.counts if "new" in c or "changed" in c.replace("unchanged", "")]


def test_equal_names_stay_two_people_and_known_ones_are_found(folder: Path) -> None:
    outcome = listed(
        folder,
        project(5, managers=f"{ADA}; name: ADA NOWAK, email: ada@gmail.com", annotators="name: A. Lindqvist, "
                "email: ANNA@example.org"),
        project(6, managers="name: Anna Lindqvist, email: other@example.org", title="x  Anna Lindqvist"),
    )  # fmt: skip
    waiting = sorted(p.stem for p in (folder / "proposals/people").glob("*.yaml"))
    assert waiting == ["ada-nowak", "ada-nowak-2", "anna-lindqvist-2"]
    five = (folder / "proposals/contributions/ecotaxa-5.yaml").read_text(encoding="utf-8")
    assert "{person: anna-lindqvist, type: DataCurator}" in five
    pairs = {f.value for f in outcome.findings if f.rule == "person_twice"}
    assert pairs == {"ada-nowak-2", "anna-lindqvist-2"}


def test_every_odd_cell_is_named_with_line_and_column(folder: Path) -> None:
    outcome = listed(
        folder,
        project("x1"), project(7), project(7),
        project(8, managers=OURS, annotators=""),
        project(9, managers=f"{ADA}; Bo Lind bo@example.org; name: Plankton-Lab, email: lab@example.org"),
        project(10, title="write to ada@example.org  Somebody Else", objects="many", instrument="Zooscanner"),
        project(11, title="", managers="name: María del Mar Ruiz Soto, email: mar@example.org"),
    )  # fmt: skip
    assert rules(outcome) == [
        ("account_not_a_person", 6), ("account_unreadable", 6), ("contact_not_a_manager", 7),
        ("contact_not_a_manager", 8), ("count_missing", 7), ("email_in_public_record", 7), ("instrument_open", 7),
        ("project_twice", 4), ("project_without_owner", 5), ("row_without_number", 2), ("title_missing", 8),
    ]  # fmt: skip
    assert all(f.key and f.message for f in outcome.findings)
    assert not [f for f in outcome.findings if "@example.org" in str(f)]
    assert outcome.counts["rows"] == 7
    assert sorted(p.stem for p in (folder / "proposals/contributions").iterdir()) == [
        "ecotaxa-10", "ecotaxa-11", "ecotaxa-7", "ecotaxa-9",
    ]  # fmt: skip
    mar = (folder / "proposals/people/maria-del-mar-ruiz-soto.yaml").read_text(encoding="utf-8")
    assert "particle: del" in mar


def test_a_project_of_the_registry_gets_its_differences_only(folder: Path) -> None:
    file = folder / "contributions/kattegat-net-2019.yaml"
    before = file.read_text(encoding="utf-8")
    outcome = listed(folder, project(1001, objects="99", title="Nets of the Kattegat  Ada Nowak"))
    told = {f.key: f for f in outcome.findings if f.rule == "differs_from_import"}
    assert set(told) == {"title", "expected_images"}
    assert "48" in told["expected_images"].message
    assert "99" in told["expected_images"].message
    proposed = (folder / "proposals/contributions/kattegat-net-2019.yaml").read_text(encoding="utf-8")
    added = set(proposed.splitlines()) ^ set(before.splitlines())
    assert {line for line in added if not line.startswith("#:")} == {"expected_instruments: [zooscan]"}
    assert not (folder / "proposals/contributions/ecotaxa-1001.yaml").exists()


def test_second_lists_change_what_nobody_edited_and_speak_of_the_rest(folder: Path) -> None:
    listed(folder, project(5), project(6))
    accept(folder, [], everything=True)
    edited = text(folder, 5).replace("title: Nets 5", "title: Nets of the ferry  # by hand")
    edited = edited.replace("history:", "# a line of the editor's\nhistory:")
    (folder / "contributions/ecotaxa-5.yaml").write_text(edited, encoding="utf-8")

    outcome = listed(folder, project(5, objects="77", title="Nets five  Ada Nowak"), project(6))
    assert [(f.rule, f.key) for f in outcome.findings] == [("differs_from_import", "title")]
    accepted = accept(folder, ["ecotaxa-5"])
    assert (accepted.files, accepted.findings) == (["contributions/ecotaxa-5.yaml"], [])
    assert text(folder, 5) == edited.replace("expected_images: 12", "expected_images: 77")
    third = listed(folder, project(5, objects="77", title="Nets five  Ada Nowak"), project(6))
    assert [(f.rule, f.severity, f.key) for f in third.findings] == [("edited_by_hand", "note", "title")]
    assert not (folder / "proposals").exists()
    assert [(f.rule, f.value) for f in listed(folder, project(6)).findings] == [("project_gone", "5")]


def test_what_was_thrown_away_stays_away_until_the_list_changes(folder: Path) -> None:
    listed(folder, project(5), project(6))
    (folder / "proposals/contributions/ecotaxa-5.yaml").unlink()
    assert listed(folder, project(5), project(6)).counts["contributions: not proposed again, thrown away before"] == 1
    assert not (folder / "proposals/contributions/ecotaxa-5.yaml").exists()
    listed(folder, project(5, objects="13"), project(6))
    assert (folder / "proposals/contributions/ecotaxa-5.yaml").exists()


def test_a_file_edited_after_the_proposal_is_not_overwritten(folder: Path) -> None:
    listed(folder, project(5))
    accept(folder, [], everything=True)
    listed(folder, project(5, objects="77"))
    file = folder / "contributions/ecotaxa-5.yaml"
    file.write_text(text(folder, 5).replace("Nets 5", "Edited"), encoding="utf-8")
    refused = accept(folder, [], everything=True)
    assert [f.rule for f in refused.findings] == ["proposal_outdated"]
    assert "expected_images: 12" in text(folder, 5)
    listed(folder, project(5, objects="77"))
    assert not accept(folder, [], everything=True).findings
    assert "title: Edited" in text(folder, 5)
    assert "expected_images: 77" in text(folder, 5)


def test_a_proposal_that_was_edited_before_it_was_accepted_stays_edited(folder: Path) -> None:
    listed(folder, project(5))
    waiting = folder / "proposals/contributions/ecotaxa-5.yaml"
    waiting.write_text(waiting.read_text(encoding="utf-8").replace("Nets 5", "Better"), encoding="utf-8")
    listed(folder, project(5, objects="13"))
    accept(folder, ["ecotaxa-5"])
    assert "title: Better" in text(folder, 5)
    assert "expected_images: 13" in text(folder, 5)
    assert (folder / "people/ada-nowak.yaml").exists()  # named by it, so it came along
    assert [c.email for c in load_contacts(folder)[0] if c.person == "ada-nowak"] == ["ada@example.org"]


def test_the_command_takes_the_day_from_the_name_or_asks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed(folder, project(5))
    path = folder.parent / "projects_2026-01-21.tsv"
    command = ["registry", "import-ecotaxa-list", str(path), "--registry", str(folder)]
    assert cli.main(command) == 0
    assert "contributions: waiting" in capsys.readouterr().out
    nameless = path.rename(path.with_name("projects.tsv"))
    command[2] = str(nameless)
    assert cli.main(command) == 2
    assert cli.main([*command, "--date", "2026-01-21"]) == 0
    nameless.write_text("a,b\n1,2\n", encoding="utf-8")
    assert cli.main([*command, "--date", "2026-01-21"]) == 1
    assert "expected the columns ID" in capsys.readouterr().out
