"""Who may be one person: signs, decisions that somebody reviewed, and mistakes in the tables that hold them."""

import shutil
from pathlib import Path

import builders
import pytest
from named import decided, made

from aqqua_dataset.registry.load import load_registry
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.registry.same_people import given_names_fit, same_people
from aqqua_dataset.release import people


def signs(registry: Registry, mails: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    return [(p.first.id, p.other.id, p.sign) for p in same_people(registry, mails or {})]


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        ("Claire", "C.", True), ("Claire Marie", "C. M.", True), ("Claire Marie", "Claire", True), ("J-P", "Jean Paul",
        True), ("Jörg", "Joerg", True), ("Jörg", "Jorg", True), ("Claire", "Clara", False), ("C. M.", "Claire Anna",
        False), ("Anna", "B.", False),
    ],
)  # fmt: skip
def test_given_names_fit_by_word_and_initial(one: str, other: str, fits: bool) -> None:
    assert given_names_fit(one, other) is fits
    assert given_names_fit(other, one) is fits


def test_initial_counts_only_with_an_institution_or_mail_domain_in_common() -> None:
    person = builders.person
    found = [
        person("claire-vallon", affiliations=("institute-two",)),
        person("c-vallon", given="C.", family="Vallon", affiliations=("institute-two-again",)),
        person("c2-vallon", given="C.", family="Vallon", affiliations=("institute-three",)),
        person("clara-vallon", affiliations=("institute-two",)),
    ]
    sign = "family name, fitting given name and institution or mail domain"
    one = made(found, {})
    assert ("c-vallon", "claire-vallon", sign) in signs(one)
    assert ("claire-vallon", "clara-vallon", sign) not in signs(one)
    assert not [s for s in signs(one) if {"c2-vallon", "claire-vallon"} == {*s[:2]}]
    here = {"c2-vallon": "cv@institute.example.org", "claire-vallon": "Claire@Institute.example.org"}
    assert [s for s in signs(one, here) if {"c2-vallon", "claire-vallon"} == {*s[:2]}]
    public = {"c2-vallon": "cv@gmail.com", "claire-vallon": "claire@gmail.com"}
    assert not [s for s in signs(one, public) if {"c2-vallon", "claire-vallon"} == {*s[:2]}]


def test_a_groups_mailbox_is_no_sign() -> None:
    found = [builders.person("ada-one", affiliations=()), builders.person("bo-two", affiliations=())]
    assert not signs(made(found, {}), {"ada-one": "lab@example.org", "bo-two": "lab@example.org"})
    mine = {"ada-one": "ada@example.org", "bo-two": " ADA@example.org"}
    assert signs(made(found, {}), mine) == [("ada-one", "bo-two", "e-mail address")]


def test_what_was_decided_is_not_proposed_again_and_one_orcid_always_is() -> None:
    found = [builders.person(f"x{n}-kim", given="Bo", family="Kim", affiliations=()) for n in range(3)]
    pairs = [("x0-kim", "x1-kim", "name"), ("x0-kim", "x2-kim", "name")]
    assert signs(made(found, {})) == pairs
    first = (decided("x0-kim", "x1-kim", "different"), decided("x0-kim", "x2-kim", "different"))
    assert signs(made(found, {}, decisions=first)) == [("x1-kim", "x2-kim", "name")]
    assert not signs(made(found, {}, decisions=(*first, decided("x1-kim", "x2-kim", "same"))))
    twice = [p.model_copy(update={"orcid": "0000-0000-0000-0159"}) for p in found]
    certain = [s for s in signs(made(twice, {}, decisions=first)) if s[2] == "ORCID iD"]
    assert [s[:2] for s in certain] == [("x0-kim", "x1-kim"), ("x0-kim", "x2-kim")]


def test_a_decision_holds_for_every_record_of_a_person() -> None:
    found = [builders.person(f"x{n}-kim", given="Bo", family="Kim", affiliations=()) for n in range(3)]
    apart, same = decided("x0-kim", "x1-kim", "different"), decided("x0-kim", "x2-kim", "same")
    assert signs(made(found, {}, decisions=(apart,))) == [("x0-kim", "x2-kim", "name")]
    assert signs(made(found, {}, decisions=(same,))) == [("x0-kim", "x1-kim", "name")]
    assert not signs(made(found, {}, decisions=(apart, same))), "x2 is x0, and x0 isn't x1"


def test_decisions_join_people_and_chains_end_at_one_record() -> None:
    found = [builders.person(n) for n in ("ada-one", "ada-two", "ada-three")]
    chain = (decided("ada-two", "ada-one", "same"), decided("ada-three", "ada-two", "same"))
    registry = made(found, {"one": ("ada-one",), "two": ("ada-two",)}, decisions=chain)
    authors = people.author_list(registry, ["one", "two"])
    assert [(a.person.id, a.contributions) for a in authors.members] == [("ada-three", ("one", "two"))]


@pytest.fixture
def folder(tmp_path: Path, registry_folder: Path) -> Path:
    return Path(shutil.copytree(registry_folder, tmp_path / "registry"))


HEAD = "person,other,decision,decided_by,decided_on,why\n"


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("anna-lindqvist,nobody,same,grace-okafor,2027-05-01,asked", "other"),
        ("anna-lindqvist,bjorn-aase,perhaps,grace-okafor,2027-05-01,asked", "decision"),
        ("anna-lindqvist,bjorn-aase,,,,", "decision"),
        ("anna-lindqvist,bjorn-aase,different,nobody,2027-05-01,asked", "decided_by"),
        ("anna-lindqvist,bjorn-aase,different,grace-okafor,May,asked", "decided_on"),
        ("anna-lindqvist,bjorn-aase,different,grace-okafor,2027-05-01,", "why"),
        ("anna-lindqvist,anna-lindqvist,same,grace-okafor,2027-05-01,asked", "other"),
        ("anna-lindqvist,bjorn-aase,same,grace-okafor,2027-05-01,asked", "other"),
        ("anna-lindqvist,bjorn-aase,different,grace-okafor,2027-05-01,x@example.org", "why"),
        ("anna-lindqvist,bjorn-aase", ""),
    ],
)
def test_a_wrong_decision_is_named_with_its_line_and_column(folder: Path, row: str, column: str) -> None:
    good = "dmitri-orlov,elif-yildirim,different,grace-okafor,2027-05-01,asked both\n"
    (folder / "people_decisions.csv").write_text(HEAD + good + row + "\n", encoding="utf-8")
    registry, findings = load_registry(folder)
    found = [f for f in findings if f.file == "people_decisions.csv"]
    assert {(f.line, f.key, f.severity) for f in found} >= {(3, column, "error")}
    assert all("example.org" not in str(f) for f in found)
    assert registry is not None
    expects_orcid_conflict = "aase,same" in row
    assert len(registry.decisions) == (2 if expects_orcid_conflict else 1)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("anna-lindqvist,bjorn-aase,different", "bjorn-aase,anna-lindqvist,different"), "every pair once"),
        (("dmitri-orlov,anna-lindqvist,same", "henk-van-der-meer,anna-lindqvist,same"), "joined to another"),
        (("dmitri-orlov,henk-van-der-meer,same", "henk-van-der-meer,dmitri-orlov,different"), "every pair once"),
        (
            (
                "dmitri-orlov,henk-van-der-meer,same", "dmitri-orlov,anna-lindqvist,same",
                "henk-van-der-meer,anna-lindqvist,different",
            ),
            "make them one person",
        ),
        (("dmitri-orlov,anna-lindqvist,same", "anna-lindqvist,dmitri-orlov,same"), "every pair once"),
        (
            (
                "dmitri-orlov,anna-lindqvist,same", "anna-lindqvist,henk-van-der-meer,same",
                "henk-van-der-meer,dmitri-orlov,same",
            ),
            "circle",
        ),
    ],
)  # fmt: skip
def test_decisions_that_contradict_each_other_are_named(folder: Path, rows: tuple[str, ...], words: str) -> None:
    text = HEAD + "".join(f"{row},grace-okafor,2027-05-01,asked\n" for row in rows)
    (folder / "people_decisions.csv").write_text(text, encoding="utf-8")
    findings = [f for f in load_registry(folder)[1] if f.file == "people_decisions.csv"]
    assert any(words in f.message for f in findings), findings


@pytest.mark.parametrize(
    ("given", "wrong"), [("Ali\u200cReza", False), ("An\u202ena", True), ("1-2", True), ("X", False)]
)
def test_a_name_that_cannot_be_printed_is_an_error(folder: Path, given: str, wrong: bool) -> None:
    path = folder / "people/anna-lindqvist.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("given: Anna", f'given: "{given}"'), encoding="utf-8")
    found = [(f.severity, f.file, f.key) for f in load_registry(folder)[1] if f.rule == "name_invalid"]
    assert found == ([("error", "people/anna-lindqvist.yaml", "given")] if wrong else [])


def test_papers_and_the_core_teams_order_are_checked(folder: Path) -> None:
    head = "doi,kind,title,authors,year,container,volume,pages,publisher\n"
    rows = 'no doi,article,T,"A, B",2020,,,,\n10.1234/a,book,T,"A, B",2020,,,,\n10.1234/A,misc,T,"A, B",x,,,,\n'
    (folder / "papers.csv").write_text(head + rows, encoding="utf-8")
    settings = folder / "settings.yaml"
    settings.write_text(settings.read_text().replace("[grace-okafor]", "[anna-lindqvist, grace-okafor, grace-okafor]"))
    findings = load_registry(folder)[1]
    assert {(f.line, f.key) for f in findings if f.file == "papers.csv"} == {(2, "doi"), (3, "kind"), (4, "year")}
    assert [f.key for f in findings if f.rule == "core_order_invalid"] == [
        "authors.core_order.0", "authors.core_order.2",
    ]  # fmt: skip
