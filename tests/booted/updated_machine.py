"""An appliance in QEMU that is updated over its API, and update files made from the one that was built."""

from __future__ import annotations

import asyncio
import json
import lzma
import os
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

from causeway_controller.fleet import client, enrolment
from causeway_controller.lab import credentials
from causeway_controller.lab.credentials import Office
from causeway_wire import codec
from causeway_wire.desired import Desired, Management, Nic, ProviderRole
from causeway_wire.types import Secret
from causeway_wire.update import Manifest
from image import update
from tests import restarting
from tests.restarting import Machine

ROOT = Path(__file__).resolve().parents[2]
ME = "boot-test"
LOOPBACK = ip_address("127.0.0.1")
QUICKLY = (update.FILTERS[0], {"id": lzma.FILTER_LZMA2, "preset": 0})
"""Filters of an update file that is packed less, for the sake of time."""


def image() -> Path:
    named = os.environ.get("CAUSEWAY_IMAGE")
    built = sorted((ROOT / "dist").glob("causeway-*.qcow2"))
    assert named or built, "there is no image yet: make image"
    return Path(named) if named else built[-1]


@dataclass(frozen=True)
class Parts:
    """The update file that was built, taken apart."""

    directory: Path
    manifest: Manifest

    def remade(self, version: str, *commands: str) -> Path:
        """An update file whose root file system was changed by these commands of debugfs(8)."""
        root = self.directory / f"{version}.img"
        subprocess.run(["cp", "--sparse=always", self.directory / "root.img", root], check=True)
        for command in commands:
            subprocess.run(["debugfs", "-w", "-R", command, root], check=True, capture_output=True)
        system = update.System(
            version=version,
            commit=self.manifest.commit,
            options=self.manifest.options,
            linux=self.directory / "linux",
            initrd=self.directory / "initrd",
            root=root,
        )
        file = self.directory / f"causeway-{version}.update"
        update.pack(file, system=system, text=update.manifest(system), epoch=0, key=None)
        root.unlink()
        return file


def taken_apart(directory: Path) -> Parts:
    """The update file beside the image, its parts in this directory."""
    with tarfile.open(image().with_suffix(".update")) as whole:
        for name in ("manifest.json", "linux", "initrd", "root.xz"):
            packed_part = whole.extractfile(name)
            assert packed_part is not None
            with (directory / name).open("wb") as part:
                shutil.copyfileobj(packed_part, part)
    with lzma.open(directory / "root.xz") as packed, (directory / "root.img").open("wb") as root:
        while piece := packed.read(1 << 20):
            root.write(piece)
    return Parts(directory, codec.decode((directory / "manifest.json").read_bytes(), Manifest))


MANAGEMENT = Management(
    nic="management",
    address=ip_address(restarting.GUEST),
    sources=(ip_network(restarting.NETWORK),),
    port=restarting.API_PORT,
)
NIC = Nic(
    name="management",
    mac=restarting.MAC,
    addresses=(ip_interface(f"{restarting.GUEST}/24"),),
    gateways=(ip_address(restarting.HOST),),
)
DOCUMENT = Desired(
    appliance=ME,
    generation=7,
    epoch=1,
    management=MANAGEMENT,
    nics=(NIC,),
    role=ProviderRole(tenant="acme", uplink="management", networks=()),
)


@dataclass(frozen=True)
class Appliance:
    """The machine and the office of its controller."""

    there: Machine
    office: Office

    def run(self, command: str) -> str:
        """What this prints there, once SSH answers."""
        self.there.until(self.there.lets_in)
        words = [*self.there.login, command]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[client.AgentClient]:
        """Its API."""
        async with client.open_agent(
            appliance=ME, address=LOOPBACK, port=self.there.api_port, identity=self.office.identity
        ) as one:
            yield one


def settings(office: Office, token: Secret) -> bytes:
    """What its agent is given."""
    described = {
        "appliance": ME,
        "management": json.loads(codec.encode(MANAGEMENT)),
        "nics": [json.loads(codec.encode(NIC))],
        "controller_ca": office.authority.pem,
        "enrolment_token": token.reveal(),
    }
    return json.dumps(described).encode()


async def enrol(there: Machine, office: Office, token: Secret) -> None:
    """Give it its first certificate, once it is up."""
    await asyncio.to_thread(there.until, there.speaks_tls)
    await enrolment.enrol(
        appliance=ME,
        address=LOOPBACK,
        port=there.api_port,
        token=token,
        identity=office.identity,
        authority=office.authority,
        now=credentials.now(),
    )
