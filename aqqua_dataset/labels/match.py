"""Finds the taxon that a label means: by the class list's id, by exact name, by tables; never by likeness.

A name is taken only if what the label itself says above it (the parent in its path, EcoTaxa's hierarchy) is among the
ancestors of what was found; otherwise the match is refused. That and the words that are no names (``grammar``) keep
homonyms out: the siphonophore *Bassia* never becomes a snail.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from aqqua_dataset.labels.grammar import Parsed, leaf, names_above, parse
from aqqua_dataset.labels.taxonomy import EcoTaxon, Taxon, Taxonomy, normal
from aqqua_dataset.labels.words import words

#: Nodes that all or half of life lies below: they confirm nothing.
_ROOTS = frozenset({"biota", "living", "eukaryota", "opisthokonta", "holozoa", "harosa", "hacrobia", "not-living"})
#: They can contradict, but confirm only where nothing finer is known.
_KINGDOMS = frozenset({"animalia", "metazoa", "chromista", "plantae", "protozoa", "bacteria", "fungi", "archaea"})
#: Kinds of label that stand for an organism or a piece of one.
_OF_AN_ORGANISM = frozenset({"taxon", "part", "morpho"})


@dataclass(frozen=True)
class Label:
    """One distinct label as it is asked about; "" where nothing was delivered.

    Attributes:
        text: the label.
        hierarchy: the nodes above it as delivered, root first, with ``>``, ``;``, ``|`` or ``/`` between.
        ecotaxa_id: id of its class in EcoTaxa.
    """

    text: str
    hierarchy: str = ""
    ecotaxa_id: str = ""


@dataclass(frozen=True)
class Match:
    """The taxon of one label and how it was found.

    Attributes:
        parsed: what the label says by itself.
        name: accepted name, "" where nothing was found.
        aphia_id: AphiaID of the accepted name.
        aphia_id_matched: AphiaID of the name that the label uses, where it has one of its own.
        how: a value of the enumeration taxon_match.
        conflict: what was found contradicts what the label says above it; nothing was taken.
        deprecated: the class list has renamed the class or advises against it.
        known_id: whether the snapshot knows the class's id.
    """

    parsed: Parsed
    name: str = ""
    aphia_id: int | None = None
    aphia_id_matched: int | None = None
    rank: str = ""
    how: str = "none"
    is_marine: bool | None = None
    is_extinct: bool | None = None
    conflict: bool = False
    deprecated: bool = False
    known_id: bool = False


def resolve(labels: Sequence[Label], taxonomy: Taxonomy) -> list[Match]:
    """The taxa of distinct labels, in their order."""
    taxonomy.prepare(_all_names(labels), [i for label in labels for i in (label.ecotaxa_id, _folder_id(label))])
    return [_Resolver(taxonomy, label).match() for label in labels]


def nodes_of(hierarchy: str) -> list[str]:
    """The nodes of a delivered hierarchy, root first."""
    return [n.strip() for n in re.split(r"[>;|/]", hierarchy) if n.strip()]


def _all_names(labels: Iterable[Label]) -> Iterable[str]:
    for label in labels:
        parsed = parse(label.text)
        yield from (parsed.taxon, parsed.taxon.split(" ")[0], parsed.taxon_implied)
        yield from (n for name in parsed.alternatives for n in (name, name.split(" ")[0]))
        yield from names_above(label.text)
        yield from nodes_of(label.hierarchy)


def _folder_id(label: Label) -> str:
    """The id that an export's folder bears: ``Copepoda__25828``."""
    return "" if label.ecotaxa_id else parse(label.text).id_hint


class _Resolver:
    """Resolves one label."""

    def __init__(self, taxonomy: Taxonomy, label: Label) -> None:
        self.taxonomy = taxonomy
        self.label = label
        known = taxonomy.ecotaxa(label.ecotaxa_id) if label.ecotaxa_id else None
        if known is None and (folder := _folder_id(label)):
            hinted = taxonomy.ecotaxa(folder)
            known = hinted if hinted and normal(hinted.name) == normal(leaf(label.text)) else None
        self.known = known
        self.parsed = self._parsed()
        nodes = list(known.lineage) if known is not None else nodes_of(label.hierarchy)
        #: A hierarchy that doesn't end in the label is another label's: it may contradict, but names nothing.
        own = {normal(leaf(label.text)), normal(label.text), normal(known.name) if known else ""}
        self.is_own = bool(nodes) and normal(nodes[-1]) in own
        #: Pieces of the label itself, as some tables repeat them, say nothing about it.
        pieces = set(re.split(r"[\s_-]+", normal(leaf(label.text) if "<" in label.text else label.text)))
        unsaid = [n for n in (nodes[:-1] if self.is_own else nodes) if normal(n) not in pieces]
        self.above = [n for n in unsaid if normal(n) not in words().meanings]

    def _parsed(self) -> Parsed:
        known = self.known
        if known is None:
            return parse(self.label.text)
        if not self.label.text:
            parent = self.taxonomy.ecotaxa(known.parent_id)
            text = known.name if known.type == "P" or parent is None else f"{known.name}<{parent.name}"
            return replace(parse(text), label_verbatim="")
        parsed = parse(self.label.text)
        # The class list says that this word is a taxon, whatever else it may mean: the genus Mysis.
        if known.type == "P" and normal(leaf(self.label.text)) == normal(known.name) != normal(parsed.taxon):
            return Parsed(self.label.text, "taxon", taxon=known.name, parent_hint=parsed.parent_hint)
        return parsed

    def match(self) -> Match:
        """The taxon by id, else by name, else by what stands above or what the word implies."""
        known = self.known
        empty = Match(self.parsed, known_id=known is not None)
        if known is not None and (known.rename_to or known.status == "D"):
            empty = replace(empty, deprecated=True)
        if known is not None and known.type == "P":
            found = self._by_id(known, empty)
            if found is not None:
                return found
        if self.parsed.kind not in _OF_AN_ORGANISM:
            return empty
        if known is not None and known.type == "M" and self._names_another_class(known):
            return replace(empty, conflict=True)
        if self.parsed.taxon:
            return self._by_name(empty)
        if self.parsed.alternatives:
            return self._by_common_ancestor(empty)
        return self._by_what_is_above(empty) or self._implied(empty)

    def _names_another_class(self, known: EcoTaxon) -> bool:
        """Whether the label names a taxon that its id's morphotype doesn't lie below."""
        named = normal(self.parsed.taxon)
        if not named or normal(leaf(self.label.text or known.name)) == normal(known.name):
            return False
        return named not in {normal(n) for n in known.lineage}

    def _by_id(self, known: EcoTaxon, empty: Match) -> Match | None:
        target = self.taxonomy.target(known)
        if not target.aphia_id or target.type != "P":
            return None
        parsed = empty.parsed
        names = {normal(n) for n in (known.name, target.name, *known.lineage, *target.lineage)}
        said = parsed.taxon and self.taxonomy.named(parsed.taxon)
        contradicts = said and normal(parsed.taxon) not in names and not any(
            normal(target.name) in map(normal, taxon.lineage) for taxon in said
        )  # fmt: skip
        if contradicts or parsed.kind in ("nonliving", "artefact", "unknown"):
            return replace(empty, conflict=True)
        if parsed.kind not in _OF_AN_ORGANISM:
            empty = replace(empty, parsed=replace(parsed, kind="taxon", residual=()))
        taxon = self.taxonomy.by_id(target.aphia_id)
        accepted = self.taxonomy.accepted(taxon) if taxon else None
        if accepted is None:
            own = known.aphia_id or target.aphia_id
            return replace(
                empty, name=target.name, aphia_id=target.aphia_id, aphia_id_matched=own, rank=target.rank, how="id_map"
            )
        return _taken(empty, accepted, known.aphia_id or target.aphia_id, "id_map")

    def _by_name(self, empty: Match) -> Match:
        name = self.parsed.taxon
        hints = [*names_above(self.label.text), *self.above]
        if not self._is_written(name):
            hints += [words().within[name]] if name in words().within else []
            found = self._lookup(name, hints, empty)
            return replace(found, how="vernacular_table") if found.aphia_id else found
        found = self._lookup(name, hints, empty)
        if found.aphia_id or found.conflict:
            return found
        genus, _, epithet = name.partition(" ")
        if epithet and (coarser := self._lookup(genus, hints, empty)).aphia_id:
            return replace(coarser, how="parent_only")
        for above in names_above(self.label.text):
            if (coarser := self._lookup(above, hints, empty)).aphia_id:
                return replace(coarser, how="parent_only")
        return self._by_what_is_above(empty) or found

    def _is_written(self, name: str) -> bool:
        squeezed = normal(self.label.text.replace("_", " ").replace("-", " "))
        return not self.label.text or normal(name.replace("-", " ")) in squeezed

    def _lookup(self, name: str, hints: Sequence[str], empty: Match) -> Match:
        """A name among the taxa; homonyms are told apart by the hints or left open."""
        candidates = self._candidates(name)
        living = [c for c in candidates if not c[0].is_extinct]
        if candidates and not living:
            # No camera has seen it: the name's living namesake is missing from the snapshot.
            return replace(empty, is_extinct=True)
        candidates = living
        fitting = [c for c in candidates if not self._contradicted(c[0], name, hints)]
        if candidates and not fitting:
            return replace(empty, conflict=True)
        if len(fitting) > 1:
            fitting = [c for c in fitting if c[0].lineage and self._confirmed(c[0], hints)]
        if len(fitting) != 1:
            return empty
        taxon, matched, how = fitting[0]
        return _taken(empty, taxon, matched, how)

    def _candidates(self, name: str) -> list[tuple[Taxon, int | None, str]]:
        """Accepted taxa of a name: taxon, AphiaID of the name itself, and how it was found."""
        found: dict[int, tuple[Taxon, int | None, str]] = {}
        for taxon in self.taxonomy.named(name):
            accepted = self.taxonomy.accepted(taxon)
            if accepted is not None:
                how = "exact" if accepted.aphia_id == taxon.aphia_id else "synonym"
                found.setdefault(accepted.aphia_id, (accepted, taxon.aphia_id, how))
        if found:
            return list(found.values())
        if (synonym := self.taxonomy.synonym(name)) and normal(synonym) != normal(name):
            return [(taxon, None, "synonym") for taxon, _, _ in self._candidates(synonym)]
        for target in self.taxonomy.renamed(name):
            named = self.taxonomy.by_id(target.aphia_id) if target.aphia_id else None
            if named is not None and (accepted := self.taxonomy.accepted(named)):
                found[accepted.aphia_id] = (accepted, None, "synonym")
        return list(found.values())

    def _contradicted(self, taxon: Taxon, name: str, hints: Sequence[str]) -> bool:
        """Whether hints that the snapshot knows as taxa are all missing among the ancestors."""
        if not taxon.lineage:
            return False
        own = set(normal(name).split(" ")) | {normal(name), normal(taxon.name)}
        lines = [h for h in hints if normal(h) not in own | _ROOTS and self._is_taxon(h)]
        finer = [h for h in lines if normal(h) not in _KINGDOMS] or lines
        return bool(finer) and not self._confirmed(taxon, finer)

    def _confirmed(self, taxon: Taxon, hints: Sequence[str]) -> bool:
        """Whether any hint is among the ancestors."""
        lineage = {self.taxonomy.same_group(n) for n in taxon.lineage[:-1]} | {normal(n) for n in taxon.lineage[:-1]}
        for hint in hints:
            names = {normal(hint), self.taxonomy.same_group(hint)} - _ROOTS
            names |= {normal(taxon.name) for taxon, _, how in self._candidates(hint) if how == "synonym"}
            if names & lineage:
                return True
        return False

    def _is_taxon(self, name: str) -> bool:
        return normal(name) not in words().meanings and bool(self._candidates(name))

    def _by_common_ancestor(self, empty: Match) -> Match:
        """The lowest taxon that holds all alternatives."""
        lines = []
        for name in self.parsed.alternatives:
            found = self._lookup(name, self.above, empty)
            if not found.aphia_id:
                found = self._lookup(name.split(" ")[0], self.above, empty)
            taxon = self.taxonomy.by_id(found.aphia_id) if found.aphia_id else None
            if taxon is None or not taxon.lineage:
                return empty
            lines.append(taxon.lineage)
        shared = [n for n in lines[0][:-1] if all(n in line[:-1] for line in lines)]
        return self._nearest(shared, empty)

    def _by_what_is_above(self, empty: Match) -> Match | None:
        """The nearest taxon above a word that names none, where the hierarchy is the label's own.

        A word of shape hangs below whatever it was first seen with (EcoTaxa's ``chainthin`` below *Diatoma*): it
        takes nothing from there, unless a stage or a part stands with it (``small<egg``).
        """
        if not self.is_own or (self.parsed.form and not (self.parsed.life_stage or self.parsed.part)):
            return None
        if self.known is not None:
            above = self.taxonomy.taxon_above(self.known)
            if above is None or not above.aphia_id:
                return None
            taxon = self.taxonomy.by_id(above.aphia_id)
            if taxon is None:
                return replace(
                    empty, name=above.name, aphia_id=above.aphia_id, aphia_id_matched=above.aphia_id, rank=above.rank,
                    how="parent_only",
                )  # fmt: skip
            return _taken(empty, self.taxonomy.accepted(taxon) or taxon, above.aphia_id, "parent_only")
        found = self._nearest(self.above, empty)
        return found if found.aphia_id else None

    def _nearest(self, above: Sequence[str], empty: Match) -> Match:
        """The lowest of some names, root first, that the snapshot has."""
        for position in range(len(above) - 1, -1, -1):
            name = above[position]
            if normal(name) in _ROOTS | _KINGDOMS:
                break
            found = self._lookup(name, above[:position], empty)
            if found.aphia_id:
                return replace(found, how="parent_only")
        return empty

    def _implied(self, empty: Match) -> Match:
        implied = self.parsed.taxon_implied
        if not implied:
            return empty
        found = self._lookup(implied, self.above, empty)
        return replace(found, how="implied_by_morphotype") if found.aphia_id else empty


def _taken(empty: Match, taxon: Taxon, matched: int | None, how: str) -> Match:
    return replace(
        empty, name=taxon.name, aphia_id=taxon.aphia_id, aphia_id_matched=matched, rank=taxon.rank, how=how,
        is_marine=taxon.is_marine, is_extinct=taxon.is_extinct,
    )  # fmt: skip
