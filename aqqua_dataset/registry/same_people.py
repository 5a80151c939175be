"""Finds people who may stand in the registry twice: a proposal for a person to decide, never a merge."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from aqqua_dataset.registry.models import Person

# Letters that Unicode normalisation does not take apart.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})


@dataclass(frozen=True)
class SamePeople:
    """Two records that may be one person, and the strongest sign for it."""

    first: Person
    other: Person
    sign: str

    @property
    def certain(self) -> bool:
        """An ORCID iD belongs to one person only; a name or a mailbox can be shared."""
        return self.sign == "ORCID iD"


def same_people(people: Iterable[Person], mails: Mapping[str, str]) -> Iterator[SamePeople]:
    """Pairs of records with one ORCID iD, e-mail address or name that no ``same_as`` joins, each once.

    Args:
        people: all records.
        mails: person id -> e-mail address, where known.
    """
    ordered = sorted(people, key=lambda p: p.id)
    groups: dict[tuple[str, str], list[Person]] = {}
    for sign, keys in (
        ("ORCID iD", {p.id: {bare_orcid(p.orcid)} for p in ordered if p.orcid}),
        ("e-mail address", {p.id: {mails[p.id].casefold()} for p in ordered if p.id in mails}),
        ("name", {p.id: name_keys(p) for p in ordered}),
    ):
        for person in ordered:
            for key in sorted(keys.get(person.id, ())):
                groups.setdefault((sign, key), []).append(person)
    paired: set[frozenset[str]] = set()
    for (sign, _), (first, *others) in groups.items():
        for other in others:
            pair = frozenset((first.same_as or first.id, other.same_as or other.id))
            if len(pair) == 2 and pair not in paired:
                paired.add(pair)
                yield SamePeople(first, other, sign)


def name_keys(person: Person) -> set[str]:
    """Spellings under which one person may stand twice.

    No diacritics, any order of the words, no dots and apostrophes, hyphens as a gap or as nothing,
    umlauts as their vowel or written out: Müller meets both Muller and Mueller.
    """
    words = " ".join(filter(None, (person.given, person.particle, person.family)))
    words = re.sub(r"['’ʼ`´.]", "", unicodedata.normalize("NFC", words.casefold()))
    spellings = (words, words.translate(_UMLAUTS))
    return {_folded(re.sub(r"[-‐‑–]", gap, text)) for text in spellings for gap in (" ", "")}


def bare_orcid(orcid: str) -> str:
    """An ORCID iD without its address."""
    return orcid.rsplit("/", 1)[-1]


def _folded(words: str) -> str:
    plain = unicodedata.normalize("NFKD", words.translate(_LETTERS))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    # A base letter may only appear once its mark is gone, such as ø under an accent.
    return " ".join(sorted(re.sub(r"[^\w\s]", " ", letters.translate(_LETTERS)).split()))
