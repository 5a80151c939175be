"""Credit: which licence an item keeps, what a pending credit line does, and pages whose words stay words."""

import csv
import datetime as dt
import io
import re
from typing import Any

import builders
import pytest
from chromium import widths
from markdown_it import MarkdownIt
from named import made, taken
from pages import Page

from aqqua_dataset import schema
from aqqua_dataset.registry.identifiers import is_spdx_like
from aqqua_dataset.registry.licences import item_licence
from aqqua_dataset.registry.models import Attribution, Contribution, Funding, Registry, Source
from aqqua_dataset.release import attribution, author_tables, pages
from aqqua_dataset.release.facts import ReleaseFacts

HOSTILE = '<img src=x onerror=alert(1)> "q" & {b} \u202e*b* [x](javascript:alert(2)) =1+1'
WORDS = '<img src=x onerror=alert(1)> "q" & {b} *b* [x](javascript:alert(2)) =1+1'


def facts(**changes: Any) -> ReleaseFacts:
    values: dict[str, Any] = {
        "version": "1.0.0", "view": "public", "date": dt.date(2027, 7, 15), "rehearsal": False, "images": {},
        "instruments": {}, "image_bytes": 0, "box": None, "first_sampled": None, "last_sampled": None,
    }  # fmt: skip
    return ReleaseFacts(**(values | changes))


def registry(**changes: Any) -> Registry:
    """One contribution of two owners, one of whom stays anonymous, and somebody to acknowledge."""
    found = [
        builders.person("ada-owner", orcid="0000-0000-0000-0159"),
        builders.person("ed-hidden", consent="anonymous"),
        builders.person("di-thanked", consent="acknowledge_only"),
    ]
    owners = ("ada-owner", "ed-hidden", "di-thanked")
    one = builders.contribution("one", None, owners=owners, **changes)
    return made(found, {}).model_copy(update={"contributions": {"one": one}})


def row(using: Registry, about: ReleaseFacts | None = None) -> dict[str, object]:
    return attribution.attribution_rows(using, about or facts(), {"one": 3})[0]


def page(using: Registry, about: ReleaseFacts | None = None) -> str:
    about = about or facts()
    ((path, text),) = pages.credit_pages(taken(using), [row(using, about)], about)
    assert path == row(using)["credit_page"] == "contributions/one.html"
    return text


def copy_under(licence: str | None, **changes: Any) -> Contribution:
    source = Source(location="x", url="https://example.org/x", licence=licence, licence_seen=dt.date(2026, 1, 2))
    return builders.contribution("one", None, owners=("ada-owner",), source=source, **changes)


# --- licences


#: The decision table for public data without a signature, by the licence texts: what is kept, and what stays out.
UNSIGNED = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/legalcode",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/legalcode",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/legalcode",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
    "CC-BY-SA-4.0": None,
    "CC-BY-NC-SA-4.0": None,
    "CC-BY-ND-4.0": None,
    "CC-BY-NC-ND-4.0": None,
    "LicenseRef-AllRightsReserved": None,
    "NOASSERTION": None,
    "OGL-UK-3.0": None,
    "etalab-2.0": None,
    "ODbL-1.0": None,
    "CC-BY-NC 4.0": None,
    "unheard-of": None,
    None: None,
}


@pytest.mark.parametrize("licence", UNSIGNED)
def test_a_signed_form_grants_the_releases_licence_and_a_public_copy_keeps_its_own(licence: str | None) -> None:
    using = made([builders.person("ada-owner")], {})
    signed = item_licence(using, copy_under(licence))
    assert signed is not None
    assert (signed.spdx, signed.signed) == ("CC-BY-NC-4.0", True)
    for spelling in {licence, licence.lower() if licence else None}:
        kept = item_licence(using, copy_under(spelling, permissions=(), form_id=None, form=None))
        expected = UNSIGNED[licence]
        assert (kept and (kept.spdx, kept.url, kept.signed)) == (expected and (licence, expected, False))


def test_the_licences_are_ids_and_every_decision_has_a_reason() -> None:
    table = schema.vocabulary("licences.csv")
    assert set(table["unsigned"]) == {"keep", "out", "review"}
    assert table["spdx"].map(is_spdx_like).all()
    assert table["spdx"].is_unique
    assert (table["why"] != "").all()
    assert table.loc[table["unsigned"] == "keep", "url"].str.startswith("https://").all()
    assert not table.loc[table["spdx"].str.contains("-SA|-ND"), "unsigned"].eq("keep").any()


def test_the_attribution_says_which_licence_and_on_what_it_rests() -> None:
    copy = copy_under("CC-BY-4.0", permissions=(), form_id=None, form=None)
    using = made([builders.person("ada-owner")], {}).model_copy(update={"contributions": {"one": copy}})
    found = row(using)
    assert (found["licence_spdx"], found["permission_type"]) == ("CC-BY-4.0", "public_licence")
    assert (found["source_licence_spdx"], found["source_licence_seen"]) == ("CC-BY-4.0", dt.date(2026, 1, 2))
    assert "CC-BY-4.0 (https://creativecommons.org/licenses/by/4.0/legalcode), of the public copy" in (
        attribution.attribution_markdown([found], facts())
    )
    assert "of the public copy; no form was signed" in Page(page(using)).words


# --- pending


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (Attribution(state="given", text="Ada"), None),
        (Attribution(state="waived"), None),
        (Attribution(state="pending", fallback_agreed=dt.date(2027, 5, 1)), None),
        (Attribution(state="pending"), "attribution_pending"),
        (Attribution(state="pending", text="a draft"), "attribution_pending"),
        (Attribution(state="given"), "attribution_text_missing"),
    ],
)
def test_nothing_is_published_before_the_owner_said_how(given: Attribution, rule: str | None) -> None:
    found = list(attribution.attribution_problems(registry(attribution=given), ["one"]))
    assert [f.rule for f in found] == ([rule] if rule else [])
    assert all((f.severity, f.contribution, f.file) == ("error", "one", "contributions/one.yaml") for f in found)


def test_a_pending_line_names_who_may_be_named_and_says_that_it_is_pending() -> None:
    using = registry(attribution=Attribution(state="pending", text="a draft"))
    found, words = row(using), Page(page(using)).words
    assert found["attributed_to"] == "Data provided by Ada Owner, Di Thanked, Institute One"
    assert "still to come" in words
    assert "a draft" not in words


# --- pages and files


def test_the_page_says_all_that_has_to_be_said_and_names_nobody_against_their_will() -> None:
    given = Attribution(
        state="given", text="A. Owner\nand crew", copyright_notice="© 2020 Ada", acknowledgement="Thanks",
        cite_dois=("10.1234/a", "10.1234/b"), funding=(Funding(funder="Sea Fund", award_number="S-1"),),
    )  # fmt: skip
    source = Source(location="x", url="https://example.org/nets?a=1&b=2", retrieved=dt.date(2026, 1, 2))
    using = registry(attribution=given, source=source)
    found = Page(page(using))
    assert found.problems == []
    for words in (
        "Contribution one", "A. Owner and crew", "© 2020 Ada", "Thanks", "Sea Fund, S-1", "10.1234/a", "10.1234/b",
        "Ada Owner (Institute One) https://orcid.org/0000-0000-0000-0159", "Di Thanked", "CC-BY-NC-4.0", "3 images",
        "2026-01-02", "pixels unchanged",
    ):  # fmt: skip
        assert words in found.words, words
    assert "idden" not in page(using)
    assert set(found.addresses) == {
        "../index.html", "../attribution.csv", "https://orcid.org/0000-0000-0000-0159", "https://doi.org/10.1234/a",
        "https://doi.org/10.1234/b", "https://example.org/nets?a=1&b=2", "https://ror.org/02h2x0161",
        using.settings.licence_url,
    }  # fmt: skip
    assert not {"script", "img", "iframe", "form", "link", "object"} & set(found.elements)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        (facts(), None),
        (facts(rehearsal=True, version="1.0.0-rehearsal"), "This is a rehearsal"),
        (facts(view="internal"), "This is the internal view"),
    ],
)
def test_a_page_that_licenses_nothing_says_so(about: ReleaseFacts, says: str | None) -> None:
    words = Page(page(registry(), about)).words
    assert ("Nothing in it is licensed" in words) is (says is not None)
    assert (says or "") in words
    assert (about.mark.strip() in words) is about.rehearsal or not about.mark


def hostile() -> Registry:
    given = Attribution(
        state="given", text=HOSTILE, copyright_notice=HOSTILE, acknowledgement=f"# {HOSTILE}\n- {HOSTILE}",
        funding=(Funding(funder=HOSTILE),),
    )  # fmt: skip
    source = Source(location="x", url="javascript:alert(3)", dataset_id=HOSTILE)
    using = registry(attribution=given, source=source, title=f"= {HOSTILE}")
    evil = using.people["ada-owner"].model_copy(update={"family": HOSTILE})
    return using.model_copy(update={"people": using.people | {"ada-owner": evil}})


def test_hostile_words_are_words_on_the_page() -> None:
    found = Page(page(hostile()))
    assert found.problems == []
    assert not {"script", "img", "iframe"} & set(found.elements)
    assert not [a for a in found.addresses if not a.startswith(("https://", "../"))]
    assert found.words.count(WORDS) >= 6
    assert "\u202e" not in page(hostile())


def test_hostile_words_are_words_in_markdown() -> None:
    text = attribution.attribution_markdown([row(hostile())], facts())
    found = Page(MarkdownIt("commonmark", {"html": True}).render(text))
    assert set(found.elements) <= {"h1", "h2", "ul", "li", "a", "p"}
    assert set(found.addresses) == {"contributions/one.html"}
    assert found.words.count(WORDS) == 6
    assert found.elements.count("h2") == 1


def test_hostile_words_are_no_formula_in_a_spreadsheet() -> None:
    found = row(hostile())
    text = author_tables.csv_text(found, [found.values()])
    cells = next(csv.DictReader(io.StringIO(text)))
    assert cells["title"] == f"'= {WORDS}"
    assert not [c for c in cells.values() if re.match(r"\s*[=+@-]", c)]
    assert cells["images_credited"] == "3"


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_a_phone_and_a_desk(width: int) -> None:
    needed, available, wide = widths(page(hostile()), width)
    assert needed <= available, wide
    assert not wide
