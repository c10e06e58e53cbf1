"""Every command that a message, a help text or a page names is there, with the options that are named."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from causeway_agent.__main__ import command_line
from causeway_controller.__main__ import whole
from causeway_controller.contract.appliances import Condition
from causeway_controller.inventory import health
from causeway_controller.inventory.health import Deployed, Shown

ROOT = Path(__file__).resolve().parents[2]
SOURCES: Final = ("agent/src", "wire/src", "controller/src", "lab/src", "image", "packer")
PAGES: Final = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "docs/**/*.yml", "changelog.d/*.md")

SAID: Final = re.compile(r"\bcauseway(?:-agent)? ")
QUOTED: Final = re.compile(r"`(causeway(?:-agent)? [^`]+)`")
BLOCK: Final = re.compile(r"^ {4,}(?:\$ |sudo )?(causeway(?:-agent)? .*)$", re.MULTILINE)
PLAIN: Final = re.compile(r"(?<![\w`/.-])(causeway(?:-agent)? [a-z-]+[^`\n]*)")
"""Said without marks: a command where its first word is one."""
END: Final = re.compile(r"\[/|[;|&()\"']|\d?[<>]|\s#|,\s|[.:](?:\s|$)|\s(?:names|shows|on the)\s")
PLACE: Final = "X"
"""Stands in a message for what is known when it is said."""
LABELS: Final = {"causeway gateway echo"}
"""What keys are derived with, not commands."""
ANY: Final = re.compile(rf"\.\.\.|{PLACE}|COMMAND")
"""Which command, is not said."""


@dataclass(frozen=True)
class Leaf:
    """A command without commands below it."""

    options: Mapping[str, bool]
    """Whether each takes a value."""
    most: float
    """How many words it takes besides."""
    loose: bool = False
    """Whether it takes other programs' options."""


@dataclass(frozen=True)
class Group:
    """A command with commands below it."""

    options: Mapping[str, bool]
    below: Mapping[str, Group | Leaf]


def of_click(command: Any) -> Group | Leaf:
    options = {
        name: not getattr(each, "is_flag", False)
        for each in command.params
        if each.param_type_name == "option"
        for name in (*each.opts, *each.secondary_opts)
    } | {"--help": False, "-h": False}
    if isinstance(command, typer.core.TyperGroup):
        return Group(options, {name: of_click(one) for name, one in command.commands.items()})
    words = [each.nargs for each in command.params if each.param_type_name == "argument"]
    most = float("inf") if -1 in words else sum(words)
    return Leaf(options, most, loose="ignore_unknown_options" in command.context_settings)


def of_argparse(parser: argparse.ArgumentParser) -> Group | Leaf:
    options = {name: each.nargs != 0 for each in parser._actions for name in each.option_strings}
    words = [each for each in parser._actions if not each.option_strings]
    for each in words:
        if isinstance(each, argparse._SubParsersAction):
            return Group(options, {name: of_argparse(one) for name, one in each.choices.items()})
    return Leaf(options, len(words))


COMMANDS: Final = Group(
    {},
    {
        "causeway": of_click(typer.main.get_command(whole())),
        "causeway-agent": of_argparse(command_line()),
    },
)


def wrong(words: Sequence[str], at: Group | Leaf = COMMANDS) -> str:
    """What is wrong with a command; empty if nothing is, or if its name is known only when it is said."""
    left, others = list(words), 0
    while left:
        word = left.pop(0)
        name, _, value = word.partition("=")
        if isinstance(at, Leaf) and at.loose:
            return ""
        if word.startswith("-") and len(word) > 1:
            if name not in at.options:
                return f"{name} is no option of it"
            if at.options[name] and not value:
                left = left[1:]
        elif isinstance(at, Leaf):
            others += 1
            if others > at.most:
                return f"{word} is a word too many"
        elif ANY.search(word):
            return ""
        elif word not in at.below:
            return f"{word} is no command"
        else:
            at = at.below[word]
    return "it says not which of its commands" if isinstance(at, Group) and words[-1][0] != "-" else ""


def words_of(said: str) -> list[str]:
    return shlex.split(END.split(said)[0].replace("[", " ").replace("]", " "))


def quoted(text: str) -> Iterator[list[str]]:
    for found in QUOTED.findall(text):
        yield shlex.split(re.split(r" \| |; | > | < | 2>", found)[0].replace("[", " ").replace("]", " "))


def plain(text: str) -> Iterator[list[str]]:
    for found in PLAIN.findall(QUOTED.sub("", text)):
        words = words_of(found)
        if " ".join(words) in LABELS:
            continue
        below = COMMANDS.below[words[0]]
        if isinstance(below, Group) and words[1:2] and words[1] in below.below:
            yield words


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The texts of a module with their lines, each whole, however it is put together."""
    tree = ast.parse(source)
    parts = {id(part) for each in ast.walk(tree) if isinstance(each, ast.JoinedStr) for part in each.values}
    for each in ast.walk(tree):
        if isinstance(each, ast.JoinedStr):
            said = (part.value if isinstance(part, ast.Constant) else PLACE for part in each.values)
            yield each.lineno, "".join(str(part) for part in said)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in parts:
            yield each.lineno, re.sub(r"\{[^{}]*\}", PLACE, each.value)


def named_in_sources() -> Iterator[tuple[str, list[str]]]:
    for place in SOURCES:
        for path in sorted((ROOT / place).rglob("*.py")):
            source = path.read_text()
            for line, text in texts(source) if SAID.search(source) else ():
                for words in (*quoted(text), *plain(text)):
                    yield f"{path.relative_to(ROOT)}:{line}", words


def named_on_pages() -> Iterator[tuple[str, list[str]]]:
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text()
            blocks = [words_of(found) for found in BLOCK.findall(re.sub(r"\\\n\s*", " ", text))]
            loose = plain(text) if path.suffix == ".yml" else ()
            for words in (*quoted(text), *blocks, *loose):
                yield str(path.relative_to(ROOT)), words


@pytest.mark.parametrize("named", [named_in_sources, named_on_pages])
def test_every_command_that_is_named_is_there(named: Callable[[], Iterator[tuple[str, list[str]]]]) -> None:
    found = list(named())
    assert len(found) > 100
    assert [f"{where}: {' '.join(words)}: {why}" for where, words in found if (why := wrong(words))] == []


AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEEN: Final = (None, AT, AT - timedelta(days=1))
SHOWN: Final = Shown(serial="ab", begins=AT - timedelta(days=90), ends=AT + timedelta(days=1))


@pytest.mark.parametrize("tenant", ["acme", health.NOBODY])
def test_what_is_said_of_an_appliance_and_of_a_gateway_names_commands_of_its_own(tenant: str) -> None:
    one = Deployed(id="e1", tenant=tenant, host="e1", address=ip_address("192.0.2.1"), port=8443, shown=SHOWN)
    told = [health.not_deployed(tenant, "e1")] + [
        health.trouble(
            replace(one, condition=condition, seen=seen, intended="full"),
            now=AT,
            patience=timedelta(minutes=3),
        )
        for condition in Condition
        for seen in SEEN
    ]
    found = [words for text in told for words in quoted(text)]
    kinds = {tuple(words[1:3]) for words in found}
    other = "gateway" if tenant else "appliance"
    assert len(kinds) > 3
    assert other not in {kind for kind, verb in kinds if verb != "list"}, "the list has both"
    assert [(words, why) for words in found if (why := wrong(words))] == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("causeway gateway shows edge1", "shows is no command"),
        ("causeway gateway retire edge1 --all", "--all is no option of it"),
        ("causeway gateway retire edge1 esx1", "esx1 is a word too many"),
        ("causeway audit", "it says not which of its commands"),
        ("causeway-agent look", "look is no command"),
        ("causeway --socket S gateway show X --json", ""),
        ("causeway lab exec acme/web1 ping -c 1 192.0.2.1", ""),
        ("causeway-agent explain X X tcp 443 --size 100", ""),
    ],
)
def test_a_command_that_is_not_there_would_be_seen(words: str, why: str) -> None:
    assert wrong(words.split()) == why
