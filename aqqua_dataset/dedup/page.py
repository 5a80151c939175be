"""The page on which a person looks at pairs, and the list to decide them in: no scripts, no requests.

The page shows the first pairs of each verdict; ``PAIRS_CSV`` has all with their measures, and ``DECISIONS_CSV`` those
that wait for a person, in the form of the registry's ``duplicates.csv``.
"""

import duckdb
import pyarrow.csv

from aqqua_dataset.dedup import near, pairs
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.decisions import DuplicateDecision
from aqqua_dataset.report.blocks import Block, Card, Code, Document, Section, Sheet, Table, Text, Tone
from aqqua_dataset.report.credit import credit
from aqqua_dataset.report.facts import Thumbnail
from aqqua_dataset.report.html import page
from aqqua_dataset.report.thumbnails import small
from aqqua_dataset.stage_tables import table_paths

PAGE = "site/duplicates.html"
PAIRS_CSV = "site/duplicate-pairs.csv"
DECISIONS_CSV = "site/duplicates.csv"

#: Pairs shown of each verdict; at most 12 kB of pictures each.
MOST_SHOWN = 60

_TITLES: tuple[tuple[str, str, Tone], ...] = (
    ("unsure", "Not sure: a person has to look", "suspect"),
    ("same", "The same", "good"),
    ("different", "Different, though something proposed them", "note"),
)
#: What the page and the lists begin with: pairs of two contributions, those that are most alike.
_ORDER = "contribution_id = other_contribution_id, correlation desc nulls last, image_id, other_image_id"
#: A near pair of two contributions is never removed by the machine alone, however alike.
_WAITING = """decided_by = 'machine' and contribution_id <> other_contribution_id
    and (verdict = 'unsure' or (verdict = 'same' and pair_kind = 'near'))"""
_HOW = """image_id,other_image_id,decision,by,date,why
{image_id},{other_image_id},same,your-id-in-people,{date},both show the broken antenna
"""


def write_page(collection: Collection) -> list[dict[str, object]]:
    """Writes page and lists from the compared pairs (``pairs.TABLE``); returns the counts that head the page."""
    warehouse = collection.warehouse
    with warehouse.connect() as connection:
        connection.execute(f"create temp view pairs as from read_parquet({warehouse.url(pairs.TABLE)!r})")
        counts = _counts(connection)
        sections = [_overview(collection, connection, counts)]
        sections += [_section(collection, connection, *told) for told in _TITLES]
        names = list(DuplicateDecision.model_fields)
        empty = ", ".join(f"'' as {name}" for name in names[2:])
        _write_csv(connection, collection, DECISIONS_CSV, f"image_id, other_image_id, {empty}", f"where {_WAITING}")
        _write_csv(connection, collection, PAIRS_CSV, "* replace (array_to_string(evidence, ' ') as evidence)", "")
    subtitle = f"{collection.registry.settings.dataset.title}: {sum(int(str(c['pairs'])) for c in counts):,} pairs"
    document = Document("Duplicates", subtitle, tuple(s for s in sections if s.blocks), "Made from the compared pairs.")
    warehouse.write_bytes(PAGE, page(document).encode())
    return counts


def _counts(connection: duckdb.DuckDBPyConnection) -> list[dict[str, object]]:
    """Pairs by kind, verdict, who decided and whether both are of one contribution."""
    found = connection.sql(
        """select pair_kind, verdict, decided_by, case when contribution_id = other_contribution_id
                  then 'one contribution' else 'two contributions' end as of, count(*) as pairs
        from pairs group by all order by all"""
    )
    rows: list[dict[str, object]] = found.to_arrow_table().to_pylist()
    return rows


def _overview(
    collection: Collection, connection: duckdb.DuckDBPyConnection, counts: list[dict[str, object]]
) -> Section:
    """What was found, what waits and how to decide."""
    head = ("kind", "verdict", "decided by", "images of", "pairs")
    rows = tuple(tuple(f"{v:,}" if isinstance(v, int) else _plain(str(v)) for v in row.values()) for row in counts)
    waiting = connection.sql(
        f"select image_id, other_image_id, count(*) over () from pairs where {_WAITING} order by {_ORDER} limit 1"
    ).fetchall()
    blocks: list[Block] = [Table("Pairs that were compared", head, rows, frozenset({4}))]
    if not counts:
        blocks = [Text("Nothing proposes that two images are the same.", "good")]
    blocks += [Text(finding.message, "note") for finding in near.findings(collection)]
    if waiting:
        day = collection.registry.settings.release_date.isoformat()
        blocks += [
            Text(f"{waiting[0][2]:,} pairs of two contributions wait for a person.", "suspect"),
            Text(
                "They are listed in duplicates.csv beside this page. Fill in decision (same or not_same), by, date and "
                "why, and put the rows into duplicates.csv of the contributor registry; a person's word wins. Rows "
                "without a decision may stay. duplicate-pairs.csv has all pairs with their measures."
            ),
            Code(_HOW.format(image_id=waiting[0][0], other_image_id=waiting[0][1], date=day)),
        ]
    return Section("overview", "What was found", tuple(blocks))


def _section(
    collection: Collection, connection: duckdb.DuckDBPyConnection, verdict: str, title: str, tone: Tone
) -> Section:
    """The first pairs of one verdict, each with its pictures side by side."""
    total = connection.sql("select count(*) from pairs where verdict = $v", params={"v": verdict}).fetchall()[0][0]
    shown = connection.sql(
        f"from pairs where verdict = $v order by {_ORDER} limit {MOST_SHOWN}", params={"v": verdict}
    ).to_arrow_table()
    rows = shown.to_pylist()
    pictures = _pictures(collection, connection, rows)
    blocks: list[Block] = []
    if total > len(rows):
        blocks.append(Text(f"The first {len(rows):,} of {total:,}; all are in duplicate-pairs.csv.", "note"))
    for row in rows:
        two = [pictures[row[name]] for name in ("image_id", "other_image_id")]
        words = [f"{row[c]}: {picture.label}" for c, picture in zip(_OWNERS, two, strict=True)]
        blocks += [_card(collection, row, tone), Sheet(tuple(two), tuple(words))]
    return Section(verdict, f"{title} ({total:,})", tuple(blocks))


_OWNERS = ("contribution_id", "other_contribution_id")


def _card(collection: Collection, row: dict[str, object], tone: Tone) -> Card:
    """Reasons, measures and who shares the credit of one pair."""
    owners = list(dict.fromkeys(str(row[name]) for name in _OWNERS))
    measures = [
        f"{row['hamming_distance']} of 256 bits differ" if row["hamming_distance"] is not None else "",
        f"correlation {row['correlation']:.3f}" if row["correlation"] is not None else "",
    ]
    evidence = row["evidence"] if isinstance(row["evidence"], list) else []
    lines = [
        f"Proposed by: {_plain(str(row['pair_kind']))}. {', '.join(filter(None, measures))}.",
        f"Evidence: {', '.join(map(_plain, evidence)) or 'none'}.",
    ]
    if len(owners) > 1:
        credited = (credit(collection.registry, collection.registry.contributions[name]).line for name in owners)
        lines.append(f"If they are the same, credit is shared by: {'; '.join(credited)}")
    who = "decided by a person" if row["decided_by"] == "person" else _plain(str(row["verdict"]))
    return Card(" and ".join(owners), tone, who, tuple(lines), (), f"{row['image_id']} {row['other_image_id']}")


def _plain(word: str) -> str:
    return word.replace("_", " ")


def _pictures(
    collection: Collection, connection: duckdb.DuckDBPyConnection, rows: list[dict[str, object]]
) -> dict[object, Thumbnail]:
    """A small picture of each image of some pairs."""
    warehouse = collection.warehouse
    ids = sorted({str(row[name]) for row in rows for name in ("image_id", "other_image_id")})
    owners = sorted({str(row[c]) for row in rows for c in _OWNERS})
    core, index = (
        [warehouse.url(path) for name in owners for path in table_paths(warehouse, name, kind)]
        for kind in ("core", "shards")
    )
    if not ids:
        return {}
    found = connection.sql(
        f"""select image_id, shard, "offset", "length", source_object_id,
               concat_ws(', ', label_verbatim, strftime(datetime_utc, '%Y-%m-%d %H:%M:%S'),
                         case when latitude is not null then printf('%.3f, %.3f', latitude, longitude) end,
                         printf('%d x %d pixels', width_px, height_px))
        from read_parquet({core!r}) as core join read_parquet({index!r}) as shards using (image_id)
        where list_contains($ids, image_id)""",
        params={"ids": ids},
    ).fetchall()
    return {
        image_id: Thumbnail(*small(warehouse.read_range(shard, offset, length)), object_id, words, None)
        for image_id, shard, offset, length, object_id, words in found
    }


def _write_csv(
    connection: duckdb.DuckDBPyConnection, collection: Collection, path: str, columns: str, where: str
) -> None:
    """A list as CSV, written as it is read."""
    rows = connection.sql(f"select {columns} from pairs {where} order by {_ORDER}").to_arrow_reader()
    options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="needed")
    with (
        collection.warehouse.create(path) as stream,
        pyarrow.csv.CSVWriter(stream, rows.schema, write_options=options) as writer,
    ):
        for batch in rows:
            writer.write_batch(batch)
