"""The machine that the gate boots: who it is, how it is reached, and who may command it.

The gate writes it down as `machine.json`; tests/image reads that. Everything is of loopback and thrown away.
"""

from __future__ import annotations

import json
import secrets
import socket
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

from causeway_controller.hypervisors import seed_image
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity, make_identity
from causeway_wire.desired import Management, Nic
from causeway_wire.seed import Enrolment, RoleName, Seed
from causeway_wire.types import Secret

APPLIANCE = "gate"
# QEMU's user network (-netdev user): the guest has .15, the host is .2
ADDRESS, HOST, NETWORK = "10.0.2.15", "10.0.2.2", "10.0.2.0/24"
PORT = 8443
MANAGEMENT_MAC, TRUNK_MAC = "52:54:00:ca:05:01", "52:54:00:ca:05:02"
RECORD = "machine.json"
_CONTROLLER = "gate-controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A machine under test."""

    directory: Path
    """Keys, seed, console log."""
    disk: Path
    """What it was copied from."""
    format: str
    """Of the disk: `qcow2` or `raw`."""
    token: str
    """It proves itself with, once."""
    api_port: int
    """Of loopback; leads to the agent's API."""
    trunk_host_port: int
    """UDP port of loopback at which frames of the second adapter arrive, one in a datagram."""
    trunk_machine_port: int
    """UDP port of loopback that takes frames for it."""

    @property
    def authority(self) -> pki.Authority:
        """Of its controller."""
        return pki.load_authority(self.directory)

    @property
    def identity(self) -> ControllerIdentity:
        """Its controller's."""
        return ControllerIdentity(
            certificate=self.directory / "controller.pem",
            key=self.directory / "controller.key",
            authority=self.authority.pem,
        )

    @property
    def management(self) -> Management:
        """Where it is managed."""
        return Management(
            nic="management", address=ip_address(ADDRESS), sources=(ip_network(NETWORK),), port=PORT
        )

    @property
    def nic(self) -> Nic:
        """Its first adapter."""
        return Nic(
            name="management",
            mac=MANAGEMENT_MAC,
            addresses=(ip_interface(f"{ADDRESS}/24"),),
            gateways=(ip_address(HOST),),
        )

    def save(self) -> None:
        """Write it down."""
        (self.directory / RECORD).write_text(json.dumps(asdict(self), default=str) + "\n")


def load(path: Path) -> Subject:
    """The subject that `save` wrote; raises OSError or ValueError."""
    found = json.loads(path.read_text())
    return Subject(**{**found, "directory": Path(found["directory"]), "disk": Path(found["disk"])})


def make(*, directory: Path, disk: Path) -> Subject:
    """A subject that has this directory, and its controller."""
    now = datetime.now(UTC)
    authority = pki.make_controller_authority(name="gate ca", now=now)
    authority.save(directory)
    make_identity(authority, _CONTROLLER, directory, authority=authority.pem, now=now)
    api, host, machine = free_ports(3)
    subject = Subject(
        directory=directory,
        disk=disk,
        format="qcow2" if disk.suffix == ".qcow2" else "raw",
        token=secrets.token_urlsafe(24),
        api_port=api,
        trunk_host_port=host,
        trunk_machine_port=machine,
    )
    subject.save()
    return subject


def seed_of(subject: Subject, key: str) -> bytes:
    """What it is given at its first boot."""
    return seed_image.encode(
        Seed(
            version=1,
            appliance=APPLIANCE,
            role=RoleName.PROVIDER,
            management=subject.management,
            nics=(subject.nic,),
            controller_ca=subject.authority.pem,
            enrolment=Enrolment(token=Secret(subject.token), expires=datetime.now(UTC) + timedelta(hours=1)),
            ssh_authorized_keys=(key.strip(),),
            time_servers=(ip_address(HOST),),
        )
    )


def free_ports(count: int) -> tuple[int, ...]:
    """Ports of loopback that were free for TCP and UDP just now."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            stream = stack.enter_context(socket.socket())
            stream.bind(("127.0.0.1", 0))
            port = int(stream.getsockname()[1])
            datagrams = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            try:
                datagrams.bind(("127.0.0.1", port))
            except OSError:  # taken for UDP
                continue
            found.append(port)
        return tuple(found)
