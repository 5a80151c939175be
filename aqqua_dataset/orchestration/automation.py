"""What runs by itself: a sensor for the registry and the deliveries, a nightly schedule; and the jobs.

The sensor compares short hashes of each contribution (its registry file with its form's permissions; its delivery)
with those it saw last, so a permission-only edit or a changed delivery is noticed, and a contribution whose file is
gone loses its partition. It lists deliveries for a bounded time; the night lists all.
"""

import bisect
import hashlib
import json
import time
from typing import Any

import dagster as dg

from aqqua_dataset.nightly.state import MISSING, NOTHING, delivery_state, told_state
from aqqua_dataset.orchestration.assets.collection import distribution, duplicates, ledger, registry, release
from aqqua_dataset.orchestration.assets.contributions import core_rows, packed_images, quality, raw_delivery, raw_rows
from aqqua_dataset.orchestration.assets.near import duplicates_page, near_duplicates
from aqqua_dataset.orchestration.assets.night import nightly_digest
from aqqua_dataset.orchestration.assets.progress import progress_site
from aqqua_dataset.orchestration.assets.reports import report
from aqqua_dataset.orchestration.night import fetch_due_deliveries, validate_changed_contributions
from aqqua_dataset.orchestration.partitions import CONTRIBUTIONS, run_tags
from aqqua_dataset.orchestration.queues import FETCH, WORK
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.orchestration.schedules import every_day
from aqqua_dataset.pipeline import Collection, intake_refusal
from aqqua_dataset.release.people import identities

#: More changes than that at once become one run over all of them: a run of its own for each costs seconds.
MOST_SINGLE = 20

#: Seconds that a tick may spend listing deliveries; Dagster ends a tick after 60. The night looks at all.
LISTING_S = 20.0

STAGES = dg.AssetSelection.assets(raw_rows, core_rows, packed_images, quality, report)

validate_contribution = dg.define_asset_job(
    "validate_contribution",
    STAGES,
    tags=WORK,
    description="Read, harmonise and pack what is new or changed in a contribution, and write its report.",
)
fetch_deliveries = dg.define_asset_job(
    "fetch_deliveries",
    dg.AssetSelection.assets(raw_delivery),
    tags=FETCH,
    description="Fetch what is new or changed where the registry names links. A job of its own: days of transfer "
    "must not keep other contributions waiting; the sensor sees a new version and validates it.",
)
update_collection = dg.define_asset_job(
    "update_collection",
    dg.AssetSelection.assets(
        registry, near_duplicates, duplicates_page, duplicates, ledger, distribution, progress_site
    ),
    tags=WORK,
    description="Registry, duplicates with their page, ledger and public progress site, with every check.",
)
tell_what_is_new = dg.define_asset_job(
    "tell_what_is_new",
    dg.AssetSelection.assets(nightly_digest),
    tags=WORK,
    description="Due reports, messages to owners, and the digest: the asset nightly_digest.",
)
build_release = dg.define_asset_job(
    "build_release",
    dg.AssetSelection.assets(registry, near_duplicates, duplicates, ledger, release),
    tags=WORK,
    description="A release, or by default its rehearsal; its configuration is that of the asset release.",
)


def look(
    collection: Collection, cursor: dict[str, Any], budget_s: float = LISTING_S
) -> tuple[dict[str, list[str]], str]:
    """The registry's word on every contribution, and the deliveries of as many as the time allows, in turn.

    Args:
        collection: registry and deliveries.
        cursor: of the last tick: ``seen``, by contribution the hashes of both; ``next``, where it goes on.
        budget_s: seconds.

    Returns:
        Hashes by contribution, a delivery that wasn't looked at as it was, "" where it never was; and who comes next.
    """
    seen, contributions = cursor.get("seen", {}), collection.registry.contributions
    keys = sorted(contributions)
    start = bisect.bisect_left(keys, cursor.get("next", ""))
    until = time.monotonic() + budget_s
    people = identities(collection.registry)
    now = {k: [told_state(collection, contributions[k], people), seen.get(k, ["", ""])[1]] for k in keys}
    for number, key in enumerate(turn := keys[start:] + keys[:start]):
        if number and time.monotonic() > until:
            return now, key
        try:
            now[key][1] = delivery_state(collection, contributions[key], until)
        except OSError:  # a time-out, or a place that can't be reached: the night looks again, and says so
            continue
    return now, turn[0] if turn else ""


@dg.sensor(
    jobs=[validate_contribution, validate_changed_contributions, update_collection, fetch_deliveries,
          fetch_due_deliveries],
    minimum_interval_seconds=120, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers new, changed and removed contributions; a permission-only edit included. Of many thousand "
    "deliveries it lists some at each tick, in turn; the night lists all.",
)  # fmt: skip
def contributions_sensor(context: dg.SensorEvaluationContext, collection: CollectionResource) -> dg.SensorResult:
    """One run per new or changed contribution, then one that counts the collection again; new links are fetched."""
    opened, _ = collection.open()
    cursor: dict[str, Any] = json.loads(context.cursor or "{}")
    now, following = look(opened, cursor)
    seen = cursor.get("seen", {})
    changed = sorted(key for key, state in now.items() if _differs(seen.get(key), state))
    present = set(context.instance.get_dynamic_partitions(str(CONTRIBUTIONS.name)))
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if new := sorted(set(now) - present):
        requests.append(CONTRIBUTIONS.build_add_request(new))
    if gone := sorted(present - set(now)):
        requests.append(CONTRIBUTIONS.build_delete_request(gone))
    whole = hashlib.sha256(json.dumps(now, sort_keys=True).encode()).hexdigest()[:12]
    runs = _runs(opened, changed, now, whole)
    if changed or gone:
        runs.append(dg.RunRequest(run_key=f"collection:{whole}", job_name=update_collection.name))
    told = json.dumps({"seen": now, "next": following})
    return dg.SensorResult(
        run_requests=runs, dynamic_partitions_requests=requests, cursor=told,
        asset_events=[_laid_down(opened, key) for key in changed if _has_delivery(opened, key, now[key][1])],
    )  # fmt: skip


def _has_delivery(collection: Collection, key: str, delivery: str) -> bool:
    """Whether there is a delivery that nobody has to fetch."""
    source = collection.registry.contributions[key].source
    return source is not None and source.fetch_from is None and delivery not in ("", NOTHING, MISSING)


def _laid_down(collection: Collection, key: str) -> dg.AssetMaterialization:
    """That files were laid down by hand is an arrival like that of fetched ones, and the partition turns green."""
    source = collection.registry.contributions[key].source
    where = "" if source is None else collection.config.delivery_location(source.location)
    metadata = {"outcome": dg.MetadataValue.text("laid down by hand"), "delivery": dg.MetadataValue.path(where)}
    return dg.AssetMaterialization("raw_delivery", partition=key, metadata=metadata)


def _differs(before: list[str] | None, now: list[str]) -> bool:
    """Whether there is something to do; the first look at a delivery that had to wait its turn is no change."""
    return before is None or before[0] != now[0] or (before[1] != "" and before[1] != now[1])


def _runs(
    collection: Collection, changed: list[str], now: dict[str, list[str]], whole: str
) -> list[dg.RunRequest]:  # fmt: skip
    """A run for each changed contribution, or one for all of them where there are many."""
    fetches = [request for key in changed if (request := _fetch_request(collection, key))]
    if len(changed) > MOST_SINGLE:
        runs = [dg.RunRequest(run_key=f"many:{whole}", job_name=validate_changed_contributions.name)]
        if fetches:
            runs.append(dg.RunRequest(run_key=f"fetch:{whole}", job_name=fetch_due_deliveries.name))
        return runs
    runs = [
        dg.RunRequest(
            run_key=f"{key}:{':'.join(now[key])}", job_name=validate_contribution.name, partition_key=key,
            tags=run_tags(collection.registry.contributions[key]),
        )
        for key in changed
    ]  # fmt: skip
    return runs + fetches


def _fetch_request(collection: Collection, key: str) -> dg.RunRequest | None:
    """A run that fetches a contribution's delivery; Dagster starts it once for the same links."""
    contribution = collection.registry.contributions[key]
    source = contribution.source
    if source is None or source.fetch_from is None or intake_refusal(collection.registry, contribution) is not None:
        return None
    links = hashlib.sha256(f"{source.location} {source.fetch_from.model_dump_json()}".encode()).hexdigest()[:12]
    return dg.RunRequest(
        run_key=f"fetch:{key}:{links}", job_name=fetch_deliveries.name, partition_key=key, tags=run_tags(contribution)
    )


nightly_fetch = every_day(
    "nightly_fetch", fetch_due_deliveries.name, 20,
    "Every evening: looks at every link again and fetches what is new, what was interrupted, and EcoTaxa "
    "projects that were never pulled; begins no fetch after four hours.",
)  # fmt: skip
nightly_contributions = every_day(
    "nightly_contributions", validate_changed_contributions.name, 1,
    "Every night: lists all deliveries and validates what is new or changed, in one run, and nothing else.",
)  # fmt: skip
nightly_collection = every_day(
    "nightly_collection", update_collection.name, 2,
    "Every night, after the validation: duplicates, ledger and all checks over the whole collection.",
)  # fmt: skip
nightly_messages = every_day(
    "nightly_messages", tell_what_is_new.name, 5,
    "Every morning: due reports, one message to each owner for whom something is new, and the digest.",
)  # fmt: skip
