"""Which program speaks to a host: by its kind, out of those that are installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.base import HypervisorError, Provider
from causeway_wire.types import Secret

GROUP: Final = "causeway.hypervisors"
"""Entry points by kind of host, each an `Opening`."""

Opening = Callable[[Host, Secret | None, Path], Provider]


def provider(host: Host, login: Secret | None = None, *, image: Path) -> Provider:
    """Return what commands this host, logged in with its secret. Raises HypervisorError.

    `image`: the appliance's qcow2, for hosts that are sent it.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if host.kind.value not in found:
        there = ", ".join(sorted(found)) or "none"
        detail = f"installed are: {there}"
        raise HypervisorError(
            f"nothing here commands host {host.id}, which is of {host.kind.value}; {detail}"
        )
    opening: Opening = found[host.kind.value].load()
    return opening(host, login, image)
