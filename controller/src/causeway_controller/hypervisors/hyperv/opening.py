"""A Hyper-V host of the inventory, opened: its endpoint, its key, and the secret of its login."""

from __future__ import annotations

from pathlib import Path

from msgspec import UNSET

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import tls
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.hyperv.binding import SMB, CmdletError, DeniedError, Endpoint, Login
from causeway_controller.hypervisors.hyperv.provider import HypervProvider
from causeway_controller.hypervisors.hyperv.session import Session
from causeway_controller.inventory import host_names, hyperv_names
from causeway_wire.types import Secret


def open_host(host: Host, login: Secret | None, image: Path, *, smb: int = SMB) -> HypervProvider:
    """Return what commands this host; nothing is connected yet. Raises HypervisorError.

    `image`: the appliance's qcow2, beside which its VHDX is. `smb`: the port of the host's files.
    """
    if login is None:
        text = f"host {host.id}: Hyper-V lets nobody in without a user; name a `login`"
        raise HypervisorError(text, cause=Cause.LOGIN)
    try:
        address, port = hyperv_names.endpoint(host.endpoint)
        hyperv_names.directory(host.storage.id)
    except ValueError as error:
        raise HypervisorError(f"host {host.id}: {error}") from error
    try:
        user, password = host_names.login(login.reveal())
    except ValueError as error:
        raise HypervisorError(f"host {host.id}: {error}", cause=Cause.LOGIN) from error
    context = tls.by_authorities() if host.pin is UNSET else tls.by_key(host.pin)
    endpoint = Endpoint(
        host=address, port=port, context=context, user=user, password=Secret(password), smb=smb
    )
    return HypervProvider(
        host=host,
        session=Session(host.id, lambda: _logged_in(endpoint)),
        image=image.with_suffix(".vhdx"),
    )


def _logged_in(endpoint: Endpoint) -> Login:
    """A login that may command Hyper-V: who may not is shown no VMs, as on an empty host."""
    made = Login(endpoint)
    try:
        made.run(("Get-VMHost", {}), ("Select-Object", {"Property": ["Name"]}))
    except CmdletError as error:
        made.end()
        raise DeniedError(
            f"does not let this user command Hyper-V ({error}); put them into Hyper-V Administrators",
            cause=Cause.RIGHTS,
        ) from error
    return made
