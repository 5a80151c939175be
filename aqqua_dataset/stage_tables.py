"""Which tables a contribution's stages have written, and where they lie."""

from collections.abc import Callable
from typing import Literal

from aqqua_dataset.images.pack import index_path
from aqqua_dataset.pipeline import Stage, core_path, manifest, quality_path
from aqqua_dataset.sources.rows import ids_path, part_path
from aqqua_dataset.warehouse import Warehouse

TableKind = Literal["rows", "ids", "core", "shards", "quality"]

#: Stage that writes a table, and the path of one part (or shard) of it inside the stage's folder.
TABLES: dict[TableKind, tuple[Stage, Callable[[str, int], str]]] = {
    "rows": ("rows", part_path),
    "ids": ("rows", ids_path),
    "core": ("core", core_path),
    "shards": ("images", index_path),
    "quality": ("quality", quality_path),
}


def table_paths(warehouse: Warehouse, contribution: str, kind: TableKind) -> list[str]:
    """Warehouse paths of all parts of a contribution's table, in order; none where its stage hasn't run."""
    stage, path = TABLES[kind]
    made = manifest(warehouse, contribution, stage)
    return [] if made is None else [path(made["folder"], part) for part in range(len(made["parts"]))]
