"""Which handler answers for which path and method."""

from __future__ import annotations

from dataclasses import replace

from causeway_agent.api.problems import Handler, respond
from causeway_agent.web.message import Request, Response
from causeway_wire.problem import ProblemError, ProblemType, problem

Pattern = tuple[str, ...]
"""The segments of a path; one in braces takes any text but none."""


class Router:
    """Handlers by path, then by method. HEAD is answered by GET's, whose body is not sent."""

    def __init__(self) -> None:
        self._resources: dict[Pattern, dict[str, Handler]] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Let it answer."""
        methods = self._resources.setdefault(tuple(path.removeprefix("/").split("/")), {})
        methods[method] = handler
        if method == "GET":
            methods["HEAD"] = handler

    async def answer(self, request: Request) -> Response:
        """The answer of the request's handler; raises what that raises, ProblemError where nothing is."""
        for pattern, methods in self._resources.items():
            found = _match(pattern, request.segments)
            if found is None:
                continue
            handler = methods.get(request.method)
            if handler is None:
                detail = f"{request.path} does not know {request.method}"
                return respond(
                    problem(ProblemType.METHOD_NOT_ALLOWED, detail), allow=",".join(sorted(methods))
                )
            return await handler(replace(request, match_info=found))
        raise ProblemError(problem(ProblemType.NOT_FOUND, f"there is nothing at {request.path}"))


def _match(pattern: Pattern, segments: tuple[str, ...]) -> dict[str, str] | None:
    """What stands where the pattern has names; None when it is another path."""
    if len(pattern) != len(segments):
        return None
    found = {}
    for part, segment in zip(pattern, segments, strict=True):
        if part.startswith("{") and segment:
            found[part[1:-1]] = segment
        elif part != segment:
            return None
    return found
