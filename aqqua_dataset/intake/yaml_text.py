"""Writes registry files as people write them, and changes single keys without touching the rest of a file."""

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from aqqua_dataset.registry.load import read_yaml

_WIDTH = 118
#: A list whose entries are records is written one entry in each line.
_Values = Mapping[str, Any]
# The registry reads more texts as numbers than PyYAML puts in quotes.
_LIKE_A_NUMBER = re.compile(r"[-+]?(?:[0-9]+|[0-9]*\.[0-9]+|[0-9]+\.)(?:[eE][-+]?[0-9]+)?")


# The writer in C is several times as fast.
_Safe: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Safe):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        """Nothing is written as a reference to something above."""
        return True


def _text(dumper: Any, text: str) -> Any:
    quoted = '"' if _LIKE_A_NUMBER.fullmatch(text) or "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=quoted)


_Dumper.add_representer(str, _text)


def plain(value: Any) -> Any:
    """A value as it is once it was written and read again: days as text, tuples as lists."""
    return json.loads(json.dumps(value, default=str))


def flat(values: _Values) -> dict[str, Any]:
    """Keys with their values; the keys of a record inside a record are ``source.format``, deeper ones stay together."""
    found: dict[str, Any] = {}
    for key, value in plain(values).items():
        found |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) and value else {key: value}
    return found


def dump(values: _Values) -> str:
    """A record as YAML in the registry's style."""
    return "".join(f"{_entry(key, value, '')}\n" for key, value in values.items())


def one_line(text: str) -> str:
    """A text that can stand in a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def flow(value: Any) -> str:
    """A value on one line."""
    made: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, sort_keys=False, width=1 << 30
    )
    return made.removesuffix("\n").removesuffix("\n...")


def _in_flow(value: Any) -> str:
    """A value inside a record or list on one line, where a comma ends it."""
    return flow([value])[1:-1]


def _entry(key: str, value: Any, indent: str) -> str:
    if isinstance(value, list | tuple) and value and all(isinstance(v, dict) for v in value):
        return "\n".join([f"{indent}{key}:", *(f"{indent}  - {flow(v)}" for v in value)])
    line = f"{indent}{key}: {flow(value)}"
    if isinstance(value, dict) and value and (len(line) > _WIDTH or any(isinstance(v, list) for v in value.values())):
        return "\n".join([f"{indent}{key}:", *(_entry(k, v, indent + "  ") for k, v in value.items())])
    return line


def changed(text: str, changes: _Values, order: Iterable[str]) -> str:
    """A file's text with some keys changed or added and everything else as it stands.

    Args:
        text: the file's text.
        changes: ``key`` or ``key.key`` -> value. Of ``history`` the value is what to add at its end.
        order: the order of keys, for those that are added.

    Raises:
        ValueError: the file is written in a way in which this key can't be changed by itself.
    """
    for path, value in changes.items():
        expected = _expected(read_yaml(text), path.split("."), value)
        text = _appended(text, value) if path == "history" else _set(text, path.split("."), value, list(order))
        if plain(read_yaml(text)) != plain(expected):
            raise ValueError(path)
    return text


def _expected(values: Any, path: list[str], value: Any) -> Any:
    made = dict(values)
    if path == ["history"]:
        made["history"] = [*made["history"], *value]
    elif len(path) == 1:
        made[path[0]] = value
    else:
        made[path[0]] = {**(made.get(path[0]) or {}), path[1]: value}
    return made


def _set(text: str, path: list[str], value: Any, order: list[str]) -> str:
    root = _root(text)
    name = path[0]
    child = next(((k, v) for k, v in root.value if k.value == name), None)
    if child is None:
        return _added(text, root, name, value if len(path) == 1 else {path[1]: value}, order)
    if len(path) == 1:
        return _replaced(text, *child, name, value, root.flow_style)
    inside = child[1]
    if not isinstance(inside, yaml.MappingNode):
        raise ValueError(name)
    grandchild = next(((k, v) for k, v in inside.value if k.value == path[1]), None)
    if grandchild is not None:
        return _replaced(text, *grandchild, path[1], value, inside.flow_style)
    return _added(text, inside, path[1], value, [k.value for k, _ in inside.value])


def _root(text: str) -> yaml.MappingNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError("not a record")
    return node


def _replaced(text: str, key: yaml.Node, old: yaml.Node, name: str, value: Any, in_flow: bool) -> str:
    """The text from a key on to the end of its value, written anew; comments inside are kept above it."""
    start, end = key.start_mark.index, max(_end(text, old), key.end_mark.index + 1)
    if in_flow:
        return f"{text[:start]}{name}: {_in_flow(value)}{text[end:]}"
    indent = " " * key.start_mark.column
    kept = [line.strip() for line in text[start:end].splitlines() if line.lstrip().startswith("#")]
    comments = "".join(f"{line}\n{indent}" for line in kept)
    return f"{text[:start]}{comments}{_entry(name, value, indent).lstrip()}{text[end:]}"


def _added(text: str, mapping: yaml.MappingNode, name: str, value: Any, order: list[str]) -> str:
    """The text with a new key, behind the nearest key that comes before it in the order."""
    if mapping.flow_style:
        end = mapping.end_mark.index - 1
        return f"{text[:end].rstrip()}{', ' if mapping.value else ''}{name}: {_in_flow(value)}{text[end:]}"
    before = set(order[: order.index(name)]) if name in order else {k.value for k, _ in mapping.value}
    above = [v for k, v in mapping.value if k.value in before]
    indent = " " * mapping.value[0][0].start_mark.column
    entry = _entry(name, value, indent)
    if not above:
        start = mapping.start_mark.index
        return f"{text[:start]}{entry.lstrip()}\n{indent}{text[start:]}"
    end = _line_end(text, _end(text, above[-1]))
    return f"{text[:end]}\n{entry}{text[end:]}"


def _appended(text: str, events: list[_Values]) -> str:
    """The text with events behind those of the history."""
    node = next((v for k, v in _root(text).value if k.value == "history"), None)
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise ValueError("history")
    if node.flow_style:
        end = node.end_mark.index - 1
        return f"{text[:end].rstrip()}, {', '.join(map(flow, events))}{text[end:]}"
    end = _line_end(text, _end(text, node.value[-1]))
    indent = " " * node.start_mark.column
    return text[:end] + "".join(f"\n{indent}- {flow(event)}" for event in events) + text[end:]


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends; a block's own mark stands behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return len(text[:end].rstrip()) if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else end


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def as_day(text: str) -> dt.date | None:
    """A day written 2025-08-31, else None."""
    try:
        return dt.date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None
    except ValueError:
        return None
