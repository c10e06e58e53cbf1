"""Threads that meet a type at the same time, before anybody has used it, all read their documents."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(120)

THREADS = 8
MET = f"""
import sys, threading, types
from causeway_wire import codec

sys.setswitchinterval(1e-6)
text = "from __future__ import annotations\\nimport msgspec\\nfrom typing import Annotated\\n"
for depth in range(60):
    text += f"class Level{{depth}}(msgspec.Struct):\\n"
    text += "".join(f"    member{{place}}: Annotated[int, msgspec.Meta(ge=0)] = 0\\n" for place in range(5))
    text += f"    within: Level{{depth - 1}} | None = None\\n" if depth else ""
    text += "    last: int = 0\\n"
made = sys.modules["made"] = types.ModuleType("made")
exec(text, made.__dict__)

together, found = threading.Barrier({THREADS}), []
def meet():
    together.wait()
    found.append(codec.decode(b'{{"last": 5}}', made.Level59).last)
threads = [threading.Thread(target=meet) for _ in range({THREADS})]
[one.start() for one in threads], [one.join() for one in threads]
print(*found)
"""
"""In a process of its own, which would be gone: msgspec takes a while to learn a type of sixty levels."""


def test_threads_meet_a_type_for_the_first_time() -> None:
    done = subprocess.run([sys.executable, "-c", MET], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["5"] * THREADS
