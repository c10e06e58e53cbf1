"""What could stand where a document has a word or a member that it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from causeway_wire.faults import type_hints

_NO_WORD = "Invalid enum value "
_NO_TAG = "Invalid value "
_NO_MEMBER = "Object contains unknown field "


def add(message: str, kind: object, steps: Sequence[str]) -> str:
    """Return msgspec's sentence about what is at these steps of a document of this kind, and what there is to
    choose from where it is about a word or a member that is not known.

    Nothing is told of what is inside a union: which of its documents was meant, the sentence does not say.
    """
    if message.startswith(_NO_WORD):
        words: Iterable[object] = (
            one.value
            for each in _reached(kind, steps)
            if isinstance(each, type) and issubclass(each, Enum)
            for one in each
        )
        return _chosen(message, words)
    if message.startswith(_NO_TAG):
        tags = (each.__struct_config__ for each in _structs(kind, steps[:-1]))
        return _chosen(message, (each.tag for each in tags if each.tag_field == steps[-1]))
    if message.startswith(_NO_MEMBER):
        owners = list(_structs(kind, steps[:-1]))
        if len(owners) == 1 and (names := owners[0].__struct_encode_fields__):
            return f"{message}; there are {', '.join(names)}"
    return message


def _chosen(message: str, words: Iterable[object]) -> str:
    told = ", ".join(dict.fromkeys(str(one) for one in words))
    return f"{message}; expected one of {told}" if told else message


def _structs(kind: object, steps: Sequence[str]) -> Iterator[Any]:
    reached = dict.fromkeys(_reached(kind, steps))
    return (each for each in reached if isinstance(each, type) and issubclass(each, msgspec.Struct))


def _reached(kind: object, steps: Sequence[str]) -> Iterator[object]:
    """The types that may stand there: each of a union, without what annotates them; none inside a union."""
    here = list(_plain(kind))
    for step in steps:
        under = [found for one in here for found in _under(one, step)]
        here = [plain for found in under for plain in _plain(found)] if len(under) == 1 else []
    return iter(here)


def _plain(kind: object) -> Iterator[object]:
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _plain(inside[0])
    elif origin is Union or origin is UnionType:
        for one in inside:
            yield from _plain(one)
    else:
        yield kind


def _under(kind: object, step: str) -> Iterator[object]:
    """The type of what a container has there."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        names = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
        if step in names:
            yield type_hints(kind)[names[step]]
        return
    inside = get_args(kind)
    if inside and get_origin(kind) in {list, tuple, frozenset, set}:
        yield inside[0]
    elif inside:
        yield inside[-1]
