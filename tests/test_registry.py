"""The registry: the example is complete and valid; every mistake is named with file, line, key and value."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import person
from hypothesis import given
from hypothesis import strategies as st

from aqqua_dataset import cli
from aqqua_dataset.findings import Finding, has_errors
from aqqua_dataset.registry.load import load_contacts, load_registry
from aqqua_dataset.registry.models import Person, Registry
from aqqua_dataset.registry.same_people import name_keys

NET = "contributions/kattegat-net-2019.yaml"
LAKE = "contributions/lake-stechlin-2022.yaml"
PLEDGE = "contributions/svalbard-uvp6-pledge.yaml"
ANNA = "people/anna-lindqvist.yaml"
SETTINGS = "settings.yaml"
CONTACTS = "private/contacts.yaml"

Edit = Callable[[str, str, str], None]


@pytest.fixture
def folder(tmp_path: Path, registry_folder: Path) -> Path:
    """A copy of the example that a test may spoil."""
    return Path(shutil.copytree(registry_folder, tmp_path / "registry"))


@pytest.fixture
def edit(folder: Path) -> Edit:
    """Replaces a text that stands in a file exactly once."""

    def replace(file: str, old: str, new: str) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")

    return replace


def load(folder: Path) -> tuple[Registry, list[Finding]]:
    registry, findings = load_registry(folder)
    assert registry is not None, findings
    return registry, findings


def line_of(folder: Path, file: str, text: str) -> int:
    lines = (folder / file).read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, start=1) if text in line)


def test_the_example_has_no_error_and_one_wanted_warning(registry_folder: Path) -> None:
    registry, findings = load(registry_folder)
    assert [(f.severity, f.rule, f.contribution) for f in findings] == [
        ("warning", "permission_missing", "arkona-unsigned-2023")
    ]
    assert findings[0].file == "contributions/arkona-unsigned-2023.yaml"
    assert findings[0].line == line_of(registry_folder, findings[0].file, "permissions:")
    assert "public-release" in findings[0].message
    assert len(registry.contributions) == 10


def test_the_example_shows_every_case(registry_folder: Path) -> None:
    registry, _ = load(registry_folder)
    contributions = registry.contributions
    people = registry.people.values()
    assert {c.value for c in {p.consent for p in people}} >= {"author", "consortium_only", "acknowledge_only"}
    assert sum(p.core_team for p in people) == 2
    assert any(p.particle == "de" for p in people)
    assert any(p.orcid is None for p in people)
    assert any(not f"{p.given}{p.family}".isascii() for p in people)
    assert {c.attribution.state for c in contributions.values()} == {"given", "pending", "waived"}
    assert {c.source.format for c in contributions.values() if c.source} == {"ecotaxa", "ifcb", "table"}
    assert contributions["kattegat-net-2019"].form_id == contributions["kattegat-flowcam-2020"].form_id
    assert contributions["svalbard-uvp6-pledge"].source is None
    assert contributions["gotland-mooring-2024"].not_before is not None


def test_access_taken_back_is_no_withdrawal(registry_folder: Path) -> None:
    contributions = load(registry_folder)[0].contributions
    assert not contributions["kattegat-net-2019"].revoked
    assert contributions["kattegat-net-2019"].state == "received"
    assert contributions["fram-loki-withdrawn"].revoked


def test_the_readme_names_every_contribution_and_every_kind_of_file(registry_folder: Path) -> None:
    readme = (registry_folder / "README.md").read_text(encoding="utf-8")
    for kind in ("settings.yaml", "people/<id>.yaml", "institutions/<id>.yaml", "contributions/<id>.yaml", CONTACTS):
        assert f"`{kind}`" in readme
    for path in (registry_folder / "contributions").iterdir():
        assert f"`{path.stem}`" in readme


# file, text to replace, replacement, rule, key, value, text of the line the finding must point at
MISTAKES = [
    # the form of one file
    (NET, "title: Net", "tilte: Net", "record_invalid", "tilte", "Net samples of the Kattegat 2019", "tilte"),
    (NET, "expected_images: 48", "expected_images: many", "record_invalid", "expected_images", "many", "many"),
    (NET, "expected_images: 48", "expected_images: -1", "record_invalid", "expected_images", "-1", "-1"),
    (NET, "form_date: 2025-08-04", "form_date: 2025-02-30", "record_invalid", "form_date", "2025-02-30", "form_date"),
    (NET, "form_date: 2025-08-04", "form_date: 4.8.2025", "record_invalid", "form_date", "4.8.2025", "form_date"),
    (NET, "title: Net samples of the Kattegat 2019", "title: 2019", "record_invalid", "title", "2019", "title"),
    (NET, "state: given", "state: perhaps", "record_invalid", "attribution.state", "perhaps", "state: perhaps"),
    (NET, "scope: ecotaxa_access, ", "", "record_invalid", "history.3", "", "state: revoked"),
    (NET, "owners: [anna-lindqvist, bjorn-aase]", "owners: []", "record_invalid", "owners", "", "owners"),
    (NET, "owners: [anna-lindqvist, bjorn-aase]", "owners: anna-lindqvist", "record_invalid", "owners",
     "anna-lindqvist", "owners"),
    (NET, "anna-lindqvist, bjorn-aase", "Anna Lindqvist", "record_invalid", "owners.0", "Anna Lindqvist", "owners"),
    (LAKE, "{column: Datei}", "{colum: Datei}", "record_invalid", "source.mapping.image_file.colum", "Datei", "Datei"),
    (ANNA, "family: Lindqvist\n", "", "record_invalid", "family", "", "id: anna"),
    (ANNA, "consent: author", "consent: yes", "record_invalid", "consent", "yes", "consent: yes"),
    (ANNA, "id: anna-lindqvist", "id: anna", "id_differs_from_file", "id", "anna", "id: anna"),
    (ANNA, "family: Lindqvist", "family: Lindqvist\ngiven: Anne", "key_repeated", "given", "", "given: Anne"),
    (ANNA, "given: Anna", "given: [Anna", "yaml_syntax", "", "", "family"),
    (ANNA, "given: Anna", "given: &a Anna", "yaml_syntax", "", "", "given"),
    (ANNA, "given: Anna", "given: *a", "yaml_syntax", "", "", "given"),
    (ANNA, "given: Anna", "given: !!python/name:os.system x", "yaml_syntax", "", "", "given"),
    ("institutions/institut-du-plancton.yaml", "latitude: 43.7", "latitude: 437", "record_invalid", "latitude", "437",
     "437"),
    ("institutions/institut-du-plancton.yaml", "country: FR", "country: France", "record_invalid", "country", "France",
     "country"),
    # between files
    (NET, "anna-lindqvist, bjorn-aase", "anna-lindkvist", "reference_dangling", "owners.0", "anna-lindkvist", "owners"),
    (NET, "person: henk-van-der-meer", "person: henk", "reference_dangling", "contributors.0.person", "henk", "henk"),
    (NET, "flag: COUNT_UNCERTAINTY", "flag: COUNT", "flag_unknown", "overrules.0.flag", "COUNT", "COUNT"),
    (NET, "by: bjorn-aase", "by: bjorn", "reference_dangling", "overrules.0.by", "bjorn", "by: bjorn"),
    ("settings.yaml", "instrument_id: zooscan", "instrument_id: zoo", "reference_dangling",
     "instrument_aliases.0.instrument_id", "zoo", "zoo"),
    (NET, "[kattegat-marine-station]", "[kattegat]", "reference_dangling", "institutions.0", "kattegat", "[katt"),
    (NET, "id: global-distribution", "id: global", "reference_dangling", "permissions.3.id", "global", "id: global"),
    (NET, "interim_terms: cc-by", "interim_terms: cc-bye", "reference_dangling", "interim_terms", "cc-bye", "cc-bye"),
    (ANNA, "[kattegat-marine-station]", "[kattegat]", "reference_dangling", "affiliations.0", "kattegat", "affil"),
    (CONTACTS, "person: elif-yildirim", "person: elif", "reference_dangling", "4.person", "elif", "person: elif,"),
    (NET, "owners: [anna-lindqvist, bjorn-aase]", "owners: [bjorn-aase, bjorn-aase]", "listed_twice", "owners.1",
     "bjorn-aase", "owners"),
    (NET, "id: global-distribution", "id: model-release", "listed_twice", "permissions.3.id", "model-release",
     "2025-08-04}\ninterim"),
    (NET, "interim_terms: cc-by", "interim_terms: other", "interim_terms_text_missing", "interim_terms", "other",
     "interim_terms"),
    # identifiers
    (ANNA, "0000-0000-0000-0116", "0000-0000-0000-0117", "orcid_invalid", "orcid", "0000-0000-0000-0117", "orcid"),
    ("institutions/institut-du-plancton.yaml", "country: FR", "country: FR\nror: 02h2x0162", "ror_invalid", "ror",
     "02h2x0162", "ror:"),
    (NET, "10.1234/kattegat.2020", "https://doi.org/10.1234/k", "doi_invalid", "attribution.cite_dois.0",
     "https://doi.org/10.1234/k", "cite_dois"),
    (NET, "award_number: ESC-77", "ror: 00x0x0x00", "ror_invalid", "attribution.funding.0.ror", "00x0x0x00", "ror:"),
    (SETTINGS, "spdx: CC-BY-SA-4.0", "spdx: CC BY-SA 4.0", "spdx_invalid", "interim_terms.2.spdx", "CC BY-SA 4.0",
     "CC BY-SA 4.0, spdx"),
    (SETTINGS, "licence_spdx: CC-BY-NC-4.0", "licence_spdx: CC BY-NC", "spdx_invalid", "licence_spdx", "CC BY-NC",
     "licence_spdx"),
    (SETTINGS, "doi: 10.1234/aqqua.v1", "doi: 10.1/x", "doi_invalid", "dataset.doi", "10.1/x", "doi"),
    (SETTINGS, "  consortium:", "  publisher_ror: 05dxps056\n  consortium:", "ror_invalid", "dataset.publisher_ror",
     "05dxps056", "publisher_ror"),
    (SETTINGS, "time_zone: Europe/Berlin", "time_zone: Berlin", "time_zone_unknown", "time_zone", "Berlin",
     "time_zone"),
    (SETTINGS, "aqqua@example.org", "aqqua", "email_invalid", "dataset.contact_email", "aqqua", "contact_email"),
    (SETTINGS, "https://example.org/imprint", "imprint", "address_invalid", "dataset.imprint_url", "imprint",
     "imprint_url"),
    # what the data are read by
    (LAKE, "time_zone: Europe/Berlin", "time_zone: Europe", "time_zone_unknown", "declared.time_zone", "Europe",
     "time_zone"),
    (LAKE, "unit: um", "unit: µm", "unit_unknown", "source.mapping.pixel_size.unit", "µm", "pixel_size"),
    ("contributions/kattegat-flowcam-2020.yaml", "process_pixel: um", "process_pixel: inch", "unit_unknown",
     "declared.column_units.process_pixel", "inch", "process_pixel"),
    ("contributions/boknis-ifcb-2021.yaml", "unit: px/um", "unit: px", "unit_unknown", "declared.pixel_size.unit", "px",
     "pixel_size"),
    (LAKE, "format: table", "format: excel", "format_unknown", "source.format", "excel", "format: excel"),
    (LAKE, "    label: {column", "    lable: {column", "input_unknown", "source.mapping.lable", "lable", "lable"),
    (LAKE, "event_id: {column: Profil}", "event_id: {column: Profil, unit: m}", "unit_unknown",
     "source.mapping.event_id.unit", "m", "event_id"),
    (LAKE, "%d.%m.%Y %H:%M:%S", "DD.MM.YYYY", "time_format_unknown", "source.mapping.datetime.format", "DD.MM.YYYY",
     "datetime"),
    (LAKE, "  images: images", "  names: '(tow)'\n  images: images", "names_invalid", "source.names", "(tow)", "names"),
    (LAKE, "  images: images", "  names: '(?P<a>'\n  images: images", "names_invalid", "source.names", "(?P<a>",
     "names"),
    (LAKE, "  images: images", "  joins: [{id: a, key: [k], to: [k, l]}]\n  images: images", "join_invalid",
     "source.joins.0.to", "k, l", "joins"),
    (LAKE, "  images: images", "  joins: [{id: name, key: [k], to: [k]}]\n  images: images", "join_invalid",
     "source.joins.0.id", "name", "joins"),
    (LAKE, "  images: images", "  folders: [{path: a, holds: {lat: 1}}]\n  images: images", "input_unknown",
     "source.folders.0.holds.lat", "lat", "folders"),
    (LAKE, "  deployment_type: in_situ_profile",
     "  sea: {name: Baltic, south: 66, north: 53, west: 9, east: 30}", "record_invalid", "declared.sea", "", "sea: {"),
    (LAKE, "  deployment_type: in_situ_profile", "  culture_origin: {latitude: 91, longitude: 9}", "record_invalid",
     "declared.culture_origin.latitude", "91", "culture_origin"),
    (LAKE, "  deployment_type: in_situ_profile", "  culture_origin: {latitude: 51, longitude: 9}",
     "culture_origin_out_of_place", "declared.culture_origin", "freshwater", "culture_origin"),
    (SETTINGS, "time_zone: Europe/Berlin", "time_zone: Europe/Berlin\nlonghurst: /no/such.xml", "longhurst_missing",
     "longhurst", "/no/such.xml", "longhurst"),
    (LAKE, "deployment_type: in_situ_profile", "deployment_type: boat", "deployment_type_unknown",
     "declared.deployment_type", "boat", "deployment_type"),
    # agreement and history
    (LAKE, "form_id: F-003\n", "", "agreement_incomplete", "form_id", "", "id: lake"),
    (LAKE, "form_date: 2025-09-12\n", "", "agreement_incomplete", "form_date", "", "id: lake"),
    (LAKE, "interim_terms: cc-by-sa\n", "", "agreement_incomplete", "interim_terms", "", "id: lake"),
    (NET, "date: 2025-09-01, state: received", "date: 2025-08-03, state: received", "history_backwards",
     "history.2.date", "2025-08-03", "state: received"),
    (NET, "state: received", "state: pledged", "history_backwards", "history.2.state", "pledged", "09-01, state: pl"),
    (NET, "state: agreed", "state: pledged", "history_step_missing", "history.2.state", "received", "state: received"),
    (PLEDGE, "state: pledged", "state: received", "history_step_missing", "history.0.state", "received", "received"),
    (NET, "state: agreed", "state: agreed, scope: all", "scope_out_of_place", "history.1.scope", "all", "scope: all"),
    ("contributions/fram-loki-withdrawn.yaml", "history:", "history:\n"
     "  - {date: 2025-08-01, state: revoked, scope: all, reason: no}", "history_after_revocation", "history.1",
     "agreed", "state: agreed"),
    # people
    (ANNA, "consent: author", "consent: author\nsame_as: anna", "same_as_invalid", "same_as", "anna", "same_as"),
    (ANNA, "consent: author", "consent: author\nsame_as: anna-lindqvist", "same_as_invalid", "same_as",
     "anna-lindqvist", "same_as"),
    (ANNA, "consent: author", "consent: author\nsame_as: bjorn-aase", "orcid_conflict", "orcid", "0000-0000-0000-0116",
     "orcid"),
    ("people/bjorn-aase.yaml", "0000-0000-0000-0124", "https://orcid.org/0000-0000-0000-0116", "person_twice", "orcid",
     "https://orcid.org/0000-0000-0000-0116", "orcid"),
    (CONTACTS, "person: elif-yildirim", "person: bjorn-aase", "contact_twice", "4.person", "bjorn-aase", "elif@"),
    # addresses
    (ANNA, "family: Lindqvist", "family: Lindqvist anna@example.org", "email_in_public_record", "family",
     "anna@example.org", "family"),
    (NET, "We thank the crew", "We thank crew@example.org", "email_in_public_record", "attribution.acknowledgement",
     "crew@example.org", "acknowledgement"),
    (LAKE, "column: Klasse", "column: a@example.org", "email_in_public_record", "source.mapping.label.column",
     "a@example.org", "label:"),
    ("contributions/kattegat-flowcam-2020.yaml", "process_pixel: um", "a@example.org: um", "email_in_public_record",
     "declared.column_units.a@example.org", "a@example.org", "a@example.org"),
    ("institutions/institut-du-plancton.yaml", "city: Villefranche", "city: mail@example.org", "email_in_public_record",
     "city", "mail@example.org", "city"),
    (SETTINGS, "publisher: Example Ocean Institute", "publisher: info@example.org", "email_in_public_record",
     "dataset.publisher", "info@example.org", "publisher"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "rule", "key", "value", "at"), MISTAKES, ids=[f"{m[3]}-{m[4]}-{m[5]}"[:60] for m in MISTAKES]
)
def test_a_mistake_is_named_with_file_line_key_and_value(
    folder: Path, edit: Edit, file: str, old: str, new: str, rule: str, key: str, value: str, at: str
) -> None:
    edit(file, old, new)
    _, findings = load_registry(folder)
    found = [f for f in findings if (f.rule, f.key, f.value) == (rule, key, value)]
    assert len(found) == 1, [str(f) for f in findings]
    assert found[0].severity == "error"
    assert found[0].file == file
    text = (folder / file).read_text(encoding="utf-8")
    assert found[0].line == text[: text.index(at)].count("\n") + 1
    assert found[0].message


def test_one_run_reports_every_mistake(folder: Path, edit: Edit) -> None:
    edit(SETTINGS, "release_date: 2027-07-15", "release_date: soon")
    edit(ANNA, "family: Lindqvist", "fmaily: Lindqvist")
    edit(ANNA, "consent: author", "consent: author\nconsent: author")
    edit(NET, "state: given", "state: perhaps")
    registry, findings = load_registry(folder)
    assert registry is None
    assert {(f.file, f.key) for f in findings} == {
        (SETTINGS, "release_date"), (ANNA, "fmaily"), (ANNA, "family"), (ANNA, "consent"), (NET, "attribution.state"),
    }  # fmt: skip
    unknown = next(f for f in findings if f.key == "fmaily")
    assert unknown.message == "unknown key; did you mean family?"
    assert next(f for f in findings if f.file == NET).contribution == "kattegat-net-2019"


def test_a_broken_file_is_left_out_and_who_points_to_it_is_told(folder: Path, edit: Edit) -> None:
    edit(ANNA, "family: Lindqvist", "family: []")
    registry, findings = load(folder)
    assert "anna-lindqvist" not in registry.people
    assert len(registry.people) == 8
    dangling = [f for f in findings if f.rule == "reference_dangling"]
    assert {f.file for f in dangling} == {NET, "contributions/kattegat-flowcam-2020.yaml", CONTACTS}
    assert all(f.message == f"{ANNA} has errors of its own" for f in dangling)


@pytest.mark.parametrize(
    ("old", "new"),
    [("time_zone: Europe/Berlin", "time_zone: MESZ"), ("unit: um", "unit: pixel"), ("format: table", "format: xls")],
)
def test_a_contribution_no_stage_could_read_is_left_out(folder: Path, edit: Edit, old: str, new: str) -> None:
    edit(LAKE, old, new)
    registry, findings = load(folder)
    assert has_errors(findings)
    assert "lake-stechlin-2022" not in registry.contributions
    assert len(registry.contributions) == 9


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "not_a_record"),
        (b"# nothing but a remark\n", "not_a_record"),
        (b"- a\n- b\n", "not_a_record"),
        (b"only text\n", "not_a_record"),
        (b"id: a\n---\nid: b\n", "yaml_syntax"),
        (b"id: a\n\tgiven: b\n", "yaml_syntax"),
        (b"id: \x00\n", "yaml_syntax"),
        (b"? [a]\n: b\n", "yaml_syntax"),
        (b"given: J\xfcrgen\n", "not_utf8"),
        (b"[" * 100_000, "yaml_syntax"),
        (b"id: " + b"9" * 5_000 + b"\n", "yaml_syntax"),
        (b"a: &a [x]\nb: [*a, *a]\n", "yaml_syntax"),
        (b"1: a\ntrue: b\n", "record_invalid"),
    ],
)
def test_no_file_whatsoever_is_a_traceback(folder: Path, content: bytes, rule: str) -> None:
    (folder / "people" / "odd-one.yaml").write_bytes(content)
    registry, findings = load(folder)
    assert "odd-one" not in registry.people
    about = [f for f in findings if f.file == "people/odd-one.yaml"]
    assert rule in {f.rule for f in about}
    assert all(f.severity == "error" for f in about)


@pytest.mark.parametrize("content", ["5\n", "person: a\n", "- 5\n", "- {person: a}\n", "- {person: a, email: x}\n"])
def test_broken_contacts_are_reported_without_their_content(folder: Path, content: str) -> None:
    (folder / CONTACTS).write_text(content, encoding="utf-8")
    _, findings = load_contacts(folder)
    assert findings
    assert all((f.file, f.line, f.value) == (CONTACTS, 1, "") for f in findings)


def test_contacts_are_optional(folder: Path) -> None:
    contacts, findings = load_contacts(folder)
    assert len(contacts) == 9
    assert all(c.email.endswith("@example.org") for c in contacts)
    assert not findings
    shutil.rmtree(folder / "private")
    assert load_contacts(folder) == ([], [])
    assert not has_errors(load(folder)[1])


def test_missing_and_misnamed_files_are_named(folder: Path) -> None:
    (folder / LAKE).rename(folder / LAKE.replace(".yaml", ".yml"))
    shutil.rmtree(folder / "institutions")
    _, findings = load(folder)
    assert [(f.rule, f.severity) for f in findings if f.file == LAKE.replace(".yaml", ".yml")] == [
        ("file_ignored", "error")
    ]
    assert [(f.rule, f.severity) for f in findings if f.file == "institutions"] == [("folder_missing", "warning")]
    (folder / SETTINGS).unlink()
    registry, findings = load_registry(folder)
    assert registry is None
    assert [f.rule for f in findings if f.file == SETTINGS] == ["file_missing"]


def test_values_mean_what_is_written(folder: Path, edit: Edit) -> None:
    edit(PLEDGE, "title: UVP6 profiles around Svalbard", "title: NO")
    edit(PLEDGE, "[polar-imaging-laboratory]", "[polar-imaging-laboratory]\nform_id: 007")
    edit("institutions/example-ocean-institute.yaml", "city: Kiel", "city: 2024-01-05")
    registry, findings = load(folder)
    assert not has_errors(findings), [str(f) for f in findings]
    assert registry.contributions["svalbard-uvp6-pledge"].title == "NO"
    assert registry.contributions["svalbard-uvp6-pledge"].form_id == "007"
    assert registry.institutions["example-ocean-institute"].city == "2024-01-05"


def test_a_withdrawn_pledge_needs_no_form(folder: Path, edit: Edit) -> None:
    edit(PLEDGE, "state: pledged}", "state: pledged}\n  - {date: 2026-01-01, state: revoked, scope: all, reason: none}")
    registry, findings = load(folder)
    assert not has_errors(findings), [str(f) for f in findings]
    assert registry.contributions["svalbard-uvp6-pledge"].revoked


def test_a_step_back_behind_withdrawn_access_is_noticed(folder: Path, edit: Edit) -> None:
    edit(NET, 'as foreseen"}', 'as foreseen"}\n  - {date: 2025-09-03, state: agreed}')
    found = [f for f in load(folder)[1] if f.rule == "history_backwards"]
    assert [(f.key, f.value) for f in found] == [("history.4.state", "agreed")]


def add_person(folder: Path, name: str, given: str, family: str, extra: str = "") -> None:
    text = f"id: {name}\ngiven: {given}\nfamily: {family}\nconsent: author\nconsent_date: 2025-08-01\n{extra}"
    (folder / "people" / f"{name}.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "family"),
    [("Bjorn", "Ase"), ("BJØRN", "AASE"), ("Åse", "Bjørn"), ("Bjo\u0338rn", "A\u030ase"), ("B'jorn", "Ase.")],
)
def test_one_name_in_two_spellings_is_a_warning_until_linked(folder: Path, given: str, family: str) -> None:
    add_person(folder, "other-one", given, family)
    found = [f for f in load(folder)[1] if f.rule == "person_twice"]
    assert [(f.severity, f.file, f.line) for f in found] == [("warning", "people/other-one.yaml", 1)]
    assert "same name as bjorn-aase" in found[0].message
    add_person(folder, "other-one", given, family, "same_as: bjorn-aase\n")
    assert not has_errors(load(folder)[1])
    assert not [f for f in load(folder)[1] if f.rule == "person_twice"]


def test_same_orcid_and_name_is_one_error_not_a_warning(folder: Path) -> None:
    add_person(folder, "other-one", "Anna", "Lindqvist", "orcid: 0000-0000-0000-0116\n")
    found = [f for f in load(folder)[1] if f.rule == "person_twice"]
    assert [(f.severity, f.key) for f in found] == [("error", "orcid")]


def test_same_address_is_a_warning_that_does_not_show_it(folder: Path, edit: Edit) -> None:
    edit(CONTACTS, "bjorn@example.org", "ANNA@example.org")
    found = [f for f in load(folder)[1] if f.rule == "person_twice"]
    assert [(f.severity, f.file) for f in found] == [("warning", "people/bjorn-aase.yaml")]
    assert "@" not in str(found[0])


def test_same_as_neither_chains_nor_circles(folder: Path) -> None:
    add_person(folder, "one", "Una", "Prima", "same_as: two\n")
    add_person(folder, "two", "Dua", "Secunda", "same_as: three\n")
    add_person(folder, "three", "Tria", "Tertia", "same_as: two\n")
    found = {f.file for f in load(folder)[1] if f.rule == "same_as_invalid"}
    assert found == {"people/one.yaml", "people/two.yaml", "people/three.yaml"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("Jörg", "Müller"), ("Joerg", "Mueller"), True),
        (("Jörg", "Müller"), ("Jorg", "Muller"), True),
        (("Łukasz", "Đorđević"), ("Lukasz", "Dordevic"), True),
        (("Þóra", "Ægisdóttir"), ("Thora", "Aegisdottir"), True),
        (("Guðrún", "Weiß"), ("Gudrun", "Weiss"), True),
        (("Elif", "Yıldırım"), ("ELİF", "YILDIRIM"), True),
        (("Zoë", "Lœb"), ("Zoe", "Loeb"), True),
        (("Jean-Pierre", "O'Brien"), ("Jean Pierre", "O’Brien"), True),
        (("Jean-Pierre", "OBrien"), ("Jeanpierre", "O'Brien"), True),
        (("J.", "Smith"), ("J", "Smith"), True),
        (("John", "Smith"), ("Joan", "Smith"), False),
        (("Anna", "Berg"), ("Anna", "Bergh"), False),
        (("李", "明"), ("李", "华"), False),
    ],
)
def test_names_meet_over_spellings(one: tuple[str, str], other: tuple[str, str], same: bool) -> None:
    first = person("a-b", given=one[0], family=one[1])
    second = person("c-d", given=other[0], family=other[1])
    assert bool(name_keys(first) & name_keys(second)) is same


NAMES = st.text(st.characters(categories=["L", "M", "P"]), min_size=1).filter(str.strip)


@given(NAMES, NAMES)
def test_a_name_meets_itself_turned_round_and_in_capitals(given_name: str, family: str) -> None:
    def named(first: str, last: str) -> Person:
        return person("a-b", given=first, family=last)

    assert name_keys(named(given_name, family)) & name_keys(named(family, given_name))
    assert name_keys(named(given_name, family)) & name_keys(named(given_name.casefold(), family.casefold()))


def test_the_command_reports_and_ends_with_the_right_code(
    folder: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert cli.main(["registry", "check", "--registry", str(folder)]) == 0
    edit(NET, "expected_images: 48", "expected_images: many")
    assert cli.main(["registry", "check", "--registry", str(folder)]) == 1
    assert f"{NET}:{line_of(folder, NET, 'many')} expected_images:" in capsys.readouterr().out
