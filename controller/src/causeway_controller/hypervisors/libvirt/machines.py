"""Domains: found by owner id or by their own UUID, powered, defined, removed. Blocking, and repeatable.

A domain is ours if its metadata says so and its UUID is that of the owner id. Others are powered by their
UUID and never removed.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import Any, Final

from causeway_controller.hypervisors.base import HypervisorError, Machine
from causeway_controller.hypervisors.libvirt import binding, domain

_NO_SMM: Final = "System Management Mode not supported"
"""Words of QEMU's (x86_machine_is_smm_enabled): libvirt passes them on without a code of its own, and says
nothing of it in what a host can.
"""


def find(connection: Any, owner_id: str) -> Machine | None:
    """The machine with this owner id, else the domain with this UUID. Raises HypervisorError as `ours`."""
    found = _domain(connection, owner_id)
    if found is None:
        return None
    with _gone_is_none():
        described, on = found.XMLDesc(), bool(found.isActive())
        known = domain.owner(described)
        return Machine(
            owner_id=owner_id,
            name=found.name() if known is None else known[1],
            powered_on=on,
            guest_answers=domain.guest_answers(described) if on else None,
        )
    return None


def start(connection: Any, owner_id: str) -> None:
    """Power it on, unless it is. One of ours is only started with the vNICs that it is to have."""
    mine = ours(connection, owner_id)
    if mine is not None and not mine.isActive():
        domain.verify(mine.XMLDesc())
    _switch(_known(connection, owner_id) if mine is None else mine, on=True)


def ask_to_stop(connection: Any, owner_id: str) -> None:
    """Press the power button; a machine that hears nothing is cut later."""
    found = _known(connection, owner_id)
    if found.isActive():
        with contextlib.suppress(binding.load().libvirtError):
            found.shutdown()


def cut(connection: Any, owner_id: str) -> None:
    """Power it off, unless it is."""
    _switch(_known(connection, owner_id), on=False)


def define(connection: Any, described: str, owner_id: str) -> bool:
    """Define a domain of this owner id; False when there is one, which is left as it is."""
    libvirt = binding.load()
    try:
        connection.defineXML(described)
    except libvirt.libvirtError as error:
        if (
            error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED
            and ours(connection, owner_id) is not None
        ):
            return False
        raise
    return True


def undefine(connection: Any, owner_id: str) -> None:
    """Cut its power and forget it, with all that libvirt keeps of it; nothing to do when there is none."""
    libvirt = binding.load()
    found = ours(connection, owner_id)
    if found is None:
        return
    _switch(found, on=False)
    flags = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    )
    with _gone_is_none():
        found.undefineFlags(flags)


def ours(connection: Any, owner_id: str) -> Any:
    """The domain with this owner id, or None. Raises HypervisorError where its UUID is another's."""
    found = _by_uuid(connection, domain.identity(owner_id))
    if found is None:
        return None
    with _gone_is_none():
        known = domain.owner(found.XMLDesc())
        if known is None or known[0] != owner_id:
            raise HypervisorError(
                f"domain {found.name()} has the UUID of {owner_id} and not our metadata; somebody copied or "
                "rewrote it: remove it by hand, or give it its metadata back"
            )
        return found
    return None


def _domain(connection: Any, owner_id: str) -> Any:
    found = ours(connection, owner_id)
    if found is not None:
        return found
    try:
        return _by_uuid(connection, str(uuid.UUID(owner_id)))
    except ValueError:
        return None


def _known(connection: Any, owner_id: str) -> Any:
    found = _domain(connection, owner_id)
    if found is None:
        raise HypervisorError(f"there is no machine {owner_id}; deploy it first")
    return found


def _by_uuid(connection: Any, identity: str) -> Any:
    with _gone_is_none():
        return connection.lookupByUUIDString(identity)
    return None


def _switch(found: Any, *, on: bool) -> None:
    """Power it; somebody else may do the same at once."""
    libvirt = binding.load()
    if bool(found.isActive()) == on:
        return
    try:
        if on:
            found.create()
        else:
            found.destroy()
    except libvirt.libvirtError as error:
        with contextlib.suppress(libvirt.libvirtError):
            if bool(found.isActive()) == on:
                return
        if _NO_SMM in str(error):
            raise HypervisorError(
                f"domain {found.name()} does not start: the host's KVM has no System Management Mode, which "
                "Secure Boot needs; a host inside a VM may get it from the hypervisor below, else have it "
                "offer no Secure Boot (docs/how-to/libvirt.md) and deploy the appliance anew"
            ) from error
        raise


class _gone_is_none(contextlib.suppress):  # noqa: N801 - it reads as what it does
    """Lets a domain be gone that was there a moment ago."""

    def __init__(self) -> None:
        super().__init__()

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        libvirt = binding.load()
        if not isinstance(error, libvirt.libvirtError):
            return False
        return bool(error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN)
