"""Which VM of a host looks like one of production. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from causeway_controller.contract.hosts import VmNic
from causeway_wire.types import MacAddress, VmName


class Seen(Protocol):
    """A VM that a host has."""

    @property
    def name(self) -> str:
        """As people call it there."""

    @property
    def nics(self) -> Sequence[VmNic]:
        """Its vNICs."""


One = TypeVar("One", bound=Seen)


def alike(vm: VmName, macs: Iterable[MacAddress], found: Iterable[One], *, suffix: str = "") -> list[One]:
    """Return those with the VM's name, as it is or with the suffix, or with one of its MAC addresses.

    Hypervisors keep the case of names that people typed; ours are lower-case.
    """
    names, ours = {vm, f"{vm}{suffix.lower()}"}, {mac.lower() for mac in macs}
    return [one for one in found if one.name.lower() in names or ours & {nic.mac.lower() for nic in one.nics}]
