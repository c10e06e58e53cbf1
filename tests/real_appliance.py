"""A provider appliance with a real agent in a namespace of its own, and its controller beside it.

Runs inside a sandbox (`causeway_lab.sandbox`) only. The controller's end of the appliance's uplink
is in the sandbox's own namespace; the other ends of its VLANs are there too, with nobody on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import msgspec

from causeway_controller.errors import AgentUnreachable
from causeway_controller.fleet import client, enrolment
from causeway_controller.trust import pki, tls_crypt
from causeway_controller.trust.identity import ControllerIdentity, make_identity
from causeway_wire import codec
from causeway_wire.desired import (
    Desired,
    Failover,
    Idle,
    InnerAddresses,
    Management,
    Nic,
    ProviderNetwork,
    ProviderRole,
    TunnelServer,
)
from causeway_wire.identity import Purpose
from causeway_wire.problem import ProblemError
from causeway_wire.types import IPAddress, Secret

START_SECONDS = 60.0
"""Beside many others an agent has taken longer than 30 to listen."""
NETWORKS = 2
PUBLIC = tuple(ip_address(f"203.0.113.{n}") for n in (10, 11))
PORT = 8443


def run(*arguments: str) -> str:
    """The output of a program that must succeed."""
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True, slots=True)
class Vpn:
    """What the tunnel's end on this appliance shows and believes."""

    certificate: str
    ca: str
    tls_crypt: Secret


@dataclass
class Appliance:
    """One appliance; `number` keeps several apart. `up` wires and enrols it, `down` removes it."""

    number: int
    directory: Path
    process: subprocess.Popen[bytes] | None = None
    vpn: Vpn | None = None
    identity: ControllerIdentity | None = None
    """Of the controller that enrolled it."""

    def __post_init__(self) -> None:
        self.id = f"appliance-{self.number}"
        self.space = f"cwa{self.number}"
        self.address = ip_address(f"10.{100 + self.number}.0.2")
        self.controller = ip_address(f"10.{100 + self.number}.0.1")
        self.place = self.directory / self.space
        self.settings = self.place / "agent.json"

    def mac(self, port: int) -> str:
        return f"02:00:00:00:{self.number:02x}:{port:02x}"

    async def up(self) -> None:
        """Wired, the agent started and enrolled, its VPN key certified."""
        self._wire()
        token = Secret(secrets.token_urlsafe(24))
        authority = pki.make_controller_authority(name="controllers", now=_now())
        self.identity = identity = self._office(authority)
        self._write_settings(authority.pem, token)
        self.start()
        await self.listening()
        await enrolment.enrol(
            appliance=self.id,
            address=self.address,
            port=PORT,
            token=token,
            identity=identity,
            authority=authority,
            now=_now(),
        )
        vpn = pki.make_vpn_authority("acme", now=_now())
        async with self.open() as agent:
            certificate = await enrolment.request_certificate(
                agent,
                key="vpn",
                purpose=Purpose.VPN_SERVER,
                common_name="acme-provider",
                authority=vpn,
                now=_now(),
            )
        self.vpn = Vpn(certificate, vpn.pem, tls_crypt.make_server_key())

    def down(self, *, keep: bool = False) -> None:
        """Everything in the namespace ended, and the namespace gone; with `keep` not its directory."""
        for pid in run("ip", "netns", "pids", self.space).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        for port in range(NETWORKS + 1):
            # With its namespace it would go too, but some time later.
            run("ip", "link", "del", f"{self.space}p{port}")
        run("ip", "netns", "del", self.space)
        if not keep:
            shutil.rmtree(self.place, ignore_errors=True)

    def start(self) -> None:
        """Start the agent's process."""
        command = (sys.executable, "-m", "causeway_agent", "--settings", str(self.settings), "run")
        with (self.place / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.space, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """The agent's process, and nothing else, is gone from one moment to the next."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def open(self, address: IPAddress | None = None) -> client.AgentClient:
        """A client with connections of its own."""
        assert self.identity is not None
        return client.open_agent(
            appliance=self.id, address=address or self.address, port=PORT, identity=self.identity
        )

    async def listening(self, address: IPAddress | None = None) -> None:
        """Return once something accepts connections at the management address."""
        async with asyncio.timeout(START_SECONDS):
            while not self.knock(address):
                assert self.process is not None
                assert self.process.poll() is None, self.log()
                await asyncio.sleep(0.02)

    async def ready(self) -> None:
        """Return once the agent says that the appliance conforms."""
        await self.listening()
        async with asyncio.timeout(START_SECONDS), self.open() as agent:
            while True:
                with contextlib.suppress(AgentUnreachable, ProblemError):
                    if (await agent.ready()).healthy:
                        return
                await asyncio.sleep(0.02)

    def knock(self, address: IPAddress | None = None) -> bool:
        """Whether the management port accepts a connection now."""
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((str(address or self.address), PORT)) == 0

    def lets_in(self) -> bool:
        """Whether packets from the controller to the management port are let in, listener or not: a closed
        filter answers with silence, the kernel without a listener with a reset.
        """
        with socket.socket() as probe:
            probe.settimeout(2.0)
            try:
                probe.connect((str(self.address), PORT))
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
            return True

    def log(self) -> str:
        """What the agent said last."""
        lines = (self.place / "agent.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-30:])

    def inside(self, *arguments: str) -> str:
        """The output of a program in the appliance's namespace."""
        return run("ip", "netns", "exec", self.space, *arguments)

    def management(self, *extra: str) -> Management:
        """The door for this appliance's controller, and for these prefixes."""
        sources = (f"10.{100 + self.number}.0.0/24", *extra)
        return Management(
            nic="uplink", address=self.address, port=PORT, sources=tuple(map(ip_network, sources))
        )

    def nics(self, *, vlan_host: int = 5) -> tuple[Nic, ...]:
        """The uplink, and an adapter for each network with this host number."""
        uplink = Nic(
            name="uplink",
            mac=self.mac(0),
            addresses=(ip_interface(f"{self.address}/24"),),
            gateways=(self.controller,),
        )
        vlans = (
            Nic(
                name=f"vlan-{n}",
                mac=self.mac(n + 1),
                addresses=(
                    ip_interface(f"192.168.{n}.{vlan_host}/24"),
                    ip_interface(f"2001:db8:{n}::{vlan_host}/64"),
                ),
            )
            for n in range(NETWORKS)
        )
        return (uplink, *vlans)

    def document(
        self,
        generation: int,
        failover: Failover | None = None,
        *,
        tunnel: bool = True,
        vlan_host: int = 5,
        door: Management | None = None,
    ) -> Desired:
        """A document for this appliance; with `tunnel`, network 0 is extended."""
        networks = tuple(
            ProviderNetwork(
                id=f"net-{n}",
                nic=f"vlan-{n}",
                prefixes=(ip_network(f"192.168.{n}.0/24"), ip_network(f"2001:db8:{n}::/64")),
                gateways=(ip_address(f"192.168.{n}.1"), ip_address(f"2001:db8:{n}::1")),
                tunnel=self._tunnel() if tunnel and n == 0 else None,
            )
            for n in range(NETWORKS)
        )
        return Desired(
            appliance=self.id,
            generation=generation,
            epoch=1,
            management=door or self.management(),
            nics=self.nics(vlan_host=vlan_host),
            role=ProviderRole(
                tenant="acme",
                uplink="uplink",
                networks=networks,
                failover=failover or Idle(),
                public_addresses=PUBLIC,
            ),
        )

    def moved(self, address: IPAddress, *, sources: tuple[str, ...]) -> Desired:
        """Document 2: idle, the appliance managed at another address by others."""
        here = self.document(2, tunnel=False)
        uplink = msgspec.structs.replace(here.nics[0], addresses=(ip_interface(f"{address}/24"),))
        door = Management(nic="uplink", address=address, port=PORT, sources=tuple(map(ip_network, sources)))
        return msgspec.structs.replace(here, nics=(uplink, *here.nics[1:]), management=door)

    def _tunnel(self) -> TunnelServer:
        assert self.vpn is not None
        return TunnelServer(
            id="acme-0",
            inner=(InnerAddresses(local=ip_address("100.64.0.1"), peer=ip_address("100.64.0.2")),),
            listen=self.address,
            port=1195,
            key="vpn",
            certificate=self.vpn.certificate,
            ca=self.vpn.ca,
            peer_name="acme-tenant-0",
            tls_crypt=self.vpn.tls_crypt,
        )

    def _wire(self) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        run("ip", "netns", "add", self.space)
        run("ip", "-n", self.space, "link", "set", "lo", "up")
        for port in range(NETWORKS + 1):
            here = f"{self.space}p{port}"
            peer = ("peer", "name", f"eth{port}", "netns", self.space, "address", self.mac(port))
            run("ip", "link", "add", here, "type", "veth", *peer)
            run("ip", "link", "set", here, "up")
        run("ip", "addr", "add", f"{self.controller}/24", "dev", f"{self.space}p0")

    def _office(self, authority: pki.Authority) -> ControllerIdentity:
        return make_identity(authority, "controller", self.place, authority=authority.pem, now=_now())

    def _write_settings(self, authority: str, token: Secret) -> None:
        settings = {
            "appliance": self.id,
            "management": self.management(),
            "nics": self.nics()[:1],
            "controller_ca": authority,
            "enrolment_token": token,
            "state_directory": str(self.place / "state"),
            "run_directory": str(self.place / "run"),
        }
        self.settings.write_bytes(codec.encode(settings))


@contextlib.asynccontextmanager
async def enforcing(directory: Path, failover: Failover) -> AsyncIterator[Appliance]:
    """An enrolled appliance that holds itself to this failover."""
    made = Appliance(1, directory)
    await made.up()
    try:
        async with made.open() as agent:
            await agent.apply(made.document(2, failover), escalate=True, timeout=60)
        yield made
    finally:
        made.down()


def _now() -> datetime:
    return datetime.now(UTC)
