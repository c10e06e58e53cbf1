"""Every limit of a desired document, and of the body that it comes in.

They agree: a document at all of them at once fits into `BODY_BYTES`. They are generous for every site, and
low enough that a document is checked in seconds: who may only observe may also send documents to be planned.
A list's limit is published and refused under the pointer of the list, `*` for the place in a list above it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import inspect

BODY_BYTES: Final = 8 * 1024 * 1024

PEM: Final = 16 * 1024
"""Characters: a chain of ten certificates."""
AUTHORITY: Final = 2048
"""Characters: one authority with an RSA key of 4096 bits, or two of elliptic curves while one is replaced."""

NICS: Final = 64
VLANS: Final = 128
NETWORKS: Final = 128
REPLICAS: Final = 2048
HOSTS: Final = 4096
TENANTS: Final = 2048
TUNNELS: Final = 4096

TOTALS: Final[Mapping[str, int]] = {
    "/role/failover/replicas/*/addresses": 8192,
    "/role/failover/replicas/*/macs": 8192,
    "/role/networks/*/hosts": 8192,
    "/role/tunnels/*/revoked": 2048,
}
"""Entries of all lists at this pointer together."""

_INDEX = re.compile(r"/\d+(?=/|$)")


def name_of(pointer: str) -> str:
    """What the limit of the list at this RFC 6901 pointer is called."""
    return _INDEX.sub("/*", pointer)


def refusal(pointer: str, number: int) -> str:
    """The limit's name and number, in words that fit both kinds of limits."""
    return f"the limit of {name_of(pointer)} is {number}; GET /v1 has all limits"


@functools.cache
def lists(kind: type) -> Mapping[str, int]:
    """The longest that each list of a document may be, by the limit's name."""
    return dict(sorted(_lists(inspect.type_info(kind), "")))


def _lists(kind: Any, pointer: str) -> Iterator[tuple[str, int]]:
    match kind:
        case inspect.Metadata():
            yield from _lists(kind.type, pointer)
        case inspect.UnionType():
            for member in kind.types:
                yield from _lists(member, pointer)
        case inspect.StructType():
            for field in kind.fields:
                yield from _lists(field.type, f"{pointer}/{field.encode_name}")
        case inspect.VarTupleType():
            if kind.max_length is not None:
                yield pointer, kind.max_length
            yield from _lists(kind.item_type, f"{pointer}/*")
        case _:
            pass
