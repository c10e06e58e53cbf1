"""Questions to the far end that cannot be asked: tried again, and why is written down when it changes."""

from __future__ import annotations

import asyncio
import errno
from typing import Self

import pytest
import structlog

from causeway_agent.backends.processes import liveness, openvpn_trial
from tests.unit.agent.backends.test_made_devices import CLIENT


class NoDevice:
    """A probe that cannot begin, for one reason after the other."""

    def __init__(self, *reasons: int) -> None:
        self.reasons = list(reasons)
        self.tried_all = asyncio.Event()

    def __enter__(self) -> Self:
        if not self.reasons:
            self.tried_all.set()
            raise OSError(errno.ENODEV, "No such device")
        raise OSError(self.reasons.pop(0), "No such device" if len(self.reasons) != 1 else "Network is down")

    def __exit__(self, *_: object) -> None:
        """It never begins."""

    async def run(self) -> None:
        """It never begins."""


async def test_why_nothing_can_be_asked_is_written_down_when_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probe = NoDevice(*[errno.ENODEV] * 5)
    monkeypatch.setattr(openvpn_trial, "RETRY", 0.01)
    monkeypatch.setattr(liveness, "probe", lambda *_, **__: probe)
    with structlog.testing.capture_logs() as logs:
        async with openvpn_trial.probing("cwtun0", CLIENT), asyncio.timeout(5):
            await probe.tried_all.wait()
    told = [entry["reason"] for entry in logs if entry["event"] == "liveness_unavailable"]
    assert told == ["No such device", "Network is down", "No such device"]
