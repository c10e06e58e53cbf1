"""What packets for the appliance itself may do, in words; the order is the input chain's."""

from __future__ import annotations

from causeway_agent.plan import checks
from causeway_agent.plan.policy import Policy
from causeway_wire.types import IPAddress


def local_delivery(
    source: IPAddress, destination: IPAddress, entry: str, policy: Policy
) -> tuple[bool, str, str]:
    """Whether anything is answered, what, and what to do when nothing is."""
    here = (entry, destination)
    doors = [door for door in policy.management if (door.device, door.address) == here]
    open_doors = [door for door in doors if checks.inside(door.sources, source)]
    answers = [f"TCP port {port} (management)" for door in open_doors for port in sorted(door.ports)]
    answers += [
        f"{entry_.protocol.upper()} port {entry_.port}"
        for entry_ in sorted(policy.listeners, key=repr)
        if (entry_.device, entry_.address) == here
    ]
    answers += [
        f"UDP port {relay.port}: flows that the first-packet filter admitted go on to {len(relay.servers)} "
        "servers"
        for relay in policy.relays
        if (relay.public, relay.address) == here
    ]
    if any((echo.device, echo.address) == here for echo in policy.echoes):
        answers.append("echo requests")
    if answers:
        return True, f"answered on {entry} for {source}: {', '.join(answers)}", ""
    if doors:
        advice = (
            f"Dropped, TCP to the management ports counted in drop_management: {source} is in none of "
            "management.sources. Add its prefix there if it is a controller."
        )
        return False, f"{source} may not use the management address", advice
    advice = (
        "Dropped and counted in drop_input (management ports in drop_management): this appliance answers "
        "nothing on this address there."
    )
    return False, f"nothing is answered on {destination} from {entry}", advice
