"""Replicas by hand, by discovery and by a program end as the same entry; what is wrong ends with 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import UNSET
from typer.testing import CliRunner, Result

from causeway_controller.cli.main import app
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.store.inventories import Inventories
from tests.controller_socket import AtSocket, at_socket
from tests.provider_inventory import seed_example, tenant, vm, with_


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[AtSocket]:
    with at_socket(tmp_path) as found:
        vms = (with_(vm("web1", 11), replica=UNSET), vm("db1", 12), with_(vm("app1", 13), replica=UNSET))
        inventory = seed_example(tenants=(tenant(vms=vms),))
        Inventories(found.database, now=found.now).replace(inventory, expected=0, actor="test")
        yield found


def ask(controller: AtSocket, *words: str) -> Result:
    return CliRunner().invoke(app, ["--socket", str(controller.socket), "replica", *words])


def entered(controller: AtSocket, name: str) -> object:
    (acme,) = Inventories(controller.database, now=controller.now).load().inventory.tenants
    return next(one.replica for one in acme.vms if one.name == name)


def test_what_has_the_vms_name_on_a_host_is_entered(controller: AtSocket) -> None:
    tried = ask(controller, "discover", "acme", "esx1", "--suffix", "_replica", "--dry-run")
    assert (tried.exit_code, entered(controller, "web1")) == (1, UNSET)
    assert tried.stdout.splitlines()[0].split(maxsplit=2) == ["web1", "9e2a", "would be entered"]
    done = ask(controller, "discover", "acme", "esx1", "--suffix", "_replica", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == [
        {"vm": "web1", "found": ["9e2a"], "entered": True},
        {"vm": "app1", "found": [], "entered": False},
    ]
    assert entered(controller, "web1") == ReplicaVm(host="esx1", vm_id="9e2a")


def test_a_replica_is_entered_shown_and_removed(controller: AtSocket) -> None:
    words = ("register", "acme", "web1", "--host", "esx1", "--id", "vm-5")
    done = ask(controller, *words, "--restored-to", "2026-01-31T10:00:00+01:00", "--address", "192.168.10.9")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "acme/web1: vm-5 on esx1, restore point 2026-01-31 09:00:00 UTC."
    assert "web1 was renumbered" in done.stdout
    silent = ask(controller, *words).stdout
    assert silent == "acme/web1: vm-5 on esx1, without a restore point; any told before is forgotten.\n"
    assert ask(controller, *words, "--address", "192.168.10.9").exit_code == 0
    listed = ask(controller, "list", "acme")
    assert listed.exit_code == 1
    assert listed.stdout.splitlines()[1].split() == ["db1", "esx1", "vm-db1", "-", "-"]
    assert ask(controller, "remove", "acme", "web1").exit_code == 0
    assert entered(controller, "web1") is UNSET
    assert ask(controller, "list", "acme").exit_code == 0


def test_status_names_what_a_plan_is_refused_for(controller: AtSocket) -> None:
    told = CliRunner().invoke(app, ["--socket", str(controller.socket), "status"])
    assert (told.exit_code, "tenant acme: failover plan site is refused" in told.stdout) == (1, True)


def test_a_name_that_the_hypervisor_shows_in_capitals_is_told_as_such(controller: AtSocket) -> None:
    told = ask(controller, "register", "acme", "DB1", "--host", "esx1", "--id", "vm-db1")
    assert (told.exit_code, "names in a path are lower-case" in told.stderr) == (1, True)


@pytest.mark.parametrize(
    "words", [("--restored-to", "2026-01-31 10:00"), ("--restored-to", "now"), ("--address", "x")]
)
def test_what_is_no_moment_and_no_address_is_a_wrong_command_line(
    controller: AtSocket, words: tuple[str, str]
) -> None:
    done = ask(controller, "register", "acme", "web1", "--host", "esx1", "--id", "vm-5", *words)
    assert (done.exit_code, entered(controller, "web1")) == (2, UNSET)


def test_lint_without_a_file_looks_at_the_replicas_of_all_hosts(controller: AtSocket) -> None:
    done = CliRunner().invoke(app, ["--socket", str(controller.socket), "lint"])
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "esx1: 0 findings",
        "kvm1: 1 finding",
        "  STOP replicas: db1 is gone",
        "         Next: replicate it",
    ]


def test_a_refusal_names_the_member(controller: AtSocket) -> None:
    done = ask(controller, "register", "acme", "web1", "--host", "esx9", "--id", "vm-5")
    assert done.exit_code == 1
    assert "/host" in done.stderr
