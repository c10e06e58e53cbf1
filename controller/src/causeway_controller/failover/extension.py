"""The two ways to extend a network: the limits of each, to be told when it is chosen, and what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from causeway_controller.inventory.tenancy import Network, ProviderHalf, Tenant, Vm
from causeway_wire.desired import Extension

ABOUT: Final[Mapping[Extension, str]] = {
    Extension.ROUTED: "routed: packets of failed-over VMs, and nothing else of either site",
    Extension.BRIDGED: "bridged: every frame of failed-over VMs, and broadcasts of both sites",
}

LIMITS: Final[Mapping[Extension, tuple[str, ...]]] = {
    Extension.ROUTED: (
        "IPv4 and IPv6 unicast only: no broadcast, no multicast, no DHCP, no other protocols.",
        "Production sees a failed-over VM with the tenant appliance's MAC address.",
        "The time to live of packets falls by two.",
    ),
    Extension.BRIDGED: (
        "Every broadcast and multicast of production crosses the tunnel, up to 200 frames a second each way.",
        "Both hypervisors must let the appliance receive frames for other MAC addresses (promiscuous mode).",
        "Both must let it send with other MAC addresses (forged transmits, MAC address spoofing).",
        "The tenant appliance needs a second vNIC in the network, without addresses.",
        "Replicas need their MAC addresses in the inventory, and no other adapter may have the same.",
        "While a second layer 2 path joins both sites, and ten seconds longer, nothing crosses.",
        "The network opens a second later than a routed one: loops are listened for first.",
        "Frames hold 1500 octets at most; frames that guests tag themselves (IEEE 802.1Q) are refused.",
    ),
}


def told(extension: Extension) -> tuple[str, ...]:
    """The choice and its limits, in lines."""
    return (ABOUT[extension], *(f"- {limit}" for limit in LIMITS[extension]))


def unmet(tenant: Tenant, network: Network, vm: Vm) -> Iterator[str]:
    """What a bridged network lacks for this VM to fail over; nothing for a routed one."""
    if network.extension is Extension.BRIDGED:
        yield from (f"network {network.id} is bridged: {lack}" for lack in _lacks(tenant, network, vm))


def _lacks(tenant: Tenant, network: Network, vm: Vm) -> Iterator[str]:
    if not vm.macs:
        yield "say which MAC addresses its replica has there"
    there = tenant.provider
    vlan = None if isinstance(there, ProviderHalf) else there.vlans.get(network.id)
    if vlan is not None and vlan.addresses:
        yield f"adapter {vlan.name} of {there.id} cannot have addresses"
    appliance = tenant.appliances.get(network.id)
    if appliance is None:
        return
    second = appliance.extension_nic
    if second is None:
        yield (
            f"give {appliance.id} a second vNIC there, without addresses; the first one leads to its agent "
            "and carries the VPN"
        )
    elif second.addresses or second.name == appliance.management.nic:
        yield f"adapter {second.name} of {appliance.id} cannot have addresses"
