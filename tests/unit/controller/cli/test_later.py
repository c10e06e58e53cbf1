"""The commands of the guide are loaded once they are wanted, and are those that it tells of."""

from __future__ import annotations

import subprocess
import sys
import typing
from collections.abc import Iterable

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from causeway_controller.__main__ import whole
from causeway_controller.cli.later import Later, guide

pytestmark = pytest.mark.timeout(60)

HEAVY = ("aiohttp", "causeway_lab.assembly", "cryptography", "sqlalchemy")
LOADED = """
import sys
from causeway_controller.__main__ import whole
sys.argv[1:] = {words}
try:
    whole()()
finally:
    print("loaded:", *(each for each in {heavy} if each in sys.modules))
"""


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (["--version"], []),
        (["--help"], []),
        (["--socket", "/nonexistent", "status"], ["aiohttp"]),
        (["--socket", "/nonexistent", "run", "list"], ["aiohttp"]),
        (["lab", "status", "--name", "none"], ["aiohttp", "causeway_lab.assembly", "cryptography"]),
    ],
)
def test_who_asks_a_controller_does_not_wait_for_what_else_there_is(
    words: list[str], loaded: Iterable[str]
) -> None:
    said = subprocess.run(
        (sys.executable, "-c", LOADED.format(words=words, heavy=HEAVY)),
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert said.splitlines()[-1].split() == ["loaded:", *loaded]


def test_every_command_is_there_with_its_line_and_its_help() -> None:
    group = typing.cast(TyperGroup, typer.main.get_command(whole()))
    told = CliRunner().invoke(whole(), ["--help"], terminal_width=200).output
    context = group.make_context("causeway", ["--version"], resilient_parsing=True)
    for name in group.list_commands(context):
        listed, command = group.get_command(context, name), group.commands[name]
        assert listed
        assert (listed.short_help, listed.name) == (command.short_help, command.name)
        assert f"│ {name} " in told
        assert command.help
        assert CliRunner().invoke(whole(), [name, "--help"]).exit_code == 0


def test_what_is_mistyped_is_told_with_what_may_be_meant() -> None:
    result = CliRunner().invoke(whole(), ["statsu"])
    assert (result.exit_code, "Did you mean 'status'" in result.output) == (2, True)


def test_a_guide_has_no_command_beside_its_own() -> None:
    later = Later(module="causeway_controller.cli.status", name="status", says="What is wrong.", panel="All")
    alone = typer.Typer(cls=guide({"status": later}), callback=lambda: None)
    group = typing.cast(TyperGroup, typer.main.get_command(alone))
    with pytest.raises(TypeError, match="more"):
        group.commands["more"] = group
    with pytest.raises(TypeError, match="status"):
        del group.commands["status"]
    assert list(group.commands) == ["status"]
    alone.command("more")(lambda: None)
    with pytest.raises(TypeError, match="more"):
        typer.main.get_command(alone)
