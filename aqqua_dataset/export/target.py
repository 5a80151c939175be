"""An export: what travels with every format, how images are shared out to files, and the file that says it is whole."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from aqqua_dataset.export.folder import ExportRefused, Folder, credited_images, release_facts
from aqqua_dataset.findings import Finding
from aqqua_dataset.reader.release import Selection
from aqqua_dataset.reader.stream import Run, read_runs
from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.warehouse import Warehouse

#: Columns that tell where an image lies in the release: its place in an export is another.
PLACES = ("shard", "offset", "length")

_COPIED = ("LICENSE", "CITATION.cff", "data-dictionary.md")


@dataclass(frozen=True)
class Exported:
    """What was written: images, files with the size of all of them in bytes, contributions to credit."""

    images: int
    files: int
    size: int
    credited: tuple[str, ...]


class Target(Folder):
    """The folder of an export, and what was chosen for it."""

    def __init__(self, selection: Selection, warehouse: Warehouse) -> None:
        """Looks that something was chosen and that the folder is empty; raises ExportRefused."""
        super().__init__(selection.release, warehouse)
        self.selection = selection
        self.credited = credited_images(selection, selection.release.tables)
        if not self.credited:
            raise ExportRefused([Finding("selection_empty", "error", "no image was chosen", value=selection.where)])

    @property
    def stem(self) -> str:
        """Beginning of file names, which tells a rehearsal and the internal view apart."""
        return f"aqqua-{self.release.version}" + ("-internal" if self.release.facts["view"] == "internal" else "")

    @cached_property
    def fields(self) -> list[pa.Field]:
        """Columns of the metadata that every export carries, with their types."""
        with self.selection.connect() as connection:
            table = self.selection.query(connection, self.release.tables[:1], "*", "limit 0").to_arrow_table()
        return [f for f in table.schema if f.name not in PLACES]

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return [f.name for f in self.fields]

    def runs(self, columns: str = "") -> Iterator[Run]:
        """The chosen images, verified, in the order of the release; see ``read_runs``."""
        return read_runs(self.selection, self.release.tables, columns)

    def finish(self, name: str, reading: str) -> Exported:
        """Writes what travels with every export, the checksums, and ``EXPORTED.json``.

        Args:
            name: of the format.
            reading: how to read it, as Markdown; may begin with a YAML block, which then begins the README.
        """
        images = len(self.selection)
        for path in _COPIED:
            self.take_over(path)
        self.write_attribution(self.credited)
        self.write_text("README.md", self._readme(name, reading, images))
        facts = {
            "format": name,
            "images": images,
            "where": self.selection.where,
            "release": self.release.facts,
            "manifest_sha256": self.write_manifest(f"AqQua export ({name}), release {self.release.version}"),
        }
        self.warehouse.write_json("EXPORTED.json", facts)
        return Exported(images, len(self.warehouse.find("")), self.size(), tuple(self.credited))

    def _readme(self, name: str, reading: str, images: int) -> str:
        head, body = "", reading.strip()
        if body.startswith("---\n"):
            head, _, body = body[4:].partition("\n---\n")
            head = f"---\n{head}\n---\n\n"
        facts = release_facts(self.release)
        licence = "see `LICENSE`" if grants_licence(facts) else "nothing is licensed to anybody, see `LICENSE`"
        return f"""{head}# {facts.mark}AqQua plankton images: a selection as {name}

{images:,} images of release {facts.version}, view `{facts.view}`, chosen by

```sql
{self.selection.where}
```

Licence: {licence}.
Credit the contributions in `ATTRIBUTION.md` (`attribution.csv` as a table); which of them stand behind an image says
its `credited_contributions`. Cite the data set as `CITATION.cff` says. Columns are explained in
`data-dictionary.md`. Pixels are those of the release. `EXPORTED.json` was written last: without it the folder is
incomplete. `sha256sum --check --quiet manifest-sha256.txt` compares every file.

{body.strip()}
"""


def in_files(
    runs: Iterator[Run], limit: int, size: Callable[[Run], int], by_contribution: bool = False
) -> Iterator[tuple[int, Iterator[Run]]]:
    """Shares runs out to files: number of a file, from 0, and its runs; take them in turn.

    Args:
        runs: in order.
        limit: bytes of a file, by ``size``; a single larger run gets its own.
        size: bytes of a run.
        by_contribution: a file holds images of one contribution only.
    """

    def numbered() -> Iterator[tuple[int, Run]]:
        number, held, before = 0, 0, None
        for run in runs:
            contribution = run.rows["contribution_id"][0].as_py()
            if held and (held + size(run) > limit or (by_contribution and contribution != before)):
                number, held = number + 1, 0
            held, before = held + size(run), contribution
            yield number, run

    for number, group in itertools.groupby(numbered(), key=lambda pair: pair[0]):
        yield number, (run for _, run in group)


def stored_size(run: Run) -> int:
    """Bytes of a run's image files."""
    return sum(map(len, run.images))


def as_json(columns: list[str], name: str) -> str:
    """SQL for columns as one JSON text."""
    fields = ", ".join(f"'{c}': \"{c}\"" for c in columns)
    return f"to_json({{{fields}}}) as {name}"
