"""Parts for training, validation and testing that never have one haul, bin or picture on both sides.

A unit is a haul, bin or event of a contribution; where none was delivered, its acquisition, else the images of one day
and place. Units are joined where a copy of an image lies in another one, and where near duplicates do. All that is
joined goes to one part, by a hash of its smallest unit: the same in every run, whatever the order of arrival.
"""

import hashlib
import json

import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.dedup import fingerprints
from aqqua_dataset.dedup.components import connect_components
from aqqua_dataset.dedup.exact import PAIRS, UNIT_LINKS
from aqqua_dataset.pipeline import Collection

TABLE = "dedup/splits.parquet"
#: Near duplicates within a contribution (image_id, near_group); written by the stage that compares.
NEAR_GROUPS = "dedup/near_groups.parquet"

#: Share of the groups of units in each part, in percent.
SHARES = {"train": 80, "validation": 10, "test": 10}

#: A group with more than this share of all images goes to ``train``: it would be too large for any other part.
LARGEST = 0.1

_MANIFEST = "dedup/splits.json"

VERSION = 1


def write_splits(collection: Collection) -> int:
    """Writes the table ``splits`` over all living contributions; returns its rows.

    The duplicates must be up to date. Nothing is done when fingerprints, duplicates and near groups are unchanged.
    """
    warehouse = collection.warehouse
    made = fingerprints.present(collection)
    links = [path for path in (UNIT_LINKS, NEAR_GROUPS, PAIRS) if warehouse.exists(path)]
    told = [VERSION, SHARES, LARGEST, made, {path: warehouse.sha256(path) for path in links}]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    before = warehouse.read_json(_MANIFEST)
    if before is not None and before["key"] == key:
        return int(before["rows"])
    files = [warehouse.url(p) for m in made for p in fingerprints.files_between(m, "images", 0, 1)]
    target = schema.arrow("splits")
    with warehouse.connect() as connection:
        if files:
            connection.execute(f"create temp view prints as from read_parquet({files!r})")
        else:
            connection.register("prints", schema.arrow("fingerprints").empty_table())
        connection.execute(
            """create temp table units as
               select contribution_id, unit_key, count(*) as split_images from prints group by all;
               create temp table edges as select distinct unit_key as a, unit_key as b from units"""
        )
        for path in links:
            connection.execute(f"insert into edges {_EDGES[path]}", {"table": warehouse.url(path)})
        connect_components(connection, "edges", "unit_groups")
        rows = warehouse.write_parquet(TABLE, connection.sql(_split_of_groups()).to_arrow_reader(), target)
    warehouse.write_json(_MANIFEST, {"key": key, "rows": rows})
    return rows


_EDGES = {
    UNIT_LINKS: "from read_parquet($table)",
    NEAR_GROUPS: """
        select distinct min(unit_key) over (partition by contribution_id, near_group), unit_key
        from prints join (select image_id, near_group from read_parquet($table)) using (image_id)""",
    PAIRS: """
        select distinct one.unit_key, other.unit_key
        from (select image_id, other_image_id from read_parquet($table) where verdict = 'same') as pairs
             join prints as one on one.image_id = pairs.image_id
             join prints as other on other.image_id = pairs.other_image_id""",
}


def _split_of_groups() -> str:
    """The split of every unit; the hash is MD5 because it is the same everywhere and for ever."""
    cases, limit = "", 0
    for name, share in list(SHARES.items())[:-1]:
        limit += share
        cases += f" when md5_number_lower(component::varchar) % 100 < {limit} then '{name}'"
    return f"""
        with sizes as (
            select units.*, component, sum(split_images) over (partition by component) as images,
                   sum(split_images) over () as total
            from units join unit_groups on node = unit_key
        )
        select contribution_id, unit_key, component as unit_group, split_images,
               case when images > {LARGEST} * total then 'train'{cases} else '{list(SHARES)[-1]}' end as split
        from sizes order by contribution_id, unit_key"""


def split_counts(collection: Collection) -> pa.Table:
    """Units, groups of units, and images of each part."""
    with collection.warehouse.connect() as connection:
        return connection.sql(
            """select split, count(*) as units, count(distinct unit_group) as groups,
                      sum(split_images)::bigint as images
               from read_parquet($table) group by split order by split""",
            params={"table": collection.warehouse.url(TABLE)},
        ).to_arrow_table()
