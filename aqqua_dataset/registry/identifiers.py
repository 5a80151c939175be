"""Check digits and syntax of the identifiers that people and institutions are cited by."""

import re

_ROR = re.compile(r"^(?:https://ror\.org/)?(0[0-9a-hj-km-np-tv-z]{6}[0-9]{2})$")
_ORCID = re.compile(r"^(?:https://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[0-9X])$")
_DOI = re.compile(r"^10\.\d{4,9}/[-._;()/:a-zA-Z0-9*~$=<>]+$")
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


def is_valid_orcid(text: str) -> bool:
    """Whether an ORCID iD has the right form and check digit (ISO 7064 MOD 11-2)."""
    match = _ORCID.match(text)
    if match is None:
        return False
    digits = match.group(1).replace("-", "")
    if digits[:15] == "0" * 15:
        return False
    total = 0
    for digit in digits[:15]:
        total = (total + int(digit)) * 2
    rest = (12 - total % 11) % 11
    return digits[15] == ("X" if rest == 10 else str(rest))


def is_valid_ror(text: str) -> bool:
    """Whether a ROR id has the right form and check digits (ISO 7064 MOD 97-10 over Crockford base 32)."""
    match = _ROR.match(text)
    if match is None:
        return False
    ror = match.group(1)
    number = 0
    for letter in ror[1:7]:
        number = number * 32 + _BASE32.index(letter)
    return int(ror[7:]) == 98 - (number * 100) % 97


def is_valid_doi(text: str) -> bool:
    """Whether a text has the form of a DOI (without ``https://doi.org/``)."""
    return _DOI.match(text) is not None
