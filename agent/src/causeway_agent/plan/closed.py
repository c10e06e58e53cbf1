"""The closed form of a target: what may stand while the machine cannot be made as it should be.

Controllers find their door; nothing is forwarded, nothing is answered for. Everything else stays, so that
opening again takes little.
"""

from __future__ import annotations

from dataclasses import replace

from causeway_agent.plan.objects import Sysctl
from causeway_agent.plan.operations import LoadPolicy, Operation, Put
from causeway_agent.plan.policy import ManagementDoor, Policy
from causeway_agent.plan.target import Target

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


def _doors(target: Target) -> Policy:
    policy = target.policy
    return Policy(
        management=policy.management, guarded=policy.guarded, denied=policy.denied, foreign=policy.foreign
    )


def _forwards(setting: Sysctl) -> bool:
    return setting.key.endswith("/forwarding")
