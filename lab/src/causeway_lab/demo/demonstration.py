"""The demonstration: a rehearsal, a VM lost, a site lost, the way back; each claim tested on real packets.

    python -m causeway_lab.demo.demonstration [CONDITIONS]   (inside a sandbox; `causeway lab demo` makes one)

CONDITIONS, as JSON, are those of every tenant's line to the internet; a clear one when left out.

Exit code 0 only if every claim held.
"""

from __future__ import annotations

import asyncio
import functools
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
from rich.console import Console
from rich.table import Table

from causeway_lab.assembly.lab import Lab
from causeway_lab.demo.chapters.customer import customer
from causeway_lab.demo.chapters.full import FullChapters
from causeway_lab.demo.chapters.own_controller import own_controller
from causeway_lab.demo.chapters.partial import PartialChapters
from causeway_lab.demo.chapters.rehearsal import rehearsal
from causeway_lab.demo.claims import Ledger
from causeway_lab.service import drill, protocol, view
from causeway_lab.world import pace, topology
from causeway_lab.world.line import wording
from causeway_lab.world.line.conditions import Conditions
from causeway_lab.world.pace import Pace
from causeway_lab.world.steps import Listener

DEADLINE = 400.0
"""Seconds for the whole demonstration."""
INTERRUPTED = 130
"""Exit code, as after SIGINT; SIGTERM gives the same."""


async def tell(lab: Lab, ledger: Ledger) -> Sequence[drill.Measure]:
    """All chapters, in order; what was measured."""
    measures: list[drill.Measure] = []
    partial, full = PartialChapters(lab, ledger, measures), FullChapters(lab, ledger, measures)
    await rehearsal(lab, ledger, measures)
    for chapter in (
        partial.before,
        partial.disaster,
        partial.extended,
        partial.separated,
        full.lost,
        full.gateway,
        full.published,
        full.separated,
        full.returned,
        partial.undone,
    ):
        await chapter()
    await customer(lab, ledger)
    await own_controller(lab, ledger)
    return measures


Tell = Callable[[Lab, Ledger], Awaitable[Sequence[drill.Measure]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is shown."""

    title: str
    lab: Callable[[Listener], Lab]
    tell: Tell
    deadline: float
    """Seconds for all of it."""


def _demo(listener: Listener, *, speed: Pace = pace.PROCESSES) -> Lab:
    return Lab(topology.build(), listener=listener, speed=speed)


DEMO = Play(
    title="Two tenants, two cloud gateways, a provider and an internet",
    lab=_demo,
    tell=tell,
    deadline=DEADLINE,
)


def over(conditions: Conditions) -> Play:
    """The same over lines like this one; answers are waited for longer."""

    async def told(lab: Lab, ledger: Ledger) -> Sequence[drill.Measure]:
        for tenant in lab.topology.tenants:
            await lab.lines.change(tenant, conditions)
        return await tell(lab, ledger)

    return replace(
        DEMO,
        title=f"{DEMO.title}; lines to the internet: {'; '.join(wording.told(conditions))}",
        lab=functools.partial(_demo, speed=pace.LINES),
        tell=told,
        deadline=pace.LINES.answers * DEADLINE,
    )


async def play(console: Console, shown: Play) -> bool:
    """Lab up, chapters, lab down, tables; whether every claim held."""
    started = time.monotonic()
    measures: Sequence[drill.Measure] = ()
    with view.StepView(console) as steps:
        console.print(f"[bold]{shown.title}[/]")
        lab = shown.lab(steps.show)
        ledger = Ledger(console, patience=lab.pace.claim)
        try:
            async with asyncio.timeout(shown.deadline):
                await lab.up()
                measures = await shown.tell(lab, ledger)
        finally:
            ledger.chapter("The end")
            await lab.down()
    _steps(console, steps)
    view.measures(console, [(m.what, m.seconds) for m in measures])
    ledger.summary()
    held = sum(outcome.held for outcome in ledger.outcomes)
    console.print(
        f"demo: {held} of {len(ledger.outcomes)} claims held in {time.monotonic() - started:.0f} s",
        highlight=False,
    )
    return ledger.all_held


def _steps(console: Console, steps: view.StepView) -> None:
    table = Table(title="Steps", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for item in steps.finished:
        table.add_row(item.name, f"{item.seconds:.3f}" if item.error is None else "refused")
    console.print(table)


def end_in_order() -> None:
    """Let SIGTERM end it as Ctrl-C does, also in a script's background, where a shell has SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))


def main(shown: Play = DEMO) -> int:
    """Show it; the exit code."""
    console = Console()
    end_in_order()
    try:
        return 0 if asyncio.run(play(console, shown)) else 1
    except KeyboardInterrupt:
        console.print("demo: interrupted; nothing of it is left")
        return INTERRUPTED
    except protocol.EXPECTED as error:
        console.print(f"demo: stopped: {protocol.explain(error)}", style="red", markup=False, highlight=False)
        return 1


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(over(msgspec.json.decode(given[0], type=Conditions)) if given else DEMO))
