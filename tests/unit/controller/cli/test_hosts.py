"""What a host lacks is told with what to do next, and the exit code says whether it is ready."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from causeway_controller.cli.main import app
from tests.controller_socket import AtSocket, at_socket


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[AtSocket]:
    with at_socket(tmp_path) as found:
        yield found


def ask(controller: AtSocket, *words: str) -> Result:
    return CliRunner().invoke(app, ["--socket", str(controller.socket), "host", *words])


def test_what_a_host_lacks_is_told_with_the_next_step(controller: AtSocket) -> None:
    done = ask(controller, "check", "kvm1")
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "ok   reached: it answers",
        "STOP networks: no bridge br7",
        "       Next: make it",
        "Host kvm1 is not ready: 1 problem.",
    ]


def test_a_host_that_lacks_nothing_is_ready(controller: AtSocket) -> None:
    done = ask(controller, "check", "good")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "Host good is ready.")


def test_programs_get_the_report_and_the_same_exit_code(controller: AtSocket) -> None:
    done = ask(controller, "check", "kvm1", "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["ready"], told["findings"][1]["grade"]) == (1, False, "problem")


def test_vms_are_listed_with_what_a_replica_is_entered_with(controller: AtSocket) -> None:
    done = ask(controller, "vms", "kvm1")
    assert done.stdout.splitlines() == [
        "7c1f  db1           off  02:00:00:00:00:07 bridge:br7  replica acme/db1",
        "9e2a  Web1_replica  off  -                             -",
    ]
    assert json.loads(ask(controller, "vms", "kvm1", "--json").stdout)["vms"][0]["id"] == "7c1f"


def test_a_host_that_does_not_answer_is_said_to_be_so(controller: AtSocket) -> None:
    done = ask(controller, "vms", "dead")
    assert done.exit_code == 1
    assert "host dead cannot be reached; `causeway host check dead` says what is wrong" in done.stderr
