"""The committed OpenAPI files: valid, and what the route tables say."""

from __future__ import annotations

import json
from pathlib import Path

import openapi_spec_validator
import pytest

from causeway_controller.contract import openapi as controller_openapi
from causeway_controller.contract import tenant_openapi
from causeway_wire import openapi

pytestmark = pytest.mark.timeout(180)
"""A validator reads every schema of a large file."""

REFERENCE = Path(__file__).parents[2] / "docs/reference"
FILE = REFERENCE / "openapi.json"
TEXTS = {
    FILE: openapi.text(),
    REFERENCE / "controller-openapi.json": controller_openapi.text(),
    REFERENCE / "tenant-openapi.json": tenant_openapi.text(),
}


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_the_committed_file_is_what_the_route_table_says(file: Path) -> None:
    assert file.read_text() == TEXTS[file], "run `make openapi`"


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_the_committed_file_is_valid_openapi(file: Path) -> None:
    openapi_spec_validator.validate(
        json.loads(file.read_text()), cls=openapi_spec_validator.OpenAPIV31SpecValidator
    )


def test_what_is_removed_is_said_to_be_gone() -> None:
    """204 means another thing where a run's events are followed."""
    paths = json.loads((REFERENCE / "controller-openapi.json").read_text())["paths"]
    said = {
        method: operation["responses"]["204"]["description"]
        for path in ("/v1/runs/{run}/events", "/v1/tenants/{tenant}/replicas/{vm}")
        for method, operation in paths[path].items()
        if "204" in operation["responses"]
    }
    assert said == {"get": "Nothing more will come", "delete": "It is gone"}


def test_the_validator_finds_a_planted_mistake() -> None:
    broken = json.loads(FILE.read_text())
    del broken["paths"]["/v1/changes/{id}"]["get"]["parameters"]
    with pytest.raises(openapi_spec_validator.validation.exceptions.OpenAPIValidationError):
        openapi_spec_validator.validate(broken, cls=openapi_spec_validator.OpenAPIV31SpecValidator)
