"""Hosts of the tests as an inventory has them, and the secrets of their logins."""

from __future__ import annotations

from pyVmomi import vim

from causeway_controller.contract.provider import Host, HostKind, Storage, StorageKind
from tests import vcenter
from tests.hyperv import host as hyperv_host
from tests.hyperv.host import HypervHost
from tests.libvirtd import POOL
from tests.vcenter import Centre


def libvirt_entry(uri: str) -> Host:
    """A daemon that is reached there."""
    storage = Storage(id=POOL, kind=StorageKind.DIRECTORY)
    return Host(id="kvm1", kind=HostKind.LIBVIRT, endpoint=uri, storage=storage)


def vsphere_login() -> str:
    """The secret of the simulated vCenter's login."""
    return f"{vcenter.USER}\n{vcenter.PASSWORD}\n"


def hyperv_login(
    password: str = hyperv_host.PASSWORD, *, user: str = rf"{hyperv_host.DOMAIN}\{hyperv_host.USER}"
) -> str:
    """The secret of the counterpart's login."""
    return f"{user}\n{password}\n"


def vsphere_entry(centre: Centre, port: int, *, compute: str = "DC0_C0") -> Host:
    """As an inventory has it, reached by way of this port."""
    return Host(
        id="esx1",
        kind=HostKind.VSPHERE,
        endpoint=f"https://127.0.0.1:{port}/sdk",
        storage=Storage(id=centre.id(vim.Datastore, "LocalDS_0")),
        cluster=centre.id(vim.ComputeResource, compute),
        pin=centre.pin,
        login="esx1",
    )


def hyperv_entry(host: HypervHost, port: int, *, at: str = "127.0.0.1") -> Host:
    """As an inventory has it, reached by way of this port."""
    return Host(
        id="hv1",
        kind=HostKind.HYPERV,
        endpoint=f"https://{at}:{port}/wsman",
        storage=Storage(id=hyperv_host.DIRECTORY, kind=StorageKind.DIRECTORY),
        pin=host.pin,
        login="hv1",
    )
