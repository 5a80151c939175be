"""The joined tables of a contribution: what they are stamped with, and how they get into its folder."""

import json

from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import Report
from aqqua_dataset.sources.joins import write_join, write_nothing
from aqqua_dataset.transfer.delivery import Delivery
from aqqua_dataset.warehouse import Warehouse


def stamps(config: Config, source: Source) -> str:
    """What changes when a joined table outside the delivery does; those inside change the rows' key."""
    found = {}
    for join in source.joins:
        if join.location is not None:
            try:
                with Delivery(config.delivery_location(join.location), config.storage.deliveries) as delivery:
                    found[join.id] = delivery.fingerprint()
            except FileNotFoundError:
                found[join.id] = "missing"
    return json.dumps(found)


def write(config: Config, warehouse: Warehouse, source: Source, folder: str, report: Report) -> None:
    """Writes every joined table; a delivery that isn't there is reported and counts as an empty table."""
    for join in source.joins:
        location = config.delivery_location(join.location or source.location)
        try:
            with Delivery(location, config.storage.deliveries) as delivery:
                write_join(warehouse, folder, delivery, join, source.joins, report)
        except FileNotFoundError as error:
            report(Finding("delivery_missing", "error", str(error), key=f"source.joins.{join.id}.location"))
            write_nothing(warehouse, folder, join, source.joins)
