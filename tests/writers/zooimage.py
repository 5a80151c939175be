"""Writes ZooImage samples: a .zid per 1,000 objects and the table of samples.

No archive could be passed on; sections, keys and columns are those of ZooImage's templates and source.
"""

import zipfile
from pathlib import Path

from writers.pictures import picture

PER_SAMPLE = 1_000
ZIM = """ZI3
[Image]
Author=Jane Doe
Hardware=EPSON 4870
Software=VueScan 8.0.10 # trans 16bits gray
ImageType=trans 16bits gray 2400dpi

[Fraction]
Code=A
Min=1000
Max=-1

[Subsample]
SubPart=0.5
SubMethod=volumetry
CellPart=1.00
Replicates=1
VolIni=1
VolPrec=0.1

[Calibration]
PixelSize=0.0106
PixelUnit=mm

[Process]
Version=1.2-0
Method=Scanner_Gray16

[Data]
"""
COLUMNS = "!Item\tLabel\tArea\tMean\tBX\tBY\tWidth\tHeight\t%Area"
ZIS = """ZI1
[Description]
Id=AQQUA
Contact=Jane Doe

[Series]
!Code\tName\tProject\tInstitution\tCountry\tLocation\tContact
BIO\tBiological series\t\tIOW\tGermany\tBaltic Sea\tJane Doe

[Cruises]
!Code\tShipName\tShipType\tCaptain\tStart\tEnd
C1\tthalassa\t\tJohn Doe\t2004-10-01\t2004-10-30

[Stations]
!Code\tLocation\tLatitude\tLongitude\tStart\tEnd\tFrequency\tDepth
S1\tBaltic Sea\t54.3\t12.5\t\t\t\t22

[Samples]
!Label\tCode\tSCS\tSeries\tCruise\tStation\tDate\tTime\tTimeZone\tLatitude\tLongitude\tOperator\tDepthMin\tDepthMax\tSampVol
"""


def sample_of(number: int) -> str:
    """Id of a sample."""
    return f"BIO.2004-10-{number % 28 + 1:02}.p{number}"


def zim(sample: int, items: int) -> str:
    """A ``_dat1.zim`` of one image; ImageJ ends its lines with a tab."""
    label = f"{sample_of(sample)}+A1"
    lines = [COLUMNS, *(f"{i}\t{label}\t{i * 10}\t0.25\t{i}\t{i}\t24\t24\t100\t" for i in range(1, items + 1))]
    return ZIM + "\n".join(lines) + "\n"


def zis(samples: int) -> str:
    """A Description.zis; every other sample has its position from its station only."""
    rows = []
    for sample in range(samples):
        position = "54.18\t11.5" if sample % 2 == 0 else "\t"
        name = sample_of(sample)
        rows.append(f"{name}\tp{sample}\tBIO\tBIO\tC1\tS1\t{name[4:14]}\t10:30\t\t{position}\tJane Doe\t0\t20\t10.56\n")
    return ZIS + "".join(rows)


def write(folder: Path, objects: int) -> None:
    """A delivery of so many objects."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, objects, PER_SAMPLE)
    for sample, start in enumerate(starts):
        name, items = sample_of(sample), min(PER_SAMPLE, objects - start)
        with zipfile.ZipFile(folder / f"{name}.zid", "w") as made:
            made.writestr(f"{name}/{name}+A1_dat1.zim", zim(sample, items))
            for item in range(1, items + 1):
                made.writestr(f"{name}/{name}+A1_{item}.jpg", picture(start + item, "JPEG"))
    (folder / "Description.zis").write_text(zis(len(starts)))
