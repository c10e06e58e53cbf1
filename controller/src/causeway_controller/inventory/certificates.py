"""Certificates as the ledger knows them: for whom, since when, until when. Pure; what to do about them.

A subject has one certificate that counts: the last that was issued for it. Until that is installed, the one
that was installed before it is still shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from causeway_controller.contract.certificates import Bearer
from causeway_controller.inventory.tenancy import Holder, Revocation
from causeway_wire.types import ApplianceId, KeyName, Name, NetworkId, SerialNumber, TenantId, TunnelId

RENEW_AFTER: Final = 2 / 3
"""Fraction of a certificate's life after which it is renewed: the rest is for the attempts that fail."""


_NAME_LENGTH: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """For whom a certificate is: an appliance, one end of a tunnel, or a controller by its name."""

    purpose: Bearer
    name: Name
    """The certificate's common name."""
    appliance: ApplianceId | None = None
    """On which its key was born, as far as that was written down."""
    tenant: TenantId | None = None
    tunnel: TunnelId | None = None

    @property
    def slot(self) -> str:
        """What it takes the place of: certificates of one slot follow each other, also under a new name."""
        match self.purpose:
            case Bearer.AGENT | Bearer.GATEWAY:
                return f"{self.purpose}/{self.appliance}"
            case Bearer.CLIENT | Bearer.SERVER:
                return f"{self.purpose}/{self.tenant}/{self.tunnel}"
            case Bearer.CONTROLLER | Bearer.MEMBER:
                return f"{self.purpose}/{self.name}"


def of_agent(appliance: ApplianceId) -> Subject:
    """An appliance, as controllers meet it."""
    return Subject(purpose=Bearer.AGENT, name=appliance, appliance=appliance)


def of_controller(name: Name) -> Subject:
    """A controller, as agents meet it."""
    return Subject(purpose=Bearer.CONTROLLER, name=name)


def of_member(tenant: TenantId) -> Subject:
    """A tenant's controller, as the provider's meets it."""
    return Subject(purpose=Bearer.MEMBER, name=tenant)


def of_gateway(appliance: ApplianceId, dns_name: Name) -> Subject:
    """A gateway, as tunnels over TCP meet it."""
    return Subject(purpose=Bearer.GATEWAY, name=dns_name, appliance=appliance)


def end_name(tenant: TenantId, network: NetworkId, side: str) -> Name:
    """The name of one end of a network's tunnel: readable where there is room, and always the same."""
    whole = f"{tenant}-{network}-{side}"
    if len(whole) <= _NAME_LENGTH:
        return whole
    return f"{whole[: _NAME_LENGTH - 9]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def of_server(
    tenant: TenantId, tunnel: TunnelId, name: Name, *, appliance: ApplianceId | None = None
) -> Subject:
    """The provider's end of a tunnel, on this appliance."""
    return Subject(purpose=Bearer.SERVER, name=name, appliance=appliance, tenant=tenant, tunnel=tunnel)


def of_client(tenant: TenantId, tunnel: TunnelId, name: Name) -> Subject:
    """The tenant's end of a tunnel."""
    return Subject(purpose=Bearer.CLIENT, name=name, tenant=tenant, tunnel=tunnel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate in the ledger, and what became of it. Later ones have higher numbers."""

    number: int
    serial: SerialNumber
    subject: Subject
    generation: int
    """Of the authority that signed it."""
    not_before: datetime
    not_after: datetime
    installed: datetime | None = None
    """When its bearer was seen with it."""
    revoked: datetime | None = None
    revoked_by: str = ""
    reason: str = ""
    """Why it was revoked."""
    key: KeyName | None = None
    """What its key is called on the appliance; None where it was not written down."""


def due(newest: Iterable[Issued], *, now: datetime) -> tuple[Issued, ...]:
    """Which of the newest certificates of their slots must be renewed, the most urgent first.

    Those of whom two thirds of their life are over, ended ones too. A revoked one is not renewed by itself.
    """
    found = [each for each in newest if each.revoked is None and now >= renewal(each)]
    return tuple(sorted(found, key=lambda each: (each.not_after, each.number)))


def renewal(issued: Issued) -> datetime:
    """When two thirds of the certificate's life are over."""
    return renew_at(issued.not_before, issued.not_after)


def renew_at(not_before: datetime, not_after: datetime) -> datetime:
    """When two thirds of a life are over, whatever has it."""
    return not_before + (not_after - not_before) * RENEW_AFTER


def shown(records: Iterable[Issued], *, now: datetime) -> tuple[Issued, ...]:
    """Which certificates their bearers may be showing, and rightly: not ended, not revoked.

    Of each slot the last that was installed, and all that were issued after it.
    """
    slots: dict[str, list[Issued]] = {}
    for each in sorted(records, key=lambda each: each.number):
        slots.setdefault(each.subject.slot, []).append(each)
    return tuple(
        each
        for slot in slots.values()
        for each in _since_installed(slot)
        if each.revoked is None and now < each.not_after
    )


def revocations(records: Iterable[Issued], *, now: datetime) -> tuple[Revocation, ...]:
    """Return what documents must refuse: revoked certificates that would still be taken for good.

    Those of agents are not among them: no document names one, controllers refuse them.
    """
    refused = (each for each in records if each.revoked is not None and now < each.not_after)
    return tuple(
        Revocation(
            serial=each.serial,
            holder=_HOLDERS[each.subject.purpose],
            tenant=each.subject.tenant,
            tunnel=each.subject.tunnel,
            name=None if each.subject.purpose is Bearer.CONTROLLER else each.subject.name,
        )
        for each in refused
        if each.subject.purpose in _HOLDERS
    )


_HOLDERS: Final[Mapping[Bearer, Holder]] = {
    Bearer.CONTROLLER: Holder.CONTROLLER,
    Bearer.GATEWAY: Holder.GATEWAY,
    Bearer.CLIENT: Holder.CLIENT,
    Bearer.SERVER: Holder.SERVER,
}
NAMED: Final = frozenset(_HOLDERS)
"""Whose certificates documents name when they are revoked."""


def _since_installed(slot: list[Issued]) -> Iterator[Issued]:
    """From the last certificate of a slot backward, to the one that was installed."""
    for each in reversed(slot):
        yield each
        if each.installed is not None:
            return
