"""What lies beside a FlowCam list: settings (.ctx), run summary, and classes (.cla).

A ``.cla`` is a list of lines: ``v3``; the number of classifications (left out where there is one); for each its name
and number of classes; for each class its name, ``OR`` or ``AND``, the number of filters and their lines, the number
of particles and their ids. A class with filters is made by a rule. Ids without a filter were put there by a person
unless the run was classified on the fly (``AutoClassify`` in the .ctx); where no .ctx says so, the status stays open.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.sources import Report
from aqqua_dataset.sources.entries import LINE_END, column_name, decode, sections
from aqqua_dataset.transfer.delivery import Delivery

_ENDINGS = (".ctx", ".cla", "_run_summary.txt")
_LOGIC = ("or", "and")
_VOLUME = "ctx_fluid_fluidvolumeimaged_ml"
_MILLILITRES = re.compile(r"([\d.,]+)\s*(ml)?", re.IGNORECASE)


@dataclass(frozen=True)
class Class:
    """One class of a classification: its particles' ids, and whether filters make it."""

    name: str
    by_filter: bool
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Classes:
    """What a run's classes say of its particles: columns by particle id."""

    columns: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, ids: pd.Series) -> pd.DataFrame:
        """The columns for a series of particle ids."""
        found = {name: ids.map(members).astype("str") for name, members in self.columns.items()}
        return pd.DataFrame(found, index=ids.index)


def files_beside(delivery: Delivery, path: str, stems: Sequence[str]) -> dict[str, str]:
    """Paths of the files beside a list by their endings: named as the list or its run, or the only one there.

    The only one counts where the folder holds a single list: with several nobody could say whose it is.
    """
    folder = path.removesuffix(posixpath.basename(path))
    there = set(delivery.names(folder if folder.endswith("!/") else folder.rstrip("/")).values())
    lists = sum(p.lower().endswith(".lst") for p in there)
    found = {}
    for ending in _ENDINGS:
        named = next((p for stem in stems if (p := delivery.find(f"{folder}{stem}{ending}")) is not None), None)
        other = [p for p in there if p.lower().endswith(ending)]
        if named is not None or (len(other) == 1 and lists == 1):
            found[ending] = named or other[0]
    return found


def settings(delivery: Delivery, beside: dict[str, str], report: Report) -> dict[str, str]:
    """Entries of the .ctx as ``ctx_<section>_<key>``, of the run summary as ``summary_<key>``; empty ones left out.

    ``fluid_volume_imaged_ml`` is the .ctx's volume, or the summary's where the .ctx holds 0, as it often does.
    """
    facts: dict[str, str] = {}
    ctx = _text(delivery, beside.get(".ctx"), report)
    for section, entries in sections(ctx).items():
        facts |= {f"ctx_{column_name(section)}_{column_name(key)}": value for key, value in entries.items()}
    if ".ctx" in beside and ctx and not facts:
        message = "the .ctx holds no lines of `key=value`"
        report(Finding("flowcam_ctx_unreadable", "warning", message, file=beside[".ctx"]))
    summary = sections(_text(delivery, beside.get("_run_summary.txt"), report), ":\t")
    told = {f"summary_{column_name(key)}": value for entries in summary.values() for key, value in entries.items()}
    facts |= {name: value for name, value in told.items() if name != "summary_"}
    volume = _positive(facts.get(_VOLUME, ""), unit="ml") or next(_summary_volumes(told), None)
    if volume is not None:
        facts["fluid_volume_imaged_ml"] = volume
    return {name: value for name, value in facts.items() if value.strip()}


def _summary_volumes(told: dict[str, str]) -> Iterator[str]:
    """Volumes of the summary that are in millilitres: the key or the value says so."""
    for name, value in told.items():
        if "fluid_volume_imaged" in name or "fluidvolumeimaged" in name:
            volume = _positive(value, unit="ml" if name.endswith("_ml") else "")
            if volume is not None:
                yield volume


def _positive(value: str, unit: str) -> str | None:
    """The number at the start of a value in millilitres, as it stands, or None where there is none above zero."""
    match = _MILLILITRES.fullmatch(value.strip())
    return match[1] if match and (unit or match[2]) and re.search(r"[1-9]", match[1]) else None


def classes(delivery: Delivery, beside: dict[str, str], run: str, facts: dict[str, str], report: Report) -> Classes:
    """The classes of a run: every classification as a column, and the one that counts as ``class_name``.

    Where there are several, the one that is named as the run counts, or the only one with particles.
    """
    path = beside.get(".cla")
    content = _text(delivery, path, report)
    if path is None or not content:
        return Classes()
    parsed = parse_classes(content)
    if parsed is None:
        message = "the .cla isn't built as v3 is (classifications, classes, filters, ids); no class was taken"
        report(Finding("flowcam_cla_unreadable", "warning", message, file=path))
        return Classes()
    filled = {name: groups for name, groups in parsed.items() if any(group.ids for group in groups)}
    columns = {f"classification_{column_name(name)}": _names(groups) for name, groups in filled.items()}
    named = [name for name in filled if name.casefold().startswith(run.casefold())]
    chosen = named if len(named) == 1 else list(filled)
    if len(chosen) > 1:
        message = "several classifications and none named as the run: none was taken as the label; map one of them"
        report(Finding("flowcam_classifications_several", "warning", message, file=path, value=", ".join(chosen)[:200]))
    if len(chosen) == 1:
        columns |= _labels(filled[chosen[0]], path, facts.get("ctx_capturereport_autoclassify"), report)
    return Classes(columns)


def _names(groups: list[Class]) -> dict[str, str]:
    """Class names by particle; those of a particle in several classes separated by ``|``."""
    names: dict[str, str] = {}
    for group in groups:
        for number in dict.fromkeys(group.ids):
            names[number] = f"{names[number]}|{group.name}" if number in names else group.name
    return names


def _labels(groups: list[Class], path: str, auto: str | None, report: Report) -> dict[str, dict[str, str]]:
    """``class_name`` and ``class_status`` by particle; a particle in several classes has neither."""
    count = Counter(number for group in groups for number in set(group.ids))
    several = {number for number, times in count.items() if times > 1}
    if several:
        message = "particles that stand in several classes have no class name"
        report(Finding("flowcam_particle_in_several_classes", "warning", message, file=path, count=len(several)))
    names: dict[str, str] = {}
    status: dict[str, str] = {}
    for group in groups:
        told = "predicted" if group.by_filter else "validated" if auto == "0" else None
        single = [number for number in group.ids if number not in several]
        names |= dict.fromkeys(single, group.name)
        status |= dict.fromkeys(single, told) if told else {}
    return {"class_name": names, "class_status": status}


def parse_classes(content: str) -> dict[str, list[Class]] | None:
    """Classes by classification from the text of a .cla, or None where it isn't built as it should be."""
    lines = [line.strip() for line in LINE_END.split(content)]
    while lines and not lines[-1]:
        lines.pop()
    if not lines or lines[0].lower() != "v3":
        return None
    for counted in (True, False):
        try:
            return _classifications(lines, counted)
        except (ValueError, IndexError):
            continue
    return None


def _classifications(lines: list[str], counted: bool) -> dict[str, list[Class]]:
    """All classifications; raises ValueError or IndexError where the lines don't fit to the last one."""
    rest = iter(lines[1:])
    found: dict[str, list[Class]] = {}
    for turn in range(_number(rest) if counted else 1):
        name = _next(rest)
        found[name if name not in found else f"{name} {turn + 1}"] = [_class(rest) for _ in range(_number(rest))]
    if next(rest, None) is not None:
        raise ValueError("lines beyond the last class")
    return found


def _class(rest: Iterator[str]) -> Class:
    name = _next(rest)
    if _next(rest).lower() not in _LOGIC:
        raise ValueError("no OR or AND after the name of a class")
    filters = [_next(rest) for _ in range(_number(rest))]
    return Class(name, bool(filters), tuple(_next(rest) for _ in range(_number(rest))))


def _next(rest: Iterator[str]) -> str:
    line = next(rest, None)
    if line is None:
        raise IndexError("the file ends inside a class")
    return line


def _number(rest: Iterator[str]) -> int:
    text = _next(rest)
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError("no number where one should stand")
    return int(text)


def _text(delivery: Delivery, path: str | None, report: Report) -> str:
    """The text of a file, or "" where there is none or it can't be read."""
    if path is None:
        return ""
    try:
        return decode(delivery.read(path))
    except OSError as error:
        report(Finding("flowcam_file_unreadable", "error", f"the file can't be read ({error})", file=path))
        return ""
