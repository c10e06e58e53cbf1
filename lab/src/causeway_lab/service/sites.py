"""The two controllers of a lab in the background, and the power of what they protect.

A provider's controller and a tenant's own run in it until it is down; people use them from outside, by the
commands that `CONSOLES` defines.
"""

from __future__ import annotations

import shlex
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from causeway_lab.assembly import outage
from causeway_lab.assembly.lab import Lab, LabError, VmRef
from causeway_lab.service.two_controllers import PROVIDER
from causeway_lab.service.two_sites import TwoSites
from causeway_lab.world.steps import step
from causeway_lab.world.topology import original_of
from causeway_wire.types import TenantId

DIRECTORY: Final = "sites"
CONSOLES: Final = "consoles.sh"
"""In that directory: a command of the shell for each controller, and where the tenant's host is."""


class Sites:
    """Both controllers, once they were asked for."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        """`directory`: the lab's own."""
        self._lab = lab
        self._place = directory / DIRECTORY
        self._running: AsyncExitStack | None = None
        self._tenant: TenantId | None = None
        """Whose site has a controller."""

    async def begin(self, tenant: TenantId) -> None:
        """Set both up and start them; those of this tenant that run already go on. Raises LabError."""
        if self._running is not None and tenant == self._tenant:
            return
        if self._running is not None:
            raise LabError(
                f"this lab has the controllers of {self._tenant}, and of one tenant only: use them, by "
                f"`causeway lab sites {self._tenant}`, or begin with `causeway lab down` and `up`"
            )
        self._lab.tenant(tenant)
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir(mode=0o700)
        with step(f"Start the provider's controller and {tenant}'s own", self._lab.listener):
            running = AsyncExitStack()
            both = await running.enter_async_context(TwoSites(self._lab, tenant, self._place))
        self._running, self._tenant = running, tenant
        (self._place / CONSOLES).write_text(_consoles(both, tenant), encoding="utf-8")

    async def end(self) -> None:
        """End them, and what they deployed."""
        running, self._running = self._running, None
        if running is not None:
            await running.aclose()
            shutil.rmtree(self._place, ignore_errors=True)


async def power(lab: Lab, targets: tuple[str, ...], *, on: bool) -> None:
    """Switch production VMs (`tenant/vm`), or a whole site (`tenant`), whose VMs stay off when it returns.

    Raises LabError for what is not there.
    """
    switch = lab.machines.power_on if on else lab.machines.power_off
    for target in targets:
        if "/" in target:
            ref = VmRef.parse(target)
            lab.vm(ref)
            with step(f"Switch {target} {'on' if on else 'off'}", lab.listener):
                await switch(original_of(ref.tenant, ref.vm))
        else:
            await (outage.restore_site(lab, target) if on else outage.cut_site(lab, target))


def _consoles(both: TwoSites, tenant: TenantId) -> str:
    commands = (
        f'{name}() {{ causeway --socket {shlex.quote(str(one.socket))} "$@"; }}\n'
        for name, one in ((PROVIDER, both.provider), (tenant, both.tenant))
    )
    return f"{''.join(commands)}OWN_HOST={shlex.quote(both.own_host)}\n"
