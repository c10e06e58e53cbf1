"""What was never deployed is told, and it is a trouble only where a failover would need it."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory import undeployed
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.inventory.undeployed import Undeployed
from tests.provider_inventory import seed_example, with_

INVENTORY = seed_example()
(ACME,) = INVENTORY.tenants


def there(tenant: str, host: str) -> Deployed:
    name = f"{tenant}-{host}" if tenant else host
    return Deployed(id=name, tenant=tenant, host=host, address=ip_address("192.0.2.1"), port=8443)


def found(inventory: Inventory, *deployed: Deployed) -> dict[str, Undeployed]:
    return {one.subject: one for one in undeployed.find(inventory, deployed)}


def without_plan() -> Inventory:
    return with_(INVENTORY, tenants=(with_(ACME, failover_plans=()),))


def test_an_appliance_that_a_plan_needs_is_a_trouble_with_the_command() -> None:
    one = found(INVENTORY)["acme on esx1"]
    assert (one.wanted, "failover plan" in one.detail) == (True, True)
    assert one.detail.endswith("`causeway appliance deploy acme esx1`")
    assert found(without_plan())["acme on esx1"].wanted is False


def test_a_plan_of_vms_without_a_replica_there_needs_none() -> None:
    bare = tuple(with_(vm, replica=UNSET) for vm in ACME.vms)
    assert not found(with_(INVENTORY, tenants=(with_(ACME, vms=bare),)))["acme on esx1"].wanted


def test_what_is_deployed_is_not_told() -> None:
    everything = [there("acme", "esx1"), *(there(NOBODY, one.id) for one in INVENTORY.gateways)]
    assert found(INVENTORY, *everything) == {}


def test_a_pool_without_a_gateway_says_so_once_an_appliance_waits_for_it() -> None:
    gateway = INVENTORY.gateways[0].id
    assert "no partial failover" not in found(INVENTORY)[f"gateway {gateway}"].detail
    one = found(INVENTORY, there("acme", "esx1"))[f"gateway {gateway}"]
    assert (one.wanted, "no partial failover" in one.detail) == (False, True)
    assert f"`causeway gateway deploy {gateway}`" in one.detail


def test_a_second_gateway_of_a_pool_is_worth_a_notice_only() -> None:
    first = INVENTORY.gateways[0]
    (pool,) = INVENTORY.gateway_pools
    names = (first.id, "other")
    two = with_(
        INVENTORY,
        gateways=(first, with_(first, id="other")),
        gateway_pools=(with_(pool, gateways=names),),
    )
    told = found(two, there("acme", "esx1"), there(NOBODY, first.id))
    ((subject, one),) = told.items()
    assert (subject, one.wanted, "no partial failover" in one.detail) == ("gateway other", False, False)


def test_those_that_are_wanted_come_first() -> None:
    told = undeployed.find(INVENTORY, ())
    assert [one.wanted for one in told] == sorted((one.wanted for one in told), reverse=True)
