"""Where a collection lives: registry, deliveries, warehouse, workers. From the environment or the caller."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from aqqua_dataset.storage import Storage
from aqqua_dataset.transfer import versions

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Config:
    """The four places a collection needs.

    Attributes:
        registry: folder of the contributor registry (``AQQUA_REGISTRY``).
        deliveries: folder or URL that relative delivery locations start from (``AQQUA_DELIVERIES``).
        warehouse: folder or URL of everything the software makes (``AQQUA_WAREHOUSE``).
        executor: ``serial``, ``processes:N``, a Dask address or a YAML file (``AQQUA_EXECUTOR``).
        storage: options for fsspec to reach warehouse and deliveries (the file named by ``AQQUA_STORAGE``).
        outbox: folder on this machine for messages when no mail server is configured (``AQQUA_OUTBOX``): they bear
            addresses, so never in the warehouse. Beside the registry's private data when left out.
    """

    registry: Path
    deliveries: str
    warehouse: str
    executor: str
    storage: Storage = field(default_factory=Storage)
    outbox: Path | None = None

    @classmethod
    def from_environment(cls) -> "Config":
        """The places named by the environment, else the example registry and ``work/`` in the checkout."""
        work = Path(os.environ.get("AQQUA_HOME", _ROOT / "work")).absolute()
        return cls(
            registry=Path(os.environ.get("AQQUA_REGISTRY", _ROOT / "contributor_registry")),
            deliveries=os.environ.get("AQQUA_DELIVERIES", str(work / "deliveries")),
            warehouse=os.environ.get("AQQUA_WAREHOUSE", str(work / "warehouse")),
            executor=os.environ.get("AQQUA_EXECUTOR", f"processes:{os.cpu_count() or 1}"),
            storage=Storage.from_environment(),
            outbox=Path(os.environ.get("AQQUA_OUTBOX", work / "outbox")),
        )

    def delivery_location(self, location: str) -> str:
        """Full path or URL of a delivery; of its present version where it was fetched."""
        if "://" in location or Path(location).is_absolute():
            return location
        inside = versions.read_from(self.deliveries, location, self.storage.deliveries)
        return f"{self.deliveries.rstrip('/')}/{inside}"
