"""Stands where nothing carries runs out: says so, before anything is touched."""
# ruff: noqa: ARG002 - it refuses whatever is asked

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from causeway_controller.contract.requests import Request
from causeway_controller.settings import Settings
from causeway_controller.store.database import Database
from causeway_controller.store.runs import Run
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name


class NoRuns:
    """Refuses."""

    async def start(self, request: Request, *, host: Name, actor: str, identifier: str | None = None) -> Run:
        """Refuse. Raises ProblemError (`unavailable`)."""
        _refuse()

    async def plan(self, request: Request, *, host: Name) -> tuple[tuple[str, ...], ...]:
        """Refuse. Raises ProblemError (`unavailable`)."""
        _refuse()

    async def stop(self, run: str, *, actor: str) -> None:
        """Refuse. Raises ProblemError (`unavailable`)."""
        _refuse()

    async def retry(self, run: str, *, actor: str) -> Run:
        """Refuse. Raises ProblemError (`unavailable`)."""
        _refuse()


@asynccontextmanager
async def conduct(settings: Settings, database: Database) -> AsyncIterator[NoRuns]:  # noqa: ARG001 - as `Conduct` has it
    """Nothing is brought up."""
    yield NoRuns()


def _refuse() -> NoReturn:
    detail = "this controller carries out no runs; nothing was touched"
    raise ProblemError(problem(ProblemType.UNAVAILABLE, detail))
