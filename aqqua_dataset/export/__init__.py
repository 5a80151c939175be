"""Selections of a release in the formats that users' tools read: one module a format, each with ``write``.

Every export streams, verifies each image, and carries the licence, the attribution and the credited contributions of
exactly the images that are in it. Nothing is decoded but for the AqQua Data Format, and no pixel is changed.
"""

from types import MappingProxyType

#: Format -> module with a ``CONDITION`` and ``write(selection, target, **options)``, which returns how to read it.
FORMATS = MappingProxyType(
    {
        "aqqua": "aqqua_dataset.export.aqqua",
        "huggingface": "aqqua_dataset.export.huggingface",
        "webdataset": "aqqua_dataset.export.webdataset",
        "ecotaxa": "aqqua_dataset.export.ecotaxa",
        "dwca": "aqqua_dataset.export.dwca",
    }
)
