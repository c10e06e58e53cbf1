"""`make e2e`: the image in `dist` on libvirt hosts, by real controllers, every claim checked.

    python -m causeway_lab.sandbox -- python -m tests.e2e [--whole] [IMAGE]

Appliances and replicas are machines of real libvirt daemons, and boot; production's VMs, routers and the
internet are namespaces. By itself it is the provider's site alone.
Without KVM it is emulated: figures say what emulation takes, claims hold anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from rich.console import Console

from causeway_lab.demo import demonstration
from causeway_lab.demo.claims import Ledger
from causeway_lab.qemu import acceleration
from causeway_lab.service import protocol
from image.workshop import ROOT
from tests.e2e import both, site
from tests.e2e.story import Story
from tests.e2e.whole import Whole

DEADLINE, WHOLE_DEADLINE = 2400.0, 7200.0
"""Seconds for all of it, on a busy machine without KVM."""
PLACE = Path("/run/causeway-e2e")
"""In the sandbox's own tmpfs: nothing of it outlives the sandbox."""


async def run(console: Console, image: Path, *, whole: bool, seconds: float) -> bool:
    """Whether every claim held."""
    started = time.monotonic()
    ledger = Ledger(console, patience=60, clocked=True)
    try:
        async with asyncio.timeout(seconds):
            chosen = await acceleration.choose()
            console.print(f"Executed by {chosen.name}: {chosen.reason}", highlight=False)
            if whole:
                async with both.built(image, PLACE) as two:
                    await Whole(two, ledger).tell()
            else:
                async with site.built(image, PLACE) as there:
                    await Story(there, ledger).tell()
    finally:
        ledger.summary()
        held = sum(outcome.held for outcome in ledger.outcomes)
        console.print(
            f"e2e: {held} of {len(ledger.outcomes)} claims held in {time.monotonic() - started:.0f} s",
            highlight=False,
        )
    return ledger.all_held


def main() -> int:
    """The command line."""
    built = sorted((ROOT / "dist").glob("causeway-*.qcow2"))
    parser = argparse.ArgumentParser(prog="e2e", description=__doc__.partition("\n")[0])
    parser.add_argument("image", type=Path, nargs="?", default=built[-1] if built else None)
    parser.add_argument(
        "--whole", action="store_true", help="both sites: partial, updates, escalated, given back"
    )
    parser.add_argument("--seconds", type=float, help="for all of it")
    options = parser.parse_args()
    console = Console()
    if options.image is None:
        console.print("e2e: there is no image yet: make image")
        return 1
    PLACE.mkdir(mode=0o700)
    demonstration.end_in_order()
    try:
        seconds = options.seconds or (WHOLE_DEADLINE if options.whole else DEADLINE)
        told = run(console, options.image.resolve(), whole=options.whole, seconds=seconds)
        return 0 if asyncio.run(told) else 1
    except KeyboardInterrupt:
        console.print("e2e: interrupted; nothing of it is left")
        return demonstration.INTERRUPTED
    except protocol.EXPECTED as error:
        console.print(f"e2e: stopped: {protocol.explain(error)}", style="red", markup=False, highlight=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
