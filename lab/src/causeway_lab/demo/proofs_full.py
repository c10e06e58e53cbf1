"""Proofs about full failover and rehearsal: each looks at real packets, and raises BrokenError otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Collection, Sequence

from causeway_controller.failover import documents
from causeway_controller.inventory import modes
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo.claims import BrokenError, require
from causeway_lab.demo.proofs import PATIENCE, addresses_of
from causeway_lab.service import protocol, publishing
from causeway_lab.world import capture, services, topology
from causeway_lab.world.console import Console
from causeway_lab.world.topology import original_of, replica_of
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.public_rules import Protocol, PublicRule
from causeway_wire.types import IPAddress, TenantId

ALIVE_SECONDS = 0.1
"""A held connection is heard of every 20 ms."""
CUT_SECONDS = 1.0
"""Longest a connection may go on after its rule is gone; it takes milliseconds."""


def outside(lab: Lab) -> Console:
    """The internet's host."""
    return lab.machines.console(topology.INTERNET_HOST)


def rules_named(lab: Lab, tenant: TenantId, name: str) -> list[PublicRule]:
    """The rules of a published service as they are in force now: one for each family."""
    rules = documents.public_rules(lab.tenant(tenant), lab.mode(tenant))
    return [rule for rule in rules if rule.id.rpartition("-")[0] == name]


async def refused_without_escalation(lab: Lab, tenant: TenantId) -> str:
    """A full failover beside a partial one is refused with the ways out, and nothing has changed."""
    before = lab.mode(tenant)
    try:
        await lab.failover_full(tenant)
    except ProblemError as error:
        require(error.problem.type == ProblemType.FAILOVER_IN_PROGRESS.urn, str(error))
        require(lab.mode(tenant) == before, "the mode has changed")
        return error.problem.detail
    raise BrokenError("it went through: two types of failover at once")


async def gateway_kept(source: Console, gateways: Sequence[IPAddress]) -> str:
    """The replica's default gateways answer at the addresses they had in production."""
    for gateway in gateways:
        require(await source.reaches(gateway), f"{gateway} does not answer {source.name}")
    return f"{', '.join(map(str, gateways))} answer {source.name}"


async def meets(source: Console, addresses: Sequence[IPAddress], *, host: str) -> str:
    """HTTP to every address is answered by this host, which sees the source's own address."""
    own = set()
    for address in addresses:
        page = await source.http(address)
        require(page["status"] is not None, f"{source.name} gets no page from {address}: {page.get('error')}")
        require(page["host"] == host, f"{page['host']} answers at {address}")
        own.add(page["client"])
    return (
        f"{host} answers {source.name} at {', '.join(map(str, addresses))}, and sees {', '.join(sorted(own))}"
    )


async def meets_soon(source: Console, addresses: Sequence[IPAddress], *, host: str) -> str:
    """Like `meets`, once neighbours have forgotten what was there before (RFC 4861, 7.3)."""
    started = time.monotonic()
    while True:
        try:
            found = await meets(source, addresses, host=host)
        except BrokenError:
            await asyncio.sleep(0.1)  # the claim's own deadline ends this
        else:
            return f"{found}, after {time.monotonic() - started:.1f} s"


async def internet_as(lab: Lab, source: Console, seen_as: Collection[IPAddress]) -> str:
    """The internet sees the replica at these addresses of the tenant."""
    seen = []
    for address in topology.INTERNET_ADDRESSES:
        page = await source.http(address)
        require(page["status"] is not None, f"{source.name} does not reach {address}: {page.get('error')}")
        require(ipaddress.ip_address(page["client"]) in seen_as, f"{address} sees {page['client']}")
        seen.append(page["client"])
    return f"{outside(lab).name} sees {source.name} as {', '.join(seen)}"


async def no_internet(source: Console, control: Console) -> str:
    """The source reaches no address of the internet, which does answer the control."""

    async def ask(address: IPAddress) -> None:
        page = await source.call("http", address=str(address), patience=PATIENCE)
        require(page["status"] is None, f"{address} answers {source.name}")
        page = await control.http(address)
        require(page["status"] is not None, f"the control: {address} does not answer {control.name}")

    await asyncio.gather(*map(ask, topology.INTERNET_ADDRESSES))
    return f"{source.name} gets no answer; the control, {control.name}, does"


async def published(lab: Lab, rules: Sequence[PublicRule], *, host: str) -> str:
    """The internet's host reaches this machine by HTTP at every rule's public address and port."""
    require(rules, "there is no such rule")
    found = []
    for rule in rules:
        page = await outside(lab).http(rule.public_address, port=rule.public_port)
        where = f"{rule.public_address} port {rule.public_port}"
        require(page["status"] is not None, f"no page from {where}: {page.get('error')}")
        require(page["host"] == host, f"{page['host']} answers at {where}")
        found.append(f"{where} to {rule.internal_port}")
    return f"{host} answers {outside(lab).name} at {', '.join(found)}"


async def datagrams(lab: Lab, rules: Sequence[PublicRule]) -> str:
    """UDP to every rule's public address and port is echoed."""
    require(rules, "there is no such rule")
    for rule in rules:
        echo = await outside(lab).call("udp", address=str(rule.public_address), port=rule.public_port)
        require(rule.protocol is Protocol.UDP and echo["answered"], f"{rule.public_address}: no echo")
    return f"echoed at {', '.join(str(rule.public_address) for rule in rules)}"


async def shell_port_refused(lab: Lab, ref: VmRef) -> str:
    """Publishing public port 22 is refused when it is entered, and no packet to it is answered."""
    rules = lab.tenant(ref.tenant).publications
    try:
        await publishing.publish(lab, protocol.Publication(vm=str(ref), public_port=22))
    except ProblemError as error:
        cause = error
        require(_types(cause) == {ProblemType.RESERVED_PORT.urn}, str(error))
    else:
        raise BrokenError("it was accepted")
    require(lab.tenant(ref.tenant).publications == rules, "the rules have changed")
    addresses = lab.tenant(ref.tenant).public_addresses
    await unanswered(outside(lab), [(address, 22) for address in addresses])
    return f"{cause}; {', '.join(map(str, addresses))} port 22: no connection"


async def unanswered(source: Console, doors: Sequence[tuple[IPAddress, int]]) -> str:
    """No TCP connection can be opened to any of these."""
    states = await asyncio.gather(
        *(source.call("connect", address=str(a), port=port, patience=PATIENCE) for a, port in doors)
    )
    for (address, port), state in zip(doors, states, strict=True):
        require(state["state"] != "open", f"{source.name} opens {address} port {port}")
    return f"{source.name} opens none of {', '.join(sorted({str(a) for a, _ in doors}))}"


async def cut_by_withdrawal(lab: Lab, ref: VmRef) -> str:
    """Withdrawing a rule ends its open connection at once; one by another rule of the same VM goes on."""
    doomed = rules_named(lab, ref.tenant, "echo")[0]
    spared = rules_named(lab, ref.tenant, "second-echo")[0]
    first = outside(lab).hold(doomed.public_address, services.ECHO_PORT)
    second = outside(lab).hold(spared.public_address, services.SECOND_ECHO_PORT)
    await first.wait_first(PATIENCE * 4)
    await second.wait_first(PATIENCE * 4)
    withdrawn = time.monotonic()
    await publishing.withdraw(lab, f"{ref.tenant}/{doomed.id}")
    told = time.monotonic()
    await asyncio.sleep(CUT_SECONDS)
    ended, going = await first.stop(), await second.stop()
    last = ended.last or 0.0
    require(last > withdrawn - ALIVE_SECONDS, "the doomed connection had ended before the command")
    require(last < told + ALIVE_SECONDS, "the connection went on without its rule")
    require(going.last is not None and going.last > told + CUT_SECONDS / 2, "the other connection broke too")
    state = await outside(lab).call(
        "connect", address=str(doomed.public_address), port=services.ECHO_PORT, patience=PATIENCE
    )
    require(state["state"] != "open", "a new connection was let in")
    return (
        f"with a connection open, port {services.ECHO_PORT} fell silent within "
        f"{(max(told, last) - withdrawn) * 1000:.0f} ms of the command; "
        f"port {services.SECOND_ECHO_PORT} of the same VM went on: {going.received} echoes"
    )


async def provider_unreachable(lab: Lab, sources: Sequence[Console]) -> str:
    """No host of the provider answers a replica; the control is that the internet, behind them, does."""
    machines = lab.topology.machines
    hosts = [address.ip for name in ("sp-ctl", "sp-router") for address in machines[name].ports[0].addresses]

    async def ask(source: Console, address: IPAddress) -> None:
        require(
            not (await source.ping(address, patience=PATIENCE)).received, f"{address} answers {source.name}"
        )

    await asyncio.gather(*(ask(source, address) for source in sources for address in hosts))
    page = await sources[0].http(topology.INTERNET_ADDRESSES[0])
    require(page["status"] is not None, "the control: the internet does not answer either")
    return f"{', '.join(map(str, hosts))} answer none of {', '.join(one.name for one in sources)}"


async def invisible_in_production(lab: Lab, tenant: TenantId, *, seconds: float = 0.5) -> str:
    """While replicas talk in a rehearsal, production's segments carry nothing of theirs.

    Controls: a replica's own adapter shows the rehearsal's packets, and the watched adapters show
    production's as soon as there are some.
    """
    web, db, app = (VmRef(tenant, vm) for vm in ("web1", "db1", "app2"))
    router = lab.topology.routers[tenant]
    adapters = len(lab.topology.machines[router].ports)
    watching = [capture.Capture(router, f"eth{index}") for index in range(adapters)]
    control = capture.Capture(replica_of(tenant, db.vm))
    async with contextlib.AsyncExitStack() as stack:
        for item in (*watching, control):
            await stack.enter_async_context(item)
        await meets(lab.replica(web), lab.vm(db).addresses, host=replica_of(tenant, db.vm))
        await published(lab, rules_named(lab, tenant, "web"), host=replica_of(tenant, web.vm))
        await asyncio.sleep(seconds)
        seen = [flow for item in watching for flow in item.result.flows if not flow.housekeeping]
        require(not seen, f"seen in production: {seen}")
        await meets(lab.original(web), lab.vm(app).addresses, host=original_of(tenant, app.vm))
        await asyncio.sleep(0.05)
    shown = sum(item.result.packets for item in watching)
    require(control.result.marked, "the control saw no packet of the replicas")
    require(shown, "the control saw no packet of production")
    return (
        f"{control.result.packets} packets at {replica_of(tenant, db.vm)}, none meanwhile at {router}; "
        f"then production talked, and {router} saw {shown}"
    )


async def production_undisturbed(lab: Lab, tenant: TenantId) -> str:
    """Production VMs meet each other, not the replicas that have the same addresses."""
    source = lab.original(VmRef(tenant, "web1"))
    return await meets(source, lab.vm(VmRef(tenant, "db1")).addresses, host=original_of(tenant, "db1"))


def still(lab: Lab, tenant: TenantId, mode: modes.Mode) -> None:
    """Raises BrokenError unless the tenant is in this mode."""
    require(lab.mode(tenant) == mode, f"{tenant} is in {lab.mode(tenant).name}")


def gateways_of(lab: Lab, source: Console) -> list[IPAddress]:
    """The default gateways that a machine is configured with."""
    return list(lab.topology.machines[source.name].gateways)


def own_addresses(lab: Lab, ref: VmRef) -> list[IPAddress]:
    """A replica's addresses."""
    return addresses_of(lab, replica_of(ref.tenant, ref.vm))


def _types(error: ProblemError) -> set[str]:
    found = error.problem.each
    return {one.type for one in found}
