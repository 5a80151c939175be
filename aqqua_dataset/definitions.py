"""The one place where assets, checks, jobs, schedules, sensors and resources meet."""

import dagster as dg

from aqqua_dataset.orchestration import automation, checks, dois, night, publishing, retention, upkeep
from aqqua_dataset.orchestration.assets import collection, contributions, near, progress, reports
from aqqua_dataset.orchestration.assets import night as night_assets
from aqqua_dataset.orchestration.manual import with_manual
from aqqua_dataset.orchestration.resources import CollectionResource


def build_definitions(resource: CollectionResource) -> dg.Definitions:
    """Fresh definitions around a collection; tests pass their own."""
    return dg.Definitions(
        assets=[
            asset.map_asset_specs(with_manual)
            for asset in dg.load_assets_from_modules([contributions, near, collection, progress, reports, night_assets])
            if isinstance(asset, dg.AssetsDefinition)
        ],
        asset_checks=dg.load_asset_checks_from_modules([checks]),
        jobs=[
            automation.validate_contribution,
            automation.update_collection,
            automation.fetch_deliveries,
            automation.build_release,
            automation.tell_what_is_new,
            night.fetch_due_deliveries,
            night.validate_changed_contributions,
            dois.register_doi,
            publishing.publish_release,
            upkeep.check_warehouse,
            upkeep.clean_warehouse,
            retention.forget_runs,
        ],
        sensors=[automation.contributions_sensor],
        schedules=[
            automation.nightly_fetch,
            automation.nightly_contributions,
            automation.nightly_collection,
            automation.nightly_messages,
            retention.nightly_forgetting,
        ],
        resources={"collection": resource},
        # Steps in one process: the parallel work is inside the assets, and a step costs seconds otherwise.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions that Dagster loads."""
    return build_definitions(CollectionResource())
