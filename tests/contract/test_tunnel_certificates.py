"""A tenant's controller has the keys of its appliances certified: of its own networks, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_interface
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import UNSET

from causeway_controller.api.left_ends import LeftEnds
from causeway_controller.contract import tenant_routes
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.tenant import Static
from causeway_controller.contract.tunnels import AskTunnel, TunnelEnd
from causeway_controller.inventory import production
from causeway_controller.inventory.modes import Partial
from causeway_controller.inventory.production import Place
from causeway_controller.store import tunnels
from causeway_controller.store.audit import Audit
from causeway_controller.store.intentions import Intentions
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import pki, tls_crypt
from causeway_controller.workflows.providers import client_of
from causeway_controller.workflows.tunnels import ClientCertificates
from causeway_wire.identity import Csr, CsrRequest
from causeway_wire.problem import ProblemError
from causeway_wire.types import Secret
from tests.provider_inventory import tenant
from tests.two_sites import NAME, Tenant, World, two_sites

pytestmark = pytest.mark.timeout(120)
(LAN, *_) = tenant().networks
KEY, OTHER = pki.make_key(), pki.make_key()
OWN = OwnAppliance(host="esx9", network="pg", address=Static(addresses=(ip_interface("192.168.10.250/24"),)))
PLACE = Place(
    production=Production(id=NAME, tenant="acme"),
    network=OwnNetwork(id=LAN.id, prefixes=LAN.prefixes),
    appliance=OWN,
)


@pytest.fixture
async def world(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[World]:
    async with two_sites(tmp_path, unused_tcp_port) as made:
        yield made


async def asked(known: Tenant, request: str, network: str = LAN.id, *, replaces: bool = False) -> TunnelEnd:
    async with client_of(known.link()) as client:
        order = AskTunnel(request=request, replaces=replaces)
        reply = await client.ask(tenant_routes.TUNNEL, {"network": network}, body=order)
        return reply.read(TunnelEnd)


async def refused(
    known: Tenant, request: str, network: str = LAN.id, *, replaces: bool = False
) -> tuple[str, object]:
    with pytest.raises(ProblemError) as caught:
        await asked(known, request, network, replaces=replaces)
    found = caught.value.problem
    return found.type.removeprefix("urn:causeway:problem:"), found.pointer


async def test_the_key_of_an_appliance_is_certified_by_its_tenants_authority(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        end = await asked(acme, pki.make_request(KEY))
    assert LAN.tenant_end
    assert end.tunnel == LAN.tenant_end.tunnel
    assert (end.client_name, end.server_name) == (f"acme-{LAN.id}-tenant", f"acme-{LAN.id}-provider")
    assert pki.certified(end.certificate) == pki.fingerprint(KEY.public_key())
    signed, authority = (
        x509.load_pem_x509_certificate(one.encode()) for one in (end.certificate, end.authority)
    )
    signed.verify_directly_issued_by(authority)
    assert tls_crypt.read_tag(Secret(end.tls_crypt))
    assert {one.tenant.version for one in end.inner} == {4, 6}


async def test_the_same_key_gets_the_same_and_another_one_in_a_minute(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        first = await asked(acme, pki.make_request(KEY))
        assert await asked(acme, pki.make_request(KEY)) == first
        assert (await refused(acme, pki.make_request(OTHER)))[0] == "too-many"
        world.clock.pass_(minutes=1)
        second = await asked(acme, pki.make_request(OTHER))
    assert pki.certified(second.certificate) == pki.fingerprint(OTHER.public_key())
    assert second.tls_crypt == first.tls_crypt


async def test_two_keys_by_turns_fill_no_list_of_what_is_revoked(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        first = await asked(acme, pki.make_request(KEY))
        for key in (OTHER, KEY) * 3:
            world.clock.pass_(minutes=1)
            await asked(acme, pki.make_request(key))
    ledger = Ledger(world.database, now=world.clock)
    assert len(ledger.revoke(pki.serial(first.certificate), actor="anna", reason="the disk is gone")) == 1


async def test_a_revoked_key_is_refused_and_another_one_need_not_wait(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        first = await asked(acme, pki.make_request(KEY))
        ledger = Ledger(world.database, now=world.clock)
        ledger.revoke(pki.serial(first.certificate), actor="anna", reason="the disk is gone")
        assert await refused(acme, pki.make_request(KEY)) == ("invalid", "/request")
        second = await asked(acme, pki.make_request(OTHER))
    assert pki.certified(second.certificate) == pki.fingerprint(OTHER.public_key())


class Keys:
    """An appliance that makes keys, and has them certified."""

    def __init__(self) -> None:
        self.made: dict[str, ec.EllipticCurvePrivateKey] = {}

    async def csr(self, asked: CsrRequest) -> Csr:
        key = self.made.setdefault(asked.key, pki.make_key())
        return Csr(csr=pki.make_request(key), proof=None)


async def test_what_the_provider_revokes_is_told_and_replaced_under_another_key(world: World) -> None:
    agent = Keys()
    async with world.tenant() as acme:
        await acme.join(world.invited())
        ends = ClientCertificates(links=acme.links, told=acme.told, now=world.clock)
        await ends.ensure(agent, PLACE)  # type: ignore[arg-type] # only its keys are asked for
        first = acme.told.end(NAME, LAN.id)
        assert first is not None
        serial = pki.serial(first.certificate)
        Ledger(world.database, now=world.clock).revoke(serial, actor="anna", reason="the disk is gone")
        with pytest.raises(ProblemError, match="key was revoked"):
            await ends.ensure(agent, PLACE)  # type: ignore[arg-type] # as above
        told = await acme.providers.resources(NAME)
        assert await acme.providers.resources(NAME) == told
        assert [(one.serial, one.bearer, one.tunnel) for one in told.revoked] == [
            (serial, "client", first.tunnel)
        ]
        acts = [record.act for record in Audit(acme.database).records()]
        refused_ = [(act.actor, act.subject) for act in acts if act.action == "certificate.refuse"]
        assert refused_ == [(f"provider {NAME}", f"{serial} of client of tunnel {first.tunnel}")]
        assert Intentions(acme.database).revoked() == (1, 1)
        assert await ends.due(PLACE)
        without = production.site(
            PLACE, told=told, end=acme.told.end(NAME, LAN.id), mode=Partial(frozenset()), controllers=()
        )
        assert [one.serial for one in without.revoked] == [serial]
        assert without.credentials["acme"].tunnels[first.tunnel].client_certificate == ""
        await ends.ensure(agent, PLACE)  # type: ignore[arg-type] # as above
        assert not await ends.due(PLACE)
        second = acme.told.end(NAME, LAN.id)
    assert second is not None
    assert (first.key, second.key) == ("vpn-client", f"vpn-client-{serial}")
    assert pki.certified(second.certificate) == pki.fingerprint(agent.made[second.key].public_key())
    assert not second.revoked


async def test_other_tenants_have_other_authorities_and_keys(world: World) -> None:
    async with world.tenant() as acme, world.tenant("zeta") as zeta:
        await acme.join(world.invited())
        await zeta.join(world.invited("zeta"))
        ours, theirs = await asked(acme, pki.make_request(KEY)), await asked(zeta, pki.make_request(OTHER))
    assert ours.authority != theirs.authority
    assert ours.tls_crypt != theirs.tls_crypt


async def test_what_is_no_network_or_no_request_is_refused(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        assert (await refused(acme, pki.make_request(KEY), "nowhere"))[0] == "not-found"
        assert await refused(acme, "-----BEGIN NOTHING-----") == ("invalid", "/request")


async def test_the_same_key_gets_another_certificate_once_two_thirds_are_over(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        ends = ClientCertificates(links=acme.links, told=acme.told, now=world.clock)
        assert not await ends.due(PLACE), "what never was is deployed, not renewed"
        acme.told.keep_end(NAME, first := await asked(acme, pki.make_request(KEY)), key="vpn-client")
        begins, over = pki.validity(first.certificate)
        world.clock.now = begins + (over - begins) * 2 / 3 - timedelta(minutes=1)
        assert not await ends.due(PLACE)
        assert await asked(acme, pki.make_request(KEY)) == first
        world.clock.pass_(minutes=1)
        assert await ends.due(PLACE)
        acme.told.keep_end(NAME, second := await asked(acme, pki.make_request(KEY)), key="vpn-client")
        assert not await ends.due(PLACE)
    assert second.certificate != first.certificate
    assert pki.certified(second.certificate) == pki.certified(first.certificate)


async def test_the_key_of_a_machine_that_was_thrown_away_is_revoked_when_the_next_is_certified(
    world: World,
) -> None:
    ledger = Ledger(world.database, now=world.clock)
    async with world.tenant() as acme:
        await acme.join(world.invited())
        ends = ClientCertificates(links=acme.links, told=acme.told, now=world.clock)
        acme.told.discard(PLACE.id, LAN.id)
        assert acme.told.end(NAME, LAN.id) is None, "one that never enrolled has nothing to revoke"
        await ends.ensure(Keys(), PLACE)  # type: ignore[arg-type] # only its keys are asked for
        first = acme.told.end(NAME, LAN.id)
        assert first is not None
        acme.told.discard(PLACE.id, LAN.id)
        assert await ends.due(PLACE)
        world.clock.pass_(minutes=1)
        new = Keys()
        await ends.ensure(new, PLACE)  # type: ignore[arg-type] # as above
        second = acme.told.end(NAME, LAN.id)
        assert second is not None
        assert not await ends.due(PLACE)
        told = await acme.providers.resources(NAME)
        assert not acme.told.end(NAME, LAN.id).revoked  # type: ignore[union-attr] # it is there
        acme.told.discard(PLACE.id, LAN.id)
        await ends.ensure(new, PLACE)  # type: ignore[arg-type] # as above
    old = pki.serial(first.certificate)
    assert [one.serial for one in ledger.revocations()] == [old]
    assert (ledger.get(old).revoked_by, ledger.get(old).reason) == ("acme", "its machine was thrown away")
    assert [one.serial for one in told.revoked] == [old]
    assert second.key == first.key
    assert pki.certified(second.certificate) == pki.fingerprint(new.made[second.key].public_key())


async def test_a_key_that_was_thrown_away_and_gets_no_next_one_is_told_until_it_is_revoked(
    world: World,
) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        ends = ClientCertificates(links=acme.links, told=acme.told, now=world.clock)
        inventories = Inventories(acme.database, now=world.clock)
        left = LeftEnds(database=acme.database, inventories=inventories, now=world.clock)
        await ends.ensure(Keys(), PLACE)  # type: ignore[arg-type] # only its keys are asked for
        end = acme.told.end(NAME, LAN.id)
        assert end is not None
        acme.told.discard("acme-other-tenant", LAN.id)
        assert await left.troubles() == ()
        acme.told.discard(PLACE.id, LAN.id)
        (trouble,) = await left.troubles()
        serial = pki.serial(end.certificate)
        assert trouble.subject == f"tunnel {end.tunnel} of network {LAN.id}"
        assert f"causeway certificate revoke {serial}" in trouble.detail
        Ledger(world.database, now=world.clock).revoke(serial, actor="anna", reason="thrown away")
        await acme.providers.resources(NAME)
        assert await left.troubles() == ()


async def test_a_key_that_is_kept_over_another_machine_is_not_revoked(world: World) -> None:
    async with world.tenant() as acme:
        await acme.join(world.invited())
        await asked(acme, pki.make_request(KEY))
        world.clock.pass_(minutes=1)
        await asked(acme, pki.make_request(OTHER))
    assert Ledger(world.database, now=world.clock).revocations() == ()


async def test_who_throws_keys_away_fills_no_list_that_gateways_have_of_all_tenants(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnels, "_REPLACED", 2)
    ledger = Ledger(world.database, now=world.clock)
    async with world.tenant() as acme:
        await acme.join(world.invited())
        ends: list[TunnelEnd] = []
        for _ in range(3):
            ends.append(await asked(acme, pki.make_request(pki.make_key()), replaces=True))
            world.clock.pass_(minutes=1)
        new = pki.make_request(KEY)
        assert await refused(acme, new, replaces=True) == ("too-many", UNSET)
        assert len(ledger.revocations()) == 2
        ledger.revoke(pki.serial(ends[-1].certificate), actor="anna", reason="the disk is gone")
        end = await asked(acme, new, replaces=True)
    assert pki.certified(end.certificate) == pki.fingerprint(KEY.public_key())


async def test_who_revokes_each_key_and_asks_for_another_fills_no_list_either(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnels, "_ISSUED", 2)
    ledger = Ledger(world.database, now=world.clock)
    async with world.tenant() as acme:
        await acme.join(world.invited())
        for _ in range(2):
            end = await asked(acme, pki.make_request(pki.make_key()))
            ledger.revoke(pki.serial(end.certificate), actor="tina", reason="by hand")
            world.clock.pass_(minutes=1)
        new = pki.make_request(KEY)
        assert await refused(acme, new) == ("too-many", UNSET)
    assert len(ledger.revocations()) == 2
