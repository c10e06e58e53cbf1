"""A seed as a controller makes it, and a machine to boot with it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from causeway_agent.first_boot.carriers import Found
from causeway_agent.first_boot.importer import Importer, Place
from causeway_agent.plan.model.target import Facts
from causeway_controller.trust import pki
from causeway_wire import codec
from causeway_wire.desired import Management, Nic
from causeway_wire.seed import Enrolment, RoleName, Seed
from causeway_wire.types import Secret
from tests.fakes.fuse import Fuse
from tests.fakes.storage import FakeStorage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
APPLIANCE = "acme-provider"
MAC = "02:00:00:00:00:01"
TOKEN = "token-of-the-first-seed-0001"
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq0 engineer"
SETTINGS = "agent.json"


@functools.cache
def authority() -> str:
    """A controller's authority, PEM."""
    return pki.make_controller_authority(name="controllers", now=NOW).pem


def seed(*, appliance: str = APPLIANCE, token: str = TOKEN, address: str = "192.0.2.10") -> Seed:
    """A good seed."""
    return Seed(
        version=1,
        appliance=appliance,
        role=RoleName.PROVIDER,
        management=Management(
            nic="management", address=ip_address(address), sources=(ip_network("192.0.2.0/24"),)
        ),
        nics=(
            Nic(
                name="management",
                mac=MAC,
                addresses=(ip_interface(f"{address}/24"),),
                gateways=(ip_address("192.0.2.1"),),
            ),
        ),
        controller_ca=authority(),
        enrolment=Enrolment(token=Secret(token), expires=NOW + timedelta(hours=1)),
        ssh_authorized_keys=(SSH_KEY,),
        time_servers=(ip_address("192.0.2.123"),),
    )


def spoilt(spoil: Callable[[dict[str, Any]], object]) -> bytes:
    """The text of a seed that something was done to."""
    document = json.loads(codec.encode(seed()))
    spoil(document)
    return json.dumps(document).encode()


def found(data: bytes | Seed, where: str = "a test") -> Found:
    """A seed found on a carrier."""
    return Found(where=where, data=data if isinstance(data, bytes) else codec.encode(data))


class Box:
    """A machine: two directories on one disk, an adapter, a clock."""

    def __init__(self) -> None:
        self.fuse = Fuse()
        self.state = FakeStorage(self.fuse)
        self.etc = FakeStorage(self.fuse)
        self.devices = {MAC: "eth0"}
        self.now = NOW
        self.run_directory = "/nowhere"

    @property
    def importer(self) -> Importer:
        """First boot's hands on it."""
        return Importer(
            state=self.state,
            etc=self.etc,
            settings=SETTINGS,
            place=Place(
                state_directory="/var/lib/causeway", run_directory=self.run_directory, vpn_user="causeway-vpn"
            ),
            facts=lambda: Facts(
                appliance="", devices=self.devices, vpn_uid=None, key_directory="", run_directory=""
            ),
            now=lambda: self.now,
        )

    @property
    def files(self) -> dict[str, bytes]:
        """All that is on the disk."""
        return {**self.state.files, **self.etc.files}
