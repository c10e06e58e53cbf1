"""Whether a VLAN's port groups let an appliance be a bridge, with frames of others' MAC addresses.

A standard switch needs forged transmits and promiscuous mode. A distributed one has MAC learning (vSphere
6.7) in place of the latter. What a port group does not say it has from its switch. Only those count that the
appliance is, or will be, plugged into: others of the VLAN may be as strict as they like. Blocking; changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from causeway_controller.hypervisors.vsphere import binding, networks
from causeway_controller.hypervisors.vsphere.place import Place
from causeway_controller.inventory import vsphere_names

FORGED: Final = "forged transmits"
PROMISCUOUS: Final = "promiscuous mode"
LEARNING: Final = "MAC learning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What somewhere is refused, or not known."""

    where: str
    lacks: tuple[str, ...]
    """Empty: it does not tell."""


def refusals(place: Place, switch: str, vlan: int) -> Iterator[Refusal]:
    """Say of each port group that an appliance has this VLAN by, or else of their switch, what it refuses.

    Raises HypervisorError where there is no such switch, ValueError for what is none.
    """
    found, ours = vsphere_names.switch(switch), networks.name_of(switch, vlan)
    if found.distributed:
        yield from _of_distributed(networks.distributed(place, found.name), vlan, ours)
    else:
        networks.standard(place, found.name)
        yield from _of_standard(place, found.name, vlan, ours)


def refusals_of(place: Place, moid: str) -> Iterator[Refusal]:
    """As `refusals`, of the port group with this id. Raises HypervisorError where there is none."""
    vim, _ = binding.load()
    found = networks.port_group(place, moid)
    if isinstance(found, vim.dvs.DistributedVirtualPortgroup):
        yield from _of_settings(f"port group {found.name}", found.config.defaultPortConfig)
        return
    for host in place.hosts:
        info = host.configManager.networkSystem.networkInfo
        for one in () if info is None else info.portgroup:
            if one.spec.name == found.name:
                yield from _of_policy(f"port group {found.name} of ESXi host {host.name}", one.computedPolicy)


def _of_distributed(switch: Any, vlan: int, name: str) -> Iterator[Refusal]:
    same = [one for one in switch.portgroup if networks.vlan_of(one) == vlan]
    ours = [one for one in switch.portgroup if one.name == name or _in_our_trunk(one, vlan)]
    # Where there is none of ours and not just one, the next one is made from the switch's settings.
    groups = ours or (same if len(same) == 1 else [])
    for one in groups:
        yield from _of_settings(f"port group {one.name}", one.config.defaultPortConfig)
    if not groups:
        yield from _of_settings(f"distributed switch {switch.name}", switch.config.defaultPortConfig)


def _of_settings(where: str, config: Any) -> Iterator[Refusal]:
    lacks = _lacking(config)
    if lacks is None or lacks:
        yield Refusal(where=where, lacks=lacks or ())


def _in_our_trunk(group: Any, vlan: int) -> bool:
    return group.name.startswith(networks.PREFIX) and vlan in (networks.passes(group) or ())


def _lacking(config: Any) -> tuple[str, ...] | None:
    """What these settings of ports refuse; None where they do not say."""
    since, before = (getattr(config, name, None) for name in ("macManagementPolicy", "securityPolicy"))
    if since is not None:
        learns = since.macLearningPolicy is not None and since.macLearningPolicy.enabled
        heard, forged = since.allowPromiscuous or learns, since.forgedTransmits
    elif before is not None and before.forgedTransmits is not None and before.allowPromiscuous is not None:
        heard, forged = before.allowPromiscuous.value, before.forgedTransmits.value
    else:
        return None
    return (*(() if forged else (FORGED,)), *(() if heard else (LEARNING,)))


def _of_standard(place: Place, switch: str, vlan: int, name: str) -> Iterator[Refusal]:
    for host in place.hosts:
        info = host.configManager.networkSystem.networkInfo
        if info is None:
            continue  # an ESXi host that cannot be asked, which is said with the hosts
        same = [one for one in info.portgroup if one.spec.vswitchName == switch and one.spec.vlanId == vlan]
        groups = [one for one in same if one.spec.name == name] or same
        policies = [(f"port group {one.spec.name}", one.computedPolicy) for one in groups] or [
            (f"switch {one.name}", one.spec.policy) for one in info.vswitch if one.name == switch
        ]
        for what, policy in policies:
            yield from _of_policy(f"{what} of ESXi host {host.name}", policy)


def _of_policy(where: str, policy: Any) -> Iterator[Refusal]:
    security = getattr(policy, "security", None)
    if security is None:
        yield Refusal(where=where, lacks=())
        return
    asked = ((FORGED, security.forgedTransmits), (PROMISCUOUS, security.allowPromiscuous))
    if lacks := tuple(word for word, accepted in asked if not accepted):
        yield Refusal(where=where, lacks=lacks)
