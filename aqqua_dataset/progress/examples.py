"""Examples for a person to look at: images in quarantine and images with a flag, by contribution.

One row per contribution and reason (or flag), with the place of one example and a few of the pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aqqua_dataset import schema
from aqqua_dataset.pipeline import Collection, manifest
from aqqua_dataset.progress.ledger import quarantine_parts
from aqqua_dataset.report.thumbnails import small
from aqqua_dataset.stage_tables import table_paths

#: Pictures of one row, and their longer side in pixels; every byte of them is kept with each run of a check.
PICTURES, SIDE_PX = 3, 48
_SEVERITIES = ("fail", "suspect")

#: Rows of quarantine tables (``$parts``), one per image: with several reasons, the first of ``$order``.
_ONE_EACH = """
    from read_parquet($parts)
    qualify row_number() over (partition by image_id order by list_position($order, reason), "column") = 1
"""


@dataclass(frozen=True)
class Picture:
    """A small picture: its bytes and their media type."""

    data: bytes
    media_type: str


@dataclass(frozen=True)
class Example:
    """Images of one contribution that share a reason or a flag.

    Attributes:
        contribution: its id.
        kind: the reason of quarantine, or the flag.
        severity: ``quarantine``, ``fail`` or ``suspect``.
        images: how many images there are.
        found: value of the first of them as delivered, with its column; "" for flags.
        expected: what would have been right, or what the flag means.
        where: table and line, or the image file, of the first of them; "" for flags.
        action: what to do.
    """

    contribution: str
    kind: str
    severity: str
    images: int
    found: str
    expected: str
    where: str
    action: str


def quarantined(collection: Collection) -> list[Example]:
    """Every reason for quarantine of every contribution, most images first; an image counts once."""
    found: list[Example] = []
    action = schema.vocabulary("reasons.csv").set_index("reason")["action"].to_dict()
    for key in collection.registry.contributions:
        if not _rejected(collection, key):
            continue
        with collection.warehouse.connect() as connection:
            counted = connection.sql(
                f"""with one as ({_ONE_EACH})
                select reason, count(*) as images,
                    min_by(concat_ws(': ', nullif("column", ''), nullif(value, '')), image_id),
                    min_by(expected, image_id),
                    min_by(coalesce(source_table || coalesce(':' || source_line, ''), source_image_file, ''), image_id)
                from one group by reason""",
                params=_quarantine(collection, key),
            ).fetchall()
        found += [
            Example(key, reason, "quarantine", images, said or "", expected or "", where, action.get(reason, ""))
            for reason, images, said, expected, where in counted
        ]
    return sorted(found, key=lambda e: (-e.images, e.contribution, e.kind))


def flagged(collection: Collection) -> list[Example]:
    """Every flag of level fail or suspect of every contribution: failures first, then most images first."""
    flags: Mapping[str, Any] = schema.vocabulary("flags.csv").set_index("flag").to_dict("index")
    found = [
        Example(key, flag, told["severity"], count, "", told["meaning"], "", told["action"])
        for key in collection.registry.contributions
        for flag, count in (manifest(collection.warehouse, key, "quality") or {"numbers": {}})["numbers"].items()
        if (told := flags.get(flag)) and told["severity"] in _SEVERITIES
    ]
    return sorted(found, key=lambda e: (_SEVERITIES.index(e.severity), -e.images, e.contribution, e.kind))


def pictures(collection: Collection, example: Example) -> list[Picture]:
    """Small pictures of the first ``PICTURES`` of an example's images that are stored."""
    warehouse = collection.warehouse
    shards = [warehouse.url(p) for p in table_paths(warehouse, example.contribution, "shards")]
    if not shards:
        return []
    if example.severity == "quarantine":
        told = f"select image_id from ({_ONE_EACH}) where reason = $kind"
        params = _quarantine(collection, example.contribution)
    else:
        told = "select image_id from read_parquet($parts) where list_contains(qc_flags, $kind)"
        params = {"parts": [warehouse.url(p) for p in table_paths(warehouse, example.contribution, "quality")]}
    with warehouse.connect() as connection:
        rows = connection.sql(
            f"""select shard, "offset", "length" from read_parquet($shards) semi join ({told}) using (image_id)
            order by image_id limit {PICTURES}""",
            params={**params, "shards": shards, "kind": example.kind},
        ).fetchall()
    made = [small(warehouse.read_range(*place), SIDE_PX) for place in rows]
    return [Picture(data, media_type) for data, media_type, _, _ in made]


def _quarantine(collection: Collection, contribution: str) -> dict[str, list[str]]:
    """What ``_ONE_EACH`` asks for; a missing file counts before all else, then the order of reasons.csv."""
    parts = [collection.warehouse.url(p) for p in quarantine_parts(collection, contribution)]
    return {"parts": parts, "order": ["image_missing", *schema.vocabulary("reasons.csv")["reason"]]}


def _rejected(collection: Collection, contribution: str) -> bool:
    core, images = (manifest(collection.warehouse, contribution, stage) for stage in ("core", "images"))
    rejected = core is not None and core["numbers"]["rejected"] > 0
    return rejected or (images is not None and images["numbers"]["stored"] < images["numbers"]["listed"])
