"""A redeployment or retirement is a run: followed, or begun and left to itself, or said only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from causeway_controller.cli.main import app
from causeway_controller.contract import requests
from causeway_controller.contract.requests import Chore, Redeploy, RedeployGateway, Retire, RetireGateway
from causeway_controller.contract.runs import RunReport
from causeway_controller.store.run_reports import RunsTold
from tests.controller_socket import AtSocket, at_socket

APPLIANCE = ("appliance", "redeploy", "acme", "esx1")
KEEPING = Redeploy(tenant="acme", keep_certificates=True)
GATEWAY = ("gateway", "redeploy", "gw1")
RETIRED = ("appliance", "retire", "acme", "esx1")
RETIRED_GATEWAY = ("gateway", "retire", "gw1")
ALL = (APPLIANCE, GATEWAY, RETIRED, RETIRED_GATEWAY)


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[AtSocket]:
    with at_socket(tmp_path) as found:
        yield found


def ask(controller: AtSocket, *words: str) -> Result:
    return CliRunner().invoke(app, ["--socket", str(controller.socket), *words])


def runs(controller: AtSocket) -> tuple[RunReport, ...]:
    return RunsTold(controller.database).list(tenant=None, cursor=None, limit=9).runs


@pytest.mark.parametrize(
    ("words", "wanted", "where"),
    [
        (APPLIANCE, Redeploy(tenant="acme"), "acme on esx1"),
        (
            (*APPLIANCE, "--keep-certificates"),
            Redeploy(tenant="acme", keep_certificates=True),
            "acme on esx1",
        ),
        (GATEWAY, RedeployGateway(gateway="gw1"), "gateway gw1"),
        (RETIRED, Retire(tenant="acme"), "acme on esx1"),
        ((*RETIRED, "--gone"), Retire(tenant="acme", gone=True), "acme on esx1"),
        ((*RETIRED_GATEWAY, "--gone"), RetireGateway(gateway="gw1", gone=True), "gateway gw1"),
    ],
)
def test_it_is_followed_to_its_end(
    controller: AtSocket, words: tuple[str, ...], wanted: Chore, where: str
) -> None:
    controller.runs.ending = "finished"
    done = ask(controller, *words)
    (run,) = runs(controller)
    assert (done.exit_code, run.where) == (0, where), done.output
    assert requests.read_chore(bytes(run.request)) == wanted
    assert f"run {run.id}" in done.stderr


@pytest.mark.parametrize("words", ALL)
def test_one_that_failed_is_told_by_the_exit_code(controller: AtSocket, words: tuple[str, ...]) -> None:
    controller.runs.ending = "failed"
    assert ask(controller, *words).exit_code == 4


@pytest.mark.parametrize("words", ALL)
def test_it_goes_on_without_being_followed(controller: AtSocket, words: tuple[str, ...]) -> None:
    done = ask(controller, *words, "--detach")
    (run,) = runs(controller)
    assert (done.exit_code, done.stdout.strip(), run.open) == (0, run.id, True)
    again = ask(controller, *words, "--detach")
    assert (again.exit_code, f"run {run.id}" in again.stderr) == (1, True)


@pytest.mark.parametrize("words", ALL)
def test_a_dry_run_says_what_it_would_do_and_begins_nothing(
    controller: AtSocket, words: tuple[str, ...]
) -> None:
    assert ask(controller, *words, "--dry-run").stdout.endswith("Nothing was changed.\n")
    assert json.loads(ask(controller, *words, "--dry-run", "--json").stdout)["stages"]
    assert runs(controller) == ()
