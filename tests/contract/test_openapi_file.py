"""The committed OpenAPI file: valid, and what the route table says."""

from __future__ import annotations

import json
from pathlib import Path

import openapi_spec_validator
import pytest

from causeway_wire import openapi

FILE = Path(__file__).parents[2] / "docs/reference/openapi.json"


def test_the_committed_file_is_what_the_route_table_says() -> None:
    assert FILE.read_text() == openapi.text(), "run `make openapi`"


def test_the_committed_file_is_valid_openapi() -> None:
    openapi_spec_validator.validate(
        json.loads(FILE.read_text()), cls=openapi_spec_validator.OpenAPIV31SpecValidator
    )


def test_the_validator_finds_a_planted_mistake() -> None:
    broken = json.loads(FILE.read_text())
    del broken["paths"]["/v1/changes/{id}"]["get"]["parameters"]
    with pytest.raises(openapi_spec_validator.validation.exceptions.OpenAPIValidationError):
        openapi_spec_validator.validate(broken, cls=openapi_spec_validator.OpenAPIV31SpecValidator)
