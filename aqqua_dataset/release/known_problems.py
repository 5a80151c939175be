"""KNOWN-PROBLEMS.md: what is doubtful in a release, counted from the flags of its images."""

from aqqua_dataset import schema
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.legal import INTERNAL, REHEARSAL
from aqqua_dataset.release.stats import Stats

_HEAD = """Doubtful values are kept and flagged, never silently corrected. The column `qc_flags` of an image's metadata
names its flags; `qc_level` says whether to leave it out where that matters. One image can have several flags."""


def known_problems(facts: ReleaseFacts, stats: Stats) -> str:
    """Every flag that an image of the release has: meaning, images, contributions; the most frequent first."""
    flags = schema.vocabulary("flags.csv").set_index("flag")
    notes = [
        f"> {text}" for text, holds in ((REHEARSAL, facts.rehearsal), (INTERNAL, facts.view == "internal")) if holds
    ]
    rows = [
        f"| `{flag}` | {flags.loc[flag, 'severity']} | {flags.loc[flag, 'field']} | {flags.loc[flag, 'meaning']} "
        f"| {images:,} | {contributions:,} |"
        for flag, images, contributions in sorted(stats.flags, key=lambda f: (-f[1], f[0]))
    ]
    table = ["| flag | severity | column | meaning | images | contributions |", "|---|---|---|---|---:|---:|", *rows]
    counted = "\n".join(table) if rows else "No image of this release has a flag."
    withheld = dict(stats.ledger).get("withheld", 0)
    rejected = dict(stats.ledger).get("rejected", 0)
    left_out = (
        f"{rejected:,} delivered images can't be used and {withheld:,} may not be published in this view; neither is "
        "in this release. `ledger.csv` counts them by contribution."
    )
    sections = (f"# {facts.mark}Known problems of release {facts.version}", *notes, _HEAD, counted, left_out)
    return "\n\n".join(sections) + "\n"
