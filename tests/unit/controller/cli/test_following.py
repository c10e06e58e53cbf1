"""What is told of a run's events, to people."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from causeway_controller.cli import following
from causeway_controller.contract.runs import RunEventReport

NOW = {"addresses": {"192.168.10.1": "nobody"}, "appliances": {"acme-esx1": "idle"}, "vms": {}}


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        (
            {"now": NOW, "why": "no tunnel"},
            "why: no tunnel, now: (addresses: (192.168.10.1: nobody), appliances: (acme-esx1: idle))",
        ),
        (
            {"now": {}, "mode": {"mode": "partial", "vms": ["db1", "web1"]}},
            "mode: (mode: partial, vms: db1, web1)",
        ),
        (
            {"stages": [["Power on"], ["Route", "Claim"]], "kept": True},
            "stages: Power on, Route, Claim, kept: yes",
        ),
        ({"step": "Route", "state": "failed", "seconds": 0.1, "error": "no"}, "Route: failed (0.1 s): no"),
    ],
)
def test_why_comes_first_and_nothing_is_told_as_a_program_writes_it(
    detail: Any, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = msgspec.Raw(json.dumps(detail).encode())
    event = RunEventReport(number=7, kind="failed", at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), detail=raw)
    following.tell(event, json_wanted=False)
    assert capsys.readouterr().out == f"03:04:05    7  failed        {told}\n"
