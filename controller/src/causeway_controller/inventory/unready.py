"""What of a provider keeps a tenant from a partial failover before one is begun. Pure.

At the provider it is found and told without anything of how it is brought about (`find`), at the tenant's it
is put in words, with what to do (`told`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.tenant_view import Lack, NetworkView, TenantResources, UnreadyHost
from causeway_controller.inventory.health import Deployed
from causeway_wire.types import Name, NetworkId, TunnelId

_UNHEARD: Final = frozenset({Condition.SILENT, Condition.REFUSED})
_SAID: Final[Mapping[Lack, str]] = {
    Lack.NOT_DEPLOYED: "its appliance is not deployed: have its staff run "
    "`causeway appliance deploy {where}`",
    Lack.NEVER_ANSWERED: "its appliance was deployed and has not enrolled, or has never answered since: have "
    "its staff repeat `causeway appliance deploy {where}`, which says what stops it",
    Lack.SILENT: "its appliance does not answer its controller: if that lasts for longer than a restart "
    "takes, ask its staff, to whom `causeway status` says more",
    Lack.NO_CERTIFICATE: "its end of the tunnel has no certificate that counts: have its staff run "
    "`causeway appliance deploy {where}`, which makes one",
}


def find(
    networks: Iterable[NetworkView], deployed: Iterable[Deployed], certified: Collection[TunnelId]
) -> Iterator[UnreadyHost]:
    """Yield hosts where networks that have a tunnel could not be failed over partially now.

    `deployed`: the tenant's appliances; `certified`: tunnels whose server has a certificate that counts. Of
    an appliance that was not looked at yet nothing is said, nor of one that is off while nothing needs it.
    """
    there = {one.host: one for one in deployed}
    at: dict[Name, dict[NetworkId, TunnelId]] = {}
    for network in networks:
        for each in network.at:
            if network.tunnel is not UNSET:
                at.setdefault(each.host, {})[network.id] = network.tunnel
    for host, tunnels in sorted(at.items()):
        lack = _lack(there.get(host))
        without = tuple(name for name, tunnel in tunnels.items() if tunnel not in certified)
        if lack is not None:
            yield UnreadyHost(host=host, lack=lack, networks=tuple(tunnels))
        elif without and there[host].seen is not None:  # else it is being deployed
            yield UnreadyHost(host=host, lack=Lack.NO_CERTIFICATE, networks=without)


def _lack(one: Deployed | None) -> Lack | None:
    if one is None or one.condition is Condition.MISSING:
        return Lack.NOT_DEPLOYED
    if one.seen is None and one.condition in {*_UNHEARD, Condition.OFF}:
        return Lack.NEVER_ANSWERED
    if one.condition in _UNHEARD or (one.condition is Condition.OFF and one.serves):
        return Lack.SILENT
    return None


def told(provider: Name, resources: TenantResources, own: Collection[NetworkId]) -> Iterator[tuple[str, str]]:
    """Yield what of this is about `own`, the networks that this controller has appliances of: its subject,
    and what is wrong and whom to ask.
    """
    for one in resources.unready:
        concerned = [name for name in one.networks if name in own]
        if concerned:
            said = _SAID[one.lack].format(where=f"{resources.tenant} {one.host}")
            which = ("network " if len(concerned) == 1 else "networks ") + ", ".join(concerned)
            detail = f"no VM of {which} can fail over partially to {one.host}: {said}"
            yield f"provider {provider}", detail
