"""The options that describe a line: of `causeway lab line`, and inside `causeway lab demo --line`."""

from __future__ import annotations

import argparse
import shlex
from typing import Annotated, NoReturn

import msgspec
import typer

from causeway_lab.world.line import wording
from causeway_lab.world.line.conditions import ConditionError, Conditions
from causeway_lab.world.line.wording import Wording

_DIRECTIONS = "Only packets that go up (to the internet) or down; both when left out."

Delay = Annotated[str | None, typer.Option(help="Of every packet, one way: 40ms.")]
Jitter = Annotated[str | None, typer.Option(help="By how much the delay differs, up and down: 20ms.")]
Loss = Annotated[str | None, typer.Option(help="Share of packets lost: 1%. 100% loses a direction.")]
Duplicate = Annotated[str | None, typer.Option(help="Share of packets that arrive twice: 1%.")]
Reorder = Annotated[str | None, typer.Option(help="50:90 lets 1 packet in 50 be overtaken by 90.")]
Pause = Annotated[str | None, typer.Option(help="5s:800ms: every 5 s all wait 0.8 s, and then arrive.")]
Rate = Annotated[str | None, typer.Option(help="Of the line: 20mbit.")]
Queue = Annotated[str | None, typer.Option(help="Octets that wait for the rate: 256k.")]
Mtu = Annotated[str | None, typer.Option(help="Largest packet in octets: 1400.")]
Icmp = Annotated[bool | None, typer.Option("--icmp/--no-icmp", help="Tell senders of what is too big.")]
Block = Annotated[list[str] | None, typer.Option(help="Carry no udp, tcp, ipv4 or ipv6. May be repeated.")]
InDirection = Annotated[str | None, typer.Option("--direction", metavar="up|down", help=_DIRECTIONS)]
Nat = Annotated[bool | None, typer.Option("--nat/--no-nat", help="Translate the site's source ports.")]
RebindEvery = Annotated[str | None, typer.Option(help="Every flow gets another outer port: 5s.")]
Seed = Annotated[int | None, typer.Option(help="Makes chance repeatable.")]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConditionError("--line", f"has the options of `causeway lab line` ({message})", self.text)

    text = ""
    """What is read, to be told when it is wrong."""


def conditions(text: str) -> Conditions:
    """The line that these options describe; raises ConditionError naming what is wrong."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.text = text
    for field in msgspec.structs.fields(Wording):
        option = f"--{field.name.replace('_', '-')}"
        if field.name in {"icmp", "nat"}:
            parser.add_argument(option, action=argparse.BooleanOptionalAction)
        elif field.name == "block":
            parser.add_argument(option, action="append", default=[])
        else:
            parser.add_argument(option, type=int if field.name == "seed" else str)
    try:
        words = shlex.split(text)
    except ValueError as error:
        parser.error(str(error))
    said = vars(parser.parse_args(words))
    return wording.applied(Conditions(), Wording(**{**said, "block": tuple(said["block"])}))
