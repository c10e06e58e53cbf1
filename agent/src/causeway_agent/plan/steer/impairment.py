"""What is wrong with a tunnel that works, or has not worked for a while: told as one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from causeway_agent.plan.model.processes import Endpoint
from causeway_wire.observed import Transport

PATIENCE: Final = 10.0
"""Seconds. A tunnel that is not connected for longer is told; sooner it is about to be."""

_OF_DATES: Final = ("certificate has expired", "certificate is not yet valid")
"""OpenSSL's words (X509_verify_cert_error_string(3)) for what may be the fault of a clock."""
_CLOCK: Final = "; the clock here says "

NO_ANSWER: Final = "no answer"
_LOOK: Final = "see that UDP or TCP to the gateways passes on the way, and that the provider appliance runs"


def on_tcp(
    endpoints: Sequence[Endpoint], answering: frozenset[int], since: datetime, apart: Mapping[int, float]
) -> str | None:
    """Why a tunnel goes over TCP, given the endpoints whose gateways answer over UDP; None where it may.

    `since`: when UDP was last found not to carry it; `apart`: see `clocks`.
    """
    udp = {index: one for index, one in enumerate(endpoints) if one.transport is Transport.UDP}
    if not udp:
        return None
    moment = f"{since:%Y-%m-%d %H:%M:%S} UTC"
    heard = sorted(answering & udp.keys())
    names = ", ".join(place(udp[index]) for index in heard or udp)
    if heard and apart.keys() >= set(heard):
        return f"the tunnel goes over TCP: {clocks(endpoints, apart)}"
    if heard:
        why = f"gateway {names} answers over UDP, but no VPN server behind it since {moment}"
        return f"the tunnel goes over TCP: {why}; look at the provider appliance"
    return f"the tunnel goes over TCP: UDP of gateway {names} does not answer since {moment}; let UDP pass"


def disconnected(since: datetime | None, lasted: float, why: str | None) -> str | None:
    """Why there is no connection; None while that is new. It has lasted so many seconds, whatever the clock
    has been set to meanwhile.
    """
    if since is None or lasted < PATIENCE:
        return None
    told = f"the tunnel is not connected since {since:%Y-%m-%d %H:%M:%S} UTC: {why or NO_ANSWER}"
    return f"{told}; {_LOOK}" if why in {None, NO_ANSWER} else told


def clocks(endpoints: Sequence[Endpoint], apart: Mapping[int, float]) -> str:
    """What to do about gateways that take no first packet of ours because theirs is another time: by how many
    seconds their clocks are ahead of ours, by endpoint.
    """
    told = ", ".join(
        f"that of gateway {place(endpoints[index])} is {_amount(abs(seconds))} "
        f"{'ahead of' if seconds > 0 else 'behind'} the one here"
        for index, seconds in sorted(apart.items())
    )
    return f"clocks differ too much for UDP: {told}; set the one that is wrong (timedatectl)"


def _amount(seconds: float) -> str:
    """Coarse, so that it stays the same while nothing changes."""
    units = (("days", 86400), ("hours", 3600), ("minutes", 60))
    unit, size = next((each for each in units if seconds >= 2 * each[1]), units[-1])
    return f"{seconds / size:.0f} {unit}"


def attempted(endpoints: Sequence[Endpoint], tried: int, apart: Mapping[int, float], why: str | None) -> str:
    """Why an attempt over this endpoint failed, whose process told this much; `apart`: see `clocks`."""
    return clocks(endpoints, apart) if tried in apart else why or NO_ANSWER


def dated(why: str | None, now: datetime) -> str | None:
    """This reason, and what to look at where it says that a certificate does not count at this time."""
    if why is None or not any(words in why for words in _OF_DATES):
        return why
    return (
        f"{why.partition(_CLOCK)[0]}{_CLOCK}{now:%Y-%m-%d %H:%M:%S} UTC: set it if it is wrong "
        "(timedatectl), else have the certificate renewed"
    )


def place(endpoint: Endpoint) -> str:
    """Address and port, as people write them."""
    address = f"[{endpoint.address}]" if endpoint.address.version == 6 else str(endpoint.address)  # noqa: PLR2004
    return f"{address}:{endpoint.port}"
