"""An appliance without API and journal: documents become the kernel's state through the agent's own parts.

    python -m tests.kernel.bridged_appliance APPLIANCE RUN_DIRECTORY KEY_DIRECTORY

Reads a verb, and for `apply` a document in JSON, per line; answers each with a line of JSON.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from pathlib import Path
from typing import Any

from causeway_agent.app import configure_logs
from causeway_agent.backends.filter.nft import NftFirewall
from causeway_agent.backends.filter.tunnel_loads import KernelTunnelLoads
from causeway_agent.backends.host.clock import SystemClock
from causeway_agent.backends.kernel.rtnl import RtnlKernel
from causeway_agent.backends.processes import tunnel_servers
from causeway_agent.backends.processes.supervisor import Supervisor
from causeway_agent.backends.segment import neighbour_responder
from causeway_agent.backends.segment.neighbours import PacketNeighbours
from causeway_agent.engine import rounds
from causeway_agent.engine.loads import Loads
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.state import State
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.target import Facts, Target
from causeway_agent.plan.steer import describe, diff
from causeway_wire import codec
from causeway_wire.desired import Desired
from tests.fakes.connections import FakeConnections
from tests.fakes.dead_man import FakeDeadMan
from tests.fakes.publications import FakePublications
from tests.fakes.slots import FakeSlots
from tests.fakes.tunnel_devices import NO_MODULE, nothing_left


class Appliance:
    """Remembers what it was told last."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._target: Target | None = None
        self._state = State()

    async def obey(self, verb: str, argument: str) -> Any:
        match verb:
            case "apply":
                return await self._apply(codec.decode(argument.encode(), Desired))
            case "tunnels":
                return json.loads(codec.encode(self._machine.processes.tunnels()))
            case "slowed":
                return [each.mac for each in self._state.slowed]
            case "counters":
                return dict(await self._machine.firewall.counters())
            case _:
                return {"refused": f"unknown verb {verb}"}

    async def watch(self) -> None:
        """Keep tunnels' shares, until cancelled."""
        await rounds.keep(self._machine.clock, Loads(self._machine.loads, state=self._state))

    async def _apply(self, document: Desired) -> Any:
        machine = self._machine
        target = compile_document(document, await machine.facts())
        seen = [one for one in (self._target, target) if one is not None]
        known = self._target.policy if self._target is not None else None
        plan = diff.diff(await machine.observe(*seen), target, known)
        taken = await machine.neighbours.probe(plan.probes)
        if taken:
            return {"taken": {str(claim.address): mac for claim, mac in taken.items()}}
        errors = await machine.carry_out(plan.operations, keep_going=False)
        self._target = target
        left = diff.diff(await machine.observe(*seen), target, target.policy).operations
        return {
            "errors": [str(error) for error in errors],
            "left": [describe.describe(operation) for operation in left],
        }


async def run(appliance: str, run_directory: Path, key_directory: Path) -> None:
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    facts = Facts(
        appliance=appliance,
        devices={},
        vpn_uid=None,
        key_directory=str(key_directory),
        run_directory=str(run_directory),
    )
    async with RtnlKernel.open() as kernel, NftFirewall.open() as firewall:
        supervisor = Supervisor(
            run_directory=run_directory,
            key_directory=key_directory,
            user=None,
            clock=SystemClock(),
            nft=firewall,
            responder=neighbour_responder.respond,
            discard=nothing_left,
            no_offload=NO_MODULE,
        )
        async with supervisor:
            machine = Machine(
                kernel=kernel,
                firewall=firewall,
                publications=FakePublications(),
                processes=supervisor,
                neighbours=PacketNeighbours(),
                connections=FakeConnections(),
                loads=KernelTunnelLoads(
                    firewall, functools.partial(tunnel_servers.written, supervisor.servers)
                ),
                clock=SystemClock(),
                dead_man=FakeDeadMan(),
                slots=FakeSlots(),
                constants=facts,
            )
            obedient = Appliance(machine)
            watching = asyncio.create_task(obedient.watch())
            while line := await reader.readline():
                verb, _, argument = line.decode().strip().partition(" ")
                sys.stdout.write(json.dumps(await obedient.obey(verb, argument)) + "\n")
                sys.stdout.flush()
            watching.cancel()
            await supervisor.stop_all()


if __name__ == "__main__":
    configure_logs()
    asyncio.run(run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
