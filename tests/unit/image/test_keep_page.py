"""When the page of the consoles is composed: once in a minute, and on news."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from causeway_agent.errors import SeedRefusedError
from causeway_agent.first_boot import boot
from causeway_agent.first_boot.decision import Answer
from causeway_wire.problem import ProblemType, problem
from image.workshop import ROOT

_STARTS = (Answer.TAKE, Answer.TAKEN)
"""After which the agent starts."""
KEEP_PAGE = ROOT / "image/elements/causeway-first-boot/static/usr/lib/causeway/keep-page"
# A pause takes no time; before the pause of this number, what happens.
_SLEEP = """#!/bin/sh
echo >>pauses
happening="happens-$(wc -l <pauses)"
[ ! -e "$happening" ] || . "./$happening"
"""
# Notes after how many pauses; ends the endless.
_COMPOSE = """#!/bin/sh
touch pauses
wc -l <pauses >>pages
[ $(wc -l <pages) -lt 3 ] || kill $PPID
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    for name, text in (("sleep", _SLEEP), ("compose", _COMPOSE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def composed(work: Path) -> list[int]:
    """After how many pauses of five seconds the first three pages were composed."""
    subprocess.run(
        ["sh", KEEP_PAGE, "run", "./compose"],
        cwd=work,
        env={"PATH": f"{work}:/usr/bin:/bin", "TMPDIR": str(work)},
        check=False,
        timeout=60,
    )
    return [int(line) for line in (work / "pages").read_text().split()]


def test_without_news_once_in_a_minute(work: Path) -> None:
    assert composed(work) == [12, 24, 36]


def test_an_agent_that_comes_up_is_shown_at_once_and_again_when_it_has_begun(work: Path) -> None:
    (work / "happens-2").write_text("touch run/agent.sock\n")
    assert composed(work) == [2, 5, 17]


def test_an_agent_that_was_there_before_is_no_reason_to_wait(work: Path) -> None:
    (work / "run/agent.sock").touch()
    assert composed(work)[0] == 0


@pytest.mark.parametrize(
    ("said", "first"),
    [
        (boot.WAITING, 0),
        (str(SeedRefusedError("/dev/sr0", (problem(ProblemType.INVALID, "it is of nobody"),))), 0),
        *((boot._SENTENCES[one].format(appliance="acme", where="/dev/sr0"), 12) for one in _STARTS),
    ],
)
def test_what_first_boot_says_is_shown_unless_the_agent_starts_now(work: Path, said: str, first: int) -> None:
    (work / "run/first-boot").write_text(f"{said}\n")
    assert composed(work)[0] == first
