"""Records of the parts of a release that have DOIs of their own, because a host takes no more than so much at once.

A part is declared in ``settings.yaml`` (``doi.parts``) by contributions or by instruments. Its record counts and names
only what is in it, and belongs to the whole: ``IsPartOf`` here, ``HasPart`` there.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.registry.publishing import DoiPart
from aqqua_dataset.release.attribution import grants_licence
from aqqua_dataset.release.doi import Record, datacite_json, datacite_problems, datacite_record
from aqqua_dataset.release.doi_relations import of_part
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import author_list
from aqqua_dataset.warehouse import Warehouse


def part_path(number: int) -> str:
    """Path of a part's record inside a release; parts are numbered from 1 as the settings name them."""
    return f"datacite-parts/part-{number:03d}.json"


class _Group(NamedTuple):
    """Images of one contribution and instrument; ``size`` is that of their members in archives (IEEE 1003.1)."""

    contribution: str
    instrument: str
    images: int
    size: int
    west: float
    south: float
    east: float
    north: float
    first: dt.date
    last: dt.date


def write_parts(
    warehouse: Warehouse, folder: str, registry: Registry, facts: ReleaseFacts, tables: Sequence[str]
) -> list[Finding]:
    """Writes the record of every part; returns what is wrong with them, as errors, and then writes none.

    Args:
        warehouse, folder: where the release lies.
        registry: the whole registry.
        facts: the release.
        tables: paths of its tables of images.
    """
    parts = registry.settings.doi.parts
    if not parts:
        return []
    groups, credited_by = _counted(warehouse, tables)
    records: list[Record] = []
    problems: list[Finding] = []
    for part in parts:
        own = [g for g in groups if _holds(part, g.contribution, g.instrument)]
        if not own:
            message = "this part holds no image of the release: change or remove it"
            problems.append(Finding("doi_part_empty", "error", message, file="settings.yaml", key="doi.parts",
                                    value=part.doi))  # fmt: skip
            continue
        credited = {c for contribution, instrument, c in credited_by if _holds(part, contribution, instrument)}
        made = _record(registry, part, _facts(facts, own), credited)
        problems += [Finding("datacite_record", "error", f"{part.doi}: {p}") for p in datacite_problems(made)]
        records.append(made)
    if not problems:
        for number, made in enumerate(records, 1):
            warehouse.write_bytes(f"{folder}/{part_path(number)}", datacite_json(made).encode())
    return problems


def _counted(warehouse: Warehouse, tables: Sequence[str]) -> tuple[list[_Group], list[tuple[str, str, str]]]:
    """The release's images by contribution and instrument, and which contributions those credit."""
    if not tables:
        return [], []
    with warehouse.connect() as connection:
        source = {"tables": [warehouse.url(t) for t in tables]}
        groups = connection.sql(
            """select contribution_id, instrument_id, count(*), sum(512 + (length + 511) // 512 * 512)::bigint,
                      min(longitude), min(latitude), max(longitude), max(latitude),
                      min(datetime_utc at time zone 'UTC')::date, max(datetime_utc at time zone 'UTC')::date
               from read_parquet($tables) group by all order by all""",
            params=source,
        ).fetchall()
        credited_by = connection.sql(
            """select distinct contribution_id, instrument_id, unnest(credited_contributions) as credited
               from read_parquet($tables) order by all""",
            params=source,
        ).fetchall()
    return [_Group(*g) for g in groups], credited_by


def _holds(part: DoiPart, contribution: str, instrument: str) -> bool:
    return contribution in part.contributions or instrument in part.instruments


def _facts(facts: ReleaseFacts, own: list[_Group]) -> ReleaseFacts:
    """The facts of a release cut down to some of its images."""
    images: dict[str, int] = {}
    instruments: dict[str, int] = {}
    for g in own:
        images[g.contribution] = images.get(g.contribution, 0) + g.images
        instruments[g.instrument] = instruments.get(g.instrument, 0) + g.images
    box = (min(g.west for g in own), min(g.south for g in own), max(g.east for g in own), max(g.north for g in own))
    return replace(
        facts, images=images, instruments=instruments, image_bytes=sum(g.size for g in own), box=box,
        first_sampled=min(g.first for g in own), last_sampled=max(g.last for g in own),
    )  # fmt: skip


def _record(registry: Registry, part: DoiPart, facts: ReleaseFacts, credited: set[str]) -> Record:
    made = datacite_record(registry, facts, author_list(registry, sorted(credited), facts.images))
    title = f"{facts.mark}{registry.settings.dataset.title}: {part.title}"
    related = [*_of_contributions(made), *of_part(registry.settings, part)]
    made |= {"titles": [{"title": title}], "relatedIdentifiers": related}
    return made | ({"doi": part.doi.lower()} if grants_licence(facts) else {})


def _of_contributions(made: Record) -> Iterator[dict[str, str]]:
    """The relations that come from contributions; the others are those of the whole."""
    yield from (r for r in made.get("relatedIdentifiers", []) if r["relationType"] in ("References", "IsDerivedFrom"))
