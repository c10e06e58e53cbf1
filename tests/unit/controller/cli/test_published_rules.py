"""`causeway rule publish`: a file that is a list of rules, and what is wrong with it by its line there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from causeway_controller.cli.main import app
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, combine, problem
from tests.controller_socket import AtSocket, at_socket
from tests.provider_inventory import seed_example


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[AtSocket]:
    with at_socket(tmp_path) as found:
        yield found


def ask(controller: AtSocket, *words: str, text: str = "") -> Result:
    return CliRunner().invoke(app, ["--socket", str(controller.socket), *words], input=text)


def test_rules_are_published_from_a_file_and_mistakes_have_lines(controller: AtSocket) -> None:
    ask(controller, "apply", "-f", "-", text=codec.encode(seed_example()).decode())
    rule = "- id: web\n  public_address: 198.51.100.11\n  public_port: {}\n"
    rule += "  internal_address: 192.168.10.11\n  internal_port: 443\n"
    right = ask(controller, "rule", "publish", "acme", "-f", "-", "--detach", text=rule.format(443))
    assert right.exit_code == 0
    wrong = ask(controller, "rule", "publish", "acme", "-f", "-", "--detach", text=rule.format(0))
    assert (wrong.exit_code, wrong.stdout.split(" ")[1:3]) == (1, ["input:3:16:", "/0/public_port:"])


def test_what_a_controller_refuses_of_a_rule_has_its_place_in_the_file(
    controller: AtSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(controller, "apply", "-f", "-", text=codec.encode(seed_example()).decode())

    async def refuse(*_: object, **__: object) -> None:
        named = problem(ProblemType.RESERVED_PORT, "it is the VPN's", pointer="/rules/web/public_port")
        placed = problem(ProblemType.INVALID, "it is none", pointer="/rules/0/protocol")
        raise ProblemError(combine((named, placed)))

    monkeypatch.setattr(controller.runs, "start", refuse)
    rule = "- id: web\n  public_address: 198.51.100.11\n  public_port: 22\n"
    rule += "  internal_address: 192.168.10.11\n  internal_port: 443\n"
    done = ask(controller, "rule", "publish", "acme", "-f", "-", "--detach", text=rule)
    said = [line.split(": ")[:2] for line in done.stdout.splitlines()]
    assert said == [["standard input:3:16", "/0/public_port"], ["standard input:1:3", "/0/protocol"]]
