"""The gate: one release that is green, and for each rule one thing that makes exactly that rule red."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import builders
import pytest

from aqqua_dataset.registry.models import Attribution, Event, Permission, Registry, Source
from aqqua_dataset.registry.publishing import Form, PositionReview, SignOff
from aqqua_dataset.release.gate import ReleaseRequest
from aqqua_dataset.release.gate_page import gate_html, gate_markdown, summary
from aqqua_dataset.release.gate_rules import BUILD_RULES, EARLY_RULES, RULES, Verdict, judge
from aqqua_dataset.release.released import Released, planned

NOW = dt.datetime(2027, 7, 15, 8, tzinfo=dt.UTC)
SUM = "a" * 64
DAY = dt.date(2027, 7, 1)
Change = Callable[[Registry, Released], tuple[Registry, Released]]


def green() -> tuple[Registry, Released]:
    one = builders.contribution("one", None)
    registry = builders.registry(one)
    second = builders.person("core-second", core_team=True)
    registry = registry.model_copy(
        update={
            "people": {**registry.people, second.id: second},
            "sign_offs": tuple(
                SignOff(version="1.0.0", manifest_sha256=SUM, person=p, date=dt.date(2027, 7, 15))
                for p in ("core-member", "core-second")
            ),
        }
    )
    said = {
        "title": "Test collection", "version": "1.0.0", "doi": builders.DOI, "licence": "cc-by-nc-4.0",
        "date": "2027-07-15", "names": ["Member, Core"], "images": 6,
    }  # fmt: skip
    row = {
        "attributed_to": "Owner One", "licence_spdx": "CC-BY-NC-4.0", "licence_url": "https://x",
        "changes_made": "none",
    }  # fmt: skip
    released = Released(
        version="1.0.0", view="public", date=dt.date(2027, 7, 15), rehearsal=False, total=6, manifest_sha256=SUM,
        images={"one": 6}, published={"one": 6}, withdrawn=frozenset(), attribution={"one": row},
        people=(("owner-one", "members", ("one",)), ("core-member", "core", ())),
        documents={"datacite.json": said, "CITATION.cff": dict(said)}, personal=(), damaged=(),
    )  # fmt: skip
    return registry, released


def contribution(**changes: Any) -> Change:
    def change(registry: Registry, released: Released) -> tuple[Registry, Released]:
        changed = registry.contributions["one"].model_copy(update=changes)
        return registry.model_copy(update={"contributions": {"one": changed}}), released

    return change


def of_release(**changes: Any) -> Change:
    return lambda registry, released: (registry, replace(released, **changes))


def of_registry(**changes: Any) -> Change:
    return lambda registry, released: (registry.model_copy(update=changes), released)


CREDITED = {"copyright_notice": "© Owner", "source_url": "https://example.org/x"}


def unsigned(spdx: str, row: dict[str, str], licence_seen: dt.date | None = DAY) -> Change:
    source = Source(location="x", licence=spdx, licence_seen=licence_seen)

    def change(registry: Registry, released: Released) -> tuple[Registry, Released]:
        unanswered = {"permissions": (), "form_id": None, "form_date": None, "form": None, "interim_terms": None}
        registry, released = contribution(source=source, **unanswered)(registry, released)
        told = {**released.attribution["one"], "licence_spdx": spdx, **row}
        return registry, replace(released, attribution={"one": told})

    return change


def revoked(scope: str) -> tuple[Event, ...]:
    agreed = Event(date=builders.GIVEN, state="agreed")
    return agreed, Event.model_construct(date=DAY, state="revoked", scope=scope, reason="x")


OTHER_FORM = Form(text_version="2", signer="core-member", sha256="b" * 64)
GIVEN = builders.contribution("x", None).permissions
BAD_ORCID = builders.person("x-y", orcid="0000-0000-0000-0000")
LATE = tuple(Permission(id=p, date=dt.date(2027, 7, 16)) for p in builders.MANDATORY)
FAILING: list[tuple[str, Change]] = [
    ("G01", of_release(rehearsal=True, documents={})),
    ("G01", of_release(view="private", documents={})),
    ("G01", of_release(view="internal", documents={})),
    ("G02", of_release(images={"one": 6, "": 1}, total=7, published={"one": 6, "": 1}, documents={})),
    ("G03", contribution(form_id=None)),
    ("G03", contribution(permissions=LATE)),
    ("G03", contribution(permissions=GIVEN[:2])),
    ("G03", contribution(permissions=(*GIVEN, Permission(id="anything", date=builders.GIVEN)))),
    ("G04", contribution(not_before=dt.date(2028, 1, 1))),
    ("G04", contribution(history=revoked("all"))),
    ("G04", contribution(history=(Event.model_construct(date=DAY, state="maybe", scope=None, reason=None),))),
    ("G05", of_release(withdrawn=frozenset({"one"}))),
    ("G06", contribution(form=OTHER_FORM)),
    ("G07", contribution(interim_terms="unheard-of")),
    ("G07", unsigned("CC-BY-4.0", CREDITED, licence_seen=None)),
    ("G08", unsigned("CC-BY-SA-4.0", CREDITED)),
    ("G08", unsigned("ANYTHING-9.9", {})),
    ("G08", of_release(attribution={"one": {**green()[1].attribution["one"], "licence_spdx": "CC-BY-4.0"}})),
    ("G09", contribution(attribution=Attribution(state="pending"))),
    ("G09", contribution(attribution=Attribution.model_construct(state="lost", cite_dois=(), funding=()))),
    ("G10", unsigned("CC-BY-4.0", {})),
    ("G10", of_release(attribution={"one": {**green()[1].attribution["one"], "changes_made": ""}})),
    ("G11", of_release(people=())),
    ("G11", of_release(people=(("owner-one", "members", ("one",)), ("owner-two", "members", ())))),
    ("G11", of_registry(people={**green()[0].people, "owner-one": builders.person("owner-one", consent="not_asked")})),
    ("G12", of_registry(people={**green()[0].people, "x-y": BAD_ORCID})),
    ("G13", of_release(personal=(("README.md", "someone@example.org"),))),
    ("G14", of_release(total=7, documents={})),
    ("G14", of_release(published={"one": 5})),
    ("G15", of_release(damaged=(("README.md", "expected SHA-256 x"),))),
    ("G16", of_release(documents={"CITATION.cff": {"version": "0.9.0"}})),
    ("G17", contribution(form=None)),
    ("G18", contribution(positions=None)),
    ("G18", contribution(positions=PositionReview(state="open", by="core-member", date=DAY))),
    ("G18", contribution(positions=PositionReview.model_construct(state="perhaps", by="core-member", date=DAY))),
    ("G19", of_release(manifest_sha256="c" * 64)),
    ("G19", of_registry(sign_offs=())),
]  # fmt: skip


def red(verdicts: list[Verdict]) -> set[str]:
    return {v.rule.code for v in verdicts if not v.green}


def test_the_green_release_passes_every_rule() -> None:
    verdicts = judge(*green(), NOW)
    assert [v.rule.code for v in verdicts] == [f"G{n:02}" for n in range(1, 20)]
    assert red(verdicts) == set()


@pytest.mark.parametrize(("rule", "change"), FAILING, ids=[f"{r}-{n}" for n, (r, _) in enumerate(FAILING)])
def test_one_thing_wrong_makes_exactly_its_rule_red_and_without_the_rule_nothing(rule: str, change: Change) -> None:
    case = change(*green())
    assert red(judge(*case, NOW)) == {rule}
    assert red(judge(*case, NOW, tuple(r for r in RULES if r.code != rule))) == set()


def test_what_is_revoked_with_an_unknown_scope_counts_as_withdrawn_and_as_unknown() -> None:
    assert red(judge(*contribution(history=revoked("something"))(*green()), NOW)) == {"G04", "G05"}


def test_every_rule_has_a_failing_case() -> None:
    assert {r for r, _ in FAILING} == {r.code for r in RULES}


def test_a_public_copy_with_a_licence_that_may_stand_here_is_green() -> None:
    for spdx in ("CC0-1.0", "CC-BY-4.0", "CC-BY-NC-3.0"):
        assert red(judge(*unsigned(spdx, CREDITED)(*green()), NOW)) == set()


def test_rules_before_the_build_ask_nothing_but_the_registry() -> None:
    registry, _ = green()
    asked = planned(ReleaseRequest("1.0.0", "public", dt.date(2027, 7, 15), rehearsal=False), ["one"])
    assert red(judge(registry, asked, NOW, EARLY_RULES)) == set()
    found = {r for r, change in FAILING if r in red(judge(change(*green())[0], asked, NOW, EARLY_RULES))}
    assert found == {r.code for r in EARLY_RULES}


def test_access_taken_back_is_no_withdrawal() -> None:
    assert red(judge(*contribution(history=revoked("ecotaxa_access"))(*green()), NOW)) == set()


def test_the_second_before_is_too_early() -> None:
    before = dt.datetime(2027, 7, 14, 21, 59, 59, tzinfo=dt.UTC)
    assert "G01" in red(judge(*green(), before))
    assert "G01" not in red(judge(*green(), before + dt.timedelta(seconds=1)))


def test_the_page_of_a_build_does_not_pass_for_a_permission() -> None:
    assert summary(judge(*green(), NOW)) == "All rules are green. It may be published."
    assert "still needed" in summary(judge(*green(), NOW, BUILD_RULES))


def test_the_pages_say_what_was_found_and_never_what_is_private() -> None:
    case = of_release(personal=(("README.md", "someone@example.org"),), damaged=(("<b>.csv", "damaged"),))(*green())
    verdicts = judge(*case, NOW)
    for text in (gate_html(verdicts, "Gate <1>"), gate_markdown(verdicts, "Gate <1>")):
        assert "Red: G13, G15." in text
        assert "someone@example.org" not in text
        assert "<b>" not in text
        assert all(rule.code in text for rule in RULES)
