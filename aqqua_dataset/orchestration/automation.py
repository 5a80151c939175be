"""What runs by itself: a sensor for the registry and the deliveries, a nightly schedule; and the jobs.

The sensor compares a short hash of each contribution (its registry file, its form's permissions, its
delivery) with the one it saw last, so a permission-only edit or a changed delivery is noticed, and a
contribution whose file is gone loses its partition.
"""

import hashlib
import json

import dagster as dg

from aqqua_dataset.orchestration.assets.collection import distribution, duplicates, ledger, registry, release
from aqqua_dataset.orchestration.assets.contributions import core_rows, packed_images, quality, raw_delivery, raw_rows
from aqqua_dataset.orchestration.assets.near import duplicates_page, near_duplicates
from aqqua_dataset.orchestration.assets.progress import progress_site
from aqqua_dataset.orchestration.assets.reports import report
from aqqua_dataset.orchestration.partitions import CONTRIBUTIONS
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import Collection, intake_refusal
from aqqua_dataset.registry.models import Contribution

#: Tags by which Dagster runs a range of partitions in one run.
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

#: A first look at thousands of contributions must not flood the queue; the rest follows at the next tick.
MOST_PER_TICK = 100

STAGES = dg.AssetSelection.assets(raw_rows, core_rows, packed_images, quality, report)

validate_contribution = dg.define_asset_job(
    "validate_contribution",
    STAGES,
    description="Read, harmonise and pack what is new or changed in a contribution, and write its report.",
)
fetch_deliveries = dg.define_asset_job(
    "fetch_deliveries",
    dg.AssetSelection.assets(raw_delivery),
    description="Fetch what is new or changed where the registry names links. A job of its own: days of transfer "
    "must not keep other contributions waiting; the sensor sees a new version and validates it.",
)
update_collection = dg.define_asset_job(
    "update_collection",
    dg.AssetSelection.assets(
        registry, near_duplicates, duplicates_page, duplicates, ledger, distribution, progress_site
    ),
    description="Registry, duplicates with their page, ledger and public progress site, with every check.",
)
build_release = dg.define_asset_job(
    "build_release",
    dg.AssetSelection.assets(registry, near_duplicates, duplicates, ledger, release),
    description="A release, or by default its rehearsal; its configuration is that of the asset release.",
)


def contribution_state(collection: Collection, contribution: Contribution) -> str:
    """Hash that changes when anything changes that a contribution's stages or permissions depend on."""
    delivery = "none"
    if contribution.source is not None and intake_refusal(collection.registry, contribution) is None:
        try:
            with collection.delivery(contribution.source.location) as opened:
                delivery = opened.fingerprint()
        except FileNotFoundError:
            delivery = "missing"
    return hashlib.sha256(f"{contribution.model_dump_json()}{delivery}".encode()).hexdigest()[:12]


@dg.sensor(
    jobs=[validate_contribution, update_collection, fetch_deliveries], minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers new, changed and removed contributions; a permission-only edit included.",
)  # fmt: skip
def contributions_sensor(context: dg.SensorEvaluationContext, collection: CollectionResource) -> dg.SensorResult:
    """One run per new or changed contribution, then one that counts the collection again; new links are fetched."""
    opened, _ = collection.open()
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    now = {c.id: contribution_state(opened, c) for c in opened.registry.contributions.values()}
    waiting = sorted(key for key, state in now.items() if seen.get(key) != state)
    changed = waiting[:MOST_PER_TICK]
    present = set(context.instance.get_dynamic_partitions(str(CONTRIBUTIONS.name)))
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if new := sorted(set(now) - present):
        requests.append(CONTRIBUTIONS.build_add_request(new))
    if gone := sorted(present - set(now)):
        requests.append(CONTRIBUTIONS.build_delete_request(gone))
    kept = {k: s for k, s in seen.items() if k in now} | {k: now[k] for k in changed}
    runs = [
        dg.RunRequest(
            run_key=f"{key}:{now[key]}", job_name=validate_contribution.name, partition_key=key,
            tags={"contribution": key},
        )
        for key in changed
    ]  # fmt: skip
    runs += [request for key in changed if (request := _fetch_request(opened, key))]
    if (changed or gone) and len(waiting) == len(changed):
        whole = hashlib.sha256(json.dumps(now, sort_keys=True).encode()).hexdigest()[:12]
        runs.append(dg.RunRequest(run_key=f"collection:{whole}", job_name=update_collection.name))
    return dg.SensorResult(run_requests=runs, dynamic_partitions_requests=requests, cursor=json.dumps(kept))


def _fetch_request(collection: Collection, key: str) -> dg.RunRequest | None:
    """A run that fetches a contribution's delivery; Dagster starts it once for the same links."""
    contribution = collection.registry.contributions[key]
    source = contribution.source
    if source is None or source.fetch_from is None or intake_refusal(collection.registry, contribution) is not None:
        return None
    links = hashlib.sha256(f"{source.location} {source.fetch_from.model_dump_json()}".encode()).hexdigest()[:12]
    return dg.RunRequest(
        run_key=f"fetch:{key}:{links}", job_name=fetch_deliveries.name, partition_key=key, tags={"contribution": key}
    )


@dg.schedule(
    job=fetch_deliveries, cron_schedule="0 20 * * *", execution_timezone="Europe/Berlin",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every evening: looks at every link again and fetches what is new, or what was interrupted.",
)  # fmt: skip
def nightly_fetch(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Fetches all contributions in one run."""
    return _whole_range(context)


@dg.schedule(
    job=validate_contribution, cron_schedule="0 1 * * *", execution_timezone="Europe/Berlin",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: all contributions in one run; those that did not change cost next to nothing.",
)  # fmt: skip
def nightly_contributions(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Validates every contribution again, so that a delivery that came back is noticed."""
    return _whole_range(context)


def _whole_range(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    keys = context.instance.get_dynamic_partitions(str(CONTRIBUTIONS.name))
    if not keys:
        return dg.SkipReason("no contribution is registered yet")
    # One run over the whole range: a run per contribution would cost seconds of start-up each.
    return dg.RunRequest(tags={RANGE_START: keys[0], RANGE_END: keys[-1]})


@dg.schedule(
    job=update_collection, cron_schedule="0 2 * * *", execution_timezone="Europe/Berlin",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night, an hour later: duplicates, ledger and all checks over the whole collection.",
)  # fmt: skip
def nightly_collection() -> dg.RunRequest:
    """Counts the collection again and runs every check."""
    return dg.RunRequest()
