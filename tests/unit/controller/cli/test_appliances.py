"""What is proposed for a tenant's site."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import cast

import pytest
from msgspec.structs import replace

from causeway_controller.cli.appliances import proposal
from causeway_controller.contract.hosts import HostVm, HostVms, VmNic
from causeway_controller.contract.provider import NetworkClass
from causeway_controller.contract.tenant import Starter
from causeway_controller.contract.tenant_view import NetworkAtHost, NetworkView, ReplicaView, TenantResources
from causeway_wire.desired import Extension


def resources(*extensions: Extension) -> TenantResources:
    network = NetworkView(
        id="lan",
        prefixes=(ip_network("192.168.10.0/24"),),
        gateways=(ip_address("192.168.10.1"),),
        tunnel="lan-tunnel",
        at=tuple(
            NetworkAtHost(host=f"esx{n}", network_class=NetworkClass.INTERNET, extension=one)
            for n, one in enumerate(extensions)
        ),
    )
    return TenantResources(
        tenant="acme",
        hosts=("esx0",),
        networks=(network,),
        replicas=(),
        plans=(),
        full_failover_by=(Starter.PROVIDER,),
        public_addresses=(),
        open_runs=(),
    )


def vm(name: str, *networks: str) -> HostVm:
    nics = tuple(VmNic(mac=f"02:00:00:00:00:{n:02x}", network=one) for n, one in enumerate(networks))
    return HostVm(id=name, name=name, powered_on=True, nics=nics)


@pytest.mark.parametrize(
    ("vms", "network"),
    [
        ((vm("db1", "pg-lan"), vm("web1", "pg-lan", "pg-backup"), vm("other", "pg-7")), "pg-lan"),
        ((vm("db1", "pg-lan", "pg-backup"), vm("web1", "pg-lan", "pg-backup")), "PORT-GROUP"),
        ((vm("db1", "pg-lan"), vm("web1", "pg-dmz")), "PORT-GROUP"),
        ((vm("db1", ""), vm("web1")), "PORT-GROUP"),
        ((vm("other", "pg-7"),), "PORT-GROUP"),
    ],
    ids=["the one they share", "two that they share", "none that they share", "none", "none of them there"],
)
def test_the_port_group_is_the_one_that_productions_vms_are_in(vms: tuple[HostVm, ...], network: str) -> None:
    replicas = tuple(
        ReplicaView(vm=one, network="lan", addresses=(), host="esx0") for one in ("db1", "web1", "gone")
    )
    told = replace(resources(), replicas=replicas)
    (proposed,) = proposal(told, HostVms(host="kvm9", vms=vms))
    appliance = cast(dict[str, object], proposed["appliance"])
    assert (appliance["host"], appliance["network"]) == ("kvm9", network)


@pytest.mark.parametrize(
    ("extensions", "proposed"),
    [
        ((), True),
        ((Extension.ROUTED,), True),
        ((Extension.BRIDGED, Extension.ROUTED), False),
        ((Extension.BRIDGED,), True),
    ],
)
def test_an_appliance_is_proposed_where_it_could_take_part_in_a_failover(
    extensions: tuple[Extension, ...], *, proposed: bool
) -> None:
    (network,) = proposal(resources(*extensions))
    assert (network["id"], "appliance" in network) == ("lan", proposed)
