"""Turns everything that goes wrong into RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

import structlog

from causeway_agent.engine import events
from causeway_agent.errors import BackendError, StorageError
from causeway_agent.web.message import BodyError, Request, Response
from causeway_wire import codec
from causeway_wire.problem import MEDIA_TYPE, Problem, ProblemError, ProblemType, problem

Handler = Callable[[Request], Awaitable[Response]]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def answer(request: Request, handler: Handler) -> Response:
    """The handler's answer, or a problem: for our own refusals and for defects alike."""
    try:
        return await handler(request)
    except (ProblemError, BackendError, BodyError) as error:
        return _refused(error)
    except ConnectionError:
        raise  # the client is gone; there is nobody to answer
    except Exception as error:  # noqa: BLE001 - the edge: a defect must not show its inside on the wire
        return incident(request.method, request.path, error)


def _refused(error: Exception) -> Response:
    match error:
        case ProblemError():
            return respond(error.problem)
        case StorageError():
            return respond(problem(ProblemType.STORAGE, str(error)))
        case BackendError():
            return respond(problem(ProblemType.UNAVAILABLE, str(error)))
        case _:
            return respond(problem(ProblemType.MALFORMED, "the body could not be read as it was announced"))


def incident(method: str, path: str, error: BaseException | None) -> Response:
    """The answer to a defect, whose inside goes to the log alone."""
    name = uuid4().hex
    _log.error(events.API_INCIDENT, incident=name, method=method, path=path, exc_info=error)
    return respond(
        problem(ProblemType.INTERNAL, f"look for incident {name} in the agent's log", incident=name)
    )


def respond(details: Problem, *, allow: str | None = None) -> Response:
    """The answer that carries a problem; `allow` lists the methods that a resource knows."""
    headers = {} if allow is None else {"Allow": allow}
    if isinstance(details.retry_after, float):
        headers["Retry-After"] = str(max(1, round(details.retry_after)))
    return Response(
        status=details.status, body=codec.encode(details), content_type=MEDIA_TYPE, headers=headers
    )
