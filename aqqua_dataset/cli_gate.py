"""``aqqua gate``, ``publish``, ``absence``: may it be published; it is the latest now; nothing of this is in it."""

import argparse
import datetime as dt
from collections.abc import Callable

from aqqua_dataset.compute import open_executor
from aqqua_dataset.config import Config

Add = Callable[[str, object, str], argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    """Adds the commands to the parser."""
    gate = add("gate", _gate, "judge a built release by every rule; reads and hashes all of its files")
    gate.add_argument("--release", required=True, help="folder in the warehouse: releases/public/v1.0.0")
    publish = add("publish", _publish, "judge a built release and, if every rule is green, make it the latest")
    publish.add_argument("--release", required=True, help="folder in the warehouse: releases/public/v1.0.0")
    absence = add("absence", _absence, "prove that nothing of a contribution is in a release; reads all of it")
    absence.add_argument("contribution")
    absence.add_argument("--release", required=True, help="folder in the warehouse: releases/public/v1.1.0")


def _absence(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.release.absence import absence_markdown, proof_of_absence

    collection, _ = workflow.open_collection(config)
    with open_executor(config.executor) as (executor, workers):
        proof = proof_of_absence(collection, options.release, options.contribution, executor, workers)
    print(absence_markdown(proof), end="")
    return 1 if proof.found else 0


def _publish(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow

    collection, findings = workflow.open_collection(config)
    said = workflow.publish(collection, findings, options.release, dt.datetime.now(dt.UTC))
    print(f"latest: {said['version']} ({said['prefix']}), manifest {said['manifest_sha256']}")
    return 0


def _gate(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import workflow
    from aqqua_dataset.release.gate_page import summary
    from aqqua_dataset.release.judging import gate_folder

    collection, findings = workflow.open_collection(config)
    broken = [f for f in findings if f.severity == "error"]
    verdicts = workflow.judge_release(collection, options.release, dt.datetime.now(dt.UTC))
    for finding in [*broken, *(f for v in verdicts for f in v.findings())]:
        print(f"  {finding.contribution}: {finding}" if finding.contribution else f"  {finding}")
    print(summary(verdicts))
    print(f"pages: {collection.warehouse.url(gate_folder(options.release))}")
    return 0 if not broken and all(v.green for v in verdicts) else 1
