"""The ledger: every image of every contribution is in exactly one end state.

declared = received + missing; received = accepted + rejected; accepted = unique + duplicate;
unique = permitted + withheld; permitted = published.
"""

from collections.abc import Iterable, Mapping

import duckdb
import pandas as pd
import pyarrow as pa

from aqqua_dataset import schema
from aqqua_dataset.dedup import exact
from aqqua_dataset.findings import Finding
from aqqua_dataset.harmonise.instrument import instrument_id
from aqqua_dataset.harmonise.rows import to_arrow
from aqqua_dataset.pipeline import Collection, Stage, manifest
from aqqua_dataset.release.gate import ReleaseRequest, withheld_reason

TABLE = "ledger/ledger.parquet"
STAGES_THAT_REJECT: tuple[Stage, ...] = ("core", "images")

_IDENTITIES = (
    ("declared", ("received", "missing")),
    ("received", ("accepted", "rejected")),
    ("accepted", ("unique", "duplicate")),
    ("unique", ("permitted", "withheld")),
    ("permitted", ("published",)),
)


def imbalances(ledger: pa.Table) -> list[Finding]:
    """A finding for every identity that a contribution breaks; none means the ledger balances."""
    findings = []
    for row in ledger.to_pylist():
        for whole, parts in _IDENTITIES:
            total = sum(row[p] for p in parts)
            if row[whole] != total:
                message = f"{whole} is {row[whole]}, but {' + '.join(parts)} is {total}"
                findings.append(Finding("ledger_imbalance", "error", message, row["contribution_id"]))
    return findings


def count(collection: Collection, request: ReleaseRequest, published: dict[str, int] | None = None) -> pa.Table:
    """Counts every contribution for a view.

    Args:
        collection: registry and warehouse.
        request: the release whose terms decide what is permitted.
        published: images per contribution counted in the release's own files; when None (no release
            yet) what is permitted stands for it.
    """
    with collection.warehouse.connect() as connection:
        ids = sorted(collection.registry.contributions)
        exact.create_images_view(connection, exact.usable_images(collection, ids))
        if collection.warehouse.exists(exact.TABLE):
            url = collection.warehouse.url(exact.TABLE)
            connection.execute(f"create temp view duplicates as from read_parquet({url!r})")
        else:
            connection.execute("create temp table duplicates as select '' image_id, '' kept_image_id limit 0")
        stricter = stricter_terms(collection, request)
        connection.register("stricter", pd.DataFrame(stricter, columns=["contribution_id", "reason"], dtype="str"))
        counted = connection.sql(COUNTS).df().set_index("contribution_id")
        absent = _missing_images(connection, collection, ids)
    rows = [_row(collection, request, contribution, counted, published, absent) for contribution in ids]
    return to_arrow(pd.DataFrame(rows, columns=schema.arrow("ledger").names), "ledger")


#: Single images that are withheld: the strictest terms of all who delivered a picture win, and an inferred unit of
#: the pixel size waits until the owner has confirmed it.
WITHHELD_IMAGES = """
    select kept_image_id as image_id, 'stricter terms of another holder' as why
    from (select image_id, kept_image_id from duplicates) join usable using (image_id)
         join stricter using (contribution_id) group by kept_image_id
    union
    select image_id, 'inferred unit of the pixel size not confirmed' from usable where unit_unconfirmed
"""

COUNTS = f"""
    with held as (select image_id, min(why) as why from ({WITHHELD_IMAGES}) group by image_id)
    select usable.contribution_id, mode(instrument_id order by instrument_id) as instrument, count(*) as accepted,
           count(*) filter (duplicates.image_id is not null) as duplicate,
           count(*) filter (duplicates.image_id is null and held.image_id is not null) as held,
           min(held.why) filter (duplicates.image_id is null) as why_held,
           count(*) filter (qc_level >= 3) as flagged
    from usable left join duplicates using (image_id) left join held on held.image_id = usable.image_id
    group by usable.contribution_id
"""


def stricter_terms(collection: Collection, request: ReleaseRequest) -> list[tuple[str, str]]:
    """Contributions whose terms also bind other holders of the same picture; a withdrawal binds only itself."""
    found = []
    for contribution in collection.registry.contributions.values():
        reason = withheld_reason(collection.registry, contribution, request)
        if reason is not None and not contribution.revoked:
            found.append((contribution.id, reason))
    return found


def _row(
    collection: Collection, request: ReleaseRequest, contribution_id: str, counted: pd.DataFrame,
    published: dict[str, int] | None, absent: Mapping[str, int],
) -> dict[str, object]:  # fmt: skip
    contribution = collection.registry.contributions[contribution_id]
    here = counted.loc[contribution_id] if contribution_id in counted.index else None
    accepted = 0 if here is None else int(here["accepted"])
    duplicate = 0 if here is None or contribution.revoked else int(here["duplicate"])
    reason = withheld_reason(collection.registry, contribution, request)
    unique = accepted - duplicate
    held = 0 if here is None else int(here["held"])
    withheld = unique if reason is not None else held
    permitted = unique - withheld
    told = [*contribution.expected_instruments, contribution.declared.instrument]
    return {
        "contribution_id": contribution_id,
        "state": contribution.state,
        "instrument": next(filter(None, map(instrument_id, told)), None) if here is None else here["instrument"],
        **_arrival(collection, contribution_id, accepted, absent.get(contribution_id, 0)),
        "duplicate": duplicate,
        "unique": unique,
        "withheld": withheld,
        "permitted": permitted,
        "published": permitted if published is None else published.get(contribution_id, 0),
        "flagged": 0 if here is None else int(here["flagged"]),
        "withheld_reason": reason or (None if here is None or not held else here["why_held"]),
    }


def arrival(collection: Collection, contribution_id: str, accepted: int) -> dict[str, int]:
    """The first two identities of one contribution: declared, missing, received, rejected, accepted."""
    with collection.warehouse.connect() as connection:
        absent = _missing_images(connection, collection, [contribution_id])
    return _arrival(collection, contribution_id, accepted, absent.get(contribution_id, 0))


def _arrival(collection: Collection, contribution_id: str, accepted: int, absent: int) -> dict[str, int]:
    listed = manifest(collection.warehouse, contribution_id, "rows")
    rows = 0 if listed is None else int(listed["numbers"]["rows"])
    declared = max(rows, collection.registry.contributions[contribution_id].expected_images or 0)
    return {
        "declared": declared,
        "missing": declared - rows + absent,
        "received": rows - absent,
        "rejected": rows - absent - accepted,
        "accepted": accepted,
    }


def _missing_images(
    connection: duckdb.DuckDBPyConnection, collection: Collection, contributions: Iterable[str]
) -> dict[str, int]:
    """Images whose file isn't there, by contribution, in one query: a session for each of thousands takes minutes."""
    parts = [collection.warehouse.url(p) for key in contributions for p in quarantine_parts(collection, key)]
    if not parts:
        return {}
    counted = connection.sql(
        """select contribution_id, count(distinct image_id) from read_parquet($parts)
           where reason = 'image_missing' group by contribution_id""",
        params={"parts": parts},
    )
    return dict(counted.fetchall())


def quarantine_parts(collection: Collection, contribution: str) -> list[str]:
    """Warehouse paths of a contribution's quarantine tables, of both stages that reject."""
    paths = []
    for stage in STAGES_THAT_REJECT:
        found = manifest(collection.warehouse, contribution, stage)
        if found is not None:
            paths += [f"{found['folder']}/rejected-{part:05d}.parquet" for part in range(len(found["parts"]))]
    return paths
