"""Revoked certificates are in the documents of whoever could be shown them, and in no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from causeway_controller.failover import documents, revocation
from causeway_controller.inventory.tenancy import Holder, Revocation, Site
from causeway_wire import codec
from causeway_wire.desired import Desired, GatewayRole
from tests import sites
from tests.sites import with_failed_over

SITE = with_failed_over(sites.site(), "acme", frozenset(sites.site().tenants["acme"].vms))
TENANT = SITE.tenants["acme"]
NETWORKS = tuple(TENANT.networks.values())
TUNNEL = NETWORKS[0].tunnel


def written(site: Site) -> dict[str, bytes]:
    """The text of every appliance's document."""
    names = [TENANT.provider.id, *(end.id for end in TENANT.appliances.values())]
    names += [gateway.id for gateway in site.gateways]
    return {name: codec.encode(document(site, name)) for name in names}


def document(site: Site, name: str) -> Desired:
    return documents.document(site, name, generation=3, epoch=5)


def test_what_a_document_refuses_is_read_out_of_it() -> None:
    everything = (
        of_tunnel(Holder.CLIENT, "1f"),
        of_tunnel(Holder.SERVER, "2f"),
        Revocation(serial="3f", holder=Holder.GATEWAY),
        Revocation(serial="4f", holder=Holder.CONTROLLER),
    )
    site = revocation.revoke(SITE, *everything)
    names = [TENANT.provider.id, TENANT.appliances[NETWORKS[0].id].id, site.gateways[0].id]
    found = [revocation.named(document(site, name)) for name in names]
    assert found == [{"1f", "4f"}, {"2f", "3f", "4f"}, {"1f", "4f"}]


def holding(site: Site, serial: str) -> dict[str, int]:
    """How often each appliance's document names the serial number, where it does."""
    counts = {name: text.count(f'"{serial}"'.encode()) for name, text in written(site).items()}
    return {name: count for name, count in counts.items() if count}


def test_a_client_s_certificate_is_refused_by_its_server_and_by_gateways() -> None:
    site = revocation.revoke(SITE, of_tunnel(Holder.CLIENT, "1f"))
    assert holding(site, "1f") == {TENANT.provider.id: 1, **{gateway.id: 1 for gateway in site.gateways}}


def test_a_server_s_certificate_is_refused_by_its_client() -> None:
    site = revocation.revoke(SITE, of_tunnel(Holder.SERVER, "2f"))
    assert holding(site, "2f") == {TENANT.appliances[NETWORKS[0].id].id: 1}


def test_a_gateway_s_certificate_is_refused_by_every_client() -> None:
    site = revocation.revoke(SITE, Revocation(serial="3f", holder=Holder.GATEWAY))
    assert holding(site, "3f") == {end.id: 1 for end in TENANT.appliances.values()}


def test_a_gateway_of_another_pool_is_nobodys_here_and_takes_no_room_in_documents() -> None:
    """A document has room for 256; pools have an authority each, and gateways their pool's name."""
    name = SITE.gateways[0].name
    ours = Revocation(serial="3f", holder=Holder.GATEWAY, name=name)
    others = (
        Revocation(serial=f"{number:x}", holder=Holder.GATEWAY, name="another.example")
        for number in range(1000, 1300)
    )
    site = revocation.revoke(SITE, ours, *others)
    end = next(iter(TENANT.appliances.values()))
    found = codec.decode(codec.encode(document(site, end.id)), Desired)
    assert revocation.named(found) == {"3f"}


def test_a_controller_s_certificate_is_refused_by_every_agent() -> None:
    site = revocation.revoke(SITE, Revocation(serial="4f", holder=Holder.CONTROLLER))
    assert holding(site, "4f") == dict.fromkeys(written(site), 1)
    assert document(site, TENANT.provider.id).management.revoked == ("4f",)


def test_revoking_twice_is_revoking_once_and_what_is_taken_back_leaves_no_trace() -> None:
    one, other = of_tunnel(Holder.CLIENT, "1f"), Revocation(serial="4f", holder=Holder.CONTROLLER)
    twice = revocation.revoke(revocation.revoke(SITE, one, one), one, other)
    assert twice.revoked == (one, other)
    assert revocation.take_back(twice, "1f").revoked == (other,)
    assert written(revocation.take_back(twice, "1f", "4f")) == written(SITE)


def of_tunnel(holder: Holder, serial: str) -> Revocation:
    known = SITE.credentials["acme"].tunnels[TUNNEL]
    name = known.client_name if holder is Holder.CLIENT else known.server_name
    return Revocation(serial=serial, holder=holder, tenant="acme", tunnel=TUNNEL, name=name)


@pytest.mark.parametrize("holder", [Holder.CLIENT, Holder.SERVER])
def test_a_tunnel_that_has_another_name_by_now_forgets_nothing(holder: Holder) -> None:
    """Its ends are known by the same names: what was revoked would be taken there."""
    before = replace(of_tunnel(holder, "1f"), tunnel="as-it-was")
    assert holding(revocation.revoke(SITE, before), "1f") == holding(
        revocation.revoke(SITE, of_tunnel(holder, "1f")), "1f"
    )


def test_names_of_tunnels_that_were_exchanged_exchange_nothing_that_was_revoked() -> None:
    other = NETWORKS[1].tunnel
    exchanged = replace(of_tunnel(Holder.SERVER, "2f"), tunnel=other)
    assert holding(revocation.revoke(SITE, exchanged), "2f") == {TENANT.appliances[NETWORKS[0].id].id: 1}


def test_what_nobody_knows_the_name_of_is_refused_by_all_who_may_be_shown_it() -> None:
    bare = replace(of_tunnel(Holder.SERVER, "2f"), name=None)
    assert holding(revocation.revoke(SITE, bare), "2f") == {end.id: 1 for end in TENANT.appliances.values()}


def test_who_revokes_more_than_a_gateway_can_name_keeps_no_other_out() -> None:
    """A document that is over its limit no gateway takes, for whichever tenant."""
    crowd = (replace(of_tunnel(Holder.CLIENT, "1f"), serial=f"{number:x}") for number in range(1000, 1300))
    gateway = SITE.gateways[0].id
    found = document(revocation.revoke(SITE, *crowd), gateway)
    codec.decode(codec.encode(found), Desired)
    before, role = document(SITE, gateway).role, found.role
    assert isinstance(before, GatewayRole)
    assert isinstance(role, GatewayRole)
    mine = of_tunnel(Holder.CLIENT, "1f").name
    assert role.tunnels == tuple(each for each in before.tunnels if each.client_name != mine)
    assert len(role.tunnels) == len(before.tunnels) - 1
