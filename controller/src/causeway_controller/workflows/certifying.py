"""Certificates for keys born on appliances, by this controller's authorities, as its ledger has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from causeway_controller.fleet import enrolment
from causeway_controller.fleet.client import AgentClient
from causeway_controller.inventory import certificates
from causeway_controller.inventory.certificates import Issued, Subject
from causeway_controller.store.authorities import Authorities, AuthorityName
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import pki
from causeway_wire.identity import Purpose
from causeway_wire.types import KeyName, Name


class Certifying:
    """Certifies the keys of agents that are not, or whose time is nearly over."""

    def __init__(
        self, *, authorities: Authorities, ledger: Ledger, now: Callable[[], datetime], actor: str
    ) -> None:
        self._authorities = authorities
        self._ledger = ledger
        self._now = now
        self._actor = actor

    async def due(self, subject: Subject) -> bool:
        """Whether its certificate is to be renewed now: it is old, or was revoked and the next key has none.

        Who holds the next key shows another certificate when it has it made, its agent's; one that does not
        count either gets nothing.
        """
        last = await asyncio.to_thread(self._ledger.last, subject)
        return last is not None and not self._lasts(last)

    async def ensure(
        self,
        agent: AgentClient,
        subject: Subject,
        *,
        authority: AuthorityName,
        key: KeyName,
        purpose: Purpose,
        common_name: Name,
        compared: bool,
    ) -> bool:
        """Have a certificate that counts for the agent's key of this name; whether a new one was made.

        `compared`: the agent is asked whether the key is the certified one. Another machine in the place of
        the one before has made its own. A key that was revoked is left alone: the next one has another name,
        which `key` begins. Raises AgentUnreachable, RequestRefused, StoreError.
        """
        last = await asyncio.to_thread(self._ledger.last, subject)
        lasts = last is not None and self._lasts(last)
        if lasts and not compared:
            return False
        if last is not None and last.revoked is None:
            key = last.key or key
        else:
            key = await asyncio.to_thread(self._ledger.key_name, subject, base=key)
        asked = await enrolment.signing_request(agent, key=key, purpose=purpose, common_name=common_name)
        if last is not None and lasts:
            certificate = await asyncio.to_thread(self._ledger.pem, last.serial)
            if pki.certified(certificate) == pki.fingerprint(pki.requested_key(pki.read_request(asked))):
                return False
        await asyncio.to_thread(self._authorities.establish, authority, actor=self._actor)
        await enrolment.sign(
            asked,
            purpose=purpose,
            common_name=common_name,
            authority=self._authorities.issuer(authority, subject, actor=self._actor, key=key),
            now=self._now(),
        )
        return True

    def _lasts(self, last: Issued) -> bool:
        return last.revoked is None and self._now() < certificates.renewal(last)
