"""The one partition key: the contribution. Chunks of images are tasks inside an asset, never partitions."""

import dagster as dg

from aqqua_dataset.registry.models import Contribution

CONTRIBUTIONS = dg.DynamicPartitionsDefinition(name="contribution")


def run_tags(contribution: Contribution) -> dict[str, str]:
    """What a run of one contribution is found by: ``contribution`` and, for each of its institutions, one tag."""
    return {"contribution": contribution.id} | {f"institution/{place}": "yes" for place in contribution.institutions}
