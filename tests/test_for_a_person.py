"""What the UI tells a person: trouble in one place, examples with pictures, the manual, tags, queues."""

import base64
import collections
import io
import re
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import yaml
from PIL import Image

from aqqua_dataset import schema
from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.config import Config
from aqqua_dataset.definitions import build_definitions
from aqqua_dataset.demo import write_deliveries
from aqqua_dataset.findings import Finding
from aqqua_dataset.orchestration import metadata
from aqqua_dataset.orchestration.automation import contributions_sensor
from aqqua_dataset.orchestration.manual import HOME_PAGE, PAGES
from aqqua_dataset.orchestration.partitions import run_tags
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import Collection, manifest, run_contribution
from aqqua_dataset.progress import examples
from aqqua_dataset.progress.ledger import quarantine_parts
from aqqua_dataset.progress.trouble import trouble
from aqqua_dataset.workflow import open_collection

ROOT = Path(__file__).parent.parent
MESSY, LAKE = "skagerrak-messy-2018", "lake-stechlin-2022"


def validated(home: Path, *names: str) -> Collection:
    """The example collection, of which some contributions went through their stages."""
    write_deliveries(home / "deliveries")
    config = Config(ROOT / "contributor_registry", str(home / "deliveries"), str(home / "warehouse"), "serial")
    made, _ = open_collection(config)
    for name in names:
        run_contribution(made, name, SerialExecutor(), 1, lambda _: None)
    return made


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """The messy contribution and a good one."""
    return validated(tmp_path_factory.mktemp("person"), MESSY, LAKE)


def test_examples_count_each_image_in_quarantine_once_and_say_where(collection: Collection) -> None:
    found = examples.quarantined(collection)
    rejected = (
        pd.concat(pd.read_parquet(collection.warehouse.url(p)) for p in quarantine_parts(collection, MESSY))
        .groupby("image_id")["reason"]
        .agg(set)
    )
    assert all(len(reasons) == 1 for reasons in rejected)  # so that no order decides
    counted = collections.Counter(reason for (reason,) in rejected)
    assert {e.kind: e.images for e in found if e.contribution == MESSY} == counted
    assert not [e for e in found if e.contribution == LAKE]
    assert [e.images for e in found] == sorted((e.images for e in found), reverse=True)
    [depth] = [e for e in found if e.kind == "depth_missing"]
    lines = (Path(collection.config.deliveries) / MESSY).rglob("ecotaxa_ska18_n3.tsv")
    row = next(iter(lines)).read_text("latin-1").splitlines()[int(depth.where.rpartition(":")[2]) - 1]
    assert "99999" in row
    assert (depth.found, depth.action) == ("depth_min: 99999", "Give the depth")


def test_flags_come_worst_first_with_what_to_do(collection: Collection) -> None:
    found = examples.flagged(collection)
    levels = ["fail", "suspect"]
    assert [levels.index(e.severity) for e in found] == sorted(levels.index(e.severity) for e in found)
    flags = schema.vocabulary("flags.csv").set_index("flag")
    for example in found:
        counted = manifest(collection.warehouse, example.contribution, "quality")
        assert counted is not None
        assert example.images == counted["numbers"][example.kind]
        assert example.action == flags["action"][example.kind]
    assert ("DEPTH_MIN_GT_MAX", 1) in [(e.kind, e.images) for e in found if e.contribution == MESSY]


def test_a_contact_sheet_holds_pictures_that_open_and_stays_small(collection: Collection) -> None:
    found = examples.quarantined(collection)
    text = metadata.contact_sheet((e, examples.pictures(collection, e)) for e in found).value
    assert text is not None
    sizes = []
    for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", text):
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            picture.load()
            sizes.append(max(picture.size))
    assert sizes
    assert max(sizes) <= examples.SIDE_PX
    assert "time_unparsable" in text  # its picture is stored though its row can't be used
    assert "image_empty" not in text  # there is no picture to show
    many = metadata.contact_sheet((e, examples.pictures(collection, e)) for _ in range(200) for e in found).value
    assert many is not None
    assert len(text) < len(many) < 40_000


def test_a_contribution_without_a_usable_image_wants_a_person(tmp_path: Path) -> None:
    made = validated(tmp_path, LAKE)
    assert trouble(made, LAKE) == []
    contribution = made.registry.contributions[LAKE]
    assert contribution.source is not None
    wrong = {**contribution.source.mapping, "datetime": contribution.source.mapping["datetime"].model_copy(
        update={"format": "%m.%d.%Y %H:%M:%S"})}  # fmt: skip
    source = contribution.source.model_copy(update={"mapping": wrong})
    made.registry.contributions[LAKE] = contribution.model_copy(update={"source": source})
    run_contribution(made, LAKE, SerialExecutor(), 1, lambda _: None)
    [said] = trouble(made, LAKE)
    assert (said.rule, said.severity) == ("nothing_usable", "error")
    assert "none of 24 images" in said.message


def test_long_tables_say_how_many_rows_are_left_out() -> None:
    findings = [Finding("rule", "warning", f"message {n}", "x") for n in range(1234)]
    shown = metadata.findings_table(findings)
    assert len(shown.records) == 201
    assert "and 1,034 more" in str(shown.records[-1].data)


def test_every_asset_names_a_page_of_the_manual_and_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for page in (*PAGES.values(), HOME_PAGE):
        assert (ROOT / "docs" / page).is_file(), page
    plain = build_definitions(CollectionResource()).resolve_asset_graph()
    for key in plain.get_all_asset_keys():
        page = PAGES.get(key.to_user_string(), HOME_PAGE)
        node = plain.get(key)
        assert f"docs/{page}" in str(node.description)
        text = node.metadata["manual"]
        assert isinstance(text, dg.MarkdownMetadataValue)
        assert text.value == (ROOT / "docs" / page).read_text("utf-8")
    monkeypatch.setenv("AQQUA_DOCS_URL", "https://example.org/docs/")
    linked = build_definitions(CollectionResource()).resolve_asset_graph()
    assert "[release.md](https://example.org/docs/release.md)" in str(linked.get(dg.AssetKey("release")).description)


def test_runs_are_tagged_by_institution_and_hand_laid_deliveries_arrive(collection: Collection) -> None:
    told = collection.registry.contributions[LAKE]
    assert run_tags(told) == {"contribution": LAKE, "institution/lake-research-centre": "yes"}
    config = collection.config
    places = CollectionResource(
        registry=str(config.registry), deliveries=config.deliveries, warehouse=config.warehouse, workers="serial"
    )
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"collection": places})
        result = contributions_sensor(context)
        assert isinstance(result, dg.SensorResult)
        arrived = {event.partition for event in result.asset_events}
        assert {MESSY, LAKE} <= arrived
        assert not arrived & {"svalbard-uvp6-pledge", "arkona-unsigned-2023"}  # no delivery; not taken in
        [run] = [r for r in result.run_requests or [] if r.partition_key == LAKE]
        assert run.tags["institution/lake-research-centre"] == "yes"


def test_what_writes_to_the_collection_runs_one_after_the_other_beside_a_fetch() -> None:
    queues = {job.name: job.tags.get("queue") for job in build_definitions(CollectionResource()).resolve_all_job_defs()}
    assert {name for name, queue in queues.items() if queue == "fetch"} == {"fetch_deliveries", "fetch_due_deliveries"}
    assert {name for name, queue in queues.items() if queue == "work"} == {
        "validate_contribution", "validate_changed_contributions", "update_collection", "tell_what_is_new",
        "build_release", "clean_warehouse",
    }  # fmt: skip
    for file in (ROOT / "dagster_home/dagster.yaml", ROOT / "deploy/dagster.yaml"):
        runs, one = yaml.safe_load(file.read_text())["concurrency"]["runs"], {"applyLimitPerUniqueValue": True}
        assert runs["max_concurrent_runs"] > 2
        assert {"key": "queue", "value": one, "limit": 1} in runs["tag_concurrency_limits"]
