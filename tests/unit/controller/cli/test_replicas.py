"""Replicas by hand, by discovery and by a program end as the same entry; what is wrong ends with 1."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from msgspec import UNSET
from typer.testing import CliRunner, Result

from causeway_controller.cli.main import app
from causeway_controller.contract.change import Filling
from causeway_controller.contract.hosts import HostVm, HostVms, LintReport
from causeway_controller.contract.status import Trouble
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.store.inventories import Inventories
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from tests.controller_socket import AtSocket, at_socket
from tests.fakes.appliance_service import FakeHosts
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
        {"vm": "web1", "found": ["9e2a"], "entered": True, "why": ""},
        {
            "vm": "app1",
            "found": [],
            "entered": False,
            "why": "nobody has its name or MAC address there; replicate it, or enter it with its id",
        },
    ]
    assert entered(controller, "web1") == ReplicaVm(host="esx1", vm_id="9e2a")


UNFIT = ProblemError(problem(ProblemType.INVALID, "it is powered on; power it off", pointer="/vm_id"))
AWAY = ProblemError(problem(ProblemType.UNAVAILABLE, "the host went away"))


@pytest.fixture
def both(controller: AtSocket, monkeypatch: pytest.MonkeyPatch) -> AtSocket:
    """Both VMs that have no replica are there."""

    async def vms(_: object, name: str) -> HostVms:
        there = (HostVm(id=f"vm-{one}", name=one, powered_on=False) for one in ("web1", "app1"))
        return HostVms(host=name, vms=tuple(there))

    monkeypatch.setattr(FakeHosts, "vms", vms)
    return controller


def refusing(patch: pytest.MonkeyPatch, vm_id: str, error: ProblemError) -> None:
    """Have the host refuse this VM alone."""

    async def misfits(
        _: object, name: str, wanted: Mapping[str, ReplicaVm], **__: object
    ) -> Mapping[str, Problem]:
        found = [vm for vm, one in wanted.items() if one.vm_id == vm_id]
        if found and error is AWAY:
            raise error
        return dict.fromkeys(found, error.problem)

    patch.setattr(FakeHosts, "misfits", misfits)


def test_one_that_is_refused_keeps_no_other_from_being_entered(
    both: AtSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, "vm-web1", UNFIT)
    done = ask(both, "discover", "acme", "esx1")
    assert done.exit_code == 1
    first, second = done.stdout.splitlines()[-2:]
    assert first.split(maxsplit=2) == ["web1", "vm-web1", "refused: it is powered on; power it off"]
    assert second.split(maxsplit=2) == ["app1", "vm-app1", "entered"]
    assert (entered(both, "web1"), entered(both, "app1")) == (UNSET, ReplicaVm(host="esx1", vm_id="vm-app1"))


def test_a_host_that_goes_away_ends_it_with_nothing_done(
    both: AtSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, "vm-app1", AWAY)
    done = ask(both, "discover", "acme", "esx1")
    assert (done.exit_code != 0, "the host went away" in done.stderr) == (True, True)
    first, second = done.stdout.splitlines()[-2:]
    assert first.split(maxsplit=2) == ["web1", "vm-web1", "not tried: see below"]
    assert second.split(maxsplit=2) == ["app1", "vm-app1", "not tried: see below"]
    assert entered(both, "web1") is UNSET, "all of a host at once, or none"


def test_that_a_host_went_away_is_one_document_of_json(
    both: AtSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, "vm-app1", AWAY)
    done = ask(both, "discover", "acme", "esx1", "--json")
    assert (done.exit_code != 0, "the host went away" in done.stderr) == (True, True)
    assert [(one["vm"], one["entered"]) for one in json.loads(done.stdout)] == [
        ("web1", False),
        ("app1", False),
    ]


MANY = """\
- {vm: web1, host: esx1, vm_id: vm-1, restored_to: 2026-01-31T09:00:00Z}
- {vm: db1, host: esx1, vm_id: vm-db1}
- {vm: app1, host: esx1, vm_id: vm-3, addresses: [192.168.10.99]}
"""


def test_a_file_of_many_is_tried_and_entered_whole(controller: AtSocket, tmp_path: Path) -> None:
    file = tmp_path / "replicas.yaml"
    file.write_text(MANY)
    tried = ask(controller, "import", "acme", "-f", str(file), "--dry-run")
    assert (tried.exit_code, entered(controller, "web1")) == (0, UNSET)
    assert tried.stdout.splitlines()[-1] == "3 replicas of acme would be as the file says."
    done = ask(controller, "import", "acme", "-f", str(file))
    assert (done.exit_code, entered(controller, "web1")) == (0, ReplicaVm(host="esx1", vm_id="vm-1"))
    old, renumbered, last = done.stdout.splitlines()
    assert old.startswith("acme/web1: its last restore point is ")
    assert renumbered.startswith("acme/app1: app1 was renumbered")
    assert last == "3 replicas of acme are as the file says."
    assert "2026-01-31 09:00:00" in ask(controller, "list", "acme").stdout


def test_of_a_file_with_a_mistake_nothing_is_entered_and_its_line_is_told(
    controller: AtSocket, tmp_path: Path
) -> None:
    file = tmp_path / "replicas.yaml"
    file.write_text(MANY.replace("vm-3", "vm-1"))
    done = ask(controller, "import", "acme", "-f", str(file))
    assert (done.exit_code, entered(controller, "web1")) == (1, UNSET)
    lines = done.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{file}:1:33", f"{file}:3:33"]
    assert [line.split(": ")[1] for line in lines] == ["/0/vm_id", "/2/vm_id"]
    file.write_text(MANY.replace("vm_id: vm-3", "id: vm-3"))
    done = ask(controller, "import", "acme", "-f", str(file))
    assert (done.exit_code, done.stdout.startswith(f"{file}:3:")) == (1, True)


ALL_WRONG = """\
- {vm: web1, host: esx1, vm_id: vm-5, restored: 2026-01-31T09:00:00Z, addresses: [192.168.10.299]}
- {vm: nobody, host: esx1, vm_id: vm-6}
- {host: esx1}
- just a name
- {vm: db1, host: esx9, vm_id: vm-7}
- {vm: app1, host: esx1, vm_id: vm-8}
- {vm: app1, host: esx1, vm_id: vm-9}
"""


def test_all_that_is_wrong_with_a_file_is_told_at_once(
    controller: AtSocket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read, what the inventory has not, and what a host refuses."""
    refusing(monkeypatch, "vm-8", UNFIT)
    file = tmp_path / "replicas.yaml"
    file.write_text(ALL_WRONG)
    done = ask(controller, "import", "acme", "-f", str(file), "--dry-run")
    said = [line.split(": ")[:2] for line in done.stdout.splitlines()]
    assert [(int(place.split(":")[-2]), pointer) for place, pointer in said] == [
        (1, "/0/restored"),
        (1, "/0/addresses/0"),
        (2, "/1/vm"),
        (3, "/2"),
        (3, "/2"),
        (4, "/3"),
        (5, "/4/host"),
        (6, "/5/vm_id"),
        (7, "/6/vm"),
    ], done.stdout
    assert done.exit_code == 1
    assert "already at /5/vm; give each its own" in done.stdout, "the place in the file, not in a request"


def test_places_are_those_of_the_file_where_its_shape_is_right(controller: AtSocket, tmp_path: Path) -> None:
    file = tmp_path / "replicas.yaml"
    file.write_text("- {vm: app9, host: esx1, vm_id: vm-8}\n" + "- {vm: app1, host: esx1, vm_id: vm-9}\n" * 2)
    done = ask(controller, "import", "acme", "-f", str(file), "--json")
    told = json.loads(done.stdout)["problems"]
    assert [(one["line"], one["pointer"]) for one in told][:2] == [(1, "/0/vm"), (3, "/2/vm")]
    assert "already at /1/vm;" in told[1]["detail"]


def test_what_is_refused_for_no_part_of_the_file_is_told_of_none(
    controller: AtSocket, tmp_path: Path
) -> None:
    file = tmp_path / "replicas.yaml"
    file.write_text(MANY)
    done = ask(controller, "import", "nobody", "-f", str(file))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0].startswith("causeway: there is no tenant nobody")


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


def test_a_pool_that_is_full_is_worth_a_note_and_no_exit_code(
    controller: AtSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be so by design, and a command that fails each day is looked at by nobody."""
    full = Filling(
        pointer="/vlan_pools/0", used=3, most=3, detail="3 of 3 VLANs are given; enter another pool"
    )

    async def lint(_: FakeHosts) -> LintReport:
        return LintReport(hosts=(), fills=(full,))

    monkeypatch.setattr(FakeHosts, "lint", lint)
    done = CliRunner().invoke(app, ["--socket", str(controller.socket), "lint"])
    assert (done.exit_code, done.stdout.splitlines()[1:]) == (0, [f"note /vlan_pools/0: {full.detail}"])


def test_a_list_of_what_is_revoked_that_fills_is_a_warning(
    controller: AtSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lint(_: FakeHosts) -> LintReport:
        return LintReport(hosts=(), revoked=(Trouble(subject="revoked certificates", detail="200 of 256"),))

    monkeypatch.setattr(FakeHosts, "lint", lint)
    done = CliRunner().invoke(app, ["--socket", str(controller.socket), "lint"])
    assert (done.exit_code, done.stdout.splitlines()[1:]) == (1, ["warn revoked certificates: 200 of 256"])


def test_a_refusal_names_the_member(controller: AtSocket) -> None:
    done = ask(controller, "register", "acme", "web1", "--host", "esx9", "--id", "vm-5")
    assert done.exit_code == 1
    assert "/host" in done.stderr
