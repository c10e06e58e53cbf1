"""Machines as network namespaces with real processes in them: a hypervisor that fits on a laptop.

Works inside a sandbox only (`causeway_lab.sandbox`). Powering an appliance on starts the real
agent in the machine's namespace; powering it off kills every process in there and removes the namespace, so
that a later start finds an empty kernel, as after a real power cut. What survives is its state directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from causeway_controller import files
from causeway_controller.contract.hosts import VmNic
from causeway_controller.hypervisors.base import FoundVm, HypervisorError, Machine, MachineSpec, Progress
from causeway_lab.world import namespaces, topology
from causeway_lab.world.namespaces import WiringError
from causeway_wire import seed
from causeway_wire.types import VlanId

VPN_USER = "nobody"
"""Whom OpenVPN and HAProxy run as; the user of the image is not known here."""
_PROGRAMS = ("openvpn", "haproxy", "nft", "ip", "nsenter")
_LISTEN_DEADLINE = 60.0
_POLL = 0.02
_LOG_LINES = 12
_KILL_DEADLINE = 5.0


PortGroups = Mapping[tuple[str, VlanId], str]
"""Segments by virtual switch and VLAN."""
_NONE: PortGroups = MappingProxyType({})


def port_group(groups: PortGroups, switch: str, vlan: VlanId) -> str:
    """The segment of a VLAN. Raises HypervisorError: the lab's VLANs were wired with its tenants."""
    try:
        return groups[switch, vlan]
    except KeyError:
        there = ", ".join(f"{one} on {name}" for name, one in sorted(groups)) or "none"
        raise HypervisorError(f"the lab has no VLAN {vlan} on switch {switch}; there is {there}") from None


@dataclass(slots=True)
class _Appliance:
    """What the provider remembers of a machine."""

    spec: MachineSpec
    wiring: topology.Machine
    directory: Path
    process: asyncio.subprocess.Process | None = None
    log: Path = field(init=False)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Several controllers may power it at once; one after another they do."""

    def __post_init__(self) -> None:
        self.log = self.directory / "agent.log"

    @property
    def machine(self) -> Machine:
        running = self.process is not None and self.process.returncode is None
        return Machine(owner_id=self.spec.owner_id, name=self.spec.name, powered_on=running)


class LabProvider:
    """`hypervisors.base.Provider` on namespaces. `segments` are the bridges that `create_fabric` made."""

    def __init__(
        self,
        *,
        segments: Sequence[str],
        directory: Path,
        agent_python: Path = Path(sys.executable),
        port_groups: PortGroups = _NONE,
    ) -> None:
        """Agents are run by `agent_python`, in whose environment they are installed."""
        self._port_groups = port_groups
        self._agent_python = agent_python
        self._segments = tuple(segments)
        self._directory = directory
        self._appliances: dict[str, _Appliance] = {}

    async def segment(self, switch: str, vlan: int) -> str:
        """The segment of this VLAN; raises HypervisorError where nobody wired one."""
        return port_group(self._port_groups, switch, vlan)

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """Reasons why this machine cannot be deployed here; empty when it can."""
        reasons = [
            f"there is no segment {nic.segment}" for nic in spec.nics if nic.segment not in self._segments
        ]
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            reasons.append(
                "/dev/net/tun cannot be opened; load the tun module, and allow this user to open it"
            )
        missing = [program for program in _PROGRAMS if shutil.which(program) is None]
        reasons.extend(f"the program {program} is not installed" for program in missing)
        return reasons

    def listed(self) -> Sequence[FoundVm]:
        """All its appliances."""
        return tuple(
            FoundVm(
                id=owner_id,
                name=one.spec.name,
                powered_on=one.machine.powered_on,
                nics=tuple(VmNic(mac=nic.mac, network=nic.segment) for nic in one.spec.nics),
                owner_id=owner_id,
            )
            for owner_id, one in self._appliances.items()
        )

    async def find(self, owner_id: str) -> Machine | None:
        """The machine with this owner id."""
        appliance = self._appliances.get(owner_id)
        return None if appliance is None else appliance.machine

    async def deploy(self, spec: MachineSpec, progress: Progress) -> Machine:
        """Wire the machine, powered off."""
        if (known := self._appliances.get(spec.owner_id)) is not None:
            return known.machine
        if reasons := await self.preflight(spec):
            raise HypervisorError(f"cannot deploy {spec.name}: {'; '.join(reasons)}")
        progress("wiring", 0.0)
        wiring = topology.Machine(
            name=spec.name,
            kind=topology.Kind.APPLIANCE,
            ports=tuple(topology.Port(segment=nic.segment, mac=nic.mac) for nic in spec.nics),
        )
        directory = self._directory / spec.name
        appliance = _Appliance(spec=spec, wiring=wiring, directory=directory)
        _wire(appliance, self._segments)
        self._appliances[spec.owner_id] = appliance
        progress("deployed", 1.0)
        return appliance.machine

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        """Power on: the agent runs and its API listens. Off: everything in the namespace is gone."""
        appliance = self._known(owner_id)
        async with appliance.turn:
            if self._known(owner_id) is not appliance:
                raise HypervisorError(f"{owner_id} was deployed anew; repeat it")
            if appliance.machine.powered_on == on:
                return
            if on:
                await self._start(appliance)
            else:
                await self._stop(appliance, grace=grace)

    async def destroy(self, owner_id: str) -> None:
        """Power off and remove, its state directory too."""
        appliance = self._appliances.get(owner_id)
        if appliance is None:
            return
        async with appliance.turn:
            if self._appliances.get(owner_id) is not appliance:
                return
            await self._stop(appliance, grace=0.0)
            await asyncio.to_thread(shutil.rmtree, appliance.directory, ignore_errors=True)
            # Last, for a removal that fails before is repeated.
            namespaces.destroy(appliance.wiring)
            del self._appliances[owner_id]

    def agent_pid(self, owner_id: str) -> int | None:
        """Process id of the machine's agent, while it runs."""
        appliance = self._known(owner_id)
        return appliance.process.pid if appliance.process and appliance.machine.powered_on else None

    def log(self, owner_id: str) -> Path:
        """The file that the agent's output goes to."""
        return self._known(owner_id).log

    def _known(self, owner_id: str) -> _Appliance:
        try:
            return self._appliances[owner_id]
        except KeyError:
            raise HypervisorError(f"there is no machine {owner_id}; deploy it first") from None

    async def _start(self, appliance: _Appliance) -> None:
        try:
            command = (str(self._agent_python), *_prepare(appliance))
        except OSError as error:
            raise HypervisorError(f"cannot start {appliance.spec.name}: {error}") from error
        namespaces.plug(appliance.wiring)
        with appliance.log.open("ab") as log:
            appliance.process = await asyncio.create_subprocess_exec(
                *namespaces.within(appliance.spec.name, *command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "CREDENTIALS_DIRECTORY": str(appliance.directory / "credentials")},
            )
        try:
            async with asyncio.timeout(_LISTEN_DEADLINE):
                await self._listening(appliance)
        except TimeoutError as error:
            await self._stop(appliance, grace=0.0)
            raise HypervisorError(_last_words(appliance, "does not listen")) from error

    async def _listening(self, appliance: _Appliance) -> None:
        """Returns once the agent's port accepts connections; its table is proc_net_tcp(5), 0A is LISTEN."""
        port = json.loads(appliance.spec.seed)["management"]["port"]
        listening = re.compile(rf":{port:04X} 0+:0000 0A ")
        process = appliance.process
        while process is not None and process.returncode is None:
            if any(listening.search(table) for table in _tcp_tables(process.pid)):
                return
            await asyncio.sleep(_POLL)
        raise HypervisorError(_last_words(appliance, "ended"))

    async def _stop(self, appliance: _Appliance, *, grace: float) -> None:
        """Ask the agent to end, then kill all that is left, and give the machine an empty kernel."""
        process = appliance.process
        if process is not None and process.returncode is None and grace > 0:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), grace)
        await kill_all(appliance.spec.name)
        if process is not None:
            await asyncio.wait_for(process.wait(), _KILL_DEADLINE)
            appliance.process = None
            namespaces.destroy(appliance.wiring)
            _wire(appliance, self._segments)


async def kill_all(name: str) -> None:
    """SIGKILL every process in the namespace, and wait until none is left."""
    async with asyncio.timeout(_KILL_DEADLINE):
        while pids := [int(pid) for pid in namespaces.run(None, "ip", "netns", "pids", name).split()]:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(_POLL)


def _tcp_tables(pid: int) -> tuple[str, ...]:
    """The TCP sockets of the process's namespace; nothing once it has ended."""
    try:
        return tuple(Path(f"/proc/{pid}/net/{name}").read_text(encoding="ascii") for name in ("tcp", "tcp6"))
    except OSError:
        return ()


def _wire(appliance: _Appliance, segments: Sequence[str]) -> None:
    try:
        namespaces.create([appliance.wiring], segments)
    except WiringError as error:
        raise HypervisorError(f"cannot wire {appliance.spec.name}: {error}") from error


def _last_words(appliance: _Appliance, what: str) -> str:
    """What happened to the agent, with the end of its log."""
    lines = appliance.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"the agent of {appliance.spec.name} {what}; its log:", *lines[-_LOG_LINES:]])


def _prepare(appliance: _Appliance) -> tuple[str, ...]:
    """Hand over the seed as systemd would; the arguments of Python for the appliance's first boot and agent.

    Credentials are the one carrier here: a disk of the host is no disk of this machine.
    """
    state, run, credentials = (appliance.directory / name for name in ("state", "run", "credentials"))
    for directory in (state, run, credentials):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    files.write(credentials / seed.CREDENTIAL, appliance.spec.seed, mode=files.PRIVATE)
    return (
        *("-m", "causeway_agent.start", "--settings", str(appliance.directory / "agent.json")),
        *("first-boot", "--run", "--carrier", "credential", "--vpn-user", VPN_USER),
        *("--state-directory", str(state), "--run-directory", str(run)),
    )
