"""Check digits and syntax of the identifiers that people, institutions, papers and licences are cited by.

Nothing is looked up: a valid identifier can still be somebody else's.
"""

import re

# [0-9], not \d, and fullmatch, not $: digits of other scripts and a trailing line break are no identifier.
_ORCID = re.compile(r"(?:https://orcid\.org/)?([0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X])")
_ROR = re.compile(r"(?:https://ror\.org/)?(0[0-9a-hj-km-np-tv-z]{6}[0-9]{2})")
# A suffix may hold almost anything; this is what real ones do, brackets of older journals included.
_DOI = re.compile(r"10\.[0-9]{4,9}(?:\.[0-9]+)*/[-a-zA-Z0-9._;()/:*~$=<>\[\]+,]*[-a-zA-Z0-9)/=>\]_*~$+]")
_SPDX = re.compile(r"[A-Za-z0-9]+(?:[.+-][A-Za-z0-9]+)*\+?")
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


def is_valid_orcid(text: str) -> bool:
    """Whether an ORCID iD, bare or with its https address, has the right form and check digit.

    The check digit is ISO 7064 MOD 11-2; X stands for ten and is upper case.
    """
    match = _ORCID.fullmatch(text)
    if match is None:
        return False
    digits = match.group(1).replace("-", "")
    if digits[:15] == "0" * 15:  # never issued, though its check digit is right
        return False
    total = 0
    for digit in digits[:15]:
        total = (total + int(digit)) * 2
    rest = (12 - total % 11) % 11
    return digits[15] == ("X" if rest == 10 else str(rest))


def is_valid_ror(text: str) -> bool:
    """Whether a ROR id, bare or with its https address, has the right form and check digits.

    Six characters of Crockford's base 32 (no i, l, o, u) are one number; its two check digits are
    ISO 7064 MOD 97-10.
    """
    match = _ROR.fullmatch(text)
    if match is None:
        return False
    ror = match.group(1)
    number = 0
    for letter in ror[1:7]:
        number = number * 32 + _BASE32.index(letter)
    return int(ror[7:]) == 98 - (number * 100) % 97


def is_valid_doi(text: str) -> bool:
    """Whether a text has the form of a bare DOI, without ``https://doi.org/`` and without a full stop at its end."""
    return _DOI.fullmatch(text) is not None


def is_spdx_like(text: str) -> bool:
    """Whether a text looks like one SPDX licence id such as CC-BY-NC-4.0; the list of licences isn't consulted."""
    return _SPDX.fullmatch(text) is not None
