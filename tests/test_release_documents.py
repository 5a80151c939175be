"""What a release says of itself: names, credit, DOI record, citation, licence, README."""

import csv
import dataclasses
import datetime as dt
import importlib.metadata
import io
import json
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import hypothesis
import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datacite import schema45
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aqqua_dataset import schema
from aqqua_dataset.checksums import PARTS
from aqqua_dataset.images.shards import ShardWriter
from aqqua_dataset.privacy import EMAIL
from aqqua_dataset.registry.models import (
    Attribution,
    Contributor,
    Event,
    Funding,
    Institution,
    Permission,
    Registry,
    Source,
)
from aqqua_dataset.release import attribution, author_tables, doi, pages, people
from aqqua_dataset.release.citation import citation_cff
from aqqua_dataset.release.documents import documents_of
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.legal import legal_code, licence_file
from aqqua_dataset.release.sample import sample_archive
from aqqua_dataset.release.snapshot import Snapshot, take_snapshot
from aqqua_dataset.release.stats import Stats

MARK = "[REHEARSAL - not a release] "
CORE = ["Zoe Ålund", "Ada Zimmer"]
CONSORTIUM_NAME = "Test Data Provider Consortium"
#: nets-one publishes two images; one of them nets-two delivered as well and has nothing of its own.
CREDITS = {"nets-one": 2, "nets-two": 1, "cameras": 3, "waived": 1, "hidden": 1}
NS = {"d": "http://datacite.org/schema/kernel-4"}


def registry() -> Registry:
    """Every consent, two records of one person, one institution twice, all states of attribution."""
    person = builders.person
    found = [
        person("zoe-alund", given="Zoe", family="Ålund", core_team=True, orcid="0000-0000-0000-0159"),
        person("ada-zimmer", core_team=True, affiliations=("institute-two", "institute-one")),
        person("hal-quiet", core_team=True, consent="consortium_only"),
        person("claire-vallon", particle="de", orcid="https://orcid.org/0000-0000-0000-0132"),
        person("c-vallon", given="C.", family="Vallon", same_as="claire-vallon", orcid=None),
        person("bo-junior", suffix="Jr.", affiliations=("institute-two", "institute-two-again")),
        person("tom-thanked", consent="acknowledge_only", affiliations=("institute-three",)),
        person("nemo-nobody", consent="anonymous"),
        person("una-uninvolved"),
    ]
    institutes = [
        Institution(id="institute-one", name="Institute One", country="DE"),
        Institution(id="institute-two", name="Institute Two", country="SE", ror="https://ror.org/02h2x0161"),
        Institution(id="institute-two-again", name="Inst. Two", country="SE", ror="02h2x0161"),
        Institution(id="institute-three", name="Institute Three", country="FR", city="Brest"),
    ]
    grant = Funding(funder="Sea Fund", ror="05dxps055", award_number="SF-1", award_title="Nets")
    contribution = builders.contribution
    contributions = [
        contribution(
            "nets-one", None, owners=("claire-vallon", "c-vallon"),
            contributors=(Contributor(person="bo-junior", type="DataCurator"),),
            attribution=Attribution(state="pending", text="Not agreed yet"),
            source=Source(format="ecotaxa", location="x", url="https://doi.org/10.1234/NETS", dataset_id="17"),
        ),
        contribution(
            "nets-two", None, owners=("hal-quiet", "tom-thanked"), institutions=("institute-two", "institute-one"),
            attribution=Attribution(
                state="given", text="Quiet & friends", acknowledgement="Thanks to\nthe crew", copyright_notice="© Hal",
                cite_dois=("10.1234/Paper", "10.1234/paper.2"), funding=(grant, grant),
            ),
            source=Source(
                format="ecotaxa", location="y", url="https://example.org/nets", retrieved=dt.date(2026, 1, 2)
            ),
            permissions=(
                *(Permission(id=p, date=builders.GIVEN) for p in builders.MANDATORY[:2]),
                Permission(id=builders.MANDATORY[2], date=dt.date(2025, 9, 3)),
                Permission(id="global-distribution", date=dt.date(2026, 9, 3)),
            ),
            interim_terms="other", interim_terms_text="Only for models",
        ),
        contribution("cameras", None, owners=("claire-vallon",), attribution=Attribution(
            state="given", text="Vallon's cameras", cite_dois=("10.1234/paper",), funding=(grant,))),
        contribution("waived", None, owners=("bo-junior",), attribution=Attribution(state="waived")),
        contribution("hidden", None, owners=("nemo-nobody",), attribution=Attribution(state="pending")),
        contribution("not-credited", None, owners=("una-uninvolved",)),
        contribution("pledge", None, history=(Event(date=builders.GIVEN, state="pledged"),)),
    ]  # fmt: skip
    settings = builders.settings()
    dataset = settings.dataset.model_copy(
        update={
            "doi": "10.1234/aqqua.v1",
            "publisher_ror": "02h2x0161",
            "keywords": ("plankton", "imaging", "plankton"),
            "funding": (Funding(funder="Sea Fund", ror="https://ror.org/05dxps055", award_number="SF-1"),),
        }
    )
    return Registry(
        settings=settings.model_copy(update={"dataset": dataset}),
        people={p.id: p for p in found},
        institutions={i.id: i for i in institutes},
        contributions={c.id: c for c in contributions},
    )


def facts(**changes: Any) -> ReleaseFacts:
    values: dict[str, Any] = {
        "version": "1.0.0", "view": "public", "date": dt.date(2027, 7, 15), "rehearsal": False,
        "images": {"nets-one": 2, "cameras": 3, "waived": 1, "hidden": 1},
        "instruments": {"zooscan": 3, "ifcb": 4}, "image_bytes": 70_000, "box": (-5.5, 50.0, 12.25, 60.0),
        "first_sampled": dt.date(1990, 5, 1), "last_sampled": dt.date(2024, 2, 29),
    }  # fmt: skip
    return ReleaseFacts(**(values | changes))


def rehearsal(**changes: Any) -> ReleaseFacts:
    return facts(version="1.0.0-rehearsal", rehearsal=True, date=dt.date(2026, 11, 1), **changes)


REGISTRY = registry()
AUTHORS = people.author_list(REGISTRY, CREDITS)
DATA_SHA256 = "0123456789abcdef" * 4
STATS = Stats(
    instruments=(("ifcb", 4, 1), ("zooscan", 3, 2)), years=((1990, 3), (2024, 4)), labels=(("validated", 7),),
    flags=(("DEPTH_DEFAULT", 2, 1), ("ON_LAND", 3, 2)), cells=((-6, 50, 3), (12, 59, 4)),
    ledger=(("declared", 1203), ("accepted", 5), ("rejected", 2), ("withheld", 1)), states=(("accepted", 5),),
    credited=5,
)  # fmt: skip


def record(about: ReleaseFacts | None = None) -> dict[str, Any]:
    return doi.datacite_record(REGISTRY, about or facts(), AUTHORS)


def snapshot_of(using: Registry, about: ReleaseFacts) -> Snapshot:
    """Whoever is credited; without the DOI where the release may not carry it, as the build does."""
    taken = take_snapshot(using, CREDITS, about.date)
    return taken if attribution.grants_licence(about) else taken.without_doi()


def documents(about: ReleaseFacts, using: Registry = REGISTRY) -> dict[str, str]:
    rows = attribution.attribution_rows(using, about, CREDITS)
    table = author_tables.csv_text(attribution.ATTRIBUTION_COLUMNS, (r.values() for r in rows))
    tables = {"attribution.csv": table, "ledger.csv": "contribution_id,declared,release\nnets-one,1200,1.0.0\n"}
    digests = {sample_archive(about): "a" * 64, PARTS: DATA_SHA256}
    found, problems = documents_of(using, about, snapshot_of(using, about), STATS, tables, digests)
    assert problems == []
    return found | {
        "attribution": json.dumps(rows, default=str),
        "ATTRIBUTION.md": attribution.attribution_markdown(rows, about),
        "contributions/index.html": pages.contribution_index(snapshot_of(using, about), rows, about),
    }


# --- people


def names(authors: tuple[people.Author, ...]) -> list[str]:
    return [a.name for a in authors]


def test_core_first_then_everybody_once_in_order_with_consents_honoured() -> None:
    assert names(AUTHORS.core) == CORE
    assert names(AUTHORS.members) == ["Claire de Vallon", "Bo Junior Jr.", "Hal Quiet"]
    assert names(AUTHORS.acknowledged) == ["Tom Thanked"]
    assert names(AUTHORS.authors) == CORE + names(AUTHORS.members)
    assert AUTHORS.members[0].contributions == ("cameras", "nets-one")


def test_who_only_delivered_a_duplicate_keeps_credit() -> None:
    assert "nets-two" not in facts().images
    quiet = next(a for a in AUTHORS.members if a.person.id == "hal-quiet")
    assert quiet.contributions == ("nets-two",)


def test_affiliations_are_numbered_as_they_appear_and_one_ror_is_one_institution() -> None:
    assert [i.id for i in AUTHORS.institutions] == ["institute-one", "institute-two", "institute-three"]
    by_id = {a.person.id: a.affiliations for a in (*AUTHORS.authors, *AUTHORS.acknowledged)}
    assert by_id["ada-zimmer"] == (2, 1)
    assert by_id["bo-junior"] == (2,)
    assert by_id["tom-thanked"] == (3,)


def test_names_are_collated_as_people_expect() -> None:
    before, after = "Ábel Åberg Æsir", "Durr Dürr Łukasz Müller Nowak Øster Šimek Zorn Иванов 李"
    families = [*before.split(), "de Vargas", *after.split()]
    shuffled = random.Random(7).sample(range(len(families)), len(families))
    found = [
        builders.person(
            f"person-{n}", given="Kim", family=families[n].removeprefix("de "),
            particle="de" if families[n].startswith("de ") else None,
        )
        for n in shuffled
    ]  # fmt: skip
    using = REGISTRY.model_copy(
        update={
            "people": {p.id: p for p in found},
            "contributions": {"all": builders.contribution("all", None, owners=tuple(p.id for p in found))},
        }
    )
    assert [a.family for a in people.author_list(using, ["all"]).members] == families
    assert sorted(families) != families


@pytest.mark.parametrize(
    ("old", "new", "same_day", "named"),
    [
        ("anonymous", "author", False, True),
        ("author", "anonymous", False, False),
        ("author", "anonymous", True, False),
        ("anonymous", "author", True, False),
    ],
)
def test_of_two_records_the_newest_consent_counts_and_of_one_day_the_more_private(
    old: str, new: str, same_day: bool, named: bool
) -> None:
    days = (builders.GIVEN, builders.GIVEN if same_day else dt.date(2026, 1, 1))
    kept = builders.person("pat-kept", consent=old, consent_date=days[0])
    other = builders.person("pat-other", consent=new, consent_date=days[1], same_as="pat-kept", core_team=True)
    using = REGISTRY.model_copy(
        update={
            "people": {"pat-kept": kept, "pat-other": other},
            "contributions": {"one": builders.contribution("one", None, owners=("pat-other",))},
        }
    )
    authors = people.author_list(using, ["one"])
    assert names(authors.core) == (["Pat Kept"] if named else [])
    assert not authors.members
    assert not authors.acknowledged


@hypothesis.settings(max_examples=25)
@given(st.permutations(list(CREDITS)), st.randoms())
def test_the_list_does_not_depend_on_any_order(order: list[str], shuffle: random.Random) -> None:
    ids = list(REGISTRY.people)
    shuffle.shuffle(ids)
    using = REGISTRY.model_copy(update={"people": {i: REGISTRY.people[i] for i in ids}})
    assert people.author_list(using, order) == AUTHORS


def test_authors_csv_has_one_row_per_person() -> None:
    rows = list(csv.DictReader(io.StringIO(author_tables.authors_csv(AUTHORS, facts()))))
    assert tuple(rows[0]) == author_tables.AUTHOR_COLUMNS
    assert [r["order"] for r in rows] == ["1", "2", "3", "4", "5", "6"]
    assert [r["role"] for r in rows] == ["core"] * 2 + ["consortium"] * 3 + ["acknowledged"]
    assert {k: rows[2][k] for k in ("family", "particle", "orcid", "contributions")} == {
        "family": "Vallon", "particle": "de", "orcid": "https://orcid.org/0000-0000-0000-0132",
        "contributions": "cameras; nets-one",
    }  # fmt: skip
    assert (rows[1]["affiliations"], rows[1]["affiliation_rors"]) == (
        "Institute Two; Institute One",
        "https://ror.org/02h2x0161; ",
    )
    assert rows[3]["suffix"] == "Jr."


# --- attribution


def test_attribution_has_the_declared_columns_and_one_row_per_credited_contribution() -> None:
    rows = attribution.attribution_rows(REGISTRY, facts(), CREDITS)
    assert list(attribution.ATTRIBUTION_COLUMNS) == schema.arrow("attribution").names
    assert all(tuple(r) == attribution.ATTRIBUTION_COLUMNS for r in rows)
    assert {r["contribution_id"]: r["images_credited"] for r in rows} == CREDITS
    assert [r["contribution_id"] for r in rows] == sorted(CREDITS)
    table = pa.Table.from_pylist(rows, schema.arrow("attribution"))
    assert table["permission_date"].to_pylist() == [r["permission_date"] for r in rows]


@pytest.mark.parametrize(
    ("contribution", "line"),
    [
        ("nets-one", "Data provided by Claire de Vallon, Institute One"),
        ("nets-two", "Quiet & friends"),
        ("waived", f"Data provided by {CONSORTIUM_NAME}"),
        ("hidden", "Data provided by Institute One"),
    ],
)
def test_credit_line(contribution: str, line: str) -> None:
    row = attribution.attribution_rows(REGISTRY, facts(), {contribution: 1})[0]
    assert row["attributed_to"] == line
    assert row["attribution_state"] == REGISTRY.contributions[contribution].attribution.state


def test_attribution_says_all_that_the_licence_asks_for() -> None:
    row = attribution.attribution_rows(REGISTRY, facts(), {"nets-two": 1})[0]
    assert "pixels unchanged" in str(row.pop("changes_made"))
    assert row == {
        "contribution_id": "nets-two", "title": "Contribution nets-two", "attributed_to": "Quiet & friends",
        "attribution_state": "given", "institutions": "Institute Two; Institute One",
        "institution_rors": "https://ror.org/02h2x0161; ", "copyright_notice": "© Hal",
        "licence_spdx": "CC-BY-NC-4.0", "licence_url": REGISTRY.settings.licence_url,
        "source_url": "https://example.org/nets", "source_dataset_id": None, "retrieved_on": dt.date(2026, 1, 2),
        "source_licence_spdx": None, "source_licence_seen": None, "credit_page": "contributions/nets-two.html",
        "acknowledgement": "Thanks to\nthe crew", "funding": "Sea Fund, SF-1, Nets",
        "cite_dois": "10.1234/Paper; 10.1234/paper.2", "permission_type": "signed",
        "permission_date": dt.date(2025, 9, 3), "interim_terms": "other: Only for models",
        "images_credited": 1, "release": "1.0.0",
    }  # fmt: skip


def test_attribution_markdown_keeps_the_wording_and_says_what_is_pending() -> None:
    text = documents(facts())["ATTRIBUTION.md"]
    assert "- Acknowledgement: Thanks to\n  the crew\n" in text
    assert text.count("still to come") == 2
    assert "Quiet & friends (1 image)" in text
    assert "Not agreed yet" not in text
    assert text.count("\n## ") == len(CREDITS)


# --- DOI record


def test_the_record_is_valid_and_says_what_was_agreed() -> None:
    made = record()
    assert doi.datacite_problems(made) == []
    assert schema45.validate(made)
    assert made["doi"] == "10.1234/aqqua.v1"
    assert made["publicationYear"] == "2027"
    assert {d["dateType"]: d["date"] for d in made["dates"]} == {
        "Available": "2027-07-15", "Issued": "2027-07-15", "Collected": "1990-05-01/2024-02-29",
    }  # fmt: skip
    assert made["rightsList"] == [
        {
            "rights": "Creative Commons Attribution Non Commercial 4.0 International",
            "rightsUri": "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
            "rightsIdentifier": "cc-by-nc-4.0",
            "rightsIdentifierScheme": "SPDX",
            "schemeUri": "https://spdx.org/licenses/",
        }
    ]
    assert [c["name"] for c in made["creators"]] == ["Ålund, Zoe", "Zimmer, Ada", CONSORTIUM_NAME]
    assert made["creators"][-1]["nameType"] == "Organizational"
    assert {c["contributorType"] for c in made["contributors"]} == {"DataCollector"}
    assert made["geoLocations"][0]["geoLocationBox"] == {
        "westBoundLongitude": -5.5, "southBoundLatitude": 50.0, "eastBoundLongitude": 12.25, "northBoundLatitude": 60.0,
    }  # fmt: skip


def test_providers_are_contributors_with_orcid_and_ror() -> None:
    made = {c["name"]: c for c in record()["contributors"]}
    assert made["de Vallon, Claire"] == {
        "name": "de Vallon, Claire",
        "nameType": "Personal",
        "givenName": "Claire",
        "familyName": "de Vallon",
        "nameIdentifiers": [
            {
                "nameIdentifier": "https://orcid.org/0000-0000-0000-0132",
                "nameIdentifierScheme": "ORCID",
                "schemeUri": "https://orcid.org",
            }
        ],
        "affiliation": [{"name": "Institute One"}],
        "contributorType": "DataCollector",
    }
    assert made["Junior Jr., Bo"]["affiliation"] == [
        {
            "name": "Institute Two",
            "affiliationIdentifier": "https://ror.org/02h2x0161",
            "affiliationIdentifierScheme": "ROR",
            "schemeUri": "https://ror.org",
        }
    ]
    assert [n for n, c in made.items() if c["nameType"] == "Organizational"] == ["Institute One", "Institute Two"]


def test_papers_sources_and_grants_of_all_credited_contributions_stand_there_once() -> None:
    made = record()
    related = {
        (r["relationType"], r["relatedIdentifierType"], r["relatedIdentifier"]) for r in made["relatedIdentifiers"]
    }
    assert related == {
        ("References", "DOI", "10.1234/paper"),
        ("References", "DOI", "10.1234/paper.2"),
        ("IsDerivedFrom", "DOI", "10.1234/nets"),
        ("IsDerivedFrom", "URL", "https://example.org/nets"),
        ("HasMetadata", "URL", "https://example.org/test/v1.0.0/croissant.json"),
    }
    assert len(made["relatedIdentifiers"]) == len(related)
    assert made["fundingReferences"] == [
        {
            "funderName": "Sea Fund",
            "funderIdentifier": "https://ror.org/05dxps055",
            "funderIdentifierType": "ROR",
            "awardNumber": "SF-1",
        }
    ]


@pytest.mark.parametrize("about", [rehearsal(), rehearsal(view="internal"), facts(view="internal")])
def test_only_a_public_release_has_a_doi(about: ReleaseFacts) -> None:
    made = record(about)
    assert doi.datacite_problems(made) == []
    assert "10.1234/aqqua.v1" not in "".join(documents(about).values())
    assert ("rightsList" in made) == (about.view == "public")
    assert made["titles"][0]["title"].startswith(about.mark)
    assert made["descriptions"][0]["description"].startswith(about.mark)


def test_a_release_without_images_has_a_valid_record() -> None:
    about = facts(images={}, instruments={}, image_bytes=0, box=None, first_sampled=None, last_sampled=None)
    made = doi.datacite_record(REGISTRY, about, people.author_list(REGISTRY, []))
    assert doi.datacite_problems(made) == []
    assert "geoLocations" not in made
    assert [c["name"] for c in made["contributors"]] == ["Quiet, Hal"]  # core team, by own wish in the consortium


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(made: dict[str, Any]) -> None:
        place: Any = made
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_set("dates", 0, "date", to="next summer"), "next summer"),
        (_set("dates", 0, "date", to="2027-02-30"), "2027-02-30"),
        (_set("dates", 2, "date", to="2024-02-29/1990-05-01"), "range of days"),
        (_set("publicationYear", to=2027), "publicationYear"),
        (_set("publicationYear", to="2026"), "year of Available"),
        (_set("creators", 0, "nameIdentifiers", 0, "nameIdentifier", to="0000-0000-0000-0158"), "ORCID"),
        (_set("contributors", 1, "affiliation", 0, "affiliationIdentifier", to="https://ror.org/02h2x0162"), "ROR"),
        (_set("publisher", "publisherIdentifier", to="https://ror.org/02h2x0162"), "publisherIdentifier"),
        (_set("creators", 0, "name", to=" , "), "a name is empty"),
        (_set("contributors", 0, "name", to="Vallon, Claire claire@example.org"), "e-mail"),
        (_set("contributors", 0, "email", to="claire@example.org"), "e-mail"),
        (_set("descriptions", 0, "description", to="a\x0bb"), "control character"),
        (_set("geoLocations", 0, "geoLocationBox", "southBoundLatitude", to=61), "south"),
        (_set("geoLocations", 0, "geoLocationBox", "westBoundLongitude", to=-181), "-181"),
        (_set("rightsList", 0, "rightsIdentifier", to="cc-by-4.0"), "agreed"),
        (_set("relatedIdentifiers", 0, "relatedIdentifier", to="10.12/a b"), "no DOI"),
        (_set("doi", to="10.1234/a b"), "doi"),
        (_set("event", to="publish"), "event"),
        (_set("version", to="1.0.0-rehearsal"), "rehearsal"),
    ],
)  # fmt: skip
def test_what_the_schema_lets_pass_is_found(change: Callable[[dict[str, Any]], None], problem: str) -> None:
    made = json.loads(doi.datacite_json(record()))
    change(made)
    assert any(problem in p for p in doi.datacite_problems(made)), doi.datacite_problems(made)


def test_a_doi_without_a_licence_is_refused() -> None:
    made = record()
    del made["rightsList"]
    assert doi.datacite_problems(made) == ["rightsList: a record with a DOI needs one"]


def test_another_licence_than_the_one_agreed_to_is_refused() -> None:
    settings = REGISTRY.settings.model_copy(update={"licence_spdx": "CC-BY-4.0"})
    using = REGISTRY.model_copy(update={"settings": settings})
    assert any("agreed" in p for p in doi.datacite_problems(doi.datacite_record(using, facts(), AUTHORS)))


def test_an_old_jsonschema_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "3.2.0")
    with pytest.raises(RuntimeError, match="jsonschema 4"):
        doi.datacite_problems(record())


def test_json_and_xml_hold_the_same_record() -> None:
    made = record()
    text = doi.datacite_json(made)
    assert json.loads(text) == made
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(made)
    root = ET.fromstring(doi.datacite_xml(made))
    assert root.findtext("d:publicationYear", namespaces=NS) == "2027"
    assert root.findtext("d:identifier", namespaces=NS) == made["doi"]
    assert [e.text for e in root.iterfind(".//d:creatorName", NS)] == [c["name"] for c in made["creators"]]
    assert [e.text for e in root.iterfind(".//d:contributorName", NS)] == [c["name"] for c in made["contributors"]]
    assert len(root.findall(".//d:relatedIdentifier", NS)) == len(made["relatedIdentifiers"])


# --- cards


def test_citation_is_valid_cff_and_short() -> None:
    with (Path(__file__).parent / "data/cff-1.2.0.schema.json").open(encoding="utf-8") as stream:
        validator = jsonschema.Draft7Validator(json.load(stream), format_checker=jsonschema.FormatChecker())
    for about in (facts(), rehearsal(), facts(view="internal")):
        card = yaml.safe_load(citation_cff(REGISTRY, about, AUTHORS))
        assert [e.message for e in validator.iter_errors(card)] == []
        assert card["type"] == "dataset"
        assert all(card[k].startswith(about.mark) for k in ("title", "abstract", "message"))
        assert card["version"] == about.version
        assert card["date-released"] == about.date.isoformat()
        assert card.get("license") == ("CC-BY-NC-4.0" if about.view == "public" else None)
        assert [a.get("name") for a in card["authors"]] == [None, None, CONSORTIUM_NAME]
        assert not {"email", "tel", "address", "fax"} & {key for a in card["authors"] for key in a}
    assert list(validator.iter_errors(card | {"license": "no such licence"}))


def test_licence_says_non_commercial_and_who_gets_nothing() -> None:
    public = licence_file(REGISTRY.settings, facts())
    assert "SPDX-License-Identifier: CC-BY-NC-4.0" in public
    assert "not for commercial purposes" in public
    assert REGISTRY.settings.licence_url in public
    for about in (rehearsal(), facts(view="internal")):
        text = licence_file(REGISTRY.settings, about)
        assert "Nothing in it is licensed" in text
        assert "SPDX-License-Identifier" not in text
        assert REGISTRY.settings.licence_url in text


def test_readme_counts_and_cites() -> None:
    text = documents(facts())["README.md"]
    assert "| `ifcb` | 4 | 1 |" in text
    assert "| ZooScan | `zooscan` | 3 | 2 |" in text
    assert "1,203 images were declared, 5 are usable and 7 of\n4 contributions are published" in text
    assert DATA_SHA256 in text
    assert (
        "Please cite: Ålund, Zoe; Zimmer, Ada; Test Data Provider Consortium (2027): Test collection. "
        "Version 1.0.0. Test Institute. https://doi.org/10.1234/aqqua.v1" in text
    )
    assert "REHEARSAL" not in text
    assert "shard-00000.tar" in text
    marked = documents(rehearsal())["README.md"]
    assert "> **REHEARSAL." in marked
    assert "shard-00000.rehearsal.tar" in marked


def test_what_the_readme_says_of_reading_works(tmp_path: Path) -> None:
    names = ("images/contribution=nets-one/shard-00000.tar", "metadata/contribution=nets-one/part-00000.parquet")
    shard, table = (tmp_path / n for n in names)
    for path in (shard, table):
        path.parent.mkdir(parents=True)
    picture = io.BytesIO()
    Image.new("L", (3, 2), 7).save(picture, "PNG")
    with shard.open("wb") as stream:
        writer = ShardWriter(stream)
        offset = writer.add("a" * 20, "png", picture.getvalue())
        writer.finish()
    row = {
        "image_id": "a" * 20, "instrument_id": "ifcb", "pixel_size_um": 1.5, "shard": names[0],
        "offset": offset, "length": len(picture.getvalue()),
    }  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row]), table)
    code = re.findall(r"```python\n(.*?)```", documents(facts())["README.md"], re.DOTALL)
    assert len(code) == 1
    ending = "\nassert len(table) == 1 and next(iter(samples))['png'].size == (3, 2) and data[:4] == b'\\x89PNG'\n"
    done = subprocess.run(
        [sys.executable, "-c", code[0] + ending], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "ifcb" in done.stdout


# --- all together


def test_all_documents_name_the_same_people() -> None:
    made = documents(facts())
    core, members = names(AUTHORS.core), names(AUTHORS.members)
    rows = list(csv.DictReader(io.StringIO(made["authors/authors.csv"])))
    in_csv = [" ".join(filter(None, (r["given"], r["particle"], r["family"], r["suffix"]))) for r in rows]
    assert in_csv == [*core, *members, "Tom Thanked"]
    in_markdown = re.findall(r"^- ([^(,]+?) \(", made["authors/authors.md"], re.MULTILINE)
    assert in_markdown == in_csv
    personal = [c for k in ("creators", "contributors") for c in record()[k] if c["nameType"] == "Personal"]
    assert [f"{c['givenName']} {c['familyName']}" for c in personal] == core + members
    cff = yaml.safe_load(made["CITATION.cff"])["authors"]
    assert [f"{a['given-names']} {a['family-names']}" for a in cff if "name" not in a] == core


@pytest.mark.parametrize("about", [facts(), rehearsal(), facts(view="internal")])
def test_nobody_is_named_against_their_will_and_no_address_is_printed(about: ReleaseFacts) -> None:
    for name, text in documents(about).items():
        assert "Nobody" not in text, name
        assert "Uninvolved" not in text, name
        assert EMAIL.search(text) is None, name


#: For machines: the version, or the archive's name, says it.
BY_VERSION = {
    "stats.json", "linkset.json", "authors/authors.csv", "authors/funding.csv", "attribution",
    "authors/author_list_snapshot.json", "authors/references-to-complete.csv",
}  # fmt: skip


def test_every_document_of_a_rehearsal_says_so() -> None:
    for name, text in documents(rehearsal()).items():
        assert ("rehearsal" if name in BY_VERSION else MARK.strip()) in text, name
    for name, text in documents(facts()).items():
        assert MARK.strip() not in text, name
        assert "rehearsal" not in text.lower() or name in ("data-dictionary.md", "stats.json"), name


def test_the_internal_view_is_marked_and_has_no_doi() -> None:
    made = documents(facts(view="internal"))
    for name in ("README.md", "index.html", "KNOWN-PROBLEMS.md", "LICENSE", "CITATION.cff", "contributions/index.html"):
        assert "This is the internal view" in " ".join(made[name].split()), name
    assert not [name for name, text in made.items() if "10.1234/aqqua.v1" in text]
    assert "10.1234/aqqua.v1" in documents(facts())["index.html"]


def test_a_public_licence_is_whole_and_leaves_marked_items_theirs() -> None:
    """First and last words of the legal code, as creativecommons.org has them, and all eight sections between."""
    text = documents(facts())["LICENSE"]
    assert text.endswith(legal_code())
    assert "Items marked otherwise keep their own licence" in text
    sections = re.findall(r"^Section (\d) -- ", legal_code(), re.MULTILINE)
    assert sections == [str(n) for n in range(1, 9)]
    assert legal_code().startswith("Attribution-NonCommercial 4.0 International")
    assert legal_code().rstrip().endswith("Creative Commons may be contacted at creativecommons.org.")
    assert legal_code() not in documents(rehearsal())["LICENSE"]


def test_known_problems_are_counted_the_most_frequent_first() -> None:
    text = documents(facts())["KNOWN-PROBLEMS.md"]
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert [(r[0], r[-2], r[-1]) for r in rows] == [("| `ON_LAND`", "3", "2 |"), ("| `DEPTH_DEFAULT`", "2", "1 |")]
    meanings = schema.vocabulary("flags.csv").set_index("flag")["meaning"]
    assert rows[0][3] == meanings["ON_LAND"]
    assert "2 delivered images can't be used and 1 may not be published" in text


def test_documents_do_not_depend_on_any_order() -> None:
    turned = REGISTRY.model_copy(
        update={k: dict(reversed(getattr(REGISTRY, k).items())) for k in ("people", "institutions", "contributions")}
    )
    about = facts()
    other = dataclasses.replace(
        about, images=dict(reversed(about.images.items())), instruments=dict(reversed(about.instruments.items()))
    )
    assert documents(other, turned) == documents(about)


def test_a_large_collection_is_done_in_seconds() -> None:
    found = [builders.person(f"given-family{n}") for n in range(300)]
    many = {f"c{n}": builders.contribution(f"c{n}", None, owners=(p.id,)) for n, p in enumerate(found)}
    using = REGISTRY.model_copy(update={"people": {p.id: p for p in found}, "contributions": many})
    made = doi.datacite_record(using, facts(), people.author_list(using, many))
    assert len(made["contributors"]) == len(found) + 1
    assert doi.datacite_problems(made) == []
