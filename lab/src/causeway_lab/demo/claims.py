"""Claims: sentences that are tested while they are said, and the record of what held."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from causeway_lab.service import protocol
from causeway_lab.world import pace


class BrokenError(Exception):
    """A claim does not hold; the message says what was seen instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One claim and what became of it."""

    claim: str
    held: bool
    evidence: str
    seconds: float


def require(condition: object, seen: str) -> None:
    """Raises BrokenError unless the condition is true."""
    if not condition:
        raise BrokenError(seen)


class Ledger:
    """Tests claims one by one, prints each with its evidence, and remembers."""

    def __init__(
        self, console: Console, *, patience: float = pace.PROCESSES.claim, clocked: bool = False
    ) -> None:
        """`patience`: seconds for one claim. `clocked`: say when each ended, and how long it took."""
        self._console = console
        self._patience = patience
        self._clocked = clocked
        self.outcomes: list[Outcome] = []

    @property
    def all_held(self) -> bool:
        """Whether there were claims and none is broken."""
        return bool(self.outcomes) and all(outcome.held for outcome in self.outcomes)

    def chapter(self, title: str) -> None:
        """A headline for what follows."""
        self._console.print(f"\n[bold]{title}[/]")

    def note(self, sentence: str) -> None:
        """Something to know that is no claim."""
        self._console.print(f"  {sentence}", highlight=False, markup=False)

    async def claim(self, sentence: str, proof: Awaitable[str], *, patience: float | None = None) -> bool:
        """Test a claim: the proof answers with its evidence, or raises. Expected failures break the claim.

        `patience`: seconds for this one, where it takes longer than others.
        """
        started = time.monotonic()
        try:
            evidence = await asyncio.wait_for(proof, patience or self._patience)
            held = True
        except (BrokenError, *protocol.EXPECTED) as error:
            evidence = str(error) if isinstance(error, BrokenError) else protocol.explain(error)
            held = False
        outcome = Outcome(claim=sentence, held=held, evidence=evidence, seconds=time.monotonic() - started)
        self.outcomes.append(outcome)
        mark = "[green]holds[/] " if held else "[red]BROKEN[/]"
        clock = f" [dim]({time.strftime('%H:%M:%S')}, {outcome.seconds:.1f} s)[/]" if self._clocked else ""
        self._console.print(f"  {mark} {sentence}{clock}", highlight=False)
        self._console.print(
            f"         {evidence}", style="dim" if held else "red", highlight=False, markup=False
        )
        return held

    def summary(self) -> None:
        """The claims as a table, and one plain last line."""
        table = Table(title="Claims", title_justify="left")
        for column in ("claim", "", "seconds"):
            table.add_column(column, justify="right" if column == "seconds" else "left")
        for outcome in self.outcomes:
            mark = "[green]holds[/]" if outcome.held else "[red]BROKEN[/]"
            table.add_row(outcome.claim, mark, f"{outcome.seconds:.2f}")
        self._console.print(table)
