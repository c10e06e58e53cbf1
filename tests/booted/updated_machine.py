"""An appliance in QEMU that is updated over its API."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

from causeway_controller.fleet import client, enrolment
from causeway_controller.trust.identity import Office
from causeway_lab.assembly import credentials
from causeway_wire import codec
from causeway_wire.desired import Desired, Management, Nic, ProviderRole
from causeway_wire.types import Secret
from tests import restarting
from tests.restarting import Machine

ROOT = Path(__file__).resolve().parents[2]
ME = "boot-test"
LOOPBACK = ip_address("127.0.0.1")
PATIENCE = 12.0
"""How many times longer than usual to wait for an answer: it is emulated, and not alone."""


def image() -> Path:
    named = os.environ.get("CAUSEWAY_IMAGE")
    built = sorted((ROOT / "dist").glob("causeway-*.qcow2"))
    assert named or built, "there is no image yet: make image"
    return Path(named) if named else built[-1]


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
            appliance=ME,
            address=LOOPBACK,
            port=self.there.api_port,
            identity=self.office.identity,
            patience=PATIENCE,
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
        patience=PATIENCE,
    )
