"""``aqqua export`` and ``aqqua sample``: parts of a release in other formats, and a small release of the same kind."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from aqqua_dataset.config import Config
from aqqua_dataset.export import FORMATS

if TYPE_CHECKING:
    from aqqua_dataset.reader.release import OpenRelease

Add = Callable[[str, object, str], argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    """Adds the two commands to the command line."""
    export = add("export", _export, "write chosen images of a release in another format")
    export.add_argument("format", choices=list(FORMATS))
    export.add_argument("--where", default="true", help="condition in SQL over the columns of the data dictionary")
    export.add_argument(
        "--axes", choices=("YXS", "CYX"), help="order of a colour image's dimensions, of the format aqqua (YXS)"
    )
    sample = add("sample", _sample, "write a small release with images of every instrument and contribution")
    sample.add_argument("--gigabytes", type=float, default=1.0, help="size of all its files at most (default: 1)")
    for command in (export, sample):
        command.add_argument("--release", required=True, help="folder or URL of the release")
        command.add_argument("--to", required=True, help="empty folder or URL to write to")


def _opened(options: argparse.Namespace, config: Config) -> "OpenRelease":
    from aqqua_dataset import open_release
    from aqqua_dataset.findings import Finding, Refused

    try:
        return open_release(options.release, _storage(options.release, config))
    except FileNotFoundError as error:
        raise Refused([Finding("release_missing", "error", str(error))]) from None


def _storage(url: str, config: Config) -> dict[str, object]:
    """Options of the store that a URL lies in: those of the warehouse where it's of the same kind."""
    kind = url.partition("://")[0]
    return config.storage.warehouse if "://" in url and kind == str(config.warehouse).partition("://")[0] else {}


def _export(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.export.write import export
    from aqqua_dataset.warehouse import Warehouse

    given = {"axes": options.axes} if options.axes and options.format == "aqqua" else {}
    chosen = _opened(options, config).select(options.where)
    made = export(chosen, options.format, Warehouse(options.to, _storage(options.to, config)), **given)
    print(f"{made.images:,} images in {made.files:,} files, {made.size:,} bytes: {options.to}")
    print(f"credit {len(made.credited):,} contributions as ATTRIBUTION.md says")
    return 0


def _sample(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.export.sample import write_sample
    from aqqua_dataset.warehouse import Warehouse

    to = Warehouse(options.to, _storage(options.to, config))
    made = write_sample(_opened(options, config), to, int(options.gigabytes * 1e9))
    print(f"{made.images:,} images of {len(made.contributions):,} contributions, {made.size:,} bytes: {options.to}")
    return 0
