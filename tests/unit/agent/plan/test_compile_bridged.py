"""Bridged networks: what they compile to, and every way they cannot be meant."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface

import msgspec
import pytest

from causeway_agent.backends.segment import guard_frames
from causeway_agent.errors import CompileError
from causeway_agent.plan.compile import openvpn_config
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import bridge
from causeway_agent.plan.model.objects import Bridge, BridgePort, Claim, Sysctl
from causeway_agent.plan.model.policy import BridgedNetwork, Policy
from causeway_agent.plan.model.processes import FrameProbe, LoopGuard, VpnClient, VpnServer
from causeway_agent.plan.model.target import Observation, Target
from causeway_agent.plan.steer.diff import diff
from causeway_wire.desired import Desired, InnerAddresses, Partial, ProviderRole, Replica, TenantRole
from causeway_wire.problem import ProblemType as P
from tests import documents

change = msgspec.structs.replace

VM = documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20")
ROUTED_VM = documents.replica(20, "net-1", "192.168.1.20")
PROVIDER = documents.bridged(documents.provider(Partial(replicas=(VM, ROUTED_VM))))
TENANT = documents.bridged(documents.tenant(Partial(replicas=(VM,))))
MAC = documents.mac_of(VM)
INNER = (InnerAddresses(local=ip_address("100.64.0.1"), peer=ip_address("100.64.0.2")),)


def compiled(document: Desired) -> Target:
    return compile_document(document, documents.FACTS)


def refused(document: Desired) -> list[tuple[str, str]]:
    with pytest.raises(CompileError) as caught:
        compiled(document)
    return [(problem.type, str(problem.pointer)) for problem in caught.value.problems]


def with_macs(document: Desired, *macs: str) -> Desired:
    role = document.role
    assert isinstance(role, ProviderRole | TenantRole)
    assert isinstance(role.failover, Partial)
    first, *others = role.failover.replicas
    replicas = (change(first, macs=macs), *others)
    return change(document, role=change(role, failover=Partial(replicas=replicas)))


def with_tunnel(document: Desired, **changes: object) -> Desired:
    role = document.role
    if isinstance(role, TenantRole):
        assert role.tunnel is not None
        return change(document, role=change(role, tunnel=change(role.tunnel, **changes)))
    assert isinstance(role, ProviderRole)
    first, *others = role.networks
    assert first.tunnel is not None
    networks = (change(first, tunnel=change(first.tunnel, **changes)), *others)
    return change(document, role=change(role, networks=networks))


def with_addresses(document: Desired, name: str, *addresses: str) -> Desired:
    nics = tuple(
        change(nic, addresses=tuple(map(ip_interface, addresses))) if nic.name == name else nic
        for nic in document.nics
    )
    return change(document, nics=nics)


def test_the_provider_bridges_the_vlan_with_both_taps_which_never_meet() -> None:
    target = compiled(PROVIDER)
    assert target.bridges == {Bridge("cwb1195", 1500)}
    assert target.ports == {
        BridgePort("eth1", "cwb1195"),
        BridgePort("cwu1195", "cwb1195", isolated=True),
        BridgePort("cwt1195", "cwb1195", isolated=True),
    }
    assert {tun.device for tun in target.tuns if tun.ethernet} == {"cwu1195", "cwt1195"}
    assert {tun.device for tun in target.tuns if not tun.ethernet} == {"cwu1197", "cwt1197"}
    assert target.policy.bridged == {
        BridgedNetwork(
            "cwb1195",
            replicas=frozenset({"eth1"}),
            production=frozenset({"cwu1195", "cwt1195"}),
            macs=frozenset({MAC}),
        )
    }
    guard = LoopGuard(tunnel="acme-0", bridge="cwb1195", adapter="eth1", taps=("cwt1195", "cwu1195"))
    assert guard in target.processes


def test_the_tenant_bridges_an_adapter_of_its_own_with_the_tap() -> None:
    target = compiled(TENANT)
    taps = {BridgePort(tap, "cwb0", isolated=True) for tap in ("cwtap0", "cwtap1")}
    assert target.ports == {BridgePort("eth3", "cwb0"), *taps}
    assert target.policy.bridged == {
        BridgedNetwork(
            "cwb0",
            replicas=frozenset({"cwtap0", "cwtap1"}),
            production=frozenset({"eth3"}),
            macs=frozenset({MAC}),
        )
    }
    client = next(process for process in target.processes if isinstance(process, VpnClient))
    assert (client.devices, client.probe) == (("cwtap0", "cwtap1"), FrameProbe(adapter="eth3"))


@pytest.mark.parametrize("document", [PROVIDER, TENANT])
def test_the_appliance_has_no_part_in_what_it_bridges(document: Desired) -> None:
    """No address, no route, nothing forwarded or answered: on any device of the bridge."""
    target = compiled(document)
    policy = target.policy
    devices = {port.device for port in target.ports} | {bridge.device for bridge in target.bridges}
    used = {address.device for address in target.addresses} | {route.device for route in target.routes}
    used |= {proxy.device for proxy in target.proxies} | {guard.device for guard in policy.sources}
    used |= {echo.device for echo in policy.echoes} | {listener.device for listener in policy.listeners}
    used |= {device for way in policy.forwards for device in (way.input_device, way.output_device)}
    assert devices & used == set()
    assert devices <= target.policy.guarded
    for device in devices:
        assert Sysctl(f"net/ipv4/conf/{device}/forwarding", "0") in target.sysctls
    for made in devices - {"eth1", "eth3"}:
        assert Sysctl(f"net/ipv6/conf/{made}/disable_ipv6", "1") in target.sysctls


@pytest.mark.parametrize(
    ("document", "inner", "outer"),
    [(PROVIDER, ("eth1",), ("cwt1195", "cwu1195")), (TENANT, ("cwtap0", "cwtap1"), ("eth3",))],
)
def test_machines_of_one_side_are_not_learned_on_the_other(
    document: Desired, inner: tuple[str, ...], outer: tuple[str, ...]
) -> None:
    """Of the replicas' side only those that production has not are, and the replicas themselves."""
    filled = bridge.elements(compiled(document).policy.bridged)
    assert sorted(filled["beside"]) == [f'"{port}"' for port in inner]
    assert sorted(filled["behind"]) == [f'"{port}"' for port in outer]
    assert sorted(filled["own"]) == [f'"{port}" . {MAC}' for port in inner]
    assert sorted(filled["returned"]) == [f'"{port}" . {MAC}' for port in outer]
    screen = bridge.RULES.partition("chain screen {")[2].partition("}\n  chain")[0]
    order = [screen.index(name) for name in ("@returned", "@own accept", "from_replicas", "from_production")]
    assert order == sorted(order), "what a replica says under its own address is never dropped as another's"


def test_what_the_tunnel_s_ends_say_to_each_other_is_not_counted_as_dropped() -> None:
    forward = bridge.RULES.partition("chain forward {")[2]
    nearest = guard_frames.NEAREST.hex(":")
    ended = f"ether daddr {nearest} ether type {guard_frames.ETHERTYPE:#06x} return"
    assert forward.index(ended) < forward.index("counter name drop_bridge")


def test_openvpn_carries_frames_and_gives_no_addresses() -> None:
    servers = [p for p in compiled(PROVIDER).processes if isinstance(p, VpnServer) and p.tunnel == "acme-0"]
    client = next(p for p in compiled(TENANT).processes if isinstance(p, VpnClient))
    texts = [server.configuration.reveal() for server in servers]
    texts += [endpoint.configuration.reveal() for endpoint in client.endpoints]
    for text in texts:
        lines = text.splitlines()
        assert "dev-type tap" in lines
        assert "dev-type tun" not in lines
        assert not [
            line for line in lines if line.startswith(("ifconfig ", "client-to-client", "client-config"))
        ]
    assert all(server.files == () for server in servers)
    routed = compiled(documents.provider(Partial(replicas=(VM, ROUTED_VM)))).processes
    assert {server.sends_all for server in servers} == {False}, "not to hosts that they do not know"
    assert {server.sends_all for server in routed if isinstance(server, VpnServer)} == {True}
    assert all("max-routes-per-client 49152\nstale-routes-check 3600 60\n" in text for text in texts[:2])
    assert bridge.HEARD < openvpn_config.MAX_HOSTS, "of a host without a place no frame is taken"
    assert bridge.HEARD_SECONDS >= openvpn_config.HOST_SECONDS


def test_idle_a_bridged_network_is_not_bridged() -> None:
    for document in (documents.provider(), documents.tenant()):
        target = compiled(documents.bridged(document))
        assert (target.bridges, target.ports, target.policy.bridged) == (
            frozenset(),
            frozenset(),
            frozenset(),
        )


def test_a_tenant_appliance_without_tunnel_may_have_its_adapter_ready() -> None:
    document = documents.bridged(documents.tenant())
    assert isinstance(document.role, TenantRole)
    assert compiled(change(document, role=change(document.role, tunnel=None))).ports == frozenset()


def test_production_is_asked_for_the_addresses_before_the_bridge_carries_them() -> None:
    target = compiled(TENANT)
    plan = diff(Observation(policy=Policy()), target)
    assert set(plan.probes) == {Claim("eth3", address) for address in VM.addresses}
    assert diff(Observation(policy=target.policy), target).probes == ()
    assert compiled(PROVIDER).vacant == frozenset(), "at the provider they are the replicas' own"


def test_a_replica_needs_mac_addresses_where_its_network_is_bridged() -> None:
    for document in (PROVIDER, TENANT):
        assert refused(with_macs(document)) == [(P.INVALID.urn, "/role/failover/replicas/0/macs")]


@pytest.mark.parametrize(
    ("macs", "kind"),
    [
        (("01:00:5e:00:00:01",), P.INVALID),
        ((documents.MACS[1],), P.DUPLICATE),
        ((MAC, MAC), P.DUPLICATE),
    ],
)
def test_mac_addresses_are_of_one_adapter_each(macs: tuple[str, ...], kind: P) -> None:
    where = f"/role/failover/replicas/0/macs/{len(macs) - 1}"
    for document in (PROVIDER, TENANT):
        assert refused(with_macs(document, *macs)) == [(kind.urn, where)]


def test_two_replicas_cannot_have_the_same_mac_address() -> None:
    twin = Replica(vm="twin", network="net-0", addresses=(ip_address("192.168.0.21"),), macs=(MAC,))
    assert isinstance(TENANT.role, TenantRole)
    replicas = (change(VM, macs=(MAC,)), twin)
    document = change(TENANT, role=change(TENANT.role, failover=Partial(replicas=replicas)))
    assert refused(document) == [(P.DUPLICATE.urn, "/role/failover/replicas/1/macs/0")]


def test_a_bridged_tunnel_has_no_inner_addresses() -> None:
    assert refused(with_tunnel(PROVIDER, inner=INNER)) == [(P.INVALID.urn, "/role/networks/0/tunnel/inner")]
    assert refused(with_tunnel(TENANT, inner=INNER)) == [(P.INVALID.urn, "/role/tunnel/inner")]


def test_a_bridged_adapter_has_no_addresses() -> None:
    document = with_addresses(PROVIDER, "vlan-0", "192.168.0.5/24")
    assert refused(document) == [(P.INVALID.urn, "/nics/1/addresses")]
    document = with_addresses(TENANT, "extension", "192.168.0.7/24")
    assert refused(document) == [(P.INVALID.urn, "/nics/1/addresses")]


def test_the_way_to_the_agent_is_never_bridged_and_the_way_out_is_said() -> None:
    assert isinstance(TENANT.role, TenantRole)
    network = change(TENANT.role.network, nic="production")
    document = change(TENANT, role=change(TENANT.role, network=network))
    with pytest.raises(CompileError) as caught:
        compiled(document)
    found = {problem.pointer: problem.detail for problem in caught.value.problems}
    assert "second vNIC in that network" in found["/role/network/nic"]
    assert set(found) == {"/role/network/nic", "/nics/0/addresses"}


def test_what_both_policies_allow_are_the_replicas_of_both() -> None:
    one = next(iter(compiled(TENANT).policy.bridged))
    other = replace(one, macs=one.macs | {"02:00:00:00:01:99"})
    elsewhere = replace(one, bridge="cwb9")
    both = Policy(bridged=frozenset({one})) & Policy(bridged=frozenset({other, elsewhere}))
    assert both.bridged == {one}
    assert (Policy() & Policy(bridged=frozenset({one}))).bridged == frozenset()
