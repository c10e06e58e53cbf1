"""Bytes to documents and back. Mistakes become problems whose pointer names the member (RFC 6901)."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar, get_args

import msgspec

from causeway_wire import choices, faults, limits
from causeway_wire.desired import Desired
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.types import WORDS, format_scalar, format_scalar_masked, parse_scalar

T = TypeVar("T")

_PATH = re.compile(r" - at `(?P<key>key in )?\$(?P<path>[^`]*)`$")
_NO_MOMENT = frozenset({"Invalid RFC3339 encoded datetime", "Expected `datetime` with a timezone component"})
_MOMENT = "expected a moment as RFC 3339 writes it, with its zone, such as 2026-01-31T23:59:00Z"
_UNLIKE = "Expected `str` matching regex "
_TOO_LONG = re.compile(r"of length <= (?P<limit>\d+)$")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[(?P<any>\.\.\.)\]")
MOST = 100
"""Problems that are told of one document, with how many more were found."""
_LOOKED_FOR = 10 * MOST
"""Then the search ends: entries that are no more than two octets long can each be wrong twice."""
_LOOKED_THROUGH = 1 << 20
_TRUNCATED = "Input data was truncated"
"""Of msgspec, also where an escape near the end of a whole text lacks digits or its other half."""
_ESCAPED_PAIR = len(b"\\ud83d\\ude00")
_ENCODER = msgspec.json.Encoder(enc_hook=format_scalar, order="deterministic")
_MASKED_ENCODER = msgspec.json.Encoder(enc_hook=format_scalar_masked)
_READY: Final[set[object]] = set()
_FIRST: Final = threading.Lock()


def decode(data: bytes, kind: type[T]) -> T:
    """A document of this type from JSON text; raises ProblemError (`malformed` or `invalid`)."""
    try:
        return msgspec.json.decode(data, type=ready(kind), dec_hook=parse_scalar)
    except msgspec.ValidationError as error:
        raise ProblemError(_invalid(data, kind, error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(problem(ProblemType.MALFORMED, _unreadable(data, error))) from error


def ready(kind: type[T]) -> type[T]:
    """Return the type, which any thread may give to msgspec from then on.

    msgspec learns a type when it is used first, and shows other threads what it knows of it half way through:
    they read a null pointer then, and the process is gone (0.22).
    """
    if kind not in _READY:
        with _FIRST:
            msgspec.json.Decoder(kind, dec_hook=parse_scalar)
            _READY.add(kind)
    return kind


def _invalid(data: bytes, kind: object, error: msgspec.ValidationError) -> Problem:
    """What is wrong with a document that was refused, or the first of a large one: to look costs as much as
    to decode it some more times.
    """
    found: tuple[faults.Fault, ...] = ()
    if len(data) <= _LOOKED_THROUGH:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = tuple(itertools.islice(faults.find(msgspec.json.decode(data), kind), _LOOKED_FOR))
    found = found or (faults.Fault(str(error), (), kind),)
    told = []
    for one in found[:MOST]:
        detail, pointer = _locate(one, kind)
        told.append(problem(ProblemType.INVALID, detail, pointer=pointer))
    return combine(tuple(told), more=max(0, len(found) - MOST))


def refuse_repeated(data: bytes) -> None:
    """Raises ProblemError (`malformed`) where an object names a member twice (RFC 7493, 2.3).

    `decode` takes the last one; who reviewed the document may have seen the first. `data` has been decoded.
    """
    seen = False

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal seen
        made = dict(pairs)
        if len(made) < len(pairs):
            seen = True
            names = [name for name, _ in pairs]
            return _Repeating(made, repeated=next(name for name in names if names.count(name) > 1))
        return made

    read = json.loads(data, object_pairs_hook=members)
    if seen and (pointer := _find_repeated(read, "")) is not None:
        detail = "the member is named twice; which one is meant cannot be known"
        raise ProblemError(problem(ProblemType.MALFORMED, detail, pointer=pointer))


def encode(document: object) -> bytes:
    """Canonical JSON text of a document, secrets revealed: for the wire to the agent and for its journal."""
    return _ENCODER.encode(document)


def encode_masked(document: object) -> bytes:
    """JSON text of a document, secrets masked: for answers and diagnostics."""
    return _MASKED_ENCODER.encode(document)


def digest(document: object) -> str:
    """Hex SHA-256 of the canonical text: equal documents have equal digests."""
    return hashlib.sha256(encode(document)).hexdigest()


def _unreadable(data: bytes, error: Exception) -> str:
    """What is wrong with text that is no JSON, and where."""
    if not data.strip():
        return "it is empty where a JSON document is expected"
    if isinstance(error, RecursionError):
        return "JSON is malformed: it is nested too deeply"
    try:
        data.decode()
    except UnicodeDecodeError as found:  # msgspec counts from the beginning of the string that it is in
        return f"JSON is malformed: this is not UTF-8 (byte {found.start})"
    if str(error) != _TRUNCATED:
        return str(error)
    escape = data.rfind(b"\\u", max(0, len(data) - _ESCAPED_PAIR))
    if escape >= 0:
        return f"JSON is malformed: the escape is half of one, or the text ends behind it (byte {escape})"
    return f"JSON is malformed: the text ends too early (byte {len(data)})"


def _in_words(message: str, kind: object) -> str:
    """What a text is to be that does not match, as a document of this kind says it."""
    for pattern, words in _shapes(kind, set()):
        if message == f"{_UNLIKE}{pattern!r}":
            return f"expected {words}"
    return message


def _shapes(kind: object, seen: set[object]) -> Iterator[tuple[str | None, str]]:
    """Patterns with their words (`types.shaped`) of a document and of all that is in it."""
    if isinstance(kind, msgspec.Meta) and kind.extra is not None and WORDS in kind.extra:
        yield kind.pattern, kind.extra[WORDS]
    inside = get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
        seen.add(kind)
        inside = tuple(faults.type_hints(kind).values())
    for one in inside:
        yield from _shapes(one, seen)


class _Repeating(dict[str, object]):
    """An object with a member named twice."""

    def __init__(self, members: dict[str, object], *, repeated: str) -> None:
        super().__init__(members)
        self.repeated = repeated


def _find_repeated(value: object, pointer: str) -> str | None:
    """Where the first member is that is named twice."""
    entries: Iterable[tuple[object, object]] = ()
    if isinstance(value, _Repeating):
        return f"{pointer}/{_token(value.repeated)}"
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    found = (_find_repeated(each, f"{pointer}/{_token(str(key))}") for key, each in entries)
    return next((where for where in found if where is not None), None)


def _token(name: str) -> str:
    """A reference token (RFC 6901, 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _locate(fault: faults.Fault, document: object) -> tuple[str, str]:
    """Split msgspec's message about a part of this kind of document into a sentence and the RFC 6901 pointer
    of the member it is about.
    """
    message, steps = fault.said, list[str]()
    match = _PATH.search(message)
    if match is not None:
        message = message[: match.start()]
        steps += (step["name"] or step["index"] or "*" for step in _STEP.finditer(match["path"]))
    unknown = _UNKNOWN.search(message)
    if unknown is not None:
        steps.append(unknown["name"])
    pointer = "".join(f"/{_token(step)}" for step in (*fault.way, *steps))
    message = choices.add(message, fault.kind, steps)
    if message in _NO_MOMENT:
        message = _MOMENT
    if message.startswith(_UNLIKE):
        message = _in_words(message, fault.kind)
    too_long = _TOO_LONG.search(message) if document is Desired else None
    if too_long is not None:  # of other documents `GET /v1` says no limits, and a controller has no such path
        message = f"{message}; {limits.refusal(pointer, int(too_long['limit']))}"
    return message, pointer
