"""Operations in words: one line each, for logs, the journal and the dry run. Secrets never appear."""

from __future__ import annotations

from typing import assert_never

from causeway_agent.plan.model.objects import (
    MAIN_TABLE,
    Address,
    Bridge,
    BridgePort,
    KernelObject,
    Link,
    ProcessDevice,
    ProxyNeighbour,
    Route,
    Rule,
    Sysctl,
    Tun,
    Vlan,
)
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.processes import (
    FirstPacketFilter,
    LoopGuard,
    NeighbourResponder,
    PathProbe,
    Process,
    RouterAdvertiser,
    TlsProxy,
    VpnClient,
    VpnServer,
)
from causeway_agent.plan.steer.operations import Announce, Drop, LoadPolicy, Operation, Put, Start, Stop


def describe(operation: Operation) -> str:  # noqa: PLR0911 - one per operation
    """What the operation does."""
    match operation:
        case Put(Sysctl() as item):
            return f"set {item.key} to {item.value}"
        case Put(item):
            return f"put {describe_object(item)}"
        case Drop(item):
            return f"drop {describe_object(item)}"
        case LoadPolicy(policy):
            return f"load packet policy: {describe_policy(policy)}"
        case Start(process):
            return f"start {describe_process(process)}"
        case Stop(process):
            return f"stop {process.name}"
        case Announce(claim):
            return f"announce {claim.address} on {claim.device}"
        case _:
            assert_never(operation)


def describe_object(item: KernelObject) -> str:  # noqa: C901, PLR0911 - one per kind
    """What the object is."""
    match item:
        case Link():
            return f"link {item.device} up, MTU {item.mtu}"
        case Tun():
            owner = "root" if item.owner is None else f"uid {item.owner}"
            kind = "tap" if item.ethernet else "tun"
            return f"{kind} device {item.device}, MTU {item.mtu}, queue {item.queue_length}, owner {owner}"
        case ProcessDevice():
            return f"device {item.device} of the kernel's OpenVPN, MTU {item.mtu}"
        case Vlan():
            return f"VLAN {item.id} on {item.parent} as {item.device}, MTU {item.mtu}"
        case Bridge():
            return f"bridge {item.device}, MTU {item.mtu}" + ("" if item.up else ", down")
        case BridgePort():
            told = ("isolated " if item.isolated else "", "" if item.learning else ", learning nothing")
            return f"{told[0]}port {item.device} of bridge {item.bridge}{told[1]}"
        case Address():
            kind = "claim" if item.claimed else "address"
            return f"{kind} {item.interface} on {item.device}" + ("" if item.prefix_route else ", no route")
        case Route():
            via = "" if item.via is None else f" via {item.via}"
            mtu = "" if item.mtu is None else f" mtu {item.mtu}"
            return f"route {item.destination}{via} dev {item.device}{_table(item.table)}{mtu}"
        case Rule():
            selector = (
                f"from {item.source or 'all'}"
                if item.input_device is None
                else f"from device {item.input_device}"
            )
            selector += "" if item.protocol is None else f" protocol {item.protocol}"
            where = " unreachable" if item.table is None else _table(item.table)
            return f"IPv{item.version} rule {item.priority}: {selector}{where}"
        case ProxyNeighbour():
            return f"{'claim' if item.claimed else 'proxy'} for {item.address} on {item.device}"
        case Sysctl():
            return f"setting {item.key} = {item.value}"
        case _:
            assert_never(item)


def describe_policy(policy: Policy) -> str:
    """How much the policy allows."""
    counts = (
        ("management door", len(policy.management)),
        ("listener", len(policy.listeners)),
        ("forward", len(policy.forwards)),
        ("guarded device", len(policy.guarded)),
        ("relay", len(policy.relays)),
        ("public address", len(policy.owned)),
        ("published way", len(policy.ways)),
        ("internet way", len(policy.internet)),
        ("denied network", len(policy.denied)),
        ("foreign network", len(policy.foreign)),
    )
    told = [f"{count} {noun if count == 1 else _plural(noun)}" for noun, count in counts if count]
    return ", ".join(told) or "closed"


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith("s") else "s")


def describe_process(process: Process) -> str:  # noqa: PLR0911 - one per kind
    """What the process is for."""
    match process:
        case VpnServer():
            return f"{process.name}: VPN server on {process.device}"
        case VpnClient():
            ways = ", ".join(f"{e.address}:{e.port}/{e.transport.value}" for e in process.endpoints)
            return f"{process.name}: VPN client on {process.device} to {ways}"
        case TlsProxy():
            return f"{process.name}: TLS proxy"
        case FirstPacketFilter():
            where = ", ".join(map(str, process.addresses))
            tunnels = len({(tenant, tunnel) for tenant, tunnel, _, _ in process.servers})
            return f"{process.name}: first-packet filter on {where} port {process.port}, {tunnels} tunnels"
        case NeighbourResponder():
            prefixes = ", ".join(map(str, process.prefixes))
            return f"{process.name}: neighbour responder on {process.device} for {prefixes}"
        case RouterAdvertiser():
            prefixes = ", ".join(map(str, process.prefixes))
            return f"{process.name}: router advertisements on {process.device} for {prefixes}"
        case PathProbe():
            return f"watch of the path of tunnel {process.tunnel} on {', '.join(process.devices)}"
        case LoopGuard():
            return f"{process.name}: loop guard between {process.adapter} and {', '.join(process.taps)}"
        case _:
            assert_never(process)


def _table(table: int) -> str:
    return "" if table == MAIN_TABLE else f" table {table}"
