"""Who reads `causeway-agent --help` at night is told what each word is, and numbers as they are typed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from causeway_agent import __main__


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in __main__.command_line()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def test_every_word_and_option_of_every_command_is_explained() -> None:
    found = dict(commands())
    assert {"run", "status", "explain", "capture", "rollback"} <= set(found)
    silent = [
        (name, action.dest) for name, parser in found.items() for action in parser._actions if not action.help
    ]
    assert silent == []


def test_no_bound_is_told_as_a_power_of_ten() -> None:
    assert [name for name, parser in commands() if re.search(r"\de[+-]\d", parser.format_help())] == []


def test_the_first_page_says_what_to_begin_with_and_what_each_exit_status_means() -> None:
    page = __main__.command_line().format_help()
    assert "causeway-agent explain 192.168.10.11 192.168.10.12" in page
    assert f"{__main__.AGENT_DOWN} the agent does not run" in page
