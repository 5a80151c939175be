"""Authors: who is one person, in which order, frozen, and the same people in every format that journals read."""

import csv
import datetime as dt
import io
import json
import random
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import builders
import hypothesis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt
from named import DAY, made, taken, with_order
from pybtex.database import parse_string
from pylatexenc.latexwalker import LatexCharsNode, LatexCommentNode, LatexGroupNode, LatexMacroNode, LatexWalker
from third_party import BEHIND, run_with

from aqqua_dataset import cli
from aqqua_dataset.findings import Finding
from aqqua_dataset.privacy import EMAIL
from aqqua_dataset.registry.models import (
    Attribution,
    Contributor,
    Funding,
    Institution,
    Paper,
    Permission,
    PermissionKind,
    Registry,
)
from aqqua_dataset.release import escape, invitations, people, snapshot
from aqqua_dataset.release.authors import render
from aqqua_dataset.release.facts import Draft
from aqqua_dataset.release.thanks import nearly_equal, thanks
from aqqua_dataset.warehouse import Warehouse

LABEL = Draft("author list of 2027-05-31")
GROUP = "Test Data Provider Consortium"


@pytest.fixture
def folder(tmp_path: Path, registry_folder: Path) -> Path:
    """A copy of the example registry that a test may change."""
    return Path(shutil.copytree(registry_folder, tmp_path / "registry"))


HEAD = "person,other,decision,decided_by,decided_on,why\n"


# --- order and numbers


def names(authors: tuple[people.Author, ...]) -> list[str]:
    return [a.name for a in authors]


FAMILIES = [
    "Ábel", "Åberg", "Æsir", "Durr", "Dürr", "Łukasz", "Müller", "Nowak", "Øster", "Šimek", "de Vargas", "Zorn",
    "Иванов", "李",
]  # fmt: skip


@pytest.mark.parametrize(("particle_sorts", "after"), [(True, "Æsir"), (False, "Šimek")])
def test_names_are_collated_and_the_particle_counts_as_the_settings_say(particle_sorts: bool, after: str) -> None:
    found = [
        builders.person(f"p{n}", given="Kim", family=name.removeprefix("de "), particle="de" if "de " in name else None)
        for n, name in enumerate(random.Random(3).sample(FAMILIES, len(FAMILIES)))
    ]
    registry = with_order(made(found, {"all": tuple(p.id for p in found)}), particle_sorts=particle_sorts)
    printed = [a.family for a in people.author_list(registry, ["all"]).members]
    assert printed[printed.index("de Vargas") - 1] == after
    without = [f for f in FAMILIES if f != "de Vargas"]
    assert [f for f in printed if f != "de Vargas"] == without


def policies() -> Registry:
    person = builders.person
    found = [
        person("zoe-core", core_team=True), person("yan-core", core_team=True), person("ada-owner"),
        person("bo-owner"), person("cy-shy", consent="consortium_only"), person("di-thanked",
        consent="acknowledge_only"), person("ed-hidden", consent="anonymous"),
    ]  # fmt: skip
    registry = made(found, {"one": ("ada-owner", "cy-shy", "di-thanked", "ed-hidden"), "two": ("bo-owner",)})
    early = registry.contributions["two"].model_copy(
        update={"permissions": (Permission(id="model-release", date=dt.date(2020, 1, 1)),)}
    )
    return registry.model_copy(update={"contributions": registry.contributions | {"two": early}})


@pytest.mark.parametrize(
    ("policy", "core", "members"),
    [
        ({"order": "core_then_alphabetical"}, ["Yan Core", "Zoe Core"], ["Ada Owner", "Bo Owner", "Cy Shy"]),
        ({"core_order": ("zoe-core",)}, ["Zoe Core", "Yan Core"], ["Ada Owner", "Bo Owner", "Cy Shy"]),
        ({"order": "alphabetical"}, ["Yan Core", "Zoe Core", "Ada Owner", "Bo Owner"], ["Cy Shy"]),
        ({"order": "by_contribution_images"}, ["Bo Owner", "Ada Owner", "Yan Core", "Zoe Core"], ["Cy Shy"]),
        ({"order": "by_first_permission_date"}, ["Bo Owner", "Ada Owner", "Yan Core", "Zoe Core"], ["Cy Shy"]),
    ],
)
def test_order_policies(policy: dict[str, Any], core: list[str], members: list[str]) -> None:
    authors = people.author_list(with_order(policies(), **policy), ["one", "two"], {"one": 5, "two": 7})
    assert names(authors.core) == core
    assert names(authors.members) == members
    assert names(authors.acknowledged) == ["Di Thanked"]


def test_affiliations_are_numbered_by_first_appearance_and_unused_ones_have_no_number() -> None:
    person = builders.person
    found = [
        person("ada-a", affiliations=("institute-two-again", "institute-three")),
        person("bo-b", affiliations=("institute-one", "institute-two", "institute-three-again")),
    ]
    authors = people.author_list(made(found, {"one": ("bo-b", "ada-a")}), ["one"])
    assert [i.name for i in authors.institutions] == ["INSTITUTE two again", "Institute Three", "Institute One"]
    assert [a.affiliations for a in authors.members] == [(1, 2), (3, 1, 2)]


def test_country_names_are_those_that_papers_write() -> None:
    assert [people.country(c) for c in ("DE", "GB", "KR", "TR", "ZZ")] == [
        "Germany", "United Kingdom", "South Korea", "Turkey", "ZZ",
    ]  # fmt: skip


# --- the snapshot


def test_a_snapshot_survives_its_file_and_a_changed_file_is_refused() -> None:
    taken_now = taken(policies())
    text = taken_now.to_json()
    assert snapshot.read_snapshot(text) == taken_now
    assert json.loads(text)["hash"] == taken_now.hash
    for old, new in (("Ada", "Eve"), ('"cut_off": "2027-05-31"', '"cut_off": "2027-06-01"')):
        assert old in text
        with pytest.raises(ValueError, match="changed after it was frozen"):
            snapshot.read_snapshot(text.replace(old, new))
    for broken in ("", "[]", "{}", '{"hash": "x"}', text.replace('"given"', '"e-mail"')):
        with pytest.raises(ValueError, match="expected a frozen author list"):
            snapshot.read_snapshot(broken)


def test_the_snapshot_does_not_depend_on_any_order_and_says_which_input_changed() -> None:
    registry = policies()
    turned = registry.model_copy(
        update={k: dict(reversed(getattr(registry, k).items())) for k in ("people", "institutions", "contributions")}
    )
    assert taken(turned).to_json() == taken(registry).to_json()
    moved = registry.people["ada-owner"].model_copy(update={"affiliations": ("institute-three",)})
    other = taken(registry.model_copy(update={"people": registry.people | {"ada-owner": moved}}))
    changed = {k for k, v in taken(registry).inputs.items() if other.inputs[k] != v}
    assert changed == {"people"}
    assert snapshot.changes(taken(registry), other) == [
        "order, affiliations, ORCID iDs or contributions of the same people changed"
    ]


def test_what_was_agreed_after_the_last_call_credits_nobody() -> None:
    registry = policies()
    late = tuple(Permission(id=p, date=dt.date(2027, 6, 1)) for p in builders.MANDATORY)
    two = registry.contributions["two"].model_copy(update={"permissions": late})
    found = taken(registry.model_copy(update={"contributions": registry.contributions | {"two": two}}))
    assert found.after_cut_off == ("two",)
    assert [c.id for c in found.contributions] == ["one"]
    assert "Bo Owner" not in "".join(render(found, LABEL).values())


def test_nothing_of_those_who_stay_unnamed_is_in_any_file() -> None:
    files = render(taken(policies()), LABEL)
    for name, text in files.items():
        assert "Hidden" not in text, name
        assert "ed-hidden" not in text, name
    inside = [name for name, text in files.items() if "Thanked" in text]
    assert sorted(inside) == [
        "acknowledgements.txt", "author_list_snapshot.json", "authors.csv", "authors.jats.xml", "authors.md",
        "latex/authblk-back.tex", "latex/copernicus-back.tex", "latex/springer-back.tex",
    ]  # fmt: skip
    assert "Thanked" not in files["latex/copernicus-back.tex"].split(r"\begin{acknowledgements}")[0]


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("title", {"title": "Nets of E. HIDDEN"}),
        ("attribution.text", {"attribution": Attribution(state="given", text="Ed Hídden and friends")}),
        ("attribution.acknowledgement", {"attribution": Attribution(state="waived", acknowledgement="Dank, Hidden!")}),
        ("attribution.copyright_notice", {"attribution": Attribution(state="waived", copyright_notice="© Hidden")}),
    ],
)
def test_published_words_that_name_an_anonymous_owner_stop_the_freeze(key: str, change: dict[str, Any]) -> None:
    registry = policies()
    one = registry.contributions["one"].model_copy(update=change)
    named = registry.model_copy(update={"contributions": registry.contributions | {"one": one}})
    with pytest.raises(snapshot.FreezeRefused) as refused:
        snapshot.freeze(named, {"one": 1}, DAY, [])
    assert [(f.rule, f.contribution, f.key) for f in refused.value.findings] == [("anonymous_named", "one", key)]
    assert "idden" not in str(refused.value).replace("contributions/one.yaml", "")
    assert snapshot.freeze(registry, {"one": 1, "two": 1}, DAY, []).authors.core


@pytest.mark.parametrize(
    ("title", "severity"),
    [("Hidden Bay nets", "warning"), ("Nets, Hidden E.", "error"), ("Ed Hidden", "error"), ("Hiddenness", None)],
)
def test_a_family_name_in_a_title_may_be_a_word_like_any_other(title: str, severity: str | None) -> None:
    registry = policies()
    one = registry.contributions["one"].model_copy(update={"title": title})
    named = registry.model_copy(update={"contributions": registry.contributions | {"one": one}})
    found = snapshot.freeze_problems(named, {"one": 1}, [])
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_a_pair_without_a_decision_fails_the_freeze() -> None:
    twice = Finding("person_twice", "warning", "same name as ada-owner", file="people/ada-two.yaml", value="ada-two")
    with pytest.raises(snapshot.FreezeRefused) as refused:
        snapshot.freeze(policies(), {"one": 1}, DAY, [twice])
    assert [(f.rule, f.severity) for f in refused.value.findings] == [("person_undecided", "error")]


# --- the same people everywhere, whatever their names

NASTY = {
    "given": r"Bobby\input{/etc/passwd}", "family": "<script>alert(1)</script> & Sons, and Co_50%",
    "particle": "=cmd|' /C calc'!A0", "suffix": "}$^~#\u202e\x07", "affiliations": ("hostile",),
}  # fmt: skip


def hostile() -> Registry:
    person = builders.person
    found = [
        person("bobby-tables", core_team=True, **NASTY),
        person("claire-vallon", particle="de", orcid="0000-0000-0000-0132", affiliations=("institute-two", "hostile")),
        person("jo-mueller", given="Jo\u0308rg", family="Mu\u0308ller", suffix="Jr.", consent="consortium_only"),
        person("at-sign", given="@SUM(1+1)", family="-2+3", affiliations=()),
        person("wang-li", given="李", family="王", affiliations=("institute-three",)),
        person("tom-thanked", given='Tom "T"', family="*Thanked* [x](javascript:alert(1))", consent="acknowledge_only"),
    ]
    registry = made(found, {"one": tuple(p.id for p in found), "two": ("wang-li",)})
    grant = Funding(funder="Fund {of} 100% & <b>more</b>", award_number="A_1#2", award_title="=1+1")
    words = Attribution(
        state="given", text="=HYPERLINK(1)", acknowledgement="Thanks to \\jobname\n% and <img src=x onerror=y>",
        cite_dois=("10.1234/A_b(1)", "10.1234/a_b(1)", "10.1234/known"), funding=(grant, grant),
    )  # fmt: skip
    known = Paper(
        doi="10.1234/Known", kind="article", title="50% of {x} & y_z", authors="Vallon, Claire de; {A and B Group}",
        year=2020, container="J. of #1",
    )  # fmt: skip
    place = Institution(id="hostile", name=r"Inst. \write18{rm} <b>1</b>", city="=Kiel & Co", country="DE")
    one = registry.contributions["one"].model_copy(update={"attribution": words})
    return registry.model_copy(
        update={
            "contributions": registry.contributions | {"one": one},
            "institutions": registry.institutions | {"hostile": place},
            "papers": (known,),
        }
    )


REGISTRY = hostile()
SNAPSHOT = taken(REGISTRY)
FILES = render(SNAPSHOT, LABEL)
BOBBY = r"Bobby\input{/etc/passwd} =cmd|' /C calc'!A0 <script>alert(1)</script> & Sons, and Co_50% }$^~#"
CORE = {BOBBY}
MEMBERS = {"Claire de Vallon", "Jörg Müller Jr.", "@SUM(1+1) -2+3", "李 王"}
THANKED = 'Tom "T" *Thanked* [x](javascript:alert(1))'


def test_the_csv_names_everybody_and_holds_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(FILES["authors.csv"])))
    found = {
        " ".join(r[k].removeprefix("'") for k in ("given", "particle", "family", "suffix") if r[k])
        for r in rows
        if r["role"] != "acknowledged"
    }
    assert found == CORE | MEMBERS
    for name in ("authors.csv", "funding.csv", "references-to-complete.csv"):
        cells = [cell for row in csv.reader(io.StringIO(FILES[name])) for cell in row]
        assert cells
        assert not [c for c in cells if c.lstrip()[:1] in tuple("=+-@＝＋－＠") and c], name


class Texts(HTMLParser):
    """Tags and texts of a page, each list entry as one."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: set[str] = set()
        self.items: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses |= {value or "" for name, value in attrs if name in ("href", "src")}
        if tag in ("li", "p", "h1", "h2", "dd"):
            self.items.append("")

    def handle_data(self, data: str) -> None:
        if self.items:
            self.items[-1] += data


def test_markdown_renders_to_the_names_and_no_other_markup() -> None:
    page = Texts(MarkdownIt("commonmark", {"html": True}).render(FILES["authors.md"]))
    assert page.tags <= {"h1", "h2", "ul", "li", "ol", "p"}
    found = {re.sub(r"( \([\d, ]+\))?(, https://orcid.org/\S+)?$", "", item.strip()) for item in page.items}
    assert CORE | MEMBERS | {THANKED} <= found


#: Only these may be in the files; what else looks like a command came out of somebody's text.
COMMANDS = {
    "Author", "affil", "author", "teamlist", "financialsupport", "textsuperscript", "fnm", "spfx", "sur", "sfx",
    "orcidlink", "orgname", "orgaddress", "city", "country", "bmhead", "section",
}  # fmt: skip
LETTERS = {
    "textbackslash": "\\", "textbraceleft": "{", "textbraceright": "}", "textasciitilde": "~", "textless": "<",
    "textasciicircum": "^", "textgreater": ">", "textbar": "|", "textquotedbl": '"',
    "textasciigrave": "`", "&": "&", "%": "%", "$": "$",
    "#": "#", "_": "_",
}  # fmt: skip


def read_latex(nodes: Any) -> str:
    """What LaTeX would print, by pylatexenc's parser; fails at any command that isn't expected."""
    text = ""
    for node in nodes or []:
        if isinstance(node, LatexCharsNode):
            assert not set("&%$#_^~{}\\") & set(node.chars), node.chars
            text += node.chars
        elif isinstance(node, LatexMacroNode):
            assert node.macroname in COMMANDS | LETTERS.keys(), node.macroname
            text += LETTERS.get(node.macroname, "\n") + node.macro_post_space
            text += read_latex(node.nodeargd.argnlist) if node.nodeargd else ""
        elif isinstance(node, LatexGroupNode):
            inside = read_latex(node.nodelist)
            text += f"{inside} " if inside else ""
        elif node is not None:
            assert isinstance(node, LatexCommentNode) or node.environmentname == "acknowledgements", node
            text += "" if isinstance(node, LatexCommentNode) else read_latex(node.nodelist)
    return text


@pytest.mark.parametrize("journal", ["copernicus", "springer", "authblk"])
def test_latex_prints_everybody_and_runs_nothing(journal: str) -> None:
    front, back = (FILES[f"latex/{journal}-{part}.tex"] for part in ("front", "back"))
    printed = [read_latex(LatexWalker(t, tolerant_parsing=False).get_latex_nodes()[0]) for t in (front, back)]
    flat = [" ".join(text.split()) for text in printed]
    core, members = ({re.sub(r"\s+", " ", name) for name in group} for group in (CORE, MEMBERS))
    assert all(name in flat[0] for name in core), flat[0]
    assert all(name in flat[1] for name in members), flat[1]
    assert GROUP in flat[0]
    assert "Inst. \\write18{rm} <b>1</b>" in flat[0]
    assert THANKED in flat[1]
    assert "Thanks to \\jobname % and <img src=x onerror=y>" in flat[1]
    assert front.count("\\affil[") == len(SNAPSHOT.authors.institutions)
    assert not [line for line in back.splitlines() if line.startswith("%") and "wang" in line]


#: What means something in LaTeX, HTML, Markdown or a spreadsheet, and letters that need care.
SIGNS = list("\\{}&%$#_~^<>|\"'`*[]()!=+-@.,;:/1 aé李\u200b\u202e\n\t")


@hypothesis.settings(max_examples=100)
@given(st.text(st.sampled_from(SIGNS), max_size=30) | st.text())
def test_any_text_stays_text(text: str) -> None:
    line = escape.one_line(text)
    parsed = read_latex(LatexWalker(escape.latex(text), tolerant_parsing=False).get_latex_nodes()[0])
    assert parsed == line
    assert "".join(ET.fromstring(f"<p a='{escape.markup(text)}'>{escape.markup(text)}</p>").itertext()) == line
    for place in ("- {}", "## {}", "{}"):
        page = Texts(MarkdownIt("commonmark", {"html": True}).render(place.format(escape.markdown(text))))
        assert page.tags <= {"ul", "li", "h2", "p"}
        assert "".join(page.items).rstrip("\n") == line
    cell = escape.csv_cell(line)
    assert isinstance(cell, str)
    assert not re.match(r"\s*[=+@＝＋－＠-]", cell)


def test_the_jats_holds_everybody_in_the_group_and_no_markup_of_theirs() -> None:
    root = ET.fromstring(FILES["authors.jats.xml"])

    def read(contrib: ET.Element) -> str:
        parts = [contrib.findtext(f"name/{p}") for p in ("given-names", "surname", "suffix")]
        return " ".join(filter(None, parts))

    outer = root.findall("front/article-meta/contrib-group/contrib")
    assert {read(c) for c in outer if c.find("name") is not None} == CORE
    assert {read(c) for c in root.iterfind(".//collab/contrib-group/contrib")} == MEMBERS
    collab = root.find(".//collab")
    assert collab is not None
    assert (collab.text or "").strip() == GROUP
    ids = [a.get("id") for a in root.iter("aff")]
    assert {x.get("rid") for x in root.iter("xref")} <= set(ids)
    assert len(ids) == len(set(ids)) == len(SNAPSHOT.authors.institutions)
    assert root.find(".//img") is None
    assert THANKED in "".join(root.find("back").itertext())  # type: ignore[union-attr]
    newer = ET.fromstring(render(SNAPSHOT, LABEL, "1.4")["authors.jats.xml"])
    assert newer.findtext(".//collab-wrap/collab-name") == GROUP
    assert {read(c) for c in newer.iterfind(".//collab-wrap/contrib-group/contrib")} == MEMBERS


def test_the_jats_is_valid_by_the_publishers_schema() -> None:
    script = 'from importlib.resources import files; print(files("commonmeta") / "resources/crossref")'
    folder = Path(run_with("commonmeta", BEHIND + script).strip())
    schema = etree.XMLSchema(etree.parse(folder / "JATS-journalpublishing1-3d2-mathml3.xsd"))
    plain = builders.registry(builders.contribution("one", None))
    for found in (SNAPSHOT, taken(plain), snapshot.take_snapshot(plain, {}, DAY)):
        root = etree.fromstring(render(found, LABEL)["authors.jats.xml"].encode())
        # Crossref's edition of the schema has a namespace, which JATS itself has not, and names its draft.
        for element in root.iter():
            element.tag = f"{{http://www.ncbi.nlm.nih.gov/JATS1}}{element.tag}"
        root.set("dtd-version", "1.3d2")
        clean = etree.fromstring(etree.tostring(root))
        assert schema.validate(clean), schema.error_log
    clean.find(".//{*}article-meta").append(etree.SubElement(clean, "{http://www.ncbi.nlm.nih.gov/JATS1}nonsense"))
    assert not schema.validate(clean)


def test_the_bibliography_is_read_by_pybtex() -> None:
    entries = parse_string(FILES["references.bib"], "bibtex").entries
    assert list(entries) == ["aqqua-dataset", "doi:10.1234/a+5f+b+28+1+29+", "doi:10.1234/known"]
    authors = entries["aqqua-dataset"].persons["author"]
    assert len(authors) == 2
    assert str(authors[1]) == f"{{{GROUP}}}"
    assert entries["doi:10.1234/a+5f+b+28+1+29+"].fields["doi"] == "10.1234/a_b(1)"
    known = entries["doi:10.1234/known"]
    assert [str(p) for p in known.persons["author"]] == ["Vallon, Claire de", "{A and B Group}"]
    assert known.fields["title"] == r"{50\% of \textbraceleft{}x\textbraceright{} \& y\_z}"
    rows = list(csv.DictReader(io.StringIO(FILES["references-to-complete.csv"])))
    assert rows == [{"doi": "10.1234/a_b(1)", "contributions": "one", "release": "author list of 2027-05-31"}]


def test_all_files_are_made_from_the_same_people() -> None:
    again = snapshot.read_snapshot(FILES["author_list_snapshot.json"])
    assert {a.name for a in again.authors.core} == CORE
    assert {a.name for a in again.authors.members} == MEMBERS
    assert {a.name for a in again.authors.acknowledged} == {THANKED}
    assert render(again, LABEL) == FILES


# --- thanks, grants, invitations


def test_thanks_are_kept_word_for_word_once_and_near_ones_reported() -> None:
    registry = made([builders.person("ada-a")], dict.fromkeys(["a", "b", "c", "d"], ("ada-a",)))
    words = {"a": "We thank the  crew.", "b": "We thank the\ncrew.", "c": "we thank the crew", "d": "Dank"}
    grants = {
        "a": (Funding(funder="Sea Fund", ror="05dxps055", award_number="S-1"),),
        "b": (Funding(funder="SEA FUND", ror="https://ror.org/05dxps055", award_number="s-1"),),
        "c": (Funding(funder="Sea Fund", ror="05dxps055", award_number="S-2"), Funding(funder="Ada's")),
        "d": (),
    }
    contributions = {
        n: c.model_copy(
            update={"attribution": Attribution(state="waived", acknowledgement=words[n], funding=grants[n])}
        )
        for n, c in registry.contributions.items()
    }
    found = taken(registry.model_copy(update={"contributions": contributions}))
    assert [(t.text, t.contributions) for t in thanks(found)] == [
        ("We thank the crew.", ("a", "b")), ("we thank the crew", ("c",)), ("Dank", ("d",)),
    ]  # fmt: skip
    assert [[t.contributions for t in group] for group in nearly_equal(found)] == [[("a", "b"), ("c",)]]
    text = render(found, LABEL)["acknowledgements.txt"]
    assert "We thank the crew.\n[a, b]" in text
    assert text.endswith("Funding: Ada's; Sea Fund (grants S-1, S-2).\n")
    rows = list(csv.DictReader(io.StringIO(render(found, LABEL)["funding.csv"])))
    assert [(r["award_number"], r["contributions"]) for r in rows] == [("", "c"), ("S-1", "a; b"), ("S-2", "c")]


def test_owners_are_invited_by_their_permissions_and_not_against_their_will() -> None:
    registry = policies()
    kinds = (
        PermissionKind(id="model-development", title="m", mandatory=True, invites_to="model paper"),
        *(PermissionKind(id=p, title=p, mandatory=True) for p in builders.MANDATORY[1:]),
        PermissionKind(id="global-distribution", title="g", mandatory=False, invites_to="distribution papers"),
    )
    three = builders.contribution(
        "three", None, owners=("bo-owner", "zoe-core"), contributors=(Contributor(person="ada-owner", type="Other"),),
        permissions=(Permission(id="global-distribution", date=DAY), Permission(id="model-development", date=DAY)),
    )  # fmt: skip
    registry = registry.model_copy(
        update={
            "settings": registry.settings.model_copy(update={"permissions": kinds}),
            "contributions": registry.contributions | {"three": three},
        }
    )
    found = invitations.invitations(registry, people.author_list(registry, ["one", "two", "three"]))
    assert [(i.paper, i.author.name, i.contributions) for i in found.invited] == [
        ("model paper", "Zoe Core", ("three",)), ("model paper", "Ada Owner", ("one",)),
        ("model paper", "Bo Owner", ("three",)), ("model paper", "Cy Shy", ("one",)),
        ("distribution papers", "Zoe Core", ("three",)), ("distribution papers", "Bo Owner", ("three",)),
    ]  # fmt: skip
    assert found.declined == 2
    rows = list(csv.DictReader(io.StringIO(invitations.invitations_csv(found, {"bo-owner": "bo@example.org"}))))
    assert [r["addresses"] for r in rows] == ["", "", "bo@example.org", "", "", "bo@example.org"]


# --- the command line


def run(folder: Path, tmp_path: Path, *arguments: str) -> int:
    return cli.main([*arguments, "--registry", str(folder), "--warehouse", str(tmp_path / "warehouse")])


def test_from_suggestion_to_frozen_list_to_manuscript(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "id: b-ase\ngiven: B.\nfamily: Ase\nconsent: author\nconsent_date: 2025-08-01\naffiliations: [{}]\n"
    (folder / "people/b-ase.yaml").write_text(text.format("kattegat-marine-station"), encoding="utf-8")
    freeze = ("authors", "freeze", "--cut-off", "2027-05-31", "--expected")
    assert run(folder, tmp_path, *freeze) == 1
    assert "b-ase" in capsys.readouterr().out
    assert not (tmp_path / "warehouse").exists()
    table = tmp_path / "pairs.csv"
    assert run(folder, tmp_path, "authors", "suggestions", "--output", str(table)) == 0
    (row,) = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8")))
    assert (row["person"], row["other"], row["decision"]) == ("b-ase", "bjorn-aase", "")
    row |= {"decision": "different", "decided_by": "grace-okafor", "decided_on": "2027-05-20", "why": "asked both"}
    (folder / "people_decisions.csv").write_text(HEAD + ",".join(row.values()) + "\n", encoding="utf-8")
    assert run(folder, tmp_path, *freeze) == 0
    assert run(folder, tmp_path, *freeze) == 0
    (folder / "people/elif-yildirim.yaml").write_text(
        (folder / "people/elif-yildirim.yaml").read_text().replace("consent: author", "consent: anonymous")
    )
    capsys.readouterr()
    assert run(folder, tmp_path, *freeze) == 0
    assert "gone: Elif Yıldırım (consortium)" in capsys.readouterr().out
    assert run(folder, tmp_path, "authors", "render", "--output", str(tmp_path / "paper")) == 0
    paper = {p.relative_to(tmp_path / "paper").as_posix(): p.read_text() for p in (tmp_path / "paper").rglob("*.*")}
    assert set(paper) == set(FILES)
    assert all("Yıldırım" not in text for text in paper.values())
    invited = tmp_path / "invited.csv"
    assert run(folder, tmp_path, "authors", "invitations", "--expected", "--output", str(invited)) == 0
    assert "anna@example.org" in invited.read_text()
    assert not EMAIL.search("".join(paper.values()))
    with (tmp_path / "warehouse/authors/author_list_snapshot.json").open("a") as stream:
        stream.write(" x")
    assert run(folder, tmp_path, "authors", "render", "--output", str(tmp_path / "paper")) == 1


def test_the_freeze_credits_what_the_newest_release_published(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse = Warehouse(str(tmp_path / "warehouse"))
    rows = {"contribution_id": ["boknis-ifcb-2021", "gone-2019"], "images_credited": [24, 1]}
    table = pa.table(rows)
    warehouse.write_parquet("releases/public/v0.1.0-rehearsal/attribution.parquet", table, table.schema)
    warehouse.write_bytes("releases/public/v0.1.0-rehearsal/RELEASED.json", b"{}")
    assert run(folder, tmp_path, "authors", "freeze", "--cut-off", "2027-05-31") == 0
    assert "gone-2019" in capsys.readouterr().err
    frozen = snapshot.frozen_list(warehouse)
    assert frozen is not None
    assert [(c.id, c.images) for c in frozen.contributions] == [("boknis-ifcb-2021", 24)]
    assert names(frozen.authors.core) == ["Grace Okafor", "Franz Mühlberg"]
    assert names(frozen.authors.members) == ["Dmitri Orlov"]


def test_without_a_release_the_freeze_says_what_to_do(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, tmp_path, "authors", "freeze", "--cut-off", "2027-05-31") == 1
    assert "aqqua release build --rehearsal" in capsys.readouterr().err
    assert run(folder, tmp_path, "authors", "render", "--output", str(tmp_path / "paper")) == 1
    assert "aqqua authors freeze" in capsys.readouterr().err
