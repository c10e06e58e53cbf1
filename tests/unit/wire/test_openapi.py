"""The generated description says what the route table and the document types say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from causeway_wire import codec, openapi, routes
from causeway_wire.desired import Desired
from tests import strategies

DOCUMENT = openapi.document()
PUT = DOCUMENT["paths"]["/v1/desired"]["put"]


def test_every_route_is_described() -> None:
    described = {
        (method.upper(), path, operation["operationId"])
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
    }
    assert described == {(route.method, route.path, route.name) for route in routes.ROUTES}


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: route.name)
def test_every_problem_of_a_route_is_described_with_its_status(route: routes.Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    described = {
        (int(status), urn)
        for status, response in operation["responses"].items()
        for media, content in response.get("content", {}).items()
        if media == "application/problem+json"
        for urn in content["schema"]["properties"]["type"]["enum"]
    }
    assert described == {(kind.status, kind.urn) for kind in route.problems}


def test_every_operation_asks_for_a_client_certificate() -> None:
    needed = {
        operation["operationId"]: operation["security"]
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
    }
    assert needed == {route.name: [{"controller": [route.permission.value]}] for route in routes.ROUTES}
    assert DOCUMENT["components"]["securitySchemes"]["controller"]["type"] == "mutualTLS"


def test_replacing_the_document_names_its_preconditions() -> None:
    names = {parameter["name"] for parameter in PUT["parameters"]}
    assert names == {"confirm", "escalate", "If-Match", "If-None-Match"}
    assert {"Location", "ETag"} == set(PUT["responses"]["202"]["headers"])
    assert "ETag" in DOCUMENT["paths"]["/v1/desired"]["get"]["responses"]["200"]["headers"]


def test_secrets_are_passwords_that_answers_mask() -> None:
    keys = [
        schema["properties"]["tls_crypt"]
        for schema in DOCUMENT["components"]["schemas"].values()
        if "tls_crypt" in schema.get("properties", {})
    ]
    assert len(keys) == 3
    assert all(key["format"] == "password" for key in keys)
    assert not any("writeOnly" in key for key in keys), "answers have the member, masked"


def test_members_carry_the_text_that_stands_under_them_inherited_ones_too() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert "at most one per family" in schemas["Nic"]["properties"]["gateways"]["description"]
    for name in ("ProductionNetwork", "ProviderNetwork"):
        assert "inside the prefixes" in schemas[name]["properties"]["gateways"]["description"]


def test_moments_have_a_zone() -> None:
    assert DOCUMENT["components"]["schemas"]["Change"]["properties"]["created"]["format"] == "date-time"


@given(strategies.DOCUMENTS)
def test_every_document_the_codec_writes_fits_its_schema(document: Desired) -> None:
    VALIDATOR.validate(json.loads(codec.encode(document)))


def test_check_tells_a_changed_file_from_a_true_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "openapi.json"
    assert openapi.main([str(file), "--check"]) == 1
    assert openapi.main([str(file)]) == 0
    assert openapi.main([str(file), "--check"]) == 0
    file.write_text(file.read_text().replace("3.1.0", "3.0.0"))
    assert openapi.main([str(file), "--check"]) == 1
    assert "make openapi" in capsys.readouterr().err


def _validator(name: str) -> Any:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


VALIDATOR = _validator("Desired")
