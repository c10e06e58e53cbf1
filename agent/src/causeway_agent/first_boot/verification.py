"""Whether a seed can be meant, on this machine and now. All that is wrong, each with its pointer."""

from __future__ import annotations

import ssl
from datetime import datetime

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile import adapters
from causeway_agent.plan.compile.base import compile_base
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import Nic, Vlan
from causeway_wire.problem import Problem, ProblemType
from causeway_wire.seed import Seed

TOKEN_LENGTH = range(16, 257)
"""Characters; 16 of base64 are 96 bits."""


def problems(seed: Seed, facts: Facts, now: datetime) -> tuple[Problem, ...]:
    """What is wrong with the seed; empty when it can be taken."""
    findings = checks.Findings()
    _enrolment(seed, now, findings)
    _authority(seed, findings)
    adapters.check(seed.nics, seed.vlans, facts, findings)
    _management(seed, facts, findings)
    return tuple(findings.problems)


def _enrolment(seed: Seed, now: datetime, findings: checks.Findings) -> None:
    if len(seed.enrolment.token.reveal()) not in TOKEN_LENGTH:
        detail = f"a token has {TOKEN_LENGTH.start} to {TOKEN_LENGTH.stop - 1} characters"
        findings.add(ProblemType.INVALID, "/enrolment/token", detail)
    if seed.enrolment.expires <= now:
        detail = (
            f"the token ended at {seed.enrolment.expires:%Y-%m-%d %H:%M:%S%z}, and this machine's clock says "
            f"{now:%Y-%m-%d %H:%M:%S%z}; correct the host's clock, or have the controller make a new seed"
        )
        findings.add(ProblemType.INVALID, "/enrolment/expires", detail)


def _authority(seed: Seed, findings: checks.Findings) -> None:
    before = len(findings.problems)
    checks.pem(findings, seed.controller_ca, "/controller_ca", checks.CERTIFICATE)
    if len(findings.problems) > before:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=seed.controller_ca)
    except (ssl.SSLError, ValueError) as error:
        detail = f"no controller could be believed with these certificates: {error}"
        findings.add(ProblemType.INVALID, "/controller_ca", detail)


def _management(seed: Seed, facts: Facts, findings: checks.Findings) -> None:
    management = seed.management
    if not management.sources:
        detail = "name the prefixes that controllers and engineers come from; otherwise nobody could enter"
        findings.add(ProblemType.INVALID, "/management/sources", detail)
    if management.port == management.ssh_port:
        detail = f"the agent and SSH cannot both listen on port {management.port}"
        findings.add(ProblemType.DUPLICATE, "/management/ssh_port", detail)
    everyone: tuple[Nic | Vlan, ...] = (*seed.nics, *seed.vlans)
    door = next((nic for nic in everyone if nic.name == management.nic), None)
    if door is None:
        detail = f"no adapter of the seed is named {management.nic}"
        findings.add(ProblemType.UNKNOWN_REFERENCE, "/management/nic", detail)
        return
    if management.address not in {each.ip for each in door.addresses}:
        detail = f"adapter {management.nic} has no address {management.address} in this seed"
        findings.add(ProblemType.UNKNOWN_REFERENCE, "/management/address", detail)
    if findings.problems:
        return
    try:
        compile_base(management=management, nics=seed.nics, vlans=seed.vlans, facts=facts)
    except CompileError as error:
        findings.problems += error.problems
