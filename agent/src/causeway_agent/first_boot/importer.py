"""Takes a seed, once, whole or not at all.

Three writes, the last of which counts: the identity made for an earlier seed is dropped, the token's digest
is remembered, the settings appear. Whatever a power cut leaves in between is no configured machine (or the
one before), and the same seed taken again ends in the same three files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

import msgspec

from causeway_agent import settings as settings_file
from causeway_agent.backends.host.identity_files import ENROLLED, IDENTITY
from causeway_agent.engine import sealed
from causeway_agent.engine.ports import Storage
from causeway_agent.errors import DamagedError, SeedRefusedError, SettingsError
from causeway_agent.first_boot import decision, verification
from causeway_agent.first_boot.carriers import Found
from causeway_agent.first_boot.decision import Answer, Memory, Record
from causeway_agent.plan.model.target import Facts
from causeway_agent.settings import Settings
from causeway_wire import codec
from causeway_wire.problem import Problem, ProblemError
from causeway_wire.seed import Seed, decode, token_digest

RECORD = "first-boot.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the settings say of this machine and no seed knows."""

    state_directory: str
    run_directory: str
    vpn_user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """First boot's hands: `state` is the state directory, `etc` where `settings` is the settings file."""

    state: Storage
    etc: Storage
    settings: str
    place: Place
    facts: Callable[[], Facts]
    now: Callable[[], datetime]
    alone: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    """Held while writing; raises HeldError when an agent runs."""

    def remember(self) -> Memory:
        """What earlier boots left; raises BackendError when the disk cannot be read."""
        return Memory(
            record=self._record(),
            settings=self._settings(),
            enrolled=self.state.read(ENROLLED) is not None,
        )

    def forget_token(self, memory: Memory) -> Memory:
        """The same without the token, once it was used: nothing needs it any more. Raises BackendError."""
        known = memory.settings
        if not memory.enrolled or known is None or known.enrolment_token is None:
            return memory
        used = token_digest(known.enrolment_token)
        if memory.record is None or used not in memory.record.tokens:
            self._write_record(known.appliance, used, memory.record)
        self._write_settings(msgspec.structs.replace(known, enrolment_token=None))
        return self.remember()

    def take(self, found: Found, memory: Memory) -> Answer:
        """Take the seed if it is to be taken. Raises SeedRefusedError, HeldError or BackendError; after the
        first two nothing was written.
        """
        try:
            seed = decode(found.data)
        except ProblemError as error:
            raise SeedRefusedError(found.where, (error.problem,)) from error
        wanted = self._wanted(seed)
        answer = decision.decide(seed, memory, wanted)
        if isinstance(answer, Problem):
            raise SeedRefusedError(found.where, (answer,))
        if answer is Answer.TAKE:
            if wrong := verification.problems(seed, self.facts(), self.now()):
                raise SeedRefusedError(found.where, wrong)
            with self.alone():
                # The first certificate names the authority of the seed before; its key may stay.
                self.state.delete(IDENTITY)
                self._write_record(seed.appliance, token_digest(seed.enrolment.token), memory.record)
                self._write_settings(wanted)
        return answer

    def _wanted(self, seed: Seed) -> Settings:
        return Settings(
            appliance=seed.appliance,
            management=seed.management,
            nics=seed.nics,
            vlans=seed.vlans,
            controller_ca=seed.controller_ca,
            enrolment_token=seed.enrolment.token,
            role=seed.role,
            ssh_authorized_keys=seed.ssh_authorized_keys,
            time_servers=seed.time_servers,
            state_directory=self.place.state_directory,
            run_directory=self.place.run_directory,
            vpn_user=self.place.vpn_user,
        )

    def _record(self) -> Record | None:
        data = self.state.read(RECORD)
        try:
            if data is None:
                return None
            return codec.decode(sealed.unseal(RECORD, data) if sealed.is_sealed(data) else data, Record)
        except (ProblemError, DamagedError):
            # Without it a used token is still refused: the appliance is enrolled, which decides.
            return None

    def _settings(self) -> Settings | None:
        data = self.etc.read(self.settings)
        try:
            return None if data is None else settings_file.decode(data)
        except SettingsError:
            return None

    def _write_record(self, appliance: str, digest: str, known: Record | None) -> None:
        tokens = () if known is None else tuple(each for each in known.tokens if each != digest)
        text = codec.encode(Record(appliance=appliance, tokens=(*tokens, digest)))
        self.state.write(RECORD, sealed.seal(RECORD, text))

    def _write_settings(self, settings: Settings) -> None:
        self.etc.write(self.settings, codec.encode(settings))
