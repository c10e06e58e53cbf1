"""What the inventory's rules collect: problems with their pointers, in the document's order."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem

MAX_PROBLEMS: Final = 100
"""Told at once."""
_NAMES: Final = 8
"""How many of many names a sentence has, where nothing speaks for another number."""


@dataclass(slots=True)
class Findings:
    """Problems found so far: the first `MAX_PROBLEMS`, and how many more."""

    problems: list[Problem] = field(default_factory=list)
    more: int = 0

    def add(self, kind: ProblemType, pointer: str, detail: str) -> None:
        """Note a problem with the member at this RFC 6901 pointer; `detail` says what to do next."""
        self.note(problem(kind, detail, pointer=pointer))

    def note(self, found: Problem) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(found)
        else:
            self.more += 1

    def take(self, found: Problem) -> None:
        """Note all that a problem carries (`combine`)."""
        for one in found.each:
            self.note(one)
        self.more += found.more or 0

    def refuse(self) -> None:
        """Raise ProblemError with everything that was found; return when nothing was."""
        if self.problems:
            raise ProblemError(combine(tuple(self.problems), more=self.more))


def distinct(findings: Findings, entries: Iterable[tuple[Hashable, str]], what: str) -> None:
    """Note each (value, pointer) whose value an earlier one has."""
    first: dict[Hashable, str] = {}
    for value, pointer in entries:
        if value in first:
            detail = f"{what} {value} is already at {first[value]}; give each its own, or remove one"
            findings.add(ProblemType.DUPLICATE, pointer, detail)
        else:
            first[value] = pointer


def some(names: Sequence[str], *, most: int = _NAMES) -> str:
    """Return so many of these names for a sentence, and that there are more where there are."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def unknown(findings: Findings, pointer: str, what: str, name: str, known: Iterable[str]) -> None:
    """Note a name that refers to nothing, with some of those that there are."""
    names = sorted(known)
    there = f"there {'is' if len(names) == 1 else 'are'} {some(names) or 'none'}"
    detail = f"no {what} is called {name} ({there}); enter it, or correct the name"
    findings.add(ProblemType.UNKNOWN_REFERENCE, pointer, detail)
