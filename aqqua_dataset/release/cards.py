"""The pages that come with a release: README, LICENSE, CITATION.cff."""

from collections.abc import Sequence

import yaml

from aqqua_dataset.registry.models import Registry, Settings
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import Author, AuthorList


def citation_cff(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> str:
    """A Citation File Format 1.2.0 file: core team and consortium."""
    dataset = registry.settings.dataset
    card = {
        "cff-version": "1.2.0",
        "message": facts.mark + "If you use this data set, please cite it and credit the contributions you use.",
        "title": facts.mark + dataset.title,
        "abstract": dataset.description,
        "type": "dataset",
        "authors": [*(_cff_person(a, authors) for a in authors.core), {"name": dataset.consortium}],
        "version": facts.version,
        "date-released": facts.date.isoformat(),
        "license": registry.settings.licence_spdx,
        "url": dataset.url,
        "keywords": list(dataset.keywords) or ["plankton"],
    }
    if dataset.doi and not facts.rehearsal:
        card["doi"] = dataset.doi
    return yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=100)


def _cff_person(author: Author, authors: AuthorList) -> dict[str, str]:
    person = author.person
    found = {
        "family-names": person.family,
        "given-names": person.given,
        "name-particle": person.particle,
        "name-suffix": person.suffix,
        "orcid": f"https://orcid.org/{person.orcid.rsplit('/', 1)[-1]}" if person.orcid else None,
        "affiliation": "; ".join(authors.institutions[n - 1].name for n in author.affiliations),
    }
    return {k: v for k, v in found.items() if v}


def licence_file(settings: Settings, facts: ReleaseFacts) -> str:
    """What the release may be used for, and where the licence's text stands."""
    if facts.rehearsal:
        return (
            f"REHEARSAL {facts.version}\n\nThis is not a release. Nothing in it is licensed to anybody; its images may\n"
            f"be public under {settings.licence_spdx} from {settings.release_date.isoformat()} on.\n"
        )
    return (
        f"Release {facts.version}\nSPDX-License-Identifier: {settings.licence_spdx}\n\n"
        "Creative Commons Attribution-NonCommercial 4.0 International\n"
        f"{settings.licence_url}\n\n"
        "You may use, share and adapt the images and their metadata for purposes that are not primarily\n"
        "intended for or directed towards commercial advantage, if you credit the contributions you use.\n"
        "Whom to credit stands in attribution.csv, by the contribution_id of every image.\n"
    )


def readme_card(
    registry: Registry,
    facts: ReleaseFacts,
    authors: AuthorList,
    ledger: Sequence[dict[str, object]],
) -> str:
    """The README of a release, for those who train models with it."""
    dataset = registry.settings.dataset
    names = [*(f"{a.family}, {a.person.given}" for a in authors.core), dataset.consortium]
    cite = f"{'; '.join(names)} ({facts.date.year}): {dataset.title}. Version {facts.version}. {dataset.publisher}."
    pattern = "shard-00000.rehearsal.tar" if facts.rehearsal else "shard-00000.tar"
    by_instrument = "\n".join(f"| {name} | {count:,} |" for name, count in facts.instruments.items())
    by_contribution = "\n".join(
        f"| {r['contribution_id']} | {r['declared']:,} | {r['accepted']:,} | {r['published']:,} |" for r in ledger
    )
    warning = "\n> **REHEARSAL. This is not a release and grants no licence.**\n" if facts.rehearsal else ""
    return f"""# {facts.mark}{dataset.title}
{warning}
{dataset.description}

Version {facts.version}, {facts.date.isoformat()}, view `{facts.view}`: {facts.image_count:,} images in {facts.image_bytes:,} bytes
of archives. Home: {dataset.url}

## Licence and credit

{registry.settings.licence_spdx}: not for commercial use, and with credit to the contributions you use. Every image row
has a `contribution_id` and `credited_contributions`; `attribution.csv` says whom that means. See `LICENSE`.

Please cite: {cite}

## Images

| instrument | images |
|---|---:|
{by_instrument}

| contribution | declared | usable | published |
|---|---:|---:|---:|
{by_contribution}

## Files

| path | what |
|---|---|
| `images/contribution=<id>/{pattern}` | images, uncompressed tar, one `<image_id>.png` or `.jpg` each |
| `metadata/contribution=<id>/part-00000.parquet` | one row per image: scale, instrument, time, position, depth, label, shard, offset, length |
| `verbatim/contribution=<id>/part-00000.parquet` | the delivered columns of the same images as text, without personal data |
| `duplicates.parquet` | delivered images that an equal image stands for |
| `attribution.csv`, `.parquet`, `ATTRIBUTION.md` | whom to credit |
| `authors/` | authors and data provider consortium |
| `ledger.csv`, `.parquet` | every contribution counted from declared to published |
| `data-dictionary.md` | every column: unit, range, terms, meaning |
| `datacite.json`, `datacite.xml`, `CITATION.cff` | records for machines |
| `manifest-sha256.txt` | check with `sha256sum -c manifest-sha256.txt` |
| `RELEASED.json` | written last; a folder without it is not complete |

## Reading it

```python
import duckdb
duckdb.sql("select instrument_id, count(*) from 'metadata/*/*.parquet' group by all")

import pandas
images = pandas.read_parquet("metadata")

import webdataset  # streams the archives
samples = webdataset.WebDataset("images/contribution=<id>/{pattern}", shardshuffle=False).decode("pil")

import datasets
table = datasets.load_dataset("parquet", data_files="metadata/*/*.parquet", split="train")

# one image with one range read
row = images.iloc[0]
with open(row["shard"], "rb") as shard:
    shard.seek(row["offset"])
    data = shard.read(row["length"])
```
"""
