"""A vSphere host of the inventory, opened: its endpoint, its key, and the secret of its login."""

from __future__ import annotations

from pathlib import Path

from msgspec import UNSET

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import tls
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.vsphere import binding
from causeway_controller.hypervisors.vsphere.provider import VsphereProvider
from causeway_controller.hypervisors.vsphere.session import Session
from causeway_controller.hypervisors.vsphere.upload import Endpoint
from causeway_controller.inventory import host_names, vsphere_names
from causeway_wire.types import Secret


def open_host(host: Host, login: Secret | None, image: Path) -> VsphereProvider:
    """Return what commands this host; nothing is connected yet. Raises HypervisorError.

    `image`: the appliance's qcow2, beside which its OVA is.
    """
    if login is None:
        text = f"host {host.id}: vSphere lets nobody in without a user; name a `login`"
        raise HypervisorError(text, cause=Cause.LOGIN)
    try:
        address, port = vsphere_names.endpoint(host.endpoint)
    except ValueError as error:
        raise HypervisorError(f"host {host.id}: {error}") from error
    try:
        user, password = host_names.login(login.reveal())
    except ValueError as error:
        raise HypervisorError(f"host {host.id}: {error}", cause=Cause.LOGIN) from error
    context = tls.by_authorities() if host.pin is UNSET else tls.by_key(host.pin)
    return VsphereProvider(
        host=host,
        session=Session(host.id, lambda: binding.Login(address, port, context, user, Secret(password))),
        endpoint=Endpoint(address, port, context),
        image=image.with_suffix(".ova"),
    )
