"""The appliance as disk and kernel show it, without an agent: for when an engineer finds it dead."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from causeway_agent.backends import nft_counters, spawn
from causeway_agent.backends.rtnl import RtnlKernel
from causeway_agent.backends.storage import DirectoryStorage
from causeway_agent.engine.journal import Journal
from causeway_agent.errors import BackendError, CompileError
from causeway_agent.plan import compile as compiler
from causeway_agent.plan import describe, diff, ruleset, trunks
from causeway_agent.plan import explain as explanations
from causeway_agent.plan.base import compile_base
from causeway_agent.plan.explain_packet import Explanation, Packet
from causeway_agent.plan.target import Facts, Observation, Target
from causeway_agent.settings import Settings
from causeway_wire.desired import Desired
from causeway_wire.observed import NicReport


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What there is. Processes are unknown: only a running agent can say."""

    document: Desired | None
    target: Target
    observation: Observation
    facts: Facts
    nics: tuple[NicReport, ...]


def journal(settings: Settings) -> Journal:
    """The journal of this appliance."""
    return Journal(DirectoryStorage(Path(settings.state_directory)))


def key_directory(settings: Settings) -> Path:
    """Where the keys born here lie."""
    return Path(settings.state_directory) / "keys"


def constants(settings: Settings, *, vlan_8021q: bool) -> Facts:
    """Facts that never change while the agent runs."""
    return Facts(
        appliance=settings.appliance,
        devices={},
        vpn_uid=spawn.unprivileged_uid(settings.vpn_user),
        key_directory=str(key_directory(settings)),
        run_directory=settings.run_directory,
        vlan_8021q=vlan_8021q,
    )


async def look(settings: Settings) -> Sight:
    """Read journal and kernel, change nothing; raises CompileError or BackendError."""
    document = journal(settings).recover().document
    async with RtnlKernel.open() as kernel:
        known = constants(settings, vlan_8021q=await kernel.makes_vlans())
        facts = dataclasses.replace(known, devices=await kernel.devices())
        if document is not None:
            target = compiler.compile_document(document, facts)
        else:
            target = compile_base(
                management=settings.management, nics=settings.nics, vlans=settings.vlans, facts=facts
            )
        return Sight(
            document=document,
            target=target,
            observation=await kernel.observe(target.devices, target.sysctls),
            facts=facts,
            nics=await kernel.nics(),
        )


async def status(settings: Settings) -> list[str]:
    """What there is, in lines: adapters, and what is missing or too much compared with the document."""
    try:
        sight = await look(settings)
    except CompileError as error:
        return [f"problem     {each.detail}" for each in error.problems]
    source = sight.document or settings
    lines = [
        f"appliance   {settings.appliance}",
        f"generation  {sight.document.generation if sight.document else 'none'}, from the journal",
    ]
    for nic in sight.nics:
        where = ", ".join(nic.addresses) or "no address"
        state = "up" if nic.up else "down"
        name = trunks.name(nic.device, nic.mac, source.nics, source.vlans) or "-"
        lines.append(f"adapter     {nic.device} {name} {nic.mac} {state}, {where}")
    # Whether processes run and which packet filter is loaded, only an agent can tell.
    left = diff.diff(
        dataclasses.replace(sight.observation, policy=sight.target.policy, processes=sight.target.processes),
        sight.target,
    )
    if left:
        lines.append("the kernel differs from the document; an agent would:")
        lines += [f"            {describe.describe(operation)}" for operation in left.operations]
    else:
        lines.append("the kernel is as the document says")
    return lines


def counters() -> dict[str, tuple[int, int]] | None:
    """Packets and octets by counter, which count without an agent; None when they cannot be read."""
    try:
        return nft_counters.read(ruleset.TABLE)
    except BackendError:
        return None


async def explain(settings: Settings, packet: Packet, *, entry: str | None = None) -> Explanation:
    """The path of a packet with the packet filter and processes that the document means: which are loaded
    and run, only an agent can tell. Public rules are those on disk.

    Raises CompileError or BackendError.
    """
    sight = await look(settings)
    seen = dataclasses.replace(
        sight.observation, policy=sight.target.policy, processes=sight.target.processes
    )
    return explanations.explain(packet, seen, entry=entry)
