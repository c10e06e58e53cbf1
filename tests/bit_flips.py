"""One bit of a dead agent's state directory changes; what does the agent believe that is started then?

Used by the crash matrix. The same document, epoch and public rules, silently; or a problem, and then nothing
of what the bit was part of: anything else is a broken promise.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from causeway_agent.commands.local import AgentDownError, LocalAgent, RefusedError
from causeway_wire.desired import Full, FullNetwork
from causeway_wire.observed import ApplianceState
from causeway_wire.problem import ProblemType
from causeway_wire.public_rules import Protocol, PublicRule, PublicRules, PublicRulesPatch
from tests.real_appliance import PUBLIC, Appliance

START_SECONDS = 20.0
SETTLE_SECONDS = 8.0
HARMLESS, TOLD, WRONG = "harmless, and the same", "refused and told", "silently wrong"


@dataclass(frozen=True)
class Belief:
    """What an agent holds to be in force."""

    generation: int | None
    desired: str | None
    epoch: int
    revision: int
    rules: str


@dataclass
class Flips:
    """What came out, all and by file."""

    results: Counter[str] = field(default_factory=Counter)
    by_file: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """How many there were."""
        return sum(self.results.values())


async def prepare(appliance: Appliance) -> None:
    """A document before, one in force in full failover, and public rules with changes after them."""
    await appliance.up()
    full = Full(networks=(FullNetwork(network="net-0", internet=True),))
    async with appliance.open() as agent:
        await agent.apply(appliance.document(1), timeout=30)
        await agent.apply(appliance.document(2, full, tunnel=False), timeout=30)
        await agent.put_rules(PublicRules(revision=1, epoch=1, rules=tuple(map(_rule, range(3)))))
        for revision in (2, 3):
            await agent.patch_rules(
                PublicRulesPatch(base=revision - 1, revision=revision, epoch=1, put=(_rule(10 + revision),))
            )


def _rule(number: int) -> PublicRule:
    return PublicRule(
        id=f"rule-{number}",
        public_address=PUBLIC[0],
        protocol=Protocol.TCP,
        public_port=1000 + number,
        internal_address=ip_address("192.168.0.20"),
        internal_port=80,
        sources=(ip_network("198.51.100.0/24"),),
    )


async def torment(appliance: Appliance, flips: Flips, wanted: int, dice: random.Random) -> None:
    """Flip after flip, each from the same sound state, until all of the run are done."""
    await prepare(appliance)
    before = await _belief(appliance)
    appliance.kill()
    state, kept = appliance.place / "state", appliance.place / "kept"
    shutil.copytree(state, kept)
    names = sorted(str(path.relative_to(state)) for path in state.rglob("*") if path.is_file())
    names = [name for name in names if (state / name).stat().st_size]
    while flips.tried < wanted:
        name = names[flips.tried % len(names)]
        where = _flip(state / name, dice)
        result = await _judged(appliance, before)
        flips.results[result] += 1
        flips.by_file[_kind(name), result] += 1
        if result not in (HARMLESS, TOLD):
            flips.broken.append(f"{name}, {where}: {result}")
        appliance.kill()
        shutil.rmtree(state)
        shutil.copytree(kept, state)


def _flip(path: Path, dice: random.Random) -> str:
    data = bytearray(path.read_bytes())
    place = dice.randrange(8 * len(data))
    data[place // 8] ^= 1 << place % 8
    with path.open("r+b") as file:
        file.write(data)
    return f"bit {place % 8} of octet {place // 8}"


def _kind(name: str) -> str:
    """Files of one kind are counted together."""
    head = name.partition("/")[0]
    return f"{head}/..." if "/" in name else head


async def _judged(appliance: Appliance, before: Belief) -> str:
    appliance.start()
    try:
        seen = await _settled(appliance)
        after = await _belief(appliance)
    except TimeoutError:
        return f"{WRONG}: it does not come up: {appliance.log()[-300:]}"
    if seen["problem"] is None:
        return HARMLESS if after == before else f"{WRONG}: {after}"
    older = after.desired not in (before.desired, None) or after.epoch != before.epoch
    if older or (after.revision, after.rules) not in ((before.revision, before.rules), (0, "[]")):
        return f"{WRONG}, though told: {after}, {seen['problem']['detail']}"
    return TOLD


async def _settled(appliance: Appliance) -> dict[str, Any]:
    """What is observed once the agent is ready, or says that something is damaged, or will not get ready."""
    agent = LocalAgent(appliance.place / "run")
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS:
        try:
            seen: dict[str, Any] = await asyncio.to_thread(agent.get, "/v1/observed")
        except AgentDownError:
            await asyncio.sleep(0.05)
            continue
        problem = seen["problem"]
        damaged = problem is not None and problem["type"] == ProblemType.DAMAGED.urn
        late = problem is not None and time.monotonic() - began > SETTLE_SECONDS
        if damaged or late or seen["state"] in (ApplianceState.READY, ApplianceState.UNCONFIGURED):
            return seen
        await asyncio.sleep(0.05)
    raise TimeoutError


async def _belief(appliance: Appliance) -> Belief:
    agent = LocalAgent(appliance.place / "run")
    seen = await asyncio.to_thread(agent.get, "/v1/observed")
    rules = await asyncio.to_thread(agent.get, "/v1/public-rules")
    try:
        desired = str(await asyncio.to_thread(agent.get, "/v1/desired"))
    except RefusedError:
        desired = None
    return Belief(seen["observed_generation"], desired, seen["epoch"], rules["revision"], str(rules["rules"]))
