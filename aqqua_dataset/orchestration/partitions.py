"""The one partition key: the contribution. Chunks of images are tasks inside an asset, never partitions."""

import dagster as dg

CONTRIBUTIONS = dg.DynamicPartitionsDefinition(name="contribution")
