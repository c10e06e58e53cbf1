"""A list of revoked certificates that fills is told before an appliance refuses it, by whom it is about."""

from __future__ import annotations

from datetime import timedelta

from causeway_controller.contract.status import Trouble
from causeway_controller.inventory import certificates
from causeway_controller.inventory.certificates import Issued, Subject
from causeway_controller.inventory.refused_lists import left_out, troubles
from tests.certificates import NOW, issued

GATEWAY = certificates.of_gateway("gw1", "gateway.example.net")


def revoked(count: int, subject: Subject, *, days: int = 300) -> list[Issued]:
    return [issued(number, subject, revoked=True, days=days) for number in range(count)]


def told(*records: Issued) -> list[Trouble]:
    return list(troubles(records, now=NOW))


def test_a_list_is_told_from_two_hundred_on_with_when_it_empties() -> None:
    assert told(*revoked(199, GATEWAY)) == []
    (one,) = told(*revoked(199, GATEWAY), *revoked(1, GATEWAY, days=20))
    assert one.subject == "revoked certificates of gateway gateway.example.net"
    assert "200 of the 256" in one.detail
    assert f"the first at {NOW + timedelta(days=20):%Y-%m-%d %H:%M} UTC" in one.detail
    assert "--keep-certificates" in one.detail


def test_what_has_ended_or_counts_or_no_document_names_fills_nothing() -> None:
    agent = certificates.of_agent("acme-esx1")
    counts = [issued(number, GATEWAY) for number in range(300)]
    assert told(*revoked(300, GATEWAY, days=-1), *counts, *revoked(300, agent)) == []


def test_controllers_share_one_list_and_ends_of_tunnels_have_theirs_by_name() -> None:
    names = [certificates.of_controller(name) for name in ("c1", "c2")]
    assert [one.subject for one in told(*revoked(100, names[0]), *revoked(100, names[1]))] == [
        "revoked certificates of controller"
    ]
    ends = [certificates.of_server("acme", "t1", name) for name in ("acme-lan-provider", "acme-dmz-provider")]
    assert told(*revoked(100, ends[0]), *revoked(100, ends[1])) == []
    renamed = certificates.of_server("acme", "t2", "acme-lan-provider")
    assert len(told(*revoked(100, ends[0]), *revoked(100, renamed))) == 1


def test_a_gateway_that_names_those_of_many_tunnels_is_told_of() -> None:
    ends = [certificates.of_client("acme", f"t{n}", f"acme-net{n}-tenant") for n in range(16)]
    many = [one for end in ends for one in revoked(100, end)]
    (one,) = told(*many)
    assert "1600 of the 2048" in one.detail
    assert told(*many[1:]) == []


def test_who_has_revoked_too_much_keeps_only_its_own_tunnels_out() -> None:
    own = {("acme", f"acme-net{n}-tenant"): 250 for n in range(9)}
    others = {("bolt", "bolt-lan-tenant"): 3, ("zeta", "zeta-lan-tenant"): 0, ("acme", "acme-new-tenant"): 0}
    assert left_out({**own, **others}) == set(own)
    fewer = dict(list(own.items())[:8])
    assert left_out({**fewer, **others}) == set(), "2003 of 2048"
    assert left_out({**fewer, ("bolt", "bolt-lan-tenant"): 257}) == {("bolt", "bolt-lan-tenant")}


def test_whose_tunnels_are_kept_out_is_told() -> None:
    ends = [certificates.of_client("acme", f"t{n}", f"acme-net{n}-tenant") for n in range(9)]
    (total,) = (one for one in told(*(x for end in ends for x in revoked(250, end))) if "all" in one.subject)
    assert "takes no connection of acme-net0-tenant, acme-net1-tenant" in total.detail
