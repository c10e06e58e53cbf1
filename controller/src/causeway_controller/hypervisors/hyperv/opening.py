"""A Hyper-V host of the inventory, opened: its endpoint, its key, and the secret of its login."""

from __future__ import annotations

from pathlib import Path

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import credentials
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.hyperv.binding import SMB, CmdletError, DeniedError, Endpoint, Login
from causeway_controller.hypervisors.hyperv.identity import Identities
from causeway_controller.hypervisors.hyperv.provider import HypervProvider
from causeway_controller.hypervisors.hyperv.session import Session
from causeway_controller.inventory import hyperv_names
from causeway_wire.types import Secret


def open_host(host: Host, login: Secret | None, image: Path, *, smb: int = SMB) -> HypervProvider:
    """Return what commands this host; nothing is connected yet. Raises HypervisorError.

    `image`: the appliance's qcow2, beside which its VHDX is. `smb`: the port of the host's files.
    """
    name, password = credentials.user(host, login, "Hyper-V")
    try:
        address, port = hyperv_names.endpoint(host.endpoint)
        hyperv_names.directory(host.storage.id)
    except ValueError as error:
        raise HypervisorError(f"host {host.id}: {error}") from error
    context = credentials.context(host)
    endpoint = Endpoint(host=address, port=port, context=context, who=Identities(name, password), smb=smb)
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
