"""A whole document around a role: management, adapters and tagged VLANs, and what is revoked."""

from __future__ import annotations

from collections.abc import Sequence

from causeway_controller.failover import revocation
from causeway_controller.inventory.tenancy import Adapter, ManagementAccess, Site
from causeway_wire.desired import Desired, Management, Nic, Role, Vlan
from causeway_wire.types import ApplianceId, Epoch, Generation


def desired(
    site: Site,
    appliance: ApplianceId,
    access: ManagementAccess,
    adapters: Sequence[Adapter],
    role: Role,
    *,
    generation: Generation,
    epoch: Epoch,
) -> Desired:
    """Return the document of an appliance that has this role and these adapters.

    An adapter with a tag is a VLAN of the vNIC whose MAC address it has.
    """
    vnics = [one for one in adapters if one.vlan is None]
    carriers = {one.mac: one.name for one in vnics}
    made = Desired(
        appliance=appliance,
        generation=generation,
        epoch=epoch,
        management=Management(
            nic=access.nic, address=access.address, sources=access.sources, port=access.port
        ),
        nics=tuple(
            Nic(name=one.name, mac=one.mac, addresses=one.addresses, gateways=one.gateways) for one in vnics
        ),
        vlans=tuple(
            Vlan(name=one.name, trunk=carriers[one.mac], id=one.vlan, addresses=one.addresses)
            for one in adapters
            if one.vlan is not None
        ),
        role=role,
    )
    return revocation.applied(site, made)
