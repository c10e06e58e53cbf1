"""How the lab looks on a terminal: steps as they happen, then tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from rich.console import Console
from rich.status import Status as Spinner
from rich.table import Table

from causeway_lab.service.protocol import Status
from causeway_lab.world.steps import Step


class StepView:
    """Prints each step when it ends, and shows what runs meanwhile. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: list[str] = []
        self._spinner: Spinner = console.status("")
        self.finished: list[Step] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spinner.stop()

    def show(self, step: Step) -> None:
        """Take in one step."""
        if step.at is not None:
            news = f"  ..     {step.name}: {step.at}"
            self._console.print(news, highlight=False, markup=False, no_wrap=True, overflow="ellipsis")
        elif step.seconds is None:
            self._running.append(step.name)
        else:
            if step.name in self._running:
                self._running.remove(step.name)
            self.finished.append(step)
            mark = "[green]ok[/]    " if step.error is None else "[red]failed[/]"
            self._console.print(f"  {mark} {step.seconds:7.3f} s  {step.name}", highlight=False)
            if step.error is not None:
                self._console.print(f"             {step.error}", style="red", highlight=False, markup=False)
        if self._running:
            self._spinner.update("; ".join(self._running))
            self._spinner.start()
        else:
            self._spinner.stop()


def measures(console: Console, rows: Iterable[tuple[str, float]]) -> None:
    """A table of what was measured, if anything was."""
    found = list(rows)
    if not found:
        return
    table = Table(title="Measured", title_justify="left")
    table.add_column("what")
    table.add_column("seconds", justify="right")
    for what, seconds in found:
        table.add_row(what, f"{seconds:.3f}")
    console.print(table)


def status(console: Console, found: Status) -> None:
    """What is wrong, then tables: appliances, tenants, VMs, lines, published services."""
    for line in found.wrong:
        console.print(line, style="red", highlight=False, markup=False)
    if not found.wrong:
        console.print("[green]Nothing is wrong.[/]")
    for table in (_appliances(found), _tenants(found), _vms(found), _lines_outside(found), _services(found)):
        console.print(table)


def _appliances(found: Status) -> Table:
    table = _table("Appliances", "appliance", "role", "state", "failover", "tunnels")
    for item in found.appliances:
        state = f"[green]{item.state}[/]" if item.state == "ready" else f"[red]{item.state}[/]"
        table.add_row(item.name, item.role, state, item.failover, _lines(item.tunnels))
    return table


def _tenants(found: Status) -> Table:
    table = _table("Tenants", "tenant", "failover", "VMs at the provider", "public addresses", "owned now")
    for tenant in found.tenants:
        mode = tenant.mode if tenant.mode == "idle" else f"[green]{tenant.mode}[/]"
        table.add_row(
            tenant.name, mode, _lines(tenant.vms), _lines(tenant.public_addresses), _lines(tenant.owned)
        )
    return table


def _vms(found: Status) -> Table:
    table = _table("VMs", "VM", "addresses", "production", "replica", "runs at")
    for vm in found.vms:
        place = "[green]provider[/]" if vm.failed_over else "production" if vm.original else "[red]nowhere[/]"
        place += " [dim]rehearsed[/]" if vm.mode == "rehearsal" else ""
        table.add_row(vm.name, _lines(vm.addresses), _power(on=vm.original), _power(on=vm.replica), place)
    return table


def _lines_outside(found: Status) -> Table:
    table = _table("Lines to the internet", "tenant", "line", "made by", "packets")
    for line in found.lines:
        table.add_row(line.tenant, _lines(line.conditions), line.means, _lines(line.counters))
    return table


def _services(found: Status) -> Table:
    table = _table("Published services", "rule", "public", "leads to", "VM", "sources", "in force")
    for tenant in found.tenants:
        for rule in tenant.rules:
            force = "[green]yes[/]" if tenant.rules_in_force else "[dim]with full failover[/]"
            sources = _lines(rule.sources) or "all"
            table.add_row(f"{tenant.name}/{rule.id}", rule.public, rule.internal, rule.vm, sources, force)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def _lines(items: Sequence[str]) -> str:
    return "\n".join(items)


def _power(*, on: bool) -> str:
    return "on" if on else "[dim]off[/]"
