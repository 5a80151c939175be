"""Asks the gate about a release: before it is built, before it is sealed, and before it is published."""

import datetime as dt
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Any

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.release.gate import ReleaseRequest, as_strict
from aqqua_dataset.release.gate_page import gate_html, gate_markdown
from aqqua_dataset.release.gate_rules import BUILD_RULES, EARLY_RULES, RULES, Rule, Verdict, judge
from aqqua_dataset.release.released import planned, read_released
from aqqua_dataset.warehouse import Warehouse


def gate_folder(release: str) -> str:
    """Where the gate's pages about a release lie: beside the releases, because a sealed one is never changed."""
    return f"gates/{release.removeprefix('releases/')}"


def judge_plan(
    registry: Registry, contributions: Iterable[str], request: ReleaseRequest, now: dt.datetime
) -> list[Finding]:  # fmt: skip
    """What speaks against a public release of these contributions before anything is built.

    A rehearsal and the internal view hear it once, of what was built.
    """
    if not request.strict:
        return []
    verdicts = judge(registry, planned(request, contributions), now, EARLY_RULES)
    return [f for v in verdicts for f in v.findings()]


def judge_built(
    registry: Registry, warehouse: Warehouse, folder: str, request: ReleaseRequest, now: dt.datetime,
    unsealed: dict[str, Any], executor: Executor, workers: int,
) -> list[Finding]:  # fmt: skip
    """What speaks against sealing a release: errors for the public, warnings for a rehearsal or the internal view.

    The archives of a rehearsal aren't read once more; those of a public release are.
    """
    verdicts = judge_release(
        registry, warehouse, folder, now, executor, workers, BUILD_RULES, unsealed, deep=request.strict
    )
    return as_strict([f for v in verdicts for f in v.findings()], request)


def judge_release(
    registry: Registry, warehouse: Warehouse, folder: str, now: dt.datetime, executor: Executor, workers: int,
    rules: tuple[Rule, ...] = RULES, unsealed: dict[str, Any] | None = None, deep: bool = True,
) -> list[Verdict]:  # fmt: skip
    """What every rule says of a built release; writes gate.html and gate.md.

    Args:
        registry: the whole registry.
        warehouse: where the release lies.
        folder: its folder.
        now: the present moment with its time zone.
        executor, workers: where the files are hashed.
        rules: the rules to ask.
        unsealed: what RELEASED.json is going to say, while there is none yet.
        deep: hash the archives as well.

    Raises:
        ReleaseRefused: the release isn't finished.
    """
    forms = frozenset(c.form_id for c in registry.contributions.values() if c.form_id)
    released = read_released(warehouse, folder, forms, executor, workers, unsealed, deep)
    verdicts = judge(registry, released, now, rules)
    title = f"Release gate: {folder}, judged on {now.date()}"
    for name, text in (("html", gate_html(verdicts, title)), ("md", gate_markdown(verdicts, title))):
        warehouse.write_bytes(f"{gate_folder(folder)}/gate.{name}", text.encode())
    return verdicts
