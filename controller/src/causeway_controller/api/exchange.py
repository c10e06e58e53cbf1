"""A request that was let in, and the answer to it: what handlers see of HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from aiohttp import web

from causeway_controller.api.callers import Caller
from causeway_controller.contract.routes import PAGE, Route
from causeway_wire.problem import ProblemError, ProblemType, problem

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request of a known caller who may ask it, its body decoded."""

    route: Route
    caller: Caller
    places: Mapping[str, str]
    """What stands in the path, by name."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Those that the route knows."""
    body: object = None
    digest: str = ""
    """Hex SHA-256 of the body."""
    http: web.Request

    def document(self, kind: type[T]) -> T:
        """The body as this type."""
        if not isinstance(self.body, kind):
            raise TypeError(f"the body of {self.route.name} is no {kind.__name__}")
        return self.body

    def flag(self, name: str) -> bool:
        """A query parameter that is true or false, false where it is left out. Raises ProblemError."""
        value = self.query.get(name, "false")
        if value not in {"true", "false"}:
            raise malformed(f"the parameter {name} is true or false")
        return value == "true"

    def number(self, name: str, default: int, *, lowest: int = 0, highest: int = 2**53 - 1) -> int:
        """A query parameter that is a whole number. Raises ProblemError."""
        return whole(name, self.query.get(name, str(default)), lowest=lowest, highest=highest)

    def choice(self, name: str, kind: type[Choice]) -> Choice | None:
        """A query parameter that is one of a few words; None where it is left out. Raises ProblemError."""
        value = self.query.get(name)
        try:
            return None if value is None else kind(value)
        except ValueError:
            raise malformed(f"the parameter {name} is one of {', '.join(kind)}") from None

    @property
    def limit(self) -> int:
        """How many entries to answer with. Raises ProblemError."""
        return self.number("limit", 100, lowest=1, highest=PAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered: a document, or text."""

    document: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    text: bytes | None = None
    """Instead of a document."""
    media_type: str = "application/json"


Handler = Callable[[Ask], Awaitable[Answer | web.StreamResponse]]


def malformed(detail: str) -> ProblemError:
    """The problem of a request that cannot be read."""
    return ProblemError(problem(ProblemType.MALFORMED, detail))


def whole(name: str, text: str, *, lowest: int, highest: int) -> int:
    """The whole number in this text. Raises ProblemError (`malformed`)."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 16 and lowest <= int(text) <= highest):  # noqa: PLR2004
        raise malformed(f"{name} is a whole number from {lowest} to {highest}")
    return int(text)
