"""The methods of dataclasses, compiled once for all starts.

`dataclasses` writes the methods of every class as text and has it compiled, again whenever a program starts:
a third of the processor time until the agent's modules are loaded, which emulated processors feel. The texts
are the same each time. So an image brings what they compile to, and a start takes that. A text that is not
there, of another class or for another Python, is compiled as ever.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import marshal
from collections.abc import Iterator, Mapping
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType
from typing import Any, Final

FILE: Final = Path(__file__).with_name("compiled.bin")
"""The Python that it is for (as in its bytecode's files), then code by text (marshal)."""
_EXEC: Final = "exec"
"""A name in the module `dataclasses` goes before the built-in one."""


def use(file: Path = FILE) -> None:
    """Take what was recorded, from now until `forget`; for a process that is nothing else."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return
    if data.startswith(MAGIC_NUMBER):
        known: Mapping[str, CodeType] = marshal.loads(data[len(MAGIC_NUMBER) :])  # noqa: S302 - the image's own file

        def execute(text: str, variables: dict[str, Any] | None, found: dict[str, Any]) -> None:
            builtins.exec(known.get(text, text), variables, found)  # noqa: S102 - as dataclasses does

        setattr(dataclasses, _EXEC, execute)


def forget() -> None:
    """Classes made from now on are compiled; what was recorded leaves memory."""
    vars(dataclasses).pop(_EXEC, None)


@contextlib.contextmanager
def recorded(file: Path = FILE) -> Iterator[None]:
    """Record the methods of all dataclasses that are made in the block."""
    made: dict[str, CodeType] = {}

    def execute(text: str, variables: dict[str, Any] | None, found: dict[str, Any]) -> None:
        made[text] = compile(text, "<string>", "exec", dont_inherit=True)
        builtins.exec(made[text], variables, found)  # noqa: S102

    setattr(dataclasses, _EXEC, execute)
    try:
        yield
    finally:
        forget()
    file.write_bytes(MAGIC_NUMBER + marshal.dumps(made))
