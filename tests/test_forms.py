"""Forms in: the survey's export and filled templates become proposals; every row and cell is accounted for."""

import csv
import datetime as dt
import io
import shutil
import tempfile
import zipfile
from pathlib import Path

import builders
import pytest
from handed_in import HEADS, book, export, files, filled, response
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_registry import load

from aqqua_dataset import cli
from aqqua_dataset.ecotaxa.share import COLUMNS
from aqqua_dataset.findings import Finding
from aqqua_dataset.intake.accept import accept
from aqqua_dataset.intake.datasets import dataset_of
from aqqua_dataset.intake.ecotaxa_list import import_list
from aqqua_dataset.intake.forms import import_forms
from aqqua_dataset.intake.proposals import Outcome
from aqqua_dataset.intake.sheets import read_sheets
from aqqua_dataset.intake.survey import read_survey
from aqqua_dataset.intake.template import columns, template
from aqqua_dataset.registry.load import load_contacts
from aqqua_dataset.registry.models import Contribution
from aqqua_dataset.registry.survey_columns import Meanings, SurveyColumn

MANDATORY = ["model-development", "public-release", "model-release"]
SHEET = "00002_01_ours.xlsx"


@pytest.fixture
def folder(tmp_path: Path, registry_folder: Path) -> Path:
    (tmp_path / "uploads").mkdir()
    return Path(shutil.copytree(registry_folder, tmp_path / "registry"))


def handed(folder: Path, *rows: dict[str, str], heads: dict[str, str] | None = None, sep: str = ",") -> Outcome:
    path = export(folder.parent / "survey.csv", rows, heads, sep)
    return import_forms(folder, load(folder)[0], path, folder.parent / "uploads")


def with_sheet(number: int = 2, **changes: str) -> dict[str, str]:
    """A response whose data sets stand in a spreadsheet."""
    return response(number, DataTitle="", DataText="", DataSheet=files("ours.xlsx"), **changes)


def sheet(folder: Path, name: str = SHEET) -> Path:
    return folder.parent / "uploads" / name


def accepted(folder: Path) -> dict[str, Contribution]:
    """All contributions after everything was accepted without an error."""
    made = accept(folder, [], everything=True)
    assert not made.findings
    registry, findings = load(folder)
    assert not [f for f in findings if f.severity == "error"]
    return registry.contributions


def told(outcome: Outcome, *rules: str) -> list[tuple[str, int | None, str, str]]:
    found = [f for f in outcome.findings if f.rule in rules or not rules]
    return [(f.rule, f.line, f.key, f.value) for f in found]


# --- the template


def test_the_template_has_instructions_heads_and_drop_downs() -> None:
    made = book()
    first, example, meanings = made.worksheets
    assert all(first.cell(row, 1).value for row in range(1, 12))
    heads = [c.value for c in first[12]]
    assert heads == [c.value for c in example[12]] == [c.name for c in columns()]
    assert [h for h in heads if h in COLUMNS] == list(COLUMNS)
    assert all(c.value is None for c in first[13])
    rules = {str(r.sqref).split(":")[0]: r for r in first.data_validations.dataValidation}
    for number, column in enumerate(columns()):
        place = f"{first.cell(12, number + 1).column_letter}13"
        if column.choices:
            cells = rules[place].formula1.rpartition("!")[2].replace("$", "")
            assert [row[0].value for row in meanings[cells]] == list(column.choices)
            assert rules[place].showErrorMessage is (column.kind == "choice")
    assert template() == template()


def test_the_filled_example_can_be_taken_as_it_is(folder: Path) -> None:
    made = book()
    made.remove(made.worksheets[0])
    made.worksheets[0].title = "ours"
    made.save(sheet(folder))
    outcome = handed(folder, with_sheet())
    assert told(outcome) == []
    known = accepted(folder)
    nets, pier = known["net-samples-of-the-example-sea-2019"], known["ifcb-time-series-at-example-pier-2021"]
    assert nets.source is not None
    assert pier.source is not None
    assert (nets.source.format, nets.source.dataset_id, nets.expected_images) == ("ecotaxa", "14853", 48667)
    assert (pier.source.format, pier.expected_instruments, pier.not_before) == ("ifcb", ("ifcb",), dt.date(2028, 1, 1))
    assert pier.declared.pixel_size is not None
    assert (pier.declared.pixel_size.value, pier.declared.pixel_size.unit) == (3.4, "px/um")
    assert {c.form_id for c in (nets, pier)} == {"R-2"}


def test_the_table_of_projects_fits_the_template(folder: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS))
    writer.writeheader()
    writer.writerow({"dataset": "'=Nets", "ecotaxa_project": "77", "instrument": "?", "objects": "0", "shared": "no"})
    sheet(folder, "00002_01_ours.csv").write_text("\ufeff" + text.getvalue(), encoding="utf-8")
    row = with_sheet() | {"DataSheet": files("ours.csv")}
    outcome = handed(folder, row)
    assert [r[0] for r in told(outcome)] == ["description_missing", "not_shared"]
    assert accepted(folder)["nets"].expected_images == 0


# --- the export


@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.parametrize("kind", ["code", "wording", "both", "underscores"])
def test_every_kind_of_head_and_delimiter_says_the_same(folder: Path, sep: str, kind: str) -> None:
    heads = {
        "code": {},
        "wording": HEADS,
        "both": {code: f"{code}. <b>{text}</b>" for code, text in HEADS.items()},
        "underscores": {code: code.replace("[", "_").replace("]", "") for code in HEADS},
    }[kind]
    answers = {"Terms": "CC BY 4.0"} if kind == "wording" else {}
    answers["DataText"] = f"On a mooring\n{',;' * 60}\nfor a year"
    outcome = handed(folder, response(1, **answers), heads=heads, sep=sep)
    assert told(outcome) == []
    made = accepted(folder)["mooring-camera-2021"]
    assert [p.id for p in made.permissions] == MANDATORY
    assert (made.owners, made.interim_terms, made.state) == (("ines-kowalczyk",), "cc-by", "agreed")
    assert (made.form_date, made.institutions) == (dt.date(2025, 9, 14), ("example-ocean-institute",))
    person = load(folder)[0].people["ines-kowalczyk"]
    assert (person.given, person.family, person.consent) == ("Ines", "Kowalczyk", "author")
    contact = next(c for c in load_contacts(folder)[0] if c.person == person.id)
    assert (contact.email, contact.mailing_list) == ("ines@ocean.example.org", True)


def test_what_a_form_lacks_is_said_and_nothing_is_invented(folder: Path) -> None:
    outcome = handed(
        folder,
        response(1, Permit_SQ002="", Credit="", Comments="Bo Nilsson (bo@example.org) helped", MailList="N"),
        response(2, DataTitle="Other terms", Terms="-oth-", Terms_other="Our own licence, for all your purposes"),
        response(3, DataTitle="No text", Terms="-oth-"),
        response(4, DataTitle="No terms", Terms="", Permit_SQ001="perhaps"),
        response(5, DataTitle="New place", OwnerName="Ole Hansen", OwnerMail="ole@havn.example.no",
                 OwnerPlace="Havn Institute"),
        response(6, DataTitle="Nowhere", OwnerName="Jo Doe", OwnerMail="jo", OwnerPlace="Plankton Ltd."),
        response(7, DataTitle="", DataText=""),
        response(8, OwnerName="info@example.org"),
        response(9, submitdate=""),
    )  # fmt: skip
    assert sorted(told(outcome)) == sorted([
        ("permission_missing", 2, "Permit[SQ001]", "model-development, model-release"),
        ("attribution_pending", 2, "Credit", ""),
        ("comments_to_read", 2, "Comments", "Bo Nilsson ([e-mail removed]) helped"),
        ("interim_terms_text_missing", 4, "Terms", "other"),
        ("answer_unknown", 5, "Permit[SQ001]", "perhaps"),
        ("interim_terms_missing", 5, "Terms", ""),
        ("permission_missing", 5, "Permit[SQ001]", "public-release, model-release"),
        ("email_invalid", 7, "OwnerMail", ""),
        ("institution_without_country", 7, "OwnerPlace", "Plankton Ltd."),
        ("form_without_dataset", 8, "DataText", ""),
        ("owner_unreadable", 9, "OwnerName", "[e-mail]"),
        ("not_submitted", 10, "submitdate", ""),
    ])  # fmt: skip
    known = accepted(folder)
    assert known["mooring-camera-2021"].attribution.state == "pending"
    assert known["other-terms"].interim_terms_text == "Our own licence, for all your purposes"
    assert [known[n].state for n in ("mooring-camera-2021", "other-terms", "no-text", "no-terms")] == [
        "agreed", "agreed", "pledged", "pledged",
    ]  # fmt: skip
    registry, _ = load(folder)
    assert registry.institutions["havn-institute"].country == "NO"
    assert not [p for p in registry.people if "nilsson" in p]
    text = (folder / "contributions/mooring-camera-2021.yaml").read_text(encoding="utf-8")
    assert "# comments of the form: Bo Nilsson ([e-mail removed]) helped" in text
    assert "@" not in text
    assert next(c for c in load_contacts(folder)[0] if c.person == "ole-hansen").mailing_list is not False


def test_known_people_keep_their_id_and_equal_names_are_reported(folder: Path) -> None:
    outcome = handed(
        folder,
        response(1, OwnerName="Lindqvist, A.", OwnerMail="Anna@Example.org", MailList=""),
        response(2, DataTitle="Two", OwnerName="Bjorn Ase", OwnerMail="someone@example.org"),
    )
    assert [r for r in told(outcome) if r[0] == "person_twice"] == [("person_twice", None, "person", "bjorn-ase")]
    known = accepted(folder)
    assert known["mooring-camera-2021"].owners == ("anna-lindqvist",)
    assert known["two"].owners == ("bjorn-ase",)


def test_responses_that_stand_twice(folder: Path) -> None:
    outcome = handed(folder, response(1), response(1), response(2), response(2, DataTitle="Other"), response(0))
    assert told(outcome) == [
        ("response_repeated", 3, "id", "1"), ("response_twice", 4, "id", "2"), ("response_twice", 5, "id", "2"),
        ("response_without_id", 6, "id", "0"),
    ]  # fmt: skip
    assert outcome.counts["contributions: new"] == 1


def test_hostile_exports_are_named_not_raised(folder: Path) -> None:
    path = folder.parent / "survey.csv"
    registry = load(folder)[0]
    good = export(path, [response(1, Strange="kept nowhere"), response(2, DataText="x" * 10_000_000)]).read_bytes()
    found = import_forms(folder, registry, path, None)
    assert told(found) == [
        ("cell_too_long", 3, "DataText", "x" * 80), ("survey_column_unknown", 1, "Strange", ""),
        ("description_missing", 3, "DataText", ""),
    ]  # fmt: skip
    path.write_bytes(good.replace(b"Mooring camera", b"M\xf6ring \x00camera").replace(b"x" * 9_999_000, b""))
    found = import_forms(folder, registry, path, None)
    assert ("encoding_broken", 2, "", "") in told(found)
    assert "title: Möring camera 2021" in (folder / "proposals/contributions/moring-camera-2021.yaml").read_text(
        "utf-8"
    )
    for data in (b"", b"\x00\xff\xfe", b'id,submitdate\n"1', "id;submitdate\r\n".encode("utf-16")):
        path.write_bytes(data)
        assert [f.rule for f in import_forms(folder, registry, path, None).findings][-1] == "survey_column_missing"
    (folder / "survey_columns.csv").write_text("column,answer,field,means\nid,,number,\nTerms,A,interim_terms,mine\n")
    wrong = {(f.line, f.key) for f in load(folder)[1] if f.file == "survey_columns.csv"}
    assert wrong == {(2, "field"), (3, "means")}


# --- spreadsheets


def test_cells_that_cannot_be_taken_are_named(folder: Path) -> None:
    filled(
        sheet(folder),
        {"dataset": "=A1&B1", "description": "a formula for a title"},
        {"dataset": "Odd cells", "description": "x", "objects": "about 100", "latitude": 91, "longitude": "10,5",
         "pixel_size": "1,234", "pixel_size_unit": "um", "instrument": "Wonderscope", "time_zone": "CEST+2",
         "deployment": "by hand", "water": "Marine", "depth_min_m": dt.date(2024, 2, 1), "culture_date": "1.2.2020",
         "not_public_before": dt.date(2028, 5, 1), "comments": "ask me@example.org, +49 431 1234567"},
        {"description": "no title"},
        {"dataset": "Culture", "description": "x", "culture_latitude": 54.1, "culture_longitude": 7.9,
         "culture_date": dt.date(2015, 3, 2), "water": "marine"},
        {"dataset": "Culture", "description": "x", "culture_latitude": 54.1, "culture_longitude": 7.9,
         "culture_date": dt.date(2015, 3, 2), "water": "marine"},
    )  # fmt: skip
    outcome = handed(folder, with_sheet())
    found = {(r[0], r[1], r[2]) for r in told(outcome)}
    assert found == {
        ("formula", 13, "dataset"), ("row_without_dataset", 13, "dataset"),
        *(("cell_invalid", 14, c) for c in ("objects", "latitude", "pixel_size", "time_zone", "deployment",
                                            "culture_date")),
        ("instrument_open", 14, "instrument"), ("cell_is_a_date", 14, "depth_min_m"),
        ("cells_incomplete", 14, "pixel_size"), ("personal_in_text", 14, "comments"),
        ("row_without_dataset", 15, "dataset"), ("cell_contradicts", 16, "water"), ("row_repeated", 17, ""),
    }  # fmt: skip
    assert all("expected" in f.message or f.rule in ("personal_in_text", "row_repeated", "instrument_open")
               for f in outcome.findings)  # fmt: skip
    known = accepted(folder)
    odd, culture = known["odd-cells"], known["culture"]
    assert (odd.declared.longitude, odd.declared.water_type, odd.not_before) == (10.5, "marine", dt.date(2028, 5, 1))
    assert culture.declared.culture_origin is not None
    assert (culture.declared.water_type, culture.declared.culture_origin.date) == ("culture", dt.date(2015, 3, 2))


def test_sheets_that_were_rebuilt_are_read_or_refused_in_words(folder: Path) -> None:
    made = book()
    page = made.worksheets[0]
    page.delete_rows(1, 7)
    page.cell(5, len(columns()) + 1, "our_own")
    page.cell(5, len(columns()) + 2, "Descripton")
    for row, title in ((6, "One"), (7, "Two"), (8, "Two")):
        page.cell(row, 1, title)
        page.cell(row, 9, f"text {row}")
        page.cell(row, len(columns()) + 1, "more")
    page.merge_cells("I7:I8")
    page.cell(9, len(columns()) + 1, "only in a strange column")
    made["example"].cell(20, 1, "written on the wrong sheet")
    made.create_sheet("notes").cell(1, 1, "hello")
    made.save(sheet(folder))
    outcome = handed(folder, with_sheet())
    assert sorted(r[:3] for r in told(outcome)) == [
        ("cells_merged", 7, ""), ("column_unknown", None, "our_own"), ("description_missing", 8, "description"),
        ("row_on_example_sheet", 20, ""), ("row_without_known_cells", 9, ""), ("rows_moved", 5, ""),
        ("sheet_not_read", None, ""),
    ]  # fmt: skip
    assert {c for c in accepted(folder) if c in ("one", "two", "two-2")} == {"one", "two", "two-2"}


def test_files_that_are_no_spreadsheet_are_refused(folder: Path, tmp_path: Path) -> None:
    def refused(data: bytes) -> Finding:
        path = tmp_path / "x.xlsx"
        path.write_bytes(data)
        (one,) = (f for handed_in in read_sheets(path, "x.xlsx") for f in handed_in.findings)
        return one

    def changed(name: str, data: bytes) -> bytes:
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(template())) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            for part in old.namelist():
                new.writestr(part, data if part == name else old.read(part))
        return made.getvalue()

    part = "xl/worksheets/sheet1.xml"
    bomb = changed(part, b"<worksheet>" + b" " * 200_000_000)
    assert len(bomb) < 300_000
    assert "unpacks to 190 MB" in refused(bomb).message
    locked = bytearray(template())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1  # the flag of encryption in the list of parts
    assert "password" in refused(bytes(locked)).message
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha">]><worksheet>&a;</worksheet>'
    assert "document type" in refused(changed(part, laughs)).message
    for data in (
        b"",
        b"\xd0\xcf\x11\xe0 an old or encrypted one",
        template()[:2000],
        changed(part, b"<worksheet><row"),
    ):
        assert refused(data).rule in ("spreadsheet_unreadable", "sheet_not_read")


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(-1e9, 1e9), st.dates(dt.date(1900, 3, 1)),
    st.text(st.characters(codec="utf-8", min_codepoint=32), max_size=20),
    st.sampled_from(["=1/0", "#REF!", "1,5", "1.5.2020", "54°20'N", "'=x", "um", "UTC", "Zooscan", "a@b.org", "95"]),
)  # fmt: skip


@settings(max_examples=25)
@example([{"dataset": "Cultures", "culture_latitude": 91, "culture_longitude": 0}])
@example([{"dataset": "A net", "pixel_size": -1, "pixel_size_unit": "um"}])
@given(st.lists(st.dictionaries(st.sampled_from([c.name for c in columns()]), CELLS), min_size=1, max_size=4))
def test_whatever_stands_in_the_cells_every_row_is_taken_or_named(rows: list[dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        (table, _) = read_sheets(filled(Path(scratch) / "x.xlsx", *rows), "x.xlsx")
    taken = {n for n, row in table.rows if dataset_of(table, n, row, builders.settings()) is not None}
    named = {f.line for f in table.findings}
    for number, row in enumerate(rows, start=13):
        assert number in taken | named or not any(str(v).strip() for v in row.values() if v is not None)


@settings(max_examples=60)
@given(st.binary(max_size=200), st.sampled_from([b"", b"id,submitdate,Terms\n", b'"id";"Terms"\r\n']))
def test_whatever_bytes_an_export_has_they_are_read_or_refused(data: bytes, head: bytes) -> None:
    meanings = Meanings((SurveyColumn(column="id", field="response_id"),), builders.settings())
    with tempfile.NamedTemporaryFile() as file:
        file.write(head + data)
        file.flush()
        forms, table = read_survey(Path(file.name), meanings)
    assert not forms
    assert [f.rule for f in table.findings][-1] == "survey_column_missing"


def test_uploads_that_are_missing_or_belong_to_nobody(folder: Path) -> None:
    filled(sheet(folder, "00099_01_others.xlsx"), {"dataset": "Others", "description": "x"})
    filled(sheet(folder, "ours.xlsx"), {"dataset": "Ours", "description": "x"})
    two = handed(folder, with_sheet(2), with_sheet(3))  # both name it, so it may be either's
    assert [r[0] for r in told(two)] == [
        "upload_missing", "form_without_dataset", "upload_missing", "form_without_dataset", "upload_unclaimed",
        "upload_unclaimed",
    ]  # fmt: skip
    one = handed(folder, with_sheet(2), with_sheet(3) | {"DataSheet": "not JSON"})
    assert [r[0] for r in told(one)] == ["uploads_unreadable", "form_without_dataset", "upload_unclaimed"]
    assert "ours" in accepted(folder)


# --- second runs


def test_a_form_turns_the_pledge_of_its_project_into_an_agreement(folder: Path) -> None:
    table = folder.parent / "list.tsv"
    table.write_text(
        "ID\tInstrument\tTitle - manager or contact\tannotators\tmanagers\tviewers\tNb objects\n"
        "77\tZooscan\tproject 77  Ines Kowalczyk\t\tname: Ines Kowalczyk, email: ines@ocean.example.org\t\t5\n",
        encoding="utf-8",
    )
    import_list(folder, load(folder)[0], table, dt.date(2026, 1, 21), "AqQua")
    accept(folder, [], everything=True)
    filled(sheet(folder), {"dataset": "Nets", "description": "Our nets", "ecotaxa_project": 77, "objects": 6})
    outcome = handed(folder, with_sheet())
    assert told(outcome) == []
    assert {k: v for k, v in outcome.counts.items() if "changed" in k} == {
        "contributions: changed": 1, "people: changed": 1, "contacts: changed": 1,
    }  # fmt: skip
    made = accepted(folder)["ecotaxa-77"]
    assert (made.title, made.expected_images, made.form_id, made.state) == ("Nets", 6, "R-2", "agreed")
    assert [(e.date, e.state) for e in made.history] == [
        (dt.date(2026, 1, 21), "pledged"), (dt.date(2026, 1, 21), "agreed"),
    ]  # fmt: skip
    assert load(folder)[0].people["ines-kowalczyk"].consent == "author"
    again = handed(folder, with_sheet())
    assert (told(again), again.counts["contributions: unchanged"]) == ([], 1)
    later = import_list(folder, load(folder)[0], table, dt.date(2026, 5, 1), "AqQua")
    assert {(f.rule, f.severity) for f in later.findings} == {("edited_by_hand", "note")}
    assert not (folder / "proposals").exists()


def test_an_edited_form_changes_what_it_said_and_nothing_else(folder: Path) -> None:
    handed(folder, response(1), response(2, DataTitle="Two", OwnerName="Ole Hansen", OwnerMail="ole@example.org"))
    accepted(folder)
    file = folder / "contributions/mooring-camera-2021.yaml"
    text = file.read_text(encoding="utf-8").replace("history:", "expected_images: 9  # counted\nhistory:")
    file.write_text(text, encoding="utf-8")
    outcome = handed(folder, response(1, Permit_SQ004="Y", MailList="N", Credit="The Kowalczyk group"))
    assert (told(outcome), outcome.counts["contributions: changed"]) == ([], 1)
    made = accepted(folder)["mooring-camera-2021"]
    assert [p.id for p in made.permissions] == [*MANDATORY, "global-distribution"]
    assert (made.attribution.text, made.expected_images) == ("The Kowalczyk group", 9)
    assert "expected_images: 9  # counted" in file.read_text(encoding="utf-8")
    assert [c.mailing_list for c in load_contacts(folder)[0] if c.person == "ines-kowalczyk"] == [False]
    contacts = folder / "private/contacts.yaml"
    handed(folder, response(1, Permit_SQ004="Y", MailList="Y", Credit="The Kowalczyk group"))
    contacts.write_text(contacts.read_text("utf-8").replace("ines@ocean", "ines.k@ocean"), encoding="utf-8")
    accept(folder, ["ines-kowalczyk"])  # what somebody wrote by hand meanwhile stays
    (contact,) = (c for c in load_contacts(folder)[0] if c.person == "ines-kowalczyk")
    assert (contact.email, contact.mailing_list) == ("ines.k@ocean.example.org", True)
    gone = handed(folder, response(1, DataTitle="Renamed"))
    assert [r for r in told(gone) if r[0] == "dataset_gone"] == [("dataset_gone", 2, "", "mooring-camera-2021")]


def test_one_project_in_two_forms_is_nobodys_guess(folder: Path) -> None:
    filled(sheet(folder), {"dataset": "A", "description": "x", "ecotaxa_project": 1001})
    filled(sheet(folder, "00003_01_ours.xlsx"), {"dataset": "B", "description": "x", "ecotaxa_project": 77},
           {"dataset": "C", "description": "x", "ecotaxa_project": 77})  # fmt: skip
    outcome = handed(folder, with_sheet(2), with_sheet(3))
    assert [r[0] for r in told(outcome)] == ["project_in_two_forms", "project_twice"]
    assert "kattegat-net-2019" in outcome.findings[0].message
    assert outcome.counts["contributions: new"] == 1


def test_a_record_written_by_hand_comes_before_the_proposal_of_it(folder: Path) -> None:
    handed(folder, response(1))
    waiting = folder / "proposals/contributions/mooring-camera-2021.yaml"
    mine = waiting.read_text("utf-8").replace("Mooring camera", "My camera")
    (folder / "contributions/mooring-camera-2021.yaml").write_text(mine, encoding="utf-8")
    assert [f.rule for f in accept(folder, [], everything=True).findings] == ["proposal_outdated"]
    assert [(f.rule, f.key) for f in handed(folder, response(1)).findings] == [("edited_by_hand", "title")]
    assert not waiting.exists()
    assert "My camera" in (folder / "contributions/mooring-camera-2021.yaml").read_text("utf-8")


def test_accepting_refuses_what_would_break_the_registry(folder: Path) -> None:
    handed(folder, response(1), response(2, DataTitle="Two"))
    waiting = folder / "proposals/contributions/two.yaml"
    waiting.write_text(waiting.read_text("utf-8").replace("terms: cc-by", "terms: cc-mine"), encoding="utf-8")
    (folder / "proposals/people/ines-kowalczyk.yaml").unlink()
    made = accept(folder, [], everything=True)
    assert made.files == []
    assert {(f.file, f.key) for f in made.findings} == {
        ("proposals/contributions/two.yaml", "interim_terms"), ("proposals/contributions/two.yaml", "owners.0"),
        ("proposals/contributions/mooring-camera-2021.yaml", "owners.0"),
    }  # fmt: skip
    assert waiting.exists()
    waiting.write_text("a: [", encoding="utf-8")
    assert [f.rule for f in accept(folder, ["two", "nobody"]).findings] == ["proposal_unknown", "proposal_unreadable"]


# --- people


def test_export_and_erasure_of_one_person(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handed(folder, response(1))
    accepted(folder)
    with (folder / "labels.csv").open("w", encoding="utf-8") as file:
        file.write("scheme,label_verbatim,label_kind,taxon_name,aphia_id,reviewed_by,reviewed_on,why\n")
        file.write(",copepod,taxon,Copepoda,1080,ines-kowalczyk,2026-02-01,sure\n")
    command = ["--registry", str(folder)]
    capsys.readouterr()
    assert cli.main(["registry", "export-person", "ines-kowalczyk", *command]) == 0
    text = capsys.readouterr().out
    for stored in ("ines@ocean.example.org", '"mailing_list": true', '"owners.0"', '"reviewed_by": "ines-kowalczyk"',
                   "email_sha256", "I. Kowalczyk, Example Ocean Institute", "people/ines-kowalczyk.yaml"):  # fmt: skip
        assert stored in text
    assert "anna" not in text.casefold()
    assert cli.main(["registry", "erase-contact", "ines-kowalczyk", *command]) == 0
    assert "private/contacts.yaml" in capsys.readouterr().out
    left = [p for p in folder.rglob("*") if p.is_file() and b"ines@ocean" in p.read_bytes()]
    assert left == []
    assert load(folder)[0].contributions["mooring-camera-2021"].owners == ("ines-kowalczyk",)
    assert handed(folder, response(1)).counts["contacts: unchanged"] == 1
    assert not (folder / "proposals").exists()
    for name in ("ines-kowalczyk", "mooring-camera-2021", "example-ocean-institute"):
        assert cli.main(["registry", "show", name, *command]) == 0
        assert "mooring-camera-2021" in capsys.readouterr().out
    assert cli.main(["registry", "people", "--duplicates", *command]) == 0
    assert "0 pairs" in capsys.readouterr().out
    assert cli.main(["registry", "people", *command]) == 0
    assert "Ines Kowalczyk" in capsys.readouterr().out
    for name in ("show", "export-person", "erase-contact"):
        assert cli.main(["registry", name, "nobody", *command]) == 1


def test_the_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = export(folder.parent / "survey.csv", [response(1)])
    out = folder.parent / "template.xlsx"
    assert cli.main(["registry", "template", "--out", str(out)]) == 0
    assert out.read_bytes() == template()
    command = ["--registry", str(folder)]
    assert cli.main(["registry", "import-form", str(path), "--uploads", str(folder.parent / "no"), *command]) == 2
    assert cli.main(["registry", "import-form", str(path.with_name("no.csv")), *command]) == 2
    assert cli.main(["registry", "import-form", str(path), *command]) == 0
    assert "1  contributions: new" in capsys.readouterr().out
    assert cli.main(["registry", "accept", *command]) == 2
    assert cli.main(["registry", "accept", "mooring-camera-2021", *command]) == 0
    assert "1  people" in capsys.readouterr().out
    assert cli.main(["registry", "check", *command]) == 0
