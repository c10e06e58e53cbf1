"""The keeper of public rules over the kernel it runs in; a test sends it changes, line by line.

    python -m tests.rule_appliance DOCUMENT DIRECTORY

Each line is a change without its numbers: {"put": [...], "remove": [...]}, or {"count": [...]}; each answer
is a line: the report, the counters, or the problem.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from causeway_agent.app import configure_logs
from causeway_agent.backends.filter.publications import NftPublications
from causeway_agent.backends.host.clock import SystemClock
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.engine.public_rules import RuleKeeper
from causeway_agent.engine.rules_journal import RulesJournal
from causeway_agent.engine.state import InForce, State
from causeway_wire import codec
from causeway_wire.desired import Desired
from causeway_wire.problem import ProblemError
from causeway_wire.public_rules import PublicRule, PublicRulesPatch
from tests.wired import BOX

ROOT = Path(__file__).resolve().parents[1]


class Appliance:
    """The test's end."""

    def __init__(self, directory: Path) -> None:
        self._command = (
            *("ip", "netns", "exec", BOX, sys.executable, "-m", "tests.rule_appliance"),
            *(str(directory / "document.json"), str(directory)),
        )
        self._process = self._start()

    def restart(self) -> None:
        """End the keeper without a word and start another, as after a crash."""
        self.stop()
        self._process = self._start()

    def stop(self) -> None:
        """End the keeper."""
        self._process.kill()
        self._process.communicate()

    def change(self, *put: PublicRule, remove: tuple[str, ...] = ()) -> dict[str, Any]:
        """Put and remove rules; the report or the problem."""
        return self._ask({"put": json.loads(codec.encode(put)), "remove": remove})

    def counts(self, *names: str) -> dict[str, int]:
        """Packets by rule."""
        found = self._ask({"count": names})["counters"]
        return {each["id"]: each["packets"] for each in found}

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def _ask(self, line: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def standing(document: Desired, directory: Path) -> Iterator[Appliance]:
    """The keeper in the appliance's namespace. A policy must have been loaded there."""
    (directory / "document.json").write_bytes(codec.encode(document))
    made = Appliance(directory)
    try:
        yield made
    finally:
        made.stop()


async def main(document: Desired, directory: Path) -> None:
    """Serve standard input."""
    state = State(in_force=InForce.of(document))
    async with NftPublications.open() as publications:
        keeper = RuleKeeper(
            publications=publications,
            journal=RulesJournal(DirectoryStorage(directory / "state")),
            clock=SystemClock(),
            state=state,
            lock=asyncio.Lock(),
        )
        await keeper.recover()
        for line in iter(sys.stdin.readline, ""):
            try:
                answer: object = await _obey(keeper, json.loads(line))
            except ProblemError as error:
                answer = error.problem
            sys.stdout.buffer.write(codec.encode(answer) + b"\n")
            sys.stdout.buffer.flush()


async def _obey(keeper: RuleKeeper, order: dict[str, Any]) -> object:
    if "count" in order:
        return await keeper.counters(order["count"])
    base = keeper.revision
    numbered = {**order, "base": base, "revision": base + 1, "epoch": 1}
    return await keeper.patch(codec.decode(msgspec.json.encode(numbered), PublicRulesPatch))


if __name__ == "__main__":
    configure_logs()
    asyncio.run(main(codec.decode(Path(sys.argv[1]).read_bytes(), Desired), Path(sys.argv[2])))
