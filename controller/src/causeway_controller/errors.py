"""Everything the controller raises on purpose, besides the wire's ProblemError and the providers' own.

ControllerError
├── AgentUnreachable     no answer: not reachable, or our certificate was refused
│   └── WrongPeer        an answer from a machine that cannot prove to be this appliance
├── UnexpectedAnswer     something answered that is not the agent's API
├── ChangeFailed         the agent could not conform to a document: carries its change and problem
├── ChangePending        a change was not final in time
├── EnrolmentRefused     the machine that answered is not the one we deployed, or its token is used up
├── RequestRefused       a certificate signing request that we do not sign
├── MachineMissing       the hypervisor does not know a machine
├── TunnelDown           a tunnel's ends did not find each other in time
├── ModeMissing          an appliance does not report what it was told to be
├── NotReady             a replica did not answer in time
├── PeerUnreachable      no answer of a provider's controller
│   ├── PeerUnknown      another machine answers than the one whose key is known
│   └── PeerForeign      something answers that is not Causeway's API
├── HookFailed           a hook of the provider's is unknown, failed or took too long
├── UpdateFailed         an appliance does not run the system that it was updated to
├── StepFailed           a failover stopped at a step: says what was undone
│   ├── PlanChanged      the inventory was changed under a run that another controller began
│   ├── PreflightFailed  something would stop it: it has not begun
│   └── RunStopped       somebody asked that it stop
├── Superseded           another controller has taken a run over
├── SettingsError        settings are wrong: names each of them, and says what to do
├── StartError           a controller cannot start or be prepared
└── StoreError           a file of ours cannot be read, or the store refuses
    ├── SecretMissing    the vault has no secret of a name
    ├── MasterKeyError   the keys that secrets are sealed with cannot be had
    └── SealBroken       a secret does not open: says which, and with which key it was sealed
"""

from __future__ import annotations

from causeway_wire.change import Change
from causeway_wire.problem import Problem


class ControllerError(Exception):
    """Root of the controller's errors."""


class AgentUnreachable(ControllerError):  # noqa: N818 - a situation, not a defect
    """No answer. Under TLS 1.3 a refused client certificate looks just like this (RFC 8446, 4.4.2.4)."""

    def __init__(self, appliance: str, where: str, reason: str) -> None:
        super().__init__(
            f"{appliance} at {where} is unreachable or refused us ({reason}); check that it is powered on, "
            f"that its management sources include this controller, that its certificate names "
            f"urn:causeway:appliance:{appliance}, and by `causeway-agent status` on its console whether it "
            "refused our certificate, and why"
        )
        self.appliance = appliance
        self.where = where
        self.reason = reason


class WrongPeer(AgentUnreachable):
    """Somebody else answers there, or the certificate has expired: the peer could not prove its name."""


class UnexpectedAnswer(ControllerError):  # noqa: N818
    """An answer outside the contract; a proxy in between, or an agent of another major version."""

    def __init__(self, appliance: str, request: str, status: int, media_type: str) -> None:
        super().__init__(f"{appliance} answered {request} with {status} {media_type}, which is not its API")
        self.appliance = appliance
        self.status = status


class ChangeFailed(ControllerError):  # noqa: N818
    """The change ended `failed` or `refused`; the document before it is in force again."""

    def __init__(self, appliance: str, change: Change) -> None:
        reason = "the agent gave no reason" if change.problem is None else change.problem.detail
        super().__init__(f"{appliance}: generation {change.generation} {change.state.value}: {reason}")
        self.appliance = appliance
        self.change = change

    @property
    def problem(self) -> Problem | None:
        """Why, as the agent says it."""
        return self.change.problem


class ChangePending(ControllerError):  # noqa: N818
    """The deadline passed; the change may still end either way. Sending the same document again is safe."""

    def __init__(self, appliance: str, generation: int, seconds: float) -> None:
        super().__init__(f"{appliance}: generation {generation} is not final after {seconds:g} s")
        self.appliance = appliance
        self.generation = generation


class EnrolmentRefused(ControllerError):  # noqa: N818
    """Who answered could not prove to be the machine that carries our token."""

    def __init__(self, appliance: str, reason: str) -> None:
        super().__init__(
            f"enrolment of {appliance} refused: {reason}; nothing was signed. Another machine may sit at its "
            f"address: compare the console, then deploy it again with a new token"
        )
        self.appliance = appliance
        self.reason = reason


class RequestRefused(ControllerError):  # noqa: N818
    """A signing request that is malformed, unsigned, or for a key we do not accept."""


class MachineMissing(ControllerError):  # noqa: N818
    """No VM with this owner id; it was never deployed or was removed behind our back."""

    def __init__(self, owner_id: str) -> None:
        super().__init__(f"the hypervisor has no machine {owner_id}; deploy it, or check the inventory")
        self.owner_id = owner_id


class AgentUnknown(ControllerError):  # noqa: N818
    """No appliance of this name was ever looked up."""

    def __init__(self, appliance: str) -> None:
        super().__init__(f"nobody said where appliance {appliance} is managed; check the inventory")
        self.appliance = appliance


class TunnelDown(ControllerError):  # noqa: N818
    """Both appliances are configured, yet the tunnel between them does not come up."""

    def __init__(self, tunnel: str, server: str, client: str) -> None:
        super().__init__(
            f"tunnel {tunnel} is not up: server {server}, client {client}; check that the tenant's site "
            f"reaches a cloud gateway, by UDP or TCP"
        )
        self.tunnel = tunnel


class ModeMissing(ControllerError):  # noqa: N818
    """The appliance accepted its document, and does not show what it says."""

    def __init__(self, appliance: str, mode: str, missing: str) -> None:
        super().__init__(f"{appliance} should be in mode {mode}, but {missing}; its observed state says more")
        self.appliance = appliance


class NotReady(ControllerError):  # noqa: N818
    """The replica is powered on and does not answer, or nobody can tell whether it does."""

    def __init__(self, vm: str, seconds: float, *, unknown: bool = False) -> None:
        if unknown:
            said = "its host says nothing of its guest; install guest tools, or let `ready` go by power"
        else:
            said = f"it did not answer within {seconds:g} s; look at its console"
        super().__init__(f"the replica of {vm}: {said}")
        self.vm = vm


class PeerUnreachable(ControllerError):  # noqa: N818
    """No answer. Under TLS 1.3 a refused client certificate looks just like this (RFC 8446, 4.4.2.4)."""


class PeerSlow(PeerUnreachable):
    """It was met, and has not answered in time: many may be asking at once. The request may yet be done."""


class PeerUnknown(PeerUnreachable):
    """Nothing was sent to it."""


class PeerForeign(PeerUnreachable):
    """A proxy in between, or another program."""


class NotGranted(ControllerError):  # noqa: N818
    """What the tenant's controller was asked for it has not done; the message says why, where it said so."""


class HookFailed(ControllerError):  # noqa: N818
    """The hook is not in the settings, ended with an error, or was not done in time."""

    def __init__(self, hook: str, reason: str) -> None:
        super().__init__(f"hook {hook}: {reason}")
        self.hook = hook


class UpdateFailed(ControllerError):  # noqa: N818
    """The update did not prove good, or nobody can tell; the appliance keeps or takes back what it ran."""

    def __init__(self, appliance: str, reason: str) -> None:
        super().__init__(f"the update of {appliance} did not take: {reason}")
        self.appliance = appliance


class StepFailed(ControllerError):  # noqa: N818
    """A failover stopped at a step; `undone` and `kept` say what became of the steps before it."""

    def __init__(self, step: str, cause: Exception, undone: tuple[str, ...], kept: tuple[str, ...]) -> None:
        sentences = [self._sentence(step, cause)]
        if undone:
            sentences.append("undone: " + "; ".join(undone))
        if kept:
            sentences.append("NOT undone: " + "; ".join(kept))
        super().__init__(". ".join(sentences))
        self.step = step
        self.cause = cause
        self.undone = undone
        self.kept = kept

    def _sentence(self, step: str, cause: Exception) -> str:
        return f"{step} failed: {cause}"


class PreflightFailed(StepFailed):
    """A look before the first step found what would stop the run; nothing has been touched."""

    def __init__(self, obstacles: tuple[str, ...]) -> None:
        super().__init__(
            "Looking whether it can be carried out", ControllerError("; ".join(obstacles)), (), ()
        )
        self.obstacles = obstacles

    def _sentence(self, step: str, cause: Exception) -> str:  # noqa: ARG002 - the base's
        return f"Nothing was touched, because it could not be carried out: {cause}"


class PlanChanged(StepFailed):
    """What was begun cannot be carried on: the same request means other steps by now."""

    def __init__(self) -> None:
        super().__init__("Carrying the run on", ControllerError("the inventory was changed under it"), (), ())

    def _sentence(self, step: str, cause: Exception) -> str:
        return (
            f"{step} was given up, because {cause}: what its steps did stands, but for what awaited a "
            "confirmation; look at what is where now, and start a new run or an undo"
        )


class RunStopped(StepFailed):
    """Somebody asked that the run stop; `step` is the one that it did not begin."""

    def _sentence(self, step: str, cause: Exception) -> str:
        return f"Stopped before {step}: {cause}"


class Superseded(ControllerError):  # noqa: N818
    """Who raises it must not act for the run any more, not even to take something back."""

    def __init__(self, epoch: int, newest: int) -> None:
        super().__init__(f"epoch {epoch} is over: another controller acts with epoch {newest}")
        self.epoch = epoch
        self.newest = newest


class HalfGone(ControllerError):  # noqa: N818
    """The provider's half is not there, or could not be: the message says why."""


class HalfStands(ControllerError):  # noqa: N818
    """The provider's half could not be ended: the message says why."""


class Unheard(ControllerError):  # noqa: N818
    """An appliance was not heard: it may obey another controller, or have done what it never answered."""

    def __init__(self, appliance: str) -> None:
        super().__init__(
            f"{appliance} has not been heard since: nothing is built on it, and what it may rely on stays; "
            "when it answers again, retry the run"
        )
        self.appliance = appliance


class SettingsError(ControllerError):
    """Settings are wrong; the message has a line for each."""


class StartError(ControllerError):
    """A controller cannot start here, or cannot be prepared; the message says what to do."""


class StoreError(ControllerError):
    """A file of ours is missing or damaged; the message names it."""


class SecretMissing(StoreError):  # noqa: N818 - somebody has yet to enter it
    """The vault has no secret of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no secret {name} in the vault; enter it on the controller's host: `causeway vault put "
            f"{name}`, with `--user USER` where it is a user's password"
        )


class MasterKeyError(StoreError):
    """The vault's keys cannot be read, or are not those that it needs; the message names their source."""


class SealBroken(StoreError):  # noqa: N818
    """A sealed secret does not open; nothing of it may be used."""

    def __init__(self, place: str, key: int | None, reason: str) -> None:
        sealed = "an unknown key" if key is None else f"key {key}"
        super().__init__(f"the secret {place}, sealed with {sealed}, does not open: {reason}")
        self.place = place
        self.key = key
