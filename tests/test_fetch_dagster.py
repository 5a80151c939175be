"""Fetching in the UI: the asset, its job, what the sensor starts, and the progress that is told."""

import datetime as dt
import shutil
from pathlib import Path

import dagster as dg
import pytest
from builders import collection, contribution
from test_fetch import fetch, made, present
from wires import Page, site

from aqqua_dataset.definitions import build_definitions
from aqqua_dataset.orchestration.automation import contributions_sensor, fetch_deliveries, nightly_fetch
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.registry.models import FetchFrom, Source
from aqqua_dataset.transfer import receive
from aqqua_dataset.transfer.fetch import fetch_contribution

NAME = "kattegat-net-2019"


@pytest.fixture
def resource(registry_folder: Path, tmp_path: Path) -> CollectionResource:
    """The example registry, one contribution of which is fetched from a folder."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a.txt").write_text("a")
    shutil.copytree(registry_folder, tmp_path / "registry")
    file = tmp_path / f"registry/contributions/{NAME}.yaml"
    text = file.read_text().replace(f"{NAME}.zip", NAME)
    file.write_text(text.replace("source: {", f"source: {{fetch_from: {{urls: [{tmp_path}/source]}}, "))
    return CollectionResource(
        registry=str(tmp_path / "registry"), deliveries=str(tmp_path / "home"), warehouse=str(tmp_path / "warehouse"),
        workers="serial",
    )  # fmt: skip


def test_the_sensor_starts_new_links_once_and_the_asset_shows_what_came(
    resource: CollectionResource, tmp_path: Path
) -> None:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        context = dg.build_sensor_context(instance=instance, resources={"collection": resource})
        first = contributions_sensor(context)
        assert isinstance(first, dg.SensorResult)
        [request] = [r for r in first.run_requests or [] if r.job_name == fetch_deliveries.name]
        assert request.partition_key == NAME  # not the one that lacks a permission
        for partitions in first.dynamic_partitions_requests or []:
            instance.add_dynamic_partitions("contribution", list(partitions.partition_keys))
        job = build_definitions(resource).resolve_job_def(fetch_deliveries.name)
        result = job.execute_in_process(instance=instance, partition_key=NAME)
        [shown] = result.asset_materializations_for_node("raw_delivery")
        assert shown.metadata["outcome"].value == "fetched"
        assert shown.metadata["fetched_now"].value == 1
        assert list((tmp_path / f"home/fetched/{NAME}").glob("*/a.txt"))

        after = dg.build_sensor_context(instance=instance, cursor=first.cursor, resources={"collection": resource})
        second = contributions_sensor(after)
        assert isinstance(second, dg.SensorResult)
        keys = {(r.job_name, r.run_key) for r in second.run_requests or [] if r.partition_key == NAME}
        assert {job for job, _ in keys} == {"validate_contribution", fetch_deliveries.name}  # the version is seen
        assert (fetch_deliveries.name, request.run_key) in keys  # the same key: Dagster starts it once
    assert nightly_fetch.job_name == "fetch_due_deliveries"


def test_progress_says_how_much_the_rate_and_the_time_left(tmp_path: Path) -> None:
    told: list[str] = []
    with site({"/a.bin": Page(bytes(8_000_000))}) as (address, _):
        of = made(tmp_path, f"{address}/a.bin")
        fetch_contribution(of, "one", told.append, every_seconds=0)
    assert told[-1].startswith("one: 8 of 8 MB, ")
    assert told[-1].endswith("/s, 0 s left")
    assert len(told) >= 8  # each block of 1 MiB


def test_an_interrupted_version_keeps_its_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "ATTEMPTS", 1)
    page = Page(bytes(3_000_000), {"ETag": '"1"'}, breaks_once_at=2_000_000)
    with site({"/a.bin": page, "/b.bin": Page(b"b", {"ETag": '"2"'})}) as (address, log):
        source = Source(location="one", fetch_from=FetchFrom(urls=(f"{address}/b.bin", f"{address}/a.bin")))
        of = collection(tmp_path, contribution("one", None, source=source))
        days = (dt.date(2026, 3, 1), dt.date(2026, 3, 2), dt.date(2026, 3, 3))
        reports = [fetch_contribution(of, "one", lambda _: None, today=day) for day in days]
        assert [(r.outcome, r.version) for r in reports] == [
            ("unfinished", ""), ("fetched", "2026-03-01"), ("unchanged", "2026-03-01"),
        ]  # fmt: skip
        assert log.count("/b.bin") == 1
        assert fetch(of).outcome == "unchanged"
    assert present(of) == {"a.bin": bytes(3_000_000), "b.bin": b"b"}
