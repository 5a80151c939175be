"""What a publication rests on: the signed form's evidence, reviews, sign-offs, and how DOIs are registered."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from aqqua_dataset.registry.credit import Record, Slug, Text

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Form(Record):
    """The signed form behind a contribution; the form itself stays in the private archive.

    Attributes:
        text_version: version of the wording that was signed.
        signer: the person who signed.
        authority: why the signer may speak for the owners, where the signer is none of them.
        sha256: SHA-256 of the archived form, so that it can be proved to be the one that was signed.
    """

    text_version: Text
    signer: Slug
    authority: Text | None = None
    sha256: Sha256


class PositionReview(Record):
    """Whether positions may be public as they are: protected sites, military areas, another state's waters.

    Attributes:
        state: ``none`` nobody has a reason to object, ``cleared`` there was one and it was settled, ``open`` it wasn't.
        by, date: who looked, and when.
        note: what was found and how it was settled.
    """

    state: Literal["none", "cleared", "open"]
    by: Slug
    date: dt.date
    note: Text | None = None


class SignOff(Record):
    """One person's word that a built release may be published: one row of ``sign_offs.csv``.

    Attributes:
        version: version of the release.
        manifest_sha256: ``manifest_sha256`` of its RELEASED.json; another build needs another word.
        person: id of the person.
        date: the day.
    """

    version: Text
    manifest_sha256: Sha256
    person: Slug
    date: dt.date


class DoiSystem(Record):
    """One of DataCite's two systems, each with its own account and prefix; secrets stand in the environment.

    Attributes:
        prefix: the account's prefix in this system, such as 10.5072.
        api: address of the REST API.
        user_env, password_env: names of the environment variables with the account's name and password.
    """

    prefix: Text
    api: Text
    user_env: Text
    password_env: Text


class DoiPart(Record):
    """A part of the dataset with a DOI of its own, where a host takes no more than so much in one record.

    Attributes:
        doi: its DOI, under the same prefix as the dataset's.
        title: what stands behind the dataset's title.
        url: its landing page at the host that holds it.
        contributions, instruments: ids of what it holds; one of the two.
    """

    doi: Text
    title: Text
    url: Text
    contributions: tuple[Slug, ...] = ()
    instruments: tuple[Text, ...] = ()


class DoiSettings(Record):
    """How the dataset's DOIs are registered; the DOI of the present major version is ``dataset.doi``.

    Attributes:
        concept: DOI of all versions together.
        earlier: DOIs of earlier major versions, the newest first.
        data_paper: DOI of the paper that describes the dataset.
        software: DOI of the software that made it.
        parts: parts of the present major version with DOIs of their own; no image is in two.
        test, production: the two systems; without ``production`` nothing can be registered there.
    """

    concept: Text | None = None
    earlier: tuple[Text, ...] = ()
    data_paper: Text | None = None
    software: Text | None = None
    parts: tuple[DoiPart, ...] = ()
    test: DoiSystem | None = None
    production: DoiSystem | None = None


class ProgressPolicy(Record):
    """What the public progress site may show of positions before they are published.

    Attributes:
        cell_deg: size of a cell of the map in degrees.
        coarse_cell_deg: size of the cells that take in what a small cell may not show.
        fewest_images, fewest_contributions: what a small cell must hold of one class of instruments to be shown.
    """

    cell_deg: Literal[1, 2, 3, 5, 10] = 1
    coarse_cell_deg: Literal[5, 10, 15, 30] = 5
    fewest_images: Annotated[int, Field(ge=1)] = 100
    fewest_contributions: Annotated[int, Field(ge=1)] = 2

    @model_validator(mode="after")
    def _small_cells_fill_a_coarse_one(self) -> "ProgressPolicy":
        if self.coarse_cell_deg % self.cell_deg:
            raise ValueError("coarse_cell_deg must be a multiple of cell_deg")
        return self


class EarlierTotal(Record):
    """Images of an instrument that the project counted before this software did: one row of ``progress_earlier.csv``.

    Attributes:
        day: last day that the count holds for.
        label: the instrument as the project's earlier page called it.
        images: how many.
    """

    day: dt.date
    label: Text
    images: Annotated[int, Field(ge=0)]
