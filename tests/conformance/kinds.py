"""A host of each kind, as conformance tests have it: several controllers' providers, and a look inside."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec
import pytest
from pyVmomi import vim

from causeway_controller.contract.provider import Host, HostKind, Storage
from causeway_controller.hypervisors.base import HypervisorError, MachineSpec, NicSpec, Provider
from causeway_controller.hypervisors.hyperv import opening as hyperv_opening
from causeway_controller.hypervisors.hyperv.provider import HypervProvider
from causeway_controller.hypervisors.libvirt import binding
from causeway_controller.hypervisors.libvirt.domain import Hardware
from causeway_controller.hypervisors.libvirt.provider import LibvirtProvider
from causeway_controller.hypervisors.libvirt.session import Session
from causeway_controller.hypervisors.vsphere.opening import open_host
from causeway_controller.hypervisors.vsphere.provider import VsphereProvider
from causeway_lab.hypervisor import LabProvider
from causeway_lab.service.host_client import LabHost
from causeway_lab.service.host_server import HostServer
from causeway_lab.world import namespaces
from causeway_wire import seed as wire_seed
from causeway_wire.types import Secret
from tests import seeds
from tests.conformance import entries, volatile
from tests.conformance.deploying import Deployed, Work
from tests.cutting_proxy import Proxy, between
from tests.hyperv import host as hyperv_host
from tests.hyperv.host import HypervHost
from tests.libvirtd import POOL, Libvirtd
from tests.vcenter import Centre

OWNER = "acme-one"
SEGMENTS = ("left", "right")
MACS = (seeds.MAC, "02:00:00:00:00:02")


def image(place: Path) -> Path:
    """A qcow2 of 4 MiB, nothing in it that boots, with enough octets to be cut on their way."""
    path = place / "image.qcow2"
    if not path.exists():
        namespaces.run(None, "qemu-img", "create", "-q", "-f", "qcow2", str(path), "4M")
        with path.open("ab") as file:
            file.write(bytes(range(256)) * 4096)
    return path


def spec(segments: tuple[str, ...], owner_id: str = OWNER) -> MachineSpec:
    """An appliance with a vNIC on each segment, and a seed that its first boot takes."""
    made = seeds.seed(appliance=owner_id)
    enrolment = msgspec.structs.replace(made.enrolment, expires=datetime.now(tz=UTC) + timedelta(hours=1))
    nics = tuple(NicSpec(mac=mac, segment=segment) for mac, segment in zip(MACS, segments, strict=True))
    data = wire_seed.encode(msgspec.structs.replace(made, enrolment=enrolment))
    return MachineSpec(owner_id=owner_id, name=owner_id, nics=nics, seed=data)


class Kind(Protocol):
    """A host of one kind."""

    proxy: Proxy
    """Between the host and all providers but `direct`."""
    spec: MachineSpec
    pieces: int
    """How many things one machine is there."""

    def provider(self, patience: float = 1.0) -> Provider:
        """As a controller that begins now has it."""

    def direct(self) -> Provider:
        """The same without the proxy."""

    def there(self) -> frozenset[str]:
        """All that the host has, ours and others'."""

    def work(self) -> Work:
        """What a controller in a process of its own is told, to deploy the machine by way of the proxies."""

    @property
    def way(self) -> Proxy:
        """What disks go through."""

    async def restart(self) -> None:
        """The host's service ends at once and begins again; machines are left alone."""


@dataclass
class LibvirtKind:
    """A real daemon, reached through a proxy."""

    daemon: Libvirtd
    proxy: Proxy
    place: Path
    image: Path
    spec: MachineSpec
    pieces: int = 5
    """The domain, disk, disc, the image and what says that it is whole."""

    def provider(self, patience: float = 1.0) -> LibvirtProvider:
        return self._provider(f"qemu+unix:///system?socket={self.place}", patience)

    def direct(self) -> LibvirtProvider:
        return self._provider(self.daemon.uri, 1.0)

    def _provider(self, uri: str, patience: float) -> LibvirtProvider:
        session = Session("kvm1", lambda: binding.load().open(uri), patience=patience)
        # Emulated: whether the machine has KVM, and whether that works, is not what is tested.
        hardware = Hardware(mebibytes=16, domain="qemu")
        return LibvirtProvider(host="kvm1", session=session, pool=POOL, image=self.image, hardware=hardware)

    def there(self) -> frozenset[str]:
        def look(connection: object) -> frozenset[str]:
            pool = connection.storagePoolLookupByName(POOL)  # type: ignore[attr-defined]
            pool.refresh()
            domains = connection.listAllDomains()  # type: ignore[attr-defined]
            networks = connection.listAllNetworks()  # type: ignore[attr-defined]
            return frozenset(
                (
                    *(f"domain {one.UUIDString()}" for one in domains),
                    *(f"volume {one.name()}" for one in pool.listAllVolumes()),
                    *(f"network {one.name()}" for one in networks),
                )
            )

        found: frozenset[str] = self.daemon.ask(look)
        return found

    def work(self) -> Work:
        host = entries.libvirt_entry(f"qemu+unix:///system?socket={self.place}")
        return Work(host=host, login=None, image=str(self.image), machine=Deployed.of(self.spec))

    @property
    def way(self) -> Proxy:
        return self.proxy

    async def restart(self) -> None:
        def again() -> None:
            self.daemon.kill()
            self.daemon.start()

        await asyncio.to_thread(again)


@dataclass
class LabKind:
    """Machines as network namespaces, behind their own server."""

    server: HostServer
    proxy: Proxy
    place: Path
    socket: Path
    machines: Path
    """Where they keep what they write."""
    spec: MachineSpec
    pieces: int = 1

    def provider(self, patience: float = 1.0) -> Provider:
        return LabHost("lab1", str(self.place))

    def direct(self) -> Provider:
        return LabHost("lab1", str(self.socket))

    def there(self) -> frozenset[str]:
        return frozenset(namespaces.run(None, "ip", "netns", "list").split("\n"))

    def work(self) -> Work:
        endpoint = f"unix://{self.place}"
        host = Host(id="lab1", kind=HostKind.LAB, endpoint=endpoint, storage=Storage(id="lab"))
        return Work(host=host, login=None, image="/none", machine=Deployed.of(self.spec))

    @property
    def way(self) -> Proxy:
        return self.proxy

    async def restart(self) -> None:
        await self.server.__aexit__(None, None, None)
        await self.server.__aenter__()


@dataclass
class VsphereKind:
    """A simulated vCenter, reached through a proxy."""

    centre: Centre
    proxy: Proxy
    image: Path
    spec: MachineSpec
    pieces: int = 3
    compute: str = "DC0_C0"

    def provider(self, patience: float = 1.0) -> VsphereProvider:
        return self.at(self.proxy.port)

    def direct(self) -> VsphereProvider:
        return self.at(self.centre.port)

    def at(self, port: int, **changes: object) -> VsphereProvider:
        """What commands it by way of this port."""
        host = entries.vsphere_entry(self.centre, port, compute=self.compute)
        login = Secret(entries.vsphere_login())
        return open_host(msgspec.structs.replace(host, **changes), login, self.image)

    def work(self) -> Work:
        host = entries.vsphere_entry(self.centre, self.proxy.port, compute=self.compute)
        return Work(
            host=host, login=entries.vsphere_login(), image=str(self.image), machine=Deployed.of(self.spec)
        )

    @property
    def way(self) -> Proxy:
        return self.proxy

    @property
    def disk(self) -> Path:
        """Where the datastore's files are."""
        return Path(self.centre.named(vim.Datastore, "LocalDS_0").info.url)

    def there(self) -> frozenset[str]:
        return frozenset(
            (
                *(f"vm {one.name}" for one in self.centre.vms()),
                *(f"network {one.name}" for one in self.centre.datacenter.network),
                *(f"directory {one.name}" for one in self.disk.iterdir()),
                *(f"disc {one.parent.name}" for one in self.disk.glob("*/*.iso")),
            )
        )

    async def restart(self) -> None:
        """Its sessions end, as after hours, and so do connections; what it has, it keeps in memory."""
        self.centre.expire()
        self.proxy.cut()


@dataclass
class HypervKind:
    """A counterpart of a Hyper-V host: commands and files each reached through a proxy."""

    host: HypervHost
    proxy: Proxy
    files: Proxy
    image: Path
    spec: MachineSpec
    pieces: int = 8
    """The VM, its claim, a folder, disk, seed, the VM's own file in a folder of its own, and the image."""

    def provider(self, patience: float = 1.0) -> HypervProvider:
        return self.at(self.proxy.port, self.files.port)

    def direct(self) -> HypervProvider:
        return self.at(self.host.port, self.host.smb)

    def at(
        self, port: int, smb: int, *, password: str = hyperv_host.PASSWORD, **changes: object
    ) -> HypervProvider:
        """What commands it by way of these ports."""
        host = entries.hyperv_entry(self.host, port)
        login = Secret(entries.hyperv_login(password))
        return hyperv_opening.open_host(msgspec.structs.replace(host, **changes), login, self.image, smb=smb)

    def work(self) -> Work:
        host, image = entries.hyperv_entry(self.host, self.proxy.port), str(self.image)
        smb = self.files.port
        return Work(
            host=host, login=entries.hyperv_login(), image=image, smb=smb, machine=Deployed.of(self.spec)
        )

    @property
    def way(self) -> Proxy:
        return self.files

    def there(self) -> frozenset[str]:
        return self.host.there()

    async def restart(self) -> None:
        """Its shells end, as after an hour, and so do connections; VMs are left alone."""
        self.host.remoting.expire()
        self.proxy.cut()


class NoReplicas:
    """The lab's replicas are namespaces of its world, which is not there."""

    async def find(self, owner_id: str) -> None:
        return None

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        raise HypervisorError(f"there is no machine {owner_id}")


@asynccontextmanager
async def libvirt(daemon: Libvirtd, place: Path) -> AsyncIterator[LibvirtKind]:
    socket = place / "p"
    async with between(daemon.socket, socket) as proxy:
        kind = LibvirtKind(
            daemon=daemon,
            proxy=proxy,
            place=socket,
            image=image(place),
            spec=spec(("left", "bridge:cw-right")),
        )
        yield kind
        await kind.direct().destroy(OWNER)


@asynccontextmanager
async def lab(place: Path) -> AsyncIterator[LabKind]:
    namespaces.create_fabric(SEGMENTS)
    socket = place / "s"
    with volatile.mounted(place / "machines") as machines:
        provider = LabProvider(segments=SEGMENTS, directory=machines)
        server = HostServer(provider, NoReplicas(), socket)
        async with server, between(socket, place / "p") as proxy:
            yield LabKind(
                server=server,
                proxy=proxy,
                place=place / "p",
                socket=socket,
                machines=machines,
                spec=spec(SEGMENTS),
            )
            await provider.destroy(OWNER)
    namespaces.run(None, "ip", "netns", "delete", namespaces.FABRIC)


@asynccontextmanager
async def vsphere(centre: Centre, image: Path) -> AsyncIterator[VsphereKind]:
    networks = (centre.id(vim.Network, "VM Network"), centre.id(vim.Network, "DC0_DVPG0"))
    async with between((centre.host, centre.port)) as proxy:
        kind = VsphereKind(centre=centre, proxy=proxy, image=image, spec=spec(networks))
        yield kind
        await kind.direct().destroy(OWNER)


@asynccontextmanager
async def hyperv(place: Path, image: Path) -> AsyncIterator[HypervKind]:
    first, second = map(str, hyperv_host.SWITCHES)
    async with (
        hyperv_host.running(place) as host,
        between(("127.0.0.1", host.port)) as proxy,
        between(("127.0.0.1", host.smb)) as files,
    ):
        proxy.act = files.cut
        kind = HypervKind(
            host=host, proxy=proxy, files=files, image=image, spec=spec((first, f"{second}/101"))
        )
        yield kind
        await kind.direct().destroy(OWNER)


@asynccontextmanager
async def opened(request: pytest.FixtureRequest, name: str) -> AsyncIterator[Kind]:
    """A host of this kind with nothing of ours on it."""
    directory = Path(tempfile.mkdtemp(dir=request.getfixturevalue("place")))
    get = request.getfixturevalue
    if name == "lab":
        async with lab(directory) as in_lab:
            yield in_lab
    elif name == "vsphere":
        async with vsphere(get("centre"), get("ova")) as on_vsphere:
            yield on_vsphere
    elif name == "hyperv":
        async with hyperv(directory, get("vhdx")) as on_hyperv:
            yield on_hyperv
    else:
        async with libvirt(get("daemon"), directory) as on_libvirt:
            yield on_libvirt


def vhdx(place: Path) -> Path:
    """A VHDX of 8 MiB, nothing in it that boots, with enough octets to be cut on their way."""
    path = place / "image.vhdx"
    namespaces.run(None, "qemu-img", "create", "-q", "-f", "vhdx", str(path), "8M")
    return path


def renamed(machine: MachineSpec, owner_id: str) -> MachineSpec:
    """The same machine of another owner id."""
    return replace(machine, owner_id=owner_id, name=owner_id)
