"""What was told of a replica counts for that replica, grows old, and is compared with the inventory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from msgspec import UNSET

from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.inventory import replicas
from causeway_controller.inventory.replicas import Told
from causeway_wire.problem import ProblemError
from tests.provider_inventory import seed_example, tenant, vm, with_

NOW = datetime(2026, 5, 6, 7, 8, tzinfo=UTC)
DAY = timedelta(days=1)


def told(
    *, ago: timedelta | None = timedelta(), vm_id: str = "vm-db1", addresses: tuple[str, ...] = ()
) -> Told:
    return Told(
        host="esx1",
        vm_id=vm_id,
        restored_to=None if ago is None else NOW - ago,
        addresses=tuple(ip_address(one) for one in addresses),
        at=NOW,
        by="robot",
    )


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (told(ago=DAY), ()),
        (told(ago=DAY + timedelta(seconds=1)), ("its last restore point is 24 h old",)),
        (told(ago=None), ()),
        (told(addresses=("192.168.10.12",)), ()),
        (told(addresses=("192.168.10.12", "2001:db8::12")), ("db1 was renumbered",)),
        (told(ago=3 * DAY, vm_id="vm-2"), ()),
    ],
)
def test_what_is_wrong_is_told(said: Told, wrong: tuple[str, ...]) -> None:
    (found,) = (one for one in replicas.reports(tenant(), {"db1": said}, now=NOW) if one.vm == "db1")
    assert len(found.wrong) == len(wrong)
    assert all(text.startswith(start) for text, start in zip(found.wrong, wrong, strict=True))


def test_a_tenant_says_after_how_long() -> None:
    patient = tenant(stale_after=7 * 86_400)
    assert [one.wrong for one in replicas.reports(patient, {"db1": told(ago=3 * DAY)}, now=NOW)] == [(), ()]


def test_vms_without_a_replica_are_none() -> None:
    bare = tenant(vms=(with_(vm("db1", 12), replica=UNSET),))
    assert list(replicas.reports(bare, {"db1": told()}, now=NOW)) == []


def test_a_plan_is_told_whose_vms_have_none() -> None:
    assert list(replicas.lacking(tenant())) == []
    without = tuple(with_(vm(name, n), replica=UNSET) for n, name in enumerate(("db1", "unplanned"), 12))
    (said,) = replicas.lacking(tenant(vms=(*without, vm("web1", 11))))
    assert said.startswith("failover plan site is refused, for db1 has no replica;")
    assert "`causeway replica register acme db1 --host HOST --id ID`" in said


def test_one_replica_is_changed_and_nothing_else() -> None:
    wanted = ReplicaVm(host="esx1", vm_id="vm-9")
    changed, pointers = replicas.with_replicas(seed_example(), "acme", {"db1": wanted})
    assert pointers == {"/tenants/0/vms/1/replica": "db1"}
    assert changed == seed_example(
        tenants=(tenant(vms=(vm("web1", 11), with_(vm("db1", 12), replica=wanted))),)
    )
    for who, which in (("acme", "db9"), ("zeta", "db1")):
        with pytest.raises(ProblemError, match=f"no VM {which} of tenant {who}"):
            replicas.with_replicas(seed_example(), who, {which: wanted})
