"""The house's rules that can be read from the code itself."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "aqqua_dataset"
MODULES = sorted(PACKAGE.rglob("*.py"))
DOMAIN = [m for m in MODULES if "orchestration" not in m.parts and m.name != "definitions.py"]


def imports(module: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("module", DOMAIN, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_the_domain_never_imports_the_orchestration(module: Path) -> None:
    names = imports(module)
    assert not any(n.split(".")[0] == "dagster" for n in names)
    assert not any(n.startswith("aqqua_dataset.orchestration") for n in names)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_modules_are_short_and_dagster_can_read_annotations(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400
    assert "__future__" not in imports(module)


def test_fsspec_opens_stores_in_one_place() -> None:
    users = {m.relative_to(PACKAGE).as_posix() for m in MODULES if "fsspec" in imports(m)}
    assert users == {"storage.py"}


def test_the_release_never_reads_private_contacts() -> None:
    for module in PACKAGE.glob("release/*.py"):
        text = module.read_text(encoding="utf-8")
        assert "contacts" not in text, module.name
        assert "private" not in text, module.name
