"""Rebuilds are found among runs by the host whose machine was dead, an appliance's or a gateway's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from causeway_controller.contract.requests import FailOverSite, Rebuild, RebuildGateway, Retire, UpdateFleet
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.rebuilding import Attempt
from causeway_controller.store.appliances import Appliances
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


def test_what_failed_to_be_retired_is_found_while_it_is_deployed(database: Database) -> None:
    runs, appliances = Runs(database), Appliances(database)
    one = Deployed(id="acme-esx1", tenant="acme", host="esx1", address=ip_address("192.0.2.1"), port=8443)
    appliances.enter(one, at=BEGAN)
    request = codec.encode(Retire(tenant="acme")).decode()
    runs.start(Run(id="e1", tenant="acme", host="esx1", request=request, actor="anna", at=BEGAN))
    assert Rebuilds(database).retired() == {}, "it goes on"
    run_events.finish(runs, "e1", epoch=1, kind="failed", detail="{}", at=BEGAN + MINUTE)
    assert Rebuilds(database).retired() == {("acme", "esx1"): "e1"}
    appliances.forget(one.id)
    assert Rebuilds(database).retired() == {}
