"""Looks at the pixels of proposed pairs and says what each pair is; nothing is removed here.

Pairs are proposed by near fingerprints (``near``), by equal normalised pixels and by ids that point at one source.
Both pictures are read from their shards by byte range, in the order in which they lie there, and compared
(``verify``). What was compared once is kept with the hashes of both images and not read again. Metadata are evidence
and never a condition: they are missing too often. A person's word from ``duplicates.csv`` wins.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aqqua_dataset import schema
from aqqua_dataset.compute import map_chunks
from aqqua_dataset.dedup import bridge, near
from aqqua_dataset.dedup.exact import PAIRS
from aqqua_dataset.dedup.splits import NEAR_GROUPS
from aqqua_dataset.dedup.verify import Cutout, compare_cutouts, prepare
from aqqua_dataset.images.decode import BadImage, decode, library_versions
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.decisions import DuplicateDecision
from aqqua_dataset.stage_tables import table_paths
from aqqua_dataset.warehouse import Warehouse

TABLE, GROUPS = PAIRS, NEAR_GROUPS
_COMPARED = f"{near.FOLDER}/compared.parquet"

#: Raise it when the comparison judges differently.
VERSION = 1

PAIRS_PER_TASK = 1_000
_DECODED = 64  # pictures kept while their partners are compared

#: Difference of scale from which on a pair counts as rescaled: less is the rounding of a tight crop.
_SAME_SIZE = 0.05

_FACTS = (
    "image_id", "contribution_id", "event_id", "instrument_id", "datetime_utc", "latitude", "longitude",
    "image_sha256", "pixel_hash", "near_hash", "normal_hash", "shard", '"offset"', '"length"',
)  # fmt: skip

#: Metres between two positions, by the plane: exact enough for 100 m and for 10 km below 85 degrees.
_METRES = """111195 * sqrt((a.latitude - b.latitude) ** 2 + ((a.longitude - b.longitude
    - 360 * round((a.longitude - b.longitude) / 360)) * cos(radians(a.latitude))) ** 2)"""
_SECONDS = "abs(epoch(a.datetime_utc) - epoch(b.datetime_utc))"

#: What metadata say for or against a pair; a comparison with something unknown is null and says nothing.
_EVIDENCE = {
    "same_time": f"{_SECONDS} <= 1",
    "same_place": f"{_METRES} <= 100",
    "same_instrument": "a.instrument_id = b.instrument_id",
    "same_event": "a.contribution_id = b.contribution_id and a.event_id = b.event_id",
    "same_source_id": "list_contains(kinds, 'source_id')",
    "same_normalised": "a.normal_hash = b.normal_hash",
    "other_time": f"{_SECONDS} > 86400",
    "other_place": f"{_METRES} > 10000",
    "other_instrument": "a.instrument_id <> b.instrument_id",
}
_DISTANCE = " + ".join(
    f"bit_count(xor(('0x' || a.near_hash[{at}:{at + 15}])::ubigint, ('0x' || b.near_hash[{at}:{at + 15}])::ubigint))"
    for at in (1, 17, 33, 49)
)


@dataclass(frozen=True)
class CompareTask:
    """Some pairs to look at: ``todo`` is a table with where both images lie, ``done`` will hold the verdicts."""

    warehouse: Warehouse
    todo: str
    done: str


def compare_pairs(collection: Collection, executor: Executor, workers: int) -> dict[str, int]:
    """Writes ``TABLE`` and ``GROUPS`` from all that proposes pairs; returns how many there are and how many were read.

    Args:
        collection: the collection; its contributions without permission take no part.
        executor: runs the comparisons, some hundred pairs a task.
        workers: how many at once.
    """
    warehouse = collection.warehouse
    with warehouse.connect() as connection:
        _propose(connection, collection)
        folder, tasks = _plan(connection, warehouse)
        looked_at = sum(n for _, n in map_chunks(compare_some, tasks, executor, workers))
        made = [warehouse.url(t.done) for t in tasks]
        rows = connection.sql(
            "from known" + (f" union all from read_parquet({made!r})" if made else "") + " order by 1, 2"
        ).to_arrow_reader()
        warehouse.write_parquet(_COMPARED, rows, schema.arrow("compared_pairs"))
        connection.register("decisions", _decisions(collection.registry.duplicate_decisions))
        pairs = connection.sql(_JUDGED.format(compared=warehouse.url(_COMPARED))).to_arrow_reader()
        count = warehouse.write_parquet(TABLE, pairs, schema.arrow("duplicate_pairs"))
        inside = connection.sql(
            f"""select image_id, other_image_id, contribution_id from read_parquet({warehouse.url(TABLE)!r})
            where verdict = 'same' and contribution_id = other_contribution_id"""
        ).to_arrow_table()
    warehouse.write_parquet(GROUPS, group(inside), schema.arrow("near_groups"))
    warehouse.remove(folder)
    return {"pairs": count, "compared_now": looked_at}


def _propose(connection: duckdb.DuckDBPyConnection, collection: Collection) -> None:
    """Makes ``facts`` (what is known of the images of proposed pairs) and ``proposed`` (the pairs, each once).

    Images with equal pixels are exact duplicates and no pair. Of images with equal normalised pixels each picture is
    compared with the first one, not all with all.
    """
    warehouse = collection.warehouse
    core, index = (
        [warehouse.url(path) for name in near.keys(collection) for path in table_paths(warehouse, name, kind)]
        for kind in ("core", "shards")
    )
    for name, urls in (("core", core), ("shard_index", index)):
        if urls:
            connection.execute(f"create temp view {name} as from read_parquet({urls!r})")
        else:
            connection.register(name, schema.arrow(name).empty_table())
    connection.execute("set TimeZone = 'UTC'")
    connection.register("nobody", pa.schema([(n, pa.string()) for n in _IDS]).empty_table())
    sources = {"near": near.CANDIDATES, "source_id": bridge.TABLE}
    for name, path in sources.items():
        origin = f"read_parquet({warehouse.url(path)!r})" if warehouse.exists(path) else "nobody"
        connection.execute(f"create temp table by_{name} as select distinct image_id, other_image_id from {origin}")
    connection.execute(_PROPOSED)


_IDS = ("image_id", "other_image_id")
_PROPOSED = f"""
    create temp table by_normalised as
        with pictures as (
            select normal_hash, pixel_hash, min(image_id) as image_id from shard_index semi join core using (image_id)
            where normal_hash is not null group by all
        ), firsts as (select normal_hash, min(image_id) as first, count(*) as n from pictures group by all having n > 1)
        select first as image_id, image_id as other_image_id from pictures join firsts using (normal_hash)
        where first <> image_id;
    create temp table asked as
        select image_id, other_image_id, list(kind) as kinds from (
            select *, 'source_id' as kind from by_source_id union all select *, 'normalised' from by_normalised
            union all select *, 'near' from by_near)
        group by all;
    create temp table facts as
        select {", ".join(_FACTS)} from core join shard_index using (image_id)
        where image_id in (select image_id from asked union all select other_image_id from asked);
    create temp table proposed as
        select a.image_id, b.image_id as other_image_id, a.contribution_id, b.contribution_id as other_contribution_id,
               case when list_contains(kinds, 'source_id') then 'source_id' when a.normal_hash = b.normal_hash
                    then 'normalised' else 'near' end as pair_kind,
               {_DISTANCE} as hamming_distance,
               list_filter([{", ".join(f"case when {rule} then '{name}' end" for name, rule in _EVIDENCE.items())}],
                           lambda word: word is not null) as evidence,
               a.image_sha256, b.image_sha256 as other_image_sha256, a.shard, a."offset", a."length",
               b.shard as other_shard, b."offset" as other_offset, b."length" as other_length
        from asked join facts as a using (image_id) join facts as b on b.image_id = asked.other_image_id
        where a.pixel_hash <> b.pixel_hash"""


def _plan(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> tuple[str, list[CompareTask]]:
    """Makes ``known`` (what was compared before) and writes the rest as tasks, in the order of the shards."""
    connection.register("none_yet", schema.arrow("compared_pairs").empty_table())
    before = f"read_parquet({warehouse.url(_COMPARED)!r})" if warehouse.exists(_COMPARED) else "none_yet"
    match = "image_id, other_image_id, image_sha256, other_image_sha256, compare_version"
    connection.execute(
        f"""create temp table known as
            select known.* from {before} as known semi join (select *, '{_version()}' as compare_version from proposed)
            using ({match})"""
    )
    rows = connection.sql(
        f"""select {", ".join(_PLACES)} from proposed anti join known using (image_id, other_image_id)
        order by shard, "offset", other_shard, other_offset"""
    ).to_arrow_table()
    told = json.dumps([_version(), rows["image_id"].to_pylist(), rows["other_image_id"].to_pylist()])
    folder = f"{near.FOLDER}/compare-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    tasks = []
    for number, start in enumerate(range(0, rows.num_rows, PAIRS_PER_TASK)):
        task = CompareTask(warehouse, f"{folder}/todo-{number:05d}.parquet", f"{folder}/done-{number:05d}.parquet")
        warehouse.write_parquet(task.todo, rows.slice(start, PAIRS_PER_TASK), rows.schema)
        tasks.append(task)
    return folder, tasks


_PLACES = (
    *_IDS, "image_sha256", "other_image_sha256", "shard", '"offset"', '"length"', "other_shard", "other_offset",
    "other_length",
)  # fmt: skip


def _version() -> str:
    """What a verdict depends on besides the images: this comparison and the decoders."""
    return f"{VERSION} {library_versions()}"


def compare_some(task: CompareTask) -> int:
    """Compares the pairs of one task unless that was done before; returns how many."""
    if task.warehouse.exists(task.done):
        return int(task.warehouse.read_parquet(task.done, ["image_id"]).num_rows)
    rows = task.warehouse.read_parquet(task.todo)
    left = list(zip(*(rows[c].to_pylist() for c in ("shard", "offset", "length")), strict=True))
    right = list(zip(*(rows[c].to_pylist() for c in ("other_shard", "other_offset", "other_length")), strict=True))
    stored = _read(task.warehouse, sorted({*left, *right}))

    @lru_cache(_DECODED)
    def cut(place: Place) -> Cutout | BadImage | None:
        try:
            return prepare(decode(stored[place]).pixels)
        except BadImage as bad:
            return bad

    verdicts = [_verdict(cut(a), cut(b)) for a, b in zip(left, right, strict=True)]
    judged = pa.Table.from_pylist(verdicts, pa.schema([schema.arrow("compared_pairs").field(n) for n in _MEASURED]))
    columns = {**{n: rows[n] for n in _PLACES[:4]}, **{n: judged[n] for n in _MEASURED}}
    columns["compare_version"] = pa.array([_version()] * rows.num_rows)
    target = schema.arrow("compared_pairs")
    table = pa.Table.from_arrays([columns[f.name] for f in target], schema=target)
    task.warehouse.write_parquet(task.done, table, target)
    return int(rows.num_rows)


Place = tuple[str, int, int]
_MEASURED = ("verdict", "correlation", "seen")


def _read(warehouse: Warehouse, places: Sequence[Place]) -> dict[Place, bytes]:
    """Bytes of images by shard, offset and length; each shard is opened once."""
    found = {}
    for shard, there in itertools.groupby(places, key=lambda place: place[0]):
        with warehouse.open(shard) as stream:
            for place in there:
                stream.seek(place[1])
                found[place] = stream.read(place[2])
    return found


def _verdict(a: Cutout | BadImage | None, b: Cutout | BadImage | None) -> dict[str, object]:
    """Columns of ``compared_pairs`` for two pictures; one that can't be decoded is for a person."""
    if isinstance(a, BadImage) or isinstance(b, BadImage):
        return {"verdict": "unsure", "correlation": None, "seen": ["not_readable"]}
    found = compare_cutouts(a, b)
    seen = {"inverted": found.inverted, "turned": found.turned != "0", "rescaled": abs(found.scale - 1) > _SAME_SIZE}
    words = [word for word, so in seen.items() if so]
    return {"verdict": found.verdict, "correlation": round(float(found.correlation), 6), "seen": words}


#: Decision of a person -> verdict.
_DECIDED = {"same": "same", "not_same": "different"}

_JUDGED = """
    select image_id, other_image_id, contribution_id, other_contribution_id, pair_kind, hamming_distance, correlation,
           coalesce(decision, verdict) as verdict, list_concat(evidence, seen) as evidence,
           case when decision is null then 'machine' else 'person' end as decided_by
    from proposed join read_parquet('{compared}') as compared using (image_id, other_image_id)
         left join decisions using (image_id, other_image_id)
    order by image_id, other_image_id"""


def _decisions(decided: Sequence[DuplicateDecision]) -> pa.Table:
    rows = [(*sorted((d.image_id, d.other_image_id)), _DECIDED[d.decision]) for d in decided]
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)] or [pa.array([], pa.string())] * 3
    return pa.table(columns, names=[*_IDS, "decision"])


def group(pairs: pa.Table) -> pa.Table:
    """Groups of images that pairs connect, as ``near_groups``; each is named by its smallest image id."""
    one, other = (pairs[name].to_numpy(zero_copy_only=False).astype(str) for name in _IDS)
    ids, codes = np.unique(np.concatenate([one, other]), return_inverse=True)
    a, b = codes[: len(one)], codes[len(one) :]
    count, component = connected_components(coo_array((np.ones(len(a), np.int8), (a, b)), (len(ids), len(ids))))
    first = np.full(count, len(ids))
    np.minimum.at(first, component, np.arange(len(ids)))  # ids are sorted, so the smallest code is the smallest id
    owner = np.empty(len(ids), object)
    owner[a] = owner[b] = pairs["contribution_id"].to_numpy(zero_copy_only=False)
    target = schema.arrow("near_groups")
    columns = {"image_id": ids, "near_group": ids[first[component]], "contribution_id": owner}
    return pa.Table.from_arrays([pa.array(columns[f.name].tolist(), f.type) for f in target], schema=target)
