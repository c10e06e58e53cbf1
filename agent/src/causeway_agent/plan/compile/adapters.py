"""Network adapters: from the document's names and MAC addresses to kernel devices, and what holds for each.

Settings of a device are all stated in every target, on or off, because settings are never dropped: the
target of an idle appliance says 0 where a failover says 1.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from causeway_agent.plan.compile import trunks
from causeway_agent.plan.model import checks, objects, reassembly
from causeway_agent.plan.model.objects import Address, Link, Route, Sysctl
from causeway_agent.plan.model.policy import Echo, ManagementDoor, Policy, SourceGuard
from causeway_agent.plan.model.prefixes import Prefixes
from causeway_agent.plan.model.target import Facts
from causeway_wire import address_kinds
from causeway_wire.desired import Desired, Management, Nic, Vlan
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, IPNetwork, NicName

EVERYWHERE: Mapping[int, IPNetwork] = {
    4: ipaddress.IPv4Network("0.0.0.0/0"),
    6: ipaddress.IPv6Network("::/0"),
}
"""Every address, by IP version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A NIC or VLAN of the document and the kernel device behind it."""

    index: int
    nic: Nic | Vlan
    device: str
    parent: str | None = None
    """A VLAN's trunk, the kernel device."""
    trunk: bool = False
    """Whether it carries VLANs of the document."""

    @property
    def pointer(self) -> str:
        """Where the document has it."""
        return f"/{'nics' if isinstance(self.nic, Nic) else 'vlans'}/{self.index}"

    @property
    def gateways(self) -> tuple[IPAddress, ...]:
        """Default gateways that it leads to."""
        return self.nic.gateways if isinstance(self.nic, Nic) else ()

    @property
    def own(self) -> frozenset[IPAddress]:
        """The appliance's addresses on it."""
        return frozenset(interface.ip for interface in self.nic.addresses)

    @property
    def networks(self) -> tuple[IPNetwork, ...]:
        """The networks its addresses say are on-link."""
        return tuple(interface.network for interface in self.nic.addresses)

    def link(self) -> frozenset[Link]:
        """A vNIC's device, up."""
        return frozenset({Link(self.device, self.nic.mtu)}) if self.parent is None else frozenset()

    def vlan(self) -> frozenset[objects.Vlan]:
        """The device of a VLAN."""
        if self.parent is None or isinstance(self.nic, Nic):
            return frozenset()
        return frozenset({objects.Vlan(self.device, self.parent, self.nic.id, self.nic.mtu)})

    def addresses(self, *, prefix_route: bool = True) -> frozenset[Address]:
        """Its addresses; without prefix routes its networks are not in the main table."""
        return frozenset(Address(self.device, entry, prefix_route) for entry in self.nic.addresses)

    def default_routes(self) -> frozenset[Route]:
        """The appliance's own default routes."""
        return frozenset(
            Route(EVERYWHERE[gateway.version], self.device, via=gateway) for gateway in self.gateways
        )


def resolve(desired: Desired, facts: Facts, findings: checks.Findings) -> Mapping[NicName, Adapter]:
    """The document's adapters by name. Where a MAC address is not found, the name stands for the device."""
    check(desired.nics, desired.vlans, facts, findings)
    adapters = {}
    for adapter in assemble(desired.nics, desired.vlans, facts):
        adapters[adapter.nic.name] = adapter
    return adapters


def check(nics: tuple[Nic, ...], vlans: tuple[Vlan, ...], facts: Facts, findings: checks.Findings) -> None:
    """They agree with each other, and this machine has them."""
    _check(nics, vlans, findings)
    trunks.check(nics, vlans, findings, vlan_8021q=facts.vlan_8021q)
    for index, nic in enumerate(nics):
        if nic.mac not in facts.devices:
            found = ", ".join(sorted(facts.devices)) or "none"
            detail = f"adapter {nic.name}: no device has MAC address {nic.mac}; this machine has {found}"
            findings.add(ProblemType.NIC_NOT_FOUND, f"/nics/{index}/mac", detail)


def assemble(nics: Sequence[Nic], vlans: Sequence[Vlan], facts: Facts) -> tuple[Adapter, ...]:
    """The adapters, VLANs after the vNICs that carry them; a VLAN whose trunk is unknown is left out."""
    carrying = {vlan.trunk for vlan in vlans}
    own = {
        nic.name: Adapter(
            index=index,
            nic=nic,
            device=facts.devices.get(nic.mac, nic.name),
            trunk=nic.name in carrying,
        )
        for index, nic in enumerate(nics)
    }
    tagged = [
        Adapter(index=index, nic=vlan, device=trunks.device(nic.mac, vlan.id), parent=own[nic.name].device)
        for index, vlan in enumerate(vlans)
        for nic in nics
        if nic.name == vlan.trunk
    ]
    return (*own.values(), *tagged)


def find(
    adapters: Mapping[NicName, Adapter], name: NicName, pointer: str, findings: checks.Findings
) -> Adapter | None:
    """The adapter of this name, or None and a problem."""
    adapter = adapters.get(name)
    if adapter is None:
        findings.add(ProblemType.UNKNOWN_REFERENCE, pointer, f"no adapter of the document is named {name}")
    return adapter


def carrier(
    adapters: Mapping[NicName, Adapter], name: NicName, pointer: str, findings: checks.Findings
) -> Adapter | None:
    """The adapter of a production network, or None and a problem; a trunk cannot be one (see `trunks`)."""
    adapter = find(adapters, name, pointer, findings)
    if adapter is not None and adapter.trunk:
        detail = f"{name} carries VLANs; make the network one of them, so that no guest can choose its tag"
        findings.add(ProblemType.INVALID, pointer, detail)
    return adapter


def on_link(adapters: Iterable[Adapter]) -> Prefixes[NicName]:
    """The networks that are on-link at these adapters, by the adapter's name."""
    return Prefixes((network, adapter.nic.name) for adapter in adapters for network in adapter.networks)


def separate(
    findings: checks.Findings, prefixes: Iterable[IPNetwork], pointer: str, others: Prefixes[NicName]
) -> None:
    """Production prefixes must not overlap what is on-link at other adapters."""
    for index, prefix in enumerate(prefixes):
        name = others.overlapping(prefix)
        if name is not None:
            detail = f"{prefix} overlaps a network of adapter {name}"
            findings.add(ProblemType.OVERLAP, f"{pointer}/prefixes/{index}", detail)


def neighbourhood(adapters: Iterable[Adapter], *, told: Policy) -> Policy:
    """Who is next door at these adapters: routers, and where the policy does not say whom its devices know by
    themselves, whoever asks and knocks.
    """
    listed = tuple(adapters)
    said = told.guarded | {guard.device for guard in told.neighbours}
    return Policy(
        doorways=frozenset(
            SourceGuard(each.device, network)
            for each in listed
            if each.device not in said
            for network in each.networks
        ),
        expected=frozenset((each.device, gateway) for each in listed for gateway in each.gateways),
    )


def management_policy(device: str, management: Management) -> Policy:
    """The way in that every policy keeps: the agent, SSH and ping on the management address. A controller may
    be next door, and has to find it whatever else goes on there.
    """
    door = ManagementDoor(
        device,
        management.address,
        frozenset(management.sources),
        frozenset({management.port, management.ssh_port}),
    )
    return Policy(
        management=frozenset({door}),
        echoes=frozenset({Echo(device, management.address)}),
        expected=frozenset(
            (device, source.network_address) for source in management.sources if source.num_addresses == 1
        ),
    )


def settings(
    device: str, *, forwarding: bool = False, proxy_arp: bool = False, proxy_ndp: bool = False
) -> frozenset[Sysctl]:
    """Settings of an adapter (kernel documentation, networking/ip-sysctl).

    Sources are checked by our packet filter (`rp_filter` does not know tables chosen by input device);
    `arp_ignore` and `arp_announce` keep addresses of other devices off this one; proxy answers are immediate.
    The kernel does not ask whether somebody has its link-local address (`accept_dad`): one lie in answer (RFC
    4862, 5.4.5) would take it away for good, and without it the kernel looks for no IPv6 neighbour there.
    """
    four, six = f"net/ipv4/conf/{device}", f"net/ipv6/conf/{device}"
    return tunnel_settings(device, forwarding=forwarding) | {
        Sysctl(f"{four}/arp_ignore", "1"),
        Sysctl(f"{four}/arp_announce", "2"),
        Sysctl(f"{four}/arp_filter", "0"),
        Sysctl(f"{four}/promote_secondaries", "1"),
        Sysctl(f"{four}/proxy_arp_pvlan", "0"),
        Sysctl(f"{four}/route_localnet", "0"),
        Sysctl(f"{four}/proxy_arp", str(int(proxy_arp))),
        Sysctl(f"{six}/proxy_ndp", str(int(proxy_ndp))),
        Sysctl(f"{six}/accept_dad", "0"),
        Sysctl(f"net/ipv4/neigh/{device}/proxy_delay", "0"),
        Sysctl(f"net/ipv6/neigh/{device}/proxy_delay", "0"),
    }


def tunnel_settings(device: str, *, forwarding: bool = True) -> frozenset[Sysctl]:
    """Settings of every device, which are all that a tun device needs."""
    four, six = f"net/ipv4/conf/{device}", f"net/ipv6/conf/{device}"
    return frozenset(
        {
            Sysctl(f"{four}/forwarding", str(int(forwarding))),
            Sysctl(f"{four}/rp_filter", "0"),
            Sysctl(f"{four}/send_redirects", "0"),
            Sysctl(f"{four}/accept_redirects", "0"),
            Sysctl(f"{four}/accept_source_route", "0"),
            Sysctl(f"{six}/accept_ra", "0"),
            Sysctl(f"{six}/autoconf", "0"),
            Sysctl(f"{six}/accept_redirects", "0"),
        }
    )


def machine_settings(*, forwarding6: bool, forwarding_default: bool = False) -> frozenset[Sysctl]:
    """Settings of the whole machine. IPv4 forwards per device, IPv6 only as a whole.

    ICMP errors take their source from the device that the packet entered (`icmp_errors_use_inbound_ifaddr`),
    so that rules by source address route them like the packet's own network. Of `all` is stated what counts
    for every device beside its own value (the larger or either of both): with `arp_ignore` 8 no address is
    answered for, with `proxy_arp` every one. Tunnels are alive while echoes are answered.
    """
    four, six = "net/ipv4/conf/all", "net/ipv6/conf/all"
    return frozenset(
        {
            Sysctl(f"{four}/rp_filter", "0"),
            Sysctl(f"{four}/send_redirects", "0"),
            Sysctl(f"{four}/accept_redirects", "0"),
            Sysctl(f"{four}/arp_filter", "0"),
            Sysctl(f"{four}/arp_ignore", "1"),
            Sysctl(f"{four}/proxy_arp", "0"),
            Sysctl(f"{four}/route_localnet", "0"),
            Sysctl(f"{six}/proxy_ndp", "0"),
            Sysctl(f"{six}/accept_dad", "0"),
            Sysctl("net/ipv4/icmp_echo_ignore_all", "0"),
            Sysctl("net/ipv6/icmp/echo_ignore_all", "0"),
            Sysctl("net/ipv4/icmp_errors_use_inbound_ifaddr", "1"),
            Sysctl("net/ipv4/conf/default/forwarding", str(int(forwarding_default))),
            Sysctl(f"{six}/forwarding", str(int(forwarding6))),
            *reassembly.settings(),
        }
    )


def ipv6_settings(addresses: Iterable[Address], routes: Iterable[Route]) -> frozenset[Sysctl]:
    """IPv6 is on where it is used: while it is off, the kernel has neither addresses nor routes there."""
    used = {each.device for each in addresses if each.interface.version == checks.IPV6}
    used |= {each.device for each in routes if each.destination.version == checks.IPV6}
    return frozenset(Sysctl(f"net/ipv6/conf/{device}/disable_ipv6", "0") for device in used)


def _check(nics: tuple[Nic, ...], vlans: tuple[Vlan, ...], findings: checks.Findings) -> None:
    everyone: list[tuple[str, Nic | Vlan]] = [(f"/nics/{i}", nic) for i, nic in enumerate(nics)]
    everyone += [(f"/vlans/{i}", vlan) for i, vlan in enumerate(vlans)]
    checks.distinct(findings, ((each.name, f"{at}/name") for at, each in everyone), "adapter name")
    checks.distinct(findings, ((nic.mac, f"/nics/{i}/mac") for i, nic in enumerate(nics)), "MAC address")
    addresses = (
        (interface.ip, f"{at}/addresses/{k}")
        for at, each in everyone
        for k, interface in enumerate(each.addresses)
    )
    checks.distinct(findings, addresses, "address")
    gateways = (
        (gateway.version, f"/nics/{i}/gateways/{k}")
        for i, nic in enumerate(nics)
        for k, gateway in enumerate(nic.gateways)
    )
    checks.distinct(findings, gateways, "a default gateway of IP version")
    for at, each in everyone:
        _check_addresses(each, at, findings)
    own = {interface.ip for _, each in everyone for interface in each.addresses}
    for i, nic in enumerate(nics):
        if (why := address_kinds.no_adapter(nic.mac)) is not None:
            findings.add(ProblemType.INVALID, f"/nics/{i}/mac", f"{nic.mac} {why}; no adapter has it")
        for k, gateway in enumerate(nic.gateways):
            _check_gateway(nic, gateway, f"/nics/{i}/gateways/{k}", own, findings)


def _check_addresses(each: Nic | Vlan, at: str, findings: checks.Findings) -> None:
    for k, interface in enumerate(each.addresses):
        where = f"{at}/addresses/{k}"
        if checks.usable(findings, interface.ip, where) and address_kinds.names_network(
            (interface.network,), interface.ip
        ):
            detail = f"{interface} is the network or broadcast address of its network; take a host's"
            findings.add(ProblemType.INVALID, where, detail)


def _check_gateway(
    nic: Nic, gateway: IPAddress, where: str, own: set[IPAddress], findings: checks.Findings
) -> None:
    networks = [interface.network for interface in nic.addresses]
    if gateway.version == checks.IPV6 and gateway.is_link_local:
        return  # RFC 4861: what routers of IPv6 call themselves
    if not checks.usable(findings, gateway, where):
        return
    if not checks.inside(networks, gateway):
        detail = f"gateway {gateway} is in no network of adapter {nic.name}"
        findings.add(ProblemType.OUTSIDE_NETWORK, where, detail)
    elif gateway in own:
        findings.add(ProblemType.DUPLICATE, where, f"gateway {gateway} is the appliance's own address")
    elif address_kinds.names_network(networks, gateway):
        detail = f"gateway {gateway} is the network or broadcast address of its network"
        findings.add(ProblemType.INVALID, where, detail)
