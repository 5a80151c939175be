"""Darwin Core Archive of the labelled part: one occurrence per object with a taxon, its images as multimedia.

Terms: Darwin Core text guide (TDWG, 2023), GBIF Simple Multimedia; wording of machine and human identification as in
Martin-Cabrera et al. 2022 (best practices for plankton images). Images stay in the release: ``source`` and
``description`` say where.
"""

import itertools
import json
import zipfile
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from aqqua_dataset.export.folder import granted_licence, item_licences, release_facts
from aqqua_dataset.export.target import Target
from aqqua_dataset.export.zips import add_file, member, new_zip
from aqqua_dataset.reader.release import Selection, literal

_DWC = "http://rs.tdwg.org/dwc/terms/"
_DC = "http://purl.org/dc/terms/"

#: Which images the format can hold: organisms with a taxon, which nobody discarded.
CONDITION = "label_kind = 'taxon' and taxon_name is not null and label_status <> 'discarded'"

_DAY = "strftime(datetime_utc, '%Y-%m-%d')"
_WHEN = f"""case datetime_precision when 'year' then strftime(datetime_utc, '%Y')
    when 'month' then strftime(datetime_utc, '%Y-%m') when 'day' then {_DAY}
    else strftime(datetime_utc, '%Y-%m-%dT%H:%M:%SZ') || case when datetime_end_utc > datetime_utc
    then strftime(datetime_end_utc, '/%Y-%m-%dT%H:%M:%SZ') else '' end end"""

#: Term of an occurrence -> SQL. The first is the id that both tables share.
_OCCURRENCE = {
    f"{_DWC}occurrenceID": "'urn:uuid:' || image_id",
    f"{_DWC}basisOfRecord": "'MachineObservation'",
    f"{_DWC}occurrenceStatus": "'present'",
    f"{_DWC}datasetID": "contribution_id",
    f"{_DWC}eventID": "event_id",
    f"{_DWC}parentEventID": "parent_event_id",
    f"{_DWC}eventDate": _WHEN,
    f"{_DWC}verbatimEventDate": "datetime_verbatim",
    f"{_DWC}samplingProtocol": "instrument_id || ', ' || deployment_type",
    f"{_DWC}decimalLatitude": "latitude",
    f"{_DWC}decimalLongitude": "longitude",
    f"{_DWC}geodeticDatum": "'EPSG:4326'",
    f"{_DWC}coordinateUncertaintyInMeters": "nullif(ceil(coordinate_uncertainty_m), 0)",
    f"{_DWC}minimumDepthInMeters": "depth_min_m",
    f"{_DWC}maximumDepthInMeters": "depth_max_m",
    f"{_DWC}habitat": "nullif(water_type, 'unknown')",
    f"{_DWC}scientificName": "taxon_name",
    f"{_DWC}scientificNameID": "'urn:lsid:marinespecies.org:taxname:' || aphia_id",
    f"{_DWC}taxonRank": "taxon_rank",
    f"{_DWC}identificationQualifier": "taxon_qualifier",
    f"{_DWC}verbatimIdentification": "label_verbatim",
    f"{_DWC}identificationVerificationStatus": (
        "case label_status when 'validated' then 'ValidatedByHuman' when 'predicted' then 'PredictedByMachine' end"
    ),
    f"{_DWC}identificationReferences": "label_classifier",
    f"{_DWC}identificationRemarks": "case when label_uncertain or label_status = 'dubious' then 'uncertain' end",
    f"{_DWC}lifeStage": "life_stage",
    f"{_DWC}sex": "sex",
    f"{_DWC}otherCatalogNumbers": "source_object_id",
    f"{_DC}license": "getvariable('licences')[contribution_id]",
    f"{_DC}rightsHolder": "array_to_string(credited_contributions, ' | ')",
}

_MULTIMEDIA = {
    "coreid": "'urn:uuid:' || first_image",
    f"{_DC}identifier": "'urn:uuid:' || image_id",
    f"{_DC}type": "'StillImage'",
    f"{_DC}format": "'image/' || image_format",
    f"{_DC}source": "getvariable('place') || shard",
    f"{_DC}description": (
        "'bytes ' || \"offset\" || ' to ' || (\"offset\" + length - 1) || ' of the source; SHA-256 ' || image_sha256 "
        "|| '; pixel size ' || pixel_size_um || ' µm'"
    ),
    f"{_DC}license": "getvariable('licences')[contribution_id]",
    f"{_DC}rightsHolder": "array_to_string(credited_contributions, ' | ')",
}

#: A cell as text of one line, without quotes around it.
_CELL = r"coalesce(regexp_replace(({sql})::varchar, '[\t\r\n]+', ' ', 'g'), '')"
_FIRST = "first_value(image_id) over (partition by source_object_id order by source_image_rank, image_id)"
_ROWS = 5_000

_READING = """## Reading it

`{archive}` is a Darwin Core Archive of {occurrences:,} objects with a taxon, in {images:,} images. Objects
without a taxon (unlabelled, detritus, artefacts, parts of organisms) aren't in it. An object with several images is one
occurrence with several multimedia rows. The images are in the release: `source` is the archive and `description` the
bytes. Predictions of classifiers are marked as such in `identificationVerificationStatus`.
"""


def write(selection: Selection, target: Target) -> str:
    """Writes the archive; returns how to read it."""
    path = f"{target.stem}.dwca.zip"
    with target.create(path) as stream, new_zip(stream) as archive:
        occurrences = _write_table(archive, "occurrence.txt", selection, _OCCURRENCE, first_only=True)
        _write_table(archive, "multimedia.txt", selection, _MULTIMEDIA, first_only=False)
        add_file(archive, "eml.xml", _eml(target).encode(), zipfile.ZIP_DEFLATED)
        add_file(archive, "meta.xml", _meta().encode(), zipfile.ZIP_DEFLATED)
    return _READING.format(archive=path, occurrences=occurrences, images=len(selection))


def _write_table(
    archive: zipfile.ZipFile, name: str, selection: Selection, terms: dict[str, str], first_only: bool
) -> int:
    """Writes one table, contribution after contribution; returns its rows.

    Args:
        archive: where.
        name: of the file.
        selection: the images.
        terms: column -> SQL, which may use ``first_image``: the object's image of lowest rank.
        first_only: one row per object instead of one per image.
    """
    rows = 0
    cells = ", ".join(_CELL.format(sql=sql) for sql in terms.values())
    only = "where image_id = first_image" if first_only else ""
    with (
        selection.connect() as connection,
        archive.open(member(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as stream,
    ):
        connection.execute(f"set variable licences = {_licences(selection)}")
        connection.execute(f"set variable place = {literal(_place(selection))}")
        stream.write(("\t".join(_short(t) for t in terms) + "\n").encode())
        for tables in _by_contribution(selection.release.tables):
            chosen = selection.sql(tables, f"*, {_FIRST} as first_image")
            lines = f'select concat_ws(chr(9), {cells}) as line from ({chosen}) {only} order by shard, "offset"'
            for batch in connection.sql(lines).to_arrow_reader(_ROWS):
                rows += batch.num_rows
                stream.write("".join(f"{line}\n" for line in batch["line"].to_pylist()).encode())
    return rows


def _by_contribution(tables: Sequence[str]) -> Iterator[list[str]]:
    """Tables of one contribution at a time: its objects may stand in several."""
    for _, group in itertools.groupby(tables, key=lambda t: t.rsplit("/", 1)[0]):
        yield list(group)


def _short(term: str) -> str:
    return term.rsplit("/", 1)[-1]


def _licence(selection: Selection) -> str:
    """Address of the licence; a rehearsal and the internal view grant none."""
    _, address = granted_licence(selection.release) or ("", "none granted: see LICENSE")
    return address


def _licences(selection: Selection) -> str:
    """Contribution -> address of its images' licence, as SQL."""
    granted = granted_licence(selection.release) is not None
    told = item_licences(selection.release)
    addresses = [told[c] if granted else _licence(selection) for c in told]
    return f"map([{', '.join(map(literal, told))}], [{', '.join(map(literal, addresses))}])"


def _place(selection: Selection) -> str:
    """What stands before a shard's path: the release's address where it has a public one."""
    warehouse = selection.release.warehouse
    return f"{warehouse.url('')}" if warehouse.is_web else ""


def _meta() -> str:
    """The archive's description (Darwin Core text guide)."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">
{_described("core", "id", f"{_DWC}Occurrence", "occurrence.txt", _OCCURRENCE)}
{_described("extension", "coreid", "http://rs.gbif.org/terms/1.0/Multimedia", "multimedia.txt", _MULTIMEDIA)}
</archive>
"""


def _described(kind: str, key: str, row_type: str, file: str, terms: dict[str, str]) -> str:
    fields = "\n".join(f'    <field index="{i}" term="{t}"/>' for i, t in enumerate(terms) if t.startswith("http"))
    return f"""  <{kind} encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy=""
        ignoreHeaderLines="1" rowType="{row_type}">
    <files><location>{file}</location></files>
    <{key} index="0"/>
{fields}
  </{kind}>"""


def _eml(target: Target) -> str:
    """What the archive is and who made it (EML 2.2), from the release's own record; no address of a person."""
    record, facts = json.loads(target.release.text("datacite.json")), release_facts(target.release)
    publisher = record["publisher"]["name"] if isinstance(record["publisher"], dict) else record["publisher"]
    creators = "\n".join(f"    <creator>{_party(c)}</creator>" for c in record["creators"])
    abstract = record["descriptions"][0]["description"]
    organisation = f"<organizationName>{escape(publisher)}</organizationName>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId="{target.stem}" system="AqQua" xml:lang="en">
  <dataset>
    <title xml:lang="en">{escape(record["titles"][0]["title"])}: labelled objects</title>
{creators}
    <pubDate>{facts.date.isoformat()}</pubDate>
    <language>en</language>
    <abstract><para>{escape(abstract)}</para></abstract>
    <intellectualRights><para>{escape(_licence(target.selection))}</para></intellectualRights>
    <contact>{organisation}</contact>
    <metadataProvider>{organisation}</metadataProvider>
  </dataset>
</eml:eml>
"""


def _party(creator: dict[str, str]) -> str:
    if creator.get("nameType") != "Personal":
        return f"<organizationName>{escape(creator['name'])}</organizationName>"
    given = f"<givenName>{escape(creator['givenName'])}</givenName>" if creator.get("givenName") else ""
    family = escape(creator.get("familyName", creator["name"]))
    return f"<individualName>{given}<surName>{family}</surName></individualName>"
