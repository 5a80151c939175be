"""Takes proposals into the registry: only such that leave it valid, and only over files as they were when proposed."""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from aqqua_dataset.findings import Finding
from aqqua_dataset.intake.contacts import PROPOSED, accept_contacts, entries
from aqqua_dataset.intake.proposals import MARK, MODELS, PROPOSALS, load_changes, proposed_files, save_changes, sha256
from aqqua_dataset.registry.check import CONTACTS
from aqqua_dataset.registry.load import load_registry, read_yaml
from aqqua_dataset.warehouse import Warehouse


@dataclass
class Accepted:
    """What was taken over and what wasn't."""

    files: list[str] = field(default_factory=list)
    contacts: int = 0
    findings: list[Finding] = field(default_factory=list)


def accept(folder: Path, ids: Iterable[str], everything: bool = False) -> Accepted:
    """Moves proposals into the registry, with the proposed people and institutions that they name.

    Args:
        folder: the registry's folder.
        ids: ids of records, or their files such as ``people/anna-lindqvist``.
        everything: all that wait.
    """
    made = Accepted()
    waiting = proposed_files(folder)
    wanted = set(waiting) if everything else _chosen(waiting, entries(folder, PROPOSED), ids, made)
    texts = {f: _text(folder, f) for f in _with_named(folder, wanted, set(waiting), made)}
    _keep_unchanged(folder, texts, made)
    _keep_valid(folder, texts, made)
    registry, changes = Warehouse(str(folder)), load_changes(folder)
    for file in sorted(texts, key=lambda f: (list(MODELS).index(f.partition("/")[0]), f)):
        registry.write_bytes(file, texts[file].encode())
        registry.remove(f"{PROPOSALS}/{file}")
        registry.prune(f"{PROPOSALS}/{file}")
        changes.pop(file, None)
        made.files.append(file)
    save_changes(registry, changes)
    people = {Path(f).stem for f in texts if f.startswith("people/")}
    standing = {p.stem for p in (folder / "people").glob("*.yaml")}
    named = entries(folder, PROPOSED) if everything else {*people, *ids}
    made.contacts = accept_contacts(folder, sorted(set(named) & standing))
    return made


def _chosen(
    waiting: list[str], contacts: Mapping[str, Any], ids: Iterable[str], made: Accepted
) -> set[str]:  # fmt: skip
    found: set[str] = set()
    for name in ids:
        fitting = {f for f in waiting if name.removesuffix(".yaml") in (f.removesuffix(".yaml"), Path(f).stem)}
        if not fitting and name not in contacts:
            message = f"no such proposal; those that wait are in {PROPOSALS}/"
            made.findings.append(Finding("proposal_unknown", "error", message, value=name))
        found |= fitting
    return found


def _text(folder: Path, file: str) -> str:
    """A proposal without the comments that the import made for itself."""
    lines = (folder / PROPOSALS / file).read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(MARK))


def _with_named(folder: Path, wanted: set[str], waiting: set[str], made: Accepted) -> set[str]:
    """The files and those waiting ones that they name."""
    found: set[str] = set()
    todo = sorted(wanted)
    while todo:
        file = todo.pop()
        if file in found:
            continue
        try:
            values = read_yaml(_text(folder, file))
        except (yaml.YAMLError, ValueError, OSError) as error:
            message = f"the proposal can't be read ({error})"
            made.findings.append(Finding("proposal_unreadable", "error", message, file=f"{PROPOSALS}/{file}"))
            continue
        found.add(file)
        todo += sorted(f for f in _named(values) if f in waiting and f not in found)
    return found


def _named(values: Any) -> set[str]:
    """Files of the people and institutions that a record names."""
    if not isinstance(values, dict):
        return set()
    parts = [c for c in values.get("contributors") or () if isinstance(c, dict)]
    people = [*(values.get("owners") or ()), *(c.get("person") for c in parts)]
    people += [values[key]["signer"] for key in ("form",) if isinstance(values.get(key), dict)]
    places = [*(values.get("institutions") or ()), *(values.get("affiliations") or ())]
    return {f"people/{p}.yaml" for p in people} | {f"institutions/{i}.yaml" for i in places}


def _keep_unchanged(folder: Path, texts: dict[str, str], made: Accepted) -> None:
    """Leaves those out whose file in the registry isn't the one they were proposed over."""
    changes = load_changes(folder)
    for file in sorted(texts):
        if not (folder / file).exists():
            continue
        stands = (folder / file).read_text(encoding="utf-8")
        if stands != texts[file] and sha256(stands) != changes.get(file, {}).get("sha256"):
            message = "the registry's file was changed after this was proposed; run the import again"
            _refuse(texts, made, file, "proposal_outdated", message)


def _keep_valid(folder: Path, texts: dict[str, str], made: Accepted) -> None:
    """Leaves those out that would bring an error into the registry, and those that name them."""
    while texts:
        with tempfile.TemporaryDirectory() as scratch:
            _overlay(folder, Path(scratch), texts)
            found = [f for f in load_registry(Path(scratch))[1] if f.severity == "error"]
        wrong = [f for f in found if f.file in texts]
        if wrong:  # what is wrong in the registry already doesn't keep a change of something else waiting
            known = {(f.file, f.rule, f.key, f.value) for f in load_registry(folder)[1]}
            wrong = [f for f in wrong if (f.file, f.rule, f.key, f.value) not in known]
        if not wrong:
            return
        made.findings += [_of_proposal(f) for f in wrong]
        for file in {f.file for f in wrong}:
            del texts[file]


def _of_proposal(finding: Finding) -> Finding:
    return Finding(
        finding.rule, finding.severity, finding.message, finding.contribution, f"{PROPOSALS}/{finding.file}",
        finding.line, finding.key, finding.value, finding.count,
    )  # fmt: skip


def _refuse(texts: dict[str, str], made: Accepted, file: str, rule: str, message: str) -> None:
    del texts[file]
    made.findings.append(Finding(rule, "error", message, file=f"{PROPOSALS}/{file}"))


def _overlay(folder: Path, scratch: Path, texts: Mapping[str, str]) -> None:
    """A registry as it would be: links to its files, and the proposals over them."""
    for path in folder.iterdir():
        if path.name in MODELS:
            (scratch / path.name).mkdir()
            for record in path.iterdir():
                (scratch / path.name / record.name).symlink_to(record.absolute())
        elif path.name not in (PROPOSALS, CONTACTS.partition("/")[0]):
            (scratch / path.name).symlink_to(path.absolute())
    for file, text in texts.items():
        target = scratch / file
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text, encoding="utf-8")
