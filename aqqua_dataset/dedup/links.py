"""Links between pictures that aren't equal: a confirmed id, a processed form, a person's word; and what they join.

Images are nodes by their key, so that equal pictures are one node. Only what a link or a person's "not the same"
touches is looked at here; all other groups stand as their bucket left them.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from aqqua_dataset.dedup.components import connect_components
from aqqua_dataset.dedup.groups import BEST_FIRST, EQUAL_KIND
from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.decisions import DECISIONS, DuplicateDecision

#: Kinds of links from the strongest down; "equal" is no link but what makes pictures one node.
STRENGTH = ("person", "equal", "variant", "source_id")

_NODE = "key_high::uhugeint * 18446744073709551616 + key_low"


def resolve(
    connection: duckdb.DuckDBPyConnection, members: Sequence[str], decisions: Sequence[DuplicateDecision]
) -> list[Finding]:
    """Makes the table ``decided``: every copy with what stays in its place, links included.

    Args:
        connection: holds ``confirmed`` (image_id, other_image_id): pairs with one id whose pixels agree.
        members: URLs of what the buckets gave.
        decisions: what people said.

    Returns:
        Decisions that contradict each other.
    """
    connection.execute(f"create or replace temp view members as from read_parquet({list(members)!r})")
    _register_decisions(connection, decisions)
    connection.execute(
        f"""create or replace temp table named as
            select image_id, {_NODE} as node from members where image_id in (
                select image_id from confirmed union select other_image_id from confirmed
                union select image_id from decisions union select other_image_id from decisions);
        create or replace temp table links as
            with variants as (
                select image_id, variant_of as other_image_id, {_NODE} as node from members
                where variant_of is not null and (copies or image_id in (select image_id from named))
            ), raws as (
                select image_id, {_NODE} as node from members where image_id in (select other_image_id from variants)
            ), pairs as (
                select image_id, other_image_id, 'source_id' as link from confirmed
                union all select image_id, other_image_id, 'person' from decisions where decision = 'same'
            )
            select variants.image_id, other_image_id, 'variant' as link, variants.node as a, raws.node as b
            from variants join raws on raws.image_id = other_image_id
            union all
            select pairs.*, one.node, other.node
            from pairs join named as one using (image_id) join named as other on other.image_id = other_image_id;
        create or replace temp table node_edges as
            select distinct a, b from links
            union select node, node from named"""
    )
    connect_components(connection, "node_edges", "components")
    connection.execute(
        f"""create or replace temp table linked as
            select members.*, node, component, 0 as piece
            from (select *, {_NODE} as node from members) as members join components using (node)"""
    )
    findings = _cut(connection)
    connection.execute(f"create or replace temp table decided as {_DECIDED}")
    return findings


def _register_decisions(connection: duckdb.DuckDBPyConnection, decisions: Sequence[DuplicateDecision]) -> None:
    rows = [{"image_id": d.image_id, "other_image_id": d.other_image_id, "decision": d.decision} for d in decisions]
    names = ("image_id", "other_image_id", "decision")
    connection.register("told", pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names])))
    connection.execute("create or replace temp table decisions as from told")
    connection.unregister("told")


#: Copies of linked groups are placed anew; what is a copy only because it is a processed form follows its raw image.
_DECIDED = f"""
    with link_kinds as (
        select node, min_by(link, list_position(['source_id', 'person', 'variant'], link)) as link
        from (select a as node, link from links where a <> b union all select b, link from links where a <> b)
        group by node
    ), placed as (
        select linked.* exclude (place, kept_image_id, kept_contribution_id, kept_unit_key, duplicate_kind), link,
               row_number() over best as place, first_value(image_id) over best as kept_image_id,
               first_value(contribution_id) over best as kept_contribution_id,
               first_value(unit_key) over best as kept_unit_key, first_value(node) over best as kept_node,
               {EQUAL_KIND} as equal_kind
        from linked left join link_kinds using (node)
        window best as (partition by component, piece order by {BEST_FIRST})
    ), copies as (
        select image_id, contribution_id, kept_image_id, kept_contribution_id,
               case when variant_of is not null and (component, piece, variant_of) in
                         (select (component, piece, image_id) from linked) then 'variant'
                    when node = kept_node then equal_kind else coalesce(link, 'normalised') end as duplicate_kind,
               unit_key, kept_unit_key
        from placed where place > 1
        union all
        select image_id, contribution_id, kept_image_id, kept_contribution_id, duplicate_kind, unit_key, kept_unit_key
        from members where place > 1 and image_id not in (select image_id from linked)
    ), variants as (
        select image_id, contribution_id, variant_of, unit_key from members
        where variant_of is not null and image_id not in (select image_id from linked)
    )
    select * from copies
    union all
    select variants.image_id, variants.contribution_id, coalesce(copies.kept_image_id, variant_of),
           coalesce(copies.kept_contribution_id, variants.contribution_id), 'variant', variants.unit_key,
           coalesce(copies.kept_unit_key, variants.unit_key)
    from variants left join copies on copies.image_id = variants.variant_of
"""


@dataclass(frozen=True)
class Item:
    """What is moved as one when a group is cut: an image that a link or a person names, or all others of a node.

    Attributes:
        first: its image id, for others of a node the smallest one.
        node: the picture.
        named: whether it is one named image.
    """

    first: str
    node: int
    named: bool


@dataclass
class Pieces:
    """The pieces that a group is cut into; two items that a person keeps apart never get into one."""

    apart: set[frozenset[str]]
    of: dict[str, list[str]] = field(default_factory=dict)

    def join(self, one: str, other: str) -> bool:
        """Joins the pieces of two items unless a person keeps any two of their images apart; says whether it did."""
        mine, theirs = self.of.setdefault(one, [one]), self.of.setdefault(other, [other])
        if mine is theirs:
            return True
        if any(frozenset(pair) in self.apart for pair in itertools.product(mine, theirs)):
            return False
        mine += theirs
        self.of.update(dict.fromkeys(theirs, mine))
        return True


def cut_group(
    items: Iterable[Item], links: Iterable[tuple[str, str, str]], apart: set[frozenset[str]]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Cuts a group that holds images which are not the same as a person said.

    Links are taken from the strongest (``STRENGTH``) down, within a strength by their ids; a link that would bring two
    such images into one piece is left out. So of three equal pictures, two of which are not the same, the third
    stays with the one whose pair with it comes first.

    Args:
        items: all of the group.
        links: (item, other item, kind).
        apart: pairs of image ids that are not the same.

    Returns:
        The first id of the piece of each item, by the item's first id; and a person's "same" that had to be left out.
    """
    everything = {item.first: item for item in items}
    by_node = itertools.groupby(sorted(everything.values(), key=lambda i: (i.node, i.first)), key=lambda i: i.node)
    equal = [pair for _, same in by_node for pair in itertools.combinations([i.first for i in same], 2)]
    ordered = [(STRENGTH.index(kind), min(one, other), max(one, other)) for one, other, kind in links]
    ordered += [(STRENGTH.index("equal"), min(pair), max(pair)) for pair in equal]
    pieces = Pieces(apart, {first: [first] for first in everything})
    left_out = [
        (one, other)
        for strength, one, other in sorted(ordered)
        if not pieces.join(one, other) and STRENGTH[strength] == "person"
    ]
    return {first: min(piece) for first, piece in pieces.of.items()}, left_out


def _cut(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Gives the rows of ``linked`` that people keep apart different values of ``piece``."""
    apart = connection.sql(
        """select linked.component, decisions.image_id, other_image_id from decisions
           join linked using (image_id) join linked as other on other.image_id = other_image_id
           where decision = 'not_same' and other.component = linked.component order by all"""
    ).fetchall()
    findings = []
    for component, pairs in itertools.groupby(apart, key=lambda row: row[0]):
        kept_apart = {frozenset(pair[1:]) for pair in pairs}
        items, links = _load_group(connection, component)
        pieces, left_out = cut_group(items, links, kept_apart)
        firsts = sorted(set(pieces.values()))
        numbers = {name: firsts.index(first) for name, first in pieces.items()}
        for item in items:
            which = (
                "image_id = $first" if item.named else "node = $node and image_id not in (select image_id from named)"
            )
            values = {"first": item.first} if item.named else {"node": item.node}
            connection.execute(
                f"update linked set piece = $piece where {which}", {**values, "piece": numbers[item.first]}
            )
        findings += [_contradiction(*pair) for pair in left_out]
    return findings


def _load_group(connection: duckdb.DuckDBPyConnection, component: int) -> tuple[list[Item], list[tuple[str, str, str]]]:
    """The items of one component and the links among them."""
    items = connection.sql(
        """with found as (select *, image_id in (select image_id from named) as is_named from linked
                          where component = $component)
           select image_id, node, true from found where is_named
           union all select min(image_id), node, false from found where not is_named group by node""",
        params={"component": component},
    ).fetchall()
    made = [Item(*row) for row in items]
    others = {item.node: item.first for item in made if not item.named}
    named = {item.first for item in made if item.named}
    links = connection.sql(
        """select image_id, other_image_id, link, a, b from links join linked using (image_id)
           where component = $component""",
        params={"component": component},
    ).fetchall()
    ends = [
        (one if one in named else others[a], other if other in named else others[b], link)
        for one, other, link, a, b in links
    ]
    return made, ends


def _contradiction(one: str, other: str) -> Finding:
    message = (
        f"these two are the same by one row, but other rows keep apart what that would join: {one}, {other}; "
        "not_same was followed; correct one of the rows"
    )
    return Finding("duplicate_decisions_contradict", "warning", message, file=DECISIONS, value=f"{one} {other}")
