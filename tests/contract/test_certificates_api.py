"""Certificates over the API: read as the ledger has them, revoked with their key, once and for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from causeway_controller.contract.access import Role
from causeway_controller.inventory import certificates, refused_lists
from causeway_controller.inventory.certificates import Subject
from causeway_controller.store import authorities
from causeway_controller.store.audit import Audit
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import pki
from tests.certificates import signed
from tests.controller_api import Served, serving, two_tenants

CLIENT = certificates.of_client("acme", "t1", "acme-lan-tenant")
OTHER = certificates.of_client("zeta", "t1", "zeta-lan-tenant")
WHY = b'{"reason": "a disk was stolen"}'


def issued(served: Served, subject: Subject, key: ec.EllipticCurvePrivateKey) -> str:
    """The serial number of a certificate of a tunnel's client."""
    return signed(
        served.database,
        authorities.vpn(subject.tenant or ""),
        subject,
        key=key.public_key(),
        usage=pki.Usage.CLIENT,
        now=lambda: served.moments.now,
    )


async def test_one_is_revoked_with_all_of_its_key_and_again_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        key = pki.make_key()
        first, second = issued(served, CLIENT, key), issued(served, CLIENT, key)
        other = issued(served, CLIENT, pki.make_key())
        path = f"/v1/certificates/{first}/revoke"
        status, dry, _ = await served.ask("POST", f"{path}?dry_run=true", data=WHY)
        assert (status, [one["state"] for one in dry["certificates"]]) == (200, ["counts"] * 2)
        ledger = Ledger(served.database, now=lambda: served.moments.now)
        assert ledger.revocations() == ()
        status, done, _ = await served.ask("POST", path, data=WHY)
        assert status == 200
        assert [(one["serial"], one["state"]) for one in done["certificates"]] == [
            (first, "revoked"),
            (second, "revoked"),
        ]
        assert done["certificates"][0]["revoked"]["reason"] == "a disk was stolen"
        assert done["next"] == dry["next"]
        assert any("gateways refuse it" in sentence for sentence in done["next"])
        served.moments.pass_(minutes=1)
        _, again, _ = await served.ask("POST", path, data=b'{"reason": "another"}')
        assert again == done, "the first reason stays"
        acts = [record.act for record in Audit(served.database).records()]
        told = [(act.actor, act.detail) for act in acts if act.action == "certificate.revoke"]
        assert told == [("admin-1", "a disk was stolen")] * 2
        _, shown, _ = await served.ask("GET", f"/v1/certificates/{other}")
        assert (shown["state"], shown["bearer"], shown["tenant"]) == ("counts", "client", "acme")


async def test_the_list_is_read_page_by_page_and_may_be_of_the_revoked_only(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        made = [issued(served, each, pki.make_key()) for each in (CLIENT, OTHER, CLIENT)]
        _, page, _ = await served.ask("GET", "/v1/certificates?limit=2")
        assert [one["serial"] for one in page["certificates"]] == made[:0:-1]
        _, rest, _ = await served.ask("GET", f"/v1/certificates?cursor={page['next']}")
        assert ([one["serial"] for one in rest["certificates"]], "next" in rest) == (made[:1], False)
        await served.ask("POST", f"/v1/certificates/{made[1]}/revoke", data=WHY)
        _, revoked, _ = await served.ask("GET", "/v1/certificates?revoked=true")
        assert [one["serial"] for one in revoked["certificates"]] == [made[1]]
        _, ours, _ = await served.ask("GET", "/v1/certificates?tenant=acme")
        assert [one["serial"] for one in ours["certificates"]] == [made[2], made[0]]


SERVER = certificates.of_server("acme", "t1", "acme-lan-provider", appliance="acme-esx1")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [3, 2, 1, 0]),
        ("bearer=client", [3, 2, 0]),
        ("bearer=server&tenant=acme", [1]),
        ("bearer=agent", []),
        ("appliance=acme-esx1", [1]),
        ("appliance=acme-lan-tenant", [3, 0]),
        ("counts=true", [3, 2, 1]),
        ("revoked=true", [0]),
        ("counts=true&appliance=acme-lan-tenant&limit=1", [3]),
        ("counts=true&revoked=true", []),
    ],
)
async def test_the_list_is_of_those_that_are_asked_for(tmp_path: Path, query: str, found: list[int]) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        made = [issued(served, each, pki.make_key()) for each in (CLIENT, SERVER, OTHER, CLIENT)]
        await served.ask("POST", f"/v1/certificates/{made[0]}/revoke", data=WHY)
        _, told, _ = await served.ask("GET", f"/v1/certificates?{query}")
        assert [made.index(one["serial"]) for one in told["certificates"]] == found


async def test_a_bearer_that_is_none_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        status, told, _ = await served.ask("GET", "/v1/certificates?bearer=tunnel")
        assert status == 400
        assert "bearer is one of agent, controller, gateway, client, server, member" in told["detail"]


async def test_a_tenants_staff_revokes_its_own_ends_of_tunnels_and_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        made = [issued(served, each, pki.make_key()) for each in (CLIENT, SERVER, OTHER)]
        for serial, expected in zip(made, (200, 403, 404), strict=True):
            path = f"/v1/certificates/{serial}/revoke"
            status, told, _ = await served.ask("POST", path, role=Role.TENANT_ADMIN, whose="acme", data=WHY)
            assert status == expected
        ledger = Ledger(served.database, now=lambda: served.moments.now)
        assert [ledger.get(serial).revoked is not None for serial in made] == [True, False, False]
        status, told, _ = await served.ask("POST", "/v1/certificates/1f/revoke", data=WHY)
        assert status == 404
        assert "signed, and revoked, by the provider's controller" in told["detail"]


async def test_who_is_bound_to_a_tenant_sees_its_own_and_not_who_revoked_it_why(tmp_path: Path) -> None:
    async with serving(tmp_path, inventory=two_tenants()) as served:
        own, other = issued(served, CLIENT, pki.make_key()), issued(served, OTHER, pki.make_key())

        async def ask(path: str) -> tuple[int, Any]:
            address = f"/v1/certificates{path}"
            status, body, _ = await served.ask("GET", address, role=Role.TENANT_ADMIN, whose="acme")
            return status, body

        _, listed = await ask("")
        assert [one["serial"] for one in listed["certificates"]] == [own]
        assert (await ask("?tenant=zeta"))[0] == 404
        assert [(await ask(f"/{serial}"))[0] for serial in (own, other, "1f")] == [200, 404, 404]
        role: dict[str, Any] = {"role": Role.TENANT_OPERATOR, "whose": "acme"}
        assert (await served.ask("POST", f"/v1/certificates/{own}/revoke", data=WHY, **role))[0] == 403
        await served.ask("POST", f"/v1/certificates/{own}/revoke", data=WHY)
        for path in ("", f"/{own}"):
            told = (await ask(path))[1]
            assert ("revoked" in str(told), "stolen" in str(told), "admin" in str(told)) == (
                True,
                False,
                False,
            )


async def test_what_is_wrong_is_named_and_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        serial = issued(served, CLIENT, pki.make_key())
        path = f"/v1/certificates/{serial}/revoke"
        for body in (b'{"reason": ""}', b"{}"):
            status, told, _ = await served.ask("POST", path, data=body)
            assert (status, told["type"].rpartition(":")[2]) == (422, "invalid")
        status, told, _ = await served.ask("POST", path, data=b'{"reason": ""}')
        assert told["pointer"] == "/reason"
        assert (await served.ask("POST", "/v1/certificates/1f/revoke", data=WHY))[0] == 404
        assert Ledger(served.database, now=lambda: served.moments.now).revocations() == ()


async def test_a_list_that_fills_is_told_to_the_providers_staff_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_lists, "LIMIT", 2)
    async with serving(tmp_path, inventory=two_tenants()) as served:
        made = [issued(served, CLIENT, pki.make_key()) for _ in range(2)]

        async def told(role: Role = Role.ADMIN, whose: str | None = None) -> list[str]:
            _, status, _ = await served.ask("GET", "/v1/status", role=role, whose=whose)
            return [one["subject"] for one in status["troubles"] if "revoked" in one["subject"]]

        await served.ask("POST", f"/v1/certificates/{made[0]}/revoke", data=WHY)
        assert await told() == []
        await served.ask("POST", f"/v1/certificates/{made[1]}/revoke", data=WHY)
        assert await told() == ["revoked certificates of client acme-lan-tenant"]
        assert await told(Role.TENANT_ADMIN, "acme") == []
