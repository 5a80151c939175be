"""Takes a label apart: which taxon it names, what it says of the object, and what is left over.

The grammar knows the vocabularies but no AphiaID: a word that has a meaning of its own (``zoea``, ``helix``) never
becomes a name. ``VERSION`` is raised when a label comes out differently, since results depend on it.

    label = [__id] path
    path  = node { "<" node }        EcoTaxa display name, leaf first      Copepoda<Multicrustacea
          | node { ">" node }        hierarchy, root first                 Biota>Animalia>Copepoda
          | node { "/" node }        PolyTaxo, root first, key:value       Copepoda/Calanus sex:female -view:dorsal
          | node " (" parent ")"     old EcoTaxa                           Hydrozoa (Cnidaria)
          | word "_" node            folder of an export                   nauplii_Crustacea
"""

import functools
import re
from dataclasses import asdict, dataclass

from aqqua_dataset.labels.node import Node, read_node
from aqqua_dataset.labels.words import split, words

VERSION = 1

_ID_SUFFIX = re.compile(r"__(\d+)$")
_CLASS_NUMBER = re.compile(r"^LClass_(?:(?:[A-Za-z]{1,3}\.)?\d+\.)?|^mc\+")
_IN_BRACKETS = re.compile(r"^(.*\S)\s+\(([^()]*)\)$")
_SUBGENUS = re.compile(r"(?<=[a-z])\s+\([A-Z][a-z]+\)(?=\s[a-z])")
_TAG = re.compile(r"\s(-?)[A-Za-z_]+:(\S+)")
_PRIVATE_CLASS = re.compile(r"t\d{2,}", re.IGNORECASE)


@dataclass(frozen=True)
class Parsed:
    """What one label says, before any taxonomy is asked.

    Attributes:
        label_verbatim: the label as delivered.
        kind: taxon, part, morpho, nonliving, artefact, unknown, unlabelled or unparsed; the leaf decides.
        taxon: the name of the first node that has one, from the leaf to the root.
        taxon_implied: the only group that a word without a name occurs in (``bract``: Siphonophorae).
        alternatives: the label's names where it gives more than one without saying which.
        parent_hint: the node above the leaf, as written.
        nonliving: what a thing or an artefact is.
        temporary: a project's private class.
        id_hint: id of the class at the end of a folder's name.
        residual: words nobody has explained yet.
    """

    label_verbatim: str
    kind: str
    taxon: str = ""
    taxon_implied: str = ""
    alternatives: tuple[str, ...] = ()
    parent_hint: str = ""
    qualifier: tuple[str, ...] = ()
    life_stage: str = ""
    stage_detail: str = ""
    sex: str = ""
    part: str = ""
    state: tuple[str, ...] = ()
    organisation: str = ""
    associated: tuple[str, ...] = ()
    view: str = ""
    form: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    nonliving: str = ""
    uncertain: bool = False
    temporary: bool = False
    id_hint: str = ""
    residual: tuple[str, ...] = ()

    def as_row(self) -> dict[str, str]:
        """The fields as text; lists joined by ``|``, truth values 1 and 0."""
        return {name: _as_text(value) for name, value in asdict(self).items()}


def _as_text(value: str | bool | tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "|".join(value) if isinstance(value, tuple) else value


@functools.lru_cache(maxsize=200_000)
def parse(label: str) -> Parsed:
    """Takes one label apart; any text is accepted."""
    text = " ".join(label.split())
    if not text:
        return Parsed(label, "unlabelled")
    suffix = _ID_SUFFIX.search(text)
    bare = _CLASS_NUMBER.sub("", text[: suffix.start()] if suffix else text)
    pieces, hint = _path(bare)
    private = any(_PRIVATE_CLASS.fullmatch(piece) for piece in pieces)
    nodes = [read_node(piece) for piece in pieces if not _PRIVATE_CLASS.fullmatch(piece)]
    named = next((n for n in nodes if n.taxon or n.alternatives), Node())
    values = {name: next((v for n in nodes if (v := n.one(name))), "") for name in _ONE}
    lists = {name: tuple(dict.fromkeys(v for n in nodes for v in n.all(name))) for name in _MANY}
    implied = next((n.implied for n in nodes if n.implied), "")
    return Parsed(
        label_verbatim=label,
        kind="unknown" if private and not named.taxon else _kind(nodes, named, lists["residual"]),
        taxon=named.taxon,
        taxon_implied="" if named.taxon or named.alternatives else implied,
        alternatives=named.alternatives,
        parent_hint=hint,
        uncertain=any(n.uncertain for n in nodes),
        temporary=private or any(n.temporary for n in nodes),
        id_hint=suffix.group(1) if suffix else "",
        life_stage=values["life_stage"],
        stage_detail=values["stage_detail"],
        sex=values["sex"],
        part=values["body_part"],
        organisation=values["organisation"],
        view=values["view"],
        nonliving=next((v for n in nodes if (v := n.one("nonliving") or n.one("artefact"))), ""),
        qualifier=lists["qualifier"],
        state=lists["organism_state"],
        associated=lists["associated"],
        form=lists["form"],
        quality=lists["image_quality_label"],
        residual=lists["residual"],
    )


@functools.lru_cache(maxsize=50_000)
def names_above(label: str) -> tuple[str, ...]:
    """Names in the nodes above the one that gives a label its taxon, nearest first: ``A<part<B`` gives B."""
    text = _CLASS_NUMBER.sub("", _ID_SUFFIX.sub("", " ".join(label.split())))
    found = [node.taxon for piece in _path(text)[0] if (node := read_node(piece)).taxon]
    return tuple(found[1:])


def leaf(label: str) -> str:
    """The text of a label's first node."""
    pieces, _ = _path(_CLASS_NUMBER.sub("", _ID_SUFFIX.sub("", " ".join(label.split()))))
    return pieces[0] if pieces else ""


_ONE = ("life_stage", "stage_detail", "sex", "body_part", "organisation", "view")
_MANY = ("qualifier", "organism_state", "associated", "form", "image_quality_label", "residual")


def _path(text: str) -> tuple[list[str], str]:
    """The nodes from leaf to root, and the node above the leaf as it is written."""
    text = _SUBGENUS.sub("", _TAG.sub(lambda m: "" if m[1] else f" {m[2]}", text))
    if "<" in text:
        nodes = text.split("<")
    elif ">" in text:
        nodes = text.split(">")[::-1]
    elif "/" in text:
        first, *rest = text.split("/")
        last, *tags = (rest[-1] if rest else first).split(" ")
        nodes = [" ".join([last, *tags]), *[first, *rest[:-1]][::-1]]
    elif match := _IN_BRACKETS.fullmatch(text):
        # An authority in brackets is no parent: (Claus, 1863).
        nodes = [match[1], match[2]] if re.fullmatch(r"[A-Z][A-Za-z -]+", match[2]) else [match[1]]
    elif (cut := text.split("_")) and len(cut) == 2 and _is_attribute(cut[0]) and text.lower() not in _joined():
        nodes = cut
    else:
        nodes = text.replace(":", " ").split(">")
    nodes = [n.replace(":", " ").strip() for n in nodes]
    nodes = [n for n in nodes if n]
    return nodes, nodes[1] if len(nodes) > 1 else ""


def _is_attribute(text: str) -> bool:
    """Whether a piece before an underscore describes what stands behind it, as in ``nauplii_Crustacea``."""
    pieces = split(text)
    return bool(pieces) and all(words().fields(p) - {"connector"} for p in pieces) and text[1:] == text[1:].lower()


@functools.cache
def _joined() -> frozenset[str]:
    """Words of two parts, as folders write them: ``polar_view``."""
    return frozenset(w.replace(" ", "_") for w in words().meanings if " " in w)


def _kind(nodes: list[Node], named: Node, residual: tuple[str, ...]) -> str:
    """What sort of thing the label means; the leaf decides before the nodes above it."""
    if not nodes:
        return "unparsed"
    leaf = nodes[0]
    for node in nodes:
        if kind := _own_kind(node, node is leaf):
            return kind
        if node is leaf and (leaf.says_something or not leaf.words) and (named.taxon or named.alternatives):
            return "taxon"
        if node is named:
            return "taxon"
    anything = any(n.says_something for n in nodes)
    # A picture out of focus that nothing else is said of is no object at all.
    if leaf.one("image_quality_label") == "out_of_focus" and not residual:
        return "artefact"
    return "morpho" if anything else "unparsed"


def _own_kind(node: Node, is_leaf: bool) -> str:
    if node.one("unknown"):
        return "unknown"
    if is_leaf and node.one("body_part"):
        return "part"
    if node.taxon and not is_leaf:
        return ""
    if node.one("artefact") and not node.one("nonliving"):
        return "artefact"
    return "nonliving" if node.one("nonliving") else ""
