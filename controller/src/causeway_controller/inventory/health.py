"""How a deployed appliance is, judged from what was seen of it. Pure.

A look at an appliance becomes what is known of it (`judged`), and that becomes what is told: in words, with
what to do about it, the worst first (`troubles`).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from causeway_controller.contract.appliances import Condition
from causeway_controller.inventory import certificates
from causeway_wire.types import ApplianceId, Epoch, Generation, IPAddress, Name, SerialNumber, TenantId

IDLE: Final = "idle"
NOBODY: Final = ""
"""Whose cloud gateways are: no tenant's."""
_RANKS: Final = {condition: rank for rank, condition in enumerate(Condition)}
_DEPLOY: Final = "run `causeway {where.deploy}`"
_SAID: Final[Mapping[Condition, str]] = {
    Condition.MISSING: "its host has no such machine; " + _DEPLOY,
    Condition.OFF: "it is {intended} and powered off; " + _DEPLOY,
    Condition.SILENT: "has not answered for {ago} ({cause}); look at its console; if it is beyond help, "
    "`causeway {where.redeploy}`",
    Condition.REFUSED: "who answers there is not believed ({cause}); if it is the machine that was deployed, "
    "`causeway {where.redeploy}`",
    Condition.DEGRADED: "{cause}",
    Condition.OTHER_MODE: "{cause}; " + _DEPLOY,
    Condition.OUTDATED: "{cause}; " + _DEPLOY,
}
_RESTARTING: Final = (
    "has not answered for {ago} ({cause}); one that is being updated, or starts anew, answers within "
    "{restart}: wait for that, then look at its console"
)
RESTART: Final = timedelta(minutes=10)
"""An appliance that has answered before may be silent for so long: it tries a new system, or boots."""
_NEVER: Final = (
    "has not answered once in {ago} ({cause}); repeat `causeway {where.deploy}`, which says what stops it; "
    "where its console says that the seed has expired, `causeway {where.redeploy}`"
)
_GATEWAY_OFF: Final = "it is powered off, and no tunnel goes over it; " + _DEPLOY
_NEVER_ON: Final = (
    "it is powered off and has not answered once since it was deployed, so a failover cannot use it; "
    "repeat `causeway {where.deploy}`, which says what stops it"
)
_MINUTE: Final = 60
_UNITS: Final = ((86400, "d"), (3600, "h"), (_MINUTE, "min"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The certificate that a peer showed."""

    serial: SerialNumber
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """An appliance that was deployed, where it is managed, and what is known of it.

    A cloud gateway's tenant is `NOBODY`, and its host its own name: which host it is on says the inventory.
    """

    id: ApplianceId
    tenant: TenantId
    host: Name
    address: IPAddress
    port: int
    entered: datetime | None = None
    """When it was deployed, or a command or run changed it last: what was seen before tells nothing now."""
    condition: Condition = Condition.UNKNOWN
    cause: str = ""
    since: datetime | None = None
    """When the condition began."""
    asked: datetime | None = None
    seen: datetime | None = None
    """When it answered last."""
    agent: str | None = None
    shown: Shown | None = None
    mode: str | None = None
    intended: str | None = None
    """The mode that it should be in."""
    generation: Generation | None = None
    epoch: Epoch | None = None
    trusts: str = ""
    """Which authorities of controllers it was told to trust, as `bundle` names them."""

    @property
    def gateway(self) -> bool:
        """Whether it is a cloud gateway."""
        return self.tenant == NOBODY

    @property
    def serves(self) -> bool:
        """Whether it is needed now: a tenant's appliance in a failover, a gateway always."""
        return self.gateway or self.intended not in {None, IDLE}

    @property
    def subject(self) -> str:
        """What it is called where it is told of."""
        return f"gateway {self.id}" if self.gateway else f"{self.tenant} on {self.host}"

    @property
    def deploy(self) -> str:
        """The command's words that deploy it, or mend what can be mended."""
        return self._command("deploy")

    @property
    def redeploy(self) -> str:
        """Those that put another machine in its place."""
        return self._command("redeploy")

    @property
    def rotate(self) -> str:
        """Those that give it another key and certificate."""
        return self._command("rotate")

    @property
    def retire(self) -> str:
        """Those that end it."""
        return self._command("retire")

    def _command(self, verb: str) -> str:
        return f"gateway {verb} {self.id}" if self.gateway else f"appliance {verb} {self.tenant} {self.host}"


class Power(enum.Enum):
    """What the host says of the machine of an appliance that does not answer."""

    ON = "on"
    OFF = "off"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """The host does not answer either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an appliance said of itself."""

    agent: str
    mode: str
    generation: Generation | None
    epoch: Epoch
    wrong: str = ""
    """What it says is wrong; empty while nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """No answer."""

    reason: str
    refused: bool = False
    """Whether it was we who did not believe whoever answered."""
    power: Power = Power.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look at an appliance."""

    at: datetime
    what: Answer | Silence
    shown: Shown | None = None
    intended: str | None = None
    """The mode that it should be in; None while a run changes it."""
    current: bool = True
    """Whether it runs the document that it should; taken for granted while a run changes it."""


def judged(before: Deployed, sight: Sight) -> Deployed:
    """Return what is known of the appliance after this look."""
    condition, cause = _condition(sight)
    since = before.since if condition is before.condition and before.since else sight.at
    known = replace(
        before,
        condition=condition,
        cause=cause,
        since=since,
        asked=sight.at,
        shown=sight.shown or before.shown,
        intended=sight.intended or before.intended,
    )
    if isinstance(sight.what, Silence):
        return known
    said = sight.what
    return replace(
        known,
        seen=sight.at,
        agent=said.agent,
        mode=said.mode,
        generation=said.generation,
        epoch=said.epoch,
    )


def _condition(sight: Sight) -> tuple[Condition, str]:
    if isinstance(sight.what, Silence):
        condition = _UNPOWERED.get(sight.what.power, Condition.SILENT)
        return Condition.REFUSED if sight.what.refused else condition, sight.what.reason
    return _answered(sight.what, sight)


def _answered(said: Answer, sight: Sight) -> tuple[Condition, str]:
    if said.wrong:
        return Condition.DEGRADED, said.wrong
    if said.generation is None:
        return Condition.OUTDATED, "it has no document yet"
    if sight.intended is not None and said.mode != sight.intended:
        return Condition.OTHER_MODE, f"it is {said.mode}, the last run left it {sight.intended}"
    if not sight.current:
        return Condition.OUTDATED, f"generation {said.generation} of its document has been overtaken"
    return Condition.HEALTHY, ""


_UNPOWERED: Final[Mapping[Power, Condition]] = {
    Power.OFF: Condition.OFF,
    Power.MISSING: Condition.MISSING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is wrong with an appliance."""

    appliance: Deployed
    detail: str

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.appliance.subject


def troubles(
    appliances: Iterable[Deployed], *, now: datetime, patience: timedelta, restart: timedelta = RESTART
) -> tuple[Trouble, ...]:
    """Return what is wrong, the worst first.

    `patience`: after how long not to have asked is a trouble; `restart`: how long one may take for that.
    """
    found = (
        Trouble(appliance=one, detail=trouble(one, now=now, patience=patience, restart=restart))
        for one in sorted(appliances, key=rank)
    )
    return tuple(each for each in found if each.detail)


def rank(one: Deployed) -> tuple[bool, int, str]:
    """For sorting: what serves a failover, and gateways, before what is idle, then the worse first."""
    return (not one.serves, _RANKS[one.condition], one.id)


def trouble(one: Deployed, *, now: datetime, patience: timedelta, restart: timedelta = RESTART) -> str:
    """Return what is wrong with it and what to do; empty when nothing is.

    An idle appliance that has answered once may be off: a failover powers it on. A gateway is always needed.
    """
    if one.asked is not None and now - one.asked > patience:
        ago = age(now - one.asked)
        return f"nobody has asked it for {ago}; look whether a controller runs, and at its log"
    if one.condition is Condition.OFF and not one.serves:
        return "" if one.seen is not None else _NEVER_ON.format(where=one)
    if one.condition not in _SAID:
        return _ending(one, now=now)
    said = _SAID[one.condition]
    if one.gateway and one.condition is Condition.OFF:
        said = _GATEWAY_OFF
    if one.condition is Condition.SILENT:
        if one.seen is None:
            said = _NEVER
        elif now - one.seen < restart:
            said = _RESTARTING
    return said.format(
        where=one,
        cause=one.cause,
        intended=one.intended,
        restart=age(restart),
        ago=age(now - (one.seen or one.since or now)),
    )


def _ending(one: Deployed, *, now: datetime) -> str:
    """Its certificate should have been renewed long before: when half of the rest is over that is told."""
    if one.shown is None:
        return ""
    due = certificates.renew_at(one.shown.begins, one.shown.ends)
    if now < due + (one.shown.ends - due) / 2:
        return ""
    hint = f"run `causeway {one.rotate}`"
    return f"its certificate ends at {one.shown.ends:%Y-%m-%d %H:%M} UTC and was not renewed; {hint}"


def not_deployed(tenant: TenantId, host: Name) -> str:
    """Say that there is no such appliance, or of `NOBODY` no such cloud gateway, and where to see what is."""
    what = (
        f"gateway {host} is deployed" if tenant == NOBODY else f"appliance of {tenant} is deployed on {host}"
    )
    return f"no {what}; see `causeway appliance list`"


def no_tenant(tenant: TenantId) -> str:
    """Say that there is no such tenant, or none that whoever asks sees, and where to see which there are."""
    return f"there is no tenant {tenant}; `causeway tenant list` tells those that you see"


def age(passed: timedelta) -> str:
    """A time in the largest unit of which there are at least two: `90 s`, `3 min`, `5 h`, `4 d`."""
    seconds = max(round(passed.total_seconds()), 0)
    for length, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
