"""The digest to the data manager, and the messages to owners that go out with it."""

import datetime as dt

import dagster as dg

from aqqua_dataset.nightly.collect import write_due_reports
from aqqua_dataset.nightly.night import tell
from aqqua_dataset.orchestration.assets.collection import ledger
from aqqua_dataset.orchestration.assets.contributions import OWNERS
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.report import build


class DigestConfig(dg.Config):
    """``most_messages``: your word that so many may be sent; below 0 the number of settings.yaml holds."""

    most_messages: int = -1
    dry_run: bool = False


@dg.asset(
    group_name="progress", owners=OWNERS, kinds={"markdown"}, deps=[ledger],
    description="What the data manager reads in the morning: what arrived, what was validated, what is new in trouble, "
    "what waits for a person, what is tried again. With it go the reports that are due and one message to each owner "
    "for whom something is new; a first night over an old collection waits for your word (most_messages).",
)  # fmt: skip
def nightly_digest(
    context: dg.AssetExecutionContext, config: DigestConfig, collection: CollectionResource
) -> dg.MaterializeResult[None]:
    """Writes due reports, sends messages and the digest."""
    opened, findings = collection.open()
    now = dt.datetime.now(dt.UTC)
    for key, written in write_due_reports(opened, now):
        page = dg.MetadataValue.path(f"{opened.warehouse.url(written.folder)}/{build.PAGE}")
        metadata = {"outcome": dg.MetadataValue.text("done"), "page": page}
        context.log_event(dg.AssetMaterialization("report", partition=key, metadata=metadata))
    most = None if config.most_messages < 0 else config.most_messages
    told = tell(opened, findings, now, most, config.dry_run)
    made = told.digest
    return dg.MaterializeResult(
        metadata={
            "digest": dg.MetadataValue.md(told.text),
            "arrived": len(made.arrived),
            "validated": len(made.validated),
            "new_in_trouble": len(made.trouble),
            "waits_for_a_person": sum(map(len, made.waiting.values())),
            "failed_outside": len(made.failed),
            "messages_sent": len(made.posting.sent),
            "messages_held": len(made.posting.held),
        }
    )
