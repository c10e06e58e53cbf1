"""A run's summary: time-to-ready of each VM whoever carried it out, what failed and why, what is where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import UNSET, Raw

from causeway_controller.cli import report_page
from causeway_controller.contract.runs import RunEventReport, RunReport
from causeway_controller.failover import summary

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = RunReport(
    id="r1",
    tenant="acme",
    host="esx1",
    request=Raw(b'{"request":"fail-over-site","tenant":"acme","plan":"site"}'),
    actor="anna <script>",
    at=START,
    open=False,
)
STAGES = [["Power on the replica of db1", "The replica of db1 is ready"], ["Power on the replica of web1"]]


def events(*told: tuple[float, str, dict[str, object]]) -> list[RunEventReport]:
    return [
        RunEventReport(
            number=number,
            kind=kind,
            detail=Raw(msgspec.json.encode(detail)),
            at=START + timedelta(seconds=at),
        )
        for number, (at, kind, detail) in enumerate(told, 1)
    ]


def step(sentence: str, state: str, vm: str, does: str, **more: object) -> dict[str, object]:
    return {"step": sentence, "stage": 1, "state": state, "vm": vm, "does": does, **more}


ON, READY, WEB = STAGES[0][0], STAGES[0][1], STAGES[1][0]
BEGUN: tuple[float, str, dict[str, object]] = (
    1.0,
    "started",
    {"controller": "one", "mode": {"mode": "idle", "vms": []}, "stages": STAGES},
)


def test_time_to_ready_counts_from_the_first_power_on_under_whichever_controller() -> None:
    found = summary.of(
        RUN,
        events(
            BEGUN,
            (2.0, "step", step(ON, "started", "db1", "start")),
            (30.0, "taken-over", {"controller": "two", "silent": []}),
            (31.0, "step", step(ON, "started", "db1", "start")),
            (31.5, "step", step(ON, "unchanged", "db1", "start")),
            (33.0, "step", step(READY, "done", "db1", "wait", seconds=2.0)),
            (34.0, "step", step(WEB, "started", "web1", "start")),
            (35.0, "step", step(WEB, "done", "web1", "start")),
            (36.0, "finished", {"mode": {"mode": "full", "vms": ["db1", "web1"]}, "failures": {}}),
        ),
    )
    assert (found.state, found.seconds, found.controllers) == ("finished", 35.0, ("one", "two"))
    assert [(vm.vm, vm.state, vm.seconds, vm.since) for vm in found.vms] == [
        ("db1", "ready", 31.0, 32.0),
        ("web1", "started", 1.0, 34.0),
    ]


def test_the_restore_point_that_a_replica_started_with_is_told_whatever_came_later() -> None:
    restored = {"restored": {"db1": "2026-01-02T00:00:00+00:00"}}
    begun = (BEGUN[0], BEGUN[1], {**BEGUN[2], **restored})
    ons = ((2.0, "step", step(ON, "done", "db1", "start")), (2.0, "step", step(WEB, "done", "web1", "start")))
    found = summary.of(RUN, events(begun, *ons, (3.0, "taken-over", {"controller": "two", "silent": []})))
    points = {one.vm: one.restored_to for one in found.vms}
    assert points == {"db1": datetime(2026, 1, 2, tzinfo=UTC), "web1": UNSET}
    assert "<td>2026-01-02 00:00:00</td>" in report_page.page(found)


def test_who_did_not_come_is_last_and_says_why() -> None:
    found = summary.of(
        RUN,
        events(
            BEGUN,
            (2.0, "step", step(ON, "done", "db1", "start")),
            (9.0, "step", step(READY, "failed", "db1", "wait", error="it did not answer")),
            (9.5, "step", step(WEB, "skipped", "web1", "start", error="not begun")),
            (10.0, "failed", {"why": "because", "undone": ["a"], "kept": [], "now": {"vms": {"db1": "off"}}}),
        ),
    )
    assert [(vm.vm, vm.state, vm.seconds, vm.error) for vm in found.vms] == [
        ("db1", "late", UNSET, "it did not answer"),
        ("web1", "skipped", UNSET, "not begun"),
    ]
    assert (found.state, found.why, found.undone, found.now) == (
        "failed",
        "because",
        ("a",),
        {"vms": {"db1": "off"}},
    )


def test_a_run_under_way_says_what_is_left() -> None:
    found = summary.of(RUN, events(BEGUN, (2.0, "step", step(ON, "done", "db1", "start"))))
    assert (found.state, found.ended, found.seconds) == ("under way", UNSET, 1.0)
    assert [[one.state for one in stage] for stage in found.stages] == [["done", "planned"], ["planned"]]
    assert summary.of(RUN, []).stages == ()


def test_the_page_shows_what_is_told_and_nothing_of_it_becomes_markup() -> None:
    told = events(
        BEGUN,
        (2.0, "step", step(ON, "done", "db1", "start")),
        (4.0, "failed", {"why": "<b>x</b>", "now": {"addresses": {"192.0.2.1": "the replica of db1"}}}),
    )
    page = report_page.page(summary.of(RUN, told))
    assert "anna &lt;script&gt;" in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "<td>192.0.2.1</td><td>the replica of db1</td>" in page
    assert "<script" not in page
