"""The appliance as disk and kernel show it, without an agent: for when an engineer finds it dead."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec

from causeway_agent.backends.filter import nft_counters
from causeway_agent.backends.filter.nfnetlink import KeptLink
from causeway_agent.backends.host import capabilities
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.backends.kernel.rtnl import RtnlKernel
from causeway_agent.backends.processes import spawn
from causeway_agent.commands import status as status_page
from causeway_agent.engine import report, revocations, rules_journal
from causeway_agent.engine.admission import IDLE, failover_mode, role_name
from causeway_agent.engine.journal import Journal, Recovered
from causeway_agent.engine.state import InForce
from causeway_agent.errors import BackendError, CompileError
from causeway_agent.plan.compile import compiler, trunks
from causeway_agent.plan.compile.base import compile_base
from causeway_agent.plan.explain import bridged as explain_bridged
from causeway_agent.plan.explain import explanation as explanations
from causeway_agent.plan.explain import services as explain_services
from causeway_agent.plan.explain.packet import Explanation, Packet
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.filter.public_rules import Table
from causeway_agent.plan.model.target import Facts, Observation, Target
from causeway_agent.plan.steer import coverage, describe, diff
from causeway_agent.settings import Settings
from causeway_wire import codec
from causeway_wire.desired import Desired
from causeway_wire.observed import ApplianceState, DriftReport, NicReport, Observed
from causeway_wire.problem import Problem, combine


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


def constants(settings: Settings, *, vlan_8021q: bool, no_offload: str | None) -> Facts:
    """Facts that never change while the agent runs."""
    return Facts(
        appliance=settings.appliance,
        devices={},
        vpn_uid=spawn.unprivileged_uid(settings.vpn_user),
        key_directory=str(key_directory(settings)),
        run_directory=settings.run_directory,
        vlan_8021q=vlan_8021q,
        no_offload=no_offload,
    )


async def look(settings: Settings) -> Sight:
    """Read journal and kernel, change nothing; raises CompileError or BackendError."""
    document = journal(settings).recover().document
    async with RtnlKernel.open() as kernel:
        known = constants(
            settings, vlan_8021q=await kernel.makes_vlans(), no_offload=capabilities.no_offload()
        )
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


async def status(settings: Settings) -> dict[str, Any]:
    """The page of `status` as disk and kernel tell it: what only an agent knows is left out, and `differs`
    says what an agent would do.
    """
    recovered = journal(settings).recover()
    try:
        sight = await look(settings)
    except CompileError as error:
        return _page(settings, recovered, (), problem=combine(error.problems, more=error.more))
    source = sight.document or settings
    nics = tuple(
        msgspec.structs.replace(nic, name=trunks.name(nic.device, nic.mac, source.nics, source.vlans))
        for nic in sight.nics
    )
    # Whether processes run and which packet filter is loaded, only an agent can tell.
    left = diff.diff(
        dataclasses.replace(sight.observation, policy=sight.target.policy, processes=sight.target.processes),
        sight.target,
    )
    page = _page(settings, recovered, nics)
    page["differs"] = [f"an agent would {describe.describe(operation)}" for operation in left.operations] or [
        "no: the kernel is as the document says"
    ]
    return page


def _page(
    settings: Settings, recovered: Recovered, nics: tuple[NicReport, ...], *, problem: Problem | None = None
) -> dict[str, Any]:
    document, table = recovered.document, rules(settings)
    observed = Observed(
        appliance=settings.appliance,
        state=ApplianceState.UNCONFIGURED,
        observed_generation=None if document is None else document.generation,
        epoch=0 if document is None else document.epoch,
        role=None if document is None else role_name(InForce.of(document)),
        failover=IDLE if document is None else failover_mode(document),
        change=recovered.changes[-1].id if recovered.changes else None,
        nics=nics,
        tunnels=(),
        drift=DriftReport(repairs=0),
        problem=problem,
        coverage=coverage.coverage(document, report.held(nics), rules=len(table), revision=table.revision),
        counters=report.as_reports(counters() or {}),
        revoked=tuple(revocations.of(document)),
    )
    told: dict[str, Any] = json.loads(codec.encode_masked(observed))
    return {
        "observed": {**told, "state": status_page.OFFLINE},
        "change": json.loads(codec.encode_masked(recovered.changes[-1])) if recovered.changes else None,
        "growing": {},
        "sample_seconds": 0,
    }


def counters() -> dict[str, tuple[int, int]] | None:
    """Packets and octets by counter, which count without an agent; None when they cannot be read."""
    try:
        with contextlib.closing(KeptLink()) as link:
            return nft_counters.read(link, ruleset.TABLE)
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
    services = explain_services.services(rules(settings), sight.document)
    bridged = explain_bridged.networks(sight.document)
    return explanations.explain(packet, seen, services=services, bridged=bridged, entry=entry)


def rules(settings: Settings) -> Table:
    """The table of public rules as far as the disk tells it."""
    storage = DirectoryStorage(Path(settings.state_directory))
    return rules_journal.restore(rules_journal.RulesJournal(storage).recover())[0]
