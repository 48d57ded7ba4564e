# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses hand-written YAML. Every error has a line, and limits keep hostile files from using much time or memory."""

from __future__ import annotations

import functools
from typing import Any

from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.vault import Vaulted, one_line
from ansible_collections.vizgate.gateway.plugins.module_utils._core.text import shown

DEPTH = 40
"""Maximum depth of nested values."""
SIZE = 2**20
"""Maximum size of a text with its aliases expanded: the number of characters, and VALUE_SIZE for each value."""
VALUE_SIZE = 16
TEXT_CHARACTERS, VAULTED_CHARACTERS, NUMBER_CHARACTERS = 8192, 2**16, 40
VAULTED_VALUES = 100
"""Maximum number of vaulted values. Each takes ten milliseconds to decrypt."""

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_VAULT = ("!vault", "!vault-encrypted")
_LIMITS = {
    **dict.fromkeys((_TAG + kind for kind in ("int", "float", "timestamp", "bool", "null")), NUMBER_CHARACTERS),
    **dict.fromkeys(_VAULT, VAULTED_CHARACTERS),
}


class NotYaml(ValueError):
    """A text that cannot be parsed; `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        super().__init__(text)


class Fields(dict[Any, Any]):
    """A mapping with the lines of its own keys; merged keys have none."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[Any, int] = {}


class Items(list[Any]):
    """A list with the lines of its items."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


def load(text: str) -> Any:
    """Parses a text, with `!vault` values as `Vaulted`; raises NotYaml."""
    yaml, loader_class = _yaml()
    loader = None
    try:
        loader = loader_class(text)
        return _Reading(yaml, loader).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, f"this is not YAML: {one_line(error.problem)}") from None
    except NotYaml:
        raise
    except (yaml.YAMLError, ValueError) as error:  # characters that YAML or UTF-8 cannot have
        raise NotYaml(1, f"this is not YAML: {one_line(error)}") from None
    finally:
        if loader is not None:
            loader.dispose()


def line_of(data: object, path: tuple[Any, ...]) -> int:
    """The line, from 1, of the value at `path`, or of its last existing parent."""
    line = getattr(data, "line", 1)
    for step in path:
        if (isinstance(data, Items) and isinstance(step, int) and step < len(data)) or (
            isinstance(data, Fields) and step in data.lines
        ):
            line = data.lines[step]
        else:
            break
        data = data[step]
    return int(line)


@functools.cache
def _yaml() -> tuple[Any, Any]:
    """PyYAML and its safe loader. Only the parser and the constructors of scalars are used."""
    # imported here, so that this file can be imported without PyYAML, and the error is reported properly
    import yaml

    return yaml, getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Reading:
    """Builds data from a parser's events. PyYAML's own composer has no limit for recursion and for expanded aliases."""

    def __init__(self, yaml: Any, loader: Any) -> None:
        self.yaml, self.loader = yaml, loader
        self.size = self.vaulted = 0
        self.anchors: dict[str, tuple[Any, int]] = {}
        """Value and its size, by anchor name."""

    def document(self) -> Any:
        """The single document of the text, or None."""
        events = self.yaml.events
        self.loader.get_event()
        if isinstance(self.loader.get_event(), events.StreamEndEvent):
            return None
        found = self._value(self.loader.get_event(), 0)
        self.loader.get_event()
        event = self.loader.get_event()
        if not isinstance(event, events.StreamEndEvent):
            raise _not_yaml(event, "expected a single document in the stream")
        return found

    def _count(self, event: Any, size: int) -> None:
        self.size += size
        if self.size > SIZE:
            limit = (
                f"the limit is {SIZE} characters, where each value counts {VALUE_SIZE} more and aliases are expanded"
            )
            raise NotYaml(event.start_mark.line + 1, f"the file is too large up to this line; {limit}")

    def _value(self, event: Any, depth: int) -> Any:
        events = self.yaml.events
        if isinstance(event, events.AliasEvent):
            if event.anchor not in self.anchors:
                raise _not_yaml(event, "found undefined alias")
            found, size = self.anchors[event.anchor]
            self._count(event, size)
            return found
        before = self.size
        if depth > DEPTH:
            raise NotYaml(event.start_mark.line + 1, f"this is nested deeper than {DEPTH} levels")
        if isinstance(event, events.ScalarEvent):
            found = self._scalar(event)
        else:
            is_list = isinstance(event, events.SequenceStartEvent)
            self._count(event, VALUE_SIZE)
            if event.tag in _VAULT:
                raise _not_yaml(event, f"expected a scalar node, but found {'sequence' if is_list else 'mapping'}")
            if event.tag not in (None, "!", _TAG + ("seq" if is_list else "map")):
                raise _unknown_tag(event, event.tag)
            found = self._items(event, depth) if is_list else self._fields(event, depth)
        if event.anchor:
            if event.anchor in self.anchors:
                raise _not_yaml(event, "found duplicate anchor")
            self.anchors[event.anchor] = (found, self.size - before)
        return found

    def _scalar(self, event: Any) -> Any:
        value, tag = event.value, event.tag
        if tag in (None, "!"):
            tag = self.loader.resolve(self.yaml.ScalarNode, value, event.implicit)
        limit = _LIMITS.get(tag, TEXT_CHARACTERS)
        if len(value) > limit:
            raise NotYaml(event.start_mark.line + 1, f"this value has {len(value)} characters; the limit is {limit}")
        self._count(event, VALUE_SIZE + len(value))
        if tag == _TAG + "str":
            return value
        if tag in _VAULT:
            self.vaulted += 1
            if self.vaulted > VAULTED_VALUES:
                raise NotYaml(event.start_mark.line + 1, f"more than {VAULTED_VALUES} values are vaulted")
            return Vaulted(value)
        construct = self.loader.yaml_constructors.get(tag)
        if construct is None or tag not in _LIMITS:
            raise _unknown_tag(event, tag)
        try:
            return construct(self.loader, self.yaml.ScalarNode(tag, value))
        except (ValueError, LookupError, AttributeError, OverflowError) as error:
            raise _not_yaml(event, error) from None

    def _items(self, start: Any, depth: int) -> Items:
        found = Items(start.start_mark.line + 1)
        while not isinstance(event := self.loader.get_event(), self.yaml.events.SequenceEndEvent):
            found.lines.append(event.start_mark.line + 1)
            found.append(self._value(event, depth + 1))
        return found

    def _fields(self, start: Any, depth: int) -> Fields:
        found = Fields(start.start_mark.line + 1)
        merged: dict[Any, Any] = {}
        while not isinstance(event := self.loader.get_event(), self.yaml.events.MappingEndEvent):
            line = event.start_mark.line + 1
            merges = (
                isinstance(event, self.yaml.events.ScalarEvent)
                and event.value == "<<"
                and self.loader.resolve(self.yaml.ScalarNode, event.value, event.implicit) == _MERGE
            )
            key = "<<" if merges else self._value(event, depth + 1)
            if isinstance(key, (Fields, Items, Vaulted)):
                raise _not_yaml(event, "found unhashable key")
            if key in found.lines:
                raise NotYaml(line, f"duplicate key {shown(key)}; the second value would replace the first")
            found.lines[key] = line
            event = self.loader.get_event()
            value = self._value(event, depth + 1)
            if merges:
                merged = _merged(event, value)
            else:
                found[key] = value
        for key in merged:
            found.setdefault(key, merged[key])
        return found


def _merged(event: Any, value: Any) -> dict[Any, Any]:
    """The keys and values of a merge key ("<<"). In a list of mappings, the first value of a key wins."""
    parents = value if isinstance(value, Items) else [value]
    merged: dict[Any, Any] = {}
    for parent in parents:
        if not isinstance(parent, Fields):
            kind = "sequence" if isinstance(parent, Items) else "scalar"
            wanted = "a mapping" if isinstance(value, Items) else "a mapping or list of mappings"
            raise _not_yaml(event, f"expected {wanted} for merging, but found {kind}")
        for key in parent:
            merged.setdefault(key, parent[key])
    return merged


def _not_yaml(event: Any, reason: object) -> NotYaml:
    return NotYaml(event.start_mark.line + 1, f"this is not YAML: {one_line(reason)}")


def _unknown_tag(event: Any, tag: str) -> NotYaml:
    return _not_yaml(event, f"could not determine a constructor for the tag {shown(tag)}")
