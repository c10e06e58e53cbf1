"""What the agent and the program `slots` say to each other over their socket.

One connection is one request: a line of JSON, for `receive` followed by the octets of the update file. The
answer is one line of JSON; it may come before all octets were taken.
"""

from __future__ import annotations

import msgspec

from causeway_wire.problem import Problem
from causeway_wire.update import Activation, UpdateStatus

SOCKET = "/run/causeway-slots/socket"
LINE_LIMIT = 64 * 1024


class Status(msgspec.Struct, frozen=True, tag="status"):
    """What is in the slots?"""


class Receive(msgspec.Struct, frozen=True, tag="receive"):
    """An update file follows."""

    octets: int
    sha256: str
    allow_older: bool = False
    """Than the system that runs."""


class Activate(msgspec.Struct, frozen=True, tag="activate"):
    """Start the other slot, now."""

    activation: Activation


class Abandon(msgspec.Struct, frozen=True, tag="abandon"):
    """Empty the other slot."""


Request = Status | Receive | Activate | Abandon


class Reply(msgspec.Struct, frozen=True):
    """Either the slots as they are now, or why not."""

    status: UpdateStatus | None = None
    problem: Problem | None = None


def encode(line: Request | Reply) -> bytes:
    """The line for this."""
    return msgspec.json.encode(line) + b"\n"


def request(line: bytes) -> Request:
    """The request in this line; raises msgspec.DecodeError."""
    found: Request = msgspec.json.decode(line, type=Request)
    return found


def reply(line: bytes) -> Reply:
    """The reply in this line; raises msgspec.DecodeError."""
    return msgspec.json.decode(line, type=Reply)
