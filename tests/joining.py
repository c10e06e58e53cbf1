"""Both sides of joining in a test: what a provider knows its members by, and a tenant's links."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final

from msgspec.structs import replace

from causeway_controller.api.ports import (
    ApplianceService,
    HostService,
    Peering,
    RunService,
    Services,
    UpdateService,
)
from causeway_controller.app.members_tls import MemberTls
from causeway_controller.contract.joining import Invitation
from causeway_controller.contract.tenant_view import ReplicaView, TenantResources
from causeway_controller.peers.kept_clients import KeptClients
from causeway_controller.store import authorities, vault
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.database import Database
from causeway_controller.store.invitations import Invitations
from causeway_controller.store.links import Links
from causeway_controller.store.members import Members
from causeway_controller.store.peer_keys import PeerKeys
from causeway_controller.store.told import Told
from causeway_controller.store.tunnels import Tunnels
from causeway_controller.trust import master_key
from causeway_controller.trust.sealing import Vault
from causeway_controller.workflows.providers import Providers
from causeway_wire.types import NetworkId, Secret
from tests.fakes.appliance_service import FakeExplaining, FakeHosts, FakeUpdates

AUTHORITY: Final = authorities.members("causeway")
URL: Final = "https://dr.example:8445"


def unlocked(database: Database, *, now: Callable[[], datetime]) -> Vault:
    """The vault of a test's store; its key is always the same."""
    text = base64.b64encode(bytes(range(32))).decode()
    keys = master_key.parse(Secret(f"1 {text}"), source="the tests")
    return vault.unlock(database, keys, now=now, actor="test")


def peering(
    database: Database,
    sealing: Vault,
    *,
    now: Callable[[], datetime],
    random: Callable[[int], bytes] = secrets.token_bytes,
    url: str = URL,
) -> Peering:
    """A provider's side, with a key and an authority."""
    kept, keys = Authorities(database, sealing, now=now), PeerKeys(database, sealing, now=now)
    kept.establish(AUTHORITY, actor="test")
    keys.establish(actor="test")
    return Peering(
        invitations=Invitations(database=database, now=now, random=random),
        members=Members(database, sealing, authority=AUTHORITY, now=now),
        keys=keys,
        shown=MemberTls(keys, kept, authority=AUTHORITY, url=url, now=now),
        tunnels=Tunnels(database, sealing, now=now),
        url=url,
    )


def services(
    database: Database,
    *,
    runs: RunService,
    appliances: ApplianceService,
    now: Callable[[], datetime],
    updates: UpdateService | None = None,
    hosts: HostService | None = None,
) -> Services:
    """Services whose both sides of joining are real."""
    sealing = unlocked(database, now=now)
    links = Links(database, sealing, now=now)
    return Services(
        runs=runs,
        appliances=appliances,
        updates=updates or FakeUpdates(),
        providers=Providers(links, Told(database, sealing, now=now), left=KeptClients().forget),
        links=links,
        explaining=FakeExplaining(),
        hosts=hosts or FakeHosts(),
        peering=peering(database, sealing, now=now),
    )


def invited(provider: Peering, tenant: str = "acme", *, hours: int = 24) -> Invitation:
    """An invitation of this tenant."""
    made = provider.invitations.make(tenant, hours=hours, actor="test")
    return Invitation(
        url=provider.url,
        pins=provider.keys.pins().both,
        secret=made.secret,
        expires=made.report.expires,
        tenant=tenant,
    )


def resources(*, network: NetworkId = "lan", **members: Any) -> TenantResources:
    """What a provider tells acme: a replica of db1 in this network, on the host `theirs`."""
    replica = ReplicaView(vm="db1", network=network, addresses=(ip_address("192.168.10.12"),), host="theirs")
    told = TenantResources(
        tenant="acme",
        hosts=("theirs",),
        networks=(),
        replicas=(replica,),
        plans=(),
        full_failover_by=(),
        public_addresses=(),
        open_runs=(),
    )
    return replace(told, **members)
