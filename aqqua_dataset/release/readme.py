"""The README of a release, for those who train models with it; its head is that of a Hugging Face dataset card."""

import yaml

from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.release.citation import citation_sentence
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.legal import INTERNAL, REHEARSAL
from aqqua_dataset.release.people import AuthorList
from aqqua_dataset.release.sample import sample_archive
from aqqua_dataset.release.stats import Stats, instrument_names

#: Hugging Face's classes of size: below how many rows (huggingface.co/docs, dataset card metadata, 2026).
_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"),
)  # fmt: skip


def readme_card(
    registry: Registry, facts: ReleaseFacts, authors: AuthorList, stats: Stats, data_sha256: str
) -> str:  # fmt: skip
    """The README of a release.

    Args:
        registry: the whole registry.
        facts: the release.
        authors: who is cited.
        stats: its numbers.
        data_sha256: SHA-256 of ``manifest/parts-sha256.txt``, which stands for all images and tables.
    """
    dataset = registry.settings.dataset
    sections = (
        f"# {facts.mark}{dataset.title}",
        *((f"> **{REHEARSAL}**",) if facts.rehearsal else ()),
        *((f"> {INTERNAL}",) if facts.view == "internal" else ()),
        dataset.description,
        f"Version {facts.version}, {facts.date.isoformat()}, view `{facts.view}`: {facts.image_count:,} images in "
        f"{facts.image_bytes:,} bytes of archives. Home and contact: {dataset.url}",
        _licence_and_credit(registry, facts, authors),
        _counts(facts, stats),
        _files(facts),
        _READING,
        _checking(data_sha256),
    )
    return _front_matter(registry, facts) + "\n\n".join(s.strip() for s in sections) + "\n"


def _front_matter(registry: Registry, facts: ReleaseFacts) -> str:
    """What Hugging Face reads; one builder reads a whole repository, so only the tables are named, not the archives."""
    settings = registry.settings
    licence: dict[str, object] = {"license": settings.licence_spdx.lower()}
    if not grants_licence(facts):
        licence = {"license": "other", "license_name": "none-granted", "license_link": "LICENSE"}
    card = licence | {
        "pretty_name": facts.mark + settings.dataset.title,
        "language": [settings.dataset.language],
        "tags": list(dict.fromkeys(settings.dataset.keywords)),
        "size_categories": [next((name for most, name in _SIZES if facts.image_count < most), "100B<n<1T")],
        "configs": [
            {"config_name": "images", "default": True, "data_files": "metadata/*/*.parquet"},
            {"config_name": "attribution", "data_files": "attribution.parquet"},
            {"config_name": "duplicates", "data_files": "duplicates.parquet"},
        ],
    }
    return f"---\n{yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=1000)}---\n\n"


def _licence_and_credit(registry: Registry, facts: ReleaseFacts, authors: AuthorList) -> str:
    settings = registry.settings
    when = "" if grants_licence(facts) else f", of the public release from {settings.release_date.isoformat()} on"
    return f"""## Licence and credit

[{settings.licence_spdx}]({settings.licence_url}){when}: not for commercial use, and with credit to the contributions
you use. Every image row has a `contribution_id` and `credited_contributions` (who else delivered the same image);
`attribution.csv` says in which words to credit them, and which papers they ask you to cite. See `LICENSE`.

Please cite: {citation_sentence(registry, facts, authors)}"""


def _counts(facts: ReleaseFacts, stats: Stats) -> str:
    names, ends = instrument_names(), dict(stats.ledger)
    by_instrument = "\n".join(
        f"| {names.get(name, name)} | `{name}` | {images:,} | {contributions:,} |"
        for name, images, contributions in stats.instruments
    )
    of = f"{len(facts.images):,} contribution{'' if len(facts.images) == 1 else 's'}"
    return f"""## Images

| instrument | `instrument_id` | images | contributions |
|---|---|---:|---:|
{by_instrument}

{ends.get("declared", 0):,} images were declared, {ends.get("accepted", 0):,} are usable and {facts.image_count:,} of
{of} are published. Fewer are published than usable where another contribution holds an equal image, or where terms
do not allow it; `ledger.csv` counts every image of every contribution to its end. What is doubtful about them stands
in `KNOWN-PROBLEMS.md`."""


def _files(facts: ReleaseFacts) -> str:
    shard = "shard-00000.rehearsal.tar" if facts.rehearsal else "shard-00000.tar"
    return f"""## Files

| path | what |
|---|---|
| `images/contribution=<id>/{shard}` | images: uncompressed ustar archives, one `<image_id>.png` or `.jpg` each |
| `metadata/contribution=<id>/part-00000.parquet` | one row per image: scale, instrument, time, position, depth, label, split for training and testing, and where it lies: `shard`, `offset`, `length` (bytes), `image_sha256` |
| `verbatim/contribution=<id>/part-00000.parquet` | the delivered columns of the same images as text, without personal data |
| `duplicates.parquet` | delivered images that another image stands for, and why |
| `annotations/contribution=<id>.parquet` | what the owners of such copies say of the published image: label, and facts that differ |
| `attribution.csv`, `attribution.parquet`, `ATTRIBUTION.md` | whom to credit; `contributions/<id>.html` is a page for each |
| `authors/authors.csv`, `authors/authors.md`, `authors/authors.jats.xml`, `authors/latex/` | authors and data provider consortium, for reading and for manuscripts |
| `authors/references.bib`, `authors/acknowledgements.txt`, `authors/funding.csv` | papers to cite, thanks, grants |
| `authors/author_list_snapshot.json` | the frozen list that all of `authors/` is made from |
| `ledger.csv`, `ledger.parquet` | every contribution counted from declared to published |
| `data-dictionary.md` | every column: unit, range, terms, meaning |
| `datacite.json`, `datacite.xml`, `CITATION.cff` | records for machines |
| `croissant.json`, `ro-crate-metadata.json`, `datapackage.json`, `linkset.json` | the same for machines that load, archive or link data sets: Croissant 1.1, RO-Crate 1.3, Data Package (small tables only), signposting |
| `index.html`, `contributions/index.html` | this page for browsers, and all contributions |
| `{sample_archive(facts)}` | some images of every contribution, to look at: at most 100 MB |
| `stats.json` | the numbers of this page |
| `KNOWN-PROBLEMS.md` | doubtful values, counted |
| `LICENSE` | what you may do |
| `manifest/part-00000.tsv` | path, bytes and SHA-256 of every file in `annotations`, `contributions`, `images`, `metadata` and `verbatim` |
| `manifest/parts-sha256.txt` | SHA-256 of those lists |
| `manifest-sha256.txt` | SHA-256 of every other file, and of those lists |
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


def _checking(data_sha256: str) -> str:
    return f"""## Checking it

Two steps: `manifest-sha256.txt` covers the documents and the lists in `manifest`, and these cover everything else.

```sh
sha256sum --check --quiet manifest-sha256.txt   # macOS: shasum -a 256 --check --quiet manifest-sha256.txt
cat manifest/part-*.tsv | awk -F '\\t' '!/^#/ {{print $3 "  " $1}}' | sha256sum --check --quiet
```

`RELEASED.json` holds the SHA-256 of `manifest-sha256.txt` itself. All images and tables of this release, whatever its
documents say, are those of `manifest/parts-sha256.txt` with the SHA-256 `{data_sha256}`.
"""
