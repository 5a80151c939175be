"""Registering DOIs against a server on loopback: the safety protocol, idempotence, healing, and the server's traps.

Traps of DataCite's client and server, and the test that shows each is met (b: by the library itself, as a control):

* the default target is production; the test system is chosen by name: ``test_the_two_systems_are_never_mixed_up``
* no time-out, no retry: ``test_a_change_that_was_made_without_an_answer_counts``, ``…_is_made_by_the_next_run``
* the caller's dict is written to, the next draft is published (b): ``test_the_library_meets_the_traps…``; no event is
  ever in a record: ``test_the_client_never_sends_an_event_with_a_record``
* a second draft of a DOI is refused (422), and called a server error (b): ``…_is_not_asked_for_again``
* PUT creates what isn't there (b): ``test_nothing_but_a_draft_makes_a_doi``, ``test_a_doi_that_vanishes_…_is_reported``
* impossible transitions are ignored: ``test_an_event_the_server_ignores_is_noticed``
* affiliations and publisher come back plain, the year as a number (b): ``test_the_library_…``; compared in one form:
  ``test_draft_update_publish_and_every_second_run_changes_nothing``
* known licences are rewritten: the record says it as the server would; the same test, and
  ``test_a_licence_comes_back_as_it_was_sent``
* 413 above 10 MiB, gzip counts compressed: ``test_what_is_too_large_plain_goes_compressed``
* 429 with seconds or a date: ``test_the_server_says_how_long_to_wait``; User-Agent: ``test_the_client_says_who_it_is``
* 10,000 names, 191 characters of version, DOI syntax, wrong year, event: ``test_too_many_names_…``
* drafts are hidden from strangers and can be deleted, nothing else can: ``test_drafts_are_hidden…``
* URL of another domain: ``test_an_address_outside_the_account_s_domains_is_refused``
* an old jsonschema lets mistakes pass, and what the schema doesn't see: ``test_release_documents.py``
"""

import copy
import datetime as dt
import email.utils
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import builders
import dagster as dg
import datacite_server as datacite_server_module
import pandas as pd
import pytest
from datacite import DataCiteRESTClient, schema45
from datacite.errors import DataCiteError, DataCiteServerError
from datacite_server import PASSWORD, USER, Server, datacite_server

from aqqua_dataset.definitions import build_definitions
from aqqua_dataset.findings import Finding
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.registry.dois import check_dois
from aqqua_dataset.registry.models import Registry, Settings
from aqqua_dataset.registry.publishing import DoiPart, DoiSettings, DoiSystem
from aqqua_dataset.release import doi_job
from aqqua_dataset.release.datacite_client import Account, DataCiteClient, DataCiteRefused
from aqqua_dataset.release.doi import datacite_record
from aqqua_dataset.release.doi_job import Sealed
from aqqua_dataset.release.doi_parts import part_path, write_parts
from aqqua_dataset.release.facts import PreviousRelease, ReleaseFacts
from aqqua_dataset.release.people import author_list
from aqqua_dataset.warehouse import Warehouse

ON_THE_DAY = dt.datetime(2027, 7, 14, 22, 0, tzinfo=dt.UTC)  # midnight in Berlin
BEFORE = ON_THE_DAY - dt.timedelta(seconds=1)
PREFIX, TEST_PREFIX = "10.1234", "10.5072"
VERSION, CONCEPT = f"{TEST_PREFIX}/aqqua.v1", f"{TEST_PREFIX}/aqqua"


def settings(api: str, **changes: Any) -> Settings:
    made = builders.settings()
    systems = {
        name: DoiSystem(prefix=prefix, api=api, user_env="DOI_USER", password_env="DOI_PASSWORD")
        for name, prefix in (("test", TEST_PREFIX), ("production", PREFIX))
    }
    dois = DoiSettings(concept=f"{PREFIX}/aqqua", data_paper="10.1234/paper").model_copy(update=systems)
    dataset = made.dataset.model_copy(update={"doi": f"{PREFIX}/aqqua.v1", "publisher_ror": "02h2x0161"})
    return made.model_copy(update={"dataset": dataset, "doi": dois.model_copy(update=changes)})


def sealed(using: Settings, rehearsal: bool = False, **facts: Any) -> Sealed:
    registry = builders.registry(builders.contribution("one", None)).model_copy(update={"settings": using})
    values: dict[str, Any] = {
        "version": "1.0.0-rehearsal" if rehearsal else "1.0.0", "view": "public", "date": dt.date(2027, 7, 15),
        "rehearsal": rehearsal, "images": {"one": 6}, "instruments": {"ifcb": 6}, "image_bytes": 9_000,
        "box": (-5.5, 50.0, 12.25, 60.0), "first_sampled": dt.date(1990, 5, 1), "last_sampled": dt.date(2024, 2, 29),
    }  # fmt: skip
    about = ReleaseFacts(**(values | facts))
    return Sealed(
        "r", about.version, about.view, rehearsal, datacite_record(registry, about, author_list(registry, ["one"]))
    )


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOI_USER", USER)
    monkeypatch.setenv("DOI_PASSWORD", PASSWORD)


@pytest.fixture
def server() -> Iterator[Server]:
    with datacite_server() as running:
        yield running


def step(
    server: Server, action: doi_job.Action, release: Sealed | None = None, production: bool = False,
    red: tuple[Finding, ...] = (), now: dt.datetime = ON_THE_DAY,
) -> list[doi_job.Step]:  # fmt: skip
    using = settings(server.address)
    return doi_job.register(action, using, release or sealed(using), production, list(red), now, lambda _: None)


def client(server: Server, **options: Any) -> DataCiteClient:
    return DataCiteClient(server.address, Account(USER, PASSWORD), "test", **options)


# --- the protocol


def test_draft_update_publish_and_every_second_run_changes_nothing(server: Server) -> None:
    assert [(s.doi, s.state, s.done) for s in step(server, "draft")] == [
        (VERSION, "draft", "created"), (CONCEPT, "draft", "created"),
    ]  # fmt: skip
    changing = len(server.changing)
    assert {s.done for s in step(server, "draft")} == {"nothing"}
    assert len(server.changing) == changing == 2
    assert [(s.state, s.done) for s in step(server, "publish")] == [("findable", "published")] * 2
    assert {s.done for s in step(server, "publish")} == {"nothing"}
    assert {(s.state, s.differs) for s in step(server, "status")} == {("findable", ())}
    assert len(server.changing) == 4
    assert [s.body for s in server.changing][2:] == [{"event": "publish"}] * 2
    for seen in server.changing[:2]:
        assert not {"event", "state", "prefix", "email"} & set(seen.body or {})


def test_what_is_stored_says_how_version_and_concept_belong_together(server: Server) -> None:
    step(server, "draft")
    relations = {
        doi: {(r["relationType"], r["relatedIdentifier"]) for r in server.dois[doi]["relatedIdentifiers"]}
        for doi in (VERSION, CONCEPT)
    }
    # The sealed record has the same, under the production prefix.
    stored = sealed(settings(server.address)).record["relatedIdentifiers"]
    assert {(r["relationType"], r["relatedIdentifier"].replace(PREFIX + "/aqqua", f"{TEST_PREFIX}/aqqua"))
            for r in stored} == relations[VERSION]  # fmt: skip
    assert relations == {
        VERSION: {
            ("IsVersionOf", CONCEPT),
            ("IsDescribedBy", "10.1234/paper"),
            ("HasMetadata", "https://example.org/test/v1.0.0/croissant.json"),
        },
        CONCEPT: {("HasVersion", VERSION)},
    }
    assert server.dois[VERSION]["url"] == "https://example.org/test/v1.0.0/"
    assert "version" not in server.dois[CONCEPT]
    using = settings(server.address)
    assert using.doi.test is not None
    for planned in doi_job.plan(using, using.doi.test, sealed(using)):
        assert schema45.validate(planned.record)


def test_a_changed_draft_is_changed_and_a_published_one_only_by_update(server: Server) -> None:
    step(server, "draft")
    server.dois[VERSION]["titles"] = [{"title": "Old"}]
    server.dois[VERSION]["subjects"] = [{"subject": "gone"}]
    assert [s.differs for s in step(server, "draft")] == [("subjects", "titles"), ()]
    assert server.dois[VERSION]["subjects"] == []
    step(server, "publish")
    server.dois[VERSION]["titles"] = [{"title": "Old"}]
    before = len(server.changing)
    for action in cast("tuple[doi_job.Action, ...]", ("draft", "publish")):
        with pytest.raises(DataCiteRefused, match="differs in titles"):
            step(server, action)
    assert len(server.changing) == before
    assert [(s.state, s.done) for s in step(server, "update")] == [("findable", "changed"), ("findable", "nothing")]


@pytest.mark.parametrize("action", ["update", "publish"])
def test_nothing_but_a_draft_makes_a_doi(server: Server, action: doi_job.Action) -> None:
    with pytest.raises(DataCiteRefused, match="no such DOI"):
        step(server, action)
    assert server.changing == []


# --- what is refused


def test_production_needs_name_prefix_green_gate_and_day() -> None:
    red = (Finding("G04", "error", "withdrawn", "one"),)
    with datacite_server(prefix=PREFIX) as server:
        for problem, options in (
            ("doi_gate", {"red": red}), ("doi_embargo", {"now": BEFORE}),
            ("doi_rehearsal", {"release": sealed(settings("https://api.example.org"), rehearsal=True)}),
            ("doi_view", {"release": replace(sealed(settings("https://api.example.org")), view="internal")}),
        ):  # fmt: skip
            for action in cast("tuple[doi_job.Action, ...]", ("draft", "update", "publish")):
                with pytest.raises(DataCiteRefused) as refused:
                    step(server, action, production=True, **cast("dict[str, Any]", options))
                assert problem in [f.rule for f in refused.value.findings]
        assert server.log == []
        assert [s.doi for s in step(server, "draft", production=True)] == [f"{PREFIX}/aqqua.v1", f"{PREFIX}/aqqua"]


def test_a_doi_under_another_prefix_never_goes_to_production(server: Server) -> None:
    using = settings(server.address)
    wrong = using.model_copy(update={"dataset": using.dataset.model_copy(update={"doi": f"{TEST_PREFIX}/aqqua.v1"})})
    found = doi_job.refusals("draft", wrong, True, sealed(using), [], ON_THE_DAY)
    assert [f.rule for f in found] == ["doi_prefix"]
    assert "doi_prefix" in {f.rule for f in check_dois(wrong)}


def test_a_rehearsal_is_drafted_in_the_test_system_and_never_published(server: Server) -> None:
    practised = sealed(settings(server.address), rehearsal=True)
    step(server, "draft", practised, now=BEFORE)
    assert server.dois[VERSION]["titles"][0]["title"].startswith("[REHEARSAL")
    with pytest.raises(DataCiteRefused, match="rehearsal"):
        step(server, "publish", practised)
    assert {d["state"] for d in server.dois.values()} == {"draft"}


def test_without_an_account_nothing_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOI_PASSWORD")
    with pytest.raises(DataCiteRefused, match="DOI_PASSWORD"):
        step(server, "draft")
    assert server.log == []


def test_the_password_is_in_no_message(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOI_PASSWORD", "wrong-secret")
    with pytest.raises(DataCiteRefused, match="401") as refused:
        step(server, "draft")
    assert "wrong-secret" not in str(refused.value)
    assert "secret" not in repr(Account(USER, PASSWORD))


def test_too_many_names_and_invalid_records_are_refused_before_anything_is_sent(server: Server) -> None:
    using = settings(server.address)
    for change, problem in (
        ({"creators": [{"name": f"Group {n}", "nameType": "Organizational"} for n in range(10_001)]}, "10,000"),
        ({"event": "publish"}, "event"),
        ({"publicationYear": "2020"}, "publicationYear"),
    ):
        wrong = sealed(using)
        wrong.record.update(change)
        with pytest.raises(DataCiteRefused, match=problem):
            step(server, "draft", wrong)
    assert server.log == []


def test_the_client_never_sends_an_event_with_a_record(server: Server) -> None:
    with pytest.raises(ValueError, match="event"):
        client(server).create_draft(VERSION, "https://example.org/", {"event": "publish"})
    assert server.log == []


def system(prefix: str, api: str, password: str = "B") -> DoiSystem:
    return DoiSystem(prefix=prefix, api=api, user_env="A", password_env=password)


PART = DoiPart(doi=f"{PREFIX}/aqqua.v1.a", title="A", url="https://example.org/a", instruments=("ifcb",))
OTHER_PART = DoiPart(doi=f"{PREFIX}/aqqua.v1.b", title="B", url="https://example.org/b", contributions=("one",))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"concept": "10.1234/a b"}, "doi_invalid"),
        ({"concept": f"{PREFIX}/aqqua.v1"}, "doi_twice"),
        ({"test": system("10.5072", "http://example.org")}, "doi_api"),
        ({"test": system("10.5072", "https://api.datacite.org")}, "doi_api"),
        ({"test": system(PREFIX, "https://x.org")}, "doi_prefix"),
        ({"production": system("10.5072", "https://x.org")}, "doi_prefix"),
        ({"test": system("10.5072", "https://x.org", "pass word")}, "doi_secret"),
        ({"parts": (PART.model_copy(update={"instruments": ()}),)}, "doi_part"),
        ({"parts": (PART.model_copy(update={"contributions": ("one",)}),)}, "doi_part"),
        ({"parts": (PART, OTHER_PART)}, "doi_part"),
        ({"parts": (PART, OTHER_PART.model_copy(update={"contributions": (), "instruments": ("ifcb",)}))}, "doi_part"),
        ({"parts": (PART.model_copy(update={"url": "ftp.example.org"}),)}, "doi_part"),
        ({"parts": (PART.model_copy(update={"doi": f"{PREFIX}/aqqua"}),)}, "doi_twice"),
        ({"parts": (PART.model_copy(update={"doi": "10.5072/x"}),)}, "doi_prefix"),
    ],
)  # fmt: skip
def test_wrong_settings_are_found(change: dict[str, Any], rule: str) -> None:
    using = settings("https://api.test.example.org")
    assert list(check_dois(using)) == []
    wrong = using.model_copy(update={"doi": using.doi.model_copy(update=change)})
    assert rule in {f.rule for f in check_dois(wrong)}


# --- the server's traps


@pytest.mark.parametrize("fault", ["504", "hang"])
def test_a_change_that_was_made_without_an_answer_counts(server: Server, fault: str) -> None:
    server.faults = {"POST": [fault]}
    using = settings(server.address)
    assert using.doi.test is not None
    planned = doi_job.plan(using, using.doi.test, sealed(using))
    impatient = client(server, timeout=0.5)
    assert [s.done for s in doi_job.take("draft", impatient, planned, lambda _: None)] == ["created", "created"]
    assert len(server.changing) == 2


def test_a_change_that_was_not_made_is_made_by_the_next_run(server: Server) -> None:
    server.faults = {"POST": ["504-before"]}
    with pytest.raises(DataCiteRefused, match="run it again"):
        step(server, "draft")
    assert server.dois == {}
    assert [s.done for s in step(server, "draft")] == ["created", "created"]


def test_a_doi_that_vanishes_before_it_is_changed_is_reported(server: Server) -> None:
    step(server, "draft")
    server.dois[VERSION]["titles"] = [{"title": "Old"}]
    server.faults = {"PUT": ["vanish"]}
    with pytest.raises(DataCiteRefused, match="made it anew"):
        step(server, "draft")


def test_an_event_the_server_ignores_is_noticed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import datacite_server as rules

    step(server, "draft")
    monkeypatch.setitem(rules._TRANSITIONS, "publish", {})
    with pytest.raises(DataCiteRefused, match="read back it is draft"):
        step(server, "publish")


def test_a_doi_of_another_account_is_not_asked_for_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.hold(VERSION, "draft")
    monkeypatch.setattr(DataCiteClient, "read", lambda *_: None)
    with pytest.raises(DataCiteRefused, match="already been taken"):
        step(server, "draft")
    assert len(server.changing) == 1


@pytest.mark.parametrize("late", [False, True])
def test_the_server_says_how_long_to_wait(server: Server, late: bool) -> None:
    when = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=40), usegmt=True)
    server.faults = {"GET": [f"429:{when if late else 7}"]}
    waits: list[float] = []
    assert client(server, wait=waits.append).read(VERSION) is None
    assert len(waits) == 1
    assert 30 < waits[0] <= 40 if late else waits == [7.0]


def big_record(names: int) -> dict[str, Any]:
    rng = random.Random(5)
    syllables = ["ka", "lo", "mi", "ter", "sund", "vik", "åse", "ryd", "nor", "pel"]

    def word() -> str:
        return "".join(rng.choices(syllables, k=3)).title()

    people = [
        {
            "name": f"{(family := word())}, {(given := word())}", "nameType": "Personal", "familyName": family,
            "givenName": given, "contributorType": "DataCollector", "affiliation": [{"name": f"Institute of {word()}"}],
        }
        for _ in range(names)
    ]  # fmt: skip
    return {**sealed(settings("https://api.example.org")).record, "contributors": people}


def test_three_thousand_contributors_go_compressed_and_come_back_equal(server: Server) -> None:
    release = replace(sealed(settings(server.address)), record=big_record(3_000))
    step(server, "draft", release)
    first = server.changing[0]
    assert first.headers["content-encoding"] == "gzip"
    assert first.bytes < 500_000
    assert len((first.body or {})["contributors"]) == 3_000
    assert {s.done for s in step(server, "draft", release)} == {"nothing"}


def test_the_client_says_who_it_is(server: Server) -> None:
    step(server, "status")
    agent = server.log[0].headers["user-agent"]
    assert agent.startswith("aqqua_dataset/")
    assert agent.endswith("(https://example.org/test; mailto:dataset@example.org)")


# --- sizes


def test_what_is_too_large_plain_goes_compressed(server: Server) -> None:
    release = replace(sealed(settings(server.address)), record=big_record(9_990))
    plain = copy.deepcopy(release.record) | {"descriptions": [
        {"description": "x" * 9_000_000, "descriptionType": "Abstract"}]}  # fmt: skip
    with pytest.raises(DataCiteServerError):
        library(server).draft_doi({k: v for k, v in plain.items() if k != "doi"}, doi=VERSION)
    assert server.log[-1].bytes > datacite_server_module.MOST_BYTES
    assert server.dois == {}
    ours = client(server)
    ours.create_draft(VERSION, "https://example.org/test/", {k: v for k, v in plain.items() if k != "doi"})
    assert server.log[-1].bytes < 1_000_000
    assert len(server.dois[VERSION]["contributors"]) == 9_990


def test_a_server_that_takes_less_says_so_and_nothing_is_made(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datacite_server_module, "MOST_BYTES", 1_000)
    with pytest.raises(DataCiteRefused, match="413: the record is larger than the server takes"):
        step(server, "draft")
    assert server.dois == {}
    assert len(server.changing) == 1


# --- parts and dates

PARTS = (
    DoiPart(doi=f"{PREFIX}/aqqua.v1.ifcb", title="IFCB", url="https://example.org/r/1", instruments=("ifcb",)),
    DoiPart(doi=f"{PREFIX}/aqqua.v1.uvp", title="UVP", url="https://example.org/r/2", instruments=("uvp6",)),
)


def divided(api: str) -> tuple[Settings, Sealed]:
    """Settings with two parts and a release that has their records, counted from tables of its own."""
    using = settings(api, parts=PARTS)
    one, two = builders.contribution("one", None), builders.contribution("two", None, owners=("owner-two",))
    registry = builders.registry(one, two).model_copy(update={"settings": using})
    rows = pd.DataFrame(
        {
            "contribution_id": ["one"] * 4 + ["two"] * 2, "instrument_id": ["ifcb"] * 4 + ["uvp6", "ifcb"],
            "length": [100, 600, 512, 1, 5, 7], "longitude": [1.0, 2, 3, 4, 50, 6], "latitude": [1.0, 2, 3, 4, 50, 6],
            "datetime_utc": pd.to_datetime(["2001-02-03T10:00Z"] * 4 + ["2010-01-01T23:30Z", "2002-01-01T00:00Z"]),
            "credited_contributions": [["one"]] * 3 + [["one", "two"]] + [["two"]] * 2,
        }
    )  # fmt: skip
    facts = ReleaseFacts("1.0.0", "public", dt.date(2027, 7, 15), False, {"one": 4, "two": 2}, {"ifcb": 5, "uvp6": 1},
                         9_000, (1, 1, 50, 50), dt.date(2001, 2, 3), dt.date(2010, 1, 1))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(folder)
        rows.to_parquet(f"{folder}/t.parquet")
        assert write_parts(warehouse, "r", registry, facts, ["t.parquet"]) == []
        made = tuple(warehouse.read_json(f"r/{part_path(n)}") for n in (1, 2))
    record = datacite_record(registry, facts, author_list(registry, ["one", "two"]))
    return using, Sealed("r", "1.0.0", "public", False, record, cast("tuple[dict[str, Any], ...]", made))


def test_parts_count_and_name_what_is_in_them_and_belong_to_the_whole(server: Server) -> None:
    using, release = divided(server.address)
    ifcb, uvp = release.parts
    assert [p["titles"][0]["title"] for p in release.parts] == ["Test collection: IFCB", "Test collection: UVP"]
    # A member takes its header of 512 bytes and its bytes filled up to whole blocks.
    assert ifcb["sizes"] == ["5 images", f"{5 * 512 + 512 + 1024 + 512 + 512 + 512} bytes of image archives"]
    assert uvp["sizes"] == ["1 images", "1024 bytes of image archives"]
    assert {c["name"] for c in uvp["contributors"]} == {"Two, Owner", "Institute One"}
    assert {c["name"] for c in ifcb["contributors"]} == {"One, Owner", "Two, Owner", "Institute One"}
    assert ifcb["geoLocations"][0]["geoLocationBox"]["eastBoundLongitude"] == 6
    collected = {d["dateType"]: d["date"] for d in uvp["dates"]}["Collected"]
    assert collected == "2010-01-01/2010-01-01"
    assert {(r["relationType"], r["relatedIdentifier"]) for r in uvp["relatedIdentifiers"]} == {
        ("IsPartOf", f"{PREFIX}/aqqua.v1"),
    }
    steps = doi_job.register("draft", using, release, False, [], ON_THE_DAY, lambda _: None)
    assert [(s.doi, s.done) for s in steps] == [
        (VERSION, "created"), (f"{VERSION}.ifcb", "created"), (f"{VERSION}.uvp", "created"), (CONCEPT, "created"),
    ]  # fmt: skip
    related = {(r["relationType"], r["relatedIdentifier"]) for r in server.dois[VERSION]["relatedIdentifiers"]}
    assert {("HasPart", f"{VERSION}.ifcb"), ("HasPart", f"{VERSION}.uvp")} <= related
    assert server.dois[f"{VERSION}.uvp"]["relatedIdentifiers"][0]["relatedIdentifier"] == VERSION
    assert server.dois[f"{VERSION}.ifcb"]["url"] == "https://example.org/r/1"
    again = doi_job.register("draft", using, release, False, [], ON_THE_DAY, lambda _: None)
    assert {s.done for s in again} == {"nothing"}


def test_a_part_without_images_stops_the_release_and_other_parts_than_sealed_nothing_is_sent(
    server: Server, tmp_path: Path
) -> None:
    using, release = divided(server.address)
    registry = builders.registry(builders.contribution("one", None)).model_copy(update={"settings": using})
    facts = ReleaseFacts("1.0.0", "public", dt.date(2027, 7, 15), False, {}, {}, 0, None, None, None)
    found = write_parts(Warehouse(str(tmp_path)), "r", registry, facts, [])
    assert [(f.rule, f.value) for f in found] == [("doi_part_empty", p.doi) for p in PARTS]
    assert list(tmp_path.rglob("*.json")) == []
    with pytest.raises(DataCiteRefused, match="the release has 1 parts, settings"):
        doi_job.register("draft", using, replace(release, parts=release.parts[:1]), False, [], ON_THE_DAY, print)
    assert server.log == []


def test_a_relation_that_came_after_the_release_is_sent_and_each_once(server: Server) -> None:
    release = sealed(settings(server.address))
    step(server, "draft", release)
    later = settings(server.address, software="10.5281/zenodo.1", earlier=(f"{PREFIX}/aqqua.v0",))
    steps = doi_job.register("draft", later, release, False, [], ON_THE_DAY, lambda _: None)
    assert [s.differs for s in steps] == [("relatedIdentifiers",), ("relatedIdentifiers",)]
    told = [(r["relationType"], r["relatedIdentifier"]) for r in server.dois[VERSION]["relatedIdentifiers"]]
    assert len(told) == len(set(told))
    assert {("IsCompiledBy", "10.5281/zenodo.1"), ("IsNewVersionOf", f"{PREFIX}/aqqua.v0")} <= set(told)


def test_a_minor_version_keeps_the_day_of_issue_and_says_when_it_was_updated() -> None:
    using = settings("https://api.example.org")
    before = (
        PreviousRelease("0.9.0", dt.date(2027, 7, 1), "a" * 64),
        PreviousRelease("1.0.0", dt.date(2027, 7, 15), "b" * 64),
    )
    minor = sealed(using, version="1.1.0", date=dt.date(2027, 9, 1), previous=before).record
    assert {d["dateType"]: d["date"] for d in minor["dates"]} == {
        "Available": "2027-07-15", "Issued": "2027-07-15", "Updated": "2027-09-01",
        "Collected": "1990-05-01/2024-02-29",
    }  # fmt: skip
    major = sealed(using, version="2.0.0", date=dt.date(2028, 1, 1), previous=before).record
    assert "Updated" not in {d["dateType"] for d in major["dates"]}
    assert schema45.validate(minor)


def test_a_licence_comes_back_as_it_was_sent(server: Server) -> None:
    step(server, "draft")
    sent = (server.changing[0].body or {})["rightsList"]
    assert server.dois[VERSION]["rightsList"] == sent


def test_the_two_systems_are_never_mixed_up(server: Server) -> None:
    using = settings(server.address)
    assert using.doi.production is not None
    elsewhere = using.doi.production.model_copy(update={"api": "http://127.0.0.1:9"})
    changed = using.model_copy(update={"doi": using.doi.model_copy(update={"production": elsewhere})})
    doi_job.register("draft", changed, sealed(using), False, [], ON_THE_DAY, lambda _: None)
    assert {d.split("/")[0] for d in server.dois} == {TEST_PREFIX}
    only_test = using.model_copy(update={"doi": using.doi.model_copy(update={"production": None})})
    with pytest.raises(DataCiteRefused, match="expected the production system"):
        doi_job.register("draft", only_test, sealed(using), True, [], ON_THE_DAY, lambda _: None)


def test_an_address_outside_the_account_s_domains_is_refused(server: Server) -> None:
    server.domains = ("example.net",)
    with pytest.raises(DataCiteRefused, match="not allowed by repository domain settings"):
        step(server, "draft")
    assert server.dois == {}


# --- the server is as the library knows it


def library(server: Server) -> DataCiteRESTClient:
    return DataCiteRESTClient(USER, PASSWORD, TEST_PREFIX, url=server.address + "/", timeout=5)


def test_the_library_meets_the_traps_that_the_rules_describe(server: Server) -> None:
    known = library(server)
    record = {k: v for k, v in sealed(settings(server.address)).record.items() if k != "doi"}
    used = copy.deepcopy(record)
    known.public_doi(used, "https://example.org/test/", VERSION)
    assert server.dois[VERSION]["state"] == "findable"
    known.draft_doi(used, doi=f"{TEST_PREFIX}/second")  # the record now holds the event: the "draft" is published
    assert server.dois[f"{TEST_PREFIX}/second"]["state"] == "findable"
    with pytest.raises(DataCiteServerError, match="already been taken"):
        known.draft_doi(copy.deepcopy(record), doi=VERSION)
    with pytest.raises(DataCiteError):
        known.update_doi(f"{TEST_PREFIX}/mistyped", metadata=copy.deepcopy(record))
    assert server.dois[f"{TEST_PREFIX}/mistyped"]["state"] == "draft"
    read = known.get_metadata(VERSION)
    assert read["publicationYear"] == 2027
    assert isinstance(read["publisher"], str)
    assert not schema45.validate(read)


def test_drafts_are_hidden_from_strangers_and_can_be_deleted(server: Server) -> None:
    import urllib.error
    import urllib.request

    known = library(server)
    known.draft_doi(copy.deepcopy(sealed(settings("https://api.example.org")).record) | {"doi": CONCEPT}, doi=CONCEPT)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{server.address}/dois/{CONCEPT}")
    known.delete_doi(CONCEPT)
    assert server.dois == {}


def test_the_job_is_never_started_by_itself() -> None:
    definitions = build_definitions(CollectionResource())
    assert "register_doi" in {j.name for j in definitions.resolve_all_job_defs()}
    targets = {t.job_name for s in definitions.sensors or [] for t in s.targets}
    targets |= {s.job_name for s in definitions.schedules or [] if isinstance(s, dg.ScheduleDefinition)}
    assert targets
    assert "register_doi" not in targets


def test_registry_without_doi_settings_is_told_so() -> None:
    using: Registry = builders.registry()
    found = doi_job.refusals(
        "draft", using.settings, False, sealed(settings("https://api.example.org")), [], ON_THE_DAY
    )
    assert [f.rule for f in found] == ["doi_system"]
