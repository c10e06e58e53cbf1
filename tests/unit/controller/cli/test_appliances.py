"""What is proposed for a tenant's site."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from causeway_controller.cli.appliances import proposal
from causeway_controller.contract.provider import NetworkClass
from causeway_controller.contract.tenant import Starter
from causeway_controller.contract.tenant_view import NetworkAtHost, NetworkView, TenantResources
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


@pytest.mark.parametrize(
    ("extensions", "proposed"),
    [
        ((), True),
        ((Extension.ROUTED,), True),
        ((Extension.BRIDGED, Extension.ROUTED), True),
        ((Extension.BRIDGED,), False),
    ],
)
def test_an_appliance_is_proposed_where_it_could_take_part_in_a_failover(
    extensions: tuple[Extension, ...], *, proposed: bool
) -> None:
    (network,) = proposal(resources(*extensions))
    assert (network["id"], "appliance" in network) == ("lan", proposed)
