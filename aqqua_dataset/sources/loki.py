"""LOKI hauls: pictures of objects named after time and place in the frame, and telemetry with decimal commas.

Layout (from the lokidata reader and a haul of Polarstern PS122): the folder of a haul holds ``Pictures/`` and
``Telemetrie/``. Pictures are ``YYYYMMDD HHMMSS  mmm  NNNNNN XXXX YYYY.png``: date, time, millisecond, frame number,
left and upper edge in the frame in pixels. Telemetry is one small file per record, named after its date and time:
``.tmd`` holds lines ``index;value``, ``.dat`` one line of tab-separated values, sometimes more, of which the first
counts; a ``.log`` with lines ``index;value`` describes the haul. Indices are those of ``TMD``, ``DAT`` and ``LOG``
below; entries of other indices become columns ``tmd_<index>`` and ``log_<index>``.

A picture takes the last record at or before its second, up to a minute older. The position is the record's, else the
log's fixed one. Pressure is in kPa and is taken as pressure below the surface; where the sensor reads absolute
pressure, the form says so (``column_units: {tmd_pressure: kPa_absolute}``). Log and telemetry are in UTC.
No public LOKI haul exists: checked on files of the project's own writer, and on the three pictures' names of PS122 in
EcoTaxa's test corpus.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby, islice

import pandas as pd

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, with_locator
from aqqua_dataset.sources.entries import LINE_END, decode
from aqqua_dataset.transfer.delivery import Delivery

#: Index of a line -> column (unit): telemetry, its tab-separated form, and the log of the haul.
TMD: Mapping[int, str] = {
    1: "device", 5: "longitude", 6: "latitude", 10: "pressure", 11: "temperature", 20: "oxygen_mg_l",
    21: "oxygen_saturation", 22: "oxygen_temperature", 30: "conductivity_ms_cm", 31: "conductivity_temperature",
    32: "salinity", 33: "density", 34: "sound_speed", 40: "fluorescence", 200: "roll", 201: "pitch", 202: "nick",
    231: "picture_number", 232: "frame_rate",
}  # fmt: skip
DAT: Mapping[int, str] = {
    2: "sound_speed", 3: "density", 4: "conductivity_temperature", 5: "conductivity_ms_cm", 6: "salinity",
    7: "oxygen_mg_l", 8: "oxygen_saturation", 9: "oxygen_temperature", 16: "fluorescence", 20: "pressure",
    21: "temperature", 26: "latitude", 27: "longitude",
}  # fmt: skip
LOG: Mapping[int, str] = {
    1: "date", 2: "time", 4: "device", 5: "serial", 6: "firmware", 7: "software", 8: "cruise", 9: "station",
    10: "station_number", 11: "haul", 12: "user", 13: "ship", 17: "gps_source", 18: "longitude", 19: "latitude",
    63: "stop_date", 64: "stop_time",
}  # fmt: skip
_NAME = (
    r"(?P<date>\d{8}) +(?P<time>\d{6}) +(?P<ms>\d{3}) +(?P<frame>\d{6}) +(?P<roi_x>\d{4}) +(?P<roi_y>\d{4})"
    r"\.(?:png|bmp|jpg)"
)
_PICTURE = re.compile(_NAME, re.IGNORECASE | re.ASCII)
_RECORD = re.compile(r"(?P<date>\d{8})[ _](?P<time>\d{6}).*\.(?P<kind>tmd|dat)", re.IGNORECASE | re.ASCII)
TELLING = re.compile(re.sub(r"\?P<\w+>", "?:", _NAME), re.IGNORECASE | re.ASCII)
COVERS: tuple[str, ...] = ()
_PICTURES, _TELEMETRY = "pictures", "telemetrie"
_SIDECARS = (".tmd", ".dat", ".log")
_INDEX = re.compile(r"\s*\d{1,3}\s*", re.ASCII)
_OLDEST_RECORD = pd.Timedelta(minutes=1)
_ROWS_PER_CHUNK = 5_000
_LARGEST_RECORD = 1 << 16


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: pictures named as LOKI names them in a folder ``Pictures``."""
    if not any(_haul_of(path) is not None for path in telling.paths):
        return None
    return f"{telling.count} picture(s) named as LOKI names them below Pictures/, first {telling.paths[0]}"


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, haul by haul in the order of their paths; a haul's telemetry is held while it is read."""
    beside = _sidecars(delivery)
    paths = (f.path for f in delivery.files() if _PICTURE.fullmatch(posixpath.basename(f.path)))
    for haul, group in groupby(paths, key=_haul_of):
        if haul is None:
            lost = list(group)
            message = "LOKI pictures outside of a folder Pictures: their haul is unknown; left out"
            report(Finding("loki_haul_unknown", "warning", message, file=lost[0], count=len(lost)))
            continue
        log, records = _haul(delivery, haul, beside.get(haul, []), report)
        while chunk := list(islice(group, _ROWS_PER_CHUNK)):
            yield _rows(pd.Series(chunk, dtype="str"), haul, log, records)


def _haul_of(path: str) -> str | None:
    """The folder that holds ``Pictures``, with a ``/`` at its end unless it is the root; None without one."""
    parts = path.split("/")[:-1]
    for position in range(len(parts) - 1, -1, -1):
        if parts[position].casefold() == _PICTURES:
            return "".join(f"{part}/" for part in parts[:position])
    return None


def _sidecars(delivery: Delivery) -> dict[str, list[str]]:
    """Telemetry and logs by haul: a haul is a folder with ``Pictures``, and its files may lie in folders inside it."""
    hauls: set[str] = set()
    found: list[str] = []
    for file in delivery.files():
        if (haul := _haul_of(file.path)) is not None:
            hauls.add(haul)
        elif file.path.casefold().endswith(_SIDECARS):
            found.append(file.path)
    result = defaultdict(list)
    for path in found:
        parts = path.split("/")[:-1]
        above = ("".join(f"{part}/" for part in parts[:end]) for end in range(len(parts), -1, -1))
        if (nearest := next((folder for folder in above if folder in hauls), None)) is not None:
            result[nearest].append(path)
    return result


def _haul(delivery: Delivery, haul: str, paths: list[str], report: Report) -> tuple[dict[str, str], pd.DataFrame]:
    """Entries of the haul's log, and its telemetry records sorted by time."""
    log: dict[str, str] = {}
    found: list[dict[str, object]] = []
    bad: list[str] = []
    cut: list[str] = []
    for path in paths:
        inside = path.removeprefix(haul)
        record = _RECORD.fullmatch(posixpath.basename(inside)) if _TELEMETRY in inside.casefold() else None
        is_log = record is None and inside.casefold().endswith(".log") and not log
        if record is None and not is_log:
            continue
        try:
            text = _text(delivery, path)
            if text and not text.endswith(("\n", "\r")):
                cut.append(path)
            if record is not None:
                entries = parse_lines(text, TMD) if record["kind"].lower() == "tmd" else parse_dat(text)
                time = pd.to_datetime(record["date"] + record["time"], format="%Y%m%d%H%M%S", errors="coerce")
                if not entries or pd.isna(time):
                    bad.append(path)
                else:
                    found.append({"when": time} | entries)
            else:
                log = parse_lines(text, LOG)
        except OSError as error:
            report(Finding("loki_file_unreadable", "warning", f"the file can't be read ({error})", file=path))
    if cut:
        message = "files that end inside a line; the value they end in is left out"
        report(Finding("loki_file_cut_off", "warning", message, file=cut[0], count=len(cut)))
    if bad:
        message = "telemetry files without a readable record; they are passed over"
        report(Finding("loki_telemetry_unreadable", "warning", message, file=bad[0], count=len(bad)))
    if not found:
        message = "the haul has no telemetry: its pictures have no depth"
        report(Finding("loki_telemetry_missing", "warning", message, file=haul))
    columns = list(dict.fromkeys([*TMD.values(), *DAT.values(), *sorted({k for r in found for k in r} - {"when"})]))
    records = pd.DataFrame(found, columns=["when", *columns]).astype({"when": "datetime64[ns]"})
    return log, records.sort_values("when", kind="stable").drop_duplicates("when")


def _text(delivery: Delivery, path: str) -> str:
    with delivery.open(path) as stream:
        return decode(stream.read(_LARGEST_RECORD))


def parse_lines(text: str, names: Mapping[int, str]) -> dict[str, str]:
    """Values of lines ``index;value`` by column, or by index where it has none; other lines are passed over.

    So is what stands after the last line end: the file may be cut off inside the value.
    """
    found: dict[str, str] = {}
    for line in LINE_END.split(text)[:-1]:
        index, separator, value = line.partition(";")
        name = names.get(int(index), str(int(index))) if _INDEX.fullmatch(index) else None
        if separator and name and value.strip():
            found.setdefault(name, value.strip())
    return found


def parse_dat(text: str) -> dict[str, str]:
    """Values of the first line of a ``.dat`` by column; without a line end its last cell may be cut and is left out."""
    line, *more = LINE_END.split(text, maxsplit=1)
    cells = line.split("\t") if more else line.split("\t")[:-1]
    return {DAT[i]: cell.strip() for i, cell in enumerate(cells, start=1) if i in DAT and cell.strip()}


def _rows(path: pd.Series, haul: str, log: dict[str, str], records: pd.DataFrame) -> pd.DataFrame:
    base = path.str.rsplit("/", n=1).str[-1]
    rows = base.str.extract(_PICTURE).astype("str")
    second = pd.to_datetime(rows["date"] + rows["time"], format="%Y%m%d%H%M%S", errors="coerce")
    time = second + pd.to_timedelta(pd.to_numeric(rows["ms"]), unit="ms")
    rows["time_utc"] = time.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ").str.replace("000Z", "Z").astype("str")
    for name in dict.fromkeys([*LOG.values(), *log]):
        rows[f"log_{name}"] = pd.array([log.get(name)], dtype="str").repeat(len(rows))
    rows["haul"] = pd.array([haul.rstrip("/").rsplit("/", 1)[-1] or None], dtype="str").repeat(len(rows))
    rows["instrument_name"] = pd.array(["LOKI"], dtype="str").repeat(len(rows))
    joined = _join(second.astype("datetime64[ns]"), records)
    rows = pd.concat([rows, joined.add_prefix("tmd_")], axis=1)
    rows["aqqua_object_id"] = path.str.replace(r"\.[A-Za-z]+$", "", regex=True)
    rows["aqqua_image_file"] = base
    rows["aqqua_path"] = path
    return with_locator(rows)


def _join(when: pd.Series, records: pd.DataFrame) -> pd.DataFrame:
    """For each second the columns of the last record at or before it, as text; null where there is none."""
    wanted = pd.DataFrame({"when": when, "place": range(len(when))}).dropna().sort_values("when", kind="stable")
    matched = pd.merge_asof(wanted, records, on="when", direction="backward", tolerance=_OLDEST_RECORD)
    matched = matched.set_index("place").reindex(range(len(when))).set_axis(when.index)
    return matched.drop(columns="when").astype("str")
