"""IFCB class files: a classifier's and a person's classes of every region, and files that don't fit their bin."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from reading import read, rules
from writers import ifcb as writer

from aqqua_dataset.sources import ifcb_labels

BIN = writer.stem(0)
COLUMNS = ["class_name", "class_name_auto", "class_score", "class_manual", "class_status"]


def labels(rows: pd.DataFrame) -> list[list[str | None]]:
    return rows[COLUMNS].astype("object").where(rows[COLUMNS].notna(), None).to_numpy().tolist()


def bare_bin(folder: Path, objects: int) -> None:
    """A bin with regions 2 … objects + 1 and no class file."""
    writer.write(folder, objects)
    next(folder.rglob(f"{BIN}.csv")).unlink()


CLASSES = {2: "Mesodinium_rubrum", 3: "unclassified", 4: "Ciliophora"}
FILES: dict[str, Callable[[], bytes]] = {
    f"{BIN}.csv": lambda: writer.class_csv(BIN, CLASSES, "Auto").encode(),
    f"{BIN}_class.h5": lambda: writer.class_h5(CLASSES, "Auto"),
    f"{BIN}_class_v1.mat": lambda: writer.class_mat(CLASSES, "Auto"),
}
SCORES = {".csv": ["0.00002", "0.00003", "0.00004"], ".h5": ["0.02", "0.03", "0.04"], ".mat": ["0.02", "0.03", "0.04"]}


@pytest.mark.parametrize("name", FILES)
def test_a_classifiers_classes_are_predicted_and_unclassified_is_none(tmp_path: Path, name: str) -> None:
    bare_bin(tmp_path, 3)
    (tmp_path / "classes" / "v1").mkdir(parents=True)
    (tmp_path / "classes" / "v1" / name).write_bytes(FILES[name]())
    rows, found = read(tmp_path, "ifcb")
    assert found == []
    scores = SCORES[Path(name).suffix]
    assert labels(rows) == [
        ["Mesodinium_rubrum", "Auto", scores[0], None, "predicted"],
        [None, "Auto", scores[1], None, None],
        ["Ciliophora", "Auto", scores[2], None, "predicted"],
    ]


def test_a_persons_class_is_validated_and_a_classifiers_is_kept_beside_it(tmp_path: Path) -> None:
    bare_bin(tmp_path, 5)
    classes = dict.fromkeys(range(2, 7), "Ciliophora")
    (tmp_path / f"{BIN}.csv").write_text(writer.class_csv(BIN, classes))
    chosen = {1: np.nan, 2: 2.0, 3: 1.0, 4: np.nan, 5: 3.0, 6: 9.0}  # 1 is unclassified, 9 isn't in the list
    (tmp_path / f"{BIN}.mat").write_bytes(writer.manual_mat(chosen, ["unclassified", "Dinobryon", "Laboea"]))
    rows, found = read(tmp_path, "ifcb")
    assert found == []
    assert rows["class_manual"].isna().tolist() == [False, True, True, False, True]
    assert rows["class_manual"].dropna().tolist() == ["Dinobryon", "Laboea"]
    assert rows["class_status"].tolist() == ["validated", "predicted", "predicted", "validated", "predicted"]
    assert set(rows["class_name"]) == {"Ciliophora"}


def test_a_person_alone(tmp_path: Path) -> None:
    bare_bin(tmp_path, 2)
    (tmp_path / f"{BIN}.mat").write_bytes(writer.manual_mat({2: 2.0, 3: np.nan}, ["unclassified", "Laboea"]))
    assert labels(read(tmp_path, "ifcb")[0]) == [[None, None, None, "Laboea", "validated"], [None] * 5]


def test_labels_of_regions_that_are_not_there_are_findings(tmp_path: Path) -> None:
    bare_bin(tmp_path, 2)
    (tmp_path / f"{BIN}.csv").write_text(writer.class_csv(BIN, {1: "A", 2: "B", 77: "C"}))
    rows, found = read(tmp_path, "ifcb")
    assert rows["class_name"].astype("object").where(rows["class_name"].notna(), None).tolist() == ["B", None]
    assert [(f.rule, f.severity, f.file, f.value, f.count) for f in found] == [
        ("ifcb_label_without_region", "note", f"{BIN}.csv", "1", 2)
    ]


def test_class_files_without_their_bin_are_one_finding(tmp_path: Path) -> None:
    bare_bin(tmp_path, 1)
    for number in (7, 8):
        (tmp_path / f"{writer.stem(number)}_class.h5").write_bytes(writer.class_h5({2: "A"}))
    rows, found = read(tmp_path, "ifcb")
    assert rows["class_name"].isna().all()
    assert [(f.rule, f.file, f.count) for f in found] == [("ifcb_labels_without_bin", f"{writer.stem(7)}_class.h5", 2)]


def test_two_classifiers_that_differ_are_a_finding_and_the_first_counts(tmp_path: Path) -> None:
    bare_bin(tmp_path, 3)
    (tmp_path / f"{BIN}.csv").write_text(writer.class_csv(BIN, {2: "A", 3: "B"}))
    (tmp_path / f"{BIN}_class.h5").write_bytes(writer.class_h5({2: "A", 3: "C", 4: "D"}))
    rows, found = read(tmp_path, "ifcb")
    assert rows["class_name"].tolist() == ["A", "B", "D"]
    assert [(f.rule, f.file, f.value, f.count) for f in found] == [("ifcb_labels_differ", f"{BIN}_class.h5", "3", 1)]


def test_a_class_file_of_another_bin_gives_no_label(tmp_path: Path) -> None:
    bare_bin(tmp_path, 2)
    (tmp_path / f"{BIN}.csv").write_text(writer.class_csv(writer.stem(3), {2: "A"}))
    rows, found = read(tmp_path, "ifcb")
    assert rows["class_name"].isna().all()
    assert rules(found) == ["ifcb_labels_unreadable"]
    assert writer.stem(3) in found[0].message


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (f"{BIN}.csv", b"pid,score\nx,1\n"),
        (f"{BIN}_class.h5", b"\x89HDF\r\n\x1a\n"),
        (f"{BIN}_class.h5", b""),
        (f"{BIN}_class_v1.mat", b"MATLAB 5.0 MAT-file" + b" " * 200),
        (f"{BIN}.mat", b"MATLAB 7.3 MAT-file, HDF5" + b"\0" * 99 + b"\x00\x02IM"),
        (f"{BIN}.mat", writer._mat({"other": [1]})),
    ],
)
def test_unreadable_class_files_are_findings_and_the_bin_is_read(tmp_path: Path, name: str, data: bytes) -> None:
    bare_bin(tmp_path, 2)
    (tmp_path / name).write_bytes(data)
    rows, found = read(tmp_path, "ifcb")
    assert len(rows) == 2
    assert [(f.rule, f.severity, f.file) for f in found] == [("ifcb_labels_unreadable", "warning", name)]
    assert rows["class_status"].isna().all()


def test_the_line_a_csv_ends_in_gives_no_label(tmp_path: Path) -> None:
    bare_bin(tmp_path, 2)
    text = writer.class_csv(BIN, {2: "Mesodinium_rubrum", 3: "Mesodinium_rubrum"})
    (tmp_path / f"{BIN}.csv").write_text(text[: text.index("_00003.png") + len('_00003.png","Mesod')])
    assert read(tmp_path, "ifcb")[0]["class_name"].isna().tolist() == [False, True]


def test_bins_and_class_files_in_zips(tmp_path: Path) -> None:
    writer.write(tmp_path / "bins", 3)
    with ZipFile(tmp_path / "all.zip", "w") as made:
        for file in sorted((tmp_path / "bins").rglob("*.*"), key=lambda p: p.suffix):
            made.write(file, f"data/{file.name}")
    rows, found = read(tmp_path / "all.zip", "ifcb")
    assert found == []
    assert rows["class_status"].isna().tolist() == [True, False, False]  # classes go round: 2 % 3 is unclassified
    assert set(rows["cruise"]) == {"SE-2023-0"}


@given(data=st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_no_bytes_are_a_traceback(data: bytes) -> None:
    for parse in (lambda d: ifcb_labels.read_csv(d, BIN), ifcb_labels.read_h5, ifcb_labels.read_mat):
        try:
            assert len(ifcb_labels._checked(parse, data)) == 0
        except OSError as error:
            assert str(error)


@given(
    names=st.dictionaries(
        st.integers(1, 99_999), st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), max_size=9
    )
)
def test_a_csv_gives_back_what_it_was_made_of(names: dict[int, str]) -> None:
    text = io.StringIO()
    made = csv.writer(text)
    made.writerow(["file_name", "class_name", "class_name_auto", "score"])
    made.writerows([f"{BIN}_{n:05d}.png", name, "a", "0.5"] for n, name in names.items())
    found = ifcb_labels.read_csv(text.getvalue().encode(), BIN)
    assert dict(found["class_name"]) == names


@pytest.mark.realdata
def test_real_class_files(real_data: Path) -> None:
    rows, found = read(real_data / "ifcb" / "classipyr", "ifcb")
    raw = rows[rows["aqqua_variant"] == "raw"]
    with (real_data / "ifcb/classipyr/D20220522T000439_IFCB134.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    assert raw["aqqua_image_file"].tolist() == [row["file_name"].removesuffix(".png") for row in told]
    for column, name in (
        ("class_name", "class_name"),
        ("class_name_auto", "class_name_auto"),
        ("class_score", "score"),
    ):
        assert raw[column].tolist() == [row[name] for row in told]
    content = scipy.io.loadmat(real_data / "ifcb/classipyr/D20220522T000439_IFCB134.mat")
    names = [str(cell[0]) for cell in content["class2use_manual"][0]]
    chosen = {int(n): names[int(i) - 1] for n, i, _ in content["classlist"] if not np.isnan(i)}
    assert len(chosen) == len(told) == 7
    expected = [None if chosen[n] == "unclassified" else chosen[n] for n in range(2, 9)]
    assert raw["class_manual"].astype("object").where(raw["class_manual"].notna(), None).tolist() == expected
    assert raw["class_status"].tolist() == ["predicted" if e is None else "validated" for e in expected]
    assert [(f.rule, f.file) for f in found] == [("ifcb_labels_without_bin", "D20230314T001205_IFCB134_class_v1.mat")]


@pytest.mark.realdata
def test_the_real_h5_tells_what_the_csv_does(real_data: Path) -> None:
    folder = real_data / "ifcb" / "classipyr"
    stem = "D20220522T000439_IFCB134"
    one = ifcb_labels.read_csv((folder / f"{stem}.csv").read_bytes(), stem)
    other = ifcb_labels.read_h5((folder / f"{stem}_class.h5").read_bytes())
    pd.testing.assert_frame_equal(one.drop(columns="class_score"), other.drop(columns="class_score"), check_dtype=False)
    assert np.allclose(one["class_score"].astype(float), other["class_score"].astype(float), rtol=1e-5)
    with h5py.File(folder / f"{stem}_class.h5") as file:
        assert other.index.tolist() == list(file["roi_numbers"][()])


@pytest.mark.realdata
def test_the_real_mat_of_a_classifier(real_data: Path) -> None:
    path = real_data / "ifcb/classipyr/D20230314T001205_IFCB134_class_v1.mat"
    found = ifcb_labels.read_mat(path.read_bytes())
    content = scipy.io.loadmat(path, squeeze_me=True)
    assert len(found) == 1218
    assert found.index.tolist() == content["roinum"].tolist()
    assert found["class_name"].tolist() == content["TBclass_above_threshold"].tolist()
    assert found["class_name_auto"].tolist() == content["TBclass"].tolist()
    assert np.allclose(found["class_score"].astype(float), content["TBscores"].max(axis=1), rtol=1e-5)
