"""The OpenAPI 3.1 description of the agent's API, generated from the route table.

`python -m causeway_wire.openapi FILE` writes it, `--check FILE` tells whether the file is up to date.
Schemas come from the document types, descriptions of members from the text under them, problems from
`Route.problems`: nothing is said twice, so nothing can drift.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from causeway_wire import __version__, change, problem, public_rules, routes, types

Schema = dict[str, Any]

_REF = "#/components/schemas/{name}"
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
    "escalate": {
        "description": "Allow going from one failover mode directly to another, in this one change",
        "schema": {"type": "boolean"},
    },
    "id": {
        "description": "Name of a rule; may be given several times",
        "schema": {"type": "array", "items": msgspec.json.schema(public_rules.RuleId)},
    },
    "seconds": {"description": "Seconds from now", "required": True, "schema": _CONFIRM_SECONDS},
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
_PREFIX = r"^[0-9A-Fa-f:.]{2,45}/(0|[1-9][0-9]{0,2})$"
_SCALARS: dict[Any, Schema] = {
    types.IPAddress: {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    types.IPNetwork: {
        "type": "string",
        "pattern": _PREFIX,
        "description": "IPv4 or IPv6 prefix without host bits",
        "examples": ["192.0.2.0/24", "2001:db8::/64"],
    },
    types.IPInterface: {
        "type": "string",
        "pattern": _PREFIX,
        "description": "IPv4 or IPv6 address with the length of its prefix",
        "examples": ["192.0.2.10/24", "2001:db8::10/64"],
    },
    types.Secret: {
        "type": "string",
        "format": "password",
        "description": "Answers show `****`",
    },
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
            "schemas": _schemas(),
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
        operation["requestBody"] = {"required": True, "content": _json(route.request)}
    if route.stream:
        operation["requestBody"] = {"required": True, "content": _STREAM}
    operation["responses"] = {
        **{str(status): _success(route, status) for status in route.success},
        **_problems(route.problems),
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
        response["content"] = _json(route.response)
    elif status != 204:  # noqa: PLR2004 - No Content (RFC 9110, 15.3.5)
        response["content"] = {"text/plain": {"schema": {"type": "string"}}}
    if route is routes.GET_DESIRED:
        response["headers"] = _ETAG
    if route is routes.PUT_DESIRED:
        response["headers"] = {**_LOCATION, **_ETAG_SENT}
    return response


def _problems(kinds: Iterable[problem.ProblemType]) -> Schema:
    """One response per status, naming every problem type that can arrive with it."""
    by_status: dict[int, list[problem.ProblemType]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        str(status): {
            "description": "; ".join(kind.title for kind in group),
            "content": {
                problem.MEDIA_TYPE: {
                    "schema": {
                        "allOf": [{"$ref": _REF.format(name="Problem")}],
                        "properties": {"type": {"enum": [kind.urn for kind in group]}},
                    }
                }
            },
        }
        for status, group in sorted(by_status.items())
    }


def _json(kind: type) -> Schema:
    return {"application/json": {"schema": {"$ref": _REF.format(name=kind.__name__)}}}


def _bodies() -> tuple[type, ...]:
    named = [kind for route in routes.ROUTES for kind in (route.request, route.response) if kind is not None]
    return (*dict.fromkeys(named), problem.Problem)


def _schemas() -> Schema:
    bodies = _bodies()
    _, components = msgspec.json.schema_components(bodies, schema_hook=_scalar, ref_template=_REF)
    described = _descriptions(bodies)
    for name, schema in components.items():
        for member, details in schema.get("properties", {}).items():
            if description := described.get((name, member)):
                details["description"] = description
    return {name: components[name] for name in sorted(components)}


def _scalar(kind: type) -> Schema:
    schema = _SCALARS.get(kind)
    if schema is None:
        raise NotImplementedError(f"no schema for {kind!r}")
    return dict(schema)


def _descriptions(bodies: Iterable[type]) -> dict[tuple[str, str], str]:
    """What stands under the members of the document types, by type and member; subtypes inherit it."""
    classes: dict[str, tuple[list[str], dict[str, str]]] = {}
    for module in {inspect.getmodule(kind) for kind in bodies}:
        if module is None:
            continue
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                classes[node.name] = (bases, _member_texts(node))

    def members(name: str) -> dict[str, str]:
        bases, own = classes.get(name, ([], {}))
        inherited = {member: said for base in bases for member, said in members(base).items()}
        return inherited | own

    return {(name, member): said for name in classes for member, said in members(name).items()}


def _member_texts(node: ast.ClassDef) -> dict[str, str]:
    texts: dict[str, str] = {}
    for statement, following in zip(node.body, node.body[1:], strict=False):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=member)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                texts[member] = inspect.cleandoc(said)
            case _:
                pass
    return texts


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with `--check` compare it; 1 when it differs."""
    parser = argparse.ArgumentParser(prog="python -m causeway_wire.openapi", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args(arguments)
    if not options.check:
        options.file.write_text(text())
        return 0
    if options.file.exists() and options.file.read_text() == text():
        return 0
    sys.stderr.write(f"{options.file} is not what the route table says; run `make openapi`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
