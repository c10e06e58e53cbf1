"""YAML as people write it in git, to plain values: nothing guessed, and every place in it known.

The core schema of YAML 1.2 (10.3): PyYAML's own is 1.1's, which takes the MAC address 52:54:00:12:34:56 for a
number to base 60, `on` for true and 010 for 8.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

MAX_OCTETS: Final = 8 * 1024 * 1024
MAX_VALUES: Final = 1_000_000
"""Aliases may say a thing many times; this often at most."""

MAX_DIGITS: Final = 300
"""Of a whole number; Python refuses to read one of 4,300, and no member takes more than twenty."""
_TOO_DEEP: Final = "lists and mappings are nested too deeply to be read"

_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_WORDS: Final = {"null": None, "~": None, "": None, "true": True, "false": False}

Places = dict[str, tuple[int, int]]
"""Line and column of the value at each RFC 6901 pointer, both from 1."""


class NotYamlError(Exception):
    """Not a document that can be read; says where, and why."""

    def __init__(self, why: str, line: int = 1, column: int = 1) -> None:
        super().__init__(why)
        self.line, self.column = line, column


def read(text: str) -> tuple[Any, Places]:
    """Return the document's value and the place of everything in it. Raises NotYamlError."""
    if len(text.encode()) > MAX_OCTETS:
        raise NotYamlError(f"more than {MAX_OCTETS} octets")
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        raise NotYamlError(str(error.problem or error.context), *where) from error
    except RecursionError as error:
        raise NotYamlError(_TOO_DEEP) from error
    except yaml.YAMLError as error:
        raise NotYamlError(str(error)) from error
    if root is None:
        raise NotYamlError("the document is empty")
    reader = _Reader()
    return reader.value(root, ""), reader.places


_PLAIN: Final = "plain"
_KNOWN: Final = {_PLAIN, *(f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))}


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML comes without types
    """Resolves nothing: what is plain is called so, and any other tag is one that was written."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        """Return the tag of a node that has none."""
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        found: str = super().resolve(kind, value, implicit)
        return found


class _Reader:
    """From nodes to values, once for each alias that is met."""

    def __init__(self) -> None:
        self.places: Places = {}
        self._open: set[int] = set()

    def value(self, node: yaml.Node, pointer: str) -> Any:
        if len(self.places) >= MAX_VALUES:
            raise _error(node, f"more than {MAX_VALUES} values, aliases counted as often as they are used")
        if id(node) in self._open:
            raise _error(node, "an alias inside the thing that it stands for")
        self.places[pointer] = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._open.add(id(node))
        try:
            return self._read(node, pointer)
        except RecursionError as error:
            raise _error(node, _TOO_DEEP) from error
        finally:
            self._open.discard(id(node))

    def _read(self, node: yaml.Node, pointer: str) -> Any:
        if node.tag not in _KNOWN:
            raise _error(node, f"the tag {node.tag} means nothing here; remove it")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{pointer}/{index}") for index, item in enumerate(node.value)]
        return dict(self._members(node, pointer))

    def _members(self, node: yaml.Node, pointer: str) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key, item in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                raise _error(key, "a member's name is a word, not a list or a mapping")
            if name in seen:
                raise _error(key, f"{name} is named twice; which one is meant cannot be known")
            seen.add(name)
            yield name, self.value(item, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """Quoted it is text; plain, what the core schema says."""
    text: str = node.value
    if node.tag != _PLAIN:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        if len(text) > MAX_DIGITS:
            raise _error(node, f"a number of {len(text)} digits; quote it if it is text")
        return int(text)
    if _FLOAT.match(text):
        number = float(text)
        if math.isinf(number):
            raise _error(node, f"{text[:MAX_DIGITS]} is too large a number; quote it if it is text")
        return number
    return text


def _error(node: yaml.Node, why: str) -> NotYamlError:
    return NotYamlError(why, node.start_mark.line + 1, node.start_mark.column + 1)


def write(value: Any) -> str:
    """Return plain values as YAML that `read` takes for the same: text like a number or a word is quoted."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text


_WIDTH: Final = 100


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # PyYAML comes without types
    """Writes no aliases, and quotes what the core schema would take for a number or a word."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's
        """Return True: equal values are written out."""
        return True

    def text(self, data: str) -> yaml.ScalarNode:
        """Return the node of a text."""
        special = data in _WORDS or _INTEGER.match(data) or _FLOAT.match(data)
        node: yaml.ScalarNode = self.represent_scalar(
            "tag:yaml.org,2002:str", data, style="'" if special else None
        )
        return node


_Dumper.add_representer(str, _Dumper.text)
