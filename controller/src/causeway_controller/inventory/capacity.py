"""Whether a tenant's networks fit one provider appliance: asked at subscription, not in a disaster.

The appliance has an uplink, and an adapter for each network of all the tenant's plans on its host. Who does
not ask finds out during failover that the hypervisor has no eleventh.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.types import NetworkId

UPLINKS = 1
TRUNKED_NETWORKS = 4094
"""VLAN identifiers on one trunk (IEEE 802.1Q, 9.6: 0 and 4095 are reserved)."""


class Platform(Enum):
    """A hypervisor and how many adapters it gives one VM; None where no number is known."""

    VSPHERE = ("VMware vSphere", 10)
    """Ten vNICs since virtual hardware version 7 (VMware Configuration Maximums)."""
    HYPERV = ("Microsoft Hyper-V", 8)
    """Eight synthetic adapters in a VM of Windows Server 2016; later versions have more."""
    LIBVIRT = ("libvirt", None)
    LAB = ("the lab", None)

    def __init__(self, title: str, adapters: int | None) -> None:
        self.title = title
        self.adapters = adapters


def check_subscription(networks: Sequence[NetworkId], platform: Platform, *, trunk: bool = False) -> None:
    """Raise ProblemError when an appliance cannot carry these networks (`problems`)."""
    found = problems(networks, platform, trunk=trunk)
    if found:
        raise ProblemError(combine(found))


def problems(
    networks: Sequence[NetworkId], platform: Platform, *, trunk: bool = False
) -> tuple[Problem, ...]:
    """Why an appliance cannot carry these networks; each pointer is `/networks/` and the place of one.

    `networks` are those of all plans that the tenant has on one host. With `trunk` they share one adapter, as
    tagged VLANs, besides the uplink's.
    """
    found = [*_twice(networks)]
    needed = UPLINKS + (min(len(networks), 1) if trunk else len(networks))
    if platform.adapters is not None and needed > platform.adapters:
        found.append(_too_many(networks, platform, platform.adapters))
    if trunk and len(networks) > TRUNKED_NETWORKS:
        detail = (
            f"{len(networks)} networks are more than the {TRUNKED_NETWORKS} VLANs of one trunk; "
            "subscribe fewer networks on this host"
        )
        found.append(problem(ProblemType.UNSUPPORTED, detail, pointer=f"/networks/{TRUNKED_NETWORKS}"))
    return tuple(found)


def _too_many(networks: Sequence[NetworkId], platform: Platform, adapters: int) -> Problem:
    """Names both ways out; the pointer is the first network that has no adapter."""
    room = adapters - UPLINKS
    detail = (
        f"{len(networks)} networks and an uplink need {len(networks) + UPLINKS} adapters, and a VM on "
        f"{platform.title} has at most {adapters}. Either subscribe no more than {room} networks on one host "
        "(fewer networks per plan, or another plan on another host), or let the networks share a trunk "
        "adapter as tagged VLANs"
    )
    return problem(ProblemType.UNSUPPORTED, detail, pointer=f"/networks/{room}")


def _twice(networks: Sequence[NetworkId]) -> list[Problem]:
    first = {name: index for index, name in reversed([*enumerate(networks)])}
    return [
        problem(ProblemType.DUPLICATE, f"network {name} is subscribed twice", pointer=f"/networks/{index}")
        for index, name in enumerate(networks)
        if first[name] != index
    ]
