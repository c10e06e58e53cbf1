"""The OpenAPI 3.1 descriptions of the controller's APIs, generated from the route tables.

`python -m causeway_controller.contract.openapi FILE` writes that of staff, `tenant_openapi` the other one.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import msgspec

from causeway_controller.contract import (
    access,
    audiences,
    explain,
    joining,
    provider,
    routes,
    runs,
    tenant,
    tenant_view,
    tokens,
)
from causeway_controller.contract.audiences import Audience
from causeway_controller.contract.certificates import Bearer
from causeway_controller.contract.halves import HalfState
from causeway_wire import openapi_parts, problem, public_rules, types
from causeway_wire.openapi_parts import Schema

_PATH_PARAMETERS: dict[str, Any] = {
    "tenant": types.TenantId,
    "host": types.Name,
    "gateway": types.ApplianceId,
    "half": runs.RunId,
    "network": types.NetworkId,
    "run": runs.RunId,
    "serial": types.SerialNumber,
    "invitation": joining.InvitationId,
    "provider": types.Name,
    "token": tokens.TokenId,
    "vm": types.VmName,
}
_QUERY_PARAMETERS: dict[str, Schema] = {
    "after": {
        "description": "Only events after this number; a `Last-Event-ID` counts before it",
        "schema": {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
    },
    "allow_older": {
        "description": "Also a system that is older than the one that runs",
        "schema": {"type": "boolean"},
    },
    "appliance": {
        "description": "Only of keys on this appliance, as far as that was written down",
        "schema": msgspec.json.schema(types.ApplianceId),
    },
    "bearer": {
        "description": "Only of those who show them as this",
        "schema": {"type": "string", "enum": [one.value for one in Bearer]},
    },
    "build": {
        "description": "What storing the file answered",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    "counts": {
        "description": "Only those that count",
        "schema": {"type": "boolean"},
    },
    "cursor": {
        "description": "`next` of the answer before",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9:._+-]{1,200}$"},
    },
    "destination": {
        "description": "The address that the packet is for",
        "required": True,
        "schema": {"type": "string", "format": "ip"},
    },
    "dry_run": {
        "description": "Check everything and say what would happen; change nothing",
        "schema": {"type": "boolean"},
    },
    "force": {
        "description": "Do it although the other side was not told",
        "schema": {"type": "boolean"},
    },
    "gone": {
        "description": "Host or machine are no more: nobody asks them",
        "schema": {"type": "boolean"},
    },
    "host": {
        "description": "Where the tenant has appliances on several hosts",
        "schema": msgspec.json.schema(types.Name),
    },
    "interrupt": {
        "description": "Also while it serves a failover, which its restart interrupts",
        "schema": {"type": "boolean"},
    },
    "keep_certificates": {
        "description": "Do not revoke those of the old machine",
        "schema": {"type": "boolean"},
    },
    "kind": {
        "description": "What kind of packet; without it, any but an ICMP error",
        "schema": {"type": "string", "enum": list(explain.KINDS)},
    },
    "knows": {
        "description": "The `next_key` that the caller keeps and will accept",
        "schema": msgspec.json.schema(provider.Fingerprint),
    },
    "limit": {
        "description": "The most entries to answer with",
        "schema": {"type": "integer", "minimum": 1, "maximum": routes.PAGE},
    },
    "overrule": {
        "description": "Also where it serves a failover that this controller does not know, which ends then",
        "schema": {"type": "boolean"},
    },
    "port": {
        "description": "The packet's destination port",
        "schema": {"type": "integer", "minimum": 0, "maximum": 65535},
    },
    "revoke": {
        "description": "Refuse the certificates before it from now on",
        "schema": {"type": "boolean"},
    },
    "revoked": {
        "description": "Only those that were revoked",
        "schema": {"type": "boolean"},
    },
    "source": {
        "description": "The address that the packet comes from",
        "required": True,
        "schema": {"type": "string", "format": "ip"},
    },
    "wait": {
        "description": "How many seconds to wait for a difference",
        "schema": {"type": "integer", "minimum": 0, "maximum": 25},
    },
    "tenant": {"description": "Only of this tenant", "schema": msgspec.json.schema(types.TenantId)},
}
_OWN_QUERY: dict[tuple[str, str], Schema] = {
    ("resources", "after"): {
        "description": "The `version` that the caller has",
        "schema": msgspec.json.schema(tenant_view.Version),
    },
    ("half", "after"): {
        "description": "The state that the caller knows",
        "schema": {"type": "string", "enum": [one.value for one in HalfState]},
    },
}
"""Parameters that mean something of their own to one route."""
_HEADERS: dict[str, Schema] = {
    routes.IF_MATCH: {
        "description": "The ETag of what is replaced, `*` for any (RFC 9110, 13.1.1). Needed for an "
        "inventory unless `dry_run` is asked for",
        "schema": {"type": "string"},
    },
    routes.IF_NONE_MATCH: {
        "description": "The ETag of what one has: 304 while it is in force (RFC 9110, 13.1.2)",
        "schema": {"type": "string"},
    },
    routes.IDEMPOTENCY_KEY: {
        "description": "Chosen by the caller, at best a random UUID. The same request under the same key "
        "gets the same answer and starts nothing; for 24 hours another request under it is refused",
        "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,128}$"},
    },
    routes.LAST_EVENT_ID: {
        "description": "The number of the last event that was received: the stream goes on after it",
        "schema": {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
    },
}
_ANSWERS: dict[str, Schema] = {
    routes.ETAG: {"description": "Strong; of an inventory its revision", "schema": {"type": "string"}},
    routes.LOCATION: {
        "description": "Where what was made is found",
        "schema": {"type": "string", "format": "uri-reference"},
    },
}
_NO_BODY = (204, 304)


def document(audience: Audience = audiences.STAFF) -> Schema:
    """The whole description, ready for JSON."""
    paths: Schema = {}
    for route in audience.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, audience)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": audience.title,
            "version": "1",
            "summary": audience.summary,
            "description": audience.description,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": openapi_parts.schemas(_bodies(audience), _described(audience)),
            "securitySchemes": _security(audience),
        },
    }


def text(audience: Audience = audiences.STAFF) -> str:
    """The description as the committed file holds it."""
    return json.dumps(document(audience), indent=2) + "\n"


def _security(audience: Audience) -> Schema:
    if not audience.tokens:
        return {"certificate": {"type": "mutualTLS", "description": "Of a tenant's controller that joined"}}
    roles = "; ".join(_role(role) for role in access.Role)
    return {"token": {"type": "http", "scheme": "bearer", "description": f"Roles: {roles}"}}


def _role(role: access.Role) -> str:
    return f"`{role}` ({', '.join(sorted(access.GRANTS[role]))})"


def _operation(route: routes.Route, audience: Audience) -> Schema:
    operation: Schema = {"operationId": route.name, "summary": route.summary}
    operation["security"] = _secured(route, audience)
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.request is not None:
        operation["requestBody"] = {"required": True, "content": openapi_parts.json_body(route.request)}
    operation["responses"] = {
        **{str(status): _success(route, status) for status in route.success},
        **_dry(route),
        **openapi_parts.problems(route.problems),
    }
    return operation


def _secured(route: routes.Route, audience: Audience) -> list[Schema]:
    if route.permission is None:
        return []
    return [{"token": [route.permission.value]}] if audience.tokens else [{"certificate": []}]


def _parameters(route: routes.Route) -> list[Schema]:
    return [
        *(
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": msgspec.json.schema(_PATH_PARAMETERS[name]),
            }
            for name in re.findall(r"{(\w+)}", route.path)
        ),
        *(
            {"name": name, "in": "query", **_OWN_QUERY.get((route.name, name), _QUERY_PARAMETERS[name])}
            for name in route.query
        ),
        *({"name": name, "in": "header", **_HEADERS[name]} for name in route.headers),
    ]


def _success(route: routes.Route, status: int) -> Schema:
    gone = "It is gone" if route.method == "DELETE" else "Nothing more will come"
    said = {201: "Made", 202: "Accepted", 204: gone, 304: "It is what one has"}
    response: Schema = {"description": said.get(status, "OK")}
    if status not in _NO_BODY:
        response["content"] = _content(route)
    if route.answers:
        response["headers"] = {name: _ANSWERS[name] for name in route.answers}
    return response


def _content(route: routes.Route) -> Schema:
    content: Schema = {}
    if route.response is None:
        return {"text/plain": {"schema": {"type": "string"}}}
    content.update(openapi_parts.json_body(route.response))
    if route.stream:
        content[routes.EVENT_STREAM] = {"schema": {"type": "string"}}
    return content


def _dry(route: routes.Route) -> Schema:
    if route.dry is None:
        return {}
    return {"200": {"description": "What would happen", "content": openapi_parts.json_body(route.dry)}}


def _bodies(audience: Audience) -> list[Any]:
    kinds = [
        kind
        for route in audience.routes
        for kind in (route.request, route.response, route.dry)
        if kind is not None
    ]
    return [*dict.fromkeys(kinds), problem.Problem]


def _described(audience: Audience) -> list[type]:
    """One type of every module whose types are part of bodies."""
    inside = [provider.Host, tenant.Tenant, tenant_view.TenantResources, public_rules.PublicRule]
    return [kind for kind in (*_bodies(audience), *inside) if isinstance(kind, type)]


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with `--check` compare it; 1 when it differs."""
    program = "causeway_controller.contract.openapi"
    return openapi_parts.run(text(), program=program, remedy="make openapi", arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
