"""Methods of dataclasses and regular expressions that were compiled beforehand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Compiling tells audit hooks so, which cannot be taken away again: a process of its own.
PROGRAM = """
import sys, dataclasses, re, re._compiler
from pathlib import Path
from causeway_agent import compiled

def define(extra):
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Point:
        x: int
        y: int = 2
        z: tuple = extra
    return Point

def match():
    found = (
        re.compile(r"(?P<one>a+)|(\\d{2,3})(?i:x)", re.VERBOSE).fullmatch("123X"),
        re.compile(b"[^b]+").match(b"aab"),
    )
    return [(each.group(), each.groupdict(), each.re.flags, each.re.groups) for each in found]

file, asked = Path(sys.argv[1]), sys.argv[2]
if asked == "record":
    with compiled.recorded(file):
        define(())
        match()
    sys.exit()
translated = []
parse = re._compiler._parser.parse
re._compiler._parser.parse = lambda *words: translated.append(words) or parse(*words)
compiled.use(file)
if asked == "forget":
    compiled.forget()
compilations = []
sys.addaudithook(lambda event, _: compilations.append(event) if event == "compile" else None)
made = define((3,))
count = len(compilations)
assert made(x=1) == made(x=1, y=2, z=(3,)) and hash(made(x=1)) == hash(made(x=1))
assert repr(made(x=1)).endswith("x=1, y=2, z=(3,))")
try:
    made(x=1).x = 5
    raise SystemError("changed")
except dataclasses.FrozenInstanceError:
    pass
found = match()
translations = len(translated)
compiled.forget()
re.purge()
assert match() == found
print(count, translations)
"""


def compilations(file: Path, asked: str = "use") -> list[int]:
    """How many methods of a class, and regular expressions, were compiled."""
    words = [sys.executable, "-c", PROGRAM, str(file), asked]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return [int(number) for number in printed.split()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    compilations(tmp_path / "compiled.bin", "record")
    return tmp_path / "compiled.bin"


def test_what_was_recorded_is_not_compiled_again_and_a_class_has_its_own_defaults(file: Path) -> None:
    assert compilations(file) == [0, 0]


def test_without_a_record_all_is_compiled(tmp_path: Path) -> None:
    assert all(compilations(tmp_path / "none"))


def test_the_record_of_another_python_is_not_taken(file: Path) -> None:
    file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])
    assert all(compilations(file))


def test_what_was_recorded_is_forgotten(file: Path) -> None:
    assert all(compilations(file, "forget"))
