"""A sample: a small release of the same layout, with images of every instrument and every contribution.

The bytes are shared out equally among the instruments, and each instrument's among its contributions; what one can't
fill goes to the others. Within a contribution images are taken in the order of their ids, which are hashes: as good as
drawing lots, and the same every time.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from aqqua_dataset.export.folder import ExportRefused, Folder, credited_images, release_facts
from aqqua_dataset.findings import Finding
from aqqua_dataset.images.shards import ShardWriter
from aqqua_dataset.reader.release import OpenRelease, Selection, literal
from aqqua_dataset.reader.stream import read_runs
from aqqua_dataset.release.attribution import credit_page
from aqqua_dataset.release.downloading import CHECK_COMMANDS
from aqqua_dataset.release.history import WITHDRAWN
from aqqua_dataset.warehouse import ROW_GROUP_ROWS, Warehouse

#: What a contribution's tables take beside their rows: footers that describe some hundred columns.
_FOOTERS = 70_000

#: Bytes of one image in an archive (IEEE 1003.1, ustar), as SQL.
_MEMBER = "(512 + (length + 511) // 512 * 512)"

_COPIED = (
    "LICENSE", "CITATION.cff", "CHANGELOG.md", "KNOWN-PROBLEMS.md", "data-dictionary.md", "datacite.json",
    "datacite.xml", "ledger.csv", "ledger.parquet", WITHDRAWN,
)  # fmt: skip

_README = """# {mark}AqQua plankton images: a sample

{images:,} images of {contributions:,} contributions, a part of release {version} (view `{view}`) in the same layout:
what reads this reads the whole. Every instrument and contribution has its share of the bytes, so numbers of images say
nothing about the release. `ledger.csv` and `ledger.parquet` count the release, not the sample; what describes the
release's own files (`croissant.json` and others) isn't here.

Licence: see `LICENSE`. Credit the contributions in `ATTRIBUTION.md`. Columns are explained in `data-dictionary.md`.
These two compare every file:

```sh
{check}
```

```python
import aqqua_dataset

release = aqqua_dataset.open_release(".")
for image in release.select("label_status = 'validated'").stream(["taxon_name"], shuffle=True):
    pixels, label = image.pixels(), image.row["taxon_name"]
```
"""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Sample:
    """What was written: images, bytes of all files, contributions that the images are of."""

    images: int
    size: int
    contributions: tuple[str, ...]


def share_out(budget: int, wanted: Mapping[K, int]) -> dict[K, int]:
    """Shares a budget equally; what some don't want goes to the others. No share exceeds its wish."""
    shares: dict[K, int] = {}
    left = budget
    for place, (key, wish) in enumerate(sorted(wanted.items(), key=lambda item: item[1])):
        shares[key] = min(wish, left // (len(wanted) - place))
        left -= shares[key]
    return shares


def write_sample(release: OpenRelease, to: Warehouse, most: int) -> Sample:
    """Writes a sample of a release.

    Args:
        release: the whole.
        to: an empty folder; its ``RELEASED.json`` is written last.
        most: bytes of all its files together, at most.

    Raises:
        ExportRefused: the folder isn't empty, or too little space for any image.
        OSError: an image of the release is damaged.
    """
    folder, left = Folder(release, to), most
    while chosen := _choose(release, left):
        made = _write(folder, chosen)
        if made.size <= most:
            return made
        left -= made.size - most + most // 100  # tables compressed worse than those of the whole release
        for path in to.find(""):
            to.remove(path)
        folder = Folder(release, to)
    message = f"{most:,} bytes leave no space for images beside the documents and tables"
    raise ExportRefused([Finding("sample_size", "error", message)])


def _choose(release: OpenRelease, most: int) -> dict[str, str]:
    """Condition of the chosen images by contribution; empty where there is no space for one."""
    size = release.warehouse.size
    tables = [p for p in release.files() if p.startswith(("metadata/", "verbatim/", "annotations/"))]
    rows = max(0, sum(map(size, tables)) - _FOOTERS * len(release.tables))
    cost = f"{_MEMBER} + {rows // max(len(release), 1)}"
    everything = release.select()
    with everything.connect() as connection:
        columns = f"instrument_id, contribution_id, sum({cost})::bigint, count(*)"
        found = everything.query(connection, release.tables, columns, "group by all").fetchall()
    wanted: dict[str, dict[str, int]] = {}
    for instrument, contribution, wish, _ in sorted(found):
        wanted.setdefault(instrument, {})[contribution] = wish
    pages = [p for p in release.files() if p.startswith("contributions/")]
    documents = sum(map(size, [*_documents(release), *pages]))
    budget = max(0, most - documents - _FOOTERS * len({c for sizes in wanted.values() for c in sizes}))
    by_instrument = share_out(budget, {i: sum(sizes.values()) for i, sizes in wanted.items()})
    shares = {(i, c): s for i in wanted for c, s in share_out(by_instrument[i], wanted[i]).items()}
    chosen: dict[str, list[str]] = {}
    for instrument, contribution, wish, count in sorted(found):
        share = shares[instrument, contribution]
        # Ids are spread evenly: those that fill the share lie below this part of their range.
        below = 2 * share / wish + 20 / count
        if condition := _first(release, instrument, contribution, cost, share, below):
            chosen.setdefault(contribution, []).append(condition)
    return {c: " or ".join(chosen[c]) for c in sorted(chosen)}


def _first(release: OpenRelease, instrument: str, contribution: str, cost: str, share: int, below: float) -> str:
    """Condition for the images of a contribution and instrument, first by id, that fill its share; "" for none."""
    those = f"instrument_id = {literal(instrument)}"
    selection = release.select(those)
    rest = f"and image_id < '{int(below * 0x1_0000_0000):08x}'" if below < 1 else ""
    running = selection.sql(
        _tables(release, contribution), f"image_id, sum({cost}) over (order by image_id) as filled", rest
    )
    with selection.connect() as connection:
        last = connection.sql(f"select max(image_id) from ({running}) where filled <= {share}").fetchall()[0][0]
    return "" if last is None else f"({those} and image_id <= {literal(last)})"


def _write(folder: Folder, chosen: dict[str, str]) -> Sample:
    """Writes shards, tables and documents, and the file that says it is whole."""
    release = folder.release
    credited: dict[str, int] = {}
    placed = []
    for contribution, condition in chosen.items():
        selection = release.select(condition)
        places, used = _write_shard(folder, selection, contribution)
        _write_tables(folder, selection, contribution, places, used)
        for name, count in credited_images(selection, used).items():
            credited[name] = credited.get(name, 0) + count
        placed.append(places)
    _write_copies(folder, pa.concat_tables(placed))
    for path in _documents(release):
        folder.take_over(path)
    for path in map(credit_page, sorted(credited)):
        folder.take_over(path)
    folder.write_attribution(dict(sorted(credited.items())))
    facts, images = release_facts(release), sum(map(len, placed))
    told = {"mark": facts.mark, "version": facts.version, "view": facts.view, "check": CHECK_COMMANDS}
    folder.write_text("README.md", _README.format(images=images, contributions=len(chosen), **told))
    sealed = {
        **release.facts,
        "images": images,
        "sample_of": release.facts["manifest_sha256"],
        "manifest_sha256": folder.seal(f"AqQua dataset, sample of release {release.version}"),
    }
    folder.warehouse.write_json("RELEASED.json", sealed)
    return Sample(images, folder.size(), tuple(chosen))


def _write_shard(folder: Folder, selection: Selection, contribution: str) -> tuple[pa.Table, list[str]]:
    """Writes the chosen images of a contribution; returns where each lies, and the tables they stand in."""
    ending = ".rehearsal.tar" if folder.release.facts["rehearsal"] else ".tar"
    path = f"images/contribution={contribution}/shard-00000{ending}"
    ids: list[str] = []
    offsets: list[int] = []
    used: dict[str, None] = {}
    with folder.create(path) as stream:
        writer = ShardWriter(stream)
        for run in read_runs(selection, _tables(folder.release, contribution)):
            names, formats = run.rows["image_id"].to_pylist(), run.rows["image_format"].to_pylist()
            offsets += map(writer.add, names, formats, run.images)
            ids += names
            used[run.table] = None
        writer.finish()
    return pa.table({"image_id": ids, "new_shard": [path] * len(ids), "new_offset": offsets}), list(used)


def _write_tables(
    folder: Folder, selection: Selection, contribution: str, places: pa.Table, used: Sequence[str]
) -> None:
    """Writes what is known of the chosen images, harmonised and as delivered."""
    warehouse = folder.release.warehouse
    with warehouse.open(used[0]) as stream:
        target = pq.read_schema(stream)
    delivered = ", ".join(literal(warehouse.url(t.replace("metadata/", "verbatim/", 1))) for t in used)
    with selection.connect() as connection:
        connection.register("places", places)
        rows = connection.sql(
            f"""select images.* replace (new_shard as shard, new_offset as "offset")
                from ({selection.sql(used, "*")}) as images join places using (image_id) order by image_id"""
        )
        known = rows.to_arrow_reader(ROW_GROUP_ROWS)
        _copy(folder, f"metadata/contribution={contribution}/part-00000.parquet", known, target)
        raw = connection.sql(
            f"""from read_parquet([{delivered}], hive_partitioning = false, union_by_name = true)
                semi join places using (image_id) order by image_id"""
        ).to_arrow_reader(ROW_GROUP_ROWS)
        _copy(folder, f"verbatim/contribution={contribution}/part-00000.parquet", raw, raw.schema)


def _write_copies(folder: Folder, placed: pa.Table) -> None:
    """Writes which delivered images a chosen image stands for, and what their owners say of them."""
    release = folder.release
    order = {p: ("image_id", "image_id, copy_image_id") for p in release.files() if p.startswith("annotations/")}
    with release.warehouse.connect() as connection:
        connection.register("chosen", placed)
        for path, (column, rank) in {"duplicates.parquet": ("kept_image_id", "image_id"), **order}.items():
            with release.warehouse.open(path) as stream:
                target = pq.read_schema(stream)
            rows = connection.sql(
                f"""from read_parquet({literal(release.warehouse.url(path))}, hive_partitioning = false)
                    where {column} in (select image_id from chosen) order by {rank}"""
            )
            if path not in order or rows.limit(1).fetchall():
                _copy(folder, path, rows.to_arrow_reader(ROW_GROUP_ROWS), target)


def _copy(folder: Folder, path: str, rows: Iterator[pa.RecordBatch], target: pa.Schema) -> None:
    with folder.parquet(path, target) as writer:
        for batch in rows:
            table = pa.Table.from_batches([batch]).select(target.names)
            writer.write_table(table.cast(writer.schema), row_group_size=ROW_GROUP_ROWS)


def _documents(release: OpenRelease) -> list[str]:
    """Documents of the release that go with the sample."""
    return [p for p in release.files() if p in _COPIED or p.startswith("authors/")]


def _tables(release: OpenRelease, contribution: str) -> list[str]:
    """A contribution's tables of images."""
    return [t for t in release.tables if _contribution(t) == contribution]


def _contribution(table: str) -> str:
    return table.split("/")[1].removeprefix("contribution=")
