"""Reads one node of a label, word by word."""

import re
from dataclasses import dataclass, field

from aqqua_dataset.labels.words import HIGHER, Meaning, group, is_capital_name, is_epithet, split, words

_NUMBER = re.compile(r"\d+([-.]\d+)*(um|µm|mm)?")
_STAGE = re.compile(r"([CN])(VI{0,1}|IV|I{1,3}|[1-6])(?:[-_ ]?stage)?")
_ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V", "6": "VI"}
_TYPE = re.compile(r"(morpho)?type_?\d*[a-z]?|morphotype\w*", re.IGNORECASE)
_NUMBERED = re.compile(r"([A-Za-z]{2,})(\d+)")
_TEMP = re.compile(r"(?<![A-Za-z])temp(?=[A-Z\s_]|$)\s*")
#: What is said of a name in front of it and not of another one: these words begin what lives on the object.
_WITH = frozenset({"with", "w", "tag", "on", "attached", "external", "inter"})
#: Words that follow the name of their host without a ``with``.
_ON_A_HOST = frozenset({"flagellate", "detritus"})
_UNCERTAIN_QUALIFIERS = frozenset({"like", "cf"})


@dataclass
class _Name:
    """One scientific name among the words of a node."""

    first: str
    epithet: str = ""
    written: bool = True

    @property
    def full(self) -> str:
        return f"{self.first} {self.epithet}".strip()


@dataclass
class Node:
    """What the words of one node say.

    Attributes:
        taxon: the one taxon that the node names.
        alternatives: its names where there are several.
        implied: the group that one of its words occurs in.
        values: field of the vocabularies -> values in order.
    """

    taxon: str = ""
    alternatives: tuple[str, ...] = ()
    implied: str = ""
    uncertain: bool = False
    temporary: bool = False
    words: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """First value of a field, or ""."""
        return next(iter(self.values.get(name, ())), "")

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return self.values.get(name, [])

    def add(self, name: str, value: str) -> None:
        """Adds a value once."""
        known = self.values.setdefault(name, [])
        if value not in known:
            known.append(value)

    @property
    def says_something(self) -> bool:
        """Whether any word was understood."""
        return bool(self.taxon or self.alternatives or set(self.values) - {"residual", "connector", "qualifier"})


@dataclass
class _Reader:
    """Where the reading of one node stands."""

    node: Node
    names: list[_Name] = field(default_factory=list)
    connectors: set[str] = field(default_factory=set)
    previous: str = ""

    @property
    def with_something(self) -> bool:
        return bool(self.connectors & _WITH)

    def epithet_fits(self, word: str) -> bool:
        """Whether the word stands right behind a genus and may be its epithet."""
        return (
            bool(self.names)
            and self.previous == "name"
            and not self.names[-1].epithet
            and not words().is_above_genus(self.names[-1].first)
            and is_epithet(word)
        )


def read_node(text: str) -> Node:
    """Reads one node; words that mean nothing are its residue."""
    bare = _TEMP.sub(" ", text)
    node = Node(temporary=bare != text, words=split(bare))
    reader = _Reader(node)
    abbreviated = group(bare)
    rest = node.words
    if abbreviated is not None:
        taxon, alternatives, behind = abbreviated
        node.alternatives, node.uncertain = alternatives, not taxon
        reader.names = [_Name(taxon)] if taxon else []
        rest = split(behind)
    if (whole := words().names.get(" ".join(rest).lower(), "")).count(" "):
        reader.names, rest = [_Name(whole)], []
    for position, word in enumerate(rest):
        _read_word(reader, word, rest[position + 1] if position + 1 < len(rest) else "")
    if abbreviated is None or not abbreviated[1]:
        _settle_names(reader)
    return node


def _read_word(reader: _Reader, word: str, following: str) -> None:
    """Reads one word; the order of the questions is the order of the rules."""
    node, known, lower = reader.node, words(), word.lower()
    meanings = known.meanings.get(lower, ())
    previous, reader.previous = reader.previous, "word"
    if _NUMBER.fullmatch(word):
        reader.previous = previous
    elif match := _STAGE.fullmatch(word):
        _stage(node, match)
    elif word in ("X", "XX", "XXX"):
        node.add("qualifier", "X")
    elif _TYPE.fullmatch(word) or _is_qualifier_with_number(word):
        node.add("qualifier", lower)
    elif meanings and meanings[0].is_genus_too and is_capital_name(word) and is_epithet(following):
        reader.names.append(_Name(word))
        reader.previous = "name"
    elif meanings:
        _read_meanings(reader, lower, meanings)
    elif lower in known.vernacular:
        _vernacular(reader, lower)
    else:
        reader.previous = previous
        _read_name(reader, word)


def _read_name(reader: _Reader, word: str) -> None:
    """A word that no vocabulary of words knows: an epithet, a scientific name, or residue."""
    node, known, lower = reader.node, words(), word.lower()
    previous, reader.previous = reader.previous, "word"
    if previous == "name":
        reader.previous = "name"
        if reader.epithet_fits(word):
            reader.names[-1].epithet = word
            reader.previous = "word"
            return
    if previous == "cf" and reader.names and is_epithet(word):
        # Only the genus is certain; the species that it was compared with is kept as what it may be.
        node.alternatives = (f"{reader.names[-1].first} {word}",)
    elif lower in known.names or is_capital_name(word):
        name = known.names.get(lower, word)
        if reader.with_something and reader.names:
            node.add("residual", name)
        else:
            reader.names.append(_Name(name, written=word[0].isupper()))
            reader.previous = "name"
    elif (match := _NUMBERED.fullmatch(word)) and (reader.epithet_fits(match[1]) or known.has(match[1])):
        reader.previous = previous
        _read_word(reader, match[1], "")
    elif _is_higher_name(word):
        reader.names.append(_Name(word.capitalize(), written=False))
        reader.previous = "name"
    elif match and is_capital_name(match[1]):
        reader.names.append(_Name(known.names.get(match[1].lower(), match[1])))
        reader.previous = "name"
    elif previous == "name" and _keeps_lower_binomial(reader, word):
        reader.names[-1].epithet = word
    else:
        node.add("residual", word)


def _is_higher_name(word: str) -> bool:
    return len(word) > 7 and HIGHER.fullmatch(word) is not None and word.isalpha()


def _keeps_lower_binomial(reader: _Reader, word: str) -> bool:
    return f"{reader.names[-1].first} {word}".lower() in words().names


def _is_qualifier_with_number(word: str) -> bool:
    match = _NUMBERED.fullmatch(word)
    return match is not None and match[1].lower() in ("sp", "spp", "type")


def _stage(node: Node, match: re.Match[str]) -> None:
    detail = match[1] + _ROMAN.get(match[2], match[2])
    node.add("stage_detail", detail)
    stages = {"C": "copepodite", "N": "nauplius"}
    node.add("life_stage", "adult" if detail == "CVI" else stages[match[1]])


def _read_meanings(reader: _Reader, lower: str, meanings: tuple[Meaning, ...]) -> None:
    """A word of the vocabulary: what lives on the object where a ``with`` came before, else what the object is."""
    node = reader.node
    on_it = [m for m in meanings if m.field == "associated"]
    own = [m for m in meanings if m.field != "associated"]
    after_host = lower in _ON_A_HOST and bool(reader.names) and (reader.names[-1].written or not own)
    if lower in words().vernacular and not (after_host or reader.with_something):
        _vernacular(reader, lower)
        return
    if on_it and (reader.with_something or after_host or not own):
        node.add("associated", on_it[0].value)
        return
    for meaning in own:
        if meaning.field == "connector":
            reader.connectors.add(lower)
            node.uncertain |= lower in ("or", "to")
            node.add("connector", lower)
        elif meaning.field == "qualifier":
            _qualify(reader, meaning.value)
        else:
            node.add(meaning.field, meaning.value)
            node.uncertain |= meaning.field == "unknown"
            node.implied = node.implied or meaning.implied


def _qualify(reader: _Reader, value: str) -> None:
    reader.node.add("qualifier", value)
    reader.node.uncertain |= value in _UNCERTAIN_QUALIFIERS
    if value == "cf":
        reader.previous = "cf"


def _vernacular(reader: _Reader, lower: str) -> None:
    """Everyday names narrow each other down (``copepod_calanoid``); one behind a scientific name adds nothing."""
    taxon = words().vernacular[lower]
    if not taxon:
        reader.node.add("filler", lower)
    elif reader.with_something and reader.names:
        reader.node.add("residual", lower)
    elif not (reader.names and reader.names[-1].written and reader.names[-1].first != taxon):
        reader.names.append(_Name(taxon, written=False))
        reader.previous = "name"


def _settle_names(reader: _Reader) -> None:
    """One name is the taxon; several are its alternatives, unless one lies inside the other."""
    node = reader.node
    written = [n for n in reader.names if n.written]
    if "to" in reader.connectors or not written:
        node.taxon = reader.names[-1].full if reader.names else ""
        return
    distinct = list({n.full: n for n in written}.values())
    ancestors = words().ancestors
    inside = frozenset(a for n in distinct for a in ancestors.get(n.full, ancestors.get(n.first, frozenset())))
    kept = [n for n in distinct if n.full not in inside] or distinct
    if len(kept) == 1:
        node.taxon = kept[0].full
        return
    node.alternatives, node.uncertain = tuple(n.full for n in kept), True
    genera = {n.first for n in kept}
    node.taxon = genera.pop() if len(genera) == 1 else ""
    # A person should look at a label of several species: what is behind the first counts as unexplained.
    for name in kept[1:]:
        if name.epithet:
            node.add("residual", name.epithet)
