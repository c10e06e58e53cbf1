"""A partial failover by two real controllers, the provider's and the tenant's, which leads: real packets."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller import yaml_text
from causeway_lab.assembly import two_sites
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab, LabError, VmRef
from causeway_lab.assembly.two_sites import OWN_HOST
from causeway_lab.demo import proofs
from causeway_lab.service.two_controllers import PROVIDER
from causeway_lab.service.two_sites import TwoSites
from causeway_lab.world.inward import Inward
from causeway_lab.world.topology import INTERNET_HOST, original_of, replica_of
from causeway_wire import codec
from tests.kernel import two_controllers

pytestmark = pytest.mark.kernel

PAGE = Path(__file__).parents[2] / "docs/how-to/extend-a-tenants-site.md"
DB, WEB = VmRef("acme", "db1"), VmRef("acme", "web1")
SECONDS = 900
"""Generous: CI is slow."""


@pytest.fixture(scope="module")
def inward(lab: Lab) -> Iterator[Inward]:
    """What was opened into the site from outside since before its controller was there."""
    with Inward(lab.topology.machines[lab.topology.routers["acme"]]) as counting:
        yield counting


@dataclass
class Site:
    """The tenant's staff at their console, who follow the page."""

    lab: Lab
    sites: TwoSites
    place: Path

    async def type(self, line: str) -> None:
        """Do what a line of the page says, and see what it promises."""
        partial = line.startswith("causeway failover partial") and not line.endswith("--dry-run")
        if partial:
            await self.lab.machines.power_off(original_of("acme", DB.vm))
            await proofs.silent(self.lab.original(WEB), self.lab.vm(DB).addresses)
        await self._run(line, (0, 1) if line.startswith("causeway diff") else (0,))
        if line.startswith("causeway appliance proposed"):
            await self._complete()
        elif partial:
            await self.failed_over()
        elif line.startswith("causeway failover undo"):
            await self.undone()

    async def _run(self, line: str, ok: tuple[int, ...]) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "CAUSEWAY_SOCKET": str(self.sites.tenant.socket)}
        shell = await asyncio.create_subprocess_shell(
            line,
            cwd=self.place,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await shell.communicate()
        assert shell.returncode in ok, (line, said.decode())

    async def _complete(self) -> None:
        """Put in what only this site knows; JSON is YAML."""
        file = self.place / "site.yaml"
        proposed, _ = yaml_text.read(file.read_text())
        file.write_bytes(codec.encode(two_sites.completed(proposed, self.sites.own_host)))

    async def failed_over(self) -> None:
        await two_controllers.both_ways(self.lab, DB, WEB)
        theirs = await self.sites.tenant.ask_json("provider", "resources", PROVIDER)
        assert [(one["mode"], one["vms"]) for one in theirs["failovers"]] == [("partial", [DB.vm])]

    async def undone(self) -> None:
        web = self.lab.original(WEB)
        await proofs.silent(web, self.lab.vm(DB).addresses)
        assert not self.lab.machines.powered_on(replica_of("acme", DB.vm))
        await self.lab.machines.power_on(original_of("acme", DB.vm))
        await proofs.returned(self.lab, DB, web)
        assert "failovers" not in await self.sites.tenant.ask_json("provider", "resources", PROVIDER)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(lab: Lab, inward: Inward) -> AsyncIterator[Site]:
    """Joined to a provider that has deployed what is its own."""
    with tempfile.TemporaryDirectory(prefix="cw-") as place:
        async with TwoSites(lab, "acme", Path(place)) as made:
            await asyncio.gather(made.controllers.join(), made.controllers.deploy_provider())
            yield Site(lab, made, Path(place))
        await lab.machines.power_on(original_of("acme", DB.vm))


def lines() -> list[str]:
    """The commands of the page, but those of its last part, which are the provider's and another site's."""
    mine, _, _ = PAGE.read_text().partition("\n## 4.")
    return re.findall(r"^ {4}(causeway .*)$", mine, re.MULTILINE)


@pytest.mark.timeout(SECONDS)
async def test_by_the_commands_of_the_page_a_vm_fails_over_and_back(site: Site, inward: Inward) -> None:
    commands = lines()
    assert len(commands) == 8
    for line in commands:
        await site.type(line)
    for controller in (site.sites.provider, site.sites.tenant):
        said = await controller.ask("status", ok=(0, 1))
        assert "Nothing is wrong" in said, said
    assert inward.opened == 0
    await begun_by_the_provider(site)
    await comes_back(site)
    assert inward.opened == 0
    outside = site.lab.machines.console(INTERNET_HOST)
    doors = proofs.router_addresses(site.lab, "acme")
    await proofs.closed(outside, [(address, 22) for address in doors])
    assert inward.opened >= len(doors), "the control: who knocks is counted"


async def begun_by_the_provider(site: Site) -> None:
    """Only where the tenant lets it."""
    asked = ("failover", "ask", "acme", DB.vm, "--host", SECOND_HOST, "--reason", "its disk is dying")
    with pytest.raises(LabError):
        await site.sites.provider.ask(*asked)
    refused = (await site.sites.provider.ask_json("run", "list"))[0]
    assert "refuses" in refused["last"]["detail"]["why"], refused
    assert not site.lab.machines.powered_on(replica_of("acme", DB.vm))
    file = site.place / "site.yaml"
    own, _ = yaml_text.read(file.read_text())
    own["production"][0]["partial_failover_by"] = ["tenant", "provider"]
    file.write_bytes(codec.encode(own))
    await site.sites.tenant.ask("apply", "-f", str(file))
    await site.lab.machines.power_off(original_of("acme", DB.vm))
    await site.sites.provider.ask(*asked)
    await site.failed_over()
    await site.sites.provider.ask(*asked, "--end")
    await site.undone()


async def comes_back(site: Site) -> None:
    """The tenant's appliance that was lost, with a new certificate of its tunnel from the provider."""
    own, name = site.sites.tenant, "acme-net1-tenant"
    await site.lab.hypervisor.destroy(name)
    while True:
        newest = (await own.look("/v1/runs"))["runs"][0]
        rebuilt = newest["request"]["request"] == "rebuild" and not newest["open"]
        if rebuilt and "Nothing is wrong" in await own.ask("status", ok=(0, 1)):
            break
        await asyncio.sleep(0.2)
    assert (newest["last"]["kind"], newest["request"]["on"]) == ("finished", OWN_HOST)
    await site.lab.machines.power_off(original_of("acme", DB.vm))
    await own.ask("failover", "partial", "acme", DB.vm, "--host", "net1")
    await site.failed_over()
    await own.ask("failover", "undo", "acme", DB.vm, "--host", "net1")
    await site.undone()
