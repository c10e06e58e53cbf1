"""Sockets to netfilter: one that stays."""

from __future__ import annotations

import contextlib

import pytest

from causeway_agent.backends.filter.nfnetlink import KeptLink


def test_a_link_stays_open_between_uses() -> None:
    with contextlib.closing(KeptLink()) as kept:
        with kept.use() as first:
            pass
        with kept.use() as second:
            assert second is first


def test_a_link_that_failed_is_not_used_again() -> None:
    with contextlib.closing(KeptLink()) as kept:
        with pytest.raises(OSError, match="refused"), kept.use() as first:
            raise OSError(1, "refused")
        with kept.use() as second:
            assert second is not first
