"""Clients that are kept: one per appliance, another when it is managed elsewhere."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from causeway_controller.errors import AgentUnknown
from causeway_controller.fleet.client import AgentClient
from causeway_controller.fleet.pool import Pool
from causeway_controller.inventory.tenancy import ManagementAccess
from causeway_controller.trust.identity import make_office

ACCESS = ManagementAccess(nic="uplink", address=ip_address("192.0.2.1"), sources=())


async def test_an_appliance_has_one_client_until_it_moves(tmp_path: Path) -> None:
    office = make_office("controller", tmp_path, now=datetime.now(UTC))
    async with Pool(office.identity) as pool:
        with pytest.raises(AgentUnknown, match="acme-esx1"):
            pool("acme-esx1")
        first = await pool.know("acme-esx1", ACCESS)
        assert await pool.know("acme-esx1", ACCESS) is first
        assert pool("acme-esx1") is first
        moved = await pool.know("acme-esx1", replace(ACCESS, address=ip_address("192.0.2.2")))
        assert pool("acme-esx1") is moved
        assert moved is not first


async def test_of_an_appliance_that_moved_or_is_forgotten_nothing_is_kept(tmp_path: Path) -> None:
    office = make_office("controller", tmp_path, now=datetime.now(UTC))
    made = list[weakref.ref[AgentClient]]()
    async with Pool(office.identity) as pool:
        for last in range(1, 6):
            client = await pool.know("acme-esx1", replace(ACCESS, address=ip_address(f"192.0.2.{last}")))
            made.append(weakref.ref(client))
            del client
        await pool.forget("acme-esx1")
        gc.collect()
        assert [found() for found in made] == [None] * 5
