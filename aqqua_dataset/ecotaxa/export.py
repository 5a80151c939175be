"""The export of a whole project: a job on the server, its zip fetched piece by piece, and the persons taken out.

For accounts that manage the project, and for open projects. What goes on into the delivery is the same zip with the
same tables and images, but for columns that name persons and the job's log.
"""

import csv
import posixpath
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

import pyarrow as pa
import pyarrow.csv as pacsv

from aqqua_dataset.ecotaxa.client import EcoTaxa, Job, refusal
from aqqua_dataset.ecotaxa.staging import Staging, open_zip
from aqqua_dataset.export.zips import member, new_zip
from aqqua_dataset.findings import Finding
from aqqua_dataset.privacy import is_personal
from aqqua_dataset.sources import Report
from aqqua_dataset.sources.ecotaxa import TELLING
from aqqua_dataset.web import Unanswered

#: Bytes fetched and kept at a time; a stopped pull repeats at most that much.
PIECE_BYTES = 64 << 20
#: Seconds to wait for a job before giving up for now; it goes on without us.
LONGEST_JOB = 12 * 3600.0

_FIRST_LOOK, _LATER_LOOKS = 2.0, 60.0  # seconds between two looks at a job
_BLOCK = 4 << 20


def pull_export(
    client: EcoTaxa, staging: Staging, project: int, report: Report, progress: Callable[[str], None],
) -> bool:  # fmt: skip
    """Stages the project's export; False where the account may not export it.

    Raises:
        EcoTaxaRefused: the job failed or takes too long, or the server doesn't answer.
    """
    part = f"ecotaxa_{project}.zip"
    if staging.has(part):
        return True
    job = _running_job(client, staging)
    if job is None:
        number = client.start_export(project)
        if number is None:
            return False
        staging.note(way="export", job=number, pieces=0, size=None, stamp="")
    _wait_for(client, staging, progress)
    try:
        pieces = _fetch(client, staging, progress)
    except Unanswered as silence:
        raise refusal("ecotaxa_broken_off", f"the download stopped ({silence}); run it again to go on") from None
    try:
        with open_zip(staging.warehouse, pieces) as archive:
            clean_zip(archive, staging, part, report)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        staging.clear()
        message = f"the export's zip file is damaged ({error}); it was thrown away: run it again"
        raise refusal("ecotaxa_zip_damaged", message) from None
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise refusal("ecotaxa_table_unreadable", f"a table of the export can't be read: {error}") from None
    return True


def finish(client: EcoTaxa, staging: Staging) -> None:
    """Frees the job's place on the server, when what it made is safe."""
    if staging.state.get("job"):
        client.forget_job(int(staging.state["job"]))


def _running_job(client: EcoTaxa, staging: Staging) -> Job | None:
    number = staging.state.get("job")
    found = client.job(int(number)) if number else None
    if found is None:
        staging.clear()
    return found


def _wait_for(client: EcoTaxa, staging: Staging, progress: Callable[[str], None]) -> None:
    number, waited, pause = int(staging.state["job"]), 0.0, _FIRST_LOOK
    while True:
        job = client.job(number)
        if job is None:
            staging.clear()
            raise refusal(
                "ecotaxa_job_gone", "the export job was removed on the server; run it again", value=str(number)
            )
        if job.state == "F":
            return
        if job.state not in ("P", "R"):
            staging.clear()
            client.forget_job(number)
            told = job.told or ("it asks a question" if job.state == "A" else "no reason told")
            raise refusal("ecotaxa_job_failed", f"the export failed on the server: {told[:300]}", value=f"job {number}")
        if waited >= LONGEST_JOB:
            message = f"the export is at {job.progress} % after {waited / 3600:.1f} hours; run it again later to go on"
            raise refusal("ecotaxa_job_slow", message, value=f"job {number}")
        progress(f"export job {number}: {job.progress} %")
        client.wait(pause)
        waited, pause = waited + pause, min(pause * 1.5, _LATER_LOOKS)


def _fetch(client: EcoTaxa, staging: Staging, progress: Callable[[str], None]) -> list[str]:
    """Fetches what is missing of the result; returns the pieces' paths in order."""
    job = int(staging.state["job"])
    while True:
        number, size = int(staging.state["pieces"]), staging.state["size"]
        if size is not None and number * PIECE_BYTES >= size:
            return [_piece(staging, n) for n in range(number)]
        with staging.warehouse.create(_piece(staging, number)) as target:
            reply = client.fetch_result(job, target, number * PIECE_BYTES, (number + 1) * PIECE_BYTES)
        stamp = reply.headers.get("etag") or reply.headers.get("last-modified", "")
        if reply.status == 416 or (stamp != staging.state["stamp"] and number):
            staging.note(pieces=0, size=None, stamp="")
            raise Unanswered("the file became another one; it is fetched anew")
        if reply.status == 200:  # no ranges: the whole file came at once
            staging.note(pieces=1, size=0, stamp=stamp)
            return [_piece(staging, 0)]
        total = int(reply.headers["content-range"].rpartition("/")[2])
        staging.note(pieces=number + 1, size=total, stamp=stamp)
        progress(f"fetched {min((number + 1) * PIECE_BYTES, total):,} of {total:,} bytes")


def _piece(staging: Staging, number: int) -> str:
    return staging.path(f"piece-{number:06d}")


def clean_zip(archive: zipfile.ZipFile, staging: Staging, part: str, report: Report) -> None:
    """Writes the export again without persons; reading it compares every checksum.

    Raises:
        zipfile.BadZipFile: a member is damaged; zlib.error and EOFError say the same.
    """
    with staging.warehouse.create(staging.path(part)) as stream, new_zip(stream) as clean:
        for info in archive.infolist():
            if info.is_dir() or info.filename.endswith(".log"):  # the job's log names the person who asked
                continue
            if archive.getinfo(info.filename) is not info:
                message = "two images have one name in the export, and only one of them can be meant: ask the manager"
                report(Finding("ecotaxa_name_twice", "error", message, file=part, value=info.filename))
                continue
            table = TELLING.fullmatch(posixpath.basename(info.filename)) is not None
            kept = member(info.filename, zipfile.ZIP_DEFLATED if table else zipfile.ZIP_STORED)
            with archive.open(info) as source, clean.open(kept, "w", force_zip64=True) as target:
                if table:
                    without_persons(source, target)
                else:
                    shutil.copyfileobj(source, target, 1 << 20)


def without_persons(source: IO[bytes], target: IO[bytes]) -> None:
    """A table of tab-separated text without the columns that name persons, every other cell as it was."""
    names = next(csv.reader([source.readline().decode("utf-8-sig")], delimiter="\t"), [])
    kept = [n for n in names if not is_personal(n)]
    schema = pa.schema([(n, pa.string()) for n in kept])
    options = pacsv.WriteOptions(delimiter="\t", quoting_style="all_valid")
    with pacsv.CSVWriter(target, schema, write_options=options) as writer:
        for batch in text_batches(source, names, kept):
            writer.write_batch(batch)


def text_batches(source: IO[bytes], names: list[str], kept: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows of tab-separated UTF-8 text, as text, behind its header."""
    read = pacsv.ReadOptions(block_size=_BLOCK, column_names=names)
    parse = pacsv.ParseOptions(delimiter="\t", newlines_in_values=True)
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), include_columns=kept, strings_can_be_null=False
    )
    try:
        reader = pacsv.open_csv(source, read, parse, convert)
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):  # a header without rows
            return
        raise
    with reader:
        yield from reader
