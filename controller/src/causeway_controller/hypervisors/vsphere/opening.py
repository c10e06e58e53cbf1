"""A vSphere host of the inventory, opened: its endpoint, its key, and the secret of its login."""

from __future__ import annotations

from pathlib import Path

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import credentials
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.vsphere import binding
from causeway_controller.hypervisors.vsphere.provider import VsphereProvider
from causeway_controller.hypervisors.vsphere.session import Session
from causeway_controller.hypervisors.vsphere.upload import Endpoint
from causeway_controller.inventory import vsphere_names
from causeway_wire.types import Secret


def open_host(host: Host, login: Secret | None, image: Path) -> VsphereProvider:
    """Return what commands this host; nothing is connected yet. Raises HypervisorError.

    `image`: the appliance's qcow2, beside which its OVA is.
    """
    name, password = credentials.user(host, login, "vSphere")
    try:
        address, port = vsphere_names.endpoint(host.endpoint)
    except ValueError as error:
        raise HypervisorError(f"host {host.id}: {error}") from error
    context = credentials.context(host)
    return VsphereProvider(
        host=host,
        session=Session(host.id, lambda: binding.Login(address, port, context, name, password)),
        endpoint=Endpoint(address, port, context),
        image=image.with_suffix(".ova"),
    )
