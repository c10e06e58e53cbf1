"""The real clock: aware for records, monotonic for deadlines."""

from __future__ import annotations

from datetime import timedelta

from causeway_agent.backends.host import clock


def test_now_is_utc_and_aware() -> None:
    assert clock.SystemClock().now().utcoffset() == timedelta(0)


def test_durations_never_run_backwards() -> None:
    system = clock.SystemClock()
    assert system.monotonic() <= system.monotonic()
