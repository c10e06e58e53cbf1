"""A host is entered after a look at it, or nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from msgspec import UNSET
from typer.testing import CliRunner, Result

from causeway_controller.app import preparing
from causeway_controller.app.serving import utc_now
from causeway_controller.commands.host_add import add
from causeway_controller.commands.vault import vault
from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import hosts, meeting
from causeway_controller.hypervisors.base import Cause, FoundVm, HypervisorError, Inspection
from causeway_controller.hypervisors.meeting import Stranger
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_controller.settings import load
from causeway_controller.store.database import connect
from causeway_controller.store.inventories import Inventories
from causeway_wire.types import Secret
from tests.fakes.hypervisor import FakeHypervisor
from tests.provider_inventory import seed_example

COMMANDS = typer.Typer()
COMMANDS.command()(add)
COMMANDS.add_typer(vault, name="vault")
PASSWORD = "correct horse battery"
PIN = "5b" * 32
VSPHERE = ("--kind", "vsphere", "--endpoint", "https://vc.example/sdk", "--storage", "datastore-1")
LIBVIRT = ("--kind", "libvirt", "--storage", "p", "--endpoint")
PINNED = (*VSPHERE, "--pin", PIN, "--user", "causeway")


class Found(FakeHypervisor):
    def __init__(self) -> None:
        super().__init__({})
        self.findings: tuple[Finding, ...] = ()
        self.error: HypervisorError | None = None

    async def inspect(self, needs: HostNeeds) -> Inspection:
        if self.error is not None:
            raise self.error
        return Inspection(findings=self.findings)

    async def vms(self) -> Sequence[FoundVm]:
        return ()


class World:
    """A controller that was set up, and a host that is to be entered."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config = place / "one.yaml"
        self.config.write_text(f"state: {place / 'one'}\n")
        self.settings = load(self.config, {})
        list(preparing.prepare(self.settings, names=(), token_file=place / "one/token"))
        self.enter_example()
        self.found = Found()
        self.opened: list[tuple[Host, str]] = []
        self.stranger = Stranger(
            pin=PIN, subject="CN=vc", issuer="CN=ca", ends=datetime(2030, 1, 2, tzinfo=UTC), trusted=False
        )
        monkeypatch.setattr(hosts, "provider", self.open)
        self.met: list[int] = []
        monkeypatch.setattr(meeting, "meet", self.meet)

    def meet(self, _: str, port: int) -> Stranger:
        self.met.append(port)
        return self.stranger

    def enter_example(self) -> None:
        database = connect(self.settings.store.reveal())
        Inventories(database, now=utc_now).replace(seed_example(), expected=0, actor="test")
        database.close()

    def open(self, host: Host, login: Secret | None, *, image: Path) -> Found:
        self.opened.append((host, "" if login is None else login.reveal()))
        return self.found

    def run(self, *words: str, text: str = f"{PASSWORD}\n", code: int = 0) -> Result:
        done = CliRunner().invoke(COMMANDS, [*words, "--config", str(self.config)], input=text)
        assert done.exit_code == code, done.output
        assert PASSWORD not in done.output
        return done

    def entered(self) -> dict[str, Host]:
        database = connect(self.settings.store.reveal())
        try:
            return {one.id: one for one in Inventories(database, now=utc_now).load().inventory.hosts}
        finally:
            database.close()

    def secrets(self) -> str:
        return self.run("vault", "list").stdout


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_it_is_looked_at_with_its_login_and_entered(world: World) -> None:
    done = world.run("add", "vc9", *PINNED)
    assert done.stdout.splitlines() == [
        "ok   reached: https://vc.example/sdk answers",
        "Host vc9 is in the inventory, at revision 2. Next: causeway host selftest vc9",
    ]
    host = world.entered()["vc9"]
    assert (host.pin, host.login) == (PIN, "vc9")
    assert world.opened == [(host, f"causeway\n{PASSWORD}\n")]
    assert world.secrets().startswith("vc9\t")
    again = json.loads(world.run("add", "vc9", *PINNED, "--json").stdout)
    assert (again["entered"], again["revision"], again["host"]["pin"]) == (True, 2, PIN)


def test_a_dry_run_looks_and_changes_nothing(world: World) -> None:
    assert "nothing was changed" in world.run("add", "vc9", *PINNED, "--dry-run").stdout
    assert (len(world.opened), "vc9" in world.entered(), world.secrets()) == (1, False, "")


def test_a_problem_keeps_it_out_unless_it_is_wanted_anyway(world: World) -> None:
    lacks = Finding(topic=Topic.RIGHTS, grade=Grade.PROBLEM, text="lacks VApp.Import", advice="give it")
    world.found.findings = (lacks,)
    done = world.run("add", "vc9", *PINNED, code=1)
    assert "STOP rights: lacks VApp.Import\n       Next: give it\n" in done.stdout
    assert ("vc9" in world.entered(), world.secrets()) == (False, "")
    assert "would not be entered" in world.run("add", "vc9", *PINNED, "--dry-run", code=1).stdout
    assert "looked at" in world.run("add", "vc9", *PINNED, "--dry-run", "--anyway").stdout
    world.found.error = HypervisorError(f"causeway with {PASSWORD} is refused", cause=Cause.LOGIN)
    assert "STOP identity: *** with *** is refused" in world.run("add", "vc9", *PINNED, code=1).stdout
    world.run("add", "vc9", *PINNED, "--anyway")
    assert "vc9" in world.entered()


@pytest.mark.parametrize(
    ("kind", "example"),
    [("vsphere", "/sdk"), ("hyperv", "/wsman"), ("libvirt", "qemu+tls://"), ("lab", "unix:")],
)
def test_a_name_is_no_endpoint_and_what_one_looks_like_is_said(world: World, kind: str, example: str) -> None:
    words = ("--kind", kind, "--endpoint", "vc.example", "--storage", "x")
    done = world.run("add", "vc9", *words, code=2)
    assert "--endpoint: say a URL" in done.stderr
    assert example in done.stderr


def test_a_key_that_nobody_knows_is_shown_and_not_believed(world: World) -> None:
    done = world.run("add", "vc9", *VSPHERE, "--user", "causeway", code=1)
    assert f"SHA-256 of the key  {PIN}" in done.stderr
    assert world.met == [443]
    assert f"repeat with --pin {PIN}" in done.stderr
    assert "--system-authorities" not in done.stderr
    assert (world.opened, "vc9" in world.entered()) == ([], False)
    world.stranger = Stranger(
        pin=PIN, subject="CN=vc", issuer="CN=ca", ends=world.stranger.ends, trusted=True
    )
    assert "or with --system-authorities" in world.run("add", "vc9", *VSPHERE, "--user", "u", code=1).stderr
    world.run("add", "vc9", *VSPHERE, "--user", "causeway", "--system-authorities")
    assert world.entered()["vc9"].pin is UNSET


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (PINNED, "with --pin the host is known by that key alone"),
        (
            ("--kind", "libvirt", "--endpoint", "qemu:///system", "--storage", "p"),
            "known over TLS by the authority in the secret of its login",
        ),
        (("--kind", "lab", "--endpoint", "unix:///s", "--storage", "p"), "not met over TLS"),
    ],
)
def test_authorities_that_nobody_would_ask_are_refused(world: World, words: Sequence[str], said: str) -> None:
    done = world.run("add", "vc9", *words, "--system-authorities", code=2)
    assert "--system-authorities: " in done.stderr
    assert said in done.stderr
    assert (world.opened, world.met, "vc9" in world.entered()) == ([], [], False)


def test_a_hyperv_host_is_met_where_it_is_commanded(world: World) -> None:
    words = ("--kind", "hyperv", "--endpoint", "https://hv9.example/wsman", "--storage", "D:\\Causeway")
    world.run("add", "hv9", *words, "--user", "HV9\\causeway", code=1)
    assert world.met == [5986]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("VC9", *PINNED), "HOST: expected a name"),
        (("vc9", *PINNED, "--pin", "12"), "--pin: "),
        (("vc9", *VSPHERE, "--pin", PIN), "--login: "),
        (("vc9", *PINNED, "--endpoint", "https://vc.example/"), "--endpoint: "),
        (("esx1", *PINNED), "HOST: the inventory has another host esx1"),
        (("vc9", *PINNED, "--login", "esx1"), "--login: secret esx1 is the login of host esx1"),
        (("kvm9", *LIBVIRT, "qemu:///x"), "--endpoint: "),
        (("kvm9", *LIBVIRT, "qemu:///session"), "--endpoint: qemu:///session is a user's own libvirt"),
        (("kvm9", *LIBVIRT, "esx://esx1.example/"), "say kind: vsphere, and https://esx1.example/sdk"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_option(world: World, words: Sequence[str], said: str) -> None:
    before = world.entered()
    assert said in world.run("add", *words, code=1).output
    assert (world.opened, world.entered(), world.secrets()) == ([], before, "")


def test_programs_are_told_its_pointer(world: World) -> None:
    told = world.run("add", "esx1", *PINNED, "--json", code=1).output
    assert '"pointer": "/hosts/0/id"' in told


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [
        ("vsphere", "https://root:a/b:c@d@vc.example/sdk"),
        ("libvirt", "qemu+ssh://root:a/b:c@d@kvm1.example/system"),
        ("libvirt", "qemu+tcp://root:a/b:c@d@kvm1.example/system"),
    ],
)
def test_a_password_that_was_typed_into_an_endpoint_is_not_repeated(
    world: World, kind: str, endpoint: str
) -> None:
    words = ("--kind", kind, "--endpoint", endpoint, "--storage", "p")
    said = world.run("add", "vc9", *words, code=1).output
    assert "://***@" in said
    assert "a/b" not in said
    assert "c@d" not in said


def test_a_secret_that_is_not_this_hosts_is_not_overwritten(world: World) -> None:
    world.run("vault", "put", "other", text="the password of something else\n")
    said = world.run("add", "vc9", *PINNED, "--login", "other", code=1).output
    assert "--login: the vault has another secret other" in said
    assert world.opened == []
    world.run("add", "vc9", *VSPHERE, "--pin", PIN, "--login", "other")
    assert world.opened[0][1] == "the password of something else"


def test_a_login_of_a_user_is_kept_as_two_lines(world: World) -> None:
    world.run("vault", "put", "vc9", "--user", "causeway@vsphere.local")
    world.run("add", "vc9", *VSPHERE, "--pin", PIN, "--login", "vc9")
    assert world.opened[0][1] == f"causeway@vsphere.local\n{PASSWORD}\n"
    for text in ("", "one\ntwo\n"):
        said = world.run("vault", "put", "vc9", "--user", "causeway", text=text, code=2).output
        assert "the password is to be one line; nothing was kept" in said


@pytest.mark.parametrize("text", ["", "\n", "  \n"])
def test_a_secret_of_nothing_takes_no_secrets_place(world: World, text: str) -> None:
    world.run("vault", "put", "kvm9", text="a certificate")
    said = world.run("vault", "put", "kvm9", text=text, code=2).output
    assert "the secret is empty; nothing was kept" in said
