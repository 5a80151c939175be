"""A folder that an export or a sample is written to: hashed as it is written, complete with its checksums."""

import csv
import datetime as dt
import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aqqua_dataset.checksums import is_one_of_many, write_manifest, write_parts
from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.reader.release import OpenRelease, Selection
from aqqua_dataset.release.attribution import attribution_markdown, grants_licence
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.warehouse import Warehouse


class ExportRefused(Refused):
    """Nothing was written, for a reason that the user can change."""

    what = "the export"


class Folder:
    """An empty folder to write to; every file is hashed as it is written."""

    def __init__(self, release: OpenRelease, warehouse: Warehouse) -> None:
        """Looks that the folder is empty; raises ExportRefused."""
        self.release, self.warehouse = release, warehouse
        self.digests: dict[str, str] = {}
        if warehouse.find(""):
            message = "the folder isn't empty; name another one, or empty it after a run that was stopped"
            raise ExportRefused([Finding("export_folder", "error", message, file=warehouse.url(""))])

    @contextmanager
    def create(self, path: str) -> Iterator[IO[bytes]]:
        """A file to write from front to back."""
        digest = hashlib.sha256()
        with self.warehouse.create(path, digest) as stream:
            yield stream
        self.digests[path] = digest.hexdigest()

    @contextmanager
    def parquet(self, path: str, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
        """A Parquet file to write, marked with the release's version."""
        marked = schema.with_metadata((schema.metadata or {}) | {b"release": self.release.version.encode()})
        with (
            self.create(path) as stream,
            pq.ParquetWriter(stream, marked, compression="zstd", write_page_checksum=True) as writer,
        ):
            yield writer

    def write_text(self, path: str, text: str) -> None:
        """Writes a small file."""
        with self.create(path) as stream:
            stream.write(text.encode())

    def take_over(self, path: str) -> None:
        """Copies a file of the release."""
        with self.release.warehouse.open(path) as found, self.create(path) as stream:
            shutil.copyfileobj(found, stream)

    def write_attribution(self, credited: dict[str, int]) -> None:
        """Writes whom to credit, as CSV, Parquet and Markdown.

        Args:
            credited: images by contribution; no other contribution is named.
        """
        table = self.release.warehouse.read_parquet("attribution.parquet")
        chosen = table.filter(pc.is_in(table["contribution_id"], pa.array(credited, pa.string())))
        counts = pa.array([credited[c] for c in chosen["contribution_id"].to_pylist()], pa.int64())
        place = chosen.schema.get_field_index("images_credited")
        chosen = chosen.set_column(place, chosen.schema.field(place), counts)
        rows: list[dict[str, Any]] = chosen.to_pylist()
        stream = io.StringIO()
        writer = csv.DictWriter(stream, chosen.column_names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.write_text("attribution.csv", stream.getvalue())
        self.write_text("ATTRIBUTION.md", attribution_markdown(rows, release_facts(self.release)))
        with self.parquet("attribution.parquet", chosen.schema) as parquet:
            parquet.write_table(chosen)

    def write_manifest(self, title: str) -> str:
        """Writes the checksums of all files as ``sha256sum --check`` reads them; returns their own SHA-256."""
        text = f"# {title}\n" + "".join(f"{self.digests[p]}  {p}\n" for p in sorted(self.digests))
        self.warehouse.write_bytes("manifest-sha256.txt", text.encode())
        return hashlib.sha256(text.encode()).hexdigest()

    def seal(self, title: str) -> str:
        """Writes the checksums in two levels, as a release has them; returns the upper one's SHA-256."""
        many = {path: digest for path, digest in self.digests.items() if is_one_of_many(path)}
        documents = {path: digest for path, digest in self.digests.items() if path not in many}
        return write_manifest(self.warehouse, "", documents | write_parts(self.warehouse, "", many, title), title)

    def size(self) -> int:
        """Bytes of all files in the folder."""
        return sum(map(self.warehouse.size, self.warehouse.find("")))


def release_facts(release: OpenRelease) -> ReleaseFacts:
    """What a release says of itself, without its counts."""
    facts = release.facts
    date = dt.date.fromisoformat(facts["date"])
    return ReleaseFacts(facts["version"], facts["view"], date, facts["rehearsal"], {}, {}, 0, None, None, None)


def granted_licence(release: OpenRelease) -> tuple[str, str] | None:
    """SPDX id and address of the licence; None where the release grants none (a rehearsal, the internal view)."""
    if not grants_licence(release_facts(release)):
        return None
    (granted,) = json.loads(release.text("datacite.json"))["rightsList"]
    return granted["rightsIdentifier"].upper(), granted["rightsUri"]  # DataCite keeps SPDX ids in small letters


def item_licences(release: OpenRelease) -> dict[str, str]:
    """Address of the licence of each contribution's images: not all are under that of the release."""
    told = release.warehouse.read_parquet("attribution.parquet", ["contribution_id", "licence_url"]).to_pylist()
    return {row["contribution_id"]: row["licence_url"] for row in told}


def credited_images(selection: Selection, tables: Sequence[str]) -> dict[str, int]:
    """Chosen images of some tables by credited contribution, sorted by id."""
    with selection.connect() as connection:
        each = selection.query(connection, tables, "unnest(credited_contributions) as contribution")
        return dict(each.aggregate("contribution, count(*)").order("contribution").fetchall())
