"""Methods of dataclasses that were compiled beforehand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Compiling tells audit hooks so, which cannot be taken away again: a process of its own.
PROGRAM = """
import sys, dataclasses
from pathlib import Path
from causeway_agent import compiled

def define(extra):
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Point:
        x: int
        y: int = 2
        z: tuple = extra
    return Point

file, asked = Path(sys.argv[1]), sys.argv[2]
if asked == "record":
    with compiled.recorded(file):
        define(())
    sys.exit()
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
except dataclasses.FrozenInstanceError:
    print(count)
"""


def compilations(file: Path, asked: str = "use") -> int:
    words = [sys.executable, "-c", PROGRAM, str(file), asked]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout or 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    compilations(tmp_path / "compiled.bin", "record")
    return tmp_path / "compiled.bin"


def test_a_class_that_was_recorded_is_not_compiled_again_and_has_its_own_defaults(file: Path) -> None:
    assert compilations(file) == 0


def test_without_a_record_classes_are_compiled(tmp_path: Path) -> None:
    assert compilations(tmp_path / "none") > 0


def test_the_record_of_another_python_is_not_taken(file: Path) -> None:
    file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])
    assert compilations(file) > 0


def test_what_was_recorded_is_forgotten(file: Path) -> None:
    assert compilations(file, "forget") > 0
