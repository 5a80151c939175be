"""An open release and selections of its images by SQL; reads nothing but what is asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa

from aqqua_dataset.findings import Finding, Refused
from aqqua_dataset.images.decode import Pixels
from aqqua_dataset.images.read import ReleaseReader, StoredImage
from aqqua_dataset.warehouse import Warehouse

if TYPE_CHECKING:
    from aqqua_dataset.reader.stream import ImageStream

#: What every streamed row holds beside the columns asked for.
PLACE = ("image_id", "contribution_id", "image_format", "image_sha256", "shard", "offset", "length")

_NOT_UNDERSTOOD = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.InvalidInputException,
)


class SelectionRefused(Refused):
    """The condition isn't one that the release's tables can answer."""

    what = "the selection"


class OpenRelease:
    """A release on a local disk, a web server or an object store."""

    def __init__(self, url: str, storage_options: dict[str, Any] | None = None, cache: Path | None = None) -> None:
        """See ``aqqua_dataset.open_release``."""
        self.warehouse = Warehouse(url, storage_options)
        self._reader = ReleaseReader(self.warehouse, "", cache)
        self._given = (url, storage_options, cache)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to other processes as a place."""
        return OpenRelease, self._given

    @property
    def facts(self) -> dict[str, Any]:
        """What RELEASED.json says: version, view, date, rehearsal, images, manifest_sha256."""
        return self._reader.sealed

    @property
    def version(self) -> str:
        """Version of the release; a rehearsal's ends in ``-rehearsal``."""
        return str(self.facts["version"])

    def __len__(self) -> int:
        """Images in the release."""
        return int(self.facts["images"])

    def __contains__(self, image_id: str) -> bool:
        """Whether the release holds an image."""
        return image_id in self._reader

    @cached_property
    def columns(self) -> list[str]:
        """Columns that selections can ask for; the data dictionary says what they mean."""
        return self.warehouse.parquet_columns(self.tables[0]) if self.tables else []

    @cached_property
    def tables(self) -> list[str]:
        """Paths of the tables of images, one per shard."""
        return [p for p in self.files() if p.startswith("metadata/")]

    def files(self) -> list[str]:
        """Paths of all files of the release."""
        return self._reader.files()

    def text(self, path: str) -> str:
        """A document of the release, such as LICENSE, ATTRIBUTION.md or data-dictionary.md."""
        with self.warehouse.open(path) as stream:
            return stream.read().decode("utf-8")

    def read(self, image_id: str) -> bytes:
        """File of an image, by one range read; raises KeyError. The first call makes or fetches an index."""
        return self._reader.read(image_id)

    def pixels(self, image_id: str) -> Pixels:
        """Pixels of an image, by one range read; see ``StoredImage.pixels``."""
        return StoredImage(self.read(image_id), {}).pixels()

    def image(self, image_id: str) -> StoredImage:
        """An image with its row, compared with its SHA-256; raises KeyError. Makes no index; some milliseconds."""
        return self._reader.image(image_id)

    def select(self, where: str = "true") -> "Selection":
        """The images that a condition in DuckDB's SQL holds for.

        Args:
            where: for example ``instrument_family = 'uvp' and depth_min_m < 100``.

        Raises:
            SelectionRefused: the condition is no SQL, or names a column that isn't there.
        """
        return Selection(self, where)


class Selection:
    """Images of a release by their metadata; asked again each time, so it costs no memory."""

    def __init__(self, release: OpenRelease, where: str) -> None:
        """See ``OpenRelease.select``."""
        self.release, self.where = release, where
        if not where.strip():
            raise SelectionRefused([self._finding("the condition is empty")])
        with self.connect() as connection, self._understood():
            self.query(connection, release.tables[:1], "1", "limit 1").fetchall()  # evaluates it

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB session in which times are UTC."""
        with self.release.warehouse.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            yield connection

    def query(
        self, connection: duckdb.DuckDBPyConnection, tables: Sequence[str], columns: str, rest: str = ""
    ) -> duckdb.DuckDBPyRelation:
        """Runs ``select columns from the tables' chosen images rest``; raises SelectionRefused."""
        text = self.sql(tables, columns, rest)
        with self._understood():
            if len(connection.extract_statements(text)) != 1:
                raise SelectionRefused([self._finding("more than one statement")])
            return connection.sql(text)

    def sql(self, tables: Sequence[str], columns: str, rest: str = "") -> str:
        """The query as text; without parameters, for DuckDB holds the whole answer to a query that has some."""
        if not tables:
            raise SelectionRefused([Finding("selection_empty", "error", "the release holds no image")])
        urls = ", ".join(literal(self.release.warehouse.url(t)) for t in tables)
        source = f"(select * from read_parquet([{urls}], hive_partitioning = false))"
        # A comment at the end of the condition mustn't hide the bracket.
        return f"select {columns} from {source} as images where ({self.where}\n) {rest}"

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except _NOT_UNDERSTOOD as error:
            raise SelectionRefused([self._finding(str(error).strip().splitlines()[0])]) from None

    def _finding(self, message: str) -> Finding:
        expected = "expected a condition in SQL over the columns of the data dictionary"
        return Finding("selection_condition", "error", f"{message}; {expected}", value=self.where)

    def __len__(self) -> int:
        """How many images were chosen."""
        with self.connect() as connection:
            counted = self.query(connection, self.release.tables, "count(*)").fetchall()
        return int(counted[0][0])

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of the chosen images as Arrow, sorted by image id.

        Args:
            columns: which; default: all.
        """
        with self.connect() as connection:
            wanted = "*" if columns is None else quoted(columns)
            return self.query(connection, self.release.tables, wanted, "order by image_id").to_arrow_table()

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The same as a data frame."""
        return self.table(columns).to_pandas()

    def stream(self, columns: Sequence[str] = (), **options: Any) -> "ImageStream":
        """The chosen images one after the other; options as of ``ImageStream``."""
        from aqqua_dataset.reader.stream import ImageStream

        return ImageStream(self, columns, **options)


def quoted(columns: Sequence[str]) -> str:
    """Names of columns as SQL."""
    return ", ".join('"' + c.replace('"', '""') + '"' for c in columns)


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"
