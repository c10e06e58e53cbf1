"""What commands print: plain lines that are never cut, JSON for programs, problems with their lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn

import typer
from msgspec import UNSET, UnsetType

from causeway_controller import yaml_text
from causeway_controller.cli import errors
from causeway_controller.contract.change import Filling
from causeway_controller.inventory.health import age
from causeway_wire.problem import Problem, ProblemError


def table(rows: Iterable[Sequence[object]], headings: Sequence[str]) -> None:
    """Columns as wide as their widest entry, whatever the terminal is; headings only for a person."""
    lines = [[str(cell) for cell in row] for row in rows]
    if not lines:
        return
    if sys.stdout.isatty():
        lines.insert(0, [heading.upper() for heading in headings])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def as_json(value: Any) -> None:
    """One JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """For people, beside the output."""
    typer.echo(f"causeway: {text}", err=True)


def end(text: str, code: int) -> NoReturn:
    """Say why, and end with this exit code."""
    for line in text.splitlines():
        note(line)
    raise typer.Exit(code)


@contextmanager
def told(
    name: str = "",
    places: yaml_text.Places | None = None,
    *,
    in_file: Callable[[str], str] = str,
    json_wanted: bool = False,
) -> Iterator[None]:
    """Tell what a controller refuses, with the line of the file `name` that each problem is about.

    `in_file`: where in the file is what this pointer names in the request that was made of it.
    """
    try:
        yield
    except ProblemError as error:
        problems(name, [located(one, places, in_file) for one in error.problem.each], json_wanted=json_wanted)
        raise typer.Exit(errors.REFUSED) from error
    except errors.UnreachableError as error:
        end(str(error), errors.UNREACHABLE)
    except errors.UsageError as error:
        end(str(error), errors.USAGE)


def located(
    problem: Problem, places: yaml_text.Places | None, in_file: Callable[[str], str] = str
) -> dict[str, Any]:
    """With the line of its member; without any where it is about no part of the file."""
    pointer = in_file(problem.pointer) if isinstance(problem.pointer, str) else ""
    told: dict[str, Any] = {"pointer": pointer, "type": problem.type, "detail": problem.detail}
    if places is None or not isinstance(problem.pointer, str):
        return told
    line, column = _around(pointer, places)
    return {"line": line, "column": column, **told}


def problems(name: str, found: list[dict[str, Any]], *, json_wanted: bool) -> None:
    """Each problem in a line with its place in the file `name`, or all as JSON.

    What a controller refuses and is about no part of the file is told beside the output, without the file.
    """
    if json_wanted:
        typer.echo(json.dumps({"problems": found}))
        return
    for one in found:
        pointer = f"{one['pointer']}: " if one.get("pointer") else ""
        if not name or ("pointer" in one and "line" not in one):
            note(f"{pointer}{one['detail']}")
            continue
        place = f"{name}:{one['line']}:{one['column']}" if "line" in one else name
        typer.echo(f"{place}: {pointer}{one['detail']}")
    if not name:
        return
    note(f"{counted(len(found), 'problem')}; nothing was changed")


def filling(
    found: Iterable[Filling], name: str = "", places: yaml_text.Places | None = None
) -> Iterator[str]:
    """Yield a line for each pool and list that is nearly full, with its place in the file `name`."""
    for one in found:
        if places is None:
            yield f"{one.pointer}: {one.detail}"
        else:
            line, column = _around(one.pointer, places)
            yield f"{name}:{line}:{column}: {one.pointer}: {one.detail}"


def _around(pointer: str, places: yaml_text.Places) -> tuple[int, int]:
    """The place of a member, or of the nearest one around it: what is missing has no line."""
    while pointer not in places:
        pointer = pointer.rpartition("/")[0]
    return places[pointer]


def moment(at: datetime | UnsetType) -> str:
    """A moment in UTC, as it stands in tables; `-` for none."""
    return "-" if at is UNSET else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def as_of(restored_to: datetime | UnsetType, *, now: datetime) -> str:
    """Which state of production a replica starts with, and how old that is."""
    if restored_to is UNSET:
        return "as it is: nobody has told its restore point"
    return f"as of {moment(restored_to)} UTC, {age(now - restored_to)} ago"


def counted(number: int, what: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
