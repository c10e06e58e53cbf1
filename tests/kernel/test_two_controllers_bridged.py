"""A network that is extended bridged, over two controllers: there and back, and widened, on real packets."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(420)]


def test_a_bridged_network_fails_over_widens_and_comes_back() -> None:
    sandboxed = (sys.executable, "-m", "causeway_lab.sandbox", "--")
    done = subprocess.run(
        (*sandboxed, sys.executable, "-m", "tests.kernel.bridged_controllers"),
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr  # that it goes there and comes back is proved within
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["proposed"] == "bridged"
    assert seen["macs"] == seen["replica"], "production sees the replica itself, and no appliance"
