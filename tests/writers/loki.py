"""Writes a LOKI haul: pictures, telemetry every ten seconds with decimal commas, and the log of the haul.

No public haul exists: this is the layout that the lokidata reader expects.
"""

import datetime as dt
from pathlib import Path

from writers.pictures import picture

START = dt.datetime(2020, 1, 8, 8, 7, 29, tzinfo=dt.UTC)
HAUL = "PS122_haul1"
LOG = (
    "1;08.01.2020\n2;08:00:00\n4;LOKI_1\n8;PS122\n9;21_55\n11;1\n12;A. Person\n13;Polarstern\n17;1\n"
    "18;114,50\n19;86,25\n"
)


def moment(number: int) -> dt.datetime:
    """Time of a picture: ten a second."""
    return START + dt.timedelta(milliseconds=100 * number)


def telemetry(number: int) -> str:
    """The record of tens of seconds ``number``."""
    values = {1: "LOKI_1", 5: f"114,5{number % 10}", 6: "86,25", 10: f"{1000 + number},5", 11: "-1,7", 32: "34,1"}
    return "".join(f"{index};{value}\n" for index, value in (values | {77: "8,8", 231: f"{number * 100}"}).items())


def write(folder: Path, objects: int) -> None:
    """A delivery of so many objects, one image each."""
    pictures, records = folder / HAUL / "Pictures", folder / HAUL / "Telemetrie"
    for made in (pictures, records, folder / HAUL / "Log"):
        made.mkdir(parents=True)
    (folder / HAUL / "Log" / "LOKI_20200108.log").write_text(LOG, encoding="latin-1")
    for number in range(objects):
        name = f"{moment(number):%Y%m%d %H%M%S}  {moment(number).microsecond // 1000:03}  {number:06} 0702 1167.png"
        (pictures / name).write_bytes(picture(number))
    for number in range(objects // 100 + 1):
        name = f"{moment(100 * number):%Y%m%d %H%M%S}.tmd"
        (records / name).write_text(telemetry(number), encoding="latin-1")
