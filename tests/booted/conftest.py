"""What is plugged into namespaces is begun in a sandbox only."""

from __future__ import annotations

import pytest

from causeway_lab import sandbox


@pytest.fixture(scope="session")
def sandboxed() -> None:
    """For tests that change networks."""
    if not sandbox.inside():
        pytest.fail("these tests change networks: run them in a sandbox, with `make booted`", pytrace=False)
