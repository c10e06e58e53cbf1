"""VLANs on a trunk (IEEE 802.1Q): adapters of the document that share one vNIC, told apart by a tag.

A trunk may have addresses of its own, untagged, as uplink or for management. It may not be the adapter of a
production network: a guest there could put tags on its frames and so speak in a network of its choice.
"""

from __future__ import annotations

from collections.abc import Sequence

from causeway_agent.plan.model import checks
from causeway_agent.plan.model.objects import VLAN_PREFIX
from causeway_wire.desired import Nic, Vlan
from causeway_wire.problem import ProblemType
from causeway_wire.types import MacAddress, NicName, VlanId


def device(trunk: MacAddress, vlan: VlanId) -> str:
    """The subinterface's name: the identifier, and the trunk's last three octets (`cwv120-0a1b2c`).

    One document may use an identifier on two trunks. At most 14 characters (the kernel takes 15, linux/if.h).
    """
    return f"{VLAN_PREFIX}{vlan}-{''.join(trunk.split(':')[3:])}"


def name(kernel_device: str, mac: MacAddress, nics: Sequence[Nic], vlans: Sequence[Vlan]) -> NicName | None:
    """What the document calls this device. A VLAN has the MAC address of its trunk: its device tells."""
    macs = {nic.name: nic.mac for nic in nics}
    tagged = (
        vlan.name
        for vlan in vlans
        if vlan.trunk in macs and device(macs[vlan.trunk], vlan.id) == kernel_device
    )
    whole = (nic.name for nic in nics if nic.mac == mac and not kernel_device.startswith(VLAN_PREFIX))
    return next(tagged, None) or next(whole, None)


def check(nics: Sequence[Nic], vlans: Sequence[Vlan], findings: checks.Findings, *, vlan_8021q: bool) -> None:
    """Each VLAN has a vNIC that carries it, alone and whole, on a kernel that can."""
    if vlans and not vlan_8021q:
        detail = (
            "this kernel makes no 802.1Q subinterfaces (module 8021q is missing); give the appliance a vNIC "
            "per VLAN instead, or a kernel that has the module"
        )
        findings.add(ProblemType.UNSUPPORTED, "/vlans/0", detail)
    trunks = {nic.name: nic for nic in nics}
    stacked = {vlan.name for vlan in vlans}
    carried = []
    for index, vlan in enumerate(vlans):
        trunk, where = trunks.get(vlan.trunk), f"/vlans/{index}"
        if trunk is not None:
            carried.append((device(trunk.mac, vlan.id), f"{where}/id"))
        elif vlan.trunk in stacked:
            detail = f"{vlan.trunk} is a VLAN itself; name the vNIC that carries it, tags are not stacked"
            findings.add(ProblemType.INVALID, f"{where}/trunk", detail)
        else:
            detail = f"no adapter of the document is named {vlan.trunk}"
            findings.add(ProblemType.UNKNOWN_REFERENCE, f"{where}/trunk", detail)
        if trunk is not None and vlan.mtu > trunk.mtu:
            # The tag's four octets are not part of the MTU (IEEE 802.3, 3.2.7): no more, and no less.
            detail = f"MTU {vlan.mtu} does not fit trunk {trunk.name}, whose MTU is {trunk.mtu}"
            findings.add(ProblemType.INVALID, f"{where}/mtu", detail)
    checks.distinct(findings, carried, "VLAN")
