"""A tunnel's certificates revoked by command: real OpenVPN refuses them, and goes on with another key's."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import DIRECTORY, Lab, VmRef
from causeway_lab.demo import proofs
from causeway_lab.demo.claims import BrokenError
from causeway_lab.service.two_sites import TwoSites
from causeway_lab.world import namespaces
from causeway_lab.world.topology import original_of, replica_of

pytestmark = pytest.mark.kernel

DB, WEB = VmRef("acme", "db1"), VmRef("acme", "web1")
THEIRS, OURS = f"acme-{SECOND_HOST}", "acme-net1-tenant"
SECONDS = 120
"""Generous: CI is slow."""


@pytest_asyncio.fixture(loop_scope="session")
async def sites(lab: Lab) -> AsyncIterator[TwoSites]:
    """A VM that is failed over by two controllers."""
    with tempfile.TemporaryDirectory(prefix="cw-") as place:
        async with TwoSites(lab, "acme", Path(place)) as made:
            await asyncio.gather(made.controllers.join(), made.controllers.deploy_provider())
            await made.propose()
            await made.controllers.deploy_tenant("net1")
            await lab.machines.power_off(original_of("acme", DB.vm))
            await made.tenant.ask("failover", "partial", "acme", DB.vm, "--host", "net1")
            yield made
        await lab.machines.power_on(original_of("acme", DB.vm))


async def becomes(what: str, asked: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + SECONDS
    while not await asked():
        assert time.monotonic() < end, f"it did not come to this: {what}"
        await asyncio.sleep(0.5)


async def status(appliance: str) -> dict[str, Any]:
    """What the appliance says of itself, asked on its console."""
    settings = str(DIRECTORY / appliance / "agent.json")
    command = (sys.executable, "-m", "causeway_agent", "--settings", settings, "status", "--json")
    process = await asyncio.create_subprocess_exec(
        *namespaces.within(appliance, *command), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return dict(json.loads(said)["observed"])


async def refuses(appliance: str, serial: str) -> bool:
    return serial in {one["serial"] for one in (await status(appliance)).get("revoked", ())}


async def newest(sites: TwoSites, bearer: str) -> str:
    """The serial number of the last certificate of an end of a tunnel of this network."""
    found = (await sites.provider.ask_json("certificate", "list", "--tenant", "acme"))["certificates"]
    return next(str(one["serial"]) for one in found if one["bearer"] == bearer and "net1" in one["name"])


async def carries(lab: Lab) -> bool:
    try:
        web, addresses = lab.original(WEB), lab.vm(DB).addresses
        here = proofs.addresses_of(lab, web.name)
        await proofs.reachable(web, addresses, host=replica_of("acme", DB.vm), client=here)
    except BrokenError:
        return False
    return True


@pytest.mark.timeout(600)
async def test_each_end_of_a_tunnel_is_refused_at_once_and_goes_on_with_another_key(
    lab: Lab, sites: TwoSites
) -> None:
    assert await carries(lab)
    stolen = await newest(sites, "client")
    await sites.tenant.kill()
    told = await sites.provider.ask("certificate", "revoke", stolen, "--reason", "a disk was stolen")
    assert "has another key certified by itself" in told

    async def refused() -> bool:
        tunnels = (await status(THEIRS))["tunnels"]
        return any(f"serial={stolen} is revoked" in (one.get("last_error") or "") for one in tunnels)

    await becomes("OpenVPN refuses the client, though its controller is dead", refused)
    await proofs.silent(lab.original(WEB), lab.vm(DB).addresses)
    await sites.tenant.start()
    await becomes("the client is back with another key", lambda: carries(lab))
    assert await newest(sites, "client") != stolen

    before = await newest(sites, "server")
    await sites.provider.ask("certificate", "revoke", before, "--reason", "a disk was stolen")
    await becomes("the client refuses the server's", lambda: refuses(OURS, before))
    await becomes("the server is back with another key", lambda: carries(lab))
    assert await newest(sites, "server") != before
    assert "certificate.refuse" in await sites.tenant.ask("audit", "list")
    await sites.tenant.ask("failover", "undo", "acme", DB.vm, "--host", "net1")
