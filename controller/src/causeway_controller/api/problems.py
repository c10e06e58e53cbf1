"""Turns everything that goes wrong into RFC 9457 problem details, also what aiohttp refuses by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from causeway_controller.errors import SecretMissing, StoreError
from causeway_wire import codec
from causeway_wire.problem import MEDIA_TYPE, Problem, ProblemError, ProblemType, problem

_log = logging.getLogger(__name__)

_FOREIGN: Final = {
    400: ProblemType.MALFORMED,
    404: ProblemType.NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    413: ProblemType.TOO_LARGE,
    415: ProblemType.UNSUPPORTED_MEDIA_TYPE,
}
"""What aiohttp raises for, as our problems; anything else of it is malformed."""
_EXPECT: Final = "nothing can be expected (header Expect) but 100-continue"

Counting = Callable[[web.Request, int, float], None]


def middleware(count: Counting, clock: Callable[[], float]) -> Middleware:
    """The outermost middleware; `count` is told of each request, its status, and the seconds it took."""

    @web.middleware
    async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = clock()
        response = await _answer(request, handler)
        count(request, response.status, clock() - began)
        return response

    return translate


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ProblemError as error:
        return respond(error.problem)
    except web.HTTPException as error:
        return foreign(request, error)
    except SecretMissing as error:
        return respond(problem(ProblemType.UNAVAILABLE, str(error)))
    except StoreError as error:
        _log.exception("the store failed", extra={"path": request.path})
        detail = f"{error}; nothing was changed as far as is known: repeat it when the store works"
        return respond(problem(ProblemType.UNAVAILABLE, detail, retry_after=5.0))
    except ConnectionError:
        raise  # the client is gone; there is nobody to answer
    except Exception as error:  # noqa: BLE001 - the edge: a defect must not show its inside on the wire
        return defect(request.method, request.path, error)


def defect(method: str, path: str, error: BaseException | None) -> web.Response:
    """The answer to a request that met a defect, which the log has under the same incident."""
    incident = uuid4().hex
    _log.error("incident", exc_info=error, extra={"incident": incident, "method": method, "path": path})
    detail = f"look for incident {incident} in the controller's log"
    return respond(problem(ProblemType.INTERNAL, detail, incident=incident))


def label(response: web.StreamResponse) -> None:
    """What every answer says of itself. By which software it was made is nobody's business."""
    response.headers["Server"] = "causeway"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"


def respond(details: Problem) -> web.Response:
    """The answer that carries a problem."""
    headers: dict[str, str] = {}
    if isinstance(details.retry_after, float):
        headers["Retry-After"] = str(max(1, round(details.retry_after)))
    if details.type == ProblemType.UNAUTHENTICATED.urn:
        headers["WWW-Authenticate"] = 'Bearer realm="causeway"'
    return web.Response(
        status=details.status, body=codec.encode(details), content_type=MEDIA_TYPE, headers=headers
    )


def foreign(request: web.Request, error: web.HTTPException) -> web.Response:
    """The answer to what aiohttp refuses by itself."""
    kind = _FOREIGN.get(error.status, ProblemType.MALFORMED)
    words = _EXPECT if isinstance(error, web.HTTPExpectationFailed) else _words(request, kind)
    response = respond(problem(kind, words))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _words(request: web.Request, kind: ProblemType) -> str:
    match kind:
        case ProblemType.NOT_FOUND:
            known = "the API's description lists all paths, and names in a path are lower-case"
            return f"there is nothing at this path; {known}"
        case ProblemType.METHOD_NOT_ALLOWED:
            return f"{request.method} is none of the methods in the header Allow"
        case _:
            return "the request could not be read as it was announced"
