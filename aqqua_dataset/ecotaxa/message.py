"""The word to a contributor that their project was downloaded and that access may be taken back now.

A text file in the warehouse's ``outbox/``; sending it is somebody else's matter. It holds no address: who sends it
looks that up in the registry's private contacts.
"""

from collections.abc import Mapping
from typing import Any

from aqqua_dataset.ecotaxa.snapshot import Pull
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.privacy import blot

OUTBOX = "outbox"


def write_message(collection: Collection, contribution: str, pull: Pull, settings: Mapping[str, Any]) -> str:
    """Writes the message and returns its path in the warehouse; one that brought nothing new says nothing."""
    if pull.same_as:
        return ""
    path = f"{OUTBOX}/{contribution}-{pull.stamp}.txt"
    collection.warehouse.write_bytes(path, message(collection, contribution, pull, settings).encode())
    return path


def message(collection: Collection, contribution: str, pull: Pull, settings: Mapping[str, Any]) -> str:
    """The message's text."""
    registry = collection.registry
    told = registry.contributions[contribution]
    owners = [
        f"{registry.people[o].given} {registry.people[o].family}".strip() for o in told.owners if o in registry.people
    ]
    title = blot(str(settings.get("title") or f"project {pull.project}"))
    changed = f"\nSince our last download: {pull.changes}.\n" if pull.since else ""
    missing = f" {pull.missing:,} images that its tables name could not be had." if pull.missing else ""
    return f"""To: {", ".join(owners)} (contribution {contribution})
Subject: Your EcoTaxa project {pull.project} was downloaded

Dear {", ".join(owners)},

thank you for sharing "{title}" (EcoTaxa project {pull.project}). Our download of
{pull.stamp[:10]} is complete: {pull.objects:,} objects with {pull.images:,} images.{missing}
{changed}
You may now take back the access that you gave to our EcoTaxa account: open the project in EcoTaxa, choose
"Edit project settings", and remove the account from the list of users; or, for several projects at once,

    aqqua ecotaxa share --projects {pull.project} --revoke

Taking back the access is normal and changes nothing about your contribution. It does not withdraw your permission;
if that is what you want, please write to us.

If you go on sorting and would like us to have your newer labels, leave the access as it is: we look again before
the release.

A report on what we understood of your data follows separately.

{registry.settings.dataset.consortium}
{registry.settings.dataset.contact_url or registry.settings.dataset.url}
"""
