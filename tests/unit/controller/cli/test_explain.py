"""What stops a packet is the first line; what stands behind it comes after."""

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
    return CliRunner().invoke(app, ["--socket", str(controller.socket), "explain", *words])


def test_the_verdict_comes_first_and_what_stops_it_is_marked(controller: AtSocket) -> None:
    done = ask(controller, "192.0.2.1", "192.0.2.2", "tcp", "443", "--tenant", "zeta")
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[0]) == (1, "192.0.2.1 to 192.0.2.2 is stopped.")
    assert lines[1] == "Next: 192.0.2.1 192.0.2.2 tcp 443"
    assert lines[2].startswith("Tenant zeta on host esx1")
    assert lines[3:] == ["STOP the provider's appliance a1: dropped", "       STOP filtered: no"]


def test_programs_get_all_of_it(controller: AtSocket) -> None:
    told = json.loads(ask(controller, "192.0.2.1", "192.0.2.2", "--json").stdout)
    assert told["legs"][0]["stages"][0]["advice"] == "Fail db1 over."


@pytest.mark.parametrize(
    "words", [("192.0.2", "192.0.2.2"), ("a b", "192.0.2.2"), ("192.0.2.1", "192.0.2.2", "gre")]
)
def test_what_cannot_be_meant_is_refused(controller: AtSocket, words: tuple[str, ...]) -> None:
    done = ask(controller, *words)
    assert done.exit_code in {1, 2}
    assert "is" in done.stderr
    assert "Traceback" not in done.output


def test_a_vm_is_named_and_what_that_was_taken_for_is_told(controller: AtSocket) -> None:
    done = ask(controller, "web1", "DB1")
    assert done.stdout.splitlines()[2:4] == [
        "web1 is 192.0.2.1 of tenant acme (also 2001:db8::1).",
        "DB1 is VM db1, 192.0.2.2 of tenant acme (also 2001:db8::1).",
    ]
    told = json.loads(ask(controller, "192.0.2.9", "db1", "--json").stdout)
    assert [(one["name"], one["address"]) for one in told["named"]] == [("db1", "192.0.2.2")]
