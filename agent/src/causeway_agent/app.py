"""The composition root: the only place that knows every room. Wires, runs, ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from causeway_agent import __version__, offline
from causeway_agent.api import application, handlers, local, peers, tls
from causeway_agent.api.listener import Listener, LocalListener
from causeway_agent.api.serving import Serving
from causeway_agent.backends.filter.connections import KernelConnections
from causeway_agent.backends.filter.nft import NftFirewall
from causeway_agent.backends.filter.publications import NftPublications
from causeway_agent.backends.filter.tunnel_loads import KernelTunnelLoads
from causeway_agent.backends.host import capabilities, notify
from causeway_agent.backends.host.clock import SystemClock
from causeway_agent.backends.host.identity import KeyStore
from causeway_agent.backends.host.once import Once
from causeway_agent.backends.host.slot_channel import SocketSlots
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.backends.kernel import neighbour_tables
from causeway_agent.backends.kernel.rtnl import RtnlKernel
from causeway_agent.backends.processes import dead_man, lock, tunnel_servers
from causeway_agent.backends.processes.supervisor import Supervisor
from causeway_agent.backends.segment import neighbour_responder
from causeway_agent.backends.segment.neighbours import PacketNeighbours
from causeway_agent.commands.local import SOCKET_NAME
from causeway_agent.engine import events, service
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.reconcile import Pace
from causeway_agent.engine.rules_journal import RulesJournal
from causeway_agent.engine.service import Engine
from causeway_agent.plan.compile.base import compile_base
from causeway_agent.plan.model.objects import ProcessDevice
from causeway_agent.plan.model.target import Facts
from causeway_agent.settings import Settings
from causeway_wire.observed import Versions
from causeway_wire.types import ChangeId

ROLLBACK_SECONDS = 60.0
"""How long a starting agent waits for a rollback that is at work."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def configure_logs() -> None:
    """JSON lines on standard error, one per event."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


async def run(settings: Settings, path: Path) -> None:
    """The agent, until SIGTERM or SIGINT. What it set up in the kernel, and tunnels, stay.

    `path`: the file that the settings are from. Raises HeldError when another agent runs on this appliance.
    """
    _prepare_directories(settings)
    with lock.hold(Path(settings.state_directory), lock.AGENT, patience=ROLLBACK_SECONDS):
        await _run(settings, path)


async def _run(settings: Settings, path: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _log.info(events.AGENT_STARTED, appliance=settings.appliance, version=__version__)
    neighbour_tables.make_room()
    store = key_store(settings)
    no_offload = await asyncio.to_thread(capabilities.no_offload)
    async with (
        machine(settings, path, no_offload=no_offload) as here,
        service.running(make_engine(settings, here)) as engine,
    ):
        versions = Once(lambda: _versions(settings, here.constants))
        operations = handlers.Handlers(engine=engine, identity=store, versions=versions).operations()
        context = tls.RotatingContext(ssl.PROTOCOL_TLS_SERVER)
        remote = Listener(application.create(operations, resolver=peers.from_certificate), context)
        on_socket = application.create(operations, resolver=peers.on_socket)
        local.mount(on_socket, engine)
        socket_path = Path(settings.run_directory) / SOCKET_NAME
        async with LocalListener(on_socket, socket_path), remote, asyncio.TaskGroup() as tasks:
            serving = Serving(
                listener=remote,
                context=context,
                engine=engine,
                directory=Path(settings.run_directory),
                ready=lambda: notify.notify("READY=1"),
            )
            keepers = [tasks.create_task(one) for one in (serving.open(store.open), serving.follow())]
            await stop.wait()
            for keeper in keepers:
                keeper.cancel()
    _log.info(events.AGENT_STOPPED)


def _versions(settings: Settings, constants: Facts) -> Versions:
    """What `GET /v1` says. Blocks: OpenVPN is asked, and it is read which modules there are."""
    return Versions(
        appliance=settings.appliance,
        agent=__version__,
        api=("v1",),
        capabilities=capabilities.detect(
            vlan_8021q=constants.vlan_8021q,
            no_offload=constants.no_offload,
            unprivileged_vpn=constants.vpn_uid is not None,
        ),
        limits=handlers.told_limits(),
    )


def make_engine(settings: Settings, machine: Machine) -> Engine:
    """An engine over this machine; not booted."""
    return Engine(
        machine=machine,
        journal=offline.journal(settings),
        rules=RulesJournal(DirectoryStorage(Path(settings.state_directory))),
        base=lambda facts: compile_base(
            management=settings.management, nics=settings.nics, vlans=settings.vlans, facts=facts
        ),
        management=settings.management,
        nics=settings.nics,
        vlans=settings.vlans,
        pace=Pace(),
    )


def key_store(settings: Settings) -> KeyStore:
    """Keys and certificates of this appliance."""
    return KeyStore(
        appliance=settings.appliance,
        keys=offline.key_directory(settings),
        storage=DirectoryStorage(Path(settings.state_directory)),
        controller_ca=settings.controller_ca,
        token=settings.enrolment_token,
    )


@contextlib.asynccontextmanager
async def machine(settings: Settings, path: Path, *, no_offload: str | None) -> AsyncIterator[Machine]:
    """The machine that this process runs on, through its real ports.

    `no_offload`: why its kernel cannot carry tunnels' packets; None where it can.
    """
    clock = SystemClock()
    watcher = dead_man.make(
        directory=Path(settings.run_directory) / "dead-man", command=lambda change: _roll_back(path, change)
    )
    async with (
        RtnlKernel.open() as kernel,
        NftFirewall.open() as firewall,
        NftPublications.open() as publications,
        watcher,
    ):
        constants = await asyncio.to_thread(
            offline.constants,
            settings,
            vlan_8021q=await kernel.makes_vlans(),
            no_offload=no_offload,
        )
        supervisor = Supervisor(
            run_directory=Path(settings.run_directory),
            key_directory=offline.key_directory(settings),
            user=settings.vpn_user,
            clock=clock,
            nft=firewall,
            responder=neighbour_responder.respond,
            discard=lambda device: kernel.drop(ProcessDevice(device, mtu=0)),
            no_offload=constants.no_offload,
        )
        async with (
            contextlib.aclosing(PacketNeighbours()) as neighbours,
            contextlib.aclosing(KernelConnections(firewall)) as connections,
            supervisor,
        ):
            yield Machine(
                kernel=kernel,
                firewall=firewall,
                publications=publications,
                processes=supervisor,
                neighbours=neighbours,
                connections=connections,
                loads=KernelTunnelLoads(
                    firewall, functools.partial(tunnel_servers.written, supervisor.servers)
                ),
                clock=clock,
                dead_man=watcher,
                slots=SocketSlots(),
                constants=constants,
            )


def _roll_back(path: Path, change: ChangeId) -> tuple[str, ...]:
    """The command that takes a change back; it starts in any directory and environment."""
    return (
        *(sys.executable, "-m", "causeway_agent", "--settings", str(path.resolve())),
        *("rollback", change),
    )


def _prepare_directories(settings: Settings) -> None:
    Path(settings.state_directory).mkdir(mode=0o700, parents=True, exist_ok=True)
    offline.key_directory(settings).mkdir(mode=0o700, exist_ok=True)
    # The VPN's user passes through here to files of its own.
    Path(settings.run_directory).mkdir(mode=0o755, parents=True, exist_ok=True)
