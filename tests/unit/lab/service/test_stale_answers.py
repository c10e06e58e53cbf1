"""Stale answers are overridden when somebody says so by name, and in no other document."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
import typer
from msgspec import UNSET

from causeway_controller.failover import documents
from causeway_controller.inventory.tenancy import with_stale
from causeway_lab.service import stale_answers
from causeway_wire.desired import Claims, ProviderRole, StaleAnswer, TenantRole
from tests import sites

SITE = sites.site()
STALE = StaleAnswer(address=ip_address("192.0.2.7"), mac="52:54:00:aa:bb:cc")


def test_an_answer_is_named_by_its_address_and_mac_address() -> None:
    assert stale_answers.read(("192.0.2.7=52:54:00:AA:BB:CC",)) == (STALE,)


@pytest.mark.parametrize("text", ["192.0.2.7", "192.0.2.7=", "=52:54:00:aa:bb:cc", "x=y", "192.0.2.7=52:54"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="MAC address"):
        stale_answers.read((text,))


@pytest.mark.parametrize("appliance", ["acme-provider", "acme-tenant-0"])
def test_it_is_in_the_documents_of_its_tenant_until_it_is_taken_back(appliance: str) -> None:
    overridden = with_stale(SITE, "acme", (STALE,))
    sites_in_turn = (SITE, overridden, with_stale(overridden, "acme", ()))
    told = [documents.document(each, appliance, generation=3, epoch=5).role for each in sites_in_turn]
    assert all(isinstance(role, ProviderRole | TenantRole) for role in told)
    assert [getattr(role, "claims", None) for role in told] == [UNSET, Claims(anyway=(STALE,)), UNSET]
