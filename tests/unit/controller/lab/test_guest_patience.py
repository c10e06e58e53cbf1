"""Guests wait longer where appliances are slow."""

from __future__ import annotations

from causeway_controller.lab import guest, probes


def test_patience_that_was_asked_for_is_multiplied() -> None:
    asked = {"address": "192.0.2.1", "patience": 0.5}
    assert guest.patient(probes.ping, asked, 8.0) == {**asked, "patience": 4.0}


def test_so_is_a_probe_s_own() -> None:
    assert guest.patient(probes.http, {"address": "192.0.2.1"}, 8.0)["patience"] == 16.0


def test_a_probe_that_waits_for_nothing_is_left_alone() -> None:
    asked = {"source": "192.0.2.9", "address": "192.0.2.1"}
    assert guest.patient(probes.spoof, asked, 8.0) == asked
