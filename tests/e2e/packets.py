"""Proofs on real packets, of replicas that boot: each answers with its evidence, or raises BrokenError."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from causeway_lab.assembly.machines import Machines
from causeway_lab.demo.claims import BrokenError, require
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import Topology, replica_of
from causeway_wire.types import IPAddress, TenantId, VmName

_PATIENCE: Final = "15"
"""Seconds, for an emulated guest that asks another machine."""
_LOOK_SECONDS: Final = 1.0


async def soon(proof: Callable[[], Awaitable[str]]) -> str:
    """What the proof finds once the replica has booted; a run waits for that only where its plan says so.

    Ended by the claim's own deadline.
    """
    began = time.monotonic()
    while True:
        try:
            found = await proof()
        except BrokenError:
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return f"{found}; after {time.monotonic() - began:.0f} s"


async def published(world: Topology, machines: Machines, tenant: TenantId, vm: VmName) -> str:
    """The internet reaches the replica at every public address of the service `web`."""
    outside = machines.console(topology.INTERNET_HOST)
    found = []
    for rule in world.tenants[tenant].publications:
        if not rule.id.startswith("web-"):
            continue
        page = await outside.http(rule.public_address, port=rule.public_port)
        require(page["status"] is not None, f"no page from {rule.public_address}: {page.get('error')}")
        require(page["host"] == replica_of(tenant, vm), f"{page['host']} answers")
        found.append(f"{rule.public_address} port {rule.public_port}")
    return f"{replica_of(tenant, vm)} answers at {', '.join(found)}"


async def outward(
    source: str, page_at: IPAddress, targets: Collection[IPAddress], *, seen_as: Collection[IPAddress]
) -> str:
    """The guest that `source` finds at this address reaches all of these, which see it as one of those."""
    seen = []
    for target in targets:
        url = f"http://{_host(page_at)}/cgi-bin/index.cgi?http://{_host(target)}/"
        words = ("curl", "--silent", "--show-error", "--globoff", "--max-time", _PATIENCE, url)
        said = await asyncio.to_thread(namespaces.run, source, *words)
        require(said.strip(), f"{target} does not answer the guest at {page_at}")
        client = ipaddress.ip_address(json.loads(said)["client"])
        require(client in seen_as, f"{target} sees the guest at {page_at} as {client}")
        seen.append(str(client))
    return f"{', '.join(map(str, targets))} answer it, and see it as {', '.join(seen)}"


async def abroad(world: Topology, tenant: TenantId) -> str:
    """A replica of the site that is lost reaches the internet, which sees the tenant's public addresses."""
    public = world.tenants[tenant].public_addresses
    return await outward(topology.INTERNET_HOST, public[0], topology.INTERNET_ADDRESSES, seen_as=public)


def _host(address: IPAddress) -> str:
    """As in a URL (RFC 3986, 3.2.2)."""
    return f"[{address}]" if address.version == 6 else str(address)
