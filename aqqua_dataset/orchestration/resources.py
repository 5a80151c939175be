"""The collection as a Dagster resource: where it lives and who works; one place to configure."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import dagster as dg

from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config
from aqqua_dataset.findings import Finding
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.workflow import open_collection


class CollectionResource(dg.ConfigurableResource[Collection]):
    """Registry, deliveries, warehouse and workers; empty values come from the environment (see config.py)."""

    registry: str = ""
    deliveries: str = ""
    warehouse: str = ""
    workers: str = ""
    outbox: str = ""

    def config(self) -> Config:
        """The places, with the environment's where none is set here."""
        found = Config.from_environment()
        return Config(
            registry=Path(self.registry) if self.registry else found.registry,
            deliveries=self.deliveries or found.deliveries,
            warehouse=self.warehouse or found.warehouse,
            executor=self.workers or found.executor,
            storage=found.storage,
            outbox=Path(self.outbox) if self.outbox else found.outbox,
        )

    def open(self) -> tuple[Collection, list[Finding]]:
        """The collection as it stands now, and what the registry's validation found."""
        return open_collection(self.config())

    @contextlib.contextmanager
    def executor(self) -> Iterator[tuple[Executor, int]]:
        """Workers for the parts of one asset."""
        with open_executor(self.config().executor) as opened:
            yield opened
