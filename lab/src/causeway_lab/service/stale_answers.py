"""The option that overrides answers of machines that are gone: `--claim-anyway ADDRESS=MAC`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer

from causeway_wire import codec
from causeway_wire.desired import StaleAnswer
from causeway_wire.problem import ProblemError

Option = Annotated[
    list[str] | None,
    typer.Option(
        "--claim-anyway",
        metavar="ADDRESS=MAC",
        help="Take the address although this MAC address answers for it: a fabric's memory of a machine that "
        "is off. Any other answer still refuses. May be repeated.",
    ),
]


def read(texts: Iterable[str]) -> tuple[StaleAnswer, ...]:
    """The answers to be overridden; raises typer.BadParameter."""
    return tuple(map(_one, texts))


def _one(text: str) -> StaleAnswer:
    address, separator, mac = text.partition("=")
    try:
        if separator:
            return codec.decode(msgspec.json.encode({"address": address, "mac": mac.lower()}), StaleAnswer)
    except ProblemError:
        pass  # told below
    raise typer.BadParameter(
        f"{text}: write the address and the MAC address that answers, as 192.0.2.7=02:.."
    )
