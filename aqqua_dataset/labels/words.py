"""The words that labels are made of, from the vocabularies; and how a piece of a label becomes a list of words."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from aqqua_dataset import schema

#: Endings of names above the genus, which take no epithet (rule 5 of the grammar).
HIGHER = re.compile(r".+(aceae|idae|inae|phyceae|phycidae|ales|oida|oidea|phyta|zoa|formes)", re.IGNORECASE)
_CAPITAL = re.compile(r"[A-ZÀ-Þ][a-zà-ÿ]{2,}(-[a-zA-Zà-ÿ]{2,})?")
_LOWER = re.compile(r"[a-zà-ÿ]{3,}(-[a-zà-ÿ]{2,})*")
_ABOVE_GENUS_RANKS = frozenset({"", "genus", "subgenus", "species", "subspecies", "variety", "forma"})


@dataclass(frozen=True)
class Meaning:
    """What a word stands for: one row of vocabularies/label_words.csv."""

    field: str
    value: str
    implied: str
    is_genus_too: bool


@dataclass(frozen=True)
class Words:
    """All words with a meaning, in lower case.

    Attributes:
        meanings: word -> its meanings; a word may have several (``chainthin`` is an organisation and a form).
        vernacular: word of everyday language -> taxon; "" for a group that is none, such as plankton.
        within: taxon of everyday language that has a homonym -> the kingdom it lies in.
        names: scientific name in lower case -> as it is written.
        above: names above the genus among them.
        ancestors: scientific name -> the names above it.
        groups: label in lower case -> taxon, alternatives; the abbreviations of class lists.
    """

    meanings: dict[str, tuple[Meaning, ...]]
    vernacular: dict[str, str]
    within: dict[str, str]
    names: dict[str, str]
    above: frozenset[str]
    ancestors: dict[str, frozenset[str]]
    groups: dict[str, tuple[str, tuple[str, ...]]]

    def has(self, word: str) -> bool:
        """Whether the word means anything at all."""
        lower = word.lower()
        return lower in self.meanings or lower in self.vernacular or lower in self.names

    def fields(self, word: str) -> frozenset[str]:
        """The fields a word may set."""
        return frozenset(m.field for m in self.meanings.get(word.lower(), ()))

    def is_above_genus(self, name: str) -> bool:
        """Whether a scientific name stands above the genus: by its ending or by the list of taxa."""
        return name.lower() in self.above or HIGHER.fullmatch(name) is not None


@functools.cache
def words() -> Words:
    """The vocabularies of labels, read once."""
    meanings: dict[str, tuple[Meaning, ...]] = {}
    for row in schema.vocabulary("label_words.csv").itertuples():
        meaning = Meaning(row.field, row.value, row.implied_taxon, row.genus == "yes")
        meanings[row.token] = (*meanings.get(row.token, ()), meaning)
    everyday = schema.vocabulary("vernacular_taxa.csv")
    taxa = schema.vocabulary("taxa.csv")
    synonyms = schema.vocabulary("taxon_synonyms.csv")
    groups = schema.vocabulary("label_groups.csv")
    genera = [n.split(" ")[0] for n in taxa.loc[taxa["rank"] == "species", "name"]]
    ranked = taxa[~taxa["rank"].isin(_ABOVE_GENUS_RANKS)]
    return Words(
        meanings=meanings,
        vernacular=dict(zip(everyday["token"], everyday["taxon"], strict=True)),
        within={r.taxon: r.within for r in everyday.itertuples() if r.within},
        names={n.lower(): n for n in [*genera, *synonyms["name"], *taxa["name"]]},
        above=frozenset(ranked["name"].str.lower()),
        ancestors={n: frozenset(path.split(">")[:-1]) for n, path in zip(taxa["name"], taxa["lineage"], strict=True)},
        groups={
            _squeezed(r.label): (r.taxon, tuple(r.alternatives.split("|")) if r.alternatives else ())
            for r in groups.itertuples()
        },
    )


def _squeezed(text: str) -> str:
    return re.sub(r"[\s_,]+", " ", text).strip().lower()


def group(text: str) -> tuple[str, tuple[str, ...], str] | None:
    """The abbreviation a text begins with: its taxon, its alternatives, and the words behind it; None if none."""
    lower = _squeezed(text)
    for label, (taxon, alternatives) in words().groups.items():
        if lower == label or lower.startswith(f"{label} "):
            return taxon, alternatives, lower[len(label) :].strip()
    return None


def split(text: str) -> list[str]:
    """The words of one node of a label, hyphens resolved: ``shrimp-tail`` is two words, ``Pseudo-nitzschia`` one."""
    chunks = [c for c in re.split(r"[\s_+,;.]+", text) if c]
    return list(_pairs([piece for chunk in chunks for piece in _at_hyphens(chunk)]))


def _at_hyphens(chunk: str) -> list[str]:
    chunk = chunk.strip("-'\"()[]")
    known = words()
    pieces = [p for p in chunk.split("-") if p]
    if len(pieces) < 2 or known.has(chunk):
        return [chunk] if chunk else []
    if known.has(chunk.replace("-", " ")):
        return [chunk.replace("-", " ")]
    capitals = [p for p in pieces if p[0].isupper() and len(p) > 3]
    if len(capitals) > 1 or any(known.has(p) for p in pieces):
        return pieces
    return [chunk]


def _pairs(pieces: list[str]) -> Iterator[str]:
    """Joins two words that mean something together, such as ``polar view``."""
    position = 0
    while position < len(pieces):
        pair = " ".join(pieces[position : position + 2])
        if len(pieces) > position + 1 and pair.lower() in words().meanings:
            yield pair
            position += 2
        else:
            yield pieces[position]
            position += 1


def is_capital_name(word: str) -> bool:
    """Whether a word is written like a genus or a higher taxon."""
    return _CAPITAL.fullmatch(word) is not None


def is_epithet(word: str) -> bool:
    """Whether a word may be the second part of a species name: lower case, and no word of the vocabularies."""
    lower = word.lower()
    known = words()
    return _LOWER.fullmatch(word) is not None and lower not in known.meanings and lower not in known.vernacular
