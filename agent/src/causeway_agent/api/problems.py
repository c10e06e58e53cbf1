"""The middleware that turns everything that goes wrong into RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

import structlog
from aiohttp import web

from causeway_agent.engine import events
from causeway_agent.errors import BackendError, StorageError
from causeway_wire import codec
from causeway_wire.problem import MEDIA_TYPE, Problem, ProblemError, ProblemType, problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_KINDS = {
    404: ProblemType.NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    413: ProblemType.TOO_LARGE,
    415: ProblemType.UNSUPPORTED_MEDIA_TYPE,
}


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer problems for our own refusals, for aiohttp's, and for defects."""
    try:
        return await handler(request)
    except (ProblemError, BackendError, web.HTTPException, web.RequestPayloadError) as error:
        return _refused(request, error)
    except ConnectionError:
        raise  # the client is gone; there is nobody to answer
    except Exception as error:  # noqa: BLE001 - the edge: a defect must not show its inside on the wire
        return incident(request.method, request.path, error)


def _refused(request: web.Request, error: Exception) -> web.Response:
    match error:
        case ProblemError():
            return respond(error.problem)
        case StorageError():
            return respond(problem(ProblemType.STORAGE, str(error)))
        case BackendError():
            return respond(problem(ProblemType.UNAVAILABLE, str(error)))
        case web.HTTPException():
            return _from_aiohttp(request, error)
        case _:
            return respond(problem(ProblemType.MALFORMED, "the body could not be read as it was announced"))


def incident(method: str, path: str, error: BaseException | None) -> web.Response:
    """The answer to a defect, whose inside goes to the log alone."""
    name = uuid4().hex
    _log.error(events.API_INCIDENT, incident=name, method=method, path=path, exc_info=error)
    return respond(
        problem(ProblemType.INTERNAL, f"look for incident {name} in the agent's log", incident=name)
    )


def respond(details: Problem) -> web.Response:
    """The answer that carries a problem."""
    response = web.Response(status=details.status, body=codec.encode(details), content_type=MEDIA_TYPE)
    if isinstance(details.retry_after, float):
        response.headers["Retry-After"] = str(max(1, round(details.retry_after)))
    return response


def _from_aiohttp(request: web.Request, error: web.HTTPException) -> web.Response:
    kind = _KINDS.get(error.status, ProblemType.MALFORMED)
    match kind:
        case ProblemType.NOT_FOUND:
            detail = f"there is nothing at {request.path}"
        case ProblemType.METHOD_NOT_ALLOWED:
            detail = f"{request.path} does not know {request.method}"
        case ProblemType.TOO_LARGE:
            detail = f"the limit is {request.client_max_size} octets"
        case _:
            detail = error.reason
    response = respond(problem(kind, detail))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
