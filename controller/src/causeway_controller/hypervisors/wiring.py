"""How the vNICs of a machine are to be: noted with it when it is made, and compared before it is started.

An appliance that was plugged in elsewhere meanwhile would give one tenant's packets to another.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from causeway_controller.contract.hosts import VmNic
from causeway_controller.hypervisors.base import HypervisorError
from causeway_wire import codec


def noted(nics: Iterable[VmNic]) -> str:
    """Return what is kept with the machine: JSON in one line."""
    return msgspec.json.encode([VmNic(mac=one.mac.lower(), network=one.network) for one in nics]).decode()


def compare(name: str, note: str, found: Iterable[VmNic]) -> None:
    """Raise HypervisorError unless these are the MACs and networks that were noted, and no others."""
    try:
        wanted = msgspec.json.decode(note, type=codec.ready(tuple[VmNic, ...]))
    except msgspec.MsgspecError as error:
        raise HypervisorError(
            f"{name} is not started: its note of vNICs cannot be read ({error}); have it deployed anew"
        ) from error
    there = tuple(VmNic(mac=one.mac.lower(), network=one.network) for one in found)
    if sorted(wanted, key=_key) != sorted(there, key=_key):
        raise HypervisorError(
            f"{name} is not started: its vNICs are {_told(there)}, and were deployed as {_told(wanted)}; "
            "put them back, or have it deployed anew"
        )


def disconnected(name: str, mac: str) -> HypervisorError:
    """Return the error of a machine one of whose vNICs has its cable pulled."""
    return HypervisorError(f"{name} is not started: vNIC {mac} is not connected at power on; change that")


def _key(nic: VmNic) -> tuple[str, str]:
    return nic.mac, nic.network


def _told(nics: Iterable[VmNic]) -> str:
    return ", ".join(f"{nic.mac} on {nic.network or 'nothing'}" for nic in nics) or "none"
