"""A host is tried with a throw-away VM from its controller's command line."""

from __future__ import annotations

import fcntl
import functools
import json
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from pathlib import Path

import pytest
import typer
from msgspec import structs
from typer.testing import CliRunner, Result

from causeway_controller.app import hosting, preparing
from causeway_controller.app.serving import utc_now
from causeway_controller.cli.hosts import check
from causeway_controller.commands.host_selftest import selftest
from causeway_controller.commands.vault import vault
from causeway_controller.contract.hosts import VmNic
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.provider import Host
from causeway_controller.contract.tenant import Static
from causeway_controller.hypervisors import hosts
from causeway_controller.hypervisors.base import FoundVm, HypervisorError, Inspection, MachineSpec
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_controller.settings import load
from causeway_controller.store.database import connect
from causeway_controller.store.inventories import Inventories
from causeway_controller.workflows import selftest as sequence
from causeway_controller.workflows.selftest import Selftest
from causeway_wire.problem import ProblemError
from causeway_wire.types import Secret
from tests.fakes.hypervisor import FakeHypervisor
from tests.provider_inventory import seed_example

COMMANDS = typer.Typer()
COMMANDS.command()(selftest)
COMMANDS.command()(check)
COMMANDS.add_typer(vault, name="vault")
PASSWORD = "correct horse battery"


class Found(FakeHypervisor):
    """A host that lists its machines, keeps a login, and may refuse."""

    def __init__(self) -> None:
        super().__init__({})
        self.refuses = ""
        self.no_image = ""
        self.asked_for: list[str] = []
        self.closed = 0

    async def image(self) -> Path:
        if self.no_image:
            raise HypervisorError(self.no_image)
        return Path("/images/appliance.ova")

    async def segment(self, switch: str, vlan: int) -> str:
        self.asked_for.append(switch)
        return await super().segment(switch, vlan)

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        return (self.no_image,) if self.no_image else await super().preflight(spec)

    async def inspect(self, needs: HostNeeds) -> Inspection:
        assert needs.replicas == ()
        if self.refuses:
            raise HypervisorError(self.refuses)
        return Inspection()

    async def vms(self) -> Sequence[FoundVm]:
        return [
            FoundVm(
                id=one,
                name=one,
                powered_on=on,
                owner_id=one,
                nics=tuple(VmNic(mac=nic.mac, network=nic.segment) for nic in self.specs[one].nics),
            )
            for one, on in self.on.items()
        ]

    async def close(self) -> None:
        self.closed += 1


class World:
    """A controller that was set up, with an inventory, and its host."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = place / "one"
        self.config = place / "one.yaml"
        self.config.write_text(f"state: {self.state}\n")
        settings = load(self.config, {})
        list(preparing.prepare(settings, names=(), token_file=self.state / "token"))
        database = connect(settings.store.reveal())
        self.stored = Inventories(database, now=utc_now).replace(seed_example(), expected=0, actor="test")
        database.close()
        self.found = Found()
        self.logins: list[str | None] = []
        monkeypatch.setattr(hosts, "provider", self.open)
        monkeypatch.setattr(hosting, "Selftest", functools.partial(Selftest, stays=0, grace=0))

    def open(self, _: Host, login: Secret | None, *, image: Path) -> Found:
        self.logins.append(None if login is None else login.reveal())
        return self.found

    def run(self, *words: str, text: str = "", code: int = 0) -> Result:
        done = CliRunner().invoke(COMMANDS, [*words, "--config", str(self.config)], input=text)
        assert done.exit_code == code, done.output
        return done


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path, monkeypatch)
    found.run("vault", "put", "esx1", text=f"operator\n{PASSWORD}\n")
    return found


def test_each_step_is_told_and_the_login_ended(world: World) -> None:
    lines = world.run("selftest", "esx1").stdout.splitlines()
    assert [line[5:15].strip() for line in lines[:-1]] == list(sequence._STEPS)
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert lines[-1].startswith("Host esx1 (vsphere, Causeway ")
    assert "every step was done" in lines[-1]
    assert (world.logins, world.found.closed, world.found.on) == ([f"operator\n{PASSWORD}"], 1, {})


def test_the_inventorys_network_and_a_spare_vlan_are_taken_unless_others_are_named(world: World) -> None:
    told = json.loads(world.run("selftest", "esx1", "--json").stdout)
    network, vlan = told["networks"]
    assert network
    assert vlan.rpartition("-vlan")[2] not in {str(one.vlan) for one in world.stored.allocation.vlans}
    told = json.loads(world.run("selftest", "esx1", "--json", "--network", "n1", "--vlan", "s:x:7").stdout)
    assert told["networks"] == ["n1", "s:x-vlan7"]


def test_a_report_for_programs_has_no_secret(world: World) -> None:
    world.found.refuses = f"operator with {PASSWORD} is refused"
    done = world.run("selftest", "esx1", "--json", code=1)
    told = json.loads(done.stdout)
    assert PASSWORD not in done.output
    assert told["passed"] is False
    assert told["steps"][1]["detail"] == "*** with *** is refused"
    assert [one["outcome"] for one in told["steps"]] == ["done", "failed", *["skipped"] * 7]


def test_a_wrong_image_is_told_as_such_before_anything_is_made(world: World) -> None:
    world.found.no_image = "/images/appliance.ova is no OVA of an appliance"
    world.found.on["selftest-esx1"] = True
    lines = world.run("selftest", "esx1", code=1).stdout.splitlines()
    told = {line[5:15].strip(): line for line in lines[:-1]}
    assert told["image"].startswith("FAIL")
    assert told["image"].endswith("no OVA of an appliance")
    assert all(told[name].startswith("ok ") for name in ("check", "clean", "remove")), "an earlier one's"
    assert all(told[name].startswith("-") for name in ("networks", "deploy", "power on")), told
    assert "failed: image, in" in lines[-1]
    assert (world.found.on, world.found.specs, world.found.asked_for) == ({}, {}, [])


def test_only_cleaning_removes_what_is_there(world: World) -> None:
    world.found.on["selftest-esx1"] = True
    assert world.run("selftest", "esx1", "--clean").stdout.startswith("ok   clean ")
    assert world.found.on == {}


def test_what_cannot_be_meant_is_refused_before_anything_is_asked(world: World) -> None:
    taken = world.stored.allocation.vlans[0]
    cases = (
        (("esx9",), 1, "the inventory has no host esx9; it has "),
        (("esx1", "--vlan", f"{taken.switch}:{taken.vlan}"), 1, f"/vlans/0: VLAN {taken.vlan} of"),
        (("esx1", "--vlan", "dvs-21:4095"), 2, "say SWITCH:VLAN"),
    )
    for words, code, said in cases:
        assert said in world.run("selftest", *words, code=code).output
    assert (world.logins, world.found.on) == ([], {})


def test_an_appliance_of_production_is_not_taken_for_a_throw_away_one(world: World) -> None:
    host = structs.replace(world.stored.inventory.hosts[0], id="lan-tenant")
    address = Static(addresses=(ip_interface("10.9.9.250/24"),))
    own = OwnAppliance(host=host.id, network="pg", address=address)
    network = OwnNetwork(id="lan", prefixes=(ip_network("10.9.9.0/24"),), appliance=own)
    inventory = Inventory(
        hosts=(host,), production=(Production(id="north", tenant="selftest", networks=(network,)),)
    )
    stored = replace(world.stored, inventory=inventory)
    with pytest.raises(ProblemError, match="selftest-lan-tenant is an appliance of the inventory"):
        hosting._host(stored, host.id)


def test_before_setup_it_says_what_to_do_first(tmp_path: Path) -> None:
    config = tmp_path / "two.yaml"
    for state in (tmp_path / "nowhere", tmp_path):
        config.write_text(f"state: {state}\n")
        done = CliRunner().invoke(COMMANDS, ["selftest", "esx1", "--config", str(config)])
        assert (done.exit_code, "run `causeway setup` first" in done.output) == (1, True), done.output


def test_one_at_a_time_goes_through_a_host(world: World) -> None:
    with (world.state / "selftest-esx1.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another selftest of esx1 is under way" in world.run("selftest", "esx1", code=1).output
    world.run("selftest", "esx1")


def test_short_lines_of_a_secret_are_no_mask() -> None:
    hide = hosting.masking(Secret("root\nab\n"))
    assert hide("root may not ab") == "*** may not ab"
    assert hosting.masking(None)("as it is") == "as it is"
