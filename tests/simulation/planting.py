"""How a fault is put into the real code, and taken out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class Plant:
    """Puts other values in the places of real ones."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, value: Any) -> Any:
        """Have this stand there instead; what stood there before."""
        before = vars(owner)[name] if isinstance(owner, type) else getattr(owner, name)
        self._before.append((owner, name, before))
        setattr(owner, name, value)
        return before

    def pull_out(self) -> None:
        """Put everything back."""
        for owner, name, before in reversed(self._before):
            setattr(owner, name, before)
        self._before.clear()


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that somebody could make."""

    name: str
    about: str
    plant: Callable[[Plant], object]
    stands: str = ""
    """Why it need not be found: what else guards the same."""
    linked: bool = False
    """Whether it is one of two sites, and looked for where each has controllers of its own."""


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """The real code with this fault in it."""
    plant = Plant()
    try:
        fault.plant(plant)
        yield
    finally:
        plant.pull_out()


async def nothing(*_args: Any, **_more: Any) -> None:
    """Do nothing."""


def silence(*_args: Any, **_more: Any) -> None:
    """Do nothing, without a wait."""
