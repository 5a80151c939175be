"""What each pull brought, dated and hashed, and what changed since the one before.

``<delivery>/`` holds the newest pull, which the reader reads; ``<delivery>.pulls/<time>/`` holds each pull with its
list of images and ``manifest.json``, which is written last and makes it count. A pull that brought the same bytes
again leaves the delivery untouched, so that nothing is read again.
"""

import csv
import datetime as dt
import posixpath
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aqqua_dataset.ecotaxa.export import text_batches
from aqqua_dataset.ecotaxa.staging import Staging, carry, open_zip
from aqqua_dataset.sources.ecotaxa import TELLING
from aqqua_dataset.warehouse import Warehouse

MANIFEST, IMAGES = "manifest.json", "images.parquet"

_SETTLED = "settled.json"

#: One row per image: what a later pull is compared by. ``crc`` is that of the image file, null where it is missing.
IMAGE_SCHEMA = pa.schema(
    [
        ("object_id", pa.string()), ("objid", pa.int64()), ("rank", pa.string()), ("file", pa.string()),
        ("label", pa.string()), ("status", pa.string()), ("place", pa.string()), ("crc", pa.uint32()),
    ]
)  # fmt: skip
_PLACE = ("object_lat", "object_lon", "object_date", "object_time", "object_depth_min", "object_depth_max")
_NULL = pa.scalar(None, pa.string())
_TOLD = ("object_id", "img_file_name", "img_rank", "object_annotation_category", "object_annotation_status", "objid")


@dataclass(frozen=True)
class Changes:
    """Objects by what happened to them since the pull before, told apart by their object id.

    Attributes:
        added: that weren't there.
        removed: that are gone.
        relabelled: with another label or another state of it.
        moved: with another position, depth or time.
        pictured: with other images.
        renumbered: with another number of EcoTaxa's (objid); June 2026 renumbered all.
    """

    added: int = 0
    removed: int = 0
    relabelled: int = 0
    moved: int = 0
    pictured: int = 0
    renumbered: int = 0

    def __str__(self) -> str:
        """In words, what didn't happen left out."""
        return ", ".join(f"{n:,} {what}" for what, n in asdict(self).items() if n) or "nothing changed"


@dataclass(frozen=True)
class Pull:
    """One finished pull, as its manifest says it.

    Attributes:
        stamp: when, in UTC; the name of its folder.
        project: EcoTaxa's id of the project.
        way: ``export`` or ``windows``.
        objects: distinct object ids.
        images: image files.
        missing: images that EcoTaxa names but doesn't give.
        files: SHA-256 of each file of the delivery.
        same_as: the earlier pull that brought the same bytes and holds them, or "".
        since: the pull that ``changes`` counts from, or "" for the first.
    """

    stamp: str
    project: int
    way: str
    objects: int
    images: int
    missing: int
    files: dict[str, str]
    same_as: str = ""
    since: str = ""
    changes: Changes = field(default_factory=Changes)


class Pulls:
    """All pulls of one delivery."""

    def __init__(self, location: str, options: dict[str, Any]) -> None:
        """``location`` is the full path or URL of the delivery's folder; ``options`` are fsspec's."""
        root, _, self.name = location.rstrip("/").rpartition("/")
        self.store = Warehouse(root, options)
        self._beside = f"{self.name}.pulls"

    def path(self, stamp: str, name: str) -> str:
        """A file of one pull, in the store."""
        return f"{self._beside}/{stamp}/{name}"

    def newest(self) -> Pull | None:
        """The newest finished pull."""
        for stamp in reversed(self.store.names(self._beside)):
            told = self.store.read_json(self.path(stamp, MANIFEST))
            if told is not None:
                return Pull(**{**told, "changes": Changes(**told["changes"])})
        return None

    def commit(
        self, staging: Staging, project: int, beside: dict[str, Any], now: dt.datetime,
        compared: Callable[[Pull], None],
    ) -> Pull:  # fmt: skip
        """Takes a staged pull over and makes it the delivery.

        Args:
            staging: with all parts.
            project: EcoTaxa's id.
            beside: further JSON files of the pull by name.
            now: when.
            compared: called with the pull before it counts, where there was one before.
        """
        before = self.newest()
        stamp = f"{now.astimezone(dt.UTC):%Y-%m-%dT%H%M%SZ}"
        files = {n: carry(staging.warehouse, staging.path(n), self.store, self.path(stamp, n)) for n in staging.parts()}
        same = before is not None and before.files == files
        self.store.write_parquet(self.path(stamp, IMAGES), self._images(stamp, list(files)), IMAGE_SCHEMA)
        objects, images, missing = self._count(stamp)
        for name, value in beside.items():
            self.store.write_json(self.path(stamp, name), value)
        pull = Pull(
            stamp, project, str(staging.state["way"]), objects, images, missing, files,
            (before.same_as or before.stamp) if same and before else "",
            before.stamp if before else "", self._compare(before.stamp, stamp) if before else Changes(),
        )  # fmt: skip
        if same:
            for name in files:
                self.store.remove(self.path(stamp, name))
        if before:
            compared(pull)
        self.store.write_json(self.path(stamp, MANIFEST), asdict(pull))
        self.settle()
        return pull

    def settle(self) -> None:
        """Brings the delivery to what the newest pull holds; a pull that was stopped while it did so is mended."""
        pull = self.newest()
        if pull is None:
            return
        holder = pull.same_as or pull.stamp
        there, settled = self.store.sizes(self.name), self.path(holder, _SETTLED)
        lacking = [n for n in pull.files if there.get(f"{self.name}/{n}") != self.store.size(self.path(holder, n))]
        if not lacking and self.store.exists(settled):
            return
        for name in pull.files:
            self.store.copy(self.path(holder, name), f"{self.name}/{name}")
        for path in there:
            name = posixpath.basename(path)
            if name not in pull.files and name.startswith(f"ecotaxa_{pull.project}") and name.endswith(".zip"):
                self.store.remove(path)
        self.store.write_json(settled, {"files": len(pull.files)})

    def _images(self, stamp: str, parts: list[str]) -> Iterator[pa.RecordBatch]:
        for part in parts:
            with open_zip(self.store, [self.path(stamp, part)]) as archive:
                infos = archive.infolist()
                names = pa.array([i.filename for i in infos], pa.string())
                checks = pa.array(np.fromiter((i.CRC for i in infos), "u4", len(infos)))
                for info in infos:
                    if TELLING.fullmatch(posixpath.basename(info.filename)):
                        yield from _rows(archive, info, names, checks)

    def _count(self, stamp: str) -> tuple[int, int, int]:
        with self.store.connect() as connection:
            found = connection.execute(
                "select count(distinct object_id), count(crc), count(*) - count(crc) from read_parquet(?)",
                [self.store.url(self.path(stamp, IMAGES))],
            ).fetchone()
        assert found is not None
        return int(found[0]), int(found[1]), int(found[2])

    def _compare(self, before: str, now: str) -> Changes:
        with self.store.connect() as connection:
            for name, stamp in (("old", before), ("new", now)):
                _objects(connection, name, self.store.url(self.path(stamp, IMAGES)))
            found = connection.execute(_CHANGES).fetchone()
        assert found is not None
        return Changes(*map(int, found))


def _rows(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, names: pa.Array, checks: pa.Array
) -> Iterator[pa.RecordBatch]:
    """Rows of one table of a part, each with the checksum of its image."""
    folder = posixpath.dirname(info.filename)
    with archive.open(info) as stream:
        header = next(csv.reader([stream.readline().decode("utf-8-sig")], delimiter="\t"), [])
        kept = [n for n in header if n in (*_TOLD, *_PLACE)]
        for batch in text_batches(stream, header, kept):
            cells = {
                n: batch.column(n) if n in kept else pa.nulls(batch.num_rows, pa.string()) for n in (*_TOLD, *_PLACE)
            }
            files = (
                pc.binary_join_element_wise(folder, cells["img_file_name"], "/") if folder else cells["img_file_name"]
            )
            place = pc.binary_join_element_wise(*(cells[n] for n in _PLACE), "|", null_handling="replace")
            number = pc.if_else(pc.equal(cells["objid"], ""), _NULL, cells["objid"]).cast(pa.int64())
            yield pa.record_batch(
                [
                    cells["object_id"], number, cells["img_rank"], cells["img_file_name"],
                    cells["object_annotation_category"], cells["object_annotation_status"], place,
                    pc.take(checks, pc.index_in(files, names)),
                ],
                schema=IMAGE_SCHEMA,
            )  # fmt: skip


def _objects(connection: duckdb.DuckDBPyConnection, name: str, images: str) -> None:
    connection.execute(
        f"""create temp table {name} as select object_id, min(objid) as objid, min(label) as label,
        min(status) as status, min(place) as place,
        list_sort(list(rank || ':' || coalesce(crc::varchar, ''))) as pictures
        from read_parquet('{images.replace("'", "''")}') where object_id <> '' group by object_id"""
    )


_CHANGES = """
select count(*) filter (old.object_id is null), count(*) filter (new.object_id is null),
    count(*) filter (b and (old.label is distinct from new.label or old.status is distinct from new.status)),
    count(*) filter (b and old.place is distinct from new.place),
    count(*) filter (b and old.pictures is distinct from new.pictures),
    count(*) filter (b and old.objid is distinct from new.objid)
from (select old, new, old.object_id is not null and new.object_id is not null as b
    from old full join new on old.object_id = new.object_id)
"""
