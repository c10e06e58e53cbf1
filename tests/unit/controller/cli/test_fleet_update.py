"""Systems are exchanged one after the other: idle ones first, and none after the first that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from causeway_controller.cli.main import app
from causeway_controller.contract import requests
from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.requests import UpdateFleet
from causeway_controller.inventory.health import Deployed
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.audit import Audit
from causeway_controller.store.run_reports import RunsTold
from tests.controller_socket import AtSocket, at_socket
from tests.update_files import make


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[AtSocket]:
    make(tmp_path, version="2")
    with at_socket(tmp_path) as found:
        kept, now = Appliances(found.database), datetime.now(UTC)
        for tenant, mode in (("acme", "full"), ("beta", "idle"), ("zeta", "idle")):
            one = Deployed(
                id=f"{tenant}-esx1", tenant=tenant, host="esx1", address=ip_address("192.0.2.1"), port=8443
            )
            kept.enter(one, at=now)
            seen = replace(one, entered=now, asked=now, condition=Condition.HEALTHY, agent="1")
            kept.saw([replace(seen, intended=mode, mode=mode)])
        yield found


def ask(controller: AtSocket, *words: str) -> Result:
    file = controller.socket.with_name("causeway-2.update")
    asked = ["--socket", str(controller.socket), "appliance", "update", *words, "--file", str(file)]
    return CliRunner().invoke(app, asked)


@pytest.mark.parametrize(("words", "interrupt"), [((), False), (("--interrupt",), True)])
def test_all_are_updated_by_a_run_that_is_followed(
    controller: AtSocket, words: tuple[str, ...], *, interrupt: bool
) -> None:
    controller.runs.ending = "finished"
    done = ask(controller, "--all", *words)
    assert done.exit_code == 0, done.output
    assert controller.updates.asked == []
    (run,) = RunsTold(controller.database).list(tenant=None, cursor=None, limit=9).runs
    assert f"run {run.id}" in done.stderr
    assert requests.read_chore(bytes(run.request)) == UpdateFleet(build="b" * 64, interrupt=interrupt)
    assert controller.updates.octets == controller.socket.with_name("causeway-2.update").stat().st_size


def test_a_run_that_failed_is_told_by_the_exit_code(controller: AtSocket) -> None:
    controller.runs.ending = "failed"
    assert ask(controller, "--all").exit_code == 4


def test_a_run_goes_on_without_being_followed(controller: AtSocket) -> None:
    done = ask(controller, "--all", "--detach")
    (run,) = RunsTold(controller.database).list(tenant=None, cursor=None, limit=9).runs
    assert (done.exit_code, done.stdout.strip(), run.open) == (0, run.id, True)
    again = ask(controller, "--all", "--detach")
    assert again.exit_code == 1
    assert f"run {run.id} of all appliances is not over" in again.stderr.replace("\n", " ")


def test_a_dry_run_tells_the_order_and_sends_nothing(controller: AtSocket) -> None:
    done = ask(controller, "--all", "--dry-run", "--json")
    told = [(one["tenant"], one["would"].partition(":")[0]) for one in json.loads(done.stdout)["appliances"]]
    assert told == [("beta", "be updated to 2"), ("zeta", "be updated to 2"), ("acme", "be left out")]
    assert (controller.updates.asked, controller.updates.octets) == ([], 0)


@pytest.mark.parametrize("words", [(), ("acme",), ("acme", "esx1", "--all")])
def test_it_is_said_which(controller: AtSocket, words: tuple[str, ...]) -> None:
    assert ask(controller, *words).exit_code == 2
    assert controller.updates.asked == []


def test_one_alone(controller: AtSocket) -> None:
    assert ask(controller, "zeta", "esx1").exit_code == 0
    assert controller.updates.asked == ["zeta-esx1"]
    assert "no such appliance" in ask(controller, "zeta", "esx2").stderr


def test_one_gateway_is_updated_by_its_name(controller: AtSocket) -> None:
    file = str(controller.socket.with_name("causeway-2.update"))
    words = ["--socket", str(controller.socket), "gateway", "update", "gw1", "--file", file]
    controller.updates.rounds = 3
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stdout) == (0, "gw1: done; it runs 2 in slot b\n"), done.output
    assert controller.updates.asked == ["gw1"] * 3
    controller.updates.failing = {"gw1"}
    told = CliRunner().invoke(app, [*words, "--json"])
    assert (told.exit_code, json.loads(told.stdout)["appliances"][0]["progress"]) == (1, "failed")
    acts = [record.act for record in Audit(controller.database).records()]
    assert ("appliance.update", "gateway gw1") in {(act.action, act.subject) for act in acts}
