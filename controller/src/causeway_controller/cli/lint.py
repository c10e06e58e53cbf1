"""The command `causeway lint`: an inventory in YAML, checked before anybody relies on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from causeway_controller import yaml_text
from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory import appliances
from causeway_controller.inventory.entry import enter
from causeway_wire import codec
from causeway_wire.problem import Problem, ProblemError

STDIN = "-"


def lint(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The inventory as YAML or JSON; - reads standard input.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: problems, or appliances.")] = False,
) -> None:
    """Check an inventory without touching anything: every problem with its line and what to do about it.

    When there is none, the appliances that the provider needs for it. Exit code 1 when there are problems.
    """
    name = "standard input" if file == STDIN else file
    try:
        text = sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
        value, places = yaml_text.read(text)
    except (OSError, UnicodeDecodeError) as error:
        _end(name, [{"detail": str(error)}], as_json=as_json)
    except yaml_text.NotYamlError as error:
        _end(name, [{"line": error.line, "column": error.column, "detail": str(error)}], as_json=as_json)
    try:
        inventory = codec.decode(json.dumps(value).encode(), Inventory)
        enter(inventory)
    except ProblemError as error:
        _end(name, [_located(one, places) for one in error.problem.each], as_json=as_json)
    _tell(inventory, as_json=as_json)


def _located(problem: Problem, places: yaml_text.Places) -> dict[str, Any]:
    """With the line of its member, or of the nearest one around it: what is missing has no line."""
    pointer = problem.pointer if isinstance(problem.pointer, str) else ""
    around = pointer
    while around not in places:
        around = around.rpartition("/")[0]
    line, column = places[around]
    return {
        "line": line,
        "column": column,
        "pointer": pointer,
        "type": problem.type,
        "detail": problem.detail,
    }


def _end(name: str, problems: list[dict[str, Any]], *, as_json: bool) -> NoReturn:
    """Tell the problems and end with exit code 1."""
    if as_json:
        typer.echo(json.dumps({"problems": problems}))
    else:
        for one in problems:
            place = f":{one['line']}:{one['column']}" if "line" in one else ""
            pointer = f"{one['pointer']}: " if one.get("pointer") else ""
            typer.echo(f"{name}{place}: {pointer}{one['detail']}")
        many = _counted(len(problems), "problem")
        Console(stderr=True).print(f"causeway: {many}; nothing was changed", style="red", highlight=False)
    raise typer.Exit(1)


def _tell(inventory: Inventory, *, as_json: bool) -> None:
    needed = appliances.needed(inventory)
    if as_json:
        told = [{"tenant": one.tenant, "host": one.host, "adapters": list(one.adapters)} for one in needed]
        typer.echo(json.dumps({"problems": [], "appliances": told}))
        return
    tenants = _counted(len(inventory.tenants), "tenant")
    typer.echo(f"No problem. Needed for {tenants}: {_counted(len(needed), 'provider appliance')}")
    for one in needed:
        typer.echo(f"  {one.tenant} on {one.host}: {len(one.adapters)} vNICs ({', '.join(one.adapters)})")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
