"""A vSphere host compared with what is needed of it. Blocking; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from causeway_controller.contract.hosts import Finding, Topic
from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.base import HypervisorError, NicSpec
from causeway_controller.hypervisors.findings import good, known_by, missing, problem, room, trap, unknown
from causeway_controller.hypervisors.vsphere import binding, machines, networks, ova, policies, rights
from causeway_controller.hypervisors.vsphere import place as places
from causeway_controller.hypervisors.vsphere.place import Place
from causeway_controller.inventory import vsphere_names
from causeway_controller.inventory.host_needs import HostNeeds

_PROMISCUOUS: Final = "Net.ReversePathFwdCheckPromisc"
_ACCEPT: Final = "let its port group accept forged transmits, and MAC learning or else promiscuous mode"


def findings(service: Any, host: Host, needs: HostNeeds, image: Path) -> Iterator[Finding]:
    """Say of each thing that a deployment there needs how it is."""
    about = service.content.about
    yield good(Topic.IDENTITY, f"it is {about.fullName}, known by {known_by(host)}")
    try:
        place = places.find(service, host)
    except HypervisorError as error:
        yield problem(Topic.STORAGE, str(error), "correct `storage` or `cluster` of the host")
        return
    yield from _rights(place, needs)
    yield from _storage(place, needs, image)
    yield from _networks(place, needs)
    yield from _hosts(place, needs)


def _rights(place: Place, needs: HostNeeds) -> Iterator[Finding]:
    try:
        absent = list(rights.lacking(place, needs))
    except (HypervisorError, ValueError):
        return  # a switch that is not there, which is said with the networks
    for where, privileges in absent:
        text = f"this login lacks on {where}: {', '.join(privileges)}"
        yield problem(
            Topic.RIGHTS, text, "give it the role of the how-to there, propagating to what is below"
        )
    if not absent:
        yield good(Topic.RIGHTS, "this login has all privileges that are needed")


def _storage(place: Place, needs: HostNeeds, image: Path) -> Iterator[Finding]:
    each = 0
    try:
        each = ova.read(image).capacity
    except HypervisorError as error:
        yield problem(Topic.STORAGE, str(error), "put the appliance's OVA there, and verify it before")
    yield room(
        f"datastore {place.datastore.name}",
        left=int(place.datastore.summary.freeSpace),
        each=each,
        missing=missing(needs.appliances, partial(machines.ours, place)),
        instead="name another datastore",
    )


def _networks(place: Place, needs: HostNeeds) -> Iterator[Finding]:
    absent = tuple(
        networks.missing(place, (NicSpec(mac="", segment=one) for one in dict.fromkeys(needs.networks)))
    )
    for name, reason in absent:
        yield problem(
            Topic.NETWORKS, needs.told(reason, name), "correct the uplink or the gateway that names it"
        )
    if needs.networks and not absent:
        yield good(Topic.NETWORKS, f"all {len(needs.networks)} networks that are named are there")
    for pool in needs.pools:
        try:
            switch = vsphere_names.switch(pool.switch)
            if switch.distributed:
                networks.distributed(place, switch.name)
            else:
                networks.standard(place, switch.name)
        except (HypervisorError, ValueError) as error:
            said = needs.told(str(error), *(one for one in needs.vlans if one[0] == pool.switch))
            yield problem(Topic.NETWORKS, said, f"correct the switch of VLAN pool {pool.pool}")
            continue
        yield good(Topic.NETWORKS, f"switch {pool.switch} of VLAN pool {pool.pool} is there")
    for one in needs.trunks:
        if not one.switch.startswith("dvs-"):
            text = (
                f"the appliance of {one.tenant} has a trunk, and {one.switch} passes one VLAN or all of them"
            )
            yield problem(Topic.NETWORKS, text, "use a distributed switch, or `adapters: access`")


def _hosts(place: Place, needs: HostNeeds) -> Iterator[Finding]:
    """States and settings of the ESXi hosts that break what an appliance does."""
    vim, _ = binding.load()
    usable = 0
    for host in place.compute.host:
        runtime = host.runtime
        if runtime.connectionState != vim.HostSystem.ConnectionState.connected:
            text = f"ESXi host {host.name} is {runtime.connectionState}"
            advice = (
                "connect it again: VMs on it can be neither started nor stopped, and it lacks port groups of "
                "standard switches that are made meanwhile"
            )
            yield trap(text, advice)
        elif runtime.inMaintenanceMode:
            yield trap(f"ESXi host {host.name} is in maintenance", "end that, or count without it")
        else:
            usable += 1
        if needs.bridged:
            yield from _promiscuous(host)
    if not place.scheduled:
        text = (
            f"cluster {place.compute.name} has no DRS: appliances are in its root resource pool, each on the "
            "ESXi host that had most memory left, and vSphere moves none"
        )
        yield trap(
            text, "switch DRS on where the licence has it, or move them before an ESXi host is stopped"
        )
    if not usable:
        yield problem(
            Topic.TRAPS, f"no ESXi host of {place.compute.name} can run VMs", "look at them in vSphere"
        )
    yield from _bridged(place, needs)


def _bridged(place: Place, needs: HostNeeds) -> Iterator[Finding]:
    """What a bridge needs of the port groups that it is in."""
    if needs.bridged and not (needs.bridged_vlans or needs.bridges):
        text = f"networks of {', '.join(needs.bridged)} are extended by bridges"
        yield trap(text, _ACCEPT)
    for switch, vlan in needs.bridged_vlans:
        yield from _refused(f"VLAN {vlan} of {switch}", policies.refusals(place, switch, vlan))
    for one in needs.bridges:
        yield from _refused(one.network, policies.refusals_of(place, one.network))


def _refused(where: str, asked: Iterator[policies.Refusal]) -> Iterator[Finding]:
    what = f"a network that is extended by a bridge is {where}"
    try:
        found = tuple(asked)
    except (HypervisorError, ValueError):
        return  # a switch or a network that is not there, which is said with the networks
    for one in found:
        if one.lacks:
            text = f"{what}, and {one.where} refuses {' and '.join(one.lacks)}"
            yield problem(Topic.TRAPS, text, _ACCEPT)
        else:
            text = f"{what}, and {one.where} does not tell what it refuses"
            yield unknown(Topic.TRAPS, text, _ACCEPT)
    if not found:
        yield good(Topic.TRAPS, f"{what}, whose port groups let a bridge work")


def _promiscuous(host: Any) -> Iterator[Finding]:
    vim, vmodl = binding.load()
    try:
        (option,) = host.configManager.advancedOption.QueryOptions(_PROMISCUOUS)
    except (vim.fault.InvalidName, vmodl.RuntimeFault, AttributeError, ValueError):
        text = f"ESXi host {host.name} does not tell {_PROMISCUOUS}"
        yield unknown(Topic.TRAPS, text, "see that it is 1")
        return
    if int(option.value) != 1:
        text = f"{_PROMISCUOUS} is {option.value} on ESXi host {host.name}: frames come twice"
        yield problem(
            Topic.TRAPS, text, f"set {_PROMISCUOUS} to 1 there, and promiscuous mode off and on again"
        )
