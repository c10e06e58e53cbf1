"""Bytes to documents and back. Mistakes become problems whose pointer names the member (RFC 6901)."""

from __future__ import annotations

import hashlib
import re
from typing import TypeVar

import msgspec

from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import format_scalar, format_scalar_masked, parse_scalar

T = TypeVar("T")

_PATH = re.compile(r" - at `(?P<key>key in )?\$(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[(?P<any>\.\.\.)\]")
_ENCODER = msgspec.json.Encoder(enc_hook=format_scalar, order="deterministic")
_MASKED_ENCODER = msgspec.json.Encoder(enc_hook=format_scalar_masked)


def decode(data: bytes, kind: type[T]) -> T:
    """A document of this type from JSON text; raises ProblemError (`malformed` or `invalid`)."""
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=parse_scalar)
    except msgspec.ValidationError as error:
        detail, pointer = _locate(str(error))
        raise ProblemError(problem(ProblemType.INVALID, detail, pointer=pointer)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(problem(ProblemType.MALFORMED, str(error))) from error


def encode(document: object) -> bytes:
    """Canonical JSON text of a document, secrets revealed: for the wire to the agent and for its journal."""
    return _ENCODER.encode(document)


def encode_masked(document: object) -> bytes:
    """JSON text of a document, secrets masked: for answers and diagnostics."""
    return _MASKED_ENCODER.encode(document)


def digest(document: object) -> str:
    """Hex SHA-256 of the canonical text: equal documents have equal digests."""
    return hashlib.sha256(encode(document)).hexdigest()


def _locate(message: str) -> tuple[str, str]:
    """Split msgspec's message into a sentence and the RFC 6901 pointer of the member it is about."""
    match = _PATH.search(message)
    pointer = ""
    if match is not None:
        message = message[: match.start()]
        for step in _STEP.finditer(match["path"]):
            token = step["name"] or step["index"] or "*"
            pointer += "/" + token.replace("~", "~0").replace("/", "~1")
    unknown = _UNKNOWN.search(message)
    if unknown is not None:
        pointer += "/" + unknown["name"].replace("~", "~0").replace("/", "~1")
    return message, pointer
