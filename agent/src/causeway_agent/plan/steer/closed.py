"""The closed forms of a target: what may stand while the machine cannot be made as it should be.

`closed`: controllers find their door; nothing is forwarded, nothing is answered for. Everything else stays,
so that opening again takes little.

`held`: what closes without the packet filter, for when that cannot be relied on. Forwarding is off by the
kernel's own switches, and bridges are down; nothing else changes, so that opening again takes one write each.
"""

from __future__ import annotations

from dataclasses import replace

from causeway_agent.plan.model.objects import Bridge, Sysctl
from causeway_agent.plan.model.policy import ManagementDoor, Policy
from causeway_agent.plan.model.target import Target
from causeway_agent.plan.steer.operations import LoadPolicy, Operation, Put

_OFF = "0"


def closed(target: Target) -> Target:
    """The target without anything that lets packets through or draws them here."""
    return replace(
        target,
        addresses=frozenset(address for address in target.addresses if not address.claimed),
        proxies=frozenset(),
        sysctls=frozenset(Sysctl(s.key, _OFF) if _forwards(s) else s for s in target.sysctls),
        policy=_doors(target),
    )


def closing(target: Target, *others: Target) -> tuple[Operation, ...]:
    """The few operations that close at once, whatever the machine is like; every target's door stays open."""
    targets = (target, *others)
    doors = frozenset[ManagementDoor]().union(*(each.policy.management for each in targets))
    switches = sorted({s.key for each in targets for s in each.sysctls if _forwards(s) and s.value != _OFF})
    policy = replace(_doors(target), management=doors)
    return (LoadPolicy(policy), *(Put(Sysctl(key, _OFF)) for key in switches))


def held(target: Target) -> Target:
    """The target with nothing forwarded or bridged, whatever the packet filter says."""
    return replace(
        target,
        sysctls=frozenset(Sysctl(s.key, _OFF) if _forwards(s) else s for s in target.sysctls),
        bridges=frozenset(replace(bridge, up=False) for bridge in target.bridges),
    )


def holding(*targets: Target) -> tuple[Operation, ...]:
    """The few operations that make every one of these targets held."""
    switches = {s.key for each in targets for s in each.sysctls if _forwards(s) and s.value != _OFF}
    bridges = frozenset[Bridge]().union(*(held(each).bridges for each in targets))
    return (
        *(Put(Sysctl(key, _OFF)) for key in sorted(switches)),
        *(Put(bridge) for bridge in sorted(bridges, key=repr)),
    )


def opens(operation: Operation) -> bool:
    """Whether it lets packets or frames through that only the packet filter sorts."""
    match operation:
        case Put(Sysctl() as setting):
            return _forwards(setting) and setting.value != _OFF
        case Put(Bridge(up=up)):
            return up
        case _:
            return False


def _doors(target: Target) -> Policy:
    policy = target.policy
    return Policy(
        management=policy.management, guarded=policy.guarded, denied=policy.denied, foreign=policy.foreign
    )


def _forwards(setting: Sysctl) -> bool:
    return setting.key.endswith("/forwarding")
