"""Finds people who may stand in the registry twice: a proposal for a person to decide, never a merge."""

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from aqqua_dataset.registry.credit import Institution, Person, PersonDecision
from aqqua_dataset.registry.models import Registry

# Letters that Unicode normalisation does not take apart.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})
#: Mailboxes of a group: one address says nothing about one person.
_ROLES = frozenset({"info", "lab", "labo", "office", "contact", "admin", "data", "support", "plankton", "secretariat"})
#: Providers that anybody has an address at: one domain says nothing about one institute.
_PROVIDERS = frozenset(
    {
        "gmail.com", "googlemail.com", "hotmail.com", "outlook.com", "yahoo.com", "icloud.com", "gmx.de", "web.de",
        "gmx.net", "orange.fr", "free.fr", "qq.com", "163.com", "mail.ru", "yandex.ru", "proton.me", "protonmail.com",
    }
)  # fmt: skip


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


def same_people(registry: Registry, mails: Mapping[str, str]) -> Iterator[SamePeople]:
    """Pairs of records that may be one person and that nobody decided about, each once, the strongest sign first.

    Signs: one ORCID iD; one e-mail address that isn't a group's; one name in any spelling; one family name with a
    given name that fits (equal, or an initial of the other) and an institution or mail domain in common. What is
    joined (``same_as``, a decision) or was decided to be different is not proposed again; one ORCID iD always is.

    Args:
        registry: people, institutions and decisions.
        mails: person id -> e-mail address, where known.
    """
    people = sorted(registry.people.values(), key=lambda p: p.id)
    stands = standing_for(people, registry.decisions)
    apart = {frozenset((stands[d.person], stands[d.other])) for d in registry.decisions if d.decision == "different"}
    addresses = {p.id: mails[p.id].strip().casefold() for p in people if p.id in mails}
    personal = {i: {a} for i, a in addresses.items() if a.split("@")[0] not in _ROLES}
    shared = {p.id: _affiliated(p, registry.institutions, addresses.get(p.id, "")) for p in people}
    seen: set[frozenset[str]] = set()
    for sign, keys, fits in (
        ("ORCID iD", {p.id: {bare_orcid(p.orcid)} for p in people if p.orcid}, None),
        ("e-mail address", personal, None),
        ("name", {p.id: name_keys(p) for p in people}, None),
        (
            "family name, fitting given name and institution or mail domain",
            {p.id: _spellings(p.family) for p in people},
            lambda a, b: given_names_fit(a.given, b.given) and bool(shared[a.id] & shared[b.id]),
        ),
    ):
        different = set() if sign == "ORCID iD" else apart
        for first, other in _pairs(people, keys, fits, stands, different):
            pair = frozenset((stands[first.id], stands[other.id]))
            if pair not in seen:
                seen.add(pair)
                yield SamePeople(first, other, sign)


def _pairs(
    people: list[Person], keys: Mapping[str, set[str]], fits: Callable[[Person, Person], bool] | None,
    stands: Mapping[str, str], apart: set[frozenset[str]],
) -> Iterator[tuple[Person, Person]]:  # fmt: skip
    """Undecided pairs with a key in common: all that fit, or without a test each person with one other of the group."""
    groups: dict[str, list[Person]] = {}
    for person in people:
        for key in sorted(keys.get(person.id, ())):
            groups.setdefault(key, []).append(person)
    groups.pop("", None)
    for group in groups.values():
        if fits is not None:
            for first, other in itertools.combinations(group, 2):
                pair = frozenset((stands[first.id], stands[other.id]))
                if len(pair) == 2 and pair not in apart and fits(first, other):
                    yield first, other
            continue
        different: list[Person] = []  # each known to be somebody else than the others here
        for person in group:
            pairs = [(frozenset((stands[p.id], stands[person.id])), p) for p in different]
            if any(len(pair) == 1 for pair, _ in pairs):
                continue
            undecided = next((p for pair, p in pairs if pair not in apart), None)
            if undecided is None:
                different.append(person)
            else:
                yield undecided, person


def standing_for(people: Iterable[Person], decisions: Iterable[PersonDecision]) -> dict[str, str]:
    """Id of the record that gives name and affiliations, by the id of every record.

    A circle of decisions joins nothing: its records stand for themselves until it is put right.
    """
    known = {p.id: p.same_as for p in people}
    known |= {d.other: d.person for d in decisions if d.decision == "same" and d.other in known and d.person in known}
    found: dict[str, str] = {}
    for name in known:
        path = [name]
        while (following := known.get(path[-1])) is not None and following in known:
            if following in path:
                path = [name]
                break
            path.append(following)
        found[name] = path[-1]
    return found


def _affiliated(person: Person, institutions: Mapping[str, Institution], mail: str) -> set[str]:
    """Institutions and mail domain, as keys that two records may share."""
    places = (institutions[i] for i in person.affiliations if i in institutions)
    domain = mail.rpartition("@")[2]
    return {institution_key(i) for i in places} | ({domain} - _PROVIDERS - {""})


def institution_key(institution: Institution) -> str:
    """What tells institutions apart: two records with one ROR id, or else one name, are one institution."""
    name = unicodedata.normalize("NFC", institution.name).casefold()
    return ror_url(institution.ror) or " ".join(name.split())


def ror_url(ror: str | None) -> str | None:
    """A ROR id, bare or with its address, as its address."""
    return f"https://ror.org/{ror.rsplit('/', 1)[-1]}" if ror else None


def name_keys(person: Person) -> set[str]:
    """Spellings under which one person may stand twice.

    No diacritics, any order of the words, no dots and apostrophes, hyphens as a gap or as nothing,
    umlauts as their vowel or written out: Müller meets both Muller and Mueller.
    """
    return _spellings(" ".join(filter(None, (person.given, person.particle, person.family))))


def given_names_fit(one: str, other: str) -> bool:
    """Whether two given names can be one person's: word by word equal, or one the other's initial."""
    for mine, theirs in itertools.product(_words(one), _words(other)):
        if all(a == b or (1 in (len(a), len(b)) and a[0] == b[0]) for a, b in zip(mine, theirs, strict=False)):
            return True
    return False


def _words(given: str) -> list[list[str]]:
    """A given name's words in their order, in every spelling."""
    return [[w for w in re.split(r"[\s.\-‐‑–]+", _plain(text)) if w] for text in _written(given)]


def bare_orcid(orcid: str) -> str:
    """An ORCID iD without its address."""
    return orcid.rsplit("/", 1)[-1]


def _spellings(words: str) -> set[str]:
    plain = [re.sub(r"['’ʼ`´.]", "", text) for text in _written(words)]
    return {_folded(re.sub(r"[-‐‑–]", gap, text)) for text in plain for gap in (" ", "")}


def _written(words: str) -> tuple[str, str]:
    lower = unicodedata.normalize("NFC", words.casefold())
    return lower, lower.translate(_UMLAUTS)


def _folded(words: str) -> str:
    return " ".join(sorted(re.sub(r"[^\w\s]", " ", _plain(words)).split()))


def is_group_mailbox(email: str) -> bool:
    """Whether an address is a group's, which says nothing about one person."""
    return email.strip().casefold().split("@")[0] in _ROLES


def plain_letters(words: str) -> str:
    """A text in lower case without diacritics, for ids and comparisons."""
    return _plain(words.casefold())


def _plain(words: str) -> str:
    decomposed = unicodedata.normalize("NFKD", words.translate(_LETTERS))
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    # A base letter may only appear once its mark is gone, such as ø under an accent.
    return letters.translate(_LETTERS)
