"""IFCB bins of both styles, and a demo delivery of them with what goes wrong at sea."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from aqqua_dataset.demo.draw import Pixels, organism, seeded, write_files

Style = Literal["new", "old"]

_NEW_HEADER = {
    "SoftwareVersion": "2.0.0.0",
    "AnalogFirmware": "45",
    "sampleNumber": "29",
    "sampleType": "Normal",
    "humidity": "52.65792782482642",
    "temperature": "19.940374608987575",
    "imagerID": "134",
    "runSampleFast": "False",
    "RunFastFactor": "4",
    "ADCFileFormat": "trigger#, ADCtime, PMTA, PMTB, PMTC, PMTD, PeakA, PeakB, PeakC, PeakD, TimeOfFlight, "
    "GrabTimeStart, GrabTimeEnd, RoiX, RoiY, RoiWidth, RoiHeight, StartByte, ComparatorOut, StartPoint, "
    "SignalLength, Status, RunTime, InhibitTime",
}
_OLD_HEADER = {
    "Temp": " 11.48",
    "Humidity": " 32.17",
    "BinarizeThresh": " 30",
    "PMT1hv(ssc)": " .675",
    "PMT2hv(chl)": " .6",
    "BlobSizeThresh": " 10",
}
_OLD_TITLE = (
    "Imaging FlowCytobot Acquisition Software version 1.0; October 2005",
    "Pat Example and Kim Example",
    "Example Ocean Institute",
    "SyringeStatus =  0",
)
_RUN_S = 1167.0


class Line(NamedTuple):
    """One line of an .adc: the trigger's number, the region's place in the camera's frame, its pixels."""

    trigger: int
    x: int = 0
    y: int = 0
    pixels: Pixels | None = None


def write_ifcb_bin(
    folder: Path,
    stem: str,
    rois: Sequence[Line],
    style: Style = "new",
    hdr: Mapping[str, str] | None = None,
) -> None:
    """Writes the .hdr, .adc and .roi of one bin; see `ifcb_bin`."""
    write_files(folder, ifcb_bin(stem, rois, style, hdr))


def ifcb_bin(
    stem: str, rois: Sequence[Line], style: Style = "new", hdr: Mapping[str, str] | None = None
) -> dict[str, bytes]:
    """The three files of a bin by name.

    Args:
        stem: bin id, such as ``D20210615T101500_IFCB134`` or ``IFCB5_2021_166_101500``.
        rois: the .adc's lines; a line without pixels has no region but counts in the numbering.
        style: ``new`` has 24 columns and a ``key: value`` header; ``old`` has 15 columns and a comma at the
            end, a quoted header, and one byte of padding before and one after the regions.
        hdr: header entries to change or add; an old header takes only the names of its own six values.
    """
    pad = b"\0" if style == "old" else b""
    data, lines = pad, []
    for number, line in enumerate(rois, start=1):
        cells = _old_cells(line, len(data)) if style == "old" else _new_cells(line, len(data), number / len(rois))
        lines.append(",".join(cells) + "\n")
        data += b"" if line.pixels is None else line.pixels.tobytes()
    header = _old_header(hdr or {}) if style == "old" else _new_header(rois, hdr or {})
    return {f"{stem}.hdr": header.encode(), f"{stem}.adc": "".join(lines).encode(), f"{stem}.roi": data + pad}


def _new_cells(line: Line, start: int, progress: float) -> list[str]:
    height, width = (0, 0) if line.pixels is None else line.pixels.shape
    clock, run, inhibit = (f"{progress * s:.6f}" for s in (_RUN_S - 0.1, _RUN_S, 0.56))
    place = [str(v) for v in (line.x, line.y, width, height, start)]
    light = ["0.10675728", "0.005404353", "-0.0010979176", "0.0012910366"]
    peaks = ["1.3880539", "0.12153864", "0.010192394", "0.009577274"]
    unused = ["0"] * 4
    return [str(line.trigger), clock, *light, *peaks, "54.347824", clock, clock, *place, *unused, run, inhibit]


def _old_cells(line: Line, start: int) -> list[str]:
    # Old software writes -11 for a place that isn't there, and leaves out the zero before the point.
    height, width = (0, 0) if line.pixels is None else line.pixels.shape
    x, y = (-11, -11) if line.pixels is None else (line.x, line.y)
    opened, grabbed, done = (
        f"{t:.7g}".removeprefix("0") for t in (0.4 * line.trigger - 0.39, 0.4 * line.trigger - 0.06, 0.4 * line.trigger)
    )
    light = [".0607299", "-.6100464", "-.1776123", "-3.619995", "-.295410"]
    place = [str(v) for v in (x, y, width, height, start)]
    return [str(line.trigger), done, *light, opened, grabbed, *place, "-.275573", ""]


def _new_header(rois: Sequence[Line], changes: Mapping[str, str]) -> str:
    entries = _NEW_HEADER | {
        "triggerCount": str(len({line.trigger for line in rois})),
        "roiCount": str(sum(line.pixels is not None for line in rois)),
        "runTime": str(_RUN_S if rois else 0.0),
        "inhibitTime": str(0.56 if rois else 0.0),
    }
    return "".join(f"{key}: {value}\n" for key, value in (entries | dict(changes)).items())


def _old_header(changes: Mapping[str, str]) -> str:
    if unknown := set(changes) - set(_OLD_HEADER):
        raise ValueError(f"an old header has {', '.join(_OLD_HEADER)}, not {', '.join(sorted(unknown))}")
    values = (_OLD_HEADER | dict(changes)).values()
    lines = [*_OLD_TITLE, " ".join(_OLD_HEADER), '","'.join(values)]
    return "".join(f'"{line}"\n' for line in lines)


def write_boknis(folder: Path) -> None:
    """Two good bins, an old one with a stitched pair, and an empty, a zero-byte and a partial bin."""
    rng = seeded("boknis")
    day = folder / "D2021" / "D20210615"
    write_ifcb_bin(day, "D20210615T101500_IFCB134", _lines(rng, 12))
    write_ifcb_bin(day, "D20210615T103845_IFCB134", _lines(rng, 9))
    write_ifcb_bin(day, "D20210615T110230_IFCB134", [])
    write_files(day, {f"D20210615T113000_IFCB134.{ending}": b"" for ending in ("hdr", "adc", "roi")})
    partial = ifcb_bin("D20210615T120000_IFCB134", _lines(rng, 3))
    write_files(day, {name: data for name, data in partial.items() if not name.endswith(".roi")})
    old = [
        Line(1, 202, 673, organism(rng, 80, 45)),
        Line(2, 210, 432, organism(rng, 90, 60)),
        Line(2, 250, 450, organism(rng, 70, 45)),
        Line(3),
    ]
    write_ifcb_bin(folder / "IFCB5_2021_166", "IFCB5_2021_166_101500", old, style="old")


def _lines(rng: np.random.Generator, regions: int) -> list[Line]:
    """Triggers with a region each, and without one at the beginning and after every fifth."""
    lines = [Line(1)]
    for number in range(1, regions + 1):
        width, height = int(rng.integers(40, 160)), int(rng.integers(40, 110))
        lines.append(Line(len(lines) + 1, 700 + number, 400 + number, organism(rng, width, height)))
        if number % 5 == 0:
            lines.append(Line(len(lines) + 1))
    return lines
