"""Steps on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from causeway_lab.service import view as views
from causeway_lab.service.description import wrong
from causeway_lab.service.protocol import ApplianceStatus, Status, VmStatus
from causeway_lab.service.view import StepView
from causeway_lab.world.steps import Step

READY = ApplianceStatus(name="gateway1", state="ready", role="gateway", failover="idle", tunnels=())
DEGRADED = ApplianceStatus(
    name="acme-sp",
    state="degraded",
    role="provider",
    failover="idle",
    tunnels=(),
    problem="no answer of net1",
)
GONE = ApplianceStatus(name="acme-nea1", state="unreachable", role="", failover="", tunnels=())
RUNS = VmStatus(name="acme/web1", addresses=(), original=True, replica=False, mode="idle")
NOWHERE = VmStatus(name="acme/db1", addresses=(), original=False, replica=False, mode="idle")
AWAY = VmStatus(name="acme/app2", addresses=(), original=False, replica=True, mode="partial")


def test_news_of_a_long_step_is_one_line_and_no_end_of_it() -> None:
    output = io.StringIO()
    view = StepView(Console(file=output, width=60))
    view.show(Step(name="boot a"))
    view.show(Step(name="boot a", at="15 s; " + "words " * 40))
    view.show(Step(name="boot a", seconds=20.0))
    news, end = output.getvalue().splitlines()
    assert news.startswith("  ..     boot a: 15 s; words")
    assert len(news) <= 60
    assert end == "  ok      20.000 s  boot a"
    assert [step.name for step in view.finished] == ["boot a"]


def shown(found: Status) -> list[str]:
    output = io.StringIO()
    views.status(Console(file=output, width=80), found)
    return output.getvalue().splitlines()


def test_what_is_wrong_is_said_first() -> None:
    said = wrong((READY, DEGRADED, GONE), (RUNS, NOWHERE, AWAY))
    assert said == (
        "acme-sp is degraded: no answer of net1",
        "acme-nea1 is unreachable",
        "acme/db1 runs nowhere",
    )
    assert shown(Status(up=True, wrong=said))[:3] == list(said)


def test_where_nothing_is_wrong_that_is_said() -> None:
    assert wrong((READY,), (RUNS, AWAY)) == ()
    assert shown(Status(up=True))[0] == "Nothing is wrong."
