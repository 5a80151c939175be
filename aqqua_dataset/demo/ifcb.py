"""Demo deliveries as IFCBs write them: bins of both styles, with what goes wrong at sea."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aqqua_dataset.demo.draw import Pixels, organism, write_files


def ifcb_bin(stem: str, rois: Sequence[tuple[int, int, int, Pixels | None]]) -> dict[str, bytes]:
    """The three files of a bin.

    Args:
        stem: bin id; its style decides the columns of the .adc file.
        rois: for each line trigger number, x, y and pixels; None for a line without a region.
    """
    old = stem.startswith("IFCB")
    data = b"\0" if old else b""  # old instruments leave the first byte empty
    lines = []
    for position, (trigger, x, y, pixels) in enumerate(rois):
        height, width = (0, 0) if pixels is None else pixels.shape
        place = [str(v) for v in (x, y, width, height, len(data))]
        if old:
            times = [f"{0.3 * position + 0.25:.4f}", f"{0.3 * position + 0.3:.4f}"]
            cells = [str(trigger), times[1], *(["-.1"] * 5), *times, *place, "-.275", ""]
        else:
            clock = f"{12.5 * (position + 1):.3f}"
            cells = [
                str(trigger),
                clock,
                *(["0.1"] * 8),
                "54.3",
                clock,
                clock,
                *place,
                *(["0"] * 4),
                clock,
                "0.07",
            ]
        lines.append(",".join(cells))
        data += b"" if pixels is None else pixels.tobytes()
    header = _OLD_HEADER if old else _NEW_HEADER.format(triggers=len(rois))
    adc = "".join(line + "\n" for line in lines).encode()
    return {f"{stem}.hdr": header.encode(), f"{stem}.adc": adc, f"{stem}.roi": data}


_NEW_HEADER = """SoftwareVersion: 2.0.0.0
sampleType: Normal
triggerCount: {triggers}
humidity: 52.7
temperature: 19.9
runTime: 1167.1
inhibitTime: 0.56
"""
_OLD_HEADER = """"Imaging FlowCytobot Acquisition Software version 1.0; October 2005"
"Temp Humidity BinarizeThresh PMT1hv(ssc) PMT2hv(chl) BlobSizeThresh"
" 11.48"," 32.17"," 30"," .675"," .6"," 10"
"""


def write_ifcb_delivery(folder: Path, rng: np.random.Generator) -> None:
    """Two new bins, an old one with a stitched pair, and an empty, a zero-byte and a partial bin."""

    def many(count: int) -> list[tuple[int, int, int, Pixels | None]]:
        found: list[tuple[int, int, int, Pixels | None]] = [(1, 0, 0, None)]
        for trigger in range(2, count + 2):
            size = (int(rng.integers(40, 160)), int(rng.integers(40, 110)))
            found.append((trigger, 700 + trigger, 400, organism(rng, *size)))
        return found

    day = "D2021/D20210615"
    files: dict[str, bytes] = {}
    for stem, rois in (
        ("D20210615T101500_IFCB134", many(12)),
        ("D20210615T103845_IFCB134", many(9)),
        ("D20210615T110230_IFCB134", []),
    ):
        files |= {f"{day}/{name}": data for name, data in ifcb_bin(stem, rois).items()}
    pair = [(2, 210, 432, organism(rng, 90, 60)), (2, 250, 450, organism(rng, 70, 45))]
    old = [(1, 202, 673, organism(rng, 80, 45)), *pair, (3, -11, -11, None)]
    files |= {f"old/{name}": data for name, data in ifcb_bin("IFCB5_2021_166_101500", old).items()}
    files |= {f"{day}/D20210615T113000_IFCB134.{ending}": b"" for ending in ("hdr", "adc", "roi")}
    partial = ifcb_bin("D20210615T120000_IFCB134", many(3))
    files |= {f"{day}/{name}": data for name, data in partial.items() if not name.endswith(".roi")}
    write_files(folder, files)
