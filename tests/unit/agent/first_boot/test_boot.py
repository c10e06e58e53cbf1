"""One boot: waits while there is nothing to do, says each thing once, and never leaves SSH to a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from causeway_agent import __main__ as program
from causeway_agent.backends.host.block_devices import Disk
from causeway_agent.backends.host.identity_files import ENROLLED
from causeway_agent.first_boot import boot, rendering
from causeway_agent.first_boot.boot import FirstBoot
from causeway_agent.first_boot.carriers import Sources
from causeway_agent.settings import Settings
from causeway_controller.hypervisors import seed_image as images
from causeway_wire import codec
from tests import seeds
from tests.seeds import SETTINGS, Box


@dataclass
class Machine:
    """A box with a drive, and somebody who does something each time first boot pauses."""

    directory: Path
    box: Box = field(default_factory=Box)
    said: list[str] = field(default_factory=list)
    rendered: list[Settings] = field(default_factory=list)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.box.run_directory = str(self.directory / "run")
        self.drive = self.directory / "sr0"

    def insert(self, data: bytes) -> None:
        self.drive.write_bytes(images.iso(data))

    def boot(self, *, wait: bool = False) -> bool:
        first = FirstBoot(
            importer=self.box.importer,
            sources=Sources(disks=self._disks),
            say=self.said.append,
            pause=lambda _seconds: self._pause(),
            render=self.rendered.append,
        )
        return first.run(wait=wait)

    def _disks(self) -> Sequence[Disk]:
        return (Disk(self.drive),) if self.drive.exists() else ()

    def _pause(self) -> None:
        self.meanwhile.pop(0)()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def nothing() -> None:
    """Time passes."""


def test_a_disc_put_in_later_is_taken(machine: Machine) -> None:
    machine.meanwhile = [nothing, nothing, lambda: machine.insert(codec.encode(seeds.seed()))]
    assert machine.boot(wait=True)
    assert [sentence[:18] for sentence in machine.said] == ["waiting for a seed", "this machine is ac"]
    assert machine.rendered == [machine.box.importer.remember().settings]


def test_a_refused_seed_is_told_once_and_a_right_one_taken_after_it(machine: Machine) -> None:
    machine.insert(codec.encode(seeds.seed())[:50])
    machine.meanwhile = [nothing, nothing, lambda: machine.insert(codec.encode(seeds.seed()))]
    assert machine.boot(wait=True)
    assert [("is refused: " in sentence) for sentence in machine.said] == [True, False]


def test_without_waiting_nothing_is_no_success(machine: Machine) -> None:
    assert not machine.boot()
    assert machine.said == [boot.WAITING]


def test_a_failing_disk_is_told_and_tried_again(machine: Machine) -> None:
    machine.insert(codec.encode(seeds.seed()))
    machine.box.fuse.refuse = {1}
    machine.meanwhile = [nothing]
    assert machine.boot(wait=True)
    assert "refused by the test" in machine.said[0]


def test_a_configured_machine_never_waits_and_renders_before_it_looks(machine: Machine) -> None:
    machine.insert(codec.encode(seeds.seed()))
    machine.boot()
    machine.drive.unlink()
    machine.rendered.clear()
    assert machine.boot(wait=True)
    assert len(machine.rendered) == 1
    machine.insert(b"rubbish")
    assert not machine.boot(wait=True)
    assert len(machine.rendered) == 2
    assert "is refused" in machine.said[-1]


def test_a_replay_is_told_and_is_no_failure(machine: Machine) -> None:
    machine.insert(codec.encode(seeds.seed()))
    machine.boot()
    machine.box.state.files[ENROLLED] = b""
    assert machine.boot(wait=True)
    assert "was used before" in machine.said[-1]


def test_no_sentence_holds_the_token(machine: Machine) -> None:
    machine.insert(seeds.spoilt(lambda it: it.update(dhcp=1)))
    machine.boot()
    machine.insert(codec.encode(seeds.seed()))
    machine.boot()
    assert seeds.TOKEN not in "".join(machine.said)


def test_the_console_is_told_the_last_sentence(machine: Machine) -> None:
    machine.boot()
    status = machine.directory / "run" / rendering.STATUS
    assert status.read_text() == f"{boot.WAITING}\n"
    assert status.stat().st_mode & 0o777 == 0o644


def test_ssh_listens_on_the_management_address_only(machine: Machine) -> None:
    machine.insert(codec.encode(seeds.seed()))
    machine.boot()
    (settings,) = machine.rendered
    rendering.render(settings)
    run = machine.directory / "run"
    lines = (run / rendering.SSHD).read_text().splitlines()
    assert lines[1:] == [
        "ListenAddress 192.0.2.10:22",
        f"AuthorizedKeysFile {run}/authorized_keys .ssh/authorized_keys",
    ]
    assert (run / rendering.AUTHORIZED_KEYS).read_text().splitlines()[1:] == [seeds.SSH_KEY]
    assert rendering.timesyncd(settings).endswith("NTP=192.0.2.123\n")


def test_an_ipv6_address_is_written_as_sshd_reads_it(machine: Machine) -> None:
    machine.insert(codec.encode(seeds.seed(address="2001:db8::10")).replace(b'"192.0.2.1"', b'"2001:db8::1"'))
    machine.boot()
    assert "ListenAddress [2001:db8::10]:22\n" in rendering.sshd(machine.rendered[0])


def test_the_command_refuses_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real command with the real adapters of this machine, none of which is the seed's."""
    (tmp_path / "causeway.seed").write_bytes(codec.encode(seeds.seed()))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    state, run = tmp_path / "state", tmp_path / "run"
    with pytest.raises(SystemExit) as ended:
        program.main(
            [
                *("--settings", str(tmp_path / SETTINGS), "first-boot", "--carrier", "credential"),
                *("--state-directory", str(state), "--run-directory", str(run)),
            ]
        )
    assert ended.value.code == 1
    assert "/nics/0/mac" in capsys.readouterr().err
    assert not state.exists()
    assert not (tmp_path / SETTINGS).exists()
