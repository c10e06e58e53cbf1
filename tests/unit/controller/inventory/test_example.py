"""The example of the documents is whole: everything that it needs could be deployed as it is written."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest

from causeway_controller import yaml_text
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Gateway
from causeway_controller.failover import documents
from causeway_controller.inventory import appliances, book, undeployed, vnics
from causeway_controller.inventory.entry import enter
from causeway_controller.inventory.tenancy import GatewayCredentials
from causeway_controller.inventory.views import Known, gateway, tenancy
from causeway_controller.inventory.vnics import InNetwork
from causeway_controller.workflows.appliances import Wanted, seed_of
from causeway_wire import codec, seed
from causeway_wire.seed import RoleName
from causeway_wire.types import Secret
from tests.seeds import authority

ROOT = Path(__file__).resolve().parents[4]
TEXT = (ROOT / "docs/examples/provider.yaml").read_text()
INVENTORY = codec.decode(msgspec.json.encode(yaml_text.read(TEXT)[0]), Inventory)
GIVEN = enter(INVENTORY)
NAMES = book.index(INVENTORY)
KNOWN = Known(
    controllers=(ip_network("203.0.113.200/32"),),
    gateway_credentials=GatewayCredentials(ca="", certificates={}),
)
PORT_GROUP = re.compile(r"(network|dvportgroup)-[0-9]+")
"""As vSphere calls them."""
NEEDED = appliances.needed(INVENTORY)


def readable(wanted: Wanted) -> seed.Seed:
    """Its seed, as the appliance reads it."""
    made = seed_of(
        wanted, authority(), Secret("a-token-of-some-length"), expires=datetime(2026, 1, 1, tzinfo=UTC)
    )
    return seed.decode(seed.encode(made))


def in_networks(wanted: Wanted) -> set[str]:
    return {one.place.network for one in wanted.vnics if isinstance(one.place, InNetwork)}


@pytest.mark.parametrize("needed", NEEDED, ids=[one.id for one in NEEDED])
def test_each_appliance_has_its_vnics_its_seed_and_its_document(needed: appliances.NeededAppliance) -> None:
    site = tenancy(INVENTORY, GIVEN, needed.tenant, needed.host, known=KNOWN)
    found = site.tenants[needed.tenant].server
    wanted = Wanted(
        id=found.id,
        role=RoleName.PROVIDER,
        management=found.management,
        adapters=(found.uplink,),
        vnics=vnics.of_provider_appliance(needed, GIVEN),
    )
    assert len(wanted.vnics) == len(needed.adapters)
    assert all(map(PORT_GROUP.fullmatch, in_networks(wanted)))
    assert found.uplink.gateways, "its tunnels and the controller's answers find their way"
    assert readable(wanted).nics[0].addresses == found.uplink.addresses
    document = documents.document(site, found.id, generation=1, epoch=1)
    assert len(document.nics) == len(needed.adapters)


@pytest.mark.parametrize("entry", INVENTORY.gateways, ids=[one.id for one in INVENTORY.gateways])
def test_each_gateway_has_its_vnics_its_seed_and_a_way_to_the_internet(entry: Gateway) -> None:
    pool = next(one for one in INVENTORY.gateway_pools if entry.id in one.gateways)
    found = gateway(entry, pool, KNOWN.controllers)
    wanted = Wanted(
        id=found.id,
        role=RoleName.GATEWAY,
        management=found.management,
        adapters=(found.public, found.inside),
        vnics=vnics.of_gateway(entry),
    )
    assert found.public.gateways
    assert all(map(PORT_GROUP.fullmatch, in_networks(wanted)))
    assert readable(wanted).appliance == entry.id
    uplinks = {one.uplink.network for one in NEEDED}
    assert entry.inside_network in uplinks, "appliances are in the network that its inside is in"


def test_every_plan_and_every_gateway_is_asked_for() -> None:
    told = {one.subject: one for one in undeployed.find(INVENTORY, ())}
    assert {f"{one.tenant} on {one.host}" for one in NEEDED} <= told.keys()
    assert {f"gateway {one.id}" for one in INVENTORY.gateways} <= told.keys()
    assert NAMES.tenants["acme"].failover_plans, "it shows one"
