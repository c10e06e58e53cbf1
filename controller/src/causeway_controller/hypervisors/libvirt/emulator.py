"""What a host executes machines with: KVM or not, UEFI or not. Blocking; changes nothing."""

from __future__ import annotations

from typing import Any

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.libvirt import domain
from causeway_controller.hypervisors.libvirt.domain import Firmware


def kind(connection: Any) -> str:
    """Return the type of domain for appliances. Raises HypervisorError where none can run."""
    found = domain.accelerated(connection.getCapabilities())
    if found is None:
        raise HypervisorError(
            "it has no QEMU for x86-64 machines; on the host: apt-get install qemu-system-x86"
        )
    return found


def firmware(connection: Any, kind_of: str) -> Firmware:
    """Return how domains of this type start.

    Raises HypervisorError without UEFI: what starts by BIOS cannot be updated in place, nor verified.
    """
    described = connection.getDomainCapabilities(None, domain.ARCHITECTURE, domain.MACHINE, kind_of)
    found = domain.firmware(described)
    if found is None:
        raise HypervisorError(
            "it has no UEFI for machines, without which appliances take no updates; "
            "on the host: apt-get install ovmf, then restart its libvirt daemon"
        )
    return found
