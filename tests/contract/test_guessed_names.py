"""Whoever is bound to a tenant and guesses names learns nothing: what is not theirs is not there."""

from __future__ import annotations

import itertools
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from causeway_controller.contract.access import Permission, Role, granted
from causeway_controller.contract.audiences import STAFF
from causeway_controller.contract.routes import Route
from causeway_controller.contract.tokens import NewToken
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.inventory import certificates, modes
from causeway_controller.inventory.replicas import none_of_theirs
from causeway_controller.store import authorities
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standing, Standings
from causeway_controller.store.tokens import Tokens
from causeway_controller.trust import pki
from causeway_wire.problem import Problem
from tests.certificates import signed
from tests.controller_api import Served, numbered_octets, serving
from tests.provider_inventory import host, other_tenant, seed_example, tenant, vm

ROLES = (Role.TENANT_ADMIN, Role.REPLICATOR)
KINDS = ("tenant", "host", "gateway", "run", "vm", "provider", "appliance")
NOWHERE = {
    **{kind: f"no-{kind}" for kind in KINDS},
    "token": "f" * 12,
    "serial": "e" * 16,
    "invitation": "d" * 12,
}
HIDDEN = host("hidden")
OWN = {"tenant": "acme", "host": "esx1", "vm": "db1"}


def things(served: Served) -> dict[str, str]:
    """What is there and is another tenant's, or the provider's."""

    def now() -> datetime:
        return served.moments.now

    run = Run(id="theirs", tenant="bolt", host="esx1", request="{}", actor="test", at=now())
    Runs(served.database).start(run)
    tokens = Tokens(database=served.database, now=now, random=numbered_octets)
    token = tokens.make(NewToken(name="x", role=Role.TENANT_ADMIN, tenant="bolt", days=9), actor="test").token
    client = certificates.of_client("bolt", "t1", "bolt-lan-tenant")
    vpn, usage, key = authorities.vpn("bolt"), pki.Usage.CLIENT, pki.make_key().public_key()
    serial = signed(served.database, vpn, client, key=key, usage=usage, now=now)
    return {
        "tenant": "bolt",
        "host": "hidden",
        "gateway": "gw1",
        "run": "theirs",
        "vm": "theirs1",
        "provider": "north",
        "token": token.id,
        "serial": serial,
        "invitation": "0" * 12,
        "appliance": "bolt-esx1",
    }


def bodies(route: Route, names: dict[str, str]) -> list[Any]:
    """Bodies that name something, for the routes that a tenant's token has."""
    where, which, whose = names["host"], names["vm"], names["tenant"]
    fail_over = {"request": "fail-over", "tenant": "acme", "vms": ["db1"]}
    known: dict[str, list[Any]] = {
        "start_run": [fail_over, {**fail_over, "tenant": whose}],
        "register_replica": [{"host": where, "vm_id": "x y/z"}, {"host": "esx1", "vm_id": f"vm-{which}"}],
        "register_replicas": [{"replicas": [{"vm": which, "host": where, "vm_id": "x"}]}],
        "make_token": [{"name": "x", "role": "tenant-operator", "tenant": whose}],
        "revoke_certificate": [{"reason": "test"}],
    }
    return known.get(route.name, [None])


async def answers(served: Served, role: Role, names: dict[str, str]) -> dict[str, str]:
    """What is answered about these names, each in place of one that is theirs."""
    found = {}
    for route in STAFF.routes:
        places = re.findall(r"{(\w+)}", route.path)
        mine = granted(role, "acme")
        if route.permission is None or Permission(route.permission) not in mine:
            continue
        queries = [""] + [f"?{one}={names[one]}" for one in route.query if one in names]
        choices = [{names[place], OWN.get(place, names[place])} for place in places]
        for chosen, query in itertools.product(itertools.product(*map(sorted, choices)), queries):
            path = route.path.format(**dict(zip(places, chosen, strict=True)))
            for body in bodies(route, names):
                named = f"{path}{query} {body}"
                if not any(name in named for name in names.values()):
                    continue
                status, told, _ = await served.ask(route.method, path + query, body, role=role, whose="acme")
                asked, text = f"{route.method} {named}", f"{status} {told}"
                for kind, name in sorted(names.items(), key=lambda each: -len(each[1])):
                    asked, text = asked.replace(name, f"<{kind}>"), text.replace(name, f"<{kind}>")
                found[asked] = text
    return found


def unfit(*ids: str) -> dict[str, Problem]:
    """What the host says of VMs of these ids to who is not the provider's staff."""
    return {one: none_of_theirs("esx1", one) for one in ids}


@pytest.mark.parametrize("fault", ["the host is not asked", "another one is told first"])
async def test_whose_a_vm_is_shows_no_other_way(tmp_path: Path, fault: str) -> None:
    """Not by an answer that comes although its host is away, nor by what else is wrong being told or not."""
    inventory = seed_example(tenants=(tenant(), other_tenant(vms=(vm("theirs1", 13),))))
    async with serving(tmp_path, inventory=inventory) as served:
        where = f"/v1/tenants/acme/replicas/{OWN['vm']}"
        if fault == "the host is not asked":
            served.hosts.refuses = HypervisorError("host esx1 cannot be reached")
        else:
            standing = Standing(mode=modes.Full(frozenset({OWN["vm"]})))
            Standings(served.database).put("acme", "esx1", standing)
        told = [
            (await served.ask("PUT", where, {"host": "esx1", "vm_id": one}, role=role, whose="acme"))[:2]
            for role in ROLES
            for one in ("vm-theirs1", "vm-nobodys")
            if Permission.REGISTER_REPLICAS in granted(role, "acme")
        ]
    assert len(told) > 1
    assert all(one == told[0] for one in told), told


@pytest.mark.parametrize("role", ROLES)
async def test_what_is_another_ones_is_answered_as_what_is_nowhere(tmp_path: Path, role: Role) -> None:
    inventory = seed_example(
        hosts=(host(), HIDDEN),
        tenants=(tenant(), other_tenant(vms=(vm("theirs1", 13),))),
    )
    async with serving(tmp_path, inventory=inventory) as served:
        # What a host says of VMs is seen in `test_fitting_guessed`.
        served.hosts.misfitting = unfit("vm-no-vm", "vm-theirs1")
        there = await answers(served, role, things(served))
        nowhere = await answers(served, role, NOWHERE)
    assert there.keys() == nowhere.keys()
    assert {asked: (text, nowhere[asked]) for asked, text in there.items() if text != nowhere[asked]} == {}
    assert len(there) > 10
