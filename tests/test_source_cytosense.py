"""CytoSense documents: where every image stands in them, what is told of it, and that broken ones are findings."""

import base64
import csv
import io
import json
import re
import shutil
import tracemalloc
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import formats_that_fit, read, rules
from writers import cytoclus as export
from writers import cytosense as writer

from aqqua_dataset import schema
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import cytosense, json_stream
from aqqua_dataset.sources.json_stream import BrokenJson, JsonStream
from aqqua_dataset.transfer.delivery import Delivery

RUN = writer.RUN
DOCUMENT = f"{RUN}.json"
CYZ = bytes.fromhex("0001000000FFFFFFFF01000000")


def save(folder: Path, document: dict[str, Any], name: str = DOCUMENT, **layout: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(document, **layout), encoding="utf-8")


def pictures(folder: Path, rows: pd.DataFrame) -> list[bytes]:
    """The images' bytes as the packer finds them."""
    with Delivery(str(folder)) as delivery:
        texts = [
            delivery.read_range(path, int(start), int(length))
            for path, start, length in zip(rows["aqqua_path"], rows["aqqua_offset"], rows["aqqua_length"], strict=True)
        ]
    return [base64.b64decode(text, validate=True) for text in texts]


def test_every_image_is_found_with_what_is_told_of_it(tmp_path: Path) -> None:
    writer.write(tmp_path, 3)
    rows, found = read(tmp_path, "cytosense")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == [f"{RUN}_{n}" for n in (1, 3, 5)]
    assert rows["aqqua_image_file"].tolist() == [f"{DOCUMENT}#{n}" for n in (1, 2, 3)]
    assert rows["aqqua_line"].tolist() == [1, 2, 3]
    assert rows[["aqqua_variant", "aqqua_reason", "aqqua_width", "aqqua_rank"]].isna().all(axis=None)
    assert pictures(tmp_path, rows) == [writer.jpeg(n) for n in (1, 3, 5)]
    first = rows.iloc[0]
    assert first["results_start"] == "2025-02-13T14:28:04.646157+01:00"
    assert first["results_analysed_volume"] == "4859.499457"
    assert first["camera_image_scale_mu_per_pixel_p"] == "0.3"
    assert first["cytosense_serial_number"] == "CS-2020-101"
    assert first["settings_tab_name"] == "AQQUA test"
    assert first["name_time"] == "2025-02-13T14:27"
    assert not [c for c in rows if "mail" in c]
    assert not {"image_id", "rank", "images", "reason"} & set(rows.columns)  # the data set's own names
    assert formats_that_fit(tmp_path)[0].format == "cytosense"


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}, {"indent": "\t"}])
def test_any_layout_and_every_particle_its_own_parameters(tmp_path: Path, layout: dict[str, Any]) -> None:
    save(tmp_path, writer.document(3), **layout)
    rows, found = read(tmp_path, "cytosense")
    assert found == []
    assert pictures(tmp_path, rows) == [writer.jpeg(n) for n in (1, 3, 5)]
    assert rows["fl_yellow_total"].tolist() == ["1.125", "3.125", "5.125"]
    assert rows["fws_r_variable_length"].tolist() == ["2.875", "4.875", "6.875"]
    assert not [c for c in rows if "pulse" in c or c.endswith("_description")]


def test_keys_in_any_order_a_bom_and_small_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_PIECE", 97)
    whole = writer.document(3)
    turned = {
        key: whole[key] for key in ("images", "filename", "set_information", "instrument", "particles") if key in whole
    }
    turned["particles"] = [dict(reversed(p.items())) for p in whole["particles"]]
    tmp_path.joinpath(DOCUMENT).write_text(json.dumps(turned, indent=1), encoding="utf-8-sig")
    monkeypatch.setattr(cytosense, "_HEAD_BYTES", 1 << 20)
    rows, _ = read(tmp_path, "cytosense")
    assert pictures(tmp_path, rows) == [writer.jpeg(n) for n in (1, 3, 5)]
    assert rows["sws_total"].tolist() == ["1.125", "3.125", "5.125"]
    assert set(rows["results_start"]) == {"2025-02-13T14:28:04.646157+01:00"}


def test_both_spellings_of_a_volume_become_one_column(tmp_path: Path) -> None:
    document = writer.document(1)
    results = document["instrument"]["measurementResults"]
    results["pumped_volume"], results["analysed_volume"] = "4872", "4859,499457"
    del results["pumpedVolume"], results["analysedVolume"]
    save(tmp_path, document)
    row = read(tmp_path, "cytosense")[0].iloc[0]
    assert (row["results_pumped_volume"], row["results_analysed_volume"]) == ("4872", "4859,499457")


def test_what_is_mapped_is_what_is_read(tmp_path: Path) -> None:
    writer.write(tmp_path, 1)
    export.write(tmp_path, 1)
    rows, _ = read(tmp_path, "cytosense")
    assert set(schema.mapping("cytosense")["column"]) <= set(rows.columns)


def test_images_that_are_missing_escaped_or_strange(tmp_path: Path) -> None:
    document = writer.document(4)
    images = document["images"]
    images[0]["cropRectangle"] = {"x": 1, "y": 2}
    images[1]["base64"] = None
    images[2] = {"particleId": 1, "base64": images[2]["base64"], "process": "again"}
    images[3] = {"base64": images[3]["base64"]}
    images[0]["é"] = "\ud800"
    images += ["text", 7, {"particleId": 99, "base64": "AA//AA=="}]
    save(tmp_path, document)
    path = tmp_path / DOCUMENT
    path.write_text(path.read_text().replace("AA//AA==", r"AA\/\/AA=="))
    rows, found = read(tmp_path, "cytosense")
    assert rows["particle_id"].fillna("").tolist() == ["1", "3", "1", "", "99"]
    assert rows["aqqua_reason"].fillna("").tolist() == ["", "", "", "object_id_missing", "image_text_escaped"]
    assert rows["aqqua_length"].iloc[1] == 0
    assert json.loads(rows["crop_rectangle"].iloc[0]) == {"x": "1", "y": "2"}
    assert [(f.rule, f.count, f.value) for f in found] == [
        ("cytosense_image_missing", 2, "particle 5"),
        ("cytosense_image_escaped", 1, ""),
    ]
    assert "image_text_escaped" in set(schema.vocabulary("reasons.csv")["reason"])


@pytest.mark.parametrize(
    "change",
    [
        {"instrument": {"serialNumber": 1, "measurementSettings": None, "measurementResults": [1]}},
        {"particles": None, "more": {"deep": [[{}]]}},
        {
            "particles": [
                None,
                {},
                {"particleId": [1], "hasImage": True},
                {"particleId": 1, "parameters": [3, {"description": None}]},
            ]
        },
        {"filename": 3.5},
        {"filename": "a\ud800b", "particles": [{"particleId": "\ud800", "hasImage": True, "region": "\udfff"}]},
    ],
)
def test_strange_documents_still_give_their_images(tmp_path: Path, change: dict[str, Any]) -> None:
    save(tmp_path, writer.document(2) | change)
    rows, _ = read(tmp_path, "cytosense")
    assert pictures(tmp_path, rows) == [writer.jpeg(n) for n in (1, 3)]


def test_two_documents_of_one_name_and_other_json(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        writer.write(tmp_path / folder, 1)
    (tmp_path / "c.json").write_text('{"settings": 1}')
    (tmp_path / "d.json").write_bytes(b"")
    save(tmp_path, writer.document(1) | {"images": []}, "e.json")
    rows, found = read(tmp_path, "cytosense")
    assert rows["aqqua_object_id"].tolist() == [f"{RUN}_1", f"b/{RUN}_1"]
    assert rules(found) == [
        "cytosense_not_a_document", "cytosense_not_a_document", "cytosense_image_missing", "cytosense_without_images"
    ]  # fmt: skip


def test_a_cyz_says_how_to_convert_it(tmp_path: Path) -> None:
    (tmp_path / f"{RUN}.cyz").write_bytes(CYZ)
    assert [f.format for f in formats_that_fit(tmp_path)] == ["cytosense"]
    rows, found = read(tmp_path, "cytosense")
    assert rows.empty
    assert [(f.rule, f.severity) for f in found] == [("cytosense_cyz_not_converted", "error")]
    assert f"dotnet Cyz2Json.dll '{RUN}.cyz' --output '{RUN}.json'" in found[0].message
    writer.write(tmp_path, 1)
    assert [(f.rule, f.severity) for f in read(tmp_path, "cytosense")[1]] == [("cytosense_cyz_left_out", "note")]
    (tmp_path / f"{RUN}.cyz").write_bytes(b"other")
    (tmp_path / DOCUMENT).unlink()
    assert formats_that_fit(tmp_path) == []


def test_an_export_of_the_same_particles_is_their_processed_form(tmp_path: Path) -> None:
    writer.write(tmp_path, 3)
    for number in (3, 4):
        export.save(tmp_path / f"{export.RUN}_Cropped_{number}.jpg", number, export.comment(number))
    rows, found = read(tmp_path, "cytosense")
    assert found == []
    assert rows["aqqua_object_id"].tolist() == [
        f"{RUN}_1", f"{RUN}_3", f"{RUN}_5", f"{RUN}_3", f"{export.RUN}_4"
    ]  # fmt: skip
    assert rows["aqqua_variant"].fillna("").tolist() == ["", "raw", "", "processed", ""]
    assert [f.format for f in formats_that_fit(tmp_path)] == ["cytosense"]


def test_an_export_with_the_cyz_it_came_from_is_read(tmp_path: Path) -> None:
    export.write(tmp_path, 2)
    (tmp_path / f"{export.RUN}.cyz").write_bytes(CYZ)
    assert [f.format for f in formats_that_fit(tmp_path)] == ["cytosense"]
    rows, found = read(tmp_path, "cytosense")
    assert rows["aqqua_object_id"].tolist() == [f"{export.RUN}_1", f"{export.RUN}_3"]
    assert rows["aqqua_variant"].isna().all()
    assert [(f.rule, f.severity) for f in found] == [("cytosense_cyz_not_converted", "warning")]


def test_a_document_in_a_zip_and_a_damaged_one(tmp_path: Path) -> None:
    writer.write(tmp_path / "x", 40)
    with ZipFile(tmp_path / "x.zip", "w", compression=8) as made:
        made.write(tmp_path / "x" / DOCUMENT, DOCUMENT)
    rows, found = read(tmp_path / "x.zip", "cytosense")
    assert found == []
    assert pictures(tmp_path / "x.zip", rows)[-1] == writer.jpeg(79)
    data = bytearray((tmp_path / "x.zip").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    (tmp_path / "x.zip").write_bytes(data)
    rows, found = read(tmp_path / "x.zip", "cytosense")
    assert rules(found)[0] in ("cytosense_document_unreadable", "cytosense_document_damaged")
    assert len(rows) < 40


def test_memory_stays_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cytosense, "_ROWS_PER_CHUNK", 50)
    monkeypatch.setattr(json_stream, "_PIECE", 1 << 16)
    peaks = []
    for name, objects in (("small", 150), ("large", 600)):
        writer.write(tmp_path / name, objects)
        with Delivery(str(tmp_path / name)) as delivery:
            source = Source(format="cytosense", location="x")
            tracemalloc.start()
            count = sum(len(rows) for rows in cytosense.read(delivery, source, lambda _: None))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert count == objects
    assert (tmp_path / "large" / DOCUMENT).stat().st_size > 6e6
    assert peaks[1] < peaks[0] + 1e6


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents")


@settings(deadline=None, max_examples=50)
@given(share=st.floats(0, 1), indent=st.sampled_from([None, 1]))
def test_a_document_cut_off_anywhere_keeps_its_whole_images(scratch: Path, share: float, indent: int | None) -> None:
    whole = json.dumps(writer.document(4) | {"particles": [writer.particle(1, True)]}, indent=indent).encode()
    cut = whole[: round((1 - share**3) * len(whole))]  # mostly near the end, where the images are
    (scratch / DOCUMENT).write_bytes(cut)
    rows, found = read(scratch, "cytosense")
    expected = sum(cut.count(b'"base64": "' + base64.b64encode(writer.jpeg(n)) + b'"') for n in (1, 3, 5, 7))
    assert expected - 1 <= len(rows) <= expected
    assert pictures(scratch, rows) == [writer.jpeg(n) for n in (1, 3, 5, 7)][: len(rows)]
    if len(cut) == len(whole):
        assert rules(found) == []
    elif "cytosense_not_a_document" not in rules(found):
        assert rules(found) == ["cytosense_document_cut"]
        assert found[0].value == str(len(cut))


@settings(deadline=None, max_examples=50)
@given(data=st.binary(max_size=200) | st.text('{}[]":,\\ 1abc', max_size=200).map(str.encode))
def test_no_bytes_are_a_traceback(scratch: Path, data: bytes) -> None:
    (scratch / DOCUMENT).write_bytes(b'{"instrument": {"serialNumber": 1}, "images": [' + data)
    rows, _ = read(scratch, "cytosense")
    assert len(rows) <= data.count(b"{")


texts = st.text(max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
layouts = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])


@given(value=values, layout=layouts, piece=st.integers(1, 9))
def test_values_come_back_as_they_were_written(value: Any, layout: dict[str, Any], piece: int) -> None:
    data = json.dumps(value, **layout).encode("utf-8", errors="surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_PIECE", piece)
        assert JsonStream(io.BytesIO(data + b" ")).value() == json.loads(data, parse_int=str, parse_float=str)
        walk = JsonStream(io.BytesIO(b"[" + data + b" , " + data + b"]"))
        starts = [(walk.peek(), walk.position, walk.skip(), walk.position)[1::2] for _ in walk.elements()]
    assert starts == [(1, 1 + len(data)), (4 + len(data), 4 + 2 * len(data))]


@given(text=texts, layout=layouts, piece=st.integers(1, 9))
def test_texts_are_found_by_their_bytes(text: str, layout: dict[str, Any], piece: int) -> None:
    data = json.dumps([text, 1], **layout).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_PIECE", piece)
        [first, second] = [walk.text_place() for walk in [JsonStream(io.BytesIO(data))] for _ in walk.elements()]
    assert first is not None
    start, length, escaped = first
    assert data[start - 1 : start + length + 1] == json.dumps(text, **layout).encode()
    assert escaped == (b"\\" in data)
    assert second is None


@given(value=st.lists(values, min_size=1), share=st.floats(0, 1, exclude_max=True))
def test_a_cut_value_is_broken_at_its_end(value: list[Any], share: float) -> None:
    data = json.dumps(value).encode()
    cut = data[: int(share * len(data))]
    with pytest.raises(BrokenJson) as caught:
        JsonStream(io.BytesIO(cut)).skip()
    assert caught.value.cut
    assert caught.value.position == len(cut) or cut.endswith(b"\\")


@given(data=st.binary(max_size=60) | st.text('{}[]":,\\ 1a', max_size=60).map(str.encode))
def test_arbitrary_bytes_are_a_value_or_broken(data: bytes) -> None:
    for take in (JsonStream.value, JsonStream.skip, JsonStream.text_place):
        try:
            take(JsonStream(io.BytesIO(data)))
        except BrokenJson as broken:
            assert 0 <= broken.position <= len(data)


def flattened(real_data: Path) -> list[tuple[str, str]]:
    """Path and example value of every leaf of the flattened document, in order."""
    [path] = (real_data / "cytosense/cytoprocess").rglob("*collab update.csv")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        told = [(row["path"], row["example_value"]) for row in csv.DictReader(stream)]
    return [(p, v) for p, v in told if re.fullmatch(r"(filename|instrument\.[\w.]+|(particles|images)\.[\w.]+)", p)]


def unflattened(leaves: list[tuple[str, str]]) -> dict[str, Any]:
    """The document with all its paths; a repeated path starts the next element of the list it is in."""
    whole: dict[str, Any] = {}
    for path, value in leaves:
        *above, key = path.split(".")
        place: Any = whole
        for part in above:
            place = place.setdefault(part, {}) if isinstance(place, dict) else place[-1].setdefault(part, {})
        if isinstance(place, dict) and key in place and above[-1] in ("channels", "parameters", "pulseShapes"):
            parent: Any = whole
            for part in above[:-1]:
                parent = parent[part]
            parent[above[-1]] = place = [dict(place)]
        if isinstance(place, list):
            if key in place[-1]:
                place.append({})
            place = place[-1]
        if not isinstance(place.get(key), dict):
            place[key] = value
    return whole


@pytest.mark.realdata
def test_a_document_of_every_real_path_is_read(real_data: Path, tmp_path: Path) -> None:
    leaves = flattened(real_data)
    document = unflattened(leaves)
    assert len({path for path, _ in leaves}) == 777
    assert len(document["instrument"]["channels"]) == len(document["particles"]["parameters"]) == 7
    document["particles"] = [document["particles"] | {"particleId": 298, "hasImage": True}]
    document["images"] = [{"particleId": 298, "base64": base64.b64encode(writer.jpeg(298)).decode()}]
    save(tmp_path, document, indent=2)
    rows, found = read(tmp_path, "cytosense")
    assert found == []
    assert pictures(tmp_path, rows) == [writer.jpeg(298)]
    row = rows.iloc[0]
    known = dict(leaves)
    results = "instrument.measurementResults."
    expected = {
        "filename": known["filename"],
        "cytosense_serial_number": "CS-2020-101",
        "camera_image_scale_mu_per_pixel_p": "0,3",
        "camera_pixel_pitch": "4,8",
        "camera_optical_magnification": "16",
        "results_start": "2025-02-13T14:28:04.646157+01:00",
        "results_pumped_volume": known[f"{results}pumped_volume"],
        "results_analysed_volume": "4859,499457",
        "results_absolute_pressure": known[f"{results}absolutePressure"],
        "fws_total": "18344,916",
        "fl_red_total": "1292,0624",
        "fws_r_variable_length": "6,55477",
        "run": "SWS250-setFLRMax50-1000im-PMTlow 2025-02-13 14h27",
        "name_time": "2025-02-13T14:27",
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.realdata
def test_the_real_cyz_has_to_be_converted(real_data: Path) -> None:
    [path] = (real_data / "cytosense").rglob("*.cyz")
    assert path.read_bytes()[:13] == CYZ
    rows, found = read(real_data / "cytosense/cyzfile_api", "cytosense")
    assert rows.empty
    assert rules(found) == ["cytosense_cyz_not_converted"]
    assert [f.format for f in formats_that_fit(real_data / "cytosense/cyzfile_api")] == ["cytosense"]


@pytest.mark.realdata
def test_a_real_cyz_with_another_ending_is_no_document(real_data: Path, tmp_path: Path) -> None:
    [path] = (real_data / "cytosense").rglob("*.cyz")
    shutil.copy(path, tmp_path / "a.json")
    assert rules(read(tmp_path, "cytosense")[1]) == ["cytosense_not_a_document"]
