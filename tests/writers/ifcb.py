"""Writes IFCB bins of the second generation with class files and a dashboard's metadata table.

The layout is that of public bins (pyifcb's of 2015, ClassiPyR's of 2022); GPS keys are named as in public scripts that
read them, no public header that has them was at hand.
"""

import datetime as dt
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from aqqua_dataset.demo.ifcb import Line, write_ifcb_bin
from writers.pictures import pixels

PER_BIN = 500
_START = dt.datetime(2023, 5, 1, tzinfo=dt.UTC)
_CLASSES = ("Mesodinium_rubrum", "Ciliophora", "unclassified")


def stem(number: int) -> str:
    """Id of a bin, counted from 0; an instrument makes one every 25 minutes."""
    return f"D{_START + number * dt.timedelta(minutes=25):%Y%m%dT%H%M%S}_IFCB134"


def write(folder: Path, objects: int) -> None:
    """A delivery of so many objects: a line without a region begins each bin."""
    table = ["filename,Latitude,Longitude,Depth,sample_type,Cruise,Instrument,tag1"]
    for number, first in enumerate(range(0, objects, PER_BIN)):
        name, regions = stem(number), min(PER_BIN, objects - first)
        lines = [Line(1), *(Line(n + 2, 700 + n % 90, 400, pixels(first + n)) for n in range(regions))]
        day = folder / f"D{name[1:5]}" / name[:9]
        write_ifcb_bin(day, name, lines)
        numbers = range(2, regions + 2)
        (day / f"{name}.csv").write_text(class_csv(name, {n: _CLASSES[n % 3] for n in numbers}))
        table.append(f"{name},58.{number % 90:02},11.{number % 90:02},5,underway,SE-2023-{number // 50},134,demo")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.csv").write_text("\n".join(table) + "\n")


def class_csv(bin_id: str, classes: Mapping[int, str], auto: str = "Mesodinium_rubrum") -> str:
    """A class .csv: the class above its threshold by region number."""
    lines = (f'"{bin_id}_{n:05d}.png","{name}","{auto}",0.{n:05d}' for n, name in classes.items())
    return "\n".join(('"file_name","class_name","class_name_auto","score"', *lines)) + "\n"


def class_h5(classes: Mapping[int, str], auto: str = "Mesodinium_rubrum") -> bytes:
    """A class .h5 with two scores a region, of which the greater is the region's number divided by 100."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["roi_numbers"] = np.array(list(classes), "int32")
        file["class_labels"] = np.array([b"a", b"b"], object)
        file["class_name"] = np.array([c.encode() for c in classes.values()], object)
        file["class_name_auto"] = np.array([auto.encode()] * len(classes), object)
        file["output_scores"] = np.array([[n / 1000, n / 100] for n in classes])
    return stream.getvalue()


def class_mat(classes: Mapping[int, str], auto: str = "Mesodinium_rubrum") -> bytes:
    """A class .mat of version 1; scores as in ``class_h5``."""
    content = {
        "roinum": np.array(list(classes), "uint16")[:, None],
        "TBclass": _cells([auto] * len(classes))[:, None],
        "TBclass_above_threshold": _cells(list(classes.values()))[:, None],
        "TBscores": np.array([[n / 1000, n / 100] for n in classes]),
        "class2useTB": _cells([*dict.fromkeys(classes.values()), "unclassified"])[:, None],
    }
    return _mat(content)


def manual_mat(chosen: Mapping[int, float], names: Sequence[str]) -> bytes:
    """A .mat of the manual tool: index of a person's class, counted from 1 or NaN, by region number."""
    classlist = np.array([[n, index, np.nan] for n, index in chosen.items()], "float64").reshape(-1, 3)
    return _mat({"class2use_manual": _cells(names)[None, :], "class2use_auto": [], "classlist": classlist})


def _mat(content: Mapping[str, object]) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, dict(content))
    return stream.getvalue()


def _cells(texts: Sequence[str]) -> np.ndarray:
    cells = np.empty(len(texts), object)
    cells[:] = texts
    return cells
