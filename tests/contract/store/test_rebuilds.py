"""Rebuilds are found among runs by the host whose machine was dead, an appliance's or a gateway's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from causeway_controller.contract.requests import FailOverSite, Rebuild, RebuildGateway, UpdateFleet
from causeway_controller.inventory.rebuilding import Attempt
from causeway_controller.store.database import Database
from causeway_controller.store.rebuilds import Rebuilds
from causeway_controller.store.runs import Run, Runs
from causeway_wire import codec
from tests import run_events

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_both_kinds_are_found_and_nothing_else(database: Database) -> None:
    runs = Runs(database)
    asked = [
        ("acme", "esx1", Rebuild(tenant="acme", cause="silent")),
        ("", "gw1", RebuildGateway(gateway="gw1", host="esx1", cause="gone")),
        ("", "", UpdateFleet(build="0" * 64)),
        ("zeta", "esx1", FailOverSite(tenant="zeta")),
    ]
    for number, (tenant, host, request) in enumerate(asked, 1):
        runs.start(
            Run(
                id=f"r{number}",
                tenant=tenant,
                host=host,
                request=codec.encode(request).decode(),
                actor="ctl1",
                at=BEGAN + number * MINUTE,
            )
        )
    run_events.finish(runs, "r1", epoch=1, kind="finished", detail="{}", at=BEGAN + 9 * MINUTE)
    appliance = Attempt(run="r1", tenant="acme", host="esx1", on="esx1", at=BEGAN + MINUTE, open=False)
    gateway = Attempt(run="r2", tenant="", host="gw1", on="esx1", at=BEGAN + 2 * MINUTE, open=True)
    assert Rebuilds(database).since(BEGAN) == (appliance, gateway)
    assert Rebuilds(database).since(BEGAN + MINUTE) == (gateway,)
