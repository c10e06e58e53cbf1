"""The first-boot command: looks at the carriers until the machine is configured, and says what it sees.

Runs at every boot. On a configured machine it looks once: a seed that is still attached changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from causeway_agent.errors import BackendError, HeldError, SeedRefusedError
from causeway_agent.first_boot import carriers, rendering
from causeway_agent.first_boot.carriers import Found, Sources
from causeway_agent.first_boot.decision import Answer
from causeway_agent.first_boot.importer import Importer
from causeway_agent.settings import Settings
from causeway_wire import seed

POLL_SECONDS = 2.0
WAITING = (
    f"waiting for a seed: attach its ISO image (label {seed.LABEL}) to this machine, or start the machine "
    f"with the credential or guestinfo variable {seed.CREDENTIAL}"
)
_SENTENCES = {
    Answer.TAKE: "this machine is {appliance} now, by the seed from {where}",
    Answer.TAKEN: "this machine is {appliance}; the seed from {where} is in force already",
    Answer.REPLAYED: (
        "the seed from {where} was used before; this machine is {appliance}, enrolled, and nothing is changed"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBoot:
    """One boot's worth of looking for a seed."""

    importer: Importer
    sources: Sources
    say: Callable[[str], None]
    pause: Callable[[float], None]
    render: Callable[[Settings], None]
    """Makes what other programs read; raises OSError."""

    def run(self, *, wait: bool) -> bool:
        """Whether the machine is configured and nothing went wrong. `wait`: until it is configured."""
        told = ""
        while True:
            configured, good, sentence = self._once()
            if sentence and sentence != told:
                self._tell(sentence)
                told = sentence
            if configured or not wait:
                return configured and good
            self.pause(POLL_SECONDS)

    def _once(self) -> tuple[bool, bool, str]:
        """Whether the machine is configured, whether nothing went wrong, and what to say."""
        configured = False
        try:
            memory = self.importer.forget_token(self.importer.remember())
            if memory.settings is not None:
                configured = True
                # Before any seed is looked at: SSH must not depend on what somebody attached.
                self._render(memory.settings)
            found = carriers.look(self.sources)
            if found is None:
                return configured, True, "" if configured else WAITING
            sentence = self._settle(found, self.importer.take(found, memory))
        except (SeedRefusedError, HeldError, BackendError) as error:
            return configured, False, str(error)
        return True, True, sentence

    def _settle(self, found: Found, answer: Answer) -> str:
        settings = self.importer.remember().settings
        if settings is None:
            raise BackendError("read the settings just written", "they are not there")
        if answer is Answer.TAKE:
            self._render(settings)
        if found.disk is not None:
            found.disk.eject()
        return _SENTENCES[answer].format(appliance=settings.appliance, where=found.where)

    def _render(self, settings: Settings) -> None:
        try:
            self.render(settings)
        except OSError as error:
            raise BackendError("write what SSH and the clock are told", str(error)) from error

    def _tell(self, sentence: str) -> None:
        self.say(sentence)
        directory = Path(self.importer.place.run_directory)
        try:
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            rendering.publish(directory / rendering.STATUS, f"{sentence}\n", mode=0o644)
        except OSError as error:
            self.say(f"the console cannot be told: {error}")
