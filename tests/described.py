"""Requests drawn from a published OpenAPI description, and what every answer to one is checked for."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as openapi

MORE = int(os.environ.get("CAUSEWAY_FUZZ", "1"))
"""How many times as many requests as in a usual run."""
CHECKS: list[Any] = [
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
]
REFERENCE = Path(__file__).parents[1] / "docs/reference"

drawn = functools.partial(
    settings,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

Operation = schemathesis.APIOperation[Any, Any, Any, Any]


def operations(description: str) -> dict[str, Operation]:
    """The operations of this description in the reference, by `METHOD /path`."""
    schema = schemathesis.openapi.from_dict(json.loads((REFERENCE / description).read_text()))
    found = (result.ok() for result in schema.get_all_operations() if isinstance(result, Ok))
    return {operation.label: operation for operation in found}
