"""The word to a contributor that their project was downloaded and that access may be taken back now.

A pull notes what it brought; the contributor reads of it in the next message (see ``messages``).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aqqua_dataset.ecotaxa.snapshot import Pull
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.privacy import blot
from aqqua_dataset.warehouse import Warehouse

DOWNLOADS = "messages/downloads"


@dataclass(frozen=True)
class Download:
    """A finished pull that brought something new, as its contributor is told of it."""

    project: int
    title: str
    stamp: str
    objects: int
    images: int
    missing: int
    changes: str

    def text(self) -> str:
        """The message's paragraphs."""
        missing = f" {self.missing:,} images that its tables name could not be had." if self.missing else ""
        changed = f" Since our last download: {self.changes}." if self.changes else ""
        return (
            f'Our download of "{self.title}" (EcoTaxa project {self.project}) of {self.stamp[:10]} is complete: '
            f"{self.objects:,} objects with {self.images:,} images.{missing}{changed} You may now take back the access "
            'that you gave to our EcoTaxa account: open the project in EcoTaxa, choose "Edit project settings", and '
            "remove the account from the list of users; or, for several projects at once: "
            f"aqqua ecotaxa share --projects {self.project} --revoke. Taking back the access is normal and changes "
            "nothing about your contribution. It does not withdraw your permission; if that is what you want, please "
            "write to us. If you go on sorting and would like us to have your newer labels, leave the access as it is."
        )


def note_download(collection: Collection, contribution: str, pull: Pull, settings: Mapping[str, Any]) -> str:
    """Notes a pull for the next message and returns the note's path; "" for one that brought nothing new."""
    if pull.same_as:
        return ""
    title = blot(str(settings.get("title") or f"project {pull.project}"))
    changes = str(pull.changes) if pull.since else ""
    done = Download(pull.project, title, pull.stamp, pull.objects, pull.images, pull.missing, changes)
    path = f"{DOWNLOADS}/{contribution}.json"
    collection.warehouse.write_json(path, asdict(done))
    return path


def downloads(warehouse: Warehouse) -> dict[str, Download]:
    """The newest note of each contribution."""
    names = [n.removesuffix(".json") for n in warehouse.names(DOWNLOADS) if n.endswith(".json")]
    return {name: Download(**warehouse.read_json(f"{DOWNLOADS}/{name}.json")) for name in names}
