"""The pages that come with a release: README, LICENSE, CITATION.cff."""

from collections.abc import Sequence

import yaml

from aqqua_dataset.registry.models import Registry, Settings
from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import Author, AuthorList, orcid_url

_INTERNAL = (
    "This is the internal view, for the members of the project only. Nothing in it is licensed to anybody else; "
    "until the public release every contribution is under its own terms (column interim_terms of attribution.csv)."
)


def citation_cff(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> str:
    """A Citation File Format 1.2.0 file: core team and consortium."""
    settings, dataset = registry.settings, registry.settings.dataset
    note = f" {_INTERNAL}" if facts.view == "internal" else ""
    card = {
        "cff-version": "1.2.0",
        "message": f"{facts.mark}If you use this data set, please cite it and credit the contributions you use.{note}",
        "title": facts.mark + dataset.title,
        "abstract": facts.mark + dataset.description,
        "type": "dataset",
        "authors": [*(_cff_person(a, authors) for a in authors.core), {"name": dataset.consortium}],
        "version": facts.version,
        "date-released": facts.date.isoformat(),
        "license": settings.licence_spdx if facts.view == "public" else None,
        "url": dataset.url,
        "keywords": list(dict.fromkeys(dataset.keywords)),
        "doi": dataset.doi if grants_licence(facts) else None,
    }
    return str(yaml.safe_dump({k: v for k, v in card.items() if v}, sort_keys=False, allow_unicode=True, width=100))


def _cff_person(author: Author, authors: AuthorList) -> dict[str, str]:
    person = author.person
    found = {
        "family-names": person.family,
        "given-names": person.given,
        "name-particle": person.particle,
        "name-suffix": person.suffix,
        "orcid": orcid_url(person.orcid),
        "affiliation": "; ".join(i.name for i in authors.affiliations(author)),
    }
    return {k: v for k, v in found.items() if v}


def licence_file(settings: Settings, facts: ReleaseFacts) -> str:
    """What the release may be used for, and where the licence's text stands."""
    name = f"Creative Commons Attribution-NonCommercial 4.0 International ({settings.licence_spdx})"
    if grants_licence(facts):
        return f"""Release {facts.version}
SPDX-License-Identifier: {settings.licence_spdx}

{name}
{settings.licence_url}

You may copy, share and adapt the images and their metadata, but not for commercial purposes, that is
not for uses primarily intended for or directed towards commercial advantage or monetary compensation.
You must credit the contributions you use, link to the licence and say what you changed. Whom to credit
stands in attribution.csv, by the contribution ids of every image. There is no warranty. The text at the
address above is the licence; these lines only explain it.

Images of contributions whose permission_type in attribution.csv is public_licence keep the licence named
there (licence_spdx, licence_url), which then holds in place of the one above.
"""
    what = "This is a rehearsal and not a release." if facts.rehearsal else "This is the internal view."
    return f"""{facts.mark}{facts.view} view, version {facts.version}

{what} Nothing in it is licensed to anybody.

The public release, from {settings.release_date.isoformat()} on, will be under
{name}
{settings.licence_url}
which does not allow commercial use. Until then every contribution is under its own terms
(column interim_terms of attribution.csv).
"""


def readme_card(
    registry: Registry,
    facts: ReleaseFacts,
    authors: AuthorList,
    ledger_rows: Sequence[dict[str, object]],
) -> str:
    """The README of a release, for those who train models with it.

    Args:
        registry: the whole registry.
        facts: the release.
        authors: who is cited.
        ledger_rows: rows of the ``ledger`` table, one per contribution.
    """
    dataset = registry.settings.dataset
    sections = (
        f"# {facts.mark}{dataset.title}",
        *(
            ("> **REHEARSAL. This is not a release and grants no licence. Do not cite it.**",)
            if facts.rehearsal
            else ()
        ),
        *((f"> {_INTERNAL}",) if facts.view == "internal" else ()),
        dataset.description,
        f"Version {facts.version}, {facts.date.isoformat()}, view `{facts.view}`: {facts.image_count:,} images in "
        f"{facts.image_bytes:,} bytes of archives. Home and contact: {dataset.url}",
        _licence_and_credit(registry, facts, authors),
        _counts(facts, ledger_rows),
        _files(facts),
        _READING,
        _CHECKING,
    )
    return "\n\n".join(s.strip() for s in sections) + "\n"


def _licence_and_credit(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> str:
    settings, dataset = registry.settings, registry.settings.dataset
    names = "; ".join([*(f"{a.family}, {a.person.given}" for a in authors.core), dataset.consortium])
    doi = f" https://doi.org/{dataset.doi}" if dataset.doi and grants_licence(facts) else ""
    cite = (
        f"{names} ({settings.release_date.year}): {facts.mark}{dataset.title}. Version {facts.version}. "
        f"{dataset.publisher}.{doi}"
    )
    when = "" if grants_licence(facts) else f", of the public release from {settings.release_date.isoformat()} on"
    return f"""## Licence and credit

[{settings.licence_spdx}]({settings.licence_url}){when}: not for commercial use, and with credit to the contributions
you use. Every image row has a `contribution_id` and `credited_contributions` (who else delivered the same image);
`attribution.csv` says in which words to credit them, and which papers they ask you to cite. See `LICENSE`.

Please cite: {cite}"""


def _counts(facts: ReleaseFacts, ledger_rows: Sequence[dict[str, object]]) -> str:
    by_instrument = "\n".join(f"| {name} | {count:,} |" for name, count in sorted(facts.instruments.items()))
    rows = sorted(ledger_rows, key=lambda r: str(r["contribution_id"]))
    by_contribution = "\n".join(
        f"| {r['contribution_id']} | {r['declared']:,} | {r['accepted']:,} | {r['published']:,} |" for r in rows
    )
    return f"""## Images

| instrument | images |
|---|---:|
{by_instrument}

| contribution | declared | usable | published |
|---|---:|---:|---:|
{by_contribution}

Fewer images are published than usable where another contribution holds an equal image, or where terms do not allow
it; `ledger.csv` counts every image to its end."""


def _files(facts: ReleaseFacts) -> str:
    shard = "shard-00000.rehearsal.tar" if facts.rehearsal else "shard-00000.tar"
    return f"""## Files

| path | what |
|---|---|
| `images/contribution=<id>/{shard}` | images: uncompressed ustar archives, one `<image_id>.png` or `.jpg` each |
| `metadata/contribution=<id>/part-00000.parquet` | one row per image: scale, instrument, time, position, depth, label, and where it lies: `shard`, `offset`, `length` (bytes), `image_sha256` |
| `verbatim/contribution=<id>/part-00000.parquet` | the delivered columns of the same images as text, without personal data |
| `duplicates.parquet` | delivered images that an equal image stands for |
| `attribution.csv`, `attribution.parquet`, `ATTRIBUTION.md` | whom to credit; `contributions/<id>.html` is a page for each |
| `authors/authors.csv`, `authors/authors.md`, `authors/authors.jats.xml`, `authors/latex/` | authors and data provider consortium, for reading and for manuscripts |
| `authors/references.bib`, `authors/acknowledgements.txt`, `authors/funding.csv` | papers to cite, thanks, grants |
| `authors/author_list_snapshot.json` | the frozen list that all of `authors/` is made from |
| `ledger.csv`, `ledger.parquet` | every contribution counted from declared to published |
| `data-dictionary.md` | every column: unit, range, terms, meaning |
| `datacite.json`, `datacite.xml`, `CITATION.cff` | records for machines |
| `LICENSE` | what you may do |
| `manifest-sha256.txt` | SHA-256 of every file |
| `RELEASED.json` | written last; a folder without it is not complete |"""


_READING = """## Reading it

In the folder of this file:

```python
import glob

import datasets
import duckdb
import pandas
import webdataset

# count, choose, join: without loading everything
duckdb.sql("select instrument_id, count(*) as images from 'metadata/*/*.parquet' group by all").show()

# some columns of the metadata as a frame
images = pandas.read_parquet("metadata", columns=["image_id", "pixel_size_um", "shard", "offset", "length"])

# stream all archives for training; shuffle and split the list of shards as you need
samples = webdataset.WebDataset(sorted(glob.glob("images/*/*.tar")), shardshuffle=False).decode("pil")

# metadata as a Hugging Face data set
table = datasets.load_dataset("parquet", data_files="metadata/*/*.parquet", split="train")

# one image by its id: one range read
row = images.set_index("image_id").loc[images["image_id"].iloc[0]]
with open(row["shard"], "rb") as shard:
    shard.seek(row["offset"])
    data = shard.read(row["length"])
```
"""

_CHECKING = """## Checking it

```sh
sha256sum --check --quiet manifest-sha256.txt   # macOS: shasum -a 256 --check --quiet manifest-sha256.txt
```

`RELEASED.json` holds the SHA-256 of `manifest-sha256.txt` itself.
"""
