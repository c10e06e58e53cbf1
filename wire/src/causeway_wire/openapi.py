"""The OpenAPI 3.1 description of the agent's API, generated from the route table.

`python -m causeway_wire.openapi FILE` writes it, `--check FILE` tells whether the file is up to date.
"""

from __future__ import annotations

import json
import re
import sys

import msgspec

from causeway_wire import __version__, change, openapi_parts, problem, public_rules, routes, types
from causeway_wire.openapi_parts import Schema

_PATH_PARAMETERS = {"id": types.ChangeId}
_CONFIRM_SECONDS: Schema = {"type": "integer", "minimum": 1, "maximum": change.CONFIRM_SECONDS}
_QUERY_PARAMETERS: dict[str, Schema] = {
    "allow_older": {
        "description": "Take the file although it is older than the system that runs (`update-older`)",
        "schema": {"type": "boolean"},
    },
    "confirm": {
        "description": "Take the change back unless it is confirmed within this many seconds of being "
        "applied (as in RFC 6241, 8.4). A restart before that counts as not confirmed.",
        "schema": _CONFIRM_SECONDS,
    },
    "destination": {
        "description": "The address that the packet is for",
        "required": True,
        "schema": {"type": "string", "format": "ip"},
        "example": "192.0.2.2",
    },
    "entry": {
        "description": "The device that the packet enters on; without it, where its source belongs",
        "schema": {"type": "string", "pattern": "^[!-.0-~]{1,15}$"},
    },
    "epoch": {
        "description": "Of the workflow that decides; once a newer one has taken over it is refused",
        "required": True,
        "schema": msgspec.json.schema(types.Epoch),
    },
    "escalate": {
        "description": "Allow going from one failover mode directly to another, in this one change",
        "schema": {"type": "boolean"},
    },
    "id": {
        "description": "Name of a rule; may be given several times",
        "schema": {"type": "array", "items": msgspec.json.schema(public_rules.RuleId)},
    },
    "kind": {
        "description": "What kind of packet; without it, any but an ICMP error",
        "schema": {"type": "string", "enum": ["tcp", "udp", "icmp", "icmp-error"]},
    },
    "port": {
        "description": "The packet's destination port",
        "schema": {"type": "integer", "minimum": 0, "maximum": 65535},
    },
    "seconds": {"description": "Seconds from now", "required": True, "schema": _CONFIRM_SECONDS},
    "size": {
        "description": "Octets of the packet with its IP header; without it, no path is too small",
        "schema": {"type": "integer", "minimum": 0, "maximum": 65535},
    },
    "source": {
        "description": "The address that the packet comes from",
        "required": True,
        "schema": {"type": "string", "format": "ip"},
        "example": "192.0.2.1",
    },
    "wait": {
        "description": "Answer when the change is final or awaits confirmation, at the latest after this "
        "many seconds. "
        "The limit is `limits.wait_seconds` in the answer of `GET /v1`.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,4}s?$"},
        "example": "30s",
    },
}
_ETAG: Schema = {
    "ETag": {
        "description": "Strong: generation and digest of the document in force",
        "schema": {"type": "string"},
    }
}
_ETAG_SENT: Schema = {
    "ETag": {
        "description": "Strong: generation and digest of the document that was sent",
        "schema": {"type": "string"},
    }
}
_PRECONDITIONS: tuple[Schema, ...] = (
    {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag of the document that is replaced (RFC 9110, 13.1.1)",
        "schema": {"type": "string"},
    },
    {
        "name": "If-None-Match",
        "in": "header",
        "description": "`*` for the first document of an appliance (RFC 9110, 13.1.2)",
        "schema": {"type": "string", "const": "*"},
    },
)
_DIGEST: Schema = {
    "name": "Content-Digest",
    "in": "header",
    "required": True,
    "description": "SHA-256 of the body (RFC 9530, 2); the body's length must be announced as well",
    "schema": {"type": "string", "pattern": "^sha-256=:[A-Za-z0-9+/]{43}=:$"},
}
_STREAM: Schema = {"application/octet-stream": {}}
_LOCATION: Schema = {
    "Location": {
        "description": "The change to follow",
        "schema": {"type": "string", "format": "uri-reference"},
    }
}


def document() -> Schema:
    """The whole description, ready for JSON."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Causeway agent",
            "version": __version__,
            "summary": "The API of the agent on a network extension appliance",
            "description": "TLS 1.3 with client certificates. Requests are strict; readers of answers "
            "tolerate unknown members. Every refusal is an RFC 9457 problem with a stable type.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(),
        "components": {
            "schemas": openapi_parts.schemas(_bodies(), _bodies()),
            "securitySchemes": {
                "controller": {
                    "type": "mutualTLS",
                    "description": "A certificate of the controller's authority; its roles are `observe` and "
                    "`apply`, which includes `observe`",
                }
            },
        },
    }


def text() -> str:
    """The description as the committed file holds it."""
    return json.dumps(document(), indent=2) + "\n"


def _paths() -> Schema:
    paths: Schema = {}
    for route in routes.ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return paths


def _operation(route: routes.Route) -> Schema:
    operation: Schema = {
        "operationId": route.name,
        "summary": route.summary,
        "security": [{"controller": [route.permission.value]}],
    }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.request is not None:
        operation["requestBody"] = {"required": True, "content": openapi_parts.json_body(route.request)}
    if route.stream:
        operation["requestBody"] = {"required": True, "content": _STREAM}
    operation["responses"] = {
        **{str(status): _success(route, status) for status in route.success},
        **openapi_parts.problems(route.problems),
    }
    return operation


def _parameters(route: routes.Route) -> list[Schema]:
    in_path: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": msgspec.json.schema(_PATH_PARAMETERS[name])}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    in_query: list[Schema] = [
        {"name": name, "in": "query", **_QUERY_PARAMETERS[name]} for name in route.query
    ]
    in_header = _PRECONDITIONS if route is routes.PUT_DESIRED else (_DIGEST,) if route.stream else ()
    return [*in_path, *in_query, *in_header]


def _success(route: routes.Route, status: int) -> Schema:
    response: Schema = {"description": {202: "Accepted", 204: "Done"}.get(status, "OK")}
    if route.response is not None:
        response["content"] = openapi_parts.json_body(route.response)
    elif status != 204:  # noqa: PLR2004 - No Content (RFC 9110, 15.3.5)
        response["content"] = {"text/plain": {"schema": {"type": "string"}}}
    if route is routes.GET_DESIRED:
        response["headers"] = _ETAG
    if route is routes.PUT_DESIRED:
        response["headers"] = {**_LOCATION, **_ETAG_SENT}
    return response


def _bodies() -> tuple[type, ...]:
    named = [kind for route in routes.ROUTES for kind in (route.request, route.response) if kind is not None]
    return (*dict.fromkeys(named), problem.Problem)


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with `--check` compare it; 1 when it differs."""
    program = "causeway_wire.openapi"
    return openapi_parts.run(text(), program=program, remedy="make openapi", arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
