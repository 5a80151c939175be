"""Instruments that no vocabulary knows: what waits for a person, with counts."""

from dataclasses import dataclass

from aqqua_dataset.pipeline import Collection
from aqqua_dataset.progress.ledger import quarantine_parts


@dataclass(frozen=True)
class UnknownInstrument:
    """One spelling that is no instrument of the vocabulary: how many images wait for it, in which contributions."""

    spelling: str
    images: int
    contributions: tuple[str, ...]


def unknown_instruments(collection: Collection) -> list[UnknownInstrument]:
    """The spellings that images are in quarantine for, commonest first.

    Each is answered by one entry under ``instrument_aliases`` in the registry's settings.yaml, or by a new row of
    schemas/vocabularies/instruments.csv; the images then return by themselves.
    """
    parts = [p for key in sorted(collection.registry.contributions) for p in quarantine_parts(collection, key)]
    if not parts:
        return []
    with collection.warehouse.connect() as connection:
        rows = connection.sql(
            """select value, count(distinct image_id) as images, list_sort(list_distinct(list(contribution_id)))
               from read_parquet($parts) where reason = 'instrument_unknown' and value is not null
               group by value order by images desc, value""",
            params={"parts": [collection.warehouse.url(p) for p in parts]},
        ).fetchall()
    return [UnknownInstrument(value, images, tuple(names)) for value, images, names in rows]
