"""A real agent without its API, in the namespace that it is started in: a document, and what it observes.

    python -m tests.booted.carried_agent SETTINGS DOCUMENT OBSERVED

Runs in a booted appliance: nothing but the agent and what is there for it may be imported. Writes the change
and what the agent observes, each second, to OBSERVED, and takes the document when it has become another one.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from causeway_agent import app, settings
from causeway_agent.backends.filter import nft
from causeway_agent.backends.host import capabilities
from causeway_agent.backends.processes import openvpn_server, tls_proxy
from causeway_agent.engine import machine, service
from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.service import Engine
from causeway_agent.plan.compile import openvpn_config
from causeway_agent.plan.steer import remotes
from causeway_wire import codec
from causeway_wire.change import Change
from causeway_wire.desired import Desired

PACE = 1.0
"""Seconds; each look costs, where processors are emulated."""
RENEGOTIATE = 60
"""Seconds from a session's keys to the next ones; it is an hour elsewhere."""
SLOWNESS = 20.0
"""How much longer than elsewhere a handshake may take there."""


async def run(where: Path, document: Path, observed: Path) -> None:
    """Until cancelled; raises what the agent raises."""
    read = settings.load(where)
    no_offload = await asyncio.to_thread(capabilities.no_offload)
    async with (
        app.machine(read, where, no_offload=no_offload) as here,
        service.running(app.make_engine(read, here)) as engine,
    ):
        text = await asyncio.to_thread(document.read_bytes)
        change = await _submitted(engine, codec.decode(text, Desired))
        while True:
            if (found := await asyncio.to_thread(document.read_bytes)) != text:
                text, change = found, await _submitted(engine, codec.decode(found, Desired))
            ended = engine.records.get(change.id) or change
            told = b'{"change": %b, "observed": %b}' % (
                codec.encode_masked(ended),
                codec.encode_masked(await engine.observed()),
            )
            await asyncio.to_thread(_replace, observed, told)
            await asyncio.sleep(PACE)


async def _submitted(engine: Engine, wanted: Desired) -> Change:
    first = engine.state.in_force is None
    preconditions = Preconditions(if_none_match=("*",)) if first else Preconditions(if_match=("*",))
    change, _ = await engine.changes.submit(wanted, requested_by="test", preconditions=preconditions)
    return change


def _replace(path: Path, text: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(text)
    beside.replace(path)


def _rekey_often() -> None:
    common = (*getattr(openvpn_config, "_COMMON"), f"reneg-sec {RENEGOTIATE}")  # noqa: B009 - a test's business only
    setattr(openvpn_config, "_COMMON", common)  # noqa: B010 - a test's business only


def _be_patient() -> None:
    """A handshake gets the time that it takes on emulated and busy processors."""
    for name in ("FIRST_DEADLINE", "NEXT_DEADLINE", "LONGEST_DEADLINE", "PATIENCE"):
        setattr(remotes, name, SLOWNESS * getattr(remotes, name))
    openvpn_server.START_DEADLINE *= SLOWNESS
    tls_proxy.START_DEADLINE *= SLOWNESS
    setattr(nft, "_SECONDS", SLOWNESS * getattr(nft, "_SECONDS"))  # noqa: B009, B010 - a test's business only
    machine.OPERATION_SECONDS *= SLOWNESS
    machine.OBSERVE_SECONDS *= SLOWNESS


if __name__ == "__main__":
    app.configure_logs()
    _be_patient()
    _rekey_often()
    asyncio.run(run(*map(Path, sys.argv[1:])))
