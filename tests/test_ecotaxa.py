"""Pulling from EcoTaxa against a server on loopback: equal rows, rights, resuming, and each of the server's traps."""

import csv
import datetime as dt
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builders import collection, contribution
from ecotaxa_server import MANAGER, PASSWORD, READER, USER, Project, Server, ecotaxa_server, export_zip, project_of

from aqqua_dataset import cli
from aqqua_dataset.compute import open_executor
from aqqua_dataset.ecotaxa import export, windows
from aqqua_dataset.ecotaxa.client import Access, EcoTaxa, EcoTaxaRefused
from aqqua_dataset.ecotaxa.pull import Pulled, pull, shared_projects
from aqqua_dataset.ecotaxa.share import members, share
from aqqua_dataset.ecotaxa.snapshot import Changes, Pulls
from aqqua_dataset.ecotaxa.staging import Pieces
from aqqua_dataset.findings import Finding
from aqqua_dataset.pipeline import Collection, core_path, harmonise_rows, manifest, read_rows
from aqqua_dataset.registry.models import Event, Source
from aqqua_dataset.warehouse import Warehouse

NOW = dt.datetime(2026, 11, 21, 16, tzinfo=dt.UTC)
KNOWN = Access(name=USER, password=PASSWORD)
#: What differs because the same rows come in other files.
PLACES = ["source_table", "source_line"]

pytestmark = pytest.mark.realdata


@pytest.fixture
def real(real_data: Path) -> Path:
    """A real export of a project of three samples, with images."""
    return real_data / "ecotaxa/ecotaxa_back/ref_exports/tsv_by_acquisition"


@pytest.fixture
def server(real: Path) -> Iterator[Server]:
    with ecotaxa_server(project_of(real, 42)) as state:
        yield state


def holdings(folder: Path, **changes: Any) -> Collection:
    """A collection with one contribution, EcoTaxa's project 42, to be pulled into ``eco``."""
    source = Source(format="ecotaxa", location="eco", dataset_id="42")
    return collection(folder, contribution("c1", None, **{"source": source, **changes}))


def client(server: Server, allowed: tuple[int, ...] = (42,), access: Access = KNOWN, waits: Any = None) -> EcoTaxa:
    wait = (lambda _: None) if waits is None else waits.append
    return EcoTaxa(server.address, access, "https://example.org", allowed, wait, pause=0.0)


def pulled(made: Collection, server: Server, now: dt.datetime = NOW, **options: Any) -> Pulled:
    return pull(made, "c1", client(server, **options), now, lambda _: None)


def refused(made: Collection, server: Server, **options: Any) -> Finding:
    with pytest.raises(EcoTaxaRefused) as caught:
        pulled(made, server, **options)
    (finding,) = caught.value.findings
    return finding


def core(made: Collection) -> pd.DataFrame:
    """The core rows of the contribution, by image."""
    assert read_rows(made, "c1").outcome == "done"
    with open_executor("serial") as (executor, workers):
        harmonise_rows(made, "c1", executor, workers)
    found = manifest(made.warehouse, "c1", "core")
    assert found is not None
    tables = [made.warehouse.read_parquet(core_path(found["folder"], p)).to_pandas() for p in range(len(found["parts"]))]
    return pd.concat(tables).sort_values("image_id").reset_index(drop=True)


def original(real: Path, folder: Path) -> pd.DataFrame:
    """The core rows of the real export as it is."""
    return core(collection(folder, contribution("c1", real, format="ecotaxa")))


def delivered(folder: Path) -> dict[str, bytes]:
    """All members of all zip files of the delivery."""
    found = {}
    for path in sorted((folder / "eco").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            found.update({n: archive.read(n) for n in archive.namelist()})
    return found


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter="\t"))


# --- the same rows


def test_a_pulled_export_gives_the_core_rows_of_the_original(real: Path, server: Server, tmp_path: Path) -> None:
    made = holdings(tmp_path / "a")
    done = pulled(made, server)
    assert (done.pull.way, done.pull.objects, done.pull.images, done.pull.missing) == ("export", 12, 13, 0)
    pulled_rows, expected = core(made), original(real, tmp_path / "b")
    assert len(expected) == 13
    pd.testing.assert_frame_equal(pulled_rows.drop(columns=PLACES), expected.drop(columns=PLACES))


def test_windows_give_the_core_rows_of_the_original(
    real: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 5)
    server.projects[42].right = "View"
    made = holdings(tmp_path / "a")
    done = pulled(made, server)
    assert (done.pull.way, done.pull.objects, done.pull.images) == ("windows", 12, 13)
    assert len(done.pull.files) == 3
    others = [*PLACES, "source_image_file"]  # an export puts images into folders by sample or acquisition
    found, expected = core(made), original(real, tmp_path / "b")
    pd.testing.assert_frame_equal(found.drop(columns=others), expected.drop(columns=others))
    base = [name.rpartition("/")[2] for name in expected["source_image_file"]]
    assert [name.rpartition("/")[2] for name in found["source_image_file"]] == base
