"""Writes one export; says in words what is missing."""

import importlib
from typing import Any

from aqqua_dataset.export import FORMATS
from aqqua_dataset.export.folder import ExportRefused
from aqqua_dataset.export.target import Exported, Target
from aqqua_dataset.findings import Finding
from aqqua_dataset.reader.release import Selection
from aqqua_dataset.warehouse import Warehouse


def export(selection: Selection, name: str, to: Warehouse, **options: Any) -> Exported:
    """Writes the chosen images into an empty folder.

    Args:
        selection: the images.
        name: one of ``FORMATS``.
        to: the folder; its ``EXPORTED.json`` is written last.
        options: of the format, such as ``axes`` of ``aqqua``.

    Raises:
        ExportRefused: the folder isn't empty, nothing was chosen, or the format needs a package that isn't there.
        OSError: an image of the release is damaged.
    """
    try:
        module = importlib.import_module(FORMATS[name])
    except ModuleNotFoundError as error:
        message = f"the format {name} needs {error.name}; install aqqua-dataset[export]"
        raise ExportRefused([Finding("export_package_missing", "error", message)]) from None
    if module.CONDITION != "true":
        selection = selection.release.select(f"({selection.where}\n) and {module.CONDITION}")
    target = Target(selection, to)
    return target.finish(name, module.write(selection, target, **options))
