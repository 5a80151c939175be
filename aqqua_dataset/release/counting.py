"""Counts a release from its own tables."""

from collections.abc import Sequence

from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.gate import ReleaseRequest
from aqqua_dataset.warehouse import Warehouse


def count_release(
    warehouse: Warehouse, request: ReleaseRequest, tables: Sequence[str], images: dict[str, int], image_bytes: int
) -> ReleaseFacts:  # fmt: skip
    """What a release says of itself.

    Args:
        warehouse: where its tables lie.
        request: what was asked for.
        tables: paths of its tables of images.
        images: number of images per contribution.
        image_bytes: bytes of its archives.
    """
    instruments: dict[str, int] = {}
    box, first, last = None, None, None
    if tables:
        with warehouse.connect() as connection:
            source = {"tables": [warehouse.url(t) for t in tables]}
            instruments = dict(
                connection.sql(
                    "select instrument_id, count(*) from read_parquet($tables) group by 1 order by 1",
                    params=source,
                ).fetchall()
            )
            west, south, east, north, first, last = connection.sql(
                """select min(longitude), min(latitude), max(longitude), max(latitude),
                   min(datetime_utc at time zone 'UTC')::date, max(datetime_utc at time zone 'UTC')::date
                   from read_parquet($tables)""",
                params=source,
            ).fetchall()[0]
            box = (west, south, east, north)
    return ReleaseFacts(
        request.name, request.view, request.date, request.rehearsal, images, instruments, image_bytes, box, first, last
    )  # fmt: skip


def credited_images(warehouse: Warehouse, tables: Sequence[str]) -> dict[str, int]:
    """Published images by credited contribution, own ones and those another contribution's copy stands for."""
    if not tables:
        return {}
    with warehouse.connect() as connection:
        counted = connection.sql(
            """select contribution, count(*) from (
                   select unnest(credited_contributions) as contribution from read_parquet($tables)
               ) group by 1 order by 1""",
            params={"tables": [warehouse.url(t) for t in tables]},
        )
        return dict(counted.fetchall())
