"""What comes of it that certificates count no more, in sentences for who has revoked them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from causeway_controller.contract.certificates import Bearer
from causeway_controller.inventory.certificates import Issued
from causeway_controller.inventory.health import Deployed
from causeway_wire.types import ApplianceId

_REFUSED: Final[Mapping[Bearer, str]] = {
    Bearer.AGENT: "No controller believes appliance {name} any more while it shows this certificate.",
    Bearer.CONTROLLER: "Every appliance is sent a document now that has it refuse the certificate.",
    Bearer.GATEWAY: "Tenants' controllers are told; their appliances refuse it.",
    Bearer.SERVER: "The controller of {tenant} is told; its appliance refuses it.",
    Bearer.CLIENT: "The provider's appliance and the gateways refuse it, and what is open ends.",
    Bearer.MEMBER: "The controller of {name} is refused from its next request on.",
}
_NEXT: Final[Mapping[Bearer, str]] = {
    Bearer.CONTROLLER: "Controller {name} makes itself another key, while it runs.",
    Bearer.GATEWAY: "Gateway {appliance} gets another key and certificate by itself.",
    Bearer.SERVER: "The provider's appliance gets another key and certificate by itself.",
    Bearer.CLIENT: "The controller of {tenant} is told, and has another key certified by itself.",
    Bearer.MEMBER: "Let it in again by `causeway tenant invite {name}`.",
}


def consequences(
    certificates: Iterable[Issued], *, newest: Mapping[str, int], deployed: Mapping[ApplianceId, Deployed]
) -> tuple[str, ...]:
    """Return each sentence once. `newest`: by slot the number of the last one that was issued there."""
    found = (
        sentence
        for one in certificates
        for sentence in _of(one, last=newest.get(one.subject.slot) == one.number, deployed=deployed)
    )
    return tuple(dict.fromkeys(found))


def _of(one: Issued, *, last: bool, deployed: Mapping[ApplianceId, Deployed]) -> Iterable[str]:
    subject = one.subject
    words = {"name": subject.name, "appliance": subject.appliance, "tenant": subject.tenant}
    yield _REFUSED[subject.purpose].format_map(words)
    if not last:
        return
    if subject.purpose is Bearer.AGENT and subject.name in deployed:
        yield f"Put another machine in its place: `causeway {deployed[subject.name].redeploy}`."
    if subject.purpose in _NEXT:
        yield _NEXT[subject.purpose].format_map(words)
