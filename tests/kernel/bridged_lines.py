"""A bridged extension over a bad line, by each transport and over each IP version outside.

Of each handshake over UDP the gateways lose a datagram.

    python -m causeway_lab.sandbox -- python -m tests.kernel.bridged_lines WAY

A lab of its own needs a sandbox of its own. What was seen is printed, a line of JSON each; in the end, which
network namespaces are left.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from causeway_lab.assembly.lab import Lab
from causeway_lab.service import drill
from causeway_lab.world import topology
from causeway_lab.world.line.conditions import Blocked, Conditions
from causeway_wire.desired import Extension
from causeway_wire.observed import Transport
from tests.forged_peers import DOOR, flows, forge
from tests.kernel import bad_lines
from tests.kernel.bad_lines import NEIGHBOUR, VM, tunnel, watched, way_of
from tests.kernel.lost_datagrams import doors, load, losing

PATIENCE = 30.0
OVER_UDP = ("udp over ipv4", "udp over ipv6")
WAYS = {"udp over ipv4": Conditions().changed(blocked=(Blocked.IPV6,)), **bad_lines.WAYS}


async def crossed(lab: Lab) -> bool:
    """Whether whole packets and streams cross, each way and over each IP version inside."""
    for guest, addresses in (
        (lab.original(NEIGHBOUR), lab.vm(VM).addresses),
        (lab.replica(VM), lab.vm(NEIGHBOUR).addresses),
    ):
        for address in addresses:
            whole = 1500 - (28 if address.version == 4 else 48)
            if not (await guest.ping(address, size=whole, df=True, count=3)).received:
                return False
            stream = await guest.call("tcp", address=str(address), size=600_000, patience=PATIENCE)
            if not stream["answered"]:
                return False
    return True


async def paused(lab: Lab, way: Conditions) -> dict[str, float]:
    """What pauses of 0.8 s do to echoes and to the tunnel."""
    found, restarts = await watched(lab, way, way.changed(pause_every=2.5, pause_for=0.8), 3.0)
    return {
        "gap": found.longest_gap or 0.0,
        "lost": found.sent - found.received,
        "restarts": restarts,
    }


async def overtaken(lab: Lab, way: Conditions) -> dict[str, float]:
    """What becomes of packets that others overtake."""
    found, restarts = await watched(lab, way, way.changed(reorder_every=50, reorder_depth=90), 1.5)
    return {"lost": found.sent - found.received, "restarts": restarts}


async def rebound(lab: Lab, way: Conditions) -> dict[str, float]:
    """What it does that a NAT gives every flow another port, and the old one back."""
    found, restarts = await watched(lab, way, msgspec.structs.replace(way, nat=True), 1.5)
    return {"gap": found.longest_gap or 0.0, "restarts": restarts}


async def forged(lab: Lab, way: str) -> dict[str, float]:
    """What it does that somebody in the internet sends to both ends of the tunnel in each other's names."""
    transport, version = Transport(way.split(maxsplit=1)[0]), 6 if way.endswith("6") else 4
    gateway = lab.topology.gateways[0]
    door = next(str(one.ip) for one in gateway.public.addresses if one.version == version), str(DOOR)
    known = [(a, p) for a, p in flows(gateway.id, transport) if (":" in a) == (version == 6)]
    before = (await tunnel(lab)).restarts
    watch = lab.original(NEIGHBOUR).watch(lab.vm(VM).addresses[0], seconds=60.0, interval=0.008)
    await watch.wait_first(10.0)
    for far in known:
        await asyncio.to_thread(forge, topology.INTERNET_HOST, transport, far, door)
        await asyncio.to_thread(forge, topology.INTERNET_HOST, transport, door, far)
    await asyncio.sleep(1.0)
    found = await watch.stop()
    restarts = (await tunnel(lab)).restarts - before
    return {"flows": len(known), "lost": found.sent - found.received, "restarts": restarts}


@contextmanager
def lossy(lab: Lab) -> Iterator[None]:
    """The gateways lose the third datagram of a handshake."""
    with ExitStack() as stack:
        for machine, device in doors(lab):
            lost = functools.partial(load, machine)
            stack.enter_context(
                losing(3, protocol="{ ip, ip6 }", direction="dport", device=device, load=lost)
            )
        yield


def left() -> list[str]:
    """The sandbox's network namespaces."""
    return sorted(path.name for path in Path("/run/netns").iterdir())


async def main(ways: list[str]) -> None:
    """Try these ways, one after another, in one lab."""
    lab = Lab(topology.build(tenants=1, networks=1, gateways=1, extension=Extension.BRIDGED))
    await lab.up()
    try:
        await drill.fail_over(lab, [VM])
        for way in ways:
            with lossy(lab):
                await lab.lines.change("acme", WAYS[way])
                until = time.monotonic() + PATIENCE
                while await way_of(lab) != way and time.monotonic() < until:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.1)
            seen = {"went": await way_of(lab), "crossed": await crossed(lab)}
            seen |= {"paused": await paused(lab, WAYS[way]), "rebound": await rebound(lab, WAYS[way])}
            seen["forged"] = await forged(lab, way)
            if way in OVER_UDP:
                seen["overtaken"] = await overtaken(lab, WAYS[way])
            sys.stdout.write(json.dumps({**seen, "goes": await way_of(lab)}) + "\n")
            sys.stdout.flush()
    finally:
        await lab.down()
    sys.stdout.write(json.dumps(left()) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or list(WAYS)))
