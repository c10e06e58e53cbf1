"""A network that is extended routed now, as the provider's appliance sees it."""

from __future__ import annotations

from dataclasses import dataclass

from causeway_agent.plan.compile.adapters import Adapter
from causeway_agent.plan.model.path_size import PathSize
from causeway_wire.desired import ProviderNetwork, TunnelServer
from causeway_wire.observed import Transport
from causeway_wire.types import IPAddress, IPNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A network that is extended now: its tunnel, its replicas, its devices."""

    network: ProviderNetwork
    tunnel: TunnelServer
    adapter: Adapter
    replicas: tuple[IPAddress, ...]
    active: str | None
    """The tunnel device in use; none while no client is connected."""
    path: PathSize
    """What the tunnel's path carries."""
    by_kernel: bool
    """Whether the kernel carries the tunnel over UDP."""

    @property
    def vlan(self) -> str:
        """Device of the VLAN's vNIC."""
        return self.adapter.device

    @property
    def table(self) -> int:
        """Routing table; port numbers stay clear of the kernel's tables 253 to 255."""
        return self.tunnel.port

    @property
    def versions(self) -> frozenset[int]:
        """IP versions that the tunnel carries."""
        ends = {pair.local.version for pair in self.tunnel.inner}
        return frozenset(ends | {prefix.version for prefix in self.network.prefixes})

    def prefixes(self, version: int) -> tuple[IPNetwork, ...]:
        """Production prefixes of this IP version."""
        return tuple(prefix for prefix in self.network.prefixes if prefix.version == version)

    def replicas_of(self, version: int) -> frozenset[IPAddress]:
        """Addresses of replicas of this IP version."""
        return frozenset(address for address in self.replicas if address.version == version)

    @property
    def distant(self) -> frozenset[IPAddress]:
        """Known addresses of the network that are no replica's here."""
        return frozenset(self.network.hosts) - frozenset(self.replicas)

    def tun(self, transport: Transport) -> str:
        """Device of the tunnel over this transport."""
        return f"cw{transport.value[0]}{self.tunnel.port}"

    @property
    def lent(self) -> tuple[str, ...]:
        """Those of the tunnel's devices that OpenVPN makes."""
        return (self.tun(Transport.UDP),) if self.by_kernel else ()

    @property
    def tuns(self) -> tuple[str, ...]:
        """Both tunnel devices."""
        return tuple(self.tun(transport) for transport in Transport)
