# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as people write it by hand, in which everything that is wrong has a line."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ._model import shown

DEPTH = 40
"""How deep values may nest. libyaml recurses, and dies of some ten thousand levels without an exception."""

_OPENERS = ("[", "{", "- ", "? ", ": ")


class NotYaml(ValueError):
    """A text that cannot be read; `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        super().__init__(text)


def _one_line(error: object) -> str:
    return " ".join(ascii(str(error))[1:-1].replace("\\n", " ").split())[:200]


@functools.cache
def _loaders() -> tuple[Any, Any, Any]:
    """PyYAML, its safe loader, and a loader that also refuses duplicate keys and decrypts `!vault` values."""
    # here, so that this file can be imported where PyYAML is missing, and that be said in words
    import yaml

    safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    def named(key: Any) -> Any:
        return key.value if isinstance(key, yaml.ScalarNode) else id(key)

    class Loader(safe):  # type: ignore[misc]  # PyYAML's loader is chosen at run time
        decrypt: Callable[[str], str]

        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.flat: set[int] = set()

        def flatten_mapping(self, node: Any) -> None:
            """Writes merge keys ("<<") out. Of a list, the first wins; releases of PyYAML differ in that."""
            if id(node) in self.flat:
                return
            self.flat.add(id(node))
            own: dict[Any, Any] = {}
            for key, value in node.value:
                if named(key) in own:
                    line = key.start_mark.line + 1
                    raise NotYaml(line, f"key {shown(key.value)} stands twice; the second would hide the first")
                own[named(key)] = (key, value)
            merged: dict[Any, Any] = {}
            key, value = own.get("<<", (None, None))
            if key is not None and key.tag == "tag:yaml.org,2002:merge":
                parents = value.value if isinstance(value, yaml.SequenceNode) else [value]
                if all(isinstance(parent, yaml.MappingNode) for parent in parents):
                    del own["<<"]
                    for parent in parents:
                        self.flatten_mapping(parent)
                        merged = {**{named(key): (key, value) for key, value in parent.value}, **merged}
            node.value = list({**merged, **own}.values())
            # what it finds to merge now cannot be merged, and it says so
            super().flatten_mapping(node)

        def construct_vault(self, node: Any) -> str:
            text = self.construct_scalar(node)
            try:
                return self.decrypt(text)
            except Exception as error:  # whatever a vault raises, it concerns this value
                raise NotYaml(node.start_mark.line + 1, f"this value cannot be decrypted: {_one_line(error)}") from None

    Loader.add_constructor("!vault", Loader.construct_vault)
    Loader.add_constructor("!vault-encrypted", Loader.construct_vault)
    return yaml, safe, Loader


def _refuse_depth(text: str) -> None:
    """Raises NotYaml for a text that nests too deep, looking closer only where it could."""
    if sum(text.count(opener) for opener in _OPENERS) < 2000 and text.count("\n ") < 2000:
        return
    yaml, safe, _loader = _loaders()
    depth = 0
    for event in yaml.parse(text, Loader=safe):
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH:
            raise NotYaml(event.start_mark.line + 1, f"this nests deeper than {DEPTH} levels")


def _no_vault(_text: str) -> str:
    raise ValueError("nothing here is vaulted")


def load(text: str, decrypt: Callable[[str], str] = _no_vault) -> Any:
    """The data of a text, `!vault` values decrypted; raises NotYaml."""
    yaml, _safe, loader_class = _loaders()
    loader = None
    try:
        _refuse_depth(text)
        loader = loader_class(text)
        loader.decrypt = decrypt
        return loader.get_single_data()
    except NotYaml:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, f"this is not YAML: {_one_line(error.problem)}") from None
    except Exception as error:  # PyYAML's constructors raise whatever int(), datetime() and others do
        raise NotYaml(1, f"this is not YAML: {_one_line(error) or type(error).__name__}") from None
    finally:
        if loader is not None:
            loader.dispose()


class Lines:
    """Finds the lines of values in a text that `load` has read."""

    def __init__(self, text: str) -> None:
        yaml, safe, _loader = _loaders()
        self._root = yaml.compose(text, Loader=safe)

    def of(self, path: tuple[Any, ...]) -> int:
        """The line, from 1, of the value that `path` leads to, or of the last thing on the way that exists."""
        node = self._root
        line = node.start_mark.line + 1 if node is not None else 1
        for step in path:
            kind = getattr(node, "id", "")
            if kind == "sequence" and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            elif kind == "mapping":
                found = [(key, value) for key, value in node.value if key.value == step]
                if not found:
                    break
                key, node = found[0]
                line = key.start_mark.line + 1
            else:
                break
        return int(line)
