"""Identifiers: real ones pass, and one wrong character never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqqua_dataset.registry.identifiers import is_spdx_like, is_valid_doi, is_valid_orcid, is_valid_ror

BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


def orcid(number: int) -> str:
    """The iD of a 15-digit number, its check digit by the textbook: the whole is 1 modulo 11."""
    digits = f"{number:015d}"
    weighted = sum(int(d) * 2 ** (15 - i) for i, d in enumerate(digits))
    check = next(c for c in range(11) if (weighted + c) % 11 == 1)
    text = digits + ("X" if check == 10 else str(check))
    return "-".join(text[i : i + 4] for i in range(0, 16, 4))


def ror(number: int) -> str:
    """The id of a 30-bit number, its check digits by the textbook: the whole is 1 modulo 97."""
    letters = "".join(BASE32[number >> shift & 31] for shift in range(25, -1, -5))
    check = next(c for c in range(2, 99) if (number * 100 + c) % 97 == 1)
    return f"0{letters}{check:02d}"


ORCIDS = st.integers(1, 10**15 - 1).map(orcid)
RORS = st.integers(0, 2**30 - 1).map(ror)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("0000-0002-1825-0097", True),  # the example of ORCID's own documentation
        ("0000-0002-1694-233X", True),  # likewise, with the check digit ten
        ("https://orcid.org/0000-0002-1825-0097", True),
        ("0000-0000-0000-0116", True),
        ("0000-0002-1694-233x", False),
        ("0000-0002-1825-0098", False),
        ("0000-0000-0000-0000", False),
        ("0000-0000-0000-0001", False),
        ("0000000218250097", False),
        ("0000-0002-1825-0097\n", False),
        (" 0000-0002-1825-0097", False),
        ("0000-0002-1825-009٧", False),
        ("http://orcid.org/0000-0002-1825-0097", False),
        ("", False),
    ],
)
def test_orcid_cases(text: str, valid: bool) -> None:
    assert is_valid_orcid(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("02h2x0161", True),  # GEOMAR
        ("05dxps055", True),  # Caltech
        ("https://ror.org/02h2x0161", True),
        ("02h2x0162", False),
        ("00x0x0x00", False),
        ("12h2x0161", False),
        ("02H2X0161", False),
        ("0il0u0161", False),
        ("02h2x0161\n", False),
        ("02h2x016", False),
        ("", False),
    ],
)
def test_ror_cases(text: str, valid: bool) -> None:
    assert is_valid_ror(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("10.1234/kattegat.2020", True),
        ("10.1594/PANGAEA.123456", True),
        ("10.1000.10/123", True),
        ("10.1002/(SICI)1097-0258(19980815/30)17:15/16<1661::AID-SIM968>3.0.CO;2-2", True),
        ("10.1890/0012-9658(2006)87[1445:ATTP]2.0.CO;2", True),
        ("https://doi.org/10.1234/abc", False),
        ("doi:10.1234/abc", False),
        ("10.5072/a b", False),
        ("10.1234/abc.", False),
        ("10.1234/abc\n", False),
        ("10.1234/", False),
        ("10.123/abc", False),
        ("11.1234/abc", False),
        ('10.1234/"abc"', False),
        ("", False),
    ],
)
def test_doi_cases(text: str, valid: bool) -> None:
    assert is_valid_doi(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("CC-BY-NC-4.0", True),
        ("CC0-1.0", True),
        ("LicenseRef-AllRightsReserved", True),
        ("GPL-2.0+", True),
        ("CC BY-NC 4.0", False),
        ("CC-BY-", False),
        ("https://creativecommons.org/licenses/by/4.0/", False),
        ("CC-BY-4.0\n", False),
        ("", False),
    ],
)
def test_spdx_cases(text: str, valid: bool) -> None:
    assert is_spdx_like(text) is valid


@given(ORCIDS)
def test_every_computed_orcid_is_valid(text: str) -> None:
    assert is_valid_orcid(text)


@given(ORCIDS, st.integers(0, 15), st.sampled_from("0123456789X"))
def test_one_changed_digit_of_an_orcid_is_noticed(text: str, position: int, digit: str) -> None:
    at = position + position // 4  # the hyphens
    changed = text[:at] + digit + text[at + 1 :]
    assert is_valid_orcid(changed) is (changed == text)


@given(RORS)
def test_every_computed_ror_is_valid(text: str) -> None:
    assert is_valid_ror(text)


@given(RORS, st.integers(0, 8), st.sampled_from(BASE32))
def test_one_changed_character_of_a_ror_is_noticed(text: str, position: int, letter: str) -> None:
    changed = text[:position] + letter + text[position + 1 :]
    assert is_valid_ror(changed) is (changed == text)


@given(RORS, st.integers(1, 4))
def test_two_swapped_characters_of_a_ror_are_noticed(text: str, position: int) -> None:
    swapped = text[:position] + text[position + 1] + text[position] + text[position + 2 :]
    assert is_valid_ror(swapped) is (swapped == text)


@given(st.text())
def test_any_text_is_judged_without_failing(text: str) -> None:
    for judge in (is_valid_orcid, is_valid_ror, is_valid_doi, is_spdx_like):
        assert judge(text) in (True, False)
