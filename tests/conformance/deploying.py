"""A controller of its own process, which deploys and may be killed: `python -m tests.conformance.deploying`.

It is told by its standard input what to do.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from causeway_controller.contract.provider import Host, HostKind
from causeway_controller.hypervisors import hosts
from causeway_controller.hypervisors.base import MachineSpec, NicSpec, Provider, unwatched
from causeway_controller.hypervisors.hyperv import opening as hyperv_opening
from causeway_wire.types import Secret


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """A machine to deploy: its owner id, MAC and segment of each vNIC, its seed."""

    owner_id: str
    nics: tuple[tuple[str, str], ...]
    seed: bytes

    @classmethod
    def of(cls, spec: MachineSpec) -> Deployed:
        """The same as a message."""
        nics = tuple((nic.mac, nic.segment) for nic in spec.nics)
        return cls(owner_id=spec.owner_id, nics=nics, seed=spec.seed)

    def spec(self) -> MachineSpec:
        """The same as providers want it."""
        nics = tuple(NicSpec(mac=mac, segment=segment) for mac, segment in self.nics)
        return MachineSpec(owner_id=self.owner_id, name=self.owner_id, nics=nics, seed=self.seed)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be deployed where."""

    host: Host
    login: str | None
    image: str
    """The appliance's qcow2, beside which its OVA and VHDX are."""
    smb: int = 0
    """The port of a Hyper-V host's files."""
    machine: Deployed
    counts: tuple[int, ...] = ()
    """Of the benchmark: so many, one after the other; all are removed before the next."""

    def provider(self) -> Provider:
        """What commands the host."""
        login = None if self.login is None else Secret(self.login)
        if self.host.kind is HostKind.HYPERV:
            # The inventory says no port of SMB: on Windows it is always the same.
            return hyperv_opening.open_host(self.host, login, Path(self.image), smb=self.smb)
        return hosts.provider(self.host, login, image=Path(self.image))


async def main(asked: Work) -> None:
    """Deploy, and then wait for the end."""
    await asked.provider().deploy(asked.machine.spec(), unwatched)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.stdin.buffer.read(), type=Work)))
