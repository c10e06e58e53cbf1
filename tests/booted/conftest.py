"""What boots is plugged into private namespaces: without a sandbox nothing is begun."""

from __future__ import annotations

import pytest

from causeway_controller.lab import sandbox


@pytest.fixture(scope="session", autouse=True)
def _in_a_sandbox() -> None:
    if not sandbox.inside():
        pytest.fail("these tests change networks: run them in a sandbox, with `make booted`", pytrace=False)
