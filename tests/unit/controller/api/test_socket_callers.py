"""Who is known at the Unix socket: what the kernel says of who is at its other end decides."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass, field
from typing import cast

import pytest

from causeway_controller.api import callers
from causeway_controller.api.throttle import Throttle
from causeway_controller.contract.access import Role
from causeway_wire.problem import ProblemError

STAFF = 4_000
STRANGER = 65_000


@dataclass
class Peer:
    """The end of a connection, and what the kernel would say of the other one."""

    user: int
    group: int
    groups: tuple[int, ...] = ()
    family: socket.AddressFamily = socket.AF_UNIX
    asked: list[int] = field(default_factory=list)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert level == socket.SOL_SOCKET
        self.asked.append(option)
        if option == socket.SO_PEERCRED:
            return struct.pack("3i", 1, self.user, self.group)
        assert option == 59
        return struct.pack(f"{len(self.groups)}I", *self.groups)


def caller(peer: Peer, group: int | None) -> callers.Caller:
    return callers._local(cast("socket.socket", peer), group)


@pytest.mark.parametrize("user", [0, os.geteuid()])
def test_root_and_the_controllers_own_user_are_admins(user: int) -> None:
    found = caller(Peer(user, STRANGER), None)
    assert (found.role, found.identity, found.tenant) == (Role.ADMIN, f"uid:{user}", None)


@pytest.mark.parametrize("peer", [Peer(STRANGER, STAFF), Peer(STRANGER, STRANGER, (7, STAFF))])
def test_members_of_the_group_are_admins_by_their_own_name(peer: Peer) -> None:
    found = caller(peer, STAFF)
    assert (found.name, found.role) == (f"uid-{STRANGER}", Role.ADMIN)


@pytest.mark.parametrize("group", [None, STAFF])
def test_others_are_not_known_even_when_the_file_lets_them_in(group: int | None) -> None:
    with pytest.raises(ProblemError) as caught:
        caller(Peer(STRANGER, STRANGER, (7,)), group)
    assert "socket_group" in caught.value.problem.detail


def test_the_kernel_tells_all_groups_of_a_real_peer() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert set(callers._groups(ours)) == set(os.getgroups())
        resolver = callers.Resolver(tokens=_NoTokens(), throttle=Throttle(lambda: 0.0), group=os.getegid())
        assert callers._local(ours, resolver.group).role is Role.ADMIN


class _NoTokens:
    def find(self, secret: str) -> None:
        raise AssertionError(secret)
