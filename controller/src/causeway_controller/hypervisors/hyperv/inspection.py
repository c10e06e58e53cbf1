"""A Hyper-V host compared with what is needed of it. Blocking; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from causeway_controller.contract.hosts import Finding, Topic
from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import digests
from causeway_controller.hypervisors.base import HypervisorError, NicSpec
from causeway_controller.hypervisors.findings import (
    good,
    known_by,
    missing,
    problem,
    room,
    room_beside,
    trap,
    warning,
)
from causeway_controller.hypervisors.hyperv import images, machines, networks, vhdx
from causeway_controller.hypervisors.hyperv import place as places
from causeway_controller.hypervisors.hyperv.binding import Login
from causeway_controller.inventory import hyperv_names
from causeway_controller.inventory.host_needs import HostNeeds

_KERBEROS: Final = (
    "apt-get install python3-gssapi on the controller's host, and have its DNS or /etc/krb5.conf name KDCs"
)


def findings(login: Login, host: Host, needs: HostNeeds, image: Path) -> Iterator[Finding]:
    """Say of each thing that a deployment there needs how it is."""
    (row,) = login.run(("Get-VMHost", {}), ("Select-Object", {"Property": ["Name"]}))
    yield good(Topic.IDENTITY, f"it calls itself {row['Name']}, known by {known_by(host)}")
    yield good(Topic.RIGHTS, f"this login may command Hyper-V; it was let in {login.identity.said}")
    if login.identity.weaker:
        text = f"this account of a domain is let in {login.identity.said}"
        yield warning(Topic.RIGHTS, text, _KERBEROS)
    yield from _storage(login, host, needs, image)
    yield from _networks(login, needs)
    yield from _bridged(login, needs)


def _bridged(login: Login, needs: HostNeeds) -> Iterator[Finding]:
    """What a bridge needs of the vNICs that it is made of."""
    if needs.bridged:
        text = f"networks of {', '.join(needs.bridged)} are extended by bridges"
        advice = "Set-VMNetworkAdapter -MacAddressSpoofing On for the appliances' adapters on them"
        yield trap(text, advice)
    if not (needs.bridged_vlans or needs.bridges):
        return
    named = {one.mac for one in needs.bridges}
    for one in machines.unspoofed(login, needs.appliances):
        if one.mac in named or any(
            _carries(one.network, switch, vlan) for switch, vlan in needs.bridged_vlans
        ):
            what = f"adapter {one.adapter} of VM {one.vm} is in a network that is extended by a bridge"
            text = f"{what}, and may send no frames of others' MAC addresses"
            command = f"Set-VMNetworkAdapter -VMName '{one.vm}' -Name '{one.adapter}' -MacAddressSpoofing On"
            yield problem(Topic.TRAPS, text, command)


def _carries(network: str, switch: str, vlan: int) -> bool:
    try:
        segment, wanted = hyperv_names.segment(network), hyperv_names.switch(switch)
    except ValueError:
        return False  # plugged in nowhere, or no switch, which is said with the networks
    return segment.switch == wanted and (segment.vlan == vlan or vlan in segment.trunk)


def _storage(login: Login, host: Host, needs: HostNeeds, image: Path) -> Iterator[Finding]:
    each = 0
    try:
        each = vhdx.capacity(image)
    except HypervisorError as error:
        yield problem(Topic.STORAGE, str(error), "put the appliance's VHDX there, and verify it before")
    try:
        place = places.find(login, host)
        left = place.folder.left(place.above)
    except HypervisorError as error:
        yield problem(
            Topic.STORAGE, str(error), "correct `storage` of the host, or its shares and their rights"
        )
        return
    yield good(Topic.STORAGE, f"the folder {place.local} is reached as {place.folder.path()}")
    where, absent = host.storage.id, missing(needs.appliances, partial(machines.ours, place))
    yield room(where, left=left, each=each, missing=absent, instead="name another directory")
    if each and not images.find(place, digests.sha256(image)):
        size = image.stat().st_size
        yield from room_beside(where, left=left, each=each, missing=absent, image=size)


def _networks(login: Login, needs: HostNeeds) -> Iterator[Finding]:
    there = networks.switches(login)
    wanted = tuple(dict.fromkeys(needs.networks))
    absent = tuple(networks.missing(there, (NicSpec(mac="", segment=one) for one in wanted)))
    for name, reason in absent:
        yield problem(
            Topic.NETWORKS, needs.told(reason, name), "correct the uplink or the gateway that names it"
        )
    if wanted and not absent:
        yield good(Topic.NETWORKS, f"the switches of all {len(wanted)} networks that are named are there")
    for pool in needs.pools:
        try:
            networks.title(there, hyperv_names.switch(pool.switch))
        except (HypervisorError, ValueError) as error:
            said = needs.told(str(error), *(one for one in needs.vlans if one[0] == pool.switch))
            yield problem(Topic.NETWORKS, said, f"correct the switch of VLAN pool {pool.pool}")
        else:
            yield good(Topic.NETWORKS, f"switch {pool.switch} of VLAN pool {pool.pool} is there")
