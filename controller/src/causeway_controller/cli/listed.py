"""Entries of a list in a file, read one by one: what is wrong with any of them is told at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from causeway_wire import codec
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem

Kind = TypeVar("Kind", bound=msgspec.Struct)


def read(entries: Sequence[object], kind: type[Kind]) -> tuple[Mapping[int, Kind], tuple[Problem, ...]]:
    """Return the documents of this type by their places in the list, and what is wrong with the others: of
    each of their members the first mistake, where `codec.decode` tells the first of all.
    """
    found, wrong = dict[int, Kind](), list[Problem]()
    for place, entry in enumerate(entries):
        try:
            found[place] = codec.decode(json.dumps(entry).encode(), kind)
        except ProblemError as error:
            mistakes = tuple(_mistakes(entry, kind)) or (error.problem,)
            wrong += (replace(one, pointer=f"/{place}{one.pointer or ''}") for one in mistakes)
    return found, tuple(wrong)


def _mistakes(entry: object, kind: type[msgspec.Struct]) -> Iterator[Problem]:
    """Yield what is wrong with each member by itself."""
    if not isinstance(entry, Mapping):
        return
    members = {one.encode_name: one for one in msgspec.structs.fields(kind)}
    for name, value in entry.items():
        try:
            if name in members:
                codec.decode(json.dumps(value).encode(), members[name].type)
            else:
                codec.decode(json.dumps({name: value}).encode(), kind)
        except ProblemError as error:
            under = f"/{name}" if name in members else ""
            yield replace(error.problem, pointer=f"{under}{error.problem.pointer or ''}")
    for name, one in members.items():
        if one.required and name not in entry:
            yield problem(ProblemType.INVALID, f"Object missing required field `{name}`", pointer="")
