"""A tunnel's device among sixty: the kernel tells what they have counted by the page."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

_BESIDE = 60
_LOOK = f"""
import subprocess
names = [*(f"br{{n}}" for n in range({_BESIDE})), "cwtun0"]
links = "".join(f"link add {{name}} type bridge\\n" for name in names)
subprocess.run(["ip", "-batch", "-"], input=links, text=True, check=True)
from causeway_agent.backends.filter import tunnel_loads
from causeway_agent.backends.processes import path_probe
from causeway_agent.backends.processes.liveness import Liveness
class Nothing:
    sockets, settling = (), 0.0
    def close(self): pass
with Liveness("cwtun0", Nothing) as liveness:
    assert liveness._counted() is not None
assert set(tunnel_loads._counted()) == {{"cwtun0"}}
assert path_probe._octets("cwtun0") == 0
"""


def test_a_tunnels_device_is_found_behind_many_others() -> None:
    subprocess.run(["unshare", "--net", sys.executable, "-c", _LOOK], check=True)
