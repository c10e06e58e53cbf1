"""The vNICs of an appliance to be deployed: which MAC address goes where. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from causeway_controller.contract.provider import Gateway
from causeway_controller.inventory.allocation import TRUNK, UPLINK, Allocation, mac_candidates
from causeway_controller.inventory.appliances import NeededAppliance
from causeway_wire.types import MacAddress, VlanId

PUBLIC = "public"
INSIDE = "inside"
"""Names of a gateway's adapters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InNetwork:
    """On a network or port group that the hypervisor has by this name or id."""

    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InVlan:
    """On a VLAN of a virtual switch."""

    switch: str
    vlan: VlanId


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTrunk:
    """On a virtual switch, with these VLANs tagged (IEEE 802.1Q) and no other."""

    switch: str
    vlans: tuple[VlanId, ...]


Place = InNetwork | InVlan | OnTrunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Vnic:
    """A vNIC and where it is plugged in."""

    adapter: str
    mac: MacAddress
    place: Place


def of_provider_appliance(needed: NeededAppliance, given: Allocation) -> tuple[Vnic, ...]:
    """Return the uplink's vNIC and one for each VLAN of all the tenant's plans on the host (seed).

    With a trunk that is one vNIC instead, which carries the VLANs tagged; they are all of one switch.
    """
    macs = given.macs_on(needed.tenant, needed.host)
    vlans = {
        f"{plan}/{network}": InVlan(switch=lease.switch, vlan=lease.vlan)
        for (plan, network), lease in given.vlans_on(needed.tenant, needed.host).items()
    }
    places: dict[str, Place] = {UPLINK: InNetwork(network=needed.uplink.network), **vlans}
    if needed.trunk:
        tags = tuple(sorted(place.vlan for place in vlans.values()))
        places[TRUNK] = OnTrunk(switch=next(iter(vlans.values())).switch, vlans=tags)
    return tuple(Vnic(adapter=name, mac=macs[name], place=places[name]) for name in needed.adapters)


def of_gateway(gateway: Gateway) -> tuple[Vnic, Vnic]:
    """Return the vNICs of a cloud gateway, the public side's first."""
    public, inside = (next(mac_candidates("", gateway.id, side)) for side in (PUBLIC, INSIDE))
    return (
        Vnic(adapter=PUBLIC, mac=public, place=InNetwork(network=gateway.public_network)),
        Vnic(adapter=INSIDE, mac=inside, place=InNetwork(network=gateway.inside_network)),
    )
