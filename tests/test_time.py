"""When: forms of dates and times, their precision and zone, and what contradicts a time."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from interpreting import FORM, form, interpret, reasons, row

UTC = dt.UTC
BERLIN = form(time_zone="Europe/Berlin")
ANY_TEXT = st.text(max_size=24) | st.from_regex(
    r"\d{1,5}[-/. ]\d{1,2}[-/. ]\d{1,5}([T ][\d:.]{1,9})?[Z+-]?\d*", fullmatch=True
)
DATE_AND_TIME: dict[str, Any] = {"date": "d", "time": "t"}


def when(year: int, month: int, day: int, *clock: int) -> dt.datetime:
    return dt.datetime(year, month, day, *clock, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "how", "expected", "precision"),
    [
        ("2021-05-03", None, when(2021, 5, 3), "day"),
        ("20210503", None, when(2021, 5, 3), "day"),
        ("2021/05/03", None, when(2021, 5, 3), "day"),
        ("2021-05-03T14", None, when(2021, 5, 3, 14), "hour"),
        ("2021-05-03 14:05", None, when(2021, 5, 3, 14, 5), "minute"),
        ("20210503T140506", None, when(2021, 5, 3, 14, 5, 6), "s"),
        ("2021-05-03T14:05:06.25", None, when(2021, 5, 3, 14, 5, 6, 250_000), "ms"),
        ("2021-05", None, when(2021, 5, 1), "month"),
        ("2021", None, when(2021, 1, 1), "year"),
        ("03.05.2021 14h", "%d.%m.%Y %Hh", when(2021, 5, 3, 14), "hour"),
        ("May 2021", "%b %Y", when(2021, 5, 1), "month"),
        ("44319", "excel_days_1900", when(2021, 5, 3), "day"),
        ("44319.5868055556", "excel_days_1900", when(2021, 5, 3, 14, 5), "s"),
        ("42857", "excel_days_1904", when(2021, 5, 3), "day"),
    ],
)
def test_forms_and_their_precision(text: str, how: str | None, expected: dt.datetime, precision: str) -> None:
    column = {"column": "when"} | ({"format": how} if how else {})
    found = row({"when": text}, {"datetime": column})
    assert (found["datetime_utc"], found["datetime_precision"]) == (expected, precision)
    assert found["datetime_verbatim"] == text
    flags = {"day": ["TIME_MISSING"], "month": ["TIME_PARTIAL_DATE"], "year": ["TIME_PARTIAL_DATE"]}
    assert found["qc_flags"] == flags.get(precision, [])


@pytest.mark.parametrize(
    ("date", "time", "expected", "precision"),
    [
        ("2021-05-03", "14:05:06", when(2021, 5, 3, 14, 5, 6), "s"),
        ("2021/5/3", "1405", when(2021, 5, 3, 14, 5), "minute"),
        ("20210503.0", "420.0", when(2021, 5, 3, 4, 20), "minute"),  # numbers that became floats
        ("2021-05-03 00:00:00", "14:05", when(2021, 5, 3, 14, 5), "minute"),  # a spreadsheet's date
        ("2021-05-03", "140506.25", when(2021, 5, 3, 14, 5, 6, 250_000), "ms"),
        ("2021-05-03", "09:00:00Z", when(2021, 5, 3, 9), "s"),
        ("2021-05-03", "9:00 UTC", when(2021, 5, 3, 9), "minute"),
        ("2021-05-03", "01:00+03:00", when(2021, 5, 2, 22), "minute"),
        ("2021-05", "14:05", when(2021, 5, 1), "month"),
        ("2021", None, when(2021, 1, 1), "year"),
        ("2021-05-03", None, when(2021, 5, 3), "day"),
    ],
)
def test_date_and_time_of_day(date: str, time: str | None, expected: dt.datetime, precision: str) -> None:
    found = row({"when": None, "d": date, "t": time}, DATE_AND_TIME)
    assert (found["datetime_utc"], found["datetime_precision"]) == (expected, precision)


def test_time_of_day_in_a_declared_format() -> None:
    mapping = {"date": {"column": "d", "format": "%d/%m/%y"}, "time": {"column": "t", "format": "%I:%M %p"}}
    assert row({"d": "03/04/21", "t": "2:05 PM"}, mapping)["datetime_utc"] == when(2021, 4, 3, 14, 5)
    days = {"date": {"column": "d", "format": "excel_days_1900"}, "time": {"column": "t", "format": "excel_days_1900"}}
    found = row({"d": "44319", "t": "0.5868055556"}, days)
    assert (found["datetime_utc"], found["datetime_precision"]) == (when(2021, 5, 3, 14, 5), "s")
    assert row({"d": "44319.5", "t": None}, days)["datetime_utc"] == when(2021, 5, 3, 12)


@pytest.mark.parametrize(
    ("text", "how", "reason"),
    [
        ("03/04/2021", None, "dmy_mdy_ambiguous"),
        ("12.12.2021 10:00", None, "dmy_mdy_ambiguous"),
        ("1-2-21", None, "dmy_mdy_ambiguous"),
        ("13/04/2021", None, "time_unparsable"),  # only one reading is a date, and it is still not guessed
        ("04/13/2021", None, "time_unparsable"),
        ("44319", None, "time_serial_number"),
        ("44319.5868", None, "time_serial_number"),
        ("9999", None, "time_out_of_range"),
        ("202105", None, "time_unparsable"),  # a month, or a day of the year 20
        ("2021.05", None, "time_unparsable"),
        ("1560519015", None, "time_unparsable"),
        ("3 May 2021", None, "time_unparsable"),
        ("2021-02-30", None, "time_unparsable"),
        ("2021-05-03 14-02", None, "time_unparsable"),
        ("2021-05-03T14:00:00.5+2", None, "time_unparsable"),
        ("1970-01-01T00:00:00", None, "time_default"),  # the day before in UTC
        ("60", "excel_days_1900", "time_unparsable"),  # Excel's 29 February 1900 never was
        ("x", "excel_days_1904", "time_unparsable"),
        ("-999", "epoch_s", "time_unparsable"),
        ("0001-01-01", None, "time_default"),
        ("0001-01-02T00:00:00", None, "time_out_of_range"),
    ],
)
def test_what_is_not_guessed(text: str, how: str | None, reason: str) -> None:
    column = {"column": "when"} | ({"format": how} if how else {})
    assert reason in reasons({"when": text}, {"datetime": column}, BERLIN)


@pytest.mark.parametrize(
    ("date", "time", "reason"),
    [
        ("44319", "1200", "time_serial_number"),
        ("2021-05-03", "0.5868", "time_serial_number"),
        ("2021-05-03", ".5", "time_serial_number"),
        ("2021-05-03", "1405.5", "time_unparsable"),  # half a minute, or a fraction of what
        ("03/04/2021", "1200", "dmy_mdy_ambiguous"),
        ("2021-05-03", "25:00", "time_unparsable"),
        ("2021-05-03", "09:30-10:30", "time_unparsable"),  # a span of time, or an offset
        ("2021-05-03", "0930-1030", "time_unparsable"),
        ("2021-05-03 10:00:00", "1200", "time_unparsable"),  # two clocks in one row
    ],
)
def test_dates_and_times_that_are_refused(date: str, time: str, reason: str) -> None:
    assert reasons({"when": None, "d": date, "t": time}, DATE_AND_TIME) == [reason]


def test_one_certain_row_makes_a_column_unreadable_but_not_ambiguous() -> None:
    sure = interpret([{"when": "03/04/2021"}, {"when": "25/04/2021"}]).quarantine.to_pylist()
    assert [r["reason"] for r in sure] == ["time_unparsable", "time_unparsable"]
    assert "format" in sure[0]["expected"]
    both = interpret([{"when": "03/04/2021"}, {"when": "05/04/2021"}]).quarantine.to_pylist()
    assert [r["reason"] for r in both] == ["dmy_mdy_ambiguous", "dmy_mdy_ambiguous"]
    assert "format" in both[0]["expected"]


@pytest.mark.parametrize(
    ("text", "declared", "source", "stated"),
    [
        ("2021-05-03T14:00:00", BERLIN, "tzname_declared", "Europe/Berlin"),
        ("2021-05-03T14:00:00", FORM, "utc_declared", "UTC"),
        ("2021-05-03T14:00:00", form(time_zone=None), "assumed_utc", None),
        ("2021-05-03T14:00:00+0200", BERLIN, "offset_declared", "+0200"),
        ("2021-05-03T14:00:00Z", BERLIN, "offset_declared", "Z"),
        ("2021-05-03 14:00:00 UTC", BERLIN, "offset_declared", "UTC"),
        ("2021-05-03T14:00:00+02", BERLIN, "offset_declared", "+02"),
    ],
)
def test_who_says_the_zone_and_in_which_words(text: str, declared: Any, source: str, stated: str | None) -> None:
    found = row({"when": text}, None, declared)
    assert (found["timezone_source"], found["timezone_verbatim"]) == (source, stated)


def test_a_month_has_no_hours_that_a_zone_could_shift() -> None:
    assert row({"when": "2021-05"}, None, BERLIN)["datetime_utc"] == when(2021, 5, 1)
    assert row({"when": "2021-05-01"}, None, BERLIN)["datetime_utc"] == when(2021, 4, 30, 22)


def test_a_column_the_form_names_beats_those_of_the_format() -> None:
    # BCO-DMO's EcoTaxa tables hold local time in object_date and object_time, and UTC in a column of their own.
    cells: dict[str, str | None] = {
        "object_date": "20210503", "object_time": "100000", "object_iso_datetime_utc": "2021-05-03T14:00:00Z",
    }  # fmt: skip
    told = interpret(cells, {"datetime": "object_iso_datetime_utc"}, source="ecotaxa").core.to_pylist()
    assert (told[0]["datetime_utc"], told[0]["timezone_verbatim"]) == (when(2021, 5, 3, 14), "Z")
    plain = interpret(cells, {}, source="ecotaxa").core.to_pylist()
    assert plain[0]["datetime_utc"] == when(2021, 5, 3, 10)


@pytest.mark.parametrize(
    ("instrument", "deployment", "year", "flagged"),
    [
        ("uvp6", None, 2017, True),
        ("uvp6", None, 2018, False),
        ("ifcb", "flow_through", 2004, True),
        ("pi10", None, 2009, True),
        ("uvp6", "bottle_sample_bench", 2017, False),
        ("zooscan", None, 1966, False),  # archived net samples are legal
    ],
)
def test_a_time_before_the_instrument(instrument: str, deployment: str | None, year: int, flagged: bool) -> None:
    size = {"uvp6": 73, "ifcb": 0.3, "pi10": 10, "zooscan": 10.6}[instrument]
    declared = form(instrument=instrument, deployment_type=deployment, pixel_size={"value": size, "unit": "um"})
    found = row({"when": f"{year}-05-03T14:00:00"}, None, declared)
    assert ("TIME_BEFORE_INSTRUMENT" in found["qc_flags"]) is flagged


EVENT = {"event_start": "s", "event_end": "e"}


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("2021-05-03T11:00:00", False),
        ("2021-05-03T10:59:59", True),
        ("2021-05-03T16:00:00", False),
        ("2021-05-03T16:00:01", True),
        ("2021-05-02", False),  # a day has no hour
    ],
)
def test_a_time_lies_in_its_event(text: str, flagged: bool) -> None:
    cells: dict[str, str | None] = {"when": text, "s": "2021-05-03T12:00:00", "e": "2021-05-03T15:00:00"}
    assert ("TIME_NOT_IN_EVENT" in row(cells, EVENT)["qc_flags"]) is flagged


def test_the_end_is_kept_where_it_is_one() -> None:
    cells: dict[str, str | None] = {
        "when": "2021-05-03T14:00:00",
        "e": "2021-05-03T15:00:00",
        "x": "2021-05-03T14:20:00",
    }
    assert row(cells, {"event_end": "e"})["datetime_end_utc"] == when(2021, 5, 3, 15)
    assert row(cells, {"event_end": "e", "datetime_end": "x"})["datetime_end_utc"] == when(2021, 5, 3, 14, 20)
    early = row(cells | {"x": "2021-05-03T13:59:00"}, {"datetime_end": "x"})
    assert (early["datetime_end_utc"], early["qc_flags"]) == (None, ["TIME_END_BEFORE_START"])
    broken = row(cells | {"x": "03/05/2021"}, {"datetime_end": "x"})
    assert (broken["datetime_end_utc"], broken["qc_flags"]) == (None, ["TIME_OTHER_UNREADABLE"])


@pytest.mark.parametrize(
    ("end", "text", "flags"),
    [
        ("2021-05-03", "2021-05-04T00:59:00", []),  # a bare date ends with its day, an hour is granted
        ("2021-05-03", "2021-05-04T01:00:00", ["TIME_NOT_IN_EVENT"]),
        ("2021-05", "2021-05-20T10:00:00", ["TIME_OTHER_UNREADABLE"]),
    ],
)
def test_an_end_without_a_clock(end: str, text: str, flags: list[str]) -> None:
    assert row({"when": text, "e": end}, {"event_end": "e"})["qc_flags"] == flags


@pytest.mark.parametrize(
    ("header", "flagged"),
    [("2012-01-28T08:16:15Z", False), ("2012-01-28T08:16:16Z", True), ("2012-01-28T08:14:14Z", True), (None, False)],
)
def test_an_ifcb_header_tells_the_time_of_its_bin(header: str | None, flagged: bool) -> None:
    declared = form(instrument="IFCB", pixel_size={"value": 3.4, "unit": "px/um"})
    cells = {"bin_time": "2012-01-28T08:15:15Z", "hdr_sample_time": header}
    [found] = interpret(cells, {}, declared, "ifcb").core.to_pylist()
    assert found["datetime_utc"] == when(2012, 1, 28, 8, 15, 15)
    assert ("IFCB_BINID_MISMATCH" in found["qc_flags"]) is flagged


@pytest.mark.parametrize(
    ("source", "column", "text", "expected"),
    [
        ("ecotaxa", "process_date", "20250326", when(2025, 3, 26)),
        ("zooscan", "pid_image_scanning_date", "20240321_1049", when(2024, 3, 21, 10, 49)),
        ("planktoscope", "acq_local_datetime", "2023-06-26T11:15:00", when(2023, 6, 26, 11, 15)),
    ],
)
def test_when_samples_were_processed(source: str, column: str, text: str, expected: dt.datetime) -> None:
    cells: dict[str, str | None] = {"object_date": "20210503", "object_time": "1000", column: text}
    [found] = interpret(cells, {}, source=source).core.to_pylist()
    assert found["processing_datetime_utc"] == expected


@pytest.mark.parametrize(("text", "told"), [("Night", "night"), ("D", "day"), ("dusk", None), (None, None)])
def test_day_and_night_as_told(text: str | None, told: str | None) -> None:
    assert row({"dn": text}, {"day_night": "dn"})["day_night"] == told


@settings_of_hypothesis(max_examples=15)
@given(st.lists(ANY_TEXT, min_size=1, max_size=25))
def test_no_text_is_a_traceback_and_every_row_comes_out(texts: list[str]) -> None:
    whole: list[dict[str, str | None]] = [{"when": text} for text in texts]
    dates: list[dict[str, str | None]] = [{"when": None, "d": text, "t": "12:00"} for text in texts]
    times: list[dict[str, str | None]] = [{"when": None, "d": "2021-05-03", "t": text} for text in texts]
    for rows, mapping in ((whole, None), (dates + times, DATE_AND_TIME)):
        made = interpret(rows, mapping, BERLIN)
        refused = {found["source_object_id"] for found in made.quarantine.to_pylist()}
        assert made.core.num_rows + len(refused) == len(rows)


def test_a_part_without_any_known_instrument_or_time_comes_out() -> None:
    made = interpret([{"when": None}, {"when": "x"}], None, form(instrument=None, pixel_size=None))
    told = {(r["source_object_id"], r["reason"]) for r in made.quarantine.to_pylist()}
    assert {("o0", "time_missing"), ("o1", "time_unparsable"), ("o0", "instrument_missing")} <= told
