"""The providers that this tenant's controller joined, or is joining: where, known by which keys, as whom.

The private keys and an invitation's secret are in the vault. A key is kept before anybody is asked to certify
it: after a lost answer the same key asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import UNSET
from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from causeway_controller.contract.joining import Invitation, LinkState, ProviderReport
from causeway_controller.errors import StoreError
from causeway_controller.store import audit, in_use, leaving, secrets
from causeway_controller.store.database import Database
from causeway_controller.store.peer_tables import provider_link, provider_told, tunnel_end
from causeway_controller.store.secrets import Kind
from causeway_controller.trust import pki
from causeway_controller.trust.sealing import Vault
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, Pem, Secret, TenantId

_CURRENT: Final = "current"
_NEXT: Final = "next"
_LEAVING: Final = "it is being left, and nothing begins over it; `causeway provider leave {}` again ends it"
"""What `status` says until it is left; for ever, where the controller that leaves it dies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What is needed to talk to a provider."""

    name: Name
    url: str
    tenant: TenantId
    state: LinkState
    pins: tuple[str, ...]
    """Fingerprints of the keys that its controller may show, the current one first."""
    key: Secret
    certificate: Pem | None
    """None until the first answer."""
    invitation: Secret | None
    """The secret to join with; None since it was accepted."""


class Links:
    """All links of a tenant's controller."""

    def __init__(self, database: Database, sealing: Vault, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = sealing
        self._now = now

    def begin(self, name: Name, invitation: Invitation, *, actor: str) -> Link:
        """Keep an invitation and a key for it; the same invitation again finds the same key.

        Raises ProblemError (`duplicate`) while one is joined under this name, StoreError.
        """
        secret = Secret(invitation.secret)
        with self._database.write() as connection:
            row = _row(connection, name)
            if row is not None:
                found = self._link(connection, row)
                if found.state in {LinkState.JOINED, LinkState.LEAVING}:
                    detail = f"{name} is joined; leave it before, or say another name"
                    raise ProblemError(problem(ProblemType.DUPLICATE, detail, pointer="/name"))
                if found.invitation == secret:
                    return found
                self._remove(connection, name)
            values = {
                "name": name,
                "url": invitation.url,
                "tenant": invitation.tenant,
                "state": LinkState.JOINING.value,
                "pins": " ".join(invitation.pins),
            }
            connection.execute(insert(provider_link).values(values))
            self._keep(connection, Kind.INVITATION, name, secret)
            self._keep(connection, Kind.LINK_KEY, f"{name}/{_CURRENT}", _new_key())
            self._audit(connection, "provider.join", name, actor)
            return self._link(connection, _row(connection, name))

    def joined(self, name: Name, *, tenant: TenantId, certificate: Pem) -> None:
        """The provider has accepted: the invitation's secret is forgotten. Raises StoreError."""
        now = self._now()
        with self._database.write() as connection:
            this = update(provider_link).where(provider_link.c.name == name)
            staying = this.where(provider_link.c.state != LinkState.LEAVING.value)
            connection.execute(staying.values(state=LinkState.JOINED.value))
            connection.execute(
                this.values(
                    tenant=tenant,
                    certificate=certificate,
                    joined=now,
                    seen=now,
                    trouble=None,
                )
            )
            secrets.forget(connection, Kind.INVITATION, name)

    def next_key(self, name: Name) -> Secret:
        """The key to ask the next certificate for; one until that has come. Raises StoreError, SealBroken."""
        with self._database.write() as connection:
            place = f"{name}/{_NEXT}"
            return secrets.keep_first(
                connection, self._vault, Kind.LINK_KEY, place, _new_key(), at=self._now()
            )

    def renewed(self, name: Name, certificate: Pem) -> None:
        """The next key has its certificate: from now on both are shown. Again changes nothing.

        Raises StoreError, SealBroken.
        """
        with self._database.write() as connection:
            key = secrets.find(connection, self._vault, Kind.LINK_KEY, f"{name}/{_NEXT}")
            if key is None or pki.fingerprint(pki.read_key(key).public_key()) != pki.certified(certificate):
                return  # another controller of this tenant was quicker
            self._keep(connection, Kind.LINK_KEY, f"{name}/{_CURRENT}", key)
            secrets.forget(connection, Kind.LINK_KEY, f"{name}/{_NEXT}")
            this = update(provider_link).where(provider_link.c.name == name)
            connection.execute(this.values(certificate=certificate))

    def heard(self, name: Name, *, pins: tuple[str, ...]) -> None:
        """The provider answered, and told its keys. Raises StoreError."""
        with self._database.write() as connection:
            this = update(provider_link).where(provider_link.c.name == name)
            connection.execute(this.values(seen=self._now(), pins=" ".join(pins), trouble=None))

    def failed(self, name: Name, trouble: str, *, out: bool) -> None:
        """The provider could not be asked; `out`: it knows this controller no more. Raises StoreError."""
        with self._database.write() as connection:
            this = update(provider_link).where(provider_link.c.name == name)
            this = this.where(provider_link.c.state != LinkState.LEAVING.value)
            connection.execute(this.values(trouble=trouble))
            if out:
                connection.execute(this.values(state=LinkState.OUT.value))

    def leaving(self, name: Name) -> None:
        """Have nothing begin over this provider from now on; again changes nothing.

        Raises ProblemError (`failover-in-progress`) where a failover over it stands, or a run is open there:
        without the provider nothing brings production back. StoreError.
        """
        with self._database.write() as connection:
            leaving.hold(connection)
            ours = leaving.places(connection, (name,))
            used = [one for one in in_use.of(connection) if (one.tenant, one.host) in ours]
            if not used:
                this = update(provider_link).where(provider_link.c.name == name)
                connection.execute(this.values(state=LinkState.LEAVING.value, trouble=_LEAVING.format(name)))
        if used:
            where = ", ".join(f"{one.tenant} on {one.host}" for one in used)
            detail = (
                f"production relies on {name}: failed over, or a run is under way ({where}); bring it back "
                "first (`causeway failover undo`), or leave by force, and have its staff end its half"
            )
            raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, detail))

    def stay(self, name: Name, state: LinkState) -> None:
        """The provider could not be left: it is as before. Raises StoreError."""
        with self._database.write() as connection:
            this = update(provider_link).where(provider_link.c.name == name)
            this = this.where(provider_link.c.state == LinkState.LEAVING.value)
            connection.execute(this.values(state=state.value, trouble=None))

    def remove(self, name: Name, *, actor: str, detail: str = "") -> None:
        """Forget a provider, and the keys for it; `detail` is written down besides who did. Again changes
        nothing. Raises StoreError.
        """
        with self._database.write() as connection:
            if _row(connection, name) is not None:
                self._remove(connection, name)
                self._audit(connection, "provider.leave", name, actor, detail)

    def get(self, name: Name) -> Link:
        """One link. Raises ProblemError (`not-found`), StoreError, SealBroken."""
        with self._database.read() as connection:
            row = _row(connection, name)
            if row is None:
                raise _unknown(name)
            return self._link(connection, row)

    def names(self) -> tuple[Name, ...]:
        """Of all links. Raises StoreError."""
        with self._database.read() as connection:
            return tuple(connection.execute(select(provider_link.c.name)).scalars())

    def report(self, name: Name) -> ProviderReport:
        """One link as it is told. Raises ProblemError (`not-found`), StoreError, SealBroken."""
        with self._database.read() as connection:
            row = _row(connection, name)
            if row is None:
                raise _unknown(name)
            return self._report(connection, row)

    def reports(self) -> tuple[ProviderReport, ...]:
        """All links as they are told, by name. Raises StoreError, SealBroken."""
        with self._database.read() as connection:
            rows = connection.execute(select(provider_link).order_by(provider_link.c.name)).mappings()
            return tuple(self._report(connection, row) for row in rows.all())

    def _link(self, connection: Connection, row: Any) -> Link:
        name = row["name"]
        key = secrets.find(connection, self._vault, Kind.LINK_KEY, f"{name}/{_CURRENT}")
        if key is None:
            raise StoreError(f"the key for provider {name} is gone from the vault; leave it and join anew")
        return Link(
            name=name,
            url=row["url"],
            tenant=row["tenant"],
            state=LinkState(row["state"]),
            pins=tuple(row["pins"].split()),
            key=key,
            certificate=row["certificate"],
            invitation=secrets.find(connection, self._vault, Kind.INVITATION, name),
        )

    def _report(self, connection: Connection, row: Any) -> ProviderReport:
        link, certificate = self._link(connection, row), row["certificate"]
        return ProviderReport(
            name=link.name,
            url=link.url,
            tenant=link.tenant,
            state=link.state,
            keys=link.pins,
            own_key=pki.fingerprint(pki.read_key(link.key).public_key()),
            joined=UNSET if row["joined"] is None else row["joined"],
            ends=UNSET if certificate is None else pki.validity(certificate)[1],
            seen=UNSET if row["seen"] is None else row["seen"],
            trouble=UNSET if row["trouble"] is None else row["trouble"],
        )

    def _keep(self, connection: Connection, kind: Kind, name: str, value: Secret) -> None:
        secrets.keep(connection, self._vault, kind, name, value, at=self._now())

    def _remove(self, connection: Connection, name: Name) -> None:
        connection.execute(delete(provider_link).where(provider_link.c.name == name))
        connection.execute(delete(provider_told).where(provider_told.c.provider == name))
        ends = delete(tunnel_end).where(tunnel_end.c.provider == name).returning(tunnel_end.c.network)
        for network in connection.execute(ends).scalars().all():
            secrets.forget(connection, Kind.TUNNEL_END, f"{name}/{network}")
        secrets.forget(connection, Kind.INVITATION, name)
        for which in (_CURRENT, _NEXT):
            secrets.forget(connection, Kind.LINK_KEY, f"{name}/{which}")

    def _audit(self, connection: Connection, action: str, name: Name, actor: str, detail: str = "") -> None:
        subject = f"provider {name}"
        act = audit.Act(at=self._now(), actor=actor, action=action, subject=subject, detail=detail)
        audit.append(connection, act)


def _unknown(name: Name) -> ProblemError:
    detail = f"no provider is called {name} here; `causeway provider list` tells them"
    return ProblemError(problem(ProblemType.NOT_FOUND, detail))


def _new_key() -> Secret:
    return Secret(pki.private_pem(pki.make_key()).decode("ascii"))


def _row(connection: Connection, name: Name) -> Any:
    question = select(provider_link).where(provider_link.c.name == name)
    return connection.execute(question).mappings().one_or_none()
