"""Entries of a list in a file, read one by one: what is wrong with any of them is told at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from causeway_wire import codec
from causeway_wire.problem import Problem, ProblemError

Kind = TypeVar("Kind", bound=msgspec.Struct)


def read(entries: Sequence[object], kind: type[Kind]) -> tuple[Mapping[int, Kind], tuple[Problem, ...]]:
    """Return the documents of this type by their places in the list, and what is wrong with the others."""
    found, wrong = dict[int, Kind](), list[Problem]()
    for place, entry in enumerate(entries):
        try:
            found[place] = codec.decode(json.dumps(entry).encode(), kind)
        except ProblemError as error:
            wrong += (replace(one, pointer=f"/{place}{one.pointer or ''}") for one in error.problem.each)
    return found, tuple(wrong)
