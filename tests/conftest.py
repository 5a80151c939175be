"""Shared fixtures."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from aqqua_dataset.pipeline import Collection

ROOT = Path(__file__).parent.parent

#: Files that take minutes, begun first: at the end one of them would keep one core busy and the others idle.
LONG_FIRST = (
    "test_data_manager.py", "test_walk_real.py", "test_survival.py", "test_nightly.py", "test_retries.py",
    "test_compute.py", "test_ecotaxa_list.py", "test_deployment.py", "test_retention.py",
)  # fmt: skip

# On a busy machine a slow example is no failure.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first."""
    items.sort(key=lambda item: item.path.name not in LONG_FIRST)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real instrument files (AQQUA_REAL_DATA, or ../shared/real beside the checkout)."""
    folder = Path(os.environ.get("AQQUA_REAL_DATA", ROOT.parent / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no real instrument files at {folder}; set AQQUA_REAL_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def registry_folder() -> Path:
    """The example registry of the checkout."""
    return ROOT / "contributor_registry"


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a rehearsed release of three contributions, which no test may change."""
    from released import make_release

    return make_release(tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection with a registry that says everything of the dataset."""
    from described import make_described

    return make_described(tmp_path_factory.mktemp("described"))


@pytest.fixture(scope="session")
def public(described: Collection) -> Path:
    """Folder of its public release, which no test may change."""
    from small import PUBLIC, build

    return Path(described.warehouse.url(build(described, PUBLIC).folder))


@pytest.fixture(scope="session", autouse=True)
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of the readers' indexes, so that tests leave none in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder
