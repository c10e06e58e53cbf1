"""The methods of dataclasses, and regular expressions, compiled once for all starts.

`dataclasses` writes the methods of every class as text and has it compiled, again whenever a program starts,
and `re` translates every expression: two fifths of the processor time until the agent's modules are loaded,
which emulated processors feel. Texts and expressions are the same each time. So an image brings what they
compile to, and a start takes that. What is not there, or of another Python, is compiled as ever.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import marshal
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

FILE: Final = Path(__file__).with_name("compiled.bin")
"""The Python that it is for (as in its bytecode's files), then code by text, and programs of the matcher by
expression and flags (marshal).
"""
_EXEC: Final = "exec"
"""A name in the module `dataclasses` goes before the built-in one."""
_COMPILER: Final = sys.modules[f"{re.__name__}._compiler"]
"""Where `re` translates an expression and has the matcher (`_sre`) take it (Lib/re/_compiler.py)."""
_COMPILE, _MATCHER = "compile", "_sre"
_TRANSLATE: Final = vars(_COMPILER)[_COMPILE]
_SRE: Final[ModuleType] = vars(_COMPILER)[_MATCHER]


def use(file: Path = FILE) -> None:
    """Take what was recorded, from now until `forget`; for a process that is nothing else."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return
    if not data.startswith(MAGIC_NUMBER):
        return
    found: tuple[Mapping[str, CodeType], Mapping[tuple[str | bytes, int], tuple[Any, ...]]]
    found = marshal.loads(data[len(MAGIC_NUMBER) :])  # noqa: S302 - the image's own file
    known, programs = found

    def execute(text: str, variables: dict[str, Any] | None, names: dict[str, Any]) -> None:
        builtins.exec(known.get(text, text), variables, names)  # noqa: S102 - as dataclasses does

    def translate(pattern: str | bytes, flags: int = 0) -> object:
        program = programs.get((pattern, flags))
        return _TRANSLATE(pattern, flags) if program is None else _SRE.compile(pattern, *program)

    setattr(dataclasses, _EXEC, execute)
    setattr(_COMPILER, _COMPILE, translate)


def forget() -> None:
    """What is made from now on is compiled; what was recorded leaves memory."""
    vars(dataclasses).pop(_EXEC, None)
    setattr(_COMPILER, _COMPILE, _TRANSLATE)


@contextlib.contextmanager
def recorded(file: Path = FILE) -> Iterator[None]:
    """Record the methods of all dataclasses, and all regular expressions, that are made in the block."""
    made: dict[str, CodeType] = {}
    programs: dict[tuple[str | bytes, int], tuple[Any, ...]] = {}
    matcher = _Noting()

    def execute(text: str, variables: dict[str, Any] | None, names: dict[str, Any]) -> None:
        made[text] = compile(text, "<string>", "exec", dont_inherit=True)
        builtins.exec(made[text], variables, names)  # noqa: S102

    def translate(pattern: str | bytes, flags: int = 0) -> object:
        translated: object = _TRANSLATE(pattern, flags)
        programs[pattern, int(flags)] = matcher.program
        return translated

    setattr(dataclasses, _EXEC, execute)
    setattr(_COMPILER, _COMPILE, translate)
    setattr(_COMPILER, _MATCHER, matcher)
    try:
        yield
    finally:
        setattr(_COMPILER, _MATCHER, _SRE)
        forget()
    file.write_bytes(MAGIC_NUMBER + marshal.dumps((made, programs)))


class _Noting:
    """The matcher, and what it was given last besides the expression itself."""

    program: tuple[Any, ...] = ()

    def compile(self, pattern: object, flags: int, code: list[int], *rest: Any) -> object:
        # Some of these are named numbers, which marshal does not take for numbers.
        self.program = int(flags), [int(each) for each in code], *rest
        return _SRE.compile(pattern, flags, code, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(_SRE, name)
