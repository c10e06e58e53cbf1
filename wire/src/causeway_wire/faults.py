"""All faults of a document, by the decoder that stops at the first: what it refuses it is given in parts.

There is no second idea here of what a document is: types and words are the decoder's own.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from causeway_wire.types import parse_scalar

_SEVERAL: Final = (tuple, list, set, frozenset)
_REST: Final = (..., type(None), msgspec.UnsetType)


@dataclass(frozen=True, slots=True)
class Fault:
    """What the decoder said of a part of a document."""

    said: str
    way: tuple[str, ...]
    """Names and numbers that lead from the document to the part."""
    kind: Any
    """What the part is to be."""


def find(value: object, kind: Any, way: tuple[str, ...] = ()) -> Iterator[Fault]:
    """Yield the faults of a value that was read from JSON and is to be of this kind, as they are found: who
    wants some need not pay for all of a document that has nothing else.
    """
    try:
        msgspec.convert(value, kind, dec_hook=parse_scalar, str_keys=True)
    except msgspec.ValidationError as error:
        said = str(error)
    else:
        return
    chosen = _chosen(value, kind)
    found = itertools.chain(
        (one for step, part, of in _parts(value, chosen) for one in find(part, of, (*way, step))),
        (Fault(one, way, chosen) for one in _members(value, chosen)),
    )
    first = next(found, None)
    if first is None:
        yield Fault(said, way, kind)
        return
    if isinstance(value, list) and (length := _length(value, kind)):
        yield Fault(length, way, kind)
    yield first
    yield from found


@functools.cache
def type_hints(kind: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Return what each member of a document is to be, with what annotates it."""
    return get_type_hints(kind, include_extras=True)


def _length(value: list[object], kind: Any) -> str:
    """Return what the decoder says of how many entries there are, whatever they are; empty for nothing."""
    try:
        msgspec.convert(value, _of_anything(kind))
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _of_anything(kind: Any) -> Any:
    """Return the kind with lists of anything in the place of its own."""
    inside = get_args(kind)
    if get_origin(kind) is Annotated:
        return Annotated[(_of_anything(inside[0]), *inside[1:])]
    if get_origin(kind) in {Union, UnionType}:
        return Union[tuple(_of_anything(one) for one in inside)]  # noqa: UP007 - made of a tuple
    return list[Any] if get_origin(kind) in _SEVERAL else kind


def _chosen(value: object, kind: Any) -> Any:
    """Return which of several kinds the value is to be; all of them where that does not show."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) not in {Union, UnionType}:
        return kind
    kinds = [_chosen(value, one) for one in get_args(kind) if one not in _REST]
    tagged = [one for one in kinds if _is_tagged(value, one)]
    return (tagged or kinds)[0] if len(tagged or kinds) == 1 else kind


def _is_tagged(value: object, kind: object) -> bool:
    if not (isinstance(value, dict) and isinstance(kind, type(msgspec.Struct))):
        return False
    config = kind.__struct_config__
    return config.tag_field is not None and value.get(config.tag_field) == config.tag


def _members(value: object, kind: Any) -> Iterator[str]:
    """Yield in the decoder's words which members are unknown, and which are missing."""
    if not (isinstance(value, dict) and isinstance(kind, type(msgspec.Struct))):
        return
    fields, config = msgspec.structs.fields(kind), kind.__struct_config__
    known = {one.encode_name for one in fields} | {config.tag_field}
    if config.forbid_unknown_fields:
        yield from (f"Object contains unknown field `{name}`" for name in value if name not in known)
    for one in fields:
        if one.required and one.encode_name not in value:
            yield f"Object missing required field `{one.encode_name}`"


def _parts(value: object, kind: Any) -> Iterable[tuple[str, object, Any]]:
    """Yield where each part of the value is, and what it is to be."""
    inside = [one for one in get_args(kind) if one is not ...]
    if isinstance(value, dict) and isinstance(kind, type(msgspec.Struct)):
        hints = type_hints(kind)
        for one in msgspec.structs.fields(kind):
            if one.encode_name in value:
                yield one.encode_name, value[one.encode_name], hints[one.name]
    elif isinstance(value, list) and get_origin(kind) in _SEVERAL and len(inside) == 1:
        yield from ((str(n), part, inside[0]) for n, part in enumerate(value))
