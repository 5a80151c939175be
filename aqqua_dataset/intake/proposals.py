"""Proposals: what an import would add to or change in the registry, as files that somebody reviews and accepts.

Three things are compared key by key: what the import said last time, what it says now, and what stands in the registry
(or waits among the proposals). What an editor changed or threw away is never overwritten; that it differs is said.
"""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from aqqua_dataset.findings import Finding, Severity
from aqqua_dataset.intake.yaml_text import changed, dump, flat, one_line, plain
from aqqua_dataset.registry.load import read_yaml
from aqqua_dataset.registry.models import Contribution, Institution, Person, Record
from aqqua_dataset.warehouse import Warehouse

#: Folder of the registry that holds what waits for a review; nothing else reads it.
PROPOSALS = "proposals"
#: The imports; what a later one says comes before what an earlier one said.
SOURCES = ("ecotaxa-list", "form")
MODELS: dict[str, type[Record]] = {"people": Person, "institutions": Institution, "contributions": Contribution}
#: Begins the comments that accepting a proposal takes away; other comments stay.
MARK = "#:"
_CHANGES = f"{PROPOSALS}/changes.json"
_MISSING = object()


@dataclass(frozen=True)
class Draft:
    """One record as an import has it.

    Attributes:
        file: its file in the registry.
        key: what the import's own table calls it.
        values: keys and values; a record inside a record is compared key by key, a list as a whole.
        where: file and line it comes from.
        remarks: what the editor should know, for the proposal's comments.
        once: keys that are said when the record is made and never compared later.
    """

    file: str
    key: str
    values: Mapping[str, Any]
    where: str
    remarks: tuple[str, ...] = ()
    once: frozenset[str] = frozenset()


@dataclass
class Outcome:
    """What became of an import: counts by what happened to the records, and what is to be said."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


@dataclass
class Imported:
    """What an import said last time: file -> its key in the import's table, and its values."""

    source: str
    records: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The file it is kept in."""
        return f"imports/{self.source}.jsonl"

    @classmethod
    def load(cls, folder: Path, source: str) -> "Imported":
        """What was kept; nothing before the first import."""
        made = cls(source)
        if (folder / made.path).exists():
            for line in (folder / made.path).read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                made.records[row["file"]] = (row["key"], row["values"])
        return made

    def save(self, registry: Warehouse) -> None:
        """Keeps it for the next run, one record in each line."""
        lines = [
            json.dumps({"file": f, "key": k, "values": v}, ensure_ascii=False, sort_keys=True)
            for f, (k, v) in sorted(self.records.items())
        ]
        registry.write_bytes(self.path, "".join(f"{line}\n" for line in lines).encode())

    def known(self, key: str) -> tuple[str | None, Mapping[str, Any]]:
        """The file that a key of the import's table became, and what was said of it last time."""
        file = self.files.get(key)
        return file, self.records[file][1] if file is not None else {}

    @functools.cached_property
    def files(self) -> dict[str, str]:
        """File by key, as the last run left them."""
        return {key: file for file, (key, _) in self.records.items()}


class Proposing:
    """One run of an import over a registry."""

    def __init__(self, folder: Path, source: str) -> None:
        """Reads what earlier runs left in the registry ``folder``."""
        self.folder, self.source, self.outcome = folder, source, Outcome()
        self.registry = Warehouse(str(folder))
        self.states = {name: Imported.load(folder, name) for name in SOURCES}
        self.changes = load_changes(folder)

    def run(self, drafts: Iterable[Draft]) -> Outcome:
        """Compares every draft and writes what is new or changed among the proposals."""
        for draft in drafts:
            self.outcome.counts[self._propose(draft)] += 1
        for state in self.states.values():
            if state.records:
                state.save(self.registry)
        save_changes(self.registry, self.changes)
        return self.outcome

    def _propose(self, draft: Draft) -> str:
        kind = draft.file.partition("/")[0]
        said = flat(draft.values)
        self._return_to_the_registry(draft.file)
        known = self.states[self.source].records.get(draft.file)
        before = known[1] if known else None
        waiting = self.folder / PROPOSALS / draft.file
        stands = waiting if waiting.exists() else self.folder / draft.file
        if before is not None:  # what was said when the record was made is kept as it was said then
            said = {k: before.get(k, v) if _is_once(k, draft) else v for k, v in said.items()}
        self.states[self.source].records[draft.file] = (draft.key, said)
        if not stands.exists():
            if before == said:
                return f"{kind}: not proposed again, thrown away before"
            told = [f"{MARK} proposed by {self.source}, {one_line(draft.where)}"]
            told += [f"# {one_line(remark)}" for remark in draft.remarks]
            text = "\n".join([*told, dump(draft.values)])
            self.registry.write_bytes(f"{PROPOSALS}/{draft.file}", text.encode())
            return f"{kind}: new"
        text = stands.read_text(encoding="utf-8")
        try:
            values = read_yaml(text)
        except (yaml.YAMLError, ValueError):
            self._say(draft, "proposal_over_broken_file", "this file can't be read; put it right first", "", "warning")
            return f"{kind}: not compared"
        wanted = self._wanted(draft, said, before, flat(values if isinstance(values, dict) else {}))
        if not wanted:
            return f"{kind}: {'waiting' if stands is waiting else 'unchanged'}"
        return f"{kind}: {self._change(draft, stands, text, wanted)}"

    def _wanted(
        self, draft: Draft, said: Mapping[str, Any], before: Mapping[str, Any] | None, now: Mapping[str, Any]
    ) -> dict[str, Any]:  # fmt: skip
        """Keys to change with their new values; what an editor changed is only spoken of."""
        wanted: dict[str, Any] = {}
        native = _native(draft.values)
        for key, value in said.items():
            if key == "history" or _is_once(key, draft):
                continue
            stands = now.get(key, _MISSING)
            if stands == value:
                continue
            last = before.get(key, _MISSING) if before is not None else _MISSING
            if last == value:
                self._say(draft, "edited_by_hand", "kept as it was edited; the import still says", key, "note", value)
            elif stands == last or self._from_another_import(draft.file, key, stands):  # both may be missing
                wanted[key] = native[key]
            else:
                message = f"{_shown(now.get(key, 'nothing'))} stands here and is kept; the import says"
                self._say(draft, "differs_from_import", message, key, "warning", value)
        for key in sorted(set(before or {}) - set(said)):
            if before is not None and now.get(key) == before[key] and not _is_once(key, draft):
                self._say(draft, "no_longer_said", "the import no longer says this; it is kept", key, "note", now[key])
        if new := _new_events(draft.values.get("history", ()), now.get("history", ()), before):
            wanted["history"] = new
        return wanted

    def _from_another_import(self, file: str, key: str, value: Any) -> bool:
        """Whether a value was put there by an import that comes before this one."""
        earlier = SOURCES[: SOURCES.index(self.source)]
        return any(self.states[s].records.get(file, ("", {}))[1].get(key, _MISSING) == value for s in earlier)

    def _change(self, draft: Draft, stands: Path, text: str, wanted: dict[str, Any]) -> str:
        kind = draft.file.partition("/")[0]
        order = list(MODELS[kind].model_fields)
        done = text
        for key, value in wanted.items():
            try:
                done = changed(done, {key: value}, order)
            except (ValueError, yaml.YAMLError):
                message = "the file is written in a way that this key can't be changed in; change it by hand to"
                self._say(draft, "change_by_hand", message, key, "warning", value)
        if done == text:
            return "to change by hand"
        if (self.folder / draft.file).exists():
            self._remember(draft.file, wanted)
        told = [f"{MARK} {self.source}, {one_line(draft.where)}, changes: {', '.join(wanted)}"]
        told += [line for line in (f"# {one_line(r)}" for r in draft.remarks) if line not in done.splitlines()]
        self.registry.write_bytes(f"{PROPOSALS}/{draft.file}", "\n".join([*told, done]).encode())
        return "changed"

    def _remember(self, file: str, wanted: Iterable[str]) -> None:
        """What the registry's file is and holds, so that an edit between now and the acceptance is seen."""
        text = (self.folder / file).read_text(encoding="utf-8")
        values = flat(read_yaml(text))
        change = self.changes.setdefault(file, {"sha256": sha256(text), "was": {}})
        for key in wanted:
            change["was"].setdefault(key, None if key == "history" else values.get(key))

    def _return_to_the_registry(self, file: str) -> None:
        """Forgets a proposed change of a file that an editor changed meanwhile, so that it is proposed over that."""
        change, waiting, stands = self.changes.get(file), self.folder / PROPOSALS / file, self.folder / file
        if change is None:
            if waiting.exists() and stands.exists():  # somebody wrote the record by hand meanwhile: that one holds
                waiting.unlink()
            return
        if waiting.exists() and stands.exists() and sha256(stands.read_text(encoding="utf-8")) == change["sha256"]:
            return
        del self.changes[file]
        if not waiting.exists():  # thrown away, or accepted
            return
        waiting.unlink()
        for state in self.states.values():
            _, values = state.records.get(file, ("", {}))
            for key, value in change["was"].items():
                if key in values and value is not None:
                    values[key] = value
                elif key in values:
                    del values[key]

    def _say(
        self, draft: Draft, rule: str, message: str, key: str, severity: Severity, value: Any = ""
    ) -> None:  # fmt: skip
        name = Path(draft.file).stem if draft.file.startswith("contributions/") else ""
        text = f"{message} {_shown(value)} ({draft.where})" if value != "" else f"{message} ({draft.where})"
        self.outcome.findings.append(Finding(rule, severity, text, name, draft.file, key=key))


def load_changes(folder: Path) -> dict[str, dict[str, Any]]:
    """Proposals that change a file of the registry: the file's SHA-256 then, and the values that are to change."""
    if not (folder / _CHANGES).exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads((folder / _CHANGES).read_text(encoding="utf-8"))
    return found


def save_changes(registry: Warehouse, changes: Mapping[str, Any]) -> None:
    """Keeps them, or removes their file where there are none."""
    if changes:
        registry.write_json(_CHANGES, dict(changes))
    elif registry.exists(_CHANGES):
        registry.remove(_CHANGES)
        registry.prune(_CHANGES)


def sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def proposed_files(folder: Path) -> list[str]:
    """The records that wait, as files of the registry."""
    return [
        f"{kind}/{path.name}"
        for kind in MODELS
        for path in sorted((folder / PROPOSALS / kind).glob("*.yaml"))
    ]  # fmt: skip


def _is_once(key: str, draft: Draft) -> bool:
    return key in draft.once or key.partition(".")[0] in draft.once


def _native(values: Mapping[str, Any]) -> dict[str, Any]:
    """As ``flat``, with days as days, so that they are written without quotes."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) and value else {key: value}
    return found


def _new_events(said: Any, stands: Any, before: Mapping[str, Any] | None) -> list[Any]:
    """Events of an import that the history lacks, if they can follow what it holds; it is append-only."""
    known = plain(stands or ())
    last = max((e["date"] for e in known), default="")
    states = {e["state"] for e in known}
    if "revoked" in {e["state"] for e in known if e.get("scope") == "all"}:
        return []
    told_before = plain((before or {}).get("history", ()))
    return [
        e for e in said
        if plain(e) not in known and plain(e) not in told_before
        and e["state"] not in states and plain(e)["date"] >= last and e["state"] != "pledged"
    ]  # fmt: skip


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return one_line(text)[:200]
