"""Lists that are each short enough, and too long together."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from causeway_agent.plan.compile import checks_totals
from causeway_agent.plan.model.checks import Findings
from causeway_wire import limits
from causeway_wire.desired import GatewayRole, Partial, ProviderRole, Replica, Role
from causeway_wire.problem import Problem
from tests import documents


def provider() -> ProviderRole:
    role = documents.provider().role
    assert isinstance(role, ProviderRole)
    return role


def with_addresses(lengths: list[int]) -> Role:
    address = (ip_address("192.0.2.1"),)
    replicas = (Replica(vm="vm", network="net-0", addresses=address * n) for n in lengths)
    return replace(provider(), failover=Partial(replicas=tuple(replicas)))


def with_macs(lengths: list[int]) -> Role:
    macs = ("02:00:00:00:00:01",)
    replicas = (Replica(vm="vm", network="net-0", addresses=(), macs=macs * n) for n in lengths)
    return replace(provider(), failover=Partial(replicas=tuple(replicas)))


def with_hosts(lengths: list[int]) -> Role:
    hosts = (ip_address("192.0.2.1"),)
    networks = (replace(documents.provider_network(0), hosts=hosts * n) for n in lengths)
    return replace(provider(), networks=tuple(networks))


def with_revoked(lengths: list[int]) -> Role:
    role = documents.gateway().role
    assert isinstance(role, GatewayRole)
    tunnels = (replace(documents.gateway_tunnel(0), revoked=("1f",) * n) for n in lengths)
    return replace(role, tunnels=tuple(tunnels))


KINDS = [
    pytest.param(with_revoked, "/role/tunnels/*/revoked", 256, id="revoked"),
    pytest.param(with_addresses, "/role/failover/replicas/*/addresses", 64, id="addresses"),
    pytest.param(with_macs, "/role/failover/replicas/*/macs", 64, id="macs"),
    pytest.param(with_hosts, "/role/networks/*/hosts", limits.HOSTS, id="hosts"),
]


def found(role: Role) -> list[Problem]:
    findings = Findings()
    checks_totals.check(role, findings)
    return findings.problems


@pytest.mark.parametrize(("make", "name", "each"), KINDS)
def test_a_total_takes_its_limit_and_not_one_more(
    make: Callable[[list[int]], Role], name: str, each: int
) -> None:
    number = limits.TOTALS[name] // each
    assert found(make([each] * number)) == []
    (problem,) = found(make([each] * number + [1, 1]))
    assert problem.pointer == name.replace("*", str(number))
    assert f"the limit of {name} is {limits.TOTALS[name]};" in problem.detail
