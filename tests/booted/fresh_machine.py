"""A machine fresh from the image beside a controller's place on one segment, watched from inside and outside.

Nobody can log in before there is a seed. What the machine is inside is told by a unit that is handed over as
a system credential (systemd.system-credentials(7), `systemd.extra-unit`): it prints a line on the console
every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from causeway_controller.fleet import enrolment
from causeway_controller.fleet.client import AgentClient, open_agent
from causeway_controller.hypervisors import seed_image
from causeway_controller.hypervisors.base import MachineSpec, NicSpec
from causeway_controller.trust.identity import make_office
from causeway_lab.assembly import credentials
from causeway_lab.qemu.command import Carrier
from causeway_lab.qemu.provider import QemuProvider
from causeway_lab.world import frames, namespaces
from causeway_lab.world.topology import Kind, Machine, Port
from causeway_wire.desired import Management, Nic
from causeway_wire.seed import Enrolment, RoleName, Seed
from causeway_wire.types import IPInterface, Secret

ROOT = Path(__file__).resolve().parents[2]
SEGMENT, CONTROLLER, OWNER = "management", "office", "fresh"
MAC, FOREIGN_MAC = "02:ca:05:66:00:01", "02:ca:05:66:00:02"
ADDRESS, OTHER = ipaddress.ip_interface("192.0.2.10/24"), ipaddress.ip_interface("192.0.2.77/24")
CONTROLLER_PORT = Port(
    segment=SEGMENT, mac="02:ca:05:66:00:99", addresses=(ipaddress.ip_interface("192.0.2.1/24"),)
)
APPLIANCE, PORT = "acme-provider", 8443
BOOT_SECONDS = 900.0
"""From power on; a busy host emulates slowly."""
PATIENCE = 8.0
"""How many times longer than usual answers are waited for."""
_POLL, _NEWS_SECONDS = 0.5, 15.0
_LINES = 40

T = TypeVar("T")

# Little is run and rarely: an emulated machine has better to do.
_LOOK = r"""
try() {
  if ip link add cwtry "$@"; then ip link delete cwtry; echo yes; else echo no; fi 2>/dev/null
}
listed() {
  for module; do modprobe --dry-run "$module" 2>/dev/null && echo yes && return; done
  echo no
}
ip link add cwbase type dummy
can="wireguard=$(try type wireguard) vrf=$(try type vrf table 4711)"
can="$can vlan_8021q=$(try link cwbase type vlan id 7) openvpn_dco=$(listed ovpn)"
ip link delete cwbase
while :; do
  addresses=$(ip -oneline address show scope global)
  up=$(ip -brief link show up)
  sockets=$(ss -Hltun)
  token=no
  grep -q 'enrolment_token":"' /etc/causeway/agent.json && token=yes
  printf '\nINSIDE addresses=[%s] up=[%s] sockets=[%s] token=%s can=[%s] END\n' \
    "$addresses" "$up" "$sockets" "$token" "$can" >/dev/ttyS0
  sleep 8
done 2>/dev/null
"""
_UNIT = """[Unit]
DefaultDependencies=no
After=local-fs.target systemd-modules-load.service
[Service]
Nice=10
ExecStart=/bin/sh -c {}
"""
_INSIDE = re.compile(
    r"INSIDE addresses=\[(.*?)\] up=\[(.*?)\] sockets=\[(.*?)\] token=(yes|no) can=\[(.*?)\] END"
)
_LOOPBACK = re.compile(r"^lo \S+ \S+ <\S+> ?")


def image() -> Path:
    """The newest image in `dist`, or the one that CAUSEWAY_IMAGE names. Without one tests fail."""
    named = os.environ.get("CAUSEWAY_IMAGE")
    built = sorted((ROOT / "dist").glob("causeway-*.qcow2"))
    assert named or built, "there is no image yet: make image"
    return Path(named) if named else built[-1]


def news(text: str) -> None:
    """For whoever waits; the tier's output is not captured."""
    sys.stdout.write(text)
    sys.stdout.flush()


def watcher() -> dict[str, bytes]:
    """The unit that looks inside, and what has it started."""
    # As systemd reads a quoted word (systemd.service(5), COMMAND LINES).
    quoted = _LOOK
    for special, written in (("\\", "\\\\"), ('"', '\\"'), ("$", "$$"), ("%", "%%"), ("\n", "\\n")):
        quoted = quoted.replace(special, written)
    return {
        "systemd.extra-unit.inside.service": _UNIT.format(f'"{quoted}"').encode(),
        "systemd.unit-dropin.sysinit.target": b"[Unit]\nWants=inside.service\n",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What the machine is, as its own kernel says."""

    addresses: str
    """Beyond the host itself, one after the other."""
    up: str
    """Adapters that are up, loopback aside."""
    sockets: str
    """Listening, TCP and UDP."""
    token: bool
    """Whether the token is still on its disk."""
    can: Mapping[str, bool]
    """Whether its kernel makes such devices or has such a module, when it is asked to; by capability."""

    @property
    def closed(self) -> bool:
        """Whether it has no network at all: neither address nor adapter nor listener."""
        return not (self.addresses.strip() or self.up.strip() or self.sockets.strip())


class Fresh:
    """The machine, and who deploys it."""

    def __init__(self, directory: Path, *, carrier: Carrier = Carrier.DISC) -> None:
        self.office = make_office(CONTROLLER, directory / "offices", now=credentials.now())
        self.provider = QemuProvider(
            image=image(),
            segments=(SEGMENT,),
            directory=directory / "machines",
            carrier=carrier,
            credentials=watcher(),
        )

    def seed(self, *, token: str, address: IPInterface = ADDRESS, mac: str = MAC) -> bytes:
        """A seed as a controller makes it, for this machine unless told otherwise."""
        nic = Nic(name="management", mac=mac, addresses=(address,), gateways=())
        office = (ipaddress.ip_network(CONTROLLER_PORT.addresses[0].ip),)
        return seed_image.encode(
            Seed(
                version=1,
                appliance=APPLIANCE,
                role=RoleName.PROVIDER,
                management=Management(nic="management", address=address.ip, sources=office, port=PORT),
                nics=(nic,),
                controller_ca=self.office.authority.pem,
                enrolment=Enrolment(token=Secret(token), expires=credentials.now() + timedelta(hours=1)),
            )
        )

    async def deploy(self, data: bytes) -> None:
        """The machine, powered off; without a seed when there is no data."""
        nic = NicSpec(mac=MAC, segment=SEGMENT)
        spec = MachineSpec(owner_id=OWNER, name=OWNER, nics=(nic,), seed=data)
        await self.provider.deploy(spec, lambda _phrase, _fraction: None)

    async def power(self, *, on: bool) -> None:
        """Power on, or cut it."""
        await self.provider.power(OWNER, on=on, grace=0.0)

    async def insert(self, data: bytes) -> int:
        """Another disc into the drive; where the console is then."""
        where = self.mark()
        await self.provider.insert(OWNER, data)
        return where

    def mark(self) -> int:
        """How much the console has said so far."""
        console = self.provider.console(OWNER)
        return console.stat().st_size if console.exists() else 0

    async def says(self, sentence: str, *, since: int = 0) -> str:
        """What the console said once it has said this; line breaks are spaces."""

        async def found() -> str | None:
            text = self._said(since)
            return text if sentence in text else None

        return await self._until(f"says: {sentence}", found)

    async def inside(self) -> Inside:
        """What it is inside, from now on: the second line of the watcher after this."""
        mark = self.mark()

        async def found() -> Inside | None:
            lines = _INSIDE.findall(self._said(mark))
            if len(lines) < 2:  # the first may have been on its way already
                return None
            addresses, up, sockets, token, can = lines[-1]
            return Inside(
                addresses=addresses,
                up=_LOOPBACK.sub("", up),
                sockets=sockets,
                token=token == "yes",
                can={name: value == "yes" for name, value in (each.split("=") for each in can.split())},
            )

        return await self._until("tells what it is inside", found)

    async def answers(self, port: int, address: IPInterface = ADDRESS) -> bool:
        """Whether a TCP connection from the controller's place can be opened."""
        with namespaces.open_socket(CONTROLLER, socket.AF_INET, socket.SOCK_STREAM) as knock:
            try:
                async with asyncio.timeout(PATIENCE):
                    await asyncio.get_running_loop().sock_connect(knock, (str(address.ip), port))
            except OSError:
                return False
            return True

    async def ready(self) -> None:
        """Wait until its agent can be connected to."""

        async def found() -> bool | None:
            return await self.answers(PORT) or None

        await self._until("listens", found)

    async def enrol(self, token: str) -> None:
        """Give it its first certificate. Raises EnrolmentRefused or AgentUnreachable."""
        await enrolment.enrol(
            appliance=APPLIANCE,
            address=ADDRESS.ip,
            port=PORT,
            token=Secret(token),
            identity=self.office.identity,
            authority=self.office.authority,
            now=credentials.now(),
            socket_factory=namespaces.socket_in(CONTROLLER),
            patience=PATIENCE,
        )

    def agent(self) -> AgentClient:
        """The client of the enrolled agent."""
        return open_agent(
            appliance=APPLIANCE,
            address=ADDRESS.ip,
            port=PORT,
            identity=self.office.identity,
            socket_factory=namespaces.socket_in(CONTROLLER),
            patience=PATIENCE,
        )

    def _said(self, since: int) -> str:
        said = self.provider.console(OWNER).read_bytes()[since:] if self.mark() else b""
        return " ".join(said.decode(errors="replace").split())

    async def _until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look until there is something; fails when it goes off, or after BOOT_SECONDS."""
        began = told = time.monotonic()
        while (seen := await look()) is None:
            now = time.monotonic()
            machine = await self.provider.find(OWNER)
            end = self.provider.last_words(OWNER, lines=_LINES)
            assert machine is not None, "it is gone"
            assert machine.powered_on, f"it went off before it {what}; {end}"
            assert now - began < BOOT_SECONDS, f"it never {what}; {end}"
            if now - told >= _NEWS_SECONDS:
                news(f"  .. {now - began:.0f} s until it {what}; {end.splitlines()[-1]}\n")
                told = now
            await asyncio.sleep(_POLL)
        return seen


@contextlib.contextmanager
def wired() -> Iterator[None]:
    """The segment and the controller's place on it."""
    place = Machine(name=CONTROLLER, kind=Kind.CONTROLLER, ports=(CONTROLLER_PORT,))
    namespaces.create_fabric((SEGMENT,))
    namespaces.create([place], (SEGMENT,))
    namespaces.plug(place)
    namespaces.configure(place)
    try:
        yield
    finally:
        namespaces.destroy(place)
        namespaces.run(None, "ip", "netns", "delete", namespaces.FABRIC)


def sent(wire: socket.socket) -> int:
    """Frames that came out of the machine since the wire was listened to, or asked about."""
    return sum(not frame.leaving for frame in frames.heard(wire))


def cable() -> contextlib.AbstractContextManager[socket.socket]:
    """The machine's cable, once it has been powered on."""
    return frames.listening(namespaces.FABRIC, namespaces.outlet(MAC))
