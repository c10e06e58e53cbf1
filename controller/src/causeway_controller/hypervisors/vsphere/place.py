"""Where appliances are put: datacenter, cluster, datastore, a folder and a resource pool. Blocking.

All but the last two are the administrator's, and are only looked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.vsphere import api, binding

_VVOL = "VVOL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What of vSphere's inventory appliances are put into."""

    service: Any
    datacenter: Any
    compute: Any
    """A cluster, or an ESXi host."""
    datastore: Any
    name: str
    """Of folder and resource pool."""

    @property
    def standalone(self) -> bool:
        """Whether it is an ESXi host by itself, which has no folders of VMs."""
        return bool(self.service.content.about.apiType == "HostAgent")

    @property
    def datacenter_path(self) -> str:
        """Its name behind those of the folders that it is in: URLs of files know it by that."""
        root = api.identifier(self.service.content.rootFolder)
        names, above = [str(self.datacenter.name)], self.datacenter.parent
        while above is not None and api.identifier(above) != root:
            names.insert(0, str(above.name))
            above = above.parent
        return "/".join(names)

    @property
    def scheduled(self) -> bool:
        """Whether vSphere chooses the ESXi host of a VM, and makes resource pools: not without DRS."""
        vim, _ = binding.load()
        if not isinstance(self.compute, vim.ClusterComputeResource):
            return True
        return bool(self.compute.configurationEx.drsConfig.enabled)

    @property
    def hosts(self) -> list[Any]:
        """The ESXi hosts that can be asked now: those that are not reached do not hold up the others."""
        vim, _ = binding.load()
        up = vim.HostSystem.ConnectionState.connected
        return [one for one in self.compute.host if one.runtime.connectionState == up]

    @property
    def folder(self) -> Any:
        """The folder of appliances; None where there is none yet."""
        if self.standalone:
            return self.datacenter.vmFolder
        return self.service.content.searchIndex.FindChild(self.datacenter.vmFolder, self.name)

    @property
    def pool(self) -> Any:
        """The resource pool of appliances; None where there is none yet."""
        return next((one for one in self.compute.resourcePool.resourcePool if one.name == self.name), None)


def find(service: Any, host: Host) -> Place:
    """Return the place. Raises HypervisorError where something is not there or cannot be used."""
    datastore = storage(service, host)
    return Place(
        service=service,
        datacenter=_datacenter(datastore),
        compute=_compute(service, host, datastore),
        datastore=datastore,
        name=host.folder,
    )


def storage(service: Any, host: Host) -> Any:
    """Return the datastore. Raises HypervisorError unless an appliance can be put there (seed)."""
    vim, _ = binding.load()
    if host.storage.id in {api.identifier(one) for one in api.all_of(service, vim.StoragePod)}:
        raise HypervisorError(
            f"{host.storage.id} is a datastore cluster, where no appliance can be put; name another datastore"
        )
    found = _as_datastore(service, host.storage.id)
    if found is None:
        there = api.listed(api.all_of(service, vim.Datastore))
        raise HypervisorError(f"there is no datastore {host.storage.id}; there is {there}")
    summary = found.summary
    called = f"datastore {host.storage.id} ({summary.name})"
    if isinstance(found.parent, vim.StoragePod):
        raise HypervisorError(f"{called} is in a datastore cluster, which may move disks; name another one")
    if summary.type.upper() == _VVOL:
        raise HypervisorError(f"{called} is of VMware Virtual Volumes, where no appliance can be put")
    if not summary.accessible:
        raise HypervisorError(f"{called} is not accessible; look at its storage and its paths")
    if getattr(summary, "maintenanceMode", None) not in {None, "", "normal"}:
        raise HypervisorError(f"{called} is in maintenance; end that, or name another one")
    return found


def ensure(place: Place) -> tuple[Any, Any]:
    """Return folder and resource pool, made where there were none. May be repeated, by several at once.

    Of a cluster without DRS the resource pool is the only one that it has, its root.
    """
    vim, _ = binding.load()
    folder = place.folder
    if folder is None:
        with contextlib.suppress(vim.fault.DuplicateName):
            place.datacenter.vmFolder.CreateFolder(place.name)
        folder = place.folder
    pool = place.pool
    if pool is None and not place.scheduled:
        pool = place.compute.resourcePool
    if pool is None:
        spec = vim.ResourceConfigSpec(cpuAllocation=_unlimited(), memoryAllocation=_unlimited())
        with contextlib.suppress(vim.fault.DuplicateName):
            place.compute.resourcePool.CreateResourcePool(place.name, spec)
        pool = place.pool
    if folder is None or pool is None:
        raise HypervisorError(
            f"folder or resource pool {place.name} was removed while it was made; repeat it"
        )
    return folder, pool


def choose(place: Place, networks: Iterable[Any]) -> Any:
    """Return the ESXi host for a new VM, None where vSphere chooses. Raises HypervisorError.

    It is the one that has most of the networks, and of those the one with most memory left. One that was just
    made may not be told of yet, so that a network is absent does not count more.
    """
    if place.scheduled:
        return None
    mounting = {
        api.identifier(mount.key) for mount in place.datastore.host if mount.mountInfo.accessible is not False
    }
    usable = [
        one for one in place.hosts if not one.runtime.inMaintenanceMode and api.identifier(one) in mounting
    ]
    if not usable:
        raise HypervisorError(
            f"no ESXi host of {place.compute.name} is connected, not in maintenance and has datastore "
            f"{place.datastore.name}"
        )
    wanted = {api.identifier(one) for one in networks}

    def fitness(one: Any) -> tuple[int, int]:
        there = {api.identifier(network) for network in one.network}
        used = (one.summary.quickStats.overallMemoryUsage or 0) << 20
        return len(wanted & there), int(one.summary.hardware.memorySize) - used

    return max(usable, key=fitness)


def _as_datastore(service: Any, moid: str) -> Any:
    vim, _ = binding.load()
    return next((one for one in api.all_of(service, vim.Datastore) if api.identifier(one) == moid), None)


def _datacenter(datastore: Any) -> Any:
    vim, _ = binding.load()
    above = datastore.parent
    while above is not None and not isinstance(above, vim.Datacenter):
        above = above.parent
    if above is None:
        raise HypervisorError(f"datastore {datastore.name} is in no datacenter that this login sees")
    return above


def _compute(service: Any, host: Host, datastore: Any) -> Any:
    """The cluster or ESXi host that is named, else the only one that mounts the datastore."""
    vim, _ = binding.load()
    # Each is asked for over the network, so once.
    mounting = {api.identifier(one): one for one in (mount.key.parent for mount in datastore.host)}
    if host.cluster is not UNSET:
        if host.cluster in mounting:
            return mounting[host.cluster]
        if api.existing(service, vim.ComputeResource, host.cluster) is not None:
            detail = f"does not mount datastore {host.storage.id}; those that do are"
        else:
            detail = "is not there; those that mount the datastore are"
        raise HypervisorError(f"cluster {host.cluster} {detail} {api.listed(mounting.values())}")
    if len(mounting) == 1:
        return next(iter(mounting.values()))
    raise HypervisorError(
        f"datastore {host.storage.id} is mounted by {len(mounting)} clusters or hosts; say as `cluster` "
        f"which is meant: {api.listed(mounting.values())}"
    )


def _unlimited() -> Any:
    vim, _ = binding.load()
    return vim.ResourceAllocationInfo(
        reservation=0, expandableReservation=True, limit=-1, shares=vim.SharesInfo(level="normal", shares=0)
    )
