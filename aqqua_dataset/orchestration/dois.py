"""The job that registers DOIs: no schedule, no sensor; a person starts it with its configuration."""

import datetime as dt
from typing import Literal

import dagster as dg

from aqqua_dataset import workflow
from aqqua_dataset.orchestration.metadata import rows_table
from aqqua_dataset.orchestration.resources import CollectionResource


class DoiConfig(dg.Config):
    """Which step for which release; by default it only looks, and at the test system."""

    release: str
    action: Literal["draft", "update", "publish", "status"] = "status"
    production: bool = False


@dg.op
def take_doi_step(context: dg.OpExecutionContext, config: DoiConfig, collection: CollectionResource) -> None:
    """Fails when a rule or the server refuses the step."""
    opened, findings = collection.open()
    steps = workflow.register_doi(
        opened, findings, config.action, config.release, config.production, dt.datetime.now(dt.UTC), context.log.info
    )
    rows = [{"doi": s.doi, "state": s.state, "done": s.done, "differed": ", ".join(s.differs)} for s in steps]
    context.add_output_metadata({"dois": rows_table(rows)})


@dg.job(description="Draft, update, publish or status of a release's DOIs at DataCite. Never runs by itself.")
def register_doi() -> None:
    """``aqqua doi`` in the UI."""
    take_doi_step()
