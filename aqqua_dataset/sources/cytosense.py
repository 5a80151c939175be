"""CytoSense documents made by cyz2json: one JSON document per measurement, with its images as base64 text.

Layout (cyz2json's source, 2023-2026, and a flattened document of CytoProcess with every path): ``filename``,
``instrument`` (name, serialNumber, channels, measurementSettings, measurementResults), ``particles`` (particleId,
hasImage, pulseShapes, parameters) and ``images`` (particleId, base64), pretty-printed or not. Key names differ between
versions (``pumpedVolume``, ``pumped_volume``); they become one column. Newer versions keep all settings, and among
them micrometres per pixel, below ``measurementSettings.CytoSettings``. There is no position. cyz2json writes the
camera's pictures uncropped. Documents may have gigabytes, most of it pulse shapes: they are walked through once, and
what their images need is kept in a temporary database on disk. A ``.cyz`` itself can't be read here.
No public document with images exists; checked on files of the project's own writer, also with every path of the
flattened one added, and on a real .cyz. An export of CytoClus in the same delivery is read as well: see ``cytoclus``.
"""

import contextlib
import functools
import json
import posixpath
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pandas as pd

from aqqua_dataset.findings import Finding, Severity
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report, Telling, cytoclus, entries, with_locator
from aqqua_dataset.sources.json_stream import BrokenJson, JsonStream
from aqqua_dataset.transfer.delivery import Delivery

TELLING = re.compile(r".*\.(?:json|cyz)", re.IGNORECASE)
COVERS: tuple[str, ...] = ("cytoclus",)
_HEAD = re.compile(rb'\s*\{(?s:.*)"instrument"\s*:\s*\{(?s:.*)"(?:serialNumber|sampleCoreSpeed|measurementSettings)"')
_HEAD_BYTES = 16_384
_CYZ_START = bytes.fromhex("0001000000FFFFFFFF01")
_ROWS_PER_CHUNK = 1_000  # of more than a hundred columns
_FROM_SETTINGS = (
    "TabName", "SamplePompSpeed", "ConfiguredSamplePompSpeed", "StopafterTimertext", "TriggerChannel",
    "TriggerLevel1e", "PMTlevels_str", "IIFCheck", "IIFRoiName",
)  # fmt: skip
_FROM_CAMERA = ("ImageScaleMuPerPixelP", "EnableOverrideMuPerPixel", "opticalMagnification")
#: Every particle repeats the same keys.
column_name = functools.lru_cache(maxsize=10_000)(entries.column_name)
_CAMERA_KEY = "ImageScaleMuPerPixelP"
_MOST_LEVELS = 12
_TABLES = """
    pragma journal_mode = off;
    create table exported (run text, particle text, primary key (run, particle)) without rowid;
    create table imaged (run text, particle text, name text, primary key (run, particle)) without rowid;
    create table particle (id text primary key, has_image int, facts text) without rowid;
    create table image (number integer primary key, id text, start int, length int, escaped int, facts text);
    create index image_of on image (id);
"""
_ROWS = """
    select number, id, start, length, escaped, image.facts, particle.facts, exported.run is not null
    from image left join particle using (id) left join exported on exported.run = ? and exported.particle = id
    order by number
"""
_WITHOUT_IMAGE = """
    select count(*), min(id) from particle
    where has_image and not exists (select 1 from image where image.id = particle.id)
"""


def detect(delivery: Delivery, telling: Telling) -> str | None:
    """Evidence in words: documents that begin as cyz2json's do, or files of CytoSense itself."""
    for path in telling.paths:
        if path.lower().endswith(".json") and _is_document(delivery, path):
            return f"document(s) of cyz2json, first {path}"
    for path in telling.paths:
        if path.lower().endswith(".cyz") and _starts_as_cyz(delivery, path):
            return f"file(s) of CytoSense (.cyz), which have to be converted, first {path}"
    return None


def _head(delivery: Delivery, path: str) -> bytes:
    try:
        with delivery.open(path) as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        return b""


def _is_document(delivery: Delivery, path: str) -> bool:
    return _HEAD.match(_head(delivery, path).removeprefix(b"\xef\xbb\xbf")) is not None


def _starts_as_cyz(delivery: Delivery, path: str) -> bool:
    return _head(delivery, path).startswith(_CYZ_START)


def read(delivery: Delivery, source: Source, report: Report) -> Iterator[pd.DataFrame]:
    """Chunks of rows, document by document in the order of their paths, then those of a CytoClus export."""
    with contextlib.closing(sqlite3.connect("")) as store:  # a temporary file, gone when closed
        store.executescript(_TABLES)
        exported = ((cytoclus.run_key(run), number) for _, run, number in cytoclus.exports(delivery))
        store.executemany("insert or ignore into exported values (?, ?)", exported)
        names: set[str] = set()
        for file in delivery.files():
            if not file.path.lower().endswith(".json"):
                continue
            if _is_document(delivery, file.path):
                yield from _read_document(delivery, file.path, store, names, report)
            else:
                message = "no document of cyz2json (it begins with filename and instrument); left out"
                report(Finding("cytosense_not_a_document", "note", message, file=file.path))
        for rows in cytoclus.read(delivery, source, report):
            yield _as_processed(rows, store)
        _report_cyz(delivery, {cytoclus.run_key(name) for name in names}, store, report)


def _read_document(
    delivery: Delivery, path: str, store: sqlite3.Connection, names: set[str], report: Report
) -> Iterator[pd.DataFrame]:
    store.execute("delete from particle")
    store.execute("delete from image")
    facts: dict[str, str] = {}
    whole = False
    try:
        with delivery.open(path) as stream:
            _walk(JsonStream(stream), store, facts)
        whole = True
    except BrokenJson as error:
        rule, what = (
            ("cytosense_document_cut", "is cut off") if error.cut else ("cytosense_document_damaged", "is no JSON")
        )
        message = f"the document {what} at byte {error.position} ({error}); images that were whole before it are kept"
        report(Finding(rule, "warning", message, file=path, value=str(error.position)))
    except OSError as error:
        message = f"the document can't be read to its end ({error}); images that were whole before it are kept"
        report(Finding("cytosense_document_unreadable", "error", message, file=path))
    run = facts.get("filename", posixpath.basename(path)).replace("\\", "/").rpartition("/")[2]
    run = re.sub(r"\.(?:cyz|json)$", "", run, flags=re.IGNORECASE)
    name = run if run not in names else path.removesuffix(posixpath.basename(path)) + run
    name = name if name not in names else path
    names |= {run, name}
    _report_images(store, path, whole, report)
    key = cytoclus.run_key(run)
    store.execute("insert or ignore into imaged select ?, id, ? from image where id is not null", (key, name))
    facts |= {"run": name, "name_time": cytoclus.time_in(run) or "", "instrument_name": "CytoSense"}
    cursor = store.execute(_ROWS, (key,))
    while found := cursor.fetchmany(_ROWS_PER_CHUNK):
        yield _located(path, name, facts, found)


def _walk(document: JsonStream, store: sqlite3.Connection, facts: dict[str, str]) -> None:
    """Walks through a document; fills the store with its particles and images, and ``facts`` with the rest."""
    for key in document.members():
        array = document.peek() == b"["
        if key == "filename":
            facts |= _scalars({key: document.value()}, "")
        elif key == "instrument":
            facts |= _instrument(document.value())
        elif key == "particles" and array:
            for _ in document.elements():
                _particle(document, store)
        elif key == "images" and array:
            for _ in document.elements():
                _image(document, store)
        else:
            document.skip()


def _instrument(told: Any) -> dict[str, str]:
    """The facts of the instrument, its settings and the measurement's results that are kept, as columns."""
    if not isinstance(told, dict):
        return {}
    settings, results = told.get("measurementSettings"), told.get("measurementResults")
    cyto = settings.get("CytoSettings") if isinstance(settings, dict) else None
    camera = _camera(told, _MOST_LEVELS) or {}
    return (
        _scalars(told, "cytosense_")
        | _scalars(results, "results_")
        | _scalars(settings, "settings_")
        | _scalars(cyto, "settings_", _FROM_SETTINGS)
        | _scalars(camera, "camera_", _FROM_CAMERA)
        | _scalars(camera.get("CameraFeatures"), "camera_", ("PixelPitch",))
    )


def _camera(told: Any, levels: int) -> dict[str, Any] | None:
    """The settings of the camera, wherever a version of the software keeps them."""
    if not isinstance(told, dict) or not levels:
        return None
    if _CAMERA_KEY in told:
        return told
    return next((found for value in told.values() if (found := _camera(value, levels - 1)) is not None), None)


def _scalars(told: Any, prefix: str, wanted: tuple[str, ...] | None = None) -> dict[str, str]:
    """The entries of an object that are no objects or arrays, as text by snake-case name."""
    if not isinstance(told, dict):
        return {}
    kept = {key: value for key, value in told.items() if wanted is None or key in wanted}
    return {f"{prefix}{column_name(key)}": text for key, value in kept.items() if (text := _as_text(value)) is not None}


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()  # half characters can't be stored
    return str(value).lower() if isinstance(value, bool) else None


def _particle(document: JsonStream, store: sqlite3.Connection) -> None:
    """Keeps what is told of a particle that has an image."""
    if document.peek() != b"{":
        document.skip()
        return
    known: dict[str, Any] = {}
    for key in document.members():
        if key in ("particleId", "hasImage", "region") or (key == "parameters" and known.get("hasImage") is not False):
            known[key] = document.value()
        else:
            document.skip()
    number = _as_text(known.get("particleId"))
    if number is None or known.get("hasImage") is False:
        return
    facts = _scalars(known, "", ("region",)) | _parameters(known.get("parameters"))
    row = (number, known.get("hasImage") is True, json.dumps(facts))
    store.execute("insert or ignore into particle values (?, ?, ?)", row)


def _parameters(told: Any) -> dict[str, str]:
    """The parameters of a particle as ``<channel>_<parameter>``; a second channel of one name gets ``_2``."""
    facts: dict[str, str] = {}
    seen: dict[str, int] = {}
    for channel in told if isinstance(told, list) else []:
        name = column_name(_as_text(channel.get("description")) or "channel") if isinstance(channel, dict) else ""
        if name:
            seen[name] = turn = seen.get(name, 0) + 1
            named = _scalars(channel, f"{name}_" if turn == 1 else f"{name}_{turn}_")
            facts |= {column: value for column, value in named.items() if not column.endswith("_description")}
    return facts


def _image(document: JsonStream, store: sqlite3.Connection) -> None:
    """Keeps where an image's text stands in the document, once the whole image was there."""
    if document.peek() != b"{":
        document.skip()
        return
    number, place, facts = None, (document.position, 0, False), {}
    for key in document.members():
        if key == "base64":
            place = document.text_place() or place
        elif key == "particleId":
            number = _as_text(document.value())
        else:
            value = document.value()
            facts[column_name(key) or "unnamed"] = text if (text := _as_text(value)) is not None else json.dumps(value)
    values = (number, *place, json.dumps(facts))
    store.execute("insert into image (id, start, length, escaped, facts) values (?, ?, ?, ?, ?)", values)


def _report_images(store: sqlite3.Connection, path: str, whole: bool, report: Report) -> None:
    """Findings about a document's images as a set."""
    count, first = store.execute(_WITHOUT_IMAGE).fetchone()
    if count and whole:
        message = "particles that should have an image have none in the document"
        report(
            Finding("cytosense_image_missing", "warning", message, file=path, value=f"particle {first}", count=count)
        )
    [escaped] = store.execute("select coalesce(sum(escaped), 0) from image").fetchone()
    if escaped:
        message = "images whose base64 text holds backslashes; write the document again with cyz2json itself"
        report(Finding("cytosense_image_escaped", "error", message, file=path, count=escaped))
    if whole and not store.execute("select exists (select 1 from image)").fetchone()[0]:
        report(Finding("cytosense_without_images", "note", "the measurement holds no image", file=path))


def _located(path: str, run: str, facts: dict[str, str], found: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Rows of one chunk: where each image stands, and what is told of it, its particle and the measurement."""
    number, particle, start, length, escaped, image, told, exported = zip(*found, strict=True)
    own = [json.loads(p or "{}") | json.loads(i) for i, p in zip(image, told, strict=True)]
    particles = pd.Series(particle, dtype="str")
    object_id = run + "_" + particles
    reason = pd.Series(pd.NA, particles.index, dtype="str").mask(pd.Series(escaped) == 1, "image_text_escaped")
    locator = {
        "aqqua_object_id": object_id,
        "aqqua_image_file": [f"{posixpath.basename(path)}#{n}" for n in number],
        "aqqua_table": path,
        "aqqua_line": number,
        "aqqua_path": path,
        "aqqua_offset": start,
        "aqqua_length": length,
        "aqqua_variant": pd.Series(exported).map({1: "raw", 0: None}).astype("str"),
        "aqqua_reason": reason.mask(particles.isna(), "object_id_missing"),
        "aqqua_column": "base64",
    }
    rows = pd.DataFrame(locator | {"object_id": object_id, "particle_id": particles}, index=particles.index)
    rows["aqqua_column"] = rows["aqqua_column"].where(rows["aqqua_reason"].notna())
    same = {n: pd.array([value or None], dtype="str").repeat(len(rows)) for n, value in facts.items() if n not in rows}
    measured = pd.DataFrame(own, index=rows.index).astype("str")
    measured = measured.drop(columns=[c for c in measured if c in rows or c in same])
    return with_locator(pd.concat([rows, pd.DataFrame(same, index=rows.index), measured], axis=1))


def _as_processed(rows: pd.DataFrame, store: sqlite3.Connection) -> pd.DataFrame:
    """Rows of a CytoClus export: those whose particle has an image in a document are another form of it."""
    keys = zip(rows["run"].map(cytoclus.run_key), rows["particle_id"], strict=True)
    asked = "select name from imaged where run = ? and particle = ?"
    names = pd.Series([next(iter(store.execute(asked, key)), (None,))[0] for key in keys], rows.index, dtype="str")
    both = names.notna()
    rows["aqqua_object_id"] = rows["aqqua_object_id"].mask(both, names + "_" + rows["particle_id"])
    rows["object_id"] = rows["aqqua_object_id"]
    rows["run"] = names.fillna(rows["run"])
    rows["aqqua_variant"] = rows["aqqua_variant"].mask(both, "processed")
    return rows


def _report_cyz(delivery: Delivery, converted: set[str], store: sqlite3.Connection, report: Report) -> None:
    """Says how to convert the files of CytoSense itself that no document was made from."""
    for file in delivery.files():
        name = posixpath.basename(file.path)
        if not name.lower().endswith(".cyz"):
            continue
        key = cytoclus.run_key(name[:-4])
        if key in converted:
            report(Finding("cytosense_cyz_left_out", "note", "its cyz2json document was read instead", file=file.path))
            continue
        exported = store.execute("select 1 from exported where run = ?", (key,)).fetchone() is not None
        kind = "a CytoSense file" if _starts_as_cyz(delivery, file.path) else "named .cyz but doesn't begin as one"
        message = (
            f"{kind}: it can't be read here. Convert it with cyz2json (.NET 8, github.com/OBAMANEXT/cyz2json): "
            f"`dotnet Cyz2Json.dll '{name}' --output '{name[:-4]}.json'`, and deliver the .json"
            + ("; the images of its CytoClus export were read" if exported else "")
        )
        severity: Severity = "warning" if exported else "error"
        report(Finding("cytosense_cyz_not_converted", severity, message, file=file.path))
