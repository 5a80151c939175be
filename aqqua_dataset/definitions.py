"""The one place where assets, checks, jobs, schedules, sensors and resources meet."""

import dagster as dg

from aqqua_dataset.orchestration import automation, checks, dois, publishing, retention, upkeep
from aqqua_dataset.orchestration.assets import collection, contributions, near, reports
from aqqua_dataset.orchestration.resources import CollectionResource


def build_definitions(resource: CollectionResource) -> dg.Definitions:
    """Fresh definitions around a collection; tests pass their own."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules([contributions, near, collection, reports]),
        asset_checks=dg.load_asset_checks_from_modules([checks]),
        jobs=[
            automation.validate_contribution,
            automation.update_collection,
            automation.fetch_deliveries,
            automation.build_release,
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
