"""The Dagster side: definitions load, the graph is as agreed, a bad contribution never stops the others."""

import itertools
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from aqqua_dataset.definitions import build_definitions
from aqqua_dataset.demo import write_deliveries
from aqqua_dataset.nightly.state import delivery_state
from aqqua_dataset.orchestration import automation
from aqqua_dataset.orchestration.automation import contributions_sensor, nightly_contributions
from aqqua_dataset.orchestration.night import validate_changed_contributions
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.release.gate import ReleaseRefused

ALL = 10
#: Tags by which Dagster runs a range of partitions in one run.
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def home(tmp_path: Path, registry_folder: Path) -> Path:
    """A registry of one's own, its deliveries and an empty warehouse."""
    shutil.copytree(registry_folder, tmp_path / "registry")
    write_deliveries(tmp_path / "deliveries")
    return tmp_path


def resource(home: Path) -> CollectionResource:
    return CollectionResource(
        registry=str(home / "registry"),
        deliveries=str(home / "deliveries"),
        warehouse=str(home / "warehouse"),
        workers="serial",
        outbox=str(home / "outbox"),
    )


def tick(home: Path, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    """One evaluation of the sensor, with its partition requests carried out."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"collection": resource(home)})
    result = contributions_sensor(context)
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or []:
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions("contribution", list(request.partition_keys))
        else:
            for key in request.partition_keys:
                instance.delete_dynamic_partition("contribution", key)
    return result


def execute(home: Path, instance: dg.DagsterInstance, job: str, **options: Any) -> dg.ExecuteInProcessResult:
    definitions = build_definitions(resource(home))
    return definitions.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **options)


def test_definitions_load_and_the_graph_is_as_agreed() -> None:
    definitions = build_definitions(CollectionResource())
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    parents = {
        k.to_user_string(): sorted(p.to_user_string() for p in graph.get(k).parent_keys)
        for k in graph.get_all_asset_keys()
    }
    assert parents == {
        "registry": [],
        "raw_delivery": ["registry"],
        "raw_rows": ["raw_delivery"],
        "core_rows": ["raw_rows"],
        "packed_images": ["raw_rows"],
        "quality": ["core_rows", "packed_images"],
        "report": ["quality"],
        "near_duplicates": ["quality"],
        "duplicates_page": ["near_duplicates"],
        "duplicates": ["near_duplicates", "quality"],
        "distribution": ["duplicates"],
        "ledger": ["duplicates", "registry"],
        "progress_site": ["ledger"],
        "release": ["ledger"],
        "nightly_digest": ["ledger"],
    }
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.group_name != "default", key
    assert {j.name for j in definitions.resolve_all_job_defs()} >= {
        "validate_contribution",
        "update_collection",
        "build_release",
    }


def test_blocking_checks_guard_the_release() -> None:
    definitions = build_definitions(CollectionResource())
    blocking = {spec.name for checks in definitions.asset_checks or [] for spec in checks.check_specs if spec.blocking}
    assert blocking == {"ledger_balances", "gate_is_open", "no_personal_data"}


def test_sensor_registers_new_changed_and_removed_contributions(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(home, instance, None)
        assert len(first.run_requests or []) == ALL + 1
        assert len(instance.get_dynamic_partitions("contribution")) == ALL
        assert not (tick(home, instance, first.cursor).run_requests)

        file = home / "registry/contributions/kattegat-net-2019.yaml"
        file.write_text(file.read_text().replace("  - {id: global-distribution, date: 2025-08-04}\n", ""))
        changed = tick(home, instance, first.cursor)
        keys = [r.partition_key for r in changed.run_requests or []]
        assert keys == ["kattegat-net-2019", None]  # a permission-only edit, then the collection

        (home / "deliveries/gotland-mooring-2024/table.csv").write_text("id,file,time,lat,lon,depth\n")
        delivered = tick(home, instance, changed.cursor)
        assert [r.partition_key for r in delivered.run_requests or []] == ["gotland-mooring-2024", None]

        (home / "registry/contributions/svalbard-uvp6-pledge.yaml").unlink()
        removed = tick(home, instance, delivered.cursor)
        assert [r.partition_key for r in removed.run_requests or []] == [None]
        assert "svalbard-uvp6-pledge" not in instance.get_dynamic_partitions("contribution")


def worked_on(instance: dg.DagsterInstance, asset: str) -> list[str]:
    """Partitions of an asset, one for each event about it."""
    events = instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
    return sorted(str(e.partition_key) for e in events)


def test_the_nightly_run_reports_what_it_worked_on_and_nothing_else(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tick(home, instance, None)
        keys = instance.get_dynamic_partitions("contribution")
        assert nightly_contributions.job_name == validate_changed_contributions.name
        assert execute(home, instance, validate_changed_contributions.name).success
        assert worked_on(instance, "raw_rows") == sorted(keys)
        first = len(worked_on(instance, "packed_images"))
        assert execute(home, instance, validate_changed_contributions.name).success
        assert worked_on(instance, "raw_rows") == sorted(keys)  # not one more

        (home / "deliveries/gotland-mooring-2024/table.csv").write_text("id,file,time,lat,lon,depth\n")
        assert execute(home, instance, validate_changed_contributions.name).success
        assert worked_on(instance, "raw_rows") == sorted([*keys, "gotland-mooring-2024"])
        assert len(worked_on(instance, "packed_images")) == first + 1

        digest = execute(home, instance, "tell_what_is_new")
        assert digest.success
        made = digest.asset_materializations_for_node("nightly_digest")
        assert {m.partition for m in made if m.asset_key == dg.AssetKey("report")} == set(keys)
        [shown] = [m for m in made if m.asset_key == dg.AssetKey("nightly_digest")]
        assert "gotland-mooring-2024" in str(shown.metadata["digest"].value)
        letters = sorted((home / "outbox").iterdir())
        owners = {o for c in resource(home).open()[0].registry.contributions.values() for o in c.owners}
        assert 2 <= len(letters) <= len(owners) + 1  # some owners, and the digest


def test_many_changes_at_once_become_one_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automation, "MOST_SINGLE", ALL - 1)
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(home, instance, None)
        assert [(r.job_name, r.partition_key) for r in first.run_requests or []] == [
            ("validate_changed_contributions", None), ("update_collection", None),
        ]  # fmt: skip
        assert not tick(home, instance, first.cursor).run_requests


def test_a_tick_lists_as_many_deliveries_as_its_time_allows_in_turn(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = resource(home).open()
    clock = itertools.count(step=11)  # seconds: two deliveries fit into twenty
    monkeypatch.setattr("aqqua_dataset.orchestration.automation.time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(automation, "delivery_state", lambda of, one, _: delivery_state(of, one))
    cursor: dict[str, Any] = {}
    listed: list[list[str]] = []
    for _ in range(ALL // 2):
        now, following = automation.look(opened, cursor, budget_s=20)
        before = cursor.get("seen", {})
        listed.append([k for k, (_, d) in now.items() if d and not before.get(k, ["", ""])[1]])
        cursor = {"seen": now, "next": following}
    assert [len(keys) for keys in listed] == [2] * (ALL // 2)  # each tick others
    assert sorted(key for keys in listed for key in keys) == sorted(opened.registry.contributions)
    (home / "deliveries/gotland-mooring-2024/table.csv").write_text("id,file,time,lat,lon,depth\n")
    later, _ = automation.look(opened, cursor, budget_s=200)
    assert [k for k in later if later[k] != cursor["seen"][k]] == ["gotland-mooring-2024"]


def test_a_delivery_that_takes_too_long_to_list_is_left_to_the_night(home: Path) -> None:
    opened, _ = resource(home).open()
    net = opened.registry.contributions["kattegat-flowcam-2020"]
    assert delivery_state(opened, net, time.monotonic() + 60) == delivery_state(opened, net)
    with pytest.raises(TimeoutError):
        delivery_state(opened, net, time.monotonic() - 1)


def test_the_whole_graph_from_deliveries_to_a_rehearsal(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tick(home, instance, None)
        keys = instance.get_dynamic_partitions("contribution")
        ranged = {RANGE_START: keys[0], RANGE_END: keys[-1]}
        assert execute(home, instance, "validate_contribution", tags=ranged).success
        result = execute(home, instance, "build_release")
        assert result.success
        passed = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
        assert passed == {
            "registry_is_valid": True,
            "contributions_without_trouble": False,  # the messy one, the bin without .roi, the unsigned one
            "images_in_quarantine": False,
            "ledger_balances": True,
            "flags_of_images": False,
            "gate_is_open": True,
            "no_personal_data": True,
        }
        [made] = result.asset_materializations_for_node("release")
        assert made.metadata["images"].value == 146
        assert made.metadata["version"].value == "0.1.0-rehearsal"


def test_a_broken_delivery_is_a_finding_and_the_others_go_on(home: Path) -> None:
    (home / "deliveries/kattegat-net-2019.zip").write_bytes(b"this is no zip")
    shutil.rmtree(home / "deliveries/lake-stechlin-2022")
    with dg.DagsterInstance.ephemeral() as instance:
        tick(home, instance, None)
        keys = instance.get_dynamic_partitions("contribution")
        result = execute(home, instance, "validate_contribution", tags={RANGE_START: keys[0], RANGE_END: keys[-1]})
        assert result.success
        outcomes = {
            m.partition: m.metadata["outcome"].value for m in result.asset_materializations_for_node("raw_rows")
        }
        assert outcomes["lake-stechlin-2022"] == "refused"
        assert outcomes["oresund-net-2019"] == "done"


def test_a_public_release_from_the_ui_is_refused_before_its_day(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        config = {"ops": {"release": {"config": {"rehearsal": False, "date": "2027-07-14"}}}}
        result = execute(home, instance, "build_release", run_config=config)
        assert not result.success
        [failure] = [e for e in result.all_node_events if e.is_step_failure and e.step_key == "release"]
        error = failure.step_failure_data.error
        assert error is not None
        assert ReleaseRefused.__name__ in str(error)
        assert "nothing is public before 2027-07-15" in str(error)
