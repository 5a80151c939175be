"""Open questions to the contributor, each with the line of the form that answers it.

A question follows from a flag, a reason, a finding or an answer of the form that is missing. Words in capitals in a
line stand for what only the contributor knows; no number is proposed.
"""

from dataclasses import dataclass

from aqqua_dataset.harmonise.scale import UNITS
from aqqua_dataset.report.facts import Facts
from aqqua_dataset.report.words import images, quoted, unit_in_words


@dataclass(frozen=True)
class Question:
    """One question: what is asked, why, and the key and line of the form that answer it ("" where none does)."""

    text: str
    why: str
    key: str = ""
    line: str = ""


_PIXEL = "pixel_size: {value: NUMBER, unit: um | mm | px/um | px/mm | dpi}"
#: Flag or reason -> question, key of the form, line. The first of those with an equal line is asked.
_ASKED: dict[str, tuple[str, str, str]] = {
    "instrument_missing": ("Which instrument took the images?", "declared", "instrument: NAME"),
    "instrument_unknown": ("What is the usual name of your instrument?", "declared", "instrument: NAME"),
    "pixel_size_missing": ("How large is one pixel?", "declared", _PIXEL),
    "pixel_size_invalid": ("How large is one pixel?", "declared", _PIXEL),
    "pixel_size_out_of_range": ("Is the pixel size right, and which unit is it in?", "declared", _PIXEL),
    "pixel_size_ambiguous": (
        "Which unit is the pixel size in?",
        "declared",
        "column_units: {COLUMN: um | mm | px/um | px/mm | dpi}",
    ),
    "PIXEL_PLACEHOLDER": ("Which pixel size did the calibration give?", "declared", _PIXEL),
    "SCALE_CONFLICT": ("Which of the two pixel sizes holds?", "declared", _PIXEL),
    "TZ_ASSUMED": ("Which time zone are your times in?", "declared", "time_zone: ZONE"),
    "time_missing": ("When were the samples taken?", "", ""),
    "time_default": ("When were the samples taken? The clock was not set.", "", ""),
    "dmy_mdy_ambiguous": ("Does the day or the month come first in your dates?", "", ""),
    "CLOCK_DEFAULT": ("When were the samples taken? The clock was not set.", "", ""),
    "position_missing": ("Where were the samples taken?", "declared", "latitude: DEGREES\nlongitude: DEGREES"),
    "position_placeholder": ("Where were the samples taken?", "declared", "latitude: DEGREES\nlongitude: DEGREES"),
    "depth_missing": ("At which depth were the samples taken?", "declared", "depth_min_m: METRES\ndepth_max_m: METRES"),
    "DEPTH_NEGATIVE": ("Is the column with negative depths an altitude?", "", ""),
    "LABEL_WITHOUT_STATUS": ("Did a person or a classifier give the labels?", "", ""),
}
_UNIT_OF_RULE = {rule: unit for unit, (rule, _) in UNITS.items()}


def questions(facts: Facts) -> tuple[Question, ...]:
    """All open questions: first those that hold most images back, then those that flags ask, then the form's."""
    found = []
    # An answer of the form holds for every image; what only some rows lack is to be mended in those rows.
    common = [m for m in facts.reasons if 2 * m.images >= facts.arrival.declared]
    for mark in (*common, *facts.flags):
        if mark.name in _ASKED:
            text, key, line = _ASKED[mark.name]
            found.append(Question(text, f"This concerns {images(mark.images)}.", key, line))
    found += [*_inferred_units(facts), *_of_the_form(facts), *_of_the_files(facts), *_of_the_permission(facts)]
    first: dict[tuple[str, str], Question] = {}
    for question in found:
        first.setdefault((question.key, question.line or question.text), question)
    return tuple(first.values())


def answers(asked: tuple[Question, ...]) -> str:
    """The lines that answer the questions as one block of YAML, "" where no line does."""
    lines: dict[str, list[str]] = {}
    for question in asked:
        if question.line:
            lines.setdefault(question.key, []).extend(question.line.split("\n"))
    return "\n".join("\n".join([f"{key}:", *(f"  {line}" for line in own)]) for key, own in lines.items())


def _inferred_units(facts: Facts) -> list[Question]:
    found = []
    for size in facts.understood.pixel_sizes if facts.understood else ():
        if size.unit_source == "inferred_range" and size.rule in _UNIT_OF_RULE:
            unit = _UNIT_OF_RULE[size.rule]
            text = f"Is the column {quoted(size.column)} in {unit_in_words(unit)}?"
            why = f"Only this unit gives a plausible size, so it was inferred for {images(size.images)}."
            found.append(Question(text, why, "declared", f"column_units: {{{size.column}: {unit}}}"))
    return found


def _of_the_form(facts: Facts) -> list[Question]:
    told, found = facts.declared, []
    if facts.understood is None:
        return []
    if told.water_type == "unknown":
        found.append(
            Question(
                "Is the water marine, brackish or fresh?", "The form doesn't say.", "declared",
                "water_type: marine | brackish | freshwater | culture",
            )
        )  # fmt: skip
    if told.deployment_type == "unknown":
        found.append(
            Question(
                "How did the instrument see the water?",
                "It decides what a depth and a time mean, and the form doesn't say.", "declared",
                "deployment_type: in_situ_profile | in_situ_towed | in_situ_moored | flow_through | net_sample_bench"
                " | bottle_sample_bench | culture",
            )
        )  # fmt: skip
    if told.water_type == "freshwater" and told.elevation_m is None:
        found.append(
            Question(
                "How high above sea level does the lake's surface lie?", "Without it the altitude isn't known.",
                "declared", "water_surface_elevation_m: METRES",
            )
        )  # fmt: skip
    return found


def _of_the_permission(facts: Facts) -> list[Question]:
    credit = facts.credit
    if credit is None or credit.revoked or facts.dry_run:
        return []
    found = [
        Question(f"Do you permit: {t}?", "This permission is mandatory and still missing.") for t in credit.missing
    ]
    if credit.state == "pending":
        found.append(
            Question(
                "How do you want to be credited?", f"Until you answer it is: {quoted(credit.line, 300)}.",
                "attribution", 'state: given\ntext: "YOUR CREDIT LINE"',
            )
        )  # fmt: skip
    return found


def _of_the_files(facts: Facts) -> list[Question]:
    found = []
    if facts.arrival.missing and facts.objects:
        why = f"{images(facts.arrival.missing)} did not arrive."
        found.append(Question("Will the missing images still come, or don't they exist?", why))
    for finding in facts.findings:
        if finding.rule == "image_without_row":
            text = "Do the pictures that no table speaks of belong to the delivery, and where are their metadata?"
            first = "It is" if finding.count == 1 else f"There are {finding.count:,} of them; the first is"
            found.append(Question(text, f"{first} {quoted(finding.file)}."))
        elif finding.rule == "format_not_recognised":
            found.append(Question("Which format is the delivery in?", finding.message, "source", "format: NAME"))
        elif finding.rule == "mapping_incomplete":
            text = "Which columns of your tables hold what?"
            why = "Tables of no special format need a mapping; the command aqqua suggest-mapping proposes one."
            found.append(Question(text, why))
    return found
