"""How long a run waits: for slow appliances longer, for hosts and replicas as long as ever."""

from __future__ import annotations

from dataclasses import replace

from causeway_controller.workflows.timing import Timing


def test_patience_is_with_appliances_alone() -> None:
    usual = Timing()
    longer = usual.longer(8.0)
    assert (longer.boot, longer.change, longer.tunnel) == (8 * 180.0, 8 * 30.0, 8 * 15.0)
    same = {name: getattr(usual, name) for name in ("boot", "change", "courtesy", "tunnel", "mode", "trial")}
    assert replace(longer, **same) == usual
