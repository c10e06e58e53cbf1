"""The proofs of the demo: each looks at real packets and answers with its evidence, or raises BrokenError."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import Collection, Sequence

from causeway_controller.errors import StepFailed
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo.claims import BrokenError, require
from causeway_lab.service import protocol
from causeway_lab.world import capture, namespaces, topology
from causeway_lab.world.console import Console
from causeway_lab.world.pace import Pace
from causeway_lab.world.topology import original_of, replica_of
from causeway_wire.types import IPAddress, TenantId

PUBLIC_PORT = 6180
LAN_MTU = 1500
_HEADERS = {4: 20 + 8, 6: 40 + 8}
"""IP and ICMP, octets."""
AGENT_PORT, SSH_PORT = 8443, 22
PATIENCE = 0.5
"""Seconds without an answer that count as silence; answers here take milliseconds."""


async def reachable(
    source: Console, addresses: Sequence[IPAddress], *, host: str, client: Collection[IPAddress]
) -> str:
    """Every address answers ping, and HTTP as `host`, which sees us at one of the `client` addresses."""
    found = []
    for address in addresses:
        echo = await source.ping(address, count=3)
        require(echo.all_answered, f"{source.name} pings {address}: {echo.received} of {echo.sent} answered")
        page = await source.http(address)
        require(
            page["status"] == 200,  # noqa: PLR2004 - HTTP's OK
            f"{source.name} gets no page from {address}: {page.get('error')}",
        )
        require(page["host"] == host, f"{page['host']} answers at {address}")
        require(
            ipaddress.ip_address(page["client"]) in client, f"{host} sees {source.name} as {page['client']}"
        )
        found.append(f"{address} in {min(echo.milliseconds):.2f} ms")
    return f"{source.name} reaches {host}: {', '.join(found)}; HTTP by the same addresses"


async def silent(source: Console, addresses: Sequence[IPAddress]) -> str:
    """None of the addresses answers ping or HTTP."""

    async def ask(address: IPAddress) -> None:
        echo = await source.ping(address, count=2, patience=PATIENCE / 2)
        require(not echo.received, f"{address} answers {source.name}")
        page = await source.call("http", address=str(address), patience=PATIENCE)
        require(page["status"] is None, f"{page.get('host')} answers at {address}")

    await asyncio.gather(*(ask(address) for address in addresses))
    return f"{source.name} gets no answer from {', '.join(map(str, addresses))}"


async def transparent(source: Console, address: IPAddress, *, speed: Pace) -> str:
    """Packet sizes behave as on the LAN: 1500 octets pass whole, or the sender is told how many do and these
    pass; 1501 do not; 8000 pass in fragments.
    """
    largest = LAN_MTU - _HEADERS[address.version]
    whole = await _whole(source, address, largest)
    larger = await source.ping(address, size=largest + 1, df=True)
    require(not larger.received, f"{largest + 1} octets of payload pass without fragments")
    # Routers do not fragment IPv6: its hosts, here also the one that answers, are told and try again.
    fragments = await source.ping(address, size=8000, count=3)
    require(fragments.received, "8000 octets of payload in fragments do not pass")
    octets = speed.stream_octets
    stream = await source.call("tcp", address=str(address), size=octets, patience=speed.stream)
    require(stream["answered"], f"{octets} octets over TCP and back: {stream.get('error')}")
    return (
        f"ping with {whole} octets whole and 8000 in fragments, "
        f"{octets / 1e6:g} MB over TCP and back in {stream['milliseconds']:.0f} ms"
    )


async def _whole(source: Console, address: IPAddress, largest: int) -> int:
    """Octets of payload that pass without fragments: the largest, or what the sender was told (RFC 1191)."""
    if (await source.ping(address, size=largest, df=True)).received:
        return largest
    route = namespaces.run(source.name, "ip", "route", "get", str(address))
    told = re.search(r"\bmtu (\d+)", route)
    require(told, f"{largest} octets of payload without fragments do not pass, and nobody tells the sender")
    fitting = int(told[1]) - _HEADERS[address.version] if told is not None else 0
    passed = await source.ping(address, size=fitting, df=True)
    require(passed.received, f"{fitting} octets of payload do not pass, as many as the sender was told")
    return fitting


async def guarded(lab: Lab, ref: VmRef) -> str:
    """While the original answers, the failover is refused and everything is as before."""
    try:
        await lab.failover([ref])
    except StepFailed as error:
        require(protocol.address_in_use(error), f"it was refused for another reason: {error.cause}")
        require(not lab.failed_over(), "the VM counts as failed over")
        require(not lab.machines.powered_on(replica_of(ref.tenant, ref.vm)), "the replica was left running")
        return str(error.cause)
    raise BrokenError("the failover went through: two machines now have one address")


def internet_of(lab: Lab, tenant: TenantId) -> tuple[IPAddress, ...]:
    """The internet's host as this tenant's site can reach it: by the IP versions that its line carries."""
    line = lab.lines.conditions(tenant)
    return tuple(one for one in topology.INTERNET_ADDRESSES if line.carries(one.version))


async def leaves_through_production(
    source: Console, router: Collection[IPAddress], internet: Sequence[IPAddress]
) -> str:
    """The internet sees the replica behind the production site's own public addresses."""
    require(internet, "the site's line carries no packet to the internet")
    seen = []
    for address in internet:
        page = await source.http(address)
        require(page["status"] is not None, f"{source.name} does not reach {address}: {page.get('error')}")
        require(
            ipaddress.ip_address(page["client"]) in router,
            f"{address} sees {source.name} as {page['client']}",
        )
        seen.append(page["client"])
    return f"{topology.INTERNET_HOST} sees {source.name} as {', '.join(seen)}, the production gateway"


async def encrypted(lab: Lab, source: Console, addresses: Sequence[IPAddress]) -> str:
    """At the gateways' public side nothing but the tunnel's port is seen, and no plain text in it.

    The control is the same capture at the sender, where the plain text must be seen.
    """
    gateways = [
        capture.Capture(namespaces.FABRIC, namespaces.outlet(gateway.public.mac))
        for gateway in lab.topology.gateways
    ]
    control = capture.Capture(source.name)
    async with contextlib.AsyncExitStack() as stack:
        for item in (control, *gateways):
            await stack.enter_async_context(item)
        for address in addresses:
            await source.http(address)
            await source.call("udp", address=str(address), size=1000)
            await source.ping(address, count=3)
        await asyncio.sleep(0.05)
    results = [item.result for item in gateways]
    total = sum(result.packets for result in results)
    tunnel = sum(n for r in results for flow, n in r.flows.items() if PUBLIC_PORT in flow.ports)
    foreign = {flow: n for result in results for flow, n in result.besides(PUBLIC_PORT).items()}
    require(tunnel, "no packet passed a gateway: the capture proves nothing")
    require(control.result.marked, "the control saw no plain text at the sender: the capture proves nothing")
    require(not foreign, f"seen besides port {PUBLIC_PORT}: {foreign}")
    require(not any(result.marked for result in results), "plain text passed a gateway")
    plain = sum(control.result.marked.values())
    return (
        f"{tunnel} of {total} packets at the gateways on port {PUBLIC_PORT}, the rest address resolution, "
        f"none with plain text; the control saw it {plain} times at {source.name}"
    )


async def apart(lab: Lab, ref: VmRef, other: VmRef) -> str:
    """Equal addresses, two tenants, both failed over: each side meets its own VM only."""
    met = []
    for mine in (ref, other):
        neighbour = lab.neighbour(mine)
        require(neighbour is not None, f"no production VM of {mine.tenant} runs beside {mine.vm}")
        for address in lab.vm(mine).addresses:
            page = await neighbour.http(address) if neighbour is not None else {}
            wanted = replica_of(mine.tenant, mine.vm)
            require(page.get("host") == wanted, f"{page.get('host')} answers {mine.tenant} at {address}")
        met.append(f"{mine.tenant} meets {replica_of(mine.tenant, mine.vm)}")
    return f"at {', '.join(map(str, lab.vm(ref).addresses))} {' and '.join(met)}"


async def closed(source: Console, doors: Sequence[tuple[IPAddress, int]]) -> str:
    """No TCP connection can be opened to any of these."""
    states = await asyncio.gather(
        *(
            source.call("connect", address=str(address), port=port, patience=PATIENCE)
            for address, port in doors
        )
    )
    for (address, port), state in zip(doors, states, strict=True):
        require(state["state"] != "open", f"{source.name} opens {address} port {port}")
    return f"{source.name} opens none of {', '.join(f'{a}:{p}' for a, p in doors)}"


def forbidden_doors(lab: Lab, tenant: str) -> list[tuple[IPAddress, int]]:
    """What a replica of this tenant must not open: management of any appliance, VPN servers, SP hosts."""
    addresses = [gateway.inside.addresses[0].ip for gateway in lab.topology.gateways]
    addresses += [other.server.uplink.addresses[0].ip for other in lab.topology.tenants.values()]
    vlans = lab.topology.tenants[tenant].server.vlans.values()
    addresses += [interface.ip for vlan in vlans for interface in vlan.addresses]
    addresses.append(ipaddress.ip_address("10.10.0.2"))
    return [(address, port) for address in addresses for port in (SSH_PORT, AGENT_PORT)]


async def unspoofable(source: Console, victim: Console, address: IPAddress, forged: IPAddress) -> str:
    """Packets with a forged source do not arrive; the control is the same packet with the real one."""
    async with capture.Capture(victim.name) as seen:
        await source.call("spoof", source=str(forged), address=str(address))
        control = await source.call("udp", address=str(address))
        await asyncio.sleep(0.1)
    require(control["answered"], "the control, a packet with the real source, got no answer")
    require(not any(flow.source == forged for flow in seen.result.flows), f"a packet from {forged} arrived")
    return f"{victim.name} got nothing from {forged}, and the control from {source.name} was answered"


async def returned(lab: Lab, ref: VmRef, source: Console) -> str:
    """After undo and power on, the original itself answers at its address."""
    name = original_of(ref.tenant, ref.vm)
    return await reachable(source, lab.vm(ref).addresses, host=name, client=addresses_of(lab, source.name))


def addresses_of(lab: Lab, machine: str) -> list[IPAddress]:
    """A machine's own addresses."""
    return [address.ip for port in lab.topology.machines[machine].ports for address in port.addresses]


def router_addresses(lab: Lab, tenant: str) -> list[IPAddress]:
    """The public addresses of a tenant's production gateway."""
    outside = lab.topology.machines[lab.topology.routers[tenant]].ports[-1]
    return [address.ip for address in outside.addresses]


def old_replica(lab: Lab, tenant: str) -> tuple[Console, list[IPAddress]]:
    """The replica that runs without being failed over, and its addresses. It remembers no neighbours: of a
    replica that ran beside it for a while it would go on asking in vain (arp(7), delay_first_probe_time).
    """
    name = replica_of(tenant, topology.OLD_VM)
    namespaces.run(name, "ip", "neigh", "flush", "dev", "eth0")
    return lab.machines.console(name), addresses_of(lab, name)
