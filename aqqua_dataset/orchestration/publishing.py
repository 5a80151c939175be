"""The job that publishes a built release: no schedule, no sensor; a person starts it with its configuration."""

import datetime as dt

import dagster as dg

from aqqua_dataset import workflow
from aqqua_dataset.orchestration.resources import CollectionResource


class PublishConfig(dg.Config):
    """Folder of the release in the warehouse: releases/public/v1.0.0."""

    release: str


@dg.op
def announce_release(context: dg.OpExecutionContext, config: PublishConfig, collection: CollectionResource) -> None:
    """Fails when a rule of the gate is red."""
    opened, findings = collection.open()
    said = workflow.publish(opened, findings, config.release, dt.datetime.now(dt.UTC))
    context.add_output_metadata({name: value or "" for name, value in said.items()})


@dg.job(description="Judges a release by every rule of the gate and makes it the latest. Never runs by itself.")
def publish_release() -> None:
    """``aqqua publish`` in the UI."""
    announce_release()
