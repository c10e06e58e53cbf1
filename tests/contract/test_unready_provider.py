"""A tenant's controller says that its provider is not ready for a failover, before there is a disaster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

from causeway_controller.api.unready_providers import UnreadyProviders
from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.tenant import Static
from causeway_controller.inventory.health import Deployed
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.inventories import Inventories
from tests.provider_inventory import host, tenant
from tests.two_sites import NAME, Tenant, World, two_sites

(LAN, *_) = tenant().networks
OWN = OwnNetwork(
    id=LAN.id,
    prefixes=LAN.prefixes,
    gateways=LAN.gateways,
    appliance=OwnAppliance(
        host="esx9",
        network="lan",
        address=Static(addresses=(ip_interface("192.168.10.250/24"),)),
    ),
)
SITE = Inventory(hosts=(host("esx9"),), production=(Production(id=NAME, tenant="acme", networks=(OWN,)),))
THERE = Deployed(id="acme-esx1", tenant="acme", host="esx1", address=ip_address("10.10.0.21"), port=8443)


@pytest.fixture
async def world(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[World]:
    async with two_sites(tmp_path, unused_tcp_port) as made:
        yield made


async def test_the_staff_of_a_tenant_reads_what_its_provider_lacks(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        Inventories(acme.database, now=world.clock).replace(SITE, expected=0, actor="test")
        assert f"of network {LAN.id} can fail over" in await said(acme)
        assert "is not deployed" in await said(acme)
        kept, at = Appliances(world.database), world.clock()
        kept.enter(THERE, at=at)
        assert await said(acme) == "", "it was not looked at yet"
        seen = replace(THERE, entered=at, condition=Condition.SILENT, cause="10.10.0.21 refused", seen=at)
        kept.saw([seen])
        found = await said(acme)
        assert "does not answer its controller" in found
        assert ("10.10.0.21" in found, "acme-esx1" in found) == (False, False), "the provider's inside"
        kept.saw([replace(seen, condition=Condition.HEALTHY)])
        assert "no certificate that counts" in await said(acme)


async def test_of_networks_that_it_has_not_entered_it_says_nothing(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        assert await said(acme) == ""


async def said(known: Tenant) -> str:
    await known.providers.resources(NAME)
    inventories = Inventories(known.database, now=known.links._now)
    troubles = await UnreadyProviders(database=known.database, inventories=inventories).troubles()
    return " ".join(one.detail for one in troubles if one.subject == f"provider {NAME}")
