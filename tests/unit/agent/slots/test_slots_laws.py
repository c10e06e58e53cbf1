"""Whatever is asked in whatever order, and wherever the power goes: what starts is whole.

A machine is updated, activated, blessed, restarted and cut off at random steps.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from causeway_agent.slots import installing, loader
from causeway_agent.slots.archive import Archive
from causeway_agent.slots.disk import ENTRIES
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from causeway_wire.update import Activation, Manifest, Slot
from tests.fakes.disk import FakeDisk, KilledError, start
from tests.update_files import FIRST_ENTRY, HERE, Made, lenient, make

STEPS = st.none() | st.integers(0, 40)
"""How long the machine has power, None for long enough."""


def made(version: str) -> Made:
    with tempfile.TemporaryDirectory() as name:
        return make(Path(name), version=version, root=(version.encode() * 900).ljust(300_000, b"\0") + b"end")


FILES = {version: made(version) for version in ("1", "2", "3")}


class Machine(RuleBasedStateMachine):
    """Slot a runs build 1 and is good."""

    @initialize()
    def deploy(self) -> None:
        self.disk = FakeDisk()
        self.running = Slot.B
        self.attempt(None, lambda: self.receive("1", allow_older=False))
        self.disk.files[f"{ENTRIES}/a.conf"] = FIRST_ENTRY
        self.running = Slot.A

    @rule(version=st.sampled_from(sorted(FILES)), steps=STEPS, allow_older=st.booleans())
    def update(self, version: str, steps: int | None, allow_older: bool) -> None:  # noqa: FBT001
        self.attempt(steps, lambda: self.receive(version, allow_older=allow_older))

    @rule(tries=st.integers(1, 3), steps=STEPS, allow_older=st.booleans())
    def activate(self, tries: int, steps: int | None, allow_older: bool) -> None:  # noqa: FBT001
        build = installing.status(self.disk, self.here).report(self.running.other).build
        wanted = Activation(build=build or "0" * 64, tries=tries, allow_older=allow_older)
        self.attempt(steps, lambda: installing.activate(self.disk, self.here, wanted))

    @rule(steps=STEPS)
    def abandon(self, steps: int | None) -> None:
        self.attempt(steps, lambda: installing.abandon(self.disk, self.here))

    @rule(steps=STEPS)
    def bless(self, steps: int | None) -> None:
        self.attempt(steps, lambda: installing.bless(self.disk, self.here))

    @rule()
    def restart(self) -> None:
        self.running = start(self.disk)

    @precondition(lambda self: hasattr(self, "disk"))
    @invariant()
    def what_runs_is_whole(self) -> None:
        assert self.whole(self.running)

    @precondition(lambda self: hasattr(self, "disk"))
    @invariant()
    def whatever_could_start_is_whole(self) -> None:
        names = self.disk.names(ENTRIES)
        files = {name: self.disk.files[f"{ENTRIES}/{name}"] for name in names}
        entries = [loader.parse(name, text) for name, text in files.items() if text]
        assert None not in entries
        assert all(self.whole(entry.slot) for entry in entries if entry is not None)
        assert [entry for entry in entries if entry is not None and entry.left != 0]

    @property
    def here(self) -> installing.Here:
        return dataclasses.replace(HERE, running=self.running)

    def receive(self, version: str, *, allow_older: bool) -> None:
        file = FILES[version]
        archive = Archive(io.BytesIO(file.content).read, octets=len(file.content))
        installing.receive(
            self.disk, self.here, archive, file.sha256, verify=lenient, allow_older=allow_older
        )

    def attempt(self, steps: int | None, doing: object) -> None:
        """Do it until it is done, refused, or the power goes; then the machine starts again."""
        assert callable(doing)
        self.disk.steps = steps
        try:
            with contextlib.suppress(ProblemError):
                doing()
        except KilledError:
            self.disk.steps = None
            self.running = start(self.disk)
        self.disk.steps = None

    def whole(self, slot: Slot) -> bool:
        """Whether all parts are those of the manifest."""
        text = self.disk.files.get(f"causeway/{slot}/manifest.json")
        if text is None:
            return False
        members = codec.decode(text, Manifest).members
        linux, initrd = (self.disk.files[f"causeway/{slot}/{name}"] for name in ("linux", "initrd"))
        root = self.disk.roots[slot][: members.root.octets]
        found = tuple(hashlib.sha256(part).hexdigest() for part in (linux, initrd, root))
        return found == (members.linux.sha256, members.initrd.sha256, members.root.sha256)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
