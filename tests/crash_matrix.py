"""Kill a real agent at random instants of random changes, again and again, and look what it starts into.

    python -m causeway_lab.sandbox -- python -m tests.crash_matrix [--kills N] [--flips N]

Real kernel, real packet filter, real processes, a few appliances side by side. After every restart the
appliance must be its previous or its new document, whole, and nothing in between; a confirmed document must
have stayed, an unconfirmed one must be gone; and at no moment may the controller be locked out.

Then single bits of the dead agent's state directory are flipped, in every file of it (`bit_flips`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from causeway_controller.errors import ControllerError
from causeway_controller.fleet.client import AgentClient
from causeway_lab import sandbox
from causeway_wire.change import FINAL_STATES, Change, ChangeState
from causeway_wire.desired import Desired, Failover, Full, FullNetwork, Idle, Partial, Replica
from causeway_wire.observed import ApplianceState
from causeway_wire.problem import ProblemError
from tests import bit_flips
from tests.bit_flips import Flips
from tests.real_appliance import Appliance

CONFIRM_SECONDS = 60
"""Longer than a round takes: what takes an unconfirmed change back here is the restart, or a cancellation."""
FIRST_GUESS = 0.3
"""Seconds that a change takes; how long they really take here is learned from those that finish."""
LOCKED_OUT, TORN, FORGOTTEN, UNCONFIRMED = "locked out", "torn", "forgot a confirmed document", "unconfirmed"


class BrokenError(Exception):
    """A promise did not hold; the message says which and how."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


@dataclass
class Tally:
    """What came out."""

    kills: int = 0
    results: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


@dataclass
class Round:
    """One change, what the controller was told about it before the agent died, and its document."""

    before: Desired
    after: Desired
    confirm: int | None
    acknowledged: bool = False
    """The controller saw it done: it must survive."""
    deciding: bool = False
    """A confirmation was sent: it may have been recorded, whether or not an answer came."""
    undone: bool = False
    change: Change | None = None
    applied: asyncio.Event = field(default_factory=asyncio.Event)


class Victim:
    """An appliance whose agent is killed in every round."""

    def __init__(self, appliance: Appliance, dice: random.Random) -> None:
        self.appliance = appliance
        self._dice = dice
        self._generation = 1
        self._current: Desired | None = None
        self._typical = FIRST_GUESS

    async def prepare(self) -> None:
        """Enrolled, with a document."""
        await self.appliance.up()
        self._generation = 1
        first = self.appliance.document(self._generation)
        async with self.appliance.open() as agent:
            await agent.apply(first, timeout=30)
        self._current = first

    async def suffer(self) -> str:
        """One round: what it ended in. Raises BrokenError."""
        dice, appliance = self._dice, self.appliance
        self._generation += 1
        confirm = CONFIRM_SECONDS if dice.random() < 0.6 else None
        assert self._current is not None
        attempt = Round(self._current, self._document(), confirm)
        conversation = asyncio.create_task(self._converse(attempt))
        await self._until_the_kill(attempt, conversation)
        appliance.kill()
        with contextlib.suppress(ControllerError):
            await conversation
        self._check_door("after the kill")
        appliance.start()
        if dice.random() < 0.2:
            # While it starts, too: what it repairs is a change like others.
            await asyncio.sleep(dice.uniform(0, 0.8))
            appliance.kill()
            self._check_door("after a kill during the start")
            appliance.start()
        return await self._judge(attempt)

    async def _until_the_kill(self, attempt: Round, conversation: asyncio.Task[None]) -> None:
        """A random time after the change was sent, or after it was applied, whichever the dice say."""
        dice = self._dice
        if dice.random() < 0.5:
            await asyncio.sleep(dice.uniform(0, 1.5 * self._typical))
            return
        applied = asyncio.create_task(attempt.applied.wait())
        await asyncio.wait({applied, conversation}, return_when=asyncio.FIRST_COMPLETED)
        applied.cancel()
        await asyncio.sleep(dice.choice((0.02, 0.1, 0.3)) * dice.random())

    def _document(self) -> Desired:
        dice, appliance = self._dice, self.appliance
        failover = self._failover()
        extra = dice.sample(["198.51.100.0/24", "203.0.113.128/25"], dice.randint(0, 2))
        return appliance.document(
            self._generation,
            failover,
            tunnel=isinstance(failover, Partial) or dice.random() < 0.5,
            vlan_host=dice.choice((5, 6, 7)),
            door=appliance.management(*extra),
        )

    def _failover(self) -> Failover:
        dice = self._dice
        kind = dice.choice(("idle", "partial", "full", "full"))
        if kind == "idle":
            return Idle()
        if kind == "partial":
            hosts = dice.sample(range(20, 26), dice.randint(1, 4))
            return Partial(
                replicas=tuple(
                    Replica(
                        vm=f"vm-{host}",
                        network="net-0",
                        addresses=(ip_address(f"192.168.0.{host}"), ip_address(f"2001:db8:0::{host}")),
                    )
                    for host in hosts
                )
            )
        both = ("net-0", "net-1")
        names = dice.sample(both, dice.randint(1, 2))
        return Full(
            networks=tuple(FullNetwork(network=name, internet=dice.random() < 0.5) for name in names),
            routed=both if len(names) == len(both) and dice.random() < 0.5 else (),
        )

    async def _converse(self, attempt: Round) -> None:
        """What a controller does with a change, until the agent dies under it."""
        began = time.monotonic()
        async with self.appliance.open() as agent:
            change = await agent.put_desired(attempt.after, confirm=attempt.confirm, escalate=True)
            attempt.change = change
            while not change.resting:
                change = await agent.change(change.id, wait=5)
            attempt.change = change
            attempt.applied.set()
            self._typical += (time.monotonic() - began - self._typical) / 4
            if change.state is ChangeState.AWAITING:
                change = await self._decide(agent, change, attempt)
            attempt.change = change
            attempt.acknowledged = change.state is ChangeState.DONE
            attempt.undone = change.final and change.state is not ChangeState.DONE

    async def _decide(self, agent: AgentClient, change: Change, attempt: Round) -> Change:
        if self._dice.random() < 0.3:
            await agent.extend(change.id, seconds=CONFIRM_SECONDS, epoch=change.epoch)
        await asyncio.sleep(self._dice.uniform(0, 0.1))
        if self._dice.random() < 0.3:
            return await agent.cancel(change.id, epoch=change.epoch)
        attempt.deciding = True
        return await agent.confirm(change.id, epoch=change.epoch)

    def _check_door(self, when: str) -> None:
        if not self.appliance.lets_in():
            raise BrokenError(LOCKED_OUT, f"the controller's packets are dropped {when}")

    async def _judge(self, attempt: Round) -> str:
        """Whether the restarted appliance is one of the two documents, whole, and the right one."""
        try:
            await self.appliance.ready()
        except TimeoutError:
            raise BrokenError(TORN, "it does not become ready: " + self.appliance.log()) from None
        async with self.appliance.open() as agent:
            desired, seen = await agent.get_desired(), await agent.observed()
            known = {document.generation: document for document in (attempt.before, attempt.after)}
            if desired.generation not in known:
                raise BrokenError(TORN, f"document {desired.generation} is in force, not one of {set(known)}")
            document = known[desired.generation]
            left = (await agent.plan(document)).operations
            if (
                left
                or seen.observed_generation != document.generation
                or seen.state is not ApplianceState.READY
            ):
                raise BrokenError(
                    TORN, f"{seen.state.value}, {seen.observed_generation}, still to do: {left}"
                )
            new = document is attempt.after
            if attempt.acknowledged and not new:
                raise BrokenError(FORGOTTEN, f"generation {attempt.after.generation}")
            if new and (attempt.undone or (attempt.confirm is not None and not attempt.deciding)):
                raise BrokenError(UNCONFIRMED, f"generation {attempt.after.generation} survived")
            if attempt.change is not None:
                await self._check_record(agent, attempt.change, new=new)
        self._current = document
        return _name(attempt, new=new)

    async def _check_record(self, agent: AgentClient, change: Change, *, new: bool) -> None:
        try:
            kept = await agent.change(change.id)
        except ProblemError as error:
            raise BrokenError(TORN, f"change {change.id}: {error.problem.detail}") from error
        if kept.state not in FINAL_STATES or (kept.state is ChangeState.DONE) != new:
            raise BrokenError(TORN, f"change {change.id} says {kept.state.value}")


def _name(attempt: Round, *, new: bool) -> str:
    """One word for where in its change the agent died, and what was in force afterwards."""
    if attempt.change is None:
        stage = "before it was accepted"
    elif attempt.acknowledged or attempt.undone:
        stage = "after its end"
    elif attempt.deciding:
        stage = "while it was confirmed"
    elif attempt.change.state is ChangeState.AWAITING:
        stage = "while it awaited confirmation"
    else:
        stage = "while it was applied"
    return f"killed {stage}: {'new' if new else 'previous'} document"


async def torment(victim: Victim, tally: Tally, kills: int, say: asyncio.Queue[None]) -> None:
    """Round after round until all kills of the run are done."""
    await victim.prepare()
    while tally.kills < kills:
        tally.kills += 1
        number = tally.kills
        try:
            tally.results[await victim.suffer()] += 1
        except BrokenError as error:
            tally.results[error.kind] += 1
            sentence = f"kill {number} on {victim.appliance.id}: {error}"
            tally.broken.append(sentence)
            sys.stdout.write(f"BROKEN {sentence}\n")
            victim.appliance.down()
            await victim.prepare()
        say.put_nowait(None)


async def run(kills: int, seed: int, appliances: int) -> Tally:
    """All kills, spread over appliances side by side."""
    tally, progress = Tally(), asyncio.Queue[None]()
    directory = Path(tempfile.mkdtemp(prefix="crash-", dir="/run"))
    victims = [
        Victim(Appliance(number, directory), random.Random(f"{seed}/{number}"))  # noqa: S311 - dice
        for number in range(1, appliances + 1)
    ]
    try:
        async with asyncio.TaskGroup() as tasks:
            teller = tasks.create_task(_tell(progress, tally, kills))
            async with asyncio.TaskGroup() as torments:
                for victim in victims:
                    torments.create_task(torment(victim, tally, kills, progress))
            teller.cancel()
    finally:
        for victim in victims:
            with contextlib.suppress(OSError, ValueError):
                victim.appliance.down()
        shutil.rmtree(directory, ignore_errors=True)
    return tally


async def flip(flips: int, seed: int, appliances: int) -> Flips:
    """All flips, spread over appliances side by side."""
    tally = Flips()
    directory = Path(tempfile.mkdtemp(prefix="flips-", dir="/run"))
    victims = [Appliance(number, directory) for number in range(1, appliances + 1)]
    try:
        async with asyncio.TaskGroup() as tasks:
            for victim in victims:
                dice = random.Random(f"{seed}/flips/{victim.number}")  # noqa: S311 - dice
                tasks.create_task(bit_flips.torment(victim, tally, flips, dice))
    finally:
        for victim in victims:
            with contextlib.suppress(OSError, ValueError, subprocess.CalledProcessError):
                victim.down()
        shutil.rmtree(directory, ignore_errors=True)
    return tally


async def _tell(progress: asyncio.Queue[None], tally: Tally, kills: int) -> None:
    began, told = time.monotonic(), 0.0
    while True:
        await progress.get()
        now = time.monotonic() - began
        if now - told > 5:
            told = now
            done = sum(tally.results.values())
            sys.stdout.write(f"  {done} of {kills} kills in {now:.0f} s, {len(tally.broken)} broken\n")
            sys.stdout.flush()


def main() -> int:
    """Print what came out; 0 only when every promise held every time."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash_matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000, metavar="N", help="default: %(default)s")
    parser.add_argument("--flips", type=int, default=500, metavar="N", help="default: %(default)s")
    drawn = secrets.randbelow(10**9)
    parser.add_argument("--seed", type=int, default=drawn, metavar="N", help="default: drawn and printed")
    parser.add_argument("--appliances", type=int, default=3, metavar="N", help="default: %(default)s")
    options = parser.parse_args()
    if not sandbox.inside():
        sys.stderr.write("crash-matrix changes networks: run it with `make crash-matrix`\n")
        return 2
    sys.stdout.write(f"crash-matrix: {options.kills} kills, {options.flips} flips, seed {options.seed}\n")
    sys.stdout.flush()
    tally = asyncio.run(run(options.kills, options.seed, options.appliances))
    for result, count in sorted(tally.results.items()):
        sys.stdout.write(f"{count:6}  {result}\n")
    done = sum(tally.results.values())
    whole = done >= options.kills and not tally.broken
    sys.stdout.write(f"crash-matrix: {done} kills, {len(tally.broken)} broken promises\n")
    sys.stdout.flush()
    flips = asyncio.run(flip(options.flips, options.seed, options.appliances))
    report_flips(flips)
    whole = whole and flips.tried >= options.flips and not flips.broken
    return 0 if whole else 1


def report_flips(flips: Flips) -> None:
    """By kind of file, then together."""
    for (kind, result), count in sorted(flips.by_file.items()):
        sys.stdout.write(f"{count:6}  {kind}: {result}\n")
    for sentence in flips.broken:
        sys.stdout.write(f"BROKEN {sentence}\n")
    told, harmless = flips.results[bit_flips.TOLD], flips.results[bit_flips.HARMLESS]
    sys.stdout.write(
        f"crash-matrix: {flips.tried} bits flipped, {told} refused and told, {harmless} harmless, "
        f"{len(flips.broken)} silently wrong\n"
    )


if __name__ == "__main__":
    sys.exit(main())
