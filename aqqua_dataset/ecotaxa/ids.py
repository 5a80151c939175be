"""EcoTaxa's numbers before and after June 2026, kept beside each pull so that older copies find their objects.

In June 2026 EcoTaxa gave every object, sample and acquisition a new number, and a few projects as well. The server
translates old numbers; it may not do so for ever, so the answers are kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from aqqua_dataset.ecotaxa.client import EcoTaxa
from aqqua_dataset.ecotaxa.snapshot import IMAGES, Pulls
from aqqua_dataset.registry.bridges import COLUMNS
from aqqua_dataset.warehouse import Warehouse

#: File of a pull that holds them, in the form of the registry's bridge.csv.
BRIDGE = "migrated_ids.csv"

_AT_ONCE = 5_000


@dataclass(frozen=True)
class Renumbered:
    """Objects that the pull before knew by another number.

    Attributes:
        told: whose new number the server told.
        untold: that are gone, or whose number the server doesn't know.
    """

    told: int
    untold: int


def keep_migrated_ids(client: EcoTaxa, pulls: Pulls, since: str, stamp: str) -> Renumbered:
    """Asks for the new number of every object that the earlier pull has and the new one doesn't, and keeps the answers.

    Args:
        client: asks.
        pulls: both pulls.
        since: the earlier one.
        stamp: the new one, beside which the answers are kept.
    """
    told, old = 0, _gone(pulls, since, stamp)
    with pulls.store.create(pulls.path(stamp, BRIDGE)) as stream:
        stream.write((",".join(COLUMNS) + "\n").encode())
        for start in range(0, len(old), _AT_ONCE):
            found = client.migrated_ids("objects", old[start : start + _AT_ONCE])
            told += len(found)
            stream.write("".join(_lines(found.items())).encode())
    return Renumbered(told, len(old) - told)


def _lines(pairs: Iterable[tuple[int, int]]) -> Iterable[str]:
    return (f"ecotaxa_object,{old},ecotaxa_object,{new}\n" for old, new in sorted(pairs))


def _gone(pulls: Pulls, since: str, stamp: str) -> list[int]:
    store: Warehouse = pulls.store
    with store.connect() as connection:
        found = connection.execute(
            "select distinct objid from read_parquet(?) where objid is not null "
            "except select objid from read_parquet(?) order by 1",
            [store.url(pulls.path(since, IMAGES)), store.url(pulls.path(stamp, IMAGES))],
        ).fetchall()
    return [int(number) for (number,) in found]
