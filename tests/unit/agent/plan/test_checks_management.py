"""Nothing of a document captures the controllers' way, in any role; usual layouts stay possible."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile.compiler import compile_document
from causeway_wire.desired import Desired, Failover, InnerAddresses, Partial, ProviderRole, TenantRole
from causeway_wire.problem import ProblemType
from tests import documents
from tests.documents import FACTS, replace


def cuts(document: Desired) -> list[str]:
    """Where the document is told to cut the controllers off."""
    try:
        compile_document(document, FACTS)
    except CompileError as error:
        return [str(p.pointer) for p in error.problems if p.type == ProblemType.CUTS_MANAGEMENT.urn]
    return []


def with_inner(document: Desired, local: str, peer: str) -> Desired:
    pair = InnerAddresses(local=ip_address(local), peer=ip_address(peer))
    role = document.role
    if isinstance(role, TenantRole):
        assert role.tunnel is not None
        return replace(document, role=replace(role, tunnel=replace(role.tunnel, inner=(pair,))))
    assert isinstance(role, ProviderRole)
    first, *others = role.networks
    assert first.tunnel is not None
    first = replace(first, tunnel=replace(first.tunnel, inner=(pair,)))
    return replace(document, role=replace(role, networks=(first, *others)))


PROVIDER = documents.provider()
TENANT = documents.tenant()
APART = replace(
    documents.tenant(door=documents.management(sources=("10.9.0.0/24",))),
    nics=(documents.tenant().nics[0], documents.nic("uplink", 0, "10.9.0.2/24")),
)
"""A tenant appliance that is managed over a network of its own."""
MODES: list[Failover] = [documents.full("net-0"), documents.rehearsal("net-0"), Partial(replicas=())]


@pytest.mark.parametrize("document", [PROVIDER, APART, *(documents.provider(mode) for mode in MODES)])
@pytest.mark.parametrize(
    "captured", ["10.9.0.2", "10.9.0.1", "10.9.0.77"], ids=["our address", "the gateway", "a controller"]
)
@pytest.mark.parametrize("end", ["local", "peer"])
def test_no_tunnel_end_is_managements(document: Desired, captured: str, end: str) -> None:
    free = "100.64.0.9"
    ends = (captured, free) if end == "local" else (free, captured)
    base = "/role/tunnel" if isinstance(document.role, TenantRole) else "/role/networks/0/tunnel"
    assert cuts(with_inner(document, *ends)) == [f"{base}/inner/0/{end}"]


def test_no_tunnel_end_is_an_ipv6_controllers() -> None:
    six = replace(
        PROVIDER,
        management=documents.management("2001:db8:9::2", sources=("2001:db8:c::/48",)),
        nics=(
            replace(
                PROVIDER.nics[0],
                addresses=(*PROVIDER.nics[0].addresses, ip_interface("2001:db8:9::2/64")),
                gateways=(*PROVIDER.nics[0].gateways, ip_address("2001:db8:9::1")),
            ),
            *PROVIDER.nics[1:],
        ),
    )
    for captured in ("2001:db8:9::2", "2001:db8:9::1", "2001:db8:c::7"):
        assert cuts(with_inner(six, captured, "fd64::2")) == ["/role/networks/0/tunnel/inner/0/local"]


def test_a_failed_over_vm_has_neither_a_controllers_address_nor_the_default_gateways() -> None:
    vm = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20"),))
    door = documents.management("192.168.0.6", nic="production", sources=("192.168.0.20/32",))
    assert cuts(documents.tenant(vm, door=door)) == ["/role/failover/replicas/0/addresses/0"]
    shared = documents.management("192.168.0.6", nic="production", sources=("192.168.0.0/24",))
    assert cuts(documents.tenant(vm, door=shared)) == [], "management in the production network is usual"
    assert cuts(documents.tenant(vm)) == [], "so is a door that is open to all"


@pytest.mark.parametrize("mode", [None, *MODES])
def test_neither_gateways_nor_public_addresses_are_controllers(mode: Failover | None) -> None:
    door = documents.management(
        sources=("192.168.0.1/32", "198.51.100.10/32", "198.51.100.90/32", "10.9.0.0/24")
    )
    found = cuts(documents.provider(mode, door=door))
    assert {"/role/networks/0/gateways/0", "/role/public_addresses/0", "/role/test_addresses/0"} <= set(found)


def test_controllers_may_be_in_a_network_that_production_has_too() -> None:
    """Production's routes are in tables of their own, and the management door stands before the screen."""
    assert cuts(documents.provider(door=documents.management(sources=("192.168.0.64/26",)))) == []


def test_answers_to_controllers_do_not_leave_by_the_production_adapter() -> None:
    door = documents.management(sources=("192.168.0.0/26",))
    assert cuts(replace(APART, management=door)) == ["/nics/0/addresses/0"]


def test_layouts_that_people_have_are_accepted() -> None:
    for document in (PROVIDER, TENANT, APART, documents.gateway(documents.gateway_tunnel(0))):
        compile_document(document, FACTS)
    assert ip_network("0.0.0.0/0") in TENANT.management.sources
