"""The demonstration: a VM fails over and back while every claim is tested on real packets.

    python -m causeway_controller.lab.demo          (inside a sandbox; `causeway lab demo` makes one)

Exit code 0 only if every claim held.
"""

from __future__ import annotations

import asyncio
import ipaddress
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from causeway_controller.lab import drill, proofs, protocol, topology, view
from causeway_controller.lab.claims import Ledger, require
from causeway_controller.lab.lab import Lab, VmRef
from causeway_controller.lab.topology import original_of, replica_of

DEADLINE = 85.0
"""Seconds for the whole demonstration."""
INTERRUPTED = 130
"""Exit code, as after SIGINT."""
FAILED_OVER = VmRef("acme", "db1")
OTHER_TENANT = VmRef("globex", "db1")


class Demo:
    """The chapters, in order."""

    def __init__(self, lab: Lab, ledger: Ledger) -> None:
        self._lab = lab
        self._ledger = ledger
        self._measures: list[drill.Measure] = []

    async def run(self) -> Sequence[drill.Measure]:
        """All chapters; what was measured."""
        await self._before()
        await self._disaster()
        await self._extended()
        await self._separated()
        await self._undone()
        return self._measures

    async def _before(self) -> None:
        ledger, lab, ref = self._ledger, self._lab, FAILED_OVER
        web = lab.machines.console(original_of("acme", "web1"))
        client = proofs.addresses_of(lab, web.name)
        ledger.chapter("Production, before anything happens")
        await ledger.claim(
            f"{ref} answers in production",
            proofs.reachable(web, lab.vm(ref).addresses, host=original_of(ref.tenant, ref.vm), client=client),
        )
        await ledger.claim(
            "While the original answers, a failover is refused and taken back", proofs.guarded(lab, ref)
        )

    async def _disaster(self) -> None:
        ledger, lab, ref = self._ledger, self._lab, FAILED_OVER
        web = lab.machines.console(original_of("acme", "web1"))
        ledger.chapter(f"{ref} loses its power")
        await lab.machines.power_off(original_of(ref.tenant, ref.vm))
        await ledger.claim(f"{ref} is unreachable", proofs.silent(web, lab.vm(ref).addresses))
        ledger.chapter(f"Partial failover of {ref}")
        await ledger.claim(f"{ref} fails over", self._fail_over([ref]))

    async def _extended(self) -> None:
        ledger, lab, ref = self._ledger, self._lab, FAILED_OVER
        web = lab.machines.console(original_of("acme", "web1"))
        replica = lab.machines.console(replica_of(ref.tenant, ref.vm))
        addresses = lab.vm(ref).addresses
        ledger.chapter("One network for both sites")
        await ledger.claim(
            "Production reaches the replica at the unchanged addresses (ping, HTTP; IPv4, IPv6)",
            proofs.reachable(web, addresses, host=replica.name, client=proofs.addresses_of(lab, web.name)),
        )
        await ledger.claim(
            "The replica reaches production, and is seen at its unchanged addresses",
            proofs.reachable(
                replica,
                lab.vm(VmRef("acme", "web1")).addresses,
                host=web.name,
                client=addresses,
            ),
        )
        await ledger.claim("Packets of every size pass as on a LAN", proofs.transparent(web, addresses[0]))
        await ledger.claim(
            "The replica's way to the internet is the production gateway",
            proofs.leaves_through_production(replica, proofs.router_addresses(lab, "acme")),
        )
        await ledger.claim(
            "At the cloud gateways only encrypted packets on port 6180 are seen",
            proofs.encrypted(lab, web, addresses),
        )

    async def _separated(self) -> None:
        ledger, lab, ref, other = self._ledger, self._lab, FAILED_OVER, OTHER_TENANT
        web = lab.machines.console(original_of("acme", "web1"))
        old, old_addresses = proofs.old_replica(lab, "acme")
        ledger.chapter("What stays apart")
        await ledger.claim(
            "A replica that is not failed over is invisible in production", proofs.silent(web, old_addresses)
        )
        await ledger.claim(
            "and reaches nothing there",
            proofs.silent(old, lab.vm(VmRef("acme", "web1")).addresses),
        )
        await ledger.claim(f"{other}, with the same addresses, fails over at the same time", self._second())
        await ledger.claim("Each tenant meets its own VM only", proofs.apart(lab, ref, other))
        if lab.machines.powered_on(replica_of(other.tenant, other.vm)):
            await self._probes(other)
        outside = lab.machines.console(topology.INTERNET_HOST)
        doors = [
            (address.ip, port)
            for gateway in lab.topology.gateways
            for address in gateway.public.addresses
            for port in (proofs.SSH_PORT, proofs.AGENT_PORT)
        ]
        await ledger.claim(
            "From the internet, the gateways' management is closed", proofs.closed(outside, doors)
        )

    async def _probes(self, other: VmRef) -> None:
        ledger, lab = self._ledger, self._lab
        intruder = lab.replica(other)
        victim = lab.machines.console(original_of(other.tenant, "web1"))
        await ledger.claim(
            f"{other.tenant} opens no appliance, not its own either, and no host of the provider",
            proofs.closed(intruder, proofs.forbidden_doors(lab, other.tenant)),
        )
        for forged in ("10.10.0.2", "192.168.20.11"):
            await ledger.claim(
                f"{other.tenant} cannot send as {forged}",
                proofs.unspoofable(
                    intruder,
                    victim,
                    lab.vm(VmRef(other.tenant, "web1")).addresses[0],
                    ipaddress.ip_address(forged),
                ),
            )

    async def _undone(self) -> None:
        ledger, lab, ref = self._ledger, self._lab, FAILED_OVER
        web = lab.machines.console(original_of("acme", "web1"))
        ledger.chapter(f"Undo of {ref}")
        await ledger.claim(f"The failover of {ref} ends", self._undo(ref))
        await ledger.claim(f"{ref} is unreachable again", proofs.silent(web, lab.vm(ref).addresses))
        await lab.machines.power_on(original_of(ref.tenant, ref.vm))
        await ledger.claim("The original is back at its addresses", proofs.returned(lab, ref, web))
        other = OTHER_TENANT
        neighbour = lab.neighbour(other)
        if neighbour is not None:
            await ledger.claim(
                f"{other} goes on at the provider, undisturbed",
                proofs.reachable(
                    neighbour,
                    lab.vm(other).addresses,
                    host=replica_of(other.tenant, other.vm),
                    client=proofs.addresses_of(lab, neighbour.name),
                ),
            )

    async def _fail_over(self, refs: Sequence[VmRef]) -> str:
        measures = await drill.fail_over(self._lab, refs)
        self._measures += measures
        return "; ".join(f"{m.what}: {m.seconds * 1000:.0f} ms" for m in measures)

    async def _second(self) -> str:
        return await self._fail_over([OTHER_TENANT])

    async def _undo(self, ref: VmRef) -> str:
        measures = await drill.undo(self._lab, [ref], restore=False)
        self._measures += measures
        require(ref not in self._lab.failed_over(), "it still counts as failed over")
        return "; ".join(f"{m.what}: {m.seconds * 1000:.0f} ms" for m in measures)


async def _play(console: Console) -> bool:
    """Lab up, chapters, lab down, tables; whether every claim held."""
    started = time.monotonic()
    ledger = Ledger(console)
    measures: Sequence[drill.Measure] = ()
    with view.StepView(console) as steps:
        console.print("[bold]Two tenants, two cloud gateways, a provider and an internet[/]")
        lab = Lab(topology.build(), listener=steps.show)
        try:
            async with asyncio.timeout(DEADLINE):
                await lab.up()
                measures = await Demo(lab, ledger).run()
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


def main() -> int:
    """The command line."""
    console = Console()
    try:
        return 0 if asyncio.run(_play(console)) else 1
    except KeyboardInterrupt:
        console.print("demo: interrupted; nothing of it is left")
        return INTERRUPTED
    except protocol.EXPECTED as error:
        console.print(f"demo: stopped: {protocol.explain(error)}", style="red", markup=False, highlight=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
