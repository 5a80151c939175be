"""Registry files written and changed by machine: what is written is read back, and nothing else of a file moves."""

import datetime as dt
from pathlib import Path

import pytest
from builders import person
from hypothesis import given, settings
from hypothesis import strategies as st
from named import made

from aqqua_dataset.intake.yaml_text import changed, dump, plain
from aqqua_dataset.registry.load import read_yaml
from aqqua_dataset.registry.models import Consent, Contribution
from aqqua_dataset.release.people import author_list, identities

ORDER = list(Contribution.model_fields)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)

ODD = """\
# head
id: x   # the id
title: 'Old: title'
owners:   # who
- a
# between
- b
description: >
  folded
  text
expected_images:
source: {format: ecotaxa, location: "x"}   # here
declared:
    # why
    water_type: marine   # told

# before history
history:
# first
- {date: 2025-01-01, state: pledged}   # said
# end
"""


def test_every_record_of_the_example_is_written_as_it_is_read(registry_folder: Path) -> None:
    for path in registry_folder.glob("*/*.yaml"):
        values = read_yaml(path.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            assert read_yaml(dump(values)) == values, path


VALUES = st.one_of(
    TEXT, st.integers(), st.booleans(), st.lists(TEXT, max_size=3), st.dictionaries(st.sampled_from("abc"), TEXT)
)


@settings(max_examples=50)
@given(TEXT, VALUES)
def test_any_text_comes_back(text: str, value: object) -> None:
    record = {"title": text, "other": value, "list": [{"a": text}], "source": {"location": text}}
    assert read_yaml(dump(record)) == record


@settings(max_examples=50)
@given(TEXT)
def test_any_text_can_be_put_in_any_place(text: str) -> None:
    changes = dict.fromkeys(("title", "source.format", "source.url", "declared.platform"), text)
    values = read_yaml(changed(ODD, {**changes, "institutions": [text]}, ORDER))
    found = [values["title"], values["source"]["format"], values["source"]["url"], values["declared"]["platform"]]
    assert [*found, *values["institutions"]] == [text] * 5


@pytest.mark.parametrize(
    ("changes", "gone", "new"),
    [
        ({"title": "New"}, ["title: 'Old: title'"], ["title: New"]),
        ({"source.location": "y"}, ['source: {format: ecotaxa, location: "x"}   # here'],
         ["source: {format: ecotaxa, location: y}   # here"]),
        ({"source.dataset_id": "7"}, ['source: {format: ecotaxa, location: "x"}   # here'],
         ['source: {format: ecotaxa, location: "x", dataset_id: "7"}   # here']),
        ({"declared.water_type": "culture"}, ["    water_type: marine   # told"], ["    water_type: culture   # told"]),
        ({"declared.platform": "ferry"}, [], ["    platform: ferry"]),
        ({"expected_images": 5}, ["expected_images:"], ["expected_images: 5"]),
        ({"form_id": "R-1"}, [], ["form_id: R-1"]),
        ({"description": "short"}, ["description: >", "  folded", "  text"], ["description: short"]),
        ({"owners": ["c"]}, ["owners:   # who", "- a", "- b"], ["owners: [c]"]),
        ({"history": [{"date": dt.date(2025, 2, 1), "state": "agreed"}]}, [], ["- {date: 2025-02-01, state: agreed}"]),
        ({"attribution.state": "pending"}, [], ["attribution: {state: pending}"]),
    ],
)  # fmt: skip
def test_a_change_moves_nothing_else(changes: dict[str, object], gone: list[str], new: list[str]) -> None:
    before, after = ODD.splitlines(), changed(ODD, changes, ORDER).splitlines()
    assert [line for line in before if line not in gone] == [line for line in after if line not in new]
    assert [line for line in after if line in new] == new


def test_added_keys_stand_where_they_belong() -> None:
    keys = list(read_yaml(changed(ODD, {"interim_terms": "cc0", "form_id": "R-1", "institutions": ["i"]}, ORDER)))
    assert keys.index("owners") < keys.index("institutions") < keys.index("form_id") < keys.index("interim_terms")
    assert keys[-1] == "history"


def test_what_cannot_be_changed_is_refused() -> None:
    for text, change in ((ODD, {"title.part": 1}), ("[1]", {"title": "x"}), ("history: none", {"history": [{}]})):
        with pytest.raises((ValueError, TypeError)):
            changed(text, change, ORDER)


def test_days_and_lists_compare_as_they_are_read() -> None:
    assert plain({"a": dt.date(2025, 1, 2), "b": ("x",)}) == {"a": "2025-01-02", "b": ["x"]}


def test_who_was_not_asked_is_named_nowhere_until_they_answer() -> None:
    silent = person("ada-nowak", consent="not_asked", consent_date="2026-05-01")
    registry = made([silent], {"c1": ("ada-nowak",)})
    authors = author_list(registry, ["c1"])
    assert not [*authors.core, *authors.members, *authors.acknowledged]
    asked = person("a-nowak", consent="acknowledge_only", consent_date="2025-01-01", same_as="ada-nowak")
    assert identities(made([silent, asked], {"c1": ("a-nowak",)}))["ada-nowak"].consent is Consent.ACKNOWLEDGE_ONLY
