"""LICENSE: what a release may be used for, and the whole text of the licence.

The text is ``cc-by-nc-4.0.txt``, Creative Commons' own plain text; it is dedicated to the public domain under CC0.
"""

import functools
from pathlib import Path

from aqqua_dataset.registry.models import Settings
from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.release.facts import ReleaseFacts

NAME = "Creative Commons Attribution-NonCommercial 4.0 International"

#: For pages and cards of the internal view.
INTERNAL = (
    "This is the internal view, for the members of the project only. Nothing in it is licensed to anybody else; "
    "until the public release every contribution is under its own terms (column interim_terms of attribution.csv)."
)
#: For pages and cards of a rehearsal.
REHEARSAL = "REHEARSAL. This is not a release and grants no licence. Do not cite it."


@functools.cache
def legal_code() -> str:
    """The full text of CC BY-NC 4.0."""
    return (Path(__file__).parent / "cc-by-nc-4.0.txt").read_text(encoding="utf-8")


def licence_file(settings: Settings, facts: ReleaseFacts) -> str:
    """The licence with a notice in front of it; where nothing is licensed it says so, and what is to come."""
    name = f"{NAME} ({settings.licence_spdx})"
    if grants_licence(facts):
        return f"""NOTICE for release {facts.version}
SPDX-License-Identifier: {settings.licence_spdx}

{name}
{settings.licence_url}

You may copy, share and adapt the images and their metadata, but not for commercial purposes, that is
not for uses primarily intended for or directed towards commercial advantage or monetary compensation.
You must credit the contributions you use, link to the licence and say what you changed. Whom to credit
stands in attribution.csv, by the contribution ids of every image. There is no warranty. The legal code
below is the licence; these lines only explain it.

Items marked otherwise keep their own licence: images of contributions whose permission_type in
attribution.csv is public_licence are under the licence named there (licence_spdx, licence_url), which
then holds in place of the one below. The column license of the images' metadata says it for each image.

{legal_code()}"""
    what = "This is a rehearsal and not a release." if facts.rehearsal else "This is the internal view."
    return f"""{facts.mark}{facts.view} view, version {facts.version}

{what} Nothing in it is licensed to anybody.

The public release, from {settings.release_date.isoformat()} on, will be under
{name}
{settings.licence_url}
which does not allow commercial use. Until then every contribution is under its own terms
(column interim_terms of attribution.csv).
"""
