"""Documents, settings and keys of both ends of a tunnel in a booted machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from causeway_agent.settings import Settings
from causeway_controller.trust import pki, tls_crypt
from causeway_wire import codec
from causeway_wire.desired import (
    Desired,
    InnerAddresses,
    Management,
    Nic,
    Partial,
    ProductionNetwork,
    ProviderNetwork,
    ProviderRole,
    Remote,
    Replica,
    TenantRole,
    TunnelClient,
    TunnelServer,
)
from tests.booted import carried_guest

TENANT, TUNNEL = "acme", "acme-web"
CLIENT, SERVER = "acme-web.client", "acme-web.server"
STRANGER = "acme-mail.client"
"""Of the same authority, and not this tunnel's."""
CLAIM = tls_crypt.Claim(tenant=TENANT, tunnel=TUNNEL)
_PREFIXES = tuple(map(ipaddress.ip_network, ("192.168.10.0/24", "fd00:10::/64")))
_GATEWAYS = tuple(map(ipaddress.ip_address, ("192.168.10.1", "fd00:10::1")))
_REPLICAS = Partial(
    replicas=(
        Replica(
            vm="web1",
            network="net-0",
            addresses=tuple(map(ipaddress.ip_address, ("192.168.10.12", "fd00:10::12"))),
        ),
    )
)


_MACS = {device: f"02:00:00:00:00:0{index}" for index, device in enumerate(("upl", "vlan", "wan", "lan"))}


def _nic(device: str, *addresses: str, gateways: tuple[str, ...] = ()) -> Nic:
    # The guest's part puts the MAC address in.
    return Nic(
        name=device,
        mac=_MACS[device],
        addresses=tuple(map(ipaddress.ip_interface, addresses)),
        gateways=tuple(map(ipaddress.ip_address, gateways)),
    )


def _inner(ours: int, theirs: int) -> tuple[InnerAddresses, ...]:
    return tuple(
        InnerAddresses(
            local=ipaddress.ip_address(form.format(ours)), peer=ipaddress.ip_address(form.format(theirs))
        )
        for form in ("100.64.0.{}", "fd64::{}")
    )


class Site:
    """Both ends, with keys and certificates of today."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.authority = pki.make_vpn_authority(TENANT, now=self.now)
        self.server_key = tls_crypt.make_server_key()
        self.keys: dict[str, str] = {}
        self.serials: dict[str, str] = {}
        self.provider, self.tenant = self._provider(), self._tenant()

    def given(self) -> dict[str, Any]:
        """What the machine is given: files by end, adapters named by device."""
        return {
            "files": {
                "sapp": self._files("sapp", self.provider, self._later_provider(), (SERVER, f"new-{SERVER}")),
                "tapp": self._files(
                    "tapp", self.tenant, self._later_tenant(), (CLIENT, STRANGER, f"new-{CLIENT}")
                ),
            }
        }

    def _files(
        self, machine: str, document: Desired, later: Mapping[str, Desired], keys: tuple[str, ...]
    ) -> dict[str, str]:
        settings = Settings(
            appliance=document.appliance,
            management=document.management,
            nics=document.nics,
            controller_ca=self.authority.pem,
            state_directory=f"/run/carried/{machine}/state",
            run_directory=f"/run/carried/{machine}/run",
        )
        texts: dict[str, Settings | Desired] = {
            "settings.json": settings,
            "document.json": document,
            **{f"document-{name}.json": each for name, each in later.items()},
        }
        return {
            **{name: _by_device(codec.encode(text).decode(), document) for name, text in texts.items()},
            **{f"state/keys/{key}.key": self.keys[key] for key in keys},
        }

    def _later_provider(self) -> dict[str, Desired]:
        """Documents that follow, in this order: the client's certificate revoked, and taken back; a new one
        of the server's own.
        """
        (network,) = _provider_role(self.provider).networks
        assert network.tunnel is not None
        tunnels = {
            "revoked": structs.replace(network.tunnel, revoked=(self.serials[CLIENT],)),
            "again": network.tunnel,
            "renewed": structs.replace(
                network.tunnel,
                key=f"new-{SERVER}",
                certificate=self._certificate(SERVER, pki.Usage.SERVER, key=f"new-{SERVER}"),
            ),
        }
        found = {}
        for generation, (name, tunnel) in enumerate(tunnels.items(), start=2):
            networks = (structs.replace(network, tunnel=tunnel),)
            role = structs.replace(_provider_role(self.provider), networks=networks)
            found[name] = structs.replace(self.provider, generation=generation, role=role)
        return found

    def _later_tenant(self) -> dict[str, Desired]:
        """Documents that follow, in this order: another certificate of the authority, a key of another
        provider's, its own again; a new certificate of the same name.
        """
        role = self.tenant.role
        assert isinstance(role, TenantRole)
        assert role.tunnel is not None
        own, new = role.tunnel, f"new-{CLIENT}"
        foreign = tls_crypt.make_client_key(tls_crypt.make_server_key(), CLAIM)
        stranger = self._certificate(STRANGER, pki.Usage.CLIENT, key=STRANGER)
        tunnels = {
            "stranger": structs.replace(own, key=STRANGER, certificate=stranger),
            "foreign": structs.replace(own, tls_crypt=foreign),
            "own": own,
            "renewed": structs.replace(
                own, key=new, certificate=self._certificate(CLIENT, pki.Usage.CLIENT, key=new)
            ),
        }
        return {
            name: structs.replace(
                self.tenant, generation=generation, role=structs.replace(role, tunnel=tunnel)
            )
            for generation, (name, tunnel) in enumerate(tunnels.items(), start=2)
        }

    def _certificate(self, name: str, usage: pki.Usage, *, key: str | None = None) -> str:
        """One of this name, over a new key that is named so, or like it."""
        made = pki.make_key()
        self.keys[key or name] = pki.private_pem(made).decode()
        certificate = self.authority.issue(made.public_key(), common_name=name, usage=usage, now=self.now)
        self.serials[key or name] = f"{certificate.serial_number:x}"
        return pki.pem(certificate)

    def _provider(self) -> Desired:
        tunnel = TunnelServer(
            id=TUNNEL,
            inner=_inner(1, 2),
            listen=ipaddress.ip_address("10.10.0.20"),
            port=carried_guest.PORT,
            key=SERVER,
            certificate=self._certificate(SERVER, pki.Usage.SERVER),
            ca=self.authority.pem,
            peer_name=CLIENT,
            tls_crypt=self.server_key,
        )
        network = ProviderNetwork(
            id="net-0", nic="vlan", prefixes=_PREFIXES, gateways=_GATEWAYS, tunnel=tunnel
        )
        role = ProviderRole(tenant=TENANT, uplink="upl", networks=(network,), failover=_REPLICAS)
        nics = (
            _nic("upl", "10.10.0.20/24", gateways=("10.10.0.5",)),
            _nic("vlan", "192.168.10.251/24", "fd00:10::251/64"),
        )
        return _document("provider", role, "upl", "10.10.0.20", nics)

    def _tenant(self) -> Desired:
        tunnel = TunnelClient(
            id=TUNNEL,
            inner=_inner(2, 1),
            remotes=(Remote(address=ipaddress.ip_address("203.0.113.10"), port=6180),),
            key=CLIENT,
            certificate=self._certificate(CLIENT, pki.Usage.CLIENT),
            ca=self.authority.pem,
            peer_name=SERVER,
            tls_crypt=tls_crypt.make_client_key(self.server_key, CLAIM),
            gateway_ca=self.authority.pem,
            gateway_name="gateway.example",
        )
        network = ProductionNetwork(id="net-0", nic="lan", prefixes=_PREFIXES, gateways=_GATEWAYS)
        role = TenantRole(tenant=TENANT, network=network, tunnel=tunnel, failover=_REPLICAS)
        nics = (
            _nic("wan", "203.0.113.2/24", gateways=("203.0.113.10",)),
            _nic("lan", "192.168.10.250/24", "fd00:10::250/64"),
        )
        return _document("tenant", role, "wan", "203.0.113.2", nics)


def _document(
    name: str, role: ProviderRole | TenantRole, nic: str, address: str, nics: tuple[Nic, ...]
) -> Desired:
    anywhere = (ipaddress.ip_network("0.0.0.0/0"),)
    management = Management(nic=nic, address=ipaddress.ip_address(address), sources=anywhere)
    return Desired(appliance=name, generation=1, epoch=1, management=management, nics=nics, role=role)


def _provider_role(document: Desired) -> ProviderRole:
    assert isinstance(document.role, ProviderRole)
    return document.role


def _by_device(text: str, document: Desired) -> str:
    """The text with each adapter's device in the place of its MAC address."""
    for nic in document.nics:
        text = text.replace(f'"{nic.mac}"', f'"@{nic.name}@"', 1)
    return text
