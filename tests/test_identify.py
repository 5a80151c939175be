"""Which reader fits a delivery: by names of files, and by their content where a name isn't enough."""

from pathlib import Path

import pytest
from reading import formats_that_fit

NEW, OLD = "D20220522T000439_IFCB134", "IFCB5_2012_028_081515"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/ecotaxa_1.tsv", "EcoTaxa.TXT"], [("ecotaxa", "2 table(s) named ecotaxa*.tsv, first EcoTaxa.TXT")]),
        (["a/my_ecotaxa.tsv", "ecotaxa_1.tsv.gz", "ecotaxa/x.tsv"], ["table"]),
        ([f"2022/{NEW}.adc", f"2022/{NEW}.roi", f"2012/{OLD}.HDR"], ["ifcb"]),
        ([f"{NEW}.adc", "ecotaxa_x.tsv"], ["ifcb", "ecotaxa"]),
        (["decoy.adc", f"{NEW}_fea_v2.csv", f"x{NEW}.adc"], ["table"]),
        (["notes.docx"], []),
    ],
)
def test_the_reader_is_recognised(tmp_path: Path, names: list[str], expected: list[str | tuple[str, str]]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = formats_that_fit(tmp_path)
    shown = [(f.format, f.evidence) if isinstance(e, tuple) else f.format for f, e in zip(found, expected, strict=True)]
    assert shown == expected
