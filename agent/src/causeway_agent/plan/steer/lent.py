"""What of a target can stand now, given the devices that processes have made (`Target.lent`).

OpenVPN makes the device of a tunnel that the kernel carries when it starts, and takes it away when it ends:
whatever is planned on such a device waits for it, and comes back each time that it does. Nothing is open
meanwhile: packets have no way, and the filter knows devices by their names.
"""

from __future__ import annotations

from dataclasses import replace

from causeway_agent.plan.model.target import Observation, Target
from causeway_agent.plan.steer import layer2


def standing(target: Target, observation: Observation) -> Target:
    """The target without what rests on devices that are not there."""
    missing = layer2.names(target.lent) - layer2.names(observation.lent)
    if not missing:
        return target
    return replace(
        target,
        lent=frozenset(item for item in target.lent if item.device not in missing),
        addresses=frozenset(item for item in target.addresses if item.device not in missing),
        routes=frozenset(item for item in target.routes if item.device not in missing),
        sysctls=frozenset(item for item in target.sysctls if missing.isdisjoint(item.key.split("/"))),
    )


def anew(observation: Observation) -> bool:
    """Whether a process has made one that nobody has set up yet: it is down."""
    return any(item.mtu == 0 for item in observation.lent)
