"""From thousands of plankton image contributions to one citable, attributable, revocable dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aqqua_dataset.reader.release import OpenRelease

__version__ = "0.1.0"


def open_release(url: str, storage_options: dict[str, Any] | None = None, cache: Path | None = None) -> "OpenRelease":
    """Opens a published release to choose, read and stream its images.

    Args:
        url: folder of the release: a local path, ``https://…`` or ``s3://…``.
        storage_options: options for fsspec, such as ``endpoint_url`` of an S3 store.
        cache: folder of the index that finds images by id; default: in the user's cache folder.

    Raises:
        FileNotFoundError: no complete release lies there.
    """
    from aqqua_dataset.reader.release import OpenRelease  # what it needs takes a second to load

    return OpenRelease(url, storage_options, cache)
